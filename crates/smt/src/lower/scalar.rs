//! A kernel's questions by way of its expression graph: rewritten over the ranges of the box, then
//! evaluated over terms. What several sums have in common becomes a term of its own.

use super::{LowerError, Number, Terms};
use crate::term::Logic;
use ceg4n_ir::{Interval, Kernel};
use ceg4n_scalar::cost::SmtSize;
use ceg4n_scalar::egraph::{Limits, Options, Rewritten, Rules, rewrite};
use ceg4n_scalar::{Dag, DagError, DagId, Lowered, Sharing, offset, share};

/// For every output other than `class`, in order: a number whose sign is that of its lead over
/// `class` if it comes before it, of what it is behind if after. `None` for a kernel without a graph, which is asked
/// without one.
pub(super) fn leads(
    terms: &mut Terms,
    kernel: &Kernel,
    ranges: &[Interval],
    input: &[Number],
    class: usize,
) -> Result<Option<Vec<Number>>, LowerError> {
    let Some(Lowered {
        mut dag, outputs, ..
    }) = graph(kernel, ranges)?
    else {
        return Ok(None);
    };
    let own = outputs.get(class).map(|c| dag.form(*c));
    let own = own.ok_or(LowerError::Question("a class that there is not"))?;
    let mut roots = Vec::with_capacity(outputs.len());
    for (j, y) in outputs.iter().enumerate() {
        let y = dag.form(*y);
        let (more, less) = match j.cmp(&class) {
            std::cmp::Ordering::Less => (&y, &own),
            std::cmp::Ordering::Equal => continue,
            std::cmp::Ordering::Greater => (&own, &y),
        };
        let lead = less.times(-1).and_then(|less| more.plus(&less));
        let lead = lead.ok_or(LowerError::Width)?;
        roots.push(dag.sum(lead).map_err(defect)?);
    }
    dag.tighten(&roots).map_err(defect)?;
    // Only signs are asked for: what is decided needs no terms.
    for root in &mut roots {
        let known = match dag.facts(*root) {
            f if f.hi < 0 => -1,
            f if f.lo >= 0 => 0,
            _ => continue,
        };
        *root = dag.constant(known).map_err(defect)?;
    }
    evaluate(terms, &dag, &roots, input).map(Some)
}

/// The outputs of a kernel whose inputs are these numbers, integers. `None` for a kernel without a
/// graph.
pub(super) fn outputs(
    terms: &mut Terms,
    kernel: &Kernel,
    input: &[Number],
) -> Result<Option<Vec<Number>>, LowerError> {
    let mut ranges = Vec::with_capacity(input.len());
    for n in input {
        let (lo, hi) = terms.range(&n.at(0)?)?;
        let end = |v: i128| i64::try_from(v).map_err(|_| LowerError::Width);
        ranges.push(Interval::new(end(lo)?, end(hi)?));
    }
    let Some(Lowered {
        mut dag, outputs, ..
    }) = graph(kernel, &ranges)?
    else {
        return Ok(None);
    };
    dag.tighten(&outputs).map_err(defect)?;
    evaluate(terms, &dag, &outputs, input).map(Some)
}

/// The graph's roots over terms.
fn evaluate(
    terms: &mut Terms,
    dag: &Dag,
    roots: &[DagId],
    input: &[Number],
) -> Result<Vec<Number>, LowerError> {
    let options = Options {
        rules: Rules::shipped(),
        cost: &SmtSize,
        limits: Limits::default(),
    };
    let Rewritten { dag, roots, .. } = rewrite(dag, roots, &options).map_err(defect)?;
    let (dag, roots) = match terms.query.logic() {
        Logic::Bv => {
            let (dag, roots) = offset(&dag, &roots).map_err(defect)?;
            match share(&dag, &roots, &Sharing::default()) {
                // Shared sums may be wider than what they are shared by: then they are not.
                Err(DagError::Range) => (dag, roots),
                shared => shared.map_err(defect)?,
            }
        }
        // A solver of linear arithmetic eliminates what sums have in common by itself.
        Logic::Lia => (dag, roots),
    };
    let seen = &mut |terms: &mut Terms, id: DagId, n: Number, is_term: bool| {
        let facts = dag.facts(id);
        terms.within(&n, facts.lo, facts.hi)?;
        if is_term { terms.shared(&n) } else { Ok(n) }
    };
    dag.evaluate(terms, input, &roots, seen)
}

/// A kernel's graph over a box, unless it is too large or too wide for one.
fn graph(kernel: &Kernel, ranges: &[Interval]) -> Result<Option<Lowered>, LowerError> {
    match Dag::of_kernel(kernel, ranges) {
        Ok(lowered) => Ok(Some(lowered)),
        Err(DagError::Size | DagError::Range) => Ok(None),
        Err(e) => Err(defect(e)),
    }
}

/// Rewriting keeps every value, so an error of it is a defect: the question is not asked.
fn defect(e: DagError) -> LowerError {
    match e {
        DagError::Range => LowerError::Width,
        DagError::Meaning(e) => LowerError::Meaning(e),
        DagError::Index => LowerError::Question("a graph with an index that leaves its list"),
        DagError::Product => LowerError::Question("a graph with a product of two variables"),
        DagError::Size => LowerError::Question("a graph that is too large"),
        DagError::Contradiction => {
            LowerError::Question("a graph with proofs that exclude each other")
        }
    }
}
