//! Two kernels over the same integers: is there an input on which they differ?

use super::{Builder, LowerError, Question, fits};
use crate::term::Logic;
use ceg4n_eval::{Domain, interpret_kernel};
use ceg4n_ir::{Interval, Kernel};
use ceg4n_opspec::Cmp;

/// Is there an input of the box on which an output of the two kernels stands for another number?
/// Outputs are compared as the numbers that they stand for, so that scales may differ.
///
/// # Errors
/// Numbers too wide for a vector; kernels of other inputs or outputs, or a box that is not theirs.
pub fn differs(
    logic: Logic,
    a: &Kernel,
    b: &Kernel,
    input: &[Interval],
) -> Result<Question, LowerError> {
    let same = a.input_format == b.input_format
        && a.input_len() == b.input_len()
        && a.output_len() == b.output_len();
    if !same || !fits(a.input_format, a.input_len(), input) {
        return Err(LowerError::Question("the kernels and the box do not fit"));
    }
    let (mut build, x) = Builder::new(logic, input)?;
    let y = interpret_kernel(a, &mut build.terms, x.clone())?.take(a.output);
    let z = interpret_kernel(b, &mut build.terms, x)?.take(b.output);
    let mut cases = Vec::with_capacity(y.len());
    for (y, z) in y.iter().zip(&z) {
        let y = build.terms.scale(y, -i64::from(a.output_frac))?;
        let z = build.terms.scale(z, -i64::from(b.output_frac))?;
        let above = build.terms.cmp(Cmp::Gt, &y, &z)?;
        let below = build.terms.cmp(Cmp::Gt, &z, &y)?;
        cases.push(build.terms.or(&above, &below)?);
    }
    let broken = build.any(cases)?;
    build.finish(broken)
}
