//! The expression graph: nodes without duplicates, each with what is proved of it.

use crate::DagError;
use crate::facts::Facts;
use ceg4n_base::entity::{PrimaryMap, entity_impl};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A node of a [`Dag`]. Operands have smaller ids than their users.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DagId(u32);
entity_impl!(DagId, "v");

/// `constant + Σ coefficient · node`: no coefficient is 0, nodes ascend, each at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinearForm {
    /// The coefficients, by node.
    pub terms: Vec<(DagId, i128)>,
    /// The constant.
    pub constant: i128,
}

/// What a node computes, exactly, over integers; truth values are 0 and 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// An input, by its number.
    Input(usize),
    /// A sum. Its terms are no [`Node::Linear`] unless that is kept whole on purpose
    /// ([`Dag::sum`]).
    Linear(LinearForm),
    /// `floor(a / 2^s)`, s > 0.
    Shr(DagId, u32),
    /// `a - floor(a / 2^s)·2^s`, s > 0.
    Low(DagId, u32),
    /// The smaller.
    Min(DagId, DagId),
    /// The larger.
    Max(DagId, DagId),
    /// 1 if `a < 0`, else 0.
    Negative(DagId),
    /// `1 - a` of a truth value.
    Not(DagId),
    /// Both of two truth values.
    And(DagId, DagId),
    /// One of two truth values, or both.
    Or(DagId, DagId),
    /// The second where the first is 1, the third where it is 0.
    Select(DagId, DagId, DagId),
    /// The entry of a list at an index that is below its length.
    Lookup(DagId, Arc<[i64]>),
}

impl Node {
    /// Calls `f` on every operand.
    pub fn for_each_operand(&self, mut f: impl FnMut(DagId)) {
        match self {
            Self::Input(_) => {}
            Self::Linear(form) => form.terms.iter().for_each(|(t, _)| f(*t)),
            Self::Shr(a, _)
            | Self::Low(a, _)
            | Self::Negative(a)
            | Self::Not(a)
            | Self::Lookup(a, _) => f(*a),
            Self::Min(a, b) | Self::Max(a, b) | Self::And(a, b) | Self::Or(a, b) => {
                f(*a);
                f(*b);
            }
            Self::Select(c, a, b) => {
                f(*c);
                f(*a);
                f(*b);
            }
        }
    }
}

/// An expression graph over integer inputs.
#[derive(Clone, Debug, Default)]
pub struct Dag {
    nodes: PrimaryMap<DagId, Node>,
    facts: PrimaryMap<DagId, Facts>,
    inputs: Vec<Facts>,
    known: FxHashMap<Node, DagId>,
}

impl Dag {
    /// A graph over inputs in these ranges, without nodes.
    pub fn new(inputs: Vec<Facts>) -> Self {
        Self {
            inputs,
            ..Self::default()
        }
    }

    /// What is known of each input.
    pub fn inputs(&self) -> &[Facts] {
        &self.inputs
    }

    /// Every node, operands before users.
    pub fn nodes(&self) -> impl Iterator<Item = (DagId, &Node)> {
        self.nodes.iter()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True without nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What a node computes; an id of this graph.
    pub fn node(&self, id: DagId) -> &Node {
        &self.nodes[id]
    }

    /// What is proved of a node; an id of this graph.
    pub fn facts(&self, id: DagId) -> Facts {
        self.facts[id]
    }

    /// Adds what is proved of a node in another way, for instance of an equal expression.
    ///
    /// # Errors
    /// [`DagError::Contradiction`] if no value is left, which says that something proved is wrong.
    pub fn learn(&mut self, id: DagId, facts: Facts) -> Result<(), DagError> {
        let both = self.facts[id].both(facts).ok_or(DagError::Contradiction)?;
        if self.facts[id] == both {
            return Ok(());
        }
        self.facts[id] = both;
        // Of a node beside a constant the same is known.
        let Node::Linear(form) = &self.nodes[id] else {
            return Ok(());
        };
        let ([(t, 1)], Some(minus)) = (form.terms.as_slice(), form.constant.checked_neg()) else {
            return Ok(());
        };
        match both.add(Facts::constant(minus)) {
            Some(part) => self.learn(*t, part),
            None => Ok(()),
        }
    }

    /// Learns again from the operands, of which more may be known now.
    pub(crate) fn refresh(&mut self, id: DagId) -> Result<(), DagError> {
        let facts = self.facts_of(&self.nodes[id])?;
        self.learn(id, facts)
    }

    /// The node with this meaning; the same for the same node.
    ///
    /// # Errors
    /// [`DagError::Range`] for values beyond ±2^120, [`DagError::Index`] for an index that may
    /// leave its list or an input that there is not.
    pub fn add(&mut self, node: Node) -> Result<DagId, DagError> {
        if let Some(id) = self.known.get(&node) {
            return Ok(*id);
        }
        let facts = self.facts_of(&node)?;
        let id = self.nodes.push(node.clone());
        self.facts.push(facts);
        self.known.insert(node, id);
        Ok(id)
    }

    /// An input.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn input(&mut self, i: usize) -> Result<DagId, DagError> {
        self.add(Node::Input(i))
    }

