//! What can go wrong between a checked program and its outputs.

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
    /// A box without a point.
    #[error("the box is empty: its lower end exceeds its upper end at input {index}")]
    EmptyBox {
        /// The first such input.
        index: usize,
    },
}
