//! Exact rewriting by equality saturation: an e-graph holds an expression and all that the rules
//! prove equal to it, and the cheapest of them is taken out.
//!
//! M. Willsey et al., "egg: fast and extensible equality saturation", POPL 2021. Every class of
//! equal expressions carries what is proved of its value ([`Facts`]): of two expressions that are
//! equal, the facts of both hold. The conditions of rules are over these facts, so that a
//! rewriting is right for the inputs that the facts are right for.
//!
//! [`rewrite`] does this for a graph, expression by expression.

mod cut;
mod expression;
mod extract;
mod known;
mod language;
mod linear;
mod pattern;
mod rebuild;
mod rules;
mod term;

pub use cut::MOST_TERMS;
pub use expression::{Builder, Expression};
pub use language::Expr;
pub use rebuild::{Options, Rewritten, Stats, rewrite};
pub use rules::{Limits, RuleError, Rules};
pub use term::of_term;

use crate::DagError;
use crate::cost::Cost;
use crate::facts::Facts;
use egg::{Id, Language};
use language::{Graph, Proved};

/// What became of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simplified {
    /// The cheapest one found that is equal.
    pub expression: Expression,
    /// The positions of the rules that said something new on the way.
    pub fired: Vec<usize>,
    /// No rule had more to say: the expression is the cheapest of all that the rules reach.
    pub saturated: bool,
}

/// The cheapest expression that the rules reach within the limits.
///
/// # Errors
/// [`DagError::Contradiction`] if two proofs about a part exclude each other: a rule or a fact of
/// a leaf is wrong. [`DagError::Range`] if nothing that was found can be computed.
pub fn simplify(
    expression: &Expression,
    rules: &Rules,
    cost: &dyn Cost,
    limits: Limits,
) -> Result<Simplified, DagError> {
    simplify_with(expression, rules, &|_| true, cost, limits)
}

/// As [`simplify`], with the rules at some positions only.
fn simplify_with(
    expression: &Expression,
    rules: &Rules,
    enabled: &dyn Fn(usize) -> bool,
    cost: &dyn Cost,
    limits: Limits,
) -> Result<Simplified, DagError> {
    let mut graph = Graph::new(Proved::new(expression.leaves(), expression.sums()));
    let mut place: Vec<Id> = Vec::with_capacity(expression.nodes().len());
    for (i, node) in expression.nodes().iter().enumerate() {
        let node = node.map_children(|c| place[usize::from(c)]);
        let id = {
            let node = rules::normal(&graph, node);
            language::add(&mut graph, node)
        };
        place.push(id);
        learn(&mut graph, id, expression.facts(Id::from(i)));
    }
    let root = place.last().copied().ok_or(DagError::Index)?;
    let grown = rules::saturate(&mut graph, rules, enabled, limits);
    if graph.analysis.contradiction {
        return Err(DagError::Contradiction);
    }
    let fired = grown.fired.iter().enumerate().filter(|(_, f)| **f);
    Ok(Simplified {
        expression: extract::cheapest(&graph, root, cost).ok_or(DagError::Range)?,
        fired: fired.map(|(i, _)| i).collect(),
        saturated: grown.saturated,
    })
}

/// Adds what is known of a class in another way than from its operands.
fn learn(graph: &mut Graph, id: Id, facts: Option<Facts>) {
    let old = graph[id].data;
    let (Some(facts), Some(known)) = (facts, old) else {
        if facts.is_some() {
            graph.set_analysis_data(id, facts);
        }
        return;
    };
    match known.both(facts) {
        None => graph.analysis.contradiction = true,
        both if both != old => graph.set_analysis_data(id, both),
        _ => {}
    }
}

/// The rules that the result needs: leaving out one more of them makes it dearer. Found by leaving
/// out one after the other.
///
/// # Errors
/// As [`simplify`].
pub fn needed(
    expression: &Expression,
    rules: &Rules,
    cost: &dyn Cost,
    limits: Limits,
) -> Result<Vec<usize>, DagError> {
    let all = simplify(expression, rules, cost, limits)?;
    let target = all.expression.cost(cost);
    let mut needed = all.fired;
    for rule in needed.clone() {
        let without = |r: usize| r != rule && needed.contains(&r);
        let found = simplify_with(expression, rules, &without, cost, limits)?;
        if found.expression.cost(cost) <= target {
            needed.retain(|r| *r != rule);
        }
    }
    Ok(needed)
}
