//! Exact evaluation of checked programs: the reference over rationals, kernels over integers.
//!
//! What an operator means is said by `ir-specs`: [`interpret_kernel`] and [`interpret_real`] walk a
//! lowered program and interpret it, over any [`Domain`]. The SMT lowering is the same walk over a
//! domain of terms. Where that would take too long for real networks there is a direct evaluation
//! of the same values, which tests hold against the interpreter.
//!
//! A reference with smooth activations or constants that are only enclosed has no rational values.
//! It is evaluated between bounds ([`real_enclosures`]), and [`outputs_within`] takes every program.

mod direct;
mod kernel;
mod linear;
mod operands;
mod real;
mod reference;
mod runs;
pub mod small;
mod weighted;

pub use ceg4n_base::elementary::Enclosure;
pub use ceg4n_opspec::{Domain, MeaningError};
pub use kernel::{Trace, interpret_kernel, rounding_name};
pub use operands::Constant;
pub use real::interpret_real;
pub use reference::{
    BITS, real_enclosures, real_enclosures_within, real_outputs, real_trace, real_trace_within,
};

use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Kernel, Lowered, Program};
use num_traits::ToPrimitive;
use std::fmt;

/// Why an evaluation has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvalError {
    /// The input has not as many elements as the program takes.
    InputLength {
        /// What the program takes.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// An input mantissa lies outside the input's format.
    InputRange {
        /// Which input.
        index: usize,
        /// The mantissa.
        mantissa: i64,
    },
    /// The reference has no rational values: a smooth activation, or constants that are only
    /// enclosed. Its enclosures have.
    NotExact,
    /// The specification has no meaning here; a checked program never gets there.
    Meaning(String),
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InputLength { expected, found } => {
                write!(
                    f,
                    "the input has {found} elements, the network takes {expected}"
                )
            }
            Self::InputRange { index, mantissa } => {
                write!(f, "input {index} is {mantissa}, outside the input's format")
            }
            Self::NotExact => f.write_str(
                "the network is no function over the rationals: it has smooth activations, or \
                 constants that are known between bounds only",
            ),
            Self::Meaning(m) => f.write_str(m),
        }
    }
}

impl std::error::Error for EvalError {}

impl From<MeaningError> for EvalError {
    fn from(e: MeaningError) -> Self {
        Self::Meaning(e.to_string())
    }
}

fn check_length(expected: usize, found: usize) -> Result<(), EvalError> {
    if expected == found {
        Ok(())
    } else {
        Err(EvalError::InputLength { expected, found })
    }
}

/// Every node of a kernel on integers of its input format.
///
/// # Errors
/// An input of another length or outside the format.
pub fn kernel_trace(kernel: &Kernel, input: &[i64]) -> Result<Trace<i128>, EvalError> {
    check_length(kernel.input_len(), input.len())?;
    if let Some(index) = input.iter().position(|m| !kernel.input_format.contains(*m)) {
        return Err(EvalError::InputRange {
            index,
            mantissa: input[index],
        });
    }
    let input = input.iter().map(|m| i128::from(*m)).collect();
    Ok(direct::kernel_trace(kernel, input)?)
}

/// A kernel's outputs, at the scale of [`Kernel::output_frac`].
///
/// # Errors
/// An input of another length or outside the format.
pub fn kernel_outputs(kernel: &Kernel, input: &[i64]) -> Result<Vec<i64>, EvalError> {
    let out = kernel_trace(kernel, input)?.take(kernel.output);
    out.iter()
        .map(|m| {
            m.to_i64()
                .ok_or_else(|| EvalError::Meaning("an output exceeds 64 bits".to_owned()))
        })
        .collect()
}

/// The real outputs of either kind of program at a real point; a kernel first rounds the point
/// to its input format.
///
/// # Errors
/// A point of another length; a reference without rational values.
pub fn outputs(program: &Checked<Program>, x: &[Exact]) -> Result<Vec<Exact>, EvalError> {
    match program.lowered() {
        Lowered::Real(r) => real_outputs(r, x),
        Lowered::Fixed(k) => {
            check_length(k.input_len(), x.len())?;
            Ok(k.output_values(&kernel_outputs(k, &k.quantize_input(x))?))
        }
    }
}

/// Bounds on the real outputs of either kind of program at a real point; points where the program
/// is exact. A kernel first rounds the point to its input format.
///
/// # Errors
/// A point of another length.
pub fn outputs_within(
    program: &Checked<Program>,
    x: &[Exact],
    bits: u32,
) -> Result<Vec<Enclosure>, EvalError> {
    match program.lowered() {
        Lowered::Real(r) if !r.is_exact() => real_enclosures_within(r, x, bits),
        Lowered::Real(_) | Lowered::Fixed(_) => {
            let points = outputs(program, x)?.into_iter();
            Ok(points.map(|v| (v.clone(), v)).collect())
        }
    }
}

/// What bounds say about the strict winner: `Some(None)` if there is none, `None` if they leave it
/// open.
pub fn decided_winner(outputs: &[Enclosure]) -> Option<Option<usize>> {
    let lows: Vec<&Exact> = outputs.iter().map(|(lo, _)| lo).collect();
    let Some(best) = ceg4n_ir::kernel::argmax(&lows) else {
        return Some(None);
    };
    let others = || outputs.iter().enumerate().filter(|(i, _)| *i != best);
    if others().all(|(_, (_, hi))| hi < lows[best]) {
        return Some(Some(best));
    }
    // No output exceeds all others if each is at most the least that another can be.
    let second = others().map(|(_, (lo, _))| lo).max();
    let tied = second.is_some_and(|lo| outputs[best].1 <= *lo);
    (tied && others().all(|(_, (_, hi))| hi <= lows[best])).then_some(None)
}

/// The index whose value exceeds every other, if there is one.
pub fn strict_winner<T: PartialOrd>(outputs: &[T]) -> Option<usize> {
    let best = ceg4n_ir::kernel::argmax(outputs)?;
    let ties = outputs
        .iter()
        .enumerate()
        .any(|(i, v)| i != best && *v >= outputs[best]);
    (!ties).then_some(best)
}
