//! What can go wrong between a checked program and its outputs.

use ceg4n_ir::Format;

/// Why a program was not compiled or a batch was not evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JitError {
    /// The program has no integer form ([`ceg4n_ir::Checked::kernel`] is `None`).
    #[error("the program is real; only a fixed-point program has native code")]
    NotFixed,
    /// Cranelift has no back end for this machine, or none with 64-bit pointers.
    #[error("no native code for this machine: {0}")]
    Host(String),
    /// Cranelift refused a function: a defect of this crate.
    #[error("code generation failed: {0}")]
    Compile(String),
    /// The inputs of a batch, or the ends of a box, have not as many elements as they should.
    #[error("{found} input mantissas were given, {expected} are needed")]
    InputLength {
        /// What the program takes; `usize::MAX` if the product overflows.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// An input mantissa lies outside the input's format.
    #[error("input {index} of sample {sample} is {mantissa}, outside the input's format")]
    InputRange {
        /// Which sample of the batch; 0 for the ends of a box.
        sample: usize,
        /// Which input.
        index: usize,
        /// The mantissa.
        mantissa: i64,
    },
    /// Samples were packed for another input format.
    #[error("the samples have the format {found}, the program's input {expected}")]
    InputFormat {
        /// The program's.
        expected: Format,
        /// The samples'.
        found: Format,
    },
    /// A range of samples that ends before it begins or beyond the last one.
    #[error("the range of samples reaches {end}, there are {samples}")]
    SampleRange {
        /// The greater end of the range.
        end: usize,
        /// How many samples there are.
        samples: usize,
    },
    /// A real input is infinite or not a number.
    #[error("input {index} of sample {sample} is no finite number")]
    NotFinite {
        /// Which sample.
        sample: usize,
        /// Which input.
        index: usize,
    },
    /// A box without a point.
    #[error("the box is empty: its lower end exceeds its upper end at input {index}")]
    EmptyBox {
        /// The first such input.
        index: usize,
    },
}
