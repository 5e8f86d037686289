//! What `--verify-each` asks after every pass: is the module well-formed, and does it still
//! compute what the pass claims to keep?

use crate::pass::Keeps;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_eval::{BITS, Enclosure, EvalError, outputs_within};
use ceg4n_ir::{Checked, Module, Program, check};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Random points besides the regions' centres and corners.
const POINTS: usize = 32;

/// Checks a pass's result: every version passes the checker, regions and requirements fit, and
/// on sample points (centres and corners of the regions, random ones) the functions that
/// `keeps` names have exactly the outputs they had, or, where outputs are known between bounds only,
/// outputs whose bounds meet.
///
/// # Errors
/// The checker's, or [`codes::INTERNAL`] that names the pass.
pub fn verify_step(
    pass: &str,
    keeps: Keeps,
    before: &Module,
    after: &Module,
) -> Result<(), Diagnostics> {
    let points = points(before);
    let inputs = after.network.input_len();
    if inputs != before.network.input_len() {
        return Err(defect(pass, "changed the number of inputs"));
    }
    let mut errors = Diagnostics::default();
    for region in &after.regions {
        if let Err(d) = region.check(inputs) {
            errors.push(d);
        }
    }
    if errors.has_errors() {
        return Err(errors);
    }
    let reference = check(after.reference())?;
    if keeps.reference {
        same(
            pass,
            "the reference",
            &check(before.reference())?,
            &reference,
            &points,
        )?;
    }
    if keeps.kernels && before.versions.len() != after.versions.len() {
        return Err(defect(pass, "changed the number of versions"));
    }
    for (k, a) in after.versions.iter().enumerate() {
        let new = check(Program::new(after.network.clone(), a.clone()))?;
        if let (true, Some(old)) = (keeps.kernels, before.versions.get(k)) {
            let old = check(Program::new(before.network.clone(), old.clone()))?;
            let what = format!("version v{}", a.version);
            same(pass, &what, &old, &new, &points)?;
        }
    }
    Ok(())
}

fn defect(pass: &str, what: &str) -> Diagnostics {
    Diagnostic::error(codes::INTERNAL, format!("pass `{pass}` {what}")).into()
}

fn same(
    pass: &str,
    what: &str,
    old: &Checked<Program>,
    new: &Checked<Program>,
    points: &[Vec<Exact>],
) -> Result<(), Diagnostics> {
    let failed = |e: EvalError| defect(pass, &format!("broke {what}: {e}"));
    // Exact outputs are bounds that are equal: these meet where the outputs are the same.
    let meet = |(a, b): (&Enclosure, &Enclosure)| a.0 <= b.1 && b.0 <= a.1;
    for x in points {
        let old = outputs_within(old, x, BITS).map_err(failed)?;
        let new = outputs_within(new, x, BITS).map_err(failed)?;
        if old.len() != new.len() || !old.iter().zip(&new).all(meet) {
            let x: Vec<_> = x.iter().map(ToString::to_string).collect();
            let text = format!("changed {what} at [{}]", x.join(", "));
            return Err(defect(pass, &text));
        }
    }
    Ok(())
}

fn points(module: &Module) -> Vec<Vec<Exact>> {
    let n = module.network.input_len();
    let mut points = Vec::new();
    for r in module.regions.iter().filter(|r| r.check(n).is_ok()) {
        points.extend([r.center(), r.lower.clone(), r.upper.clone()]);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    points.extend((0..POINTS).map(|k| {
        // Magnitudes from 1/2 to 64, off the grids of common formats.
        let exponent = (k % 8) as i64 - 16;
        (0..n)
            .map(|_| Exact::dyadic(rng.random_range(-32_767i64..=32_767), exponent))
            .collect()
    }));
    points
}
