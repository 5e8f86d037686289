//! What the product cannot do without, tried out.

use ceg4n_base::Diagnostic;
use ceg4n_ir::{Format, NetworkBuilder, Op, Program, Shape, check};
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_smt::solver::from_name;
use ceg4n_smt::term::{Binary, Compare};
use ceg4n_smt::{Limits, Outcome, Query, TermError, TermId};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How long the solver may take for its two questions.
const SOLVER_TIME: Duration = Duration::from_secs(10);

/// Something that was tried out.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it works.
    pub works: bool,
    /// What was seen.
    pub detail: String,
}

/// Tries out everything.
pub(super) fn all() -> Vec<Check> {
    let made = |name, result: Result<String, String>| Check {
        name,
        works: result.is_ok(),
        detail: result.unwrap_or_else(|e| e),
    };
    vec![
        made("embedded solver", solver()),
        made("native code", native_code()),
        made("folder for temporary files", temporary_folder()),
    ]
}

/// Asks for an 8-bit number below 10 with the square 49, and for one with the square 50.
fn solver() -> Result<String, String> {
    let mut solver = from_name("embedded").map_err(|e| told(&e))?;
    let mut ask = |square: i128| {
        let (query, x) = square_below_ten(square).map_err(|e| e.to_string())?;
        let limits = Limits::default().within(SOLVER_TIME);
        let outcome = solver.solve(&query, &limits);
        let model = match &outcome {
            Outcome::Sat(model) => model.get(&x).map(|v| v.unsigned()),
            Outcome::Unsat | Outcome::Unknown(_) => None,
        };
        Ok::<_, String>((outcome, model))
    };
    match ask(49)? {
        (Outcome::Sat(_), Some(7)) => {}
        (other, _) => return Err(format!("x * x = 49, x < 10: answered {other:?}")),
    }
    match ask(50)?.0 {
        Outcome::Unsat => Ok("finds a model and refutes a query".to_owned()),
        other => Err(format!("x * x = 50, x < 10: answered {other:?}")),
    }
}

fn told(e: &Diagnostic) -> String {
    e.message.clone()
}

/// The query, and the name of its variable.
fn square_below_ten(square: i128) -> Result<(Query, String), TermError> {
    let mut query = Query::new();
    let x: TermId = query.var("x", 8)?;
    let product = query.binary(Binary::Mul, x, x)?;
    let wanted = query.constant(square, 8)?;
    let equal = query.equal(product, wanted)?;
    query.assert(equal)?;
    let ten = query.constant(10, 8)?;
    let below = query.compare(Compare::Ult, x, ten)?;
    query.assert(below)?;
    Ok((query, "x".to_owned()))
}

/// Compiles a small kernel and compares what it computes with what it must.
fn native_code() -> Result<String, String> {
    let cache = CodeCache::new();
    let found = relu(&cache)?;
    let expected = [0, 2, 15, 1];
    if found != expected {
        return Err(format!("computed {found:?} instead of {expected:?}"));
    }
    let arch = std::env::consts::ARCH;
    Ok(match cache.options().vectors {
        true => format!("{arch} with vectors; a kernel was compiled and run"),
        false => format!("{arch} without vectors; a kernel was compiled and run"),
    })
}

/// The mantissas of two elements at two points, as the native code computes them.
fn relu(cache: &CodeCache) -> Result<Vec<i64>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let mut net = NetworkBuilder::new("check");
    let x = net.push("x", Op::Input, Some(Shape::vector(2)), None);
    let y = net.push("y", Op::Relu { x }, None, None);
    let net = Arc::new(net.finish(y).map_err(|e| text(&e))?);
    let format = |name: &str| name.parse::<Format>().map_err(|e| text(&e));
    let (input, output) = (format("s8q4")?, format("u4q2")?);
    let program = Program::reference(net).patch();
    let program = program.format(x, input).format(y, output).finish();
    let program = check(program).map_err(|e| text(&e))?;
    let evaluator = Evaluator::new(&program, cache).map_err(|e| text(&e))?;
    let mut outputs = Vec::new();
    evaluator
        .eval_batch(&[-9, 6, 127, 5], 2, &mut outputs)
        .map_err(|e| text(&e))?;
    Ok(outputs)
}

fn temporary_folder() -> Result<String, String> {
    let folder = std::env::temp_dir();
    match tempfile::tempdir() {
        Ok(_) => Ok(format!("{} can be written", folder.display())),
        Err(e) => Err(format!("{}: {e}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_works_here() {
        for c in all() {
            assert!(c.works, "{}: {}", c.name, c.detail);
        }
    }
}
