//! One expression outside of an e-graph: what goes in, and what comes out.

use super::language::{Expr, facts_of};
use crate::facts::Facts;
use ceg4n_opspec::Cmp;
use egg::{Id, Language};
use std::collections::HashMap;
use std::fmt;

/// A comparison, made of `<` alone, as a kernel's graph has it.
pub(crate) fn compare(op: Cmp, a: Id, b: Id, add: &mut dyn FnMut(Expr) -> Id) -> Id {
    match op {
        Cmp::Lt => add(Expr::Less([a, b])),
        Cmp::Gt => add(Expr::Less([b, a])),
        Cmp::Le => {
            let more = add(Expr::Less([b, a]));
            add(Expr::Not(more))
        }
        Cmp::Ge => {
            let less = add(Expr::Less([a, b]));
            add(Expr::Not(less))
        }
        Cmp::Eq => {
            let (le, ge) = (compare(Cmp::Le, a, b, add), compare(Cmp::Ge, a, b, add));
            add(Expr::And([le, ge]))
        }
        Cmp::Ne => {
            let same = compare(Cmp::Eq, a, b, add);
            add(Expr::Not(same))
        }
    }
}

/// An expression as a list of nodes without duplicates, operands before users, the root last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Expression {
    nodes: Vec<Expr>,
    facts: Vec<Option<Facts>>,
    /// Leaves, by number, that are sums: a constant beside one joins it.
    sums: Vec<u32>,
}

impl Expression {
    /// The nodes; the ids in them are positions.
    pub fn nodes(&self) -> &[Expr] {
        &self.nodes
    }

    /// What is proved of a node; `None` where its value may leave ±2^120 for all that is known.
    pub fn facts(&self, id: Id) -> Option<Facts> {
        self.facts[usize::from(id)]
    }

    /// The root; that of an expression without nodes is not one of its nodes.
    pub fn root(&self) -> Id {
        Id::from(self.nodes.len().saturating_sub(1))
    }

    /// The leaves, by number, that are sums.
    pub(crate) fn sums(&self) -> &[u32] {
        &self.sums
    }

    /// Says which leaves are sums.
    pub(crate) fn set_sums(&mut self, sums: &[u32]) {
        self.sums = sums.to_vec();
    }

    /// What is known of the leaves, by number.
    pub(crate) fn leaves(&self) -> Vec<Option<Facts>> {
        let mut all = Vec::new();
        for (node, facts) in self.nodes.iter().zip(&self.facts) {
            if let Expr::Leaf(n) = node {
                let n = *n as usize;
                all.resize(all.len().max(n + 1), None);
                all[n] = *facts;
            }
        }
        all
    }

    pub(crate) fn push(&mut self, node: Expr, facts: Option<Facts>) -> Id {
        self.nodes.push(node);
        self.facts.push(facts);
        self.root()
    }

    /// The expression with names for its leaves.
    pub fn display<'a>(&'a self, names: &'a dyn Fn(u32) -> String) -> impl fmt::Display + 'a {
        Shown { of: self, names }
    }
}

/// Makes an [`Expression`].
#[derive(Debug, Default)]
pub struct Builder {
    made: Expression,
    known: HashMap<Expr, Id>,
}

impl Builder {
    /// A builder without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is proved of a node.
    pub fn facts(&self, id: Id) -> Option<Facts> {
        self.made.facts(id)
    }

    /// Adds what is proved in another way. What contradicts is left out.
    pub fn learn(&mut self, id: Id, facts: Facts) {
        let old = &mut self.made.facts[usize::from(id)];
        *old = old.map_or(Some(facts), |f| f.both(facts).or(*old));
    }

    /// The expression with the node as its root.
    pub fn finish(self, root: Id) -> Expression {
        let mut needed = vec![false; self.made.nodes.len()];
        needed[usize::from(root)] = true;
        for (i, node) in self.made.nodes.iter().enumerate().rev() {
            if needed[i] {
                node.for_each(|c| needed[usize::from(c)] = true);
            }
        }
        let (mut place, mut all) = (vec![Id::from(0); needed.len()], Expression::default());
        for i in (0..=usize::from(root)).filter(|i| needed[*i]) {
            let node = self.made.nodes[i].map_children(|c| place[usize::from(c)]);
            place[i] = all.push(node, self.made.facts[i]);
        }
        all.set_sums(&self.made.sums);
        all
    }

