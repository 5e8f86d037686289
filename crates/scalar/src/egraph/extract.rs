//! The cheapest expression of a class.

use super::expression::Expression;
use super::language::{Expr, Graph, amount};
use crate::cost::{Cost, Operation};
use crate::facts::Facts;
use egg::{Id, Language};
use std::collections::HashMap;

/// The cheapest expression found for a class: its cost, its size, its top.
#[derive(Clone, Copy)]
struct Best {
    cost: u64,
    size: u64,
    expr: Expr,
}

/// The cheapest expression of `root`, each part with what is proved of its class; `None` if no
/// finite expression is represented.
pub(crate) fn cheapest(graph: &Graph, root: Id, cost: &dyn Cost) -> Option<Expression> {
    let mut best: Vec<Option<Best>> = vec![None; graph.nodes().len()];
    loop {
        let mut changed = false;
        for class in graph.classes() {
            let at = usize::from(class.id);
            for expr in class.iter() {
                let Some(now) = candidate(graph, &best, class.id, expr, cost) else {
                    continue;
                };
                // Strictly cheaper or smaller: no expression is a part of itself.
                if best[at].is_none_or(|b| (now.cost, now.size) < (b.cost, b.size)) {
                    best[at] = Some(now);
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    let (mut made, mut place) = (Expression::default(), HashMap::new());
    take(graph, &best, graph.find(root), &mut made, &mut place)?;
    made.set_sums(&graph.analysis.sums);
    Some(made)
}

fn candidate(
    graph: &Graph,
    best: &[Option<Best>],
    class: Id,
    expr: &Expr,
    cost: &dyn Cost,
) -> Option<Best> {
    let own = match expr {
        // A constant joins the sum that a leaf is.
        Expr::Add([a, b]) if joins(graph, *a, *b) || joins(graph, *b, *a) => 1,
        _ => cost_of(expr, graph[class].data, &|id| graph[id].data, cost),
    };
    let mut now = Best {
        cost: own.max(1),
        size: 1,
        expr: *expr,
    };
    for child in expr.children() {
        let part = best[usize::from(graph.find(*child))]?;
        now.cost = now.cost.saturating_add(part.cost);
        now.size = now.size.saturating_add(part.size);
    }
    Some(now)
}

/// A leaf that is a sum, beside a constant.
fn joins(graph: &Graph, leaf: Id, constant: Id) -> bool {
    let known = graph[constant].data.and_then(Facts::known);
    known.is_some() && graph[leaf].iter().any(|e| is_sum(e, &graph.analysis.sums))
}

fn is_sum(expr: &Expr, sums: &[u32]) -> bool {
    matches!(expr, Expr::Leaf(n) if sums.contains(n))
}

/// What cannot be computed, because it may leave ±2^120 or multiplies two variables.
const IMPOSSIBLE: u64 = u64::MAX / 2;

/// The cost of the top of an expression, from what is proved of it and of its operands.
fn cost_of(
    expr: &Expr,
    result: Option<Facts>,
    of: &dyn Fn(Id) -> Option<Facts>,
    cost: &dyn Cost,
) -> u64 {
    let Some(result) = result else {
        return IMPOSSIBLE;
    };
    let numbers = |operation: Operation, operands: &[Id]| {
        let facts: Option<Vec<Facts>> = operands.iter().map(|id| of(*id)).collect();
        facts.map_or(IMPOSSIBLE, |f| cost.of(operation, result, &f))
    };
    let shift = |make: fn(u32) -> Operation, [a, s]: [Id; 2]| match amount(of(s)) {
        Some(s) => numbers(make(s), &[a]),
        None => IMPOSSIBLE,
    };
    match *expr {
        Expr::Int(_) => cost.of(Operation::Constant, result, &[]),
        Expr::Leaf(_) => cost.of(Operation::Leaf, result, &[]),
        Expr::Add(ab) => numbers(Operation::Add, &ab),
        Expr::Mul([a, b]) => match (of(a).and_then(Facts::known), of(b).and_then(Facts::known)) {
            (_, Some(c)) => numbers(Operation::Times(c), &[a]),
            (Some(c), None) => numbers(Operation::Times(c), &[b]),
            (None, None) => IMPOSSIBLE,
        },
        Expr::Shr(ab) => shift(Operation::Shr, ab),
        Expr::Low(ab) => shift(Operation::Low, ab),
        Expr::Min(ab) => numbers(Operation::Min, &ab),
        Expr::Max(ab) => numbers(Operation::Max, &ab),
        Expr::Less(ab) => numbers(Operation::Less, &ab),
        Expr::Not(a) => numbers(Operation::Not, &[a]),
        Expr::And(ab) => numbers(Operation::And, &ab),
        Expr::Or(ab) => numbers(Operation::Or, &ab),
        Expr::Select(cab) => numbers(Operation::Select, &cab),
    }
}

/// Adds the chosen expression of a class. The recursion is as deep as the expression, which the
/// limit of nodes bounds.
fn take(
    graph: &Graph,
    best: &[Option<Best>],
    class: Id,
    made: &mut Expression,
    place: &mut HashMap<Id, Id>,
) -> Option<Id> {
    if let Some(id) = place.get(&class) {
        return Some(*id);
    }
    let mut expr = best[usize::from(class)]?.expr;
    for child in expr.children_mut() {
        *child = take(graph, best, graph.find(*child), made, place)?;
    }
    let id = made.push(expr, graph[class].data);
    place.insert(class, id);
    Some(id)
}

impl Expression {
    /// The cost as extraction counts it: what is used twice is paid twice.
    pub fn cost(&self, cost: &dyn Cost) -> u64 {
        let mut all: Vec<u64> = Vec::with_capacity(self.nodes().len());
        for (i, expr) in self.nodes().iter().enumerate() {
            let joins = |leaf: Id, constant: Id| {
                let known = self.facts(constant).and_then(Facts::known);
                known.is_some() && is_sum(&self.nodes()[usize::from(leaf)], self.sums())
            };
            let own = match expr {
                Expr::Add([a, b]) if joins(*a, *b) || joins(*b, *a) => 1,
                _ => cost_of(expr, self.facts(Id::from(i)), &|id| self.facts(id), cost),
            };
            let sum = expr.fold(own.max(1), |sum, id| {
                sum.saturating_add(all[usize::from(id)])
            });
            all.push(sum);
        }
        all.last().copied().unwrap_or(0)
    }
}
