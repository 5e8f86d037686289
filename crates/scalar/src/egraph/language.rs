//! The expressions of an e-graph, and what is proved of their classes.
//!
//! Several operators of rules are one here: `-a` and `shl(a, s)` are products with a constant,
//! `a - b` is a sum, and all comparisons are made of `<`. Constants stand on the right.

use crate::facts::Facts;
use egg::{Analysis, DidMerge, EGraph, Id, Language};

/// An expression over classes. Truth values are 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expr {
    /// A constant.
    Int(i128),
    /// Something that is not looked into, by its number.
    Leaf(u32),
    /// `a + b`
    Add([Id; 2]),
    /// `a * b`; one of the two is known wherever this is of use.
    Mul([Id; 2]),
    /// `floor(a / 2^s)`
    Shr([Id; 2]),
    /// `a - floor(a / 2^s)·2^s`
    Low([Id; 2]),
    /// The smaller.
    Min([Id; 2]),
    /// The larger.
    Max([Id; 2]),
    /// 1 if `a < b`, else 0.
    Less([Id; 2]),
    /// `1 - a`
    Not(Id),
    /// Both.
    And([Id; 2]),
    /// One or both.
    Or([Id; 2]),
    /// The second where the first is 1, else the third.
    Select([Id; 3]),
}

/// An operator without its operands, named as in [`Expr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Int(i128),
    Leaf(u32),
    Add,
    Mul,
    Shr,
    Low,
    Min,
    Max,
    Less,
    Not,
    And,
    Or,
    Select,
}

impl Language for Expr {
    type Discriminant = Kind;

    fn discriminant(&self) -> Kind {
        match self {
            Self::Int(v) => Kind::Int(*v),
            Self::Leaf(n) => Kind::Leaf(*n),
            Self::Add(_) => Kind::Add,
            Self::Mul(_) => Kind::Mul,
            Self::Shr(_) => Kind::Shr,
            Self::Low(_) => Kind::Low,
            Self::Min(_) => Kind::Min,
            Self::Max(_) => Kind::Max,
            Self::Less(_) => Kind::Less,
            Self::Not(_) => Kind::Not,
            Self::And(_) => Kind::And,
            Self::Or(_) => Kind::Or,
            Self::Select(_) => Kind::Select,
        }
    }

    fn matches(&self, other: &Self) -> bool {
        self.discriminant() == other.discriminant()
    }

    fn children(&self) -> &[Id] {
        match self {
            Self::Int(_) | Self::Leaf(_) => &[],
            Self::Not(a) => std::slice::from_ref(a),
            Self::Add(ab)
            | Self::Mul(ab)
            | Self::Shr(ab)
            | Self::Low(ab)
            | Self::Min(ab)
            | Self::Max(ab)
            | Self::Less(ab)
            | Self::And(ab)
            | Self::Or(ab) => ab,
            Self::Select(cab) => cab,
        }
    }

    fn children_mut(&mut self) -> &mut [Id] {
        match self {
            Self::Int(_) | Self::Leaf(_) => &mut [],
            Self::Not(a) => std::slice::from_mut(a),
            Self::Add(ab)
            | Self::Mul(ab)
            | Self::Shr(ab)
            | Self::Low(ab)
            | Self::Min(ab)
            | Self::Max(ab)
            | Self::Less(ab)
            | Self::And(ab)
            | Self::Or(ab) => ab,
            Self::Select(cab) => cab,
        }
    }
}

/// A known shift amount.
pub(crate) fn amount(f: Option<Facts>) -> Option<u32> {
    let s = f?.known()?;
    u32::try_from(s).ok().filter(|s| *s <= 127)
}

/// What holds of an expression from what holds of its operands; `leaf` knows the leaves. `None`
/// where nothing that is represented does.
pub(crate) fn facts_of(
    expr: &Expr,
    of: impl Fn(Id) -> Option<Facts>,
    leaf: impl Fn(u32) -> Option<Facts>,
) -> Option<Facts> {
    let truth = Some(Facts::within(0, 1));
    match *expr {
        Expr::Int(v) => Some(Facts::constant(v)),
        Expr::Leaf(n) => leaf(n),
        Expr::Add([a, b]) => of(a)?.add(of(b)?),
        Expr::Mul([a, b]) => of(a)?.mul(of(b)?),
        Expr::Shr([a, s]) => Some(of(a)?.shr(amount(of(s))?)),
        Expr::Low([a, s]) => of(a)?.low(amount(of(s))?),
        Expr::Min([a, b]) => Some(of(a)?.min(of(b)?)),
        Expr::Max([a, b]) => Some(of(a)?.max(of(b)?)),
        Expr::Less([a, b]) => match (of(a), of(b)) {
            (Some(a), Some(b)) if a.hi < b.lo => Some(Facts::constant(1)),
            (Some(a), Some(b)) if a.lo >= b.hi => Some(Facts::constant(0)),
            _ => truth,
        },
        Expr::Not(a) => match of(a).and_then(Facts::known) {
            Some(v) => Some(Facts::constant(1 - v)),
            None => truth,
        },
        Expr::And([a, b]) => Some(of(a)?.min(of(b)?)),
        Expr::Or([a, b]) => Some(of(a)?.max(of(b)?)),
        Expr::Select([c, a, b]) => match of(c).and_then(Facts::known) {
            Some(0) => of(b),
            Some(_) => of(a),
            None => Some(of(a)?.either(of(b)?)),
        },
    }
}