    pub(super) fn add(&mut self, node: Expr) -> Id {
        if let Some(id) = self.known.get(&node) {
            return *id;
        }
        let facts = facts_of(&node, |id| self.made.facts(id), |_| None);
        let id = self.made.push(node, facts);
        self.known.insert(node, id);
        id
    }

    /// A leaf with what is known of it.
    pub fn leaf(&mut self, number: u32, facts: Facts) -> Id {
        let id = self.add(Expr::Leaf(number));
        self.learn(id, facts);
        id
    }

    /// A leaf that is a sum: a constant that is added to it joins the sum and costs nothing.
    pub fn sum_leaf(&mut self, number: u32, facts: Facts) -> Id {
        if !self.made.sums.contains(&number) {
            self.made.sums.push(number);
        }
        self.leaf(number, facts)
    }

    /// A constant.
    pub fn int(&mut self, v: i128) -> Id {
        self.add(Expr::Int(v))
    }

    fn literal(&self, id: Id) -> Option<i128> {
        match self.made.nodes[usize::from(id)] {
            Expr::Int(v) => Some(v),
            _ => None,
        }
    }

    /// Two operands of an operator that commutes: a constant stands on the right.
    fn ordered(&self, a: Id, b: Id) -> [Id; 2] {
        match (self.literal(a), self.literal(b)) {
            (Some(_), None) => [b, a],
            _ => [a, b],
        }
    }

    /// `a + b`
    pub fn sum(&mut self, a: Id, b: Id) -> Id {
        let ab = self.ordered(a, b);
        self.add(Expr::Add(ab))
    }

    /// `a - b`
    pub fn difference(&mut self, a: Id, b: Id) -> Id {
        let b = self.negated(b);
        self.sum(a, b)
    }

    /// `-a`
    pub fn negated(&mut self, a: Id) -> Id {
        if let Some(v) = self.literal(a).and_then(i128::checked_neg) {
            return self.int(v);
        }
        if let Expr::Mul([x, c]) = self.made.nodes[usize::from(a)]
            && let Some(v) = self.literal(c).and_then(i128::checked_neg)
        {
            return self.times(x, v);
        }
        self.times(a, -1)
    }

    /// `a * c`
    pub fn times(&mut self, a: Id, c: i128) -> Id {
        let c = self.int(c);
        self.product(a, c)
    }

    /// `a * b`
    pub fn product(&mut self, a: Id, b: Id) -> Id {
        let ab = self.ordered(a, b);
        self.add(Expr::Mul(ab))
    }

    /// `floor(a / 2^s)`
    pub fn shr(&mut self, a: Id, s: u32) -> Id {
        let s = self.int(s.into());
        self.add(Expr::Shr([a, s]))
    }

    /// The low `s` bits of `a`.
    pub fn low(&mut self, a: Id, s: u32) -> Id {
        let s = self.int(s.into());
        self.add(Expr::Low([a, s]))
    }

    /// The smaller.
    pub fn min(&mut self, a: Id, b: Id) -> Id {
        let ab = self.ordered(a, b);
        self.add(Expr::Min(ab))
    }

    /// The larger.
    pub fn max(&mut self, a: Id, b: Id) -> Id {
        let ab = self.ordered(a, b);
        self.add(Expr::Max(ab))
    }

    /// `a < b`
    pub fn less(&mut self, a: Id, b: Id) -> Id {
        self.add(Expr::Less([a, b]))
    }

    /// Negation of a truth value.
    pub fn not(&mut self, a: Id) -> Id {
        self.add(Expr::Not(a))
    }

    /// Conjunction of truth values.
    pub fn and(&mut self, a: Id, b: Id) -> Id {
        self.add(Expr::And([a, b]))
    }

    /// Disjunction of truth values.
    pub fn or(&mut self, a: Id, b: Id) -> Id {
        self.add(Expr::Or([a, b]))
    }

    /// `a` where `c`, else `b`.
    pub fn select(&mut self, c: Id, a: Id, b: Id) -> Id {
        self.add(Expr::Select([c, a, b]))
    }
}

struct Shown<'a> {
    of: &'a Expression,
    names: &'a dyn Fn(u32) -> String,
}

/// How tightly an operator binds: the operands of a weaker one need parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Compare,
    Sum,
    Product,
    Atom,
}