    /// A constant.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn constant(&mut self, v: i128) -> Result<DagId, DagError> {
        self.add(Node::Linear(LinearForm::constant(v)))
    }

    /// A sum as it stands; a single node with coefficient 1 is itself.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn sum(&mut self, form: LinearForm) -> Result<DagId, DagError> {
        match (form.terms.as_slice(), form.constant) {
            ([(t, 1)], 0) => Ok(*t),
            _ => self.add(Node::Linear(form)),
        }
    }

    /// The node as a linear form: its own if it is a sum, else itself once.
    pub fn form(&self, id: DagId) -> LinearForm {
        match &self.nodes[id] {
            Node::Linear(form) => form.clone(),
            Node::Input(_)
            | Node::Shr(..)
            | Node::Low(..)
            | Node::Min(..)
            | Node::Max(..)
            | Node::Negative(_)
            | Node::Not(_)
            | Node::And(..)
            | Node::Or(..)
            | Node::Select(..)
            | Node::Lookup(..) => LinearForm {
                terms: vec![(id, 1)],
                constant: 0,
            },
        }
    }

    /// The nodes that `roots` depend on, themselves included, in ascending order.
    pub fn reachable(&self, roots: &[DagId]) -> Vec<DagId> {
        let mut needed = vec![false; self.nodes.len()];
        roots
            .iter()
            .for_each(|r| needed[r.as_u32() as usize] = true);
        let mut found = Vec::new();
        for (id, node) in self.nodes.iter().rev() {
            if needed[id.as_u32() as usize] {
                found.push(id);
                node.for_each_operand(|o| needed[o.as_u32() as usize] = true);
            }
        }
        found.reverse();
        found
    }

    /// What is proved of a node from its operands.
    pub(crate) fn facts_of(&self, node: &Node) -> Result<Facts, DagError> {
        let of = |id: &DagId| self.facts[*id];
        let truth = Facts::within(0, 1);
        Ok(match node {
            Node::Input(i) => *self.inputs.get(*i).ok_or(DagError::Index)?,
            Node::Linear(form) => {
                let mut sum = Facts::constant(form.constant);
                for (t, c) in &form.terms {
                    let product = of(t).times(*c).ok_or(DagError::Range)?;
                    sum = sum.add(product).ok_or(DagError::Range)?;
                }
                sum
            }
            Node::Shr(a, s) => of(a).shr(*s),
            Node::Low(a, s) => of(a).low(*s).ok_or(DagError::Range)?,
            Node::Min(a, b) => of(a).min(of(b)),
            Node::Max(a, b) => of(a).max(of(b)),
            Node::Negative(a) => match of(a) {
                f if f.hi < 0 => Facts::constant(1),
                f if f.lo >= 0 => Facts::constant(0),
                _ => truth,
            },
            Node::Not(a) => match of(a).known() {
                Some(v) => Facts::constant(1 - v),
                None => truth,
            },
            Node::And(a, b) => of(a).min(of(b)),
            Node::Or(a, b) => of(a).max(of(b)),
            Node::Select(c, a, b) => match of(c).known() {
                Some(1) => of(a),
                Some(_) => of(b),
                None => of(a).either(of(b)),
            },
            Node::Lookup(a, table) => {
                let at = of(a);
                let place = |v: i128| usize::try_from(v).map_err(|_| DagError::Index);
                let entries = table
                    .get(place(at.lo)?..=place(at.hi)?)
                    .ok_or(DagError::Index)?;
                let mut facts = entries.iter().map(|v| Facts::constant((*v).into()));
                let first = facts.next().ok_or(DagError::Index)?;
                facts.fold(first, Facts::either)
            }
        })
    }
}

impl LinearForm {
    /// A known value.
    pub fn constant(v: i128) -> Self {
        Self {
            terms: Vec::new(),
            constant: v,
        }
    }

    /// The sum of terms in any order, each node any number of times.
    ///
    /// # Errors
    /// [`DagError::Range`] beyond `i128`.
    pub fn gathered(mut terms: Vec<(DagId, i128)>) -> Result<Self, DagError> {
        terms.sort_unstable_by_key(|(t, _)| *t);
        let mut merged: Vec<(DagId, i128)> = Vec::with_capacity(terms.len());
        for (t, c) in terms {
            match merged.last_mut() {
                Some((last, sum)) if *last == t => {
                    *sum = sum.checked_add(c).ok_or(DagError::Range)?;
                }
                _ => merged.push((t, c)),
            }
        }
        merged.retain(|(_, c)| *c != 0);
        Ok(Self {
            terms: merged,
            constant: 0,
        })
    }

    /// The value, if it depends on nothing.
    pub fn known(&self) -> Option<i128> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// The product with a constant; `None` beyond `i128`.
    pub fn times(&self, c: i128) -> Option<Self> {
        if c == 0 {
            return Some(Self::constant(0));
        }
        let times = |(t, w): &(DagId, i128)| Some((*t, w.checked_mul(c)?));
        Some(Self {
            terms: self.terms.iter().map(times).collect::<Option<_>>()?,
            constant: self.constant.checked_mul(c)?,
        })
    }

    /// The sum of two; `None` beyond `i128`.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let mut terms = Vec::with_capacity(self.terms.len() + other.terms.len());
        let (mut a, mut b) = (self.terms.iter().peekable(), other.terms.iter().peekable());
        loop {
            let next = match (a.peek(), b.peek()) {
                (None, None) => break,
                (Some((s, c)), Some((t, d))) if s == t => {
                    let both = (*s, c.checked_add(*d)?);
                    a.next();
                    b.next();
                    both
                }
                (Some((s, _)), Some((t, _))) if s > t => *b.next()?,
                (Some(_), _) => *a.next()?,
                (None, Some(_)) => *b.next()?,
            };
            if next.1 != 0 {
                terms.push(next);
            }
        }
        Some(Self {
            terms,
            constant: self.constant.checked_add(other.constant)?,
        })
    }
}
