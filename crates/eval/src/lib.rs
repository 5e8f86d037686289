//! Exact evaluation of checked programs: the reference over rationals, kernels over integers.
//!
//! Nothing here knows what an operator means: [`interpret_kernel`] and [`interpret_real`] walk a
//! lowered program and let `ir-specs` say it, over any [`Domain`]. The SMT lowering is the same
//! walk over a domain of terms.

mod kernel;
mod operands;
mod real;

pub use ceg4n_opspec::{Domain, MeaningError};
pub use kernel::{Trace, interpret_kernel, rounding_name};
pub use operands::Constant;
pub use real::interpret_real;

use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Kernel, Lowered, Program, RealProgram};
use ceg4n_opspec::{ExactDomain, IntDomain};
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

/// Every node of the reference at a real point.
///
/// # Errors
/// A point of another length.
pub fn real_trace(program: &RealProgram, x: &[Exact]) -> Result<Trace<Exact>, EvalError> {
    check_length(program.input_len(), x.len())?;
    Ok(interpret_real(
        program,
        &mut ExactDomain,
        x.to_vec(),
        |_, v| {
            // Every constant of a checked program is finite.
            Exact::from_f64(v).ok_or(MeaningError::Overflow)
        },
    )?)
}

/// The reference's outputs at a real point.
///
/// # Errors
/// A point of another length.
pub fn real_outputs(program: &RealProgram, x: &[Exact]) -> Result<Vec<Exact>, EvalError> {
    Ok(real_trace(program, x)?.take(program.output))
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
    Ok(interpret_kernel(kernel, &mut IntDomain, input)?)
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
/// A point of another length.
pub fn outputs(program: &Checked<Program>, x: &[Exact]) -> Result<Vec<Exact>, EvalError> {
    match program.lowered() {
        Lowered::Real(r) => real_outputs(r, x),
        Lowered::Fixed(k) => {
            check_length(k.input_len(), x.len())?;
            Ok(k.output_values(&kernel_outputs(k, &k.quantize_input(x))?))
        }
    }
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