/// How often what is known of a class may become more in one e-graph. A cycle of classes could
/// otherwise narrow a range one by one.
const MOST_REFINEMENTS: u32 = 100_000;

/// The analysis that carries [`Facts`].
#[derive(Debug)]
pub(crate) struct Proved {
    /// What is known of each leaf.
    leaves: Vec<Option<Facts>>,
    /// The leaves that are sums.
    pub(crate) sums: Vec<u32>,
    /// Two proofs about one class exclude each other.
    pub(crate) contradiction: bool,
    refinements: u32,
}

impl Proved {
    pub(crate) fn new(leaves: Vec<Option<Facts>>, sums: &[u32]) -> Self {
        Self {
            leaves,
            sums: sums.to_vec(),
            contradiction: false,
            refinements: 0,
        }
    }
}

/// An e-graph of expressions.
pub(crate) type Graph = EGraph<Expr, Proved>;

/// The operand that an expression is, because the others are known.
fn operand(graph: &Graph, expr: &Expr) -> Option<Id> {
    let known = |id: Id| graph[id].data.and_then(Facts::known);
    match *expr {
        Expr::Add([a, b]) => (known(b) == Some(0)).then_some(a),
        Expr::Mul([a, b]) => (known(b) == Some(1)).then_some(a),
        Expr::Shr([a, s]) => (known(s) == Some(0)).then_some(a),
        Expr::And([a, b]) => match (known(a), known(b)) {
            (Some(1), _) => Some(b),
            (_, Some(1)) => Some(a),
            _ => None,
        },
        Expr::Or([a, b]) => match (known(a), known(b)) {
            (Some(0), _) => Some(b),
            (_, Some(0)) => Some(a),
            _ => None,
        },
        Expr::Select([c, a, b]) => Some(if known(c)? == 0 { b } else { a }),
        Expr::Int(_)
        | Expr::Leaf(_)
        | Expr::Low(_)
        | Expr::Min(_)
        | Expr::Max(_)
        | Expr::Less(_)
        | Expr::Not(_) => None,
    }
}

/// Adds an expression; its value or an operand instead, if it is known to be that.
pub(crate) fn add(graph: &mut Graph, expr: Expr) -> Id {
    if let Some(same) = operand(graph, &expr) {
        return same;
    }
    let leaf = |n: u32| graph.analysis.leaves.get(n as usize).copied().flatten();
    let facts = facts_of(&expr, |id| graph[id].data, leaf);
    match facts.and_then(Facts::known) {
        Some(v) => graph.add(Expr::Int(v)),
        None => graph.add(expr),
    }
}

/// Unites what is known to be one of its operands with it. Then removes what is a part of itself,
/// as `x` in `min(x, 9)` that is `x`: it is never cheapest, and rules that look at it go in
/// circles. True if anything was united.
pub(crate) fn tidy(graph: &mut Graph) -> bool {
    let mut same: Vec<(Id, Id)> = Vec::new();
    for class in graph.classes() {
        same.extend(
            class
                .iter()
                .filter_map(|e| Some((class.id, operand(graph, e)?))),
        );
    }
    let mut is_new = false;
    for (a, b) in same {
        is_new |= graph.union(a, b);
    }
    graph.rebuild();
    let mut own: Vec<Id> = Vec::new();
    for class in graph.classes() {
        let id = class.id;
        if class.iter().any(|e| e.any(|c| c == id)) {
            own.push(id);
        }
    }
    for id in own {
        graph[id].nodes.retain(|e| !e.any(|c| c == id));
    }
    is_new
}

impl Analysis<Expr> for Proved {
    /// `None` where a value may leave ±2^120 for all that is known.
    type Data = Option<Facts>;

    fn make(graph: &mut Graph, expr: &Expr, _: Id) -> Option<Facts> {
        let leaf = |n: u32| graph.analysis.leaves.get(n as usize).copied().flatten();
        facts_of(expr, |id| graph[id].data, leaf)
    }

    fn merge(&mut self, a: &mut Option<Facts>, b: Option<Facts>) -> DidMerge {
        let both = match (*a, b) {
            (Some(x), Some(y)) => {
                let both = x.both(y);
                self.contradiction |= both.is_none();
                both.or(*a)
            }
            (Some(x), None) | (None, Some(x)) => Some(x),
            (None, None) => None,
        };
        let changed = DidMerge(both != *a, both != b);
        if changed.0 || changed.1 {
            self.refinements += 1;
            if self.refinements > MOST_REFINEMENTS {
                // Both hold, so either may stay.
                return DidMerge(false, false);
            }
        }
        *a = both;
        changed
    }

    fn modify(graph: &mut Graph, id: Id) {
        if let Some(v) = graph[id].data.and_then(Facts::known) {
            let constant = graph.add(Expr::Int(v));
            graph.union(id, constant);
            // However else it is computed, nothing is cheaper, and rules need not look.
            let is_int = |e: &Expr| matches!(e, Expr::Int(_));
            graph[id].nodes.retain(is_int);
        }
    }
}