impl Shown<'_> {
    fn node(&self, id: Id) -> Expr {
        self.of.nodes[usize::from(id)]
    }

    fn level(&self, id: Id) -> Level {
        match self.node(id) {
            Expr::Or(_) => Level::Or,
            Expr::And(_) => Level::And,
            Expr::Less(_) | Expr::Not(_) => Level::Compare,
            Expr::Add(_) => Level::Sum,
            Expr::Mul(_) => Level::Product,
            Expr::Int(v) if v < 0 => Level::Product,
            Expr::Int(_)
            | Expr::Leaf(_)
            | Expr::Shr(_)
            | Expr::Low(_)
            | Expr::Min(_)
            | Expr::Max(_)
            | Expr::Select(_) => Level::Atom,
        }
    }

    fn at(&self, f: &mut fmt::Formatter<'_>, id: Id, least: Level) -> fmt::Result {
        if self.level(id) < least {
            f.write_str("(")?;
            self.write(f, id)?;
            return f.write_str(")");
        }
        self.write(f, id)
    }

    fn call(&self, f: &mut fmt::Formatter<'_>, name: &str, operands: &[Id]) -> fmt::Result {
        write!(f, "{name}(")?;
        for (i, o) in operands.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            self.write(f, *o)?;
        }
        f.write_str(")")
    }

    fn infix(
        &self,
        f: &mut fmt::Formatter<'_>,
        [a, b]: [Id; 2],
        sign: &str,
        levels: [Level; 2],
    ) -> fmt::Result {
        self.at(f, a, levels[0])?;
        write!(f, " {sign} ")?;
        self.at(f, b, levels[1])
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, id: Id) -> fmt::Result {
        match self.node(id) {
            Expr::Int(v) => write!(f, "{v}"),
            Expr::Leaf(n) => f.write_str(&(self.names)(n)),
            Expr::Add([a, b]) => self.sum(f, a, b),
            Expr::Mul([a, b]) => match self.node(b) {
                Expr::Int(-1) => {
                    f.write_str("-")?;
                    self.at(f, a, Level::Product)
                }
                Expr::Int(c) if c > 1 && c.count_ones() == 1 => {
                    f.write_str("shl(")?;
                    self.write(f, a)?;
                    write!(f, ", {})", c.trailing_zeros())
                }
                _ => self.infix(f, [a, b], "*", [Level::Product, Level::Atom]),
            },
            Expr::Shr(ab) => self.call(f, "shr", &ab),
            Expr::Low(ab) => self.call(f, "mod_pow2", &ab),
            Expr::Min(ab) => self.call(f, "min", &ab),
            Expr::Max(ab) => self.call(f, "max", &ab),
            Expr::Less(ab) => self.infix(f, ab, "<", [Level::Sum; 2]),
            Expr::Not(a) => match self.node(a) {
                Expr::Less(ab) => self.infix(f, ab, ">=", [Level::Sum; 2]),
                _ => {
                    f.write_str("not ")?;
                    self.at(f, a, Level::Atom)
                }
            },
            Expr::And(ab) => self.infix(f, ab, "and", [Level::And; 2]),
            Expr::Or(ab) => self.infix(f, ab, "or", [Level::Or; 2]),
            Expr::Select(cab) => self.call(f, "select", &cab),
        }
    }

    /// A sum; what is subtracted is written so.
    fn sum(&self, f: &mut fmt::Formatter<'_>, a: Id, b: Id) -> fmt::Result {
        self.at(f, a, Level::Sum)?;
        match self.node(b) {
            Expr::Int(v) if v < 0 => write!(f, " - {}", v.unsigned_abs()),
            Expr::Mul([x, c]) => match self.node(c) {
                Expr::Int(-1) => {
                    f.write_str(" - ")?;
                    self.at(f, x, Level::Product)
                }
                Expr::Int(v) if v < 0 => {
                    f.write_str(" - ")?;
                    self.at(f, x, Level::Product)?;
                    write!(f, " * {}", v.unsigned_abs())
                }
                _ => {
                    f.write_str(" + ")?;
                    self.at(f, b, Level::Product)
                }
            },
            _ => {
                f.write_str(" + ")?;
                self.at(f, b, Level::Product)
            }
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of.nodes.is_empty() {
            true => Ok(()),
            false => self.write(f, self.of.root()),
        }
    }
}
