//! From a checked kernel to its expression graph: `ir-specs` interpreted over graph nodes.
//!
//! Sums and products with constants stay linear forms until an operator needs a value, so that a
//! dot product is one node. Nothing is simplified beyond that and known values: the rest is the
//! rewriter's.

use crate::dag::{Dag, DagId, LinearForm, Node};
use crate::facts::Facts;
use ceg4n_base::entity::SecondaryMap;
use ceg4n_eval::interpret_kernel;
use ceg4n_ir::{Interval, Kernel, NodeId};
use ceg4n_opspec::{Cmp, Domain, MeaningError};
use rustc_hash::FxHashSet;
use std::fmt;
use std::sync::Arc;

/// Terms of sums beyond which a kernel has no graph: some 64 bytes each.
const MOST_TERMS: usize = 4 << 20;

/// Why there is no graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DagError {
    /// A value may leave ±2^120.
    Range,
    /// An index may leave its list, or there is no such input.
    Index,
    /// A product of two variables.
    Product,
    /// More terms than is sensible.
    Size,
    /// Two proofs about one value exclude each other.
    Contradiction,
    /// No meaning over integers.
    Meaning(MeaningError),
}

impl fmt::Display for DagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range => f.write_str("a value needs more than 120 bits"),
            Self::Index => f.write_str("an index may leave its list"),
            Self::Product => f.write_str("a product of two variables"),
            Self::Size => write!(f, "more than {MOST_TERMS} terms of sums"),
            Self::Contradiction => f.write_str("two proofs about one value exclude each other"),
            Self::Meaning(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for DagError {}

impl From<MeaningError> for DagError {
    fn from(e: MeaningError) -> Self {
        Self::Meaning(e)
    }
}

/// A kernel's graph.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The graph.
    pub dag: Dag,
    /// The elements of each kernel node, row-major.
    pub layers: SecondaryMap<NodeId, Vec<DagId>>,
    /// The outputs.
    pub outputs: Vec<DagId>,
}

impl Dag {
    /// What a kernel computes for inputs within these ranges, one per input, each inside the input
    /// format.
    ///
    /// # Errors
    /// [`DagError`]: the kernel is too large or its values are too wide.
    pub fn of_kernel(kernel: &Kernel, input: &[Interval]) -> Result<Lowered, DagError> {
        let mut builder = Builder {
            dag: Self::new(input.iter().map(|r| Facts::of(*r)).collect()),
            terms: 0,
            tables: FxHashSet::default(),
        };
        let mut numbers = Vec::with_capacity(input.len());
        for i in 0..input.len() {
            let id = builder.dag.input(i)?;
            numbers.push(builder.number(id));
        }
        let trace = interpret_kernel(kernel, &mut builder, numbers)?;
        let mut layers = SecondaryMap::new();
        for id in kernel.nodes.keys() {
            let elements = trace.node(id).iter();
            layers[id] = elements
                .map(|n| builder.whole(n))
                .collect::<Result<Vec<_>, _>>()?;
        }
        let outputs = layers[kernel.output].clone();
        Ok(Lowered {
            dag: builder.dag,
            layers,
            outputs,
        })
    }
}

/// The domain of graph nodes. A number is a linear form of them.
struct Builder {
    dag: Dag,
    terms: usize,
    /// Every list once: the elements of a layer look up in the same one.
    tables: FxHashSet<Arc<[i64]>>,
}

impl Builder {
    /// A node as a number: a known value is that value.
    fn number(&self, id: DagId) -> LinearForm {
        match self.dag.facts(id).known() {
            Some(v) => LinearForm::constant(v),
            None => self.dag.form(id),
        }
    }

    fn whole(&mut self, form: &LinearForm) -> Result<DagId, DagError> {
        self.terms = self.terms.saturating_add(form.terms.len());
        if self.terms > MOST_TERMS {
            return Err(DagError::Size);
        }
        self.dag.sum(form.clone())
    }

    fn node(&mut self, node: Node) -> Result<LinearForm, DagError> {
        let id = self.dag.add(node)?;
        Ok(self.number(id))
    }

    fn truth(&mut self, node: Node) -> Result<Truth, DagError> {
        let id = self.dag.add(node)?;
        Ok(match self.dag.facts(id).known() {
            Some(v) => Truth::Known(v != 0),
            None => Truth::Node(id),
        })
    }
}

/// A truth value: known, or a node.
#[derive(Clone, Copy, Debug)]
enum Truth {
    Known(bool),
    Node(DagId),
}

fn over(form: Option<LinearForm>) -> Result<LinearForm, DagError> {
    form.ok_or(DagError::Range)
}

impl Domain for Builder {
    type Value = LinearForm;
    type Bool = Truth;
    type Error = DagError;

    fn int(&mut self, v: i128) -> Result<LinearForm, DagError> {
        Ok(LinearForm::constant(v))
    }

    fn boolean(&mut self, v: bool) -> Result<Truth, DagError> {
        Ok(Truth::Known(v))
    }

    fn add(&mut self, a: &LinearForm, b: &LinearForm) -> Result<LinearForm, DagError> {
        over(a.plus(b))
    }

    fn sub(&mut self, a: &LinearForm, b: &LinearForm) -> Result<LinearForm, DagError> {
        over(b.times(-1).and_then(|b| a.plus(&b)))
    }

    fn mul(&mut self, a: &LinearForm, b: &LinearForm) -> Result<LinearForm, DagError> {
        match (a.known(), b.known()) {
            (_, Some(c)) => over(a.times(c)),
            (Some(c), None) => over(b.times(c)),
            (None, None) => Err(DagError::Product),
        }
    }

    fn neg(&mut self, a: &LinearForm) -> Result<LinearForm, DagError> {
        over(a.times(-1))
    }

    fn shr_floor(&mut self, a: &LinearForm, s: u32) -> Result<LinearForm, DagError> {
        match (a.known(), s) {
            (_, 0) => Ok(a.clone()),
            (Some(v), _) => Ok(LinearForm::constant(v >> s.min(127))),
            (None, _) => {
                let a = self.whole(a)?;
                self.node(Node::Shr(a, s))
            }
        }
    }

    fn shl(&mut self, a: &LinearForm, s: u32) -> Result<LinearForm, DagError> {
        let c = 1i128.checked_shl(s).filter(|c| *c > 0);
        over(c.and_then(|c| a.times(c)))
    }

    fn cmp(&mut self, op: Cmp, a: &LinearForm, b: &LinearForm) -> Result<Truth, DagError> {
        match op {
            Cmp::Lt => {
                let d = self.sub(a, b)?;
                match d.known() {
                    Some(v) => Ok(Truth::Known(v < 0)),
                    None => {
                        let d = self.whole(&d)?;
                        self.truth(Node::Negative(d))
                    }
                }
            }
            Cmp::Gt => self.cmp(Cmp::Lt, b, a),
            Cmp::Ge => {
                let less = self.cmp(Cmp::Lt, a, b)?;
                self.not(&less)
            }
            Cmp::Le => {
                let more = self.cmp(Cmp::Lt, b, a)?;
                self.not(&more)
            }
            Cmp::Eq => {
                let (le, ge) = (self.cmp(Cmp::Le, a, b)?, self.cmp(Cmp::Ge, a, b)?);
                self.and(&le, &ge)
            }
            Cmp::Ne => {
                let same = self.cmp(Cmp::Eq, a, b)?;
                self.not(&same)
            }
        }
    }

    fn select(
        &mut self,
        cond: &Truth,
        a: &LinearForm,
        b: &LinearForm,
    ) -> Result<LinearForm, DagError> {
        match cond {
            Truth::Known(true) => Ok(a.clone()),
            Truth::Known(false) => Ok(b.clone()),
            Truth::Node(c) => {
                let (a, b) = (self.whole(a)?, self.whole(b)?);
                self.node(Node::Select(*c, a, b))
            }
        }
    }

    fn not(&mut self, a: &Truth) -> Result<Truth, DagError> {
        match a {
            Truth::Known(b) => Ok(Truth::Known(!b)),
            Truth::Node(id) => self.truth(Node::Not(*id)),
        }
    }

    fn and(&mut self, a: &Truth, b: &Truth) -> Result<Truth, DagError> {
        match (a, b) {
            (Truth::Known(false), _) | (_, Truth::Known(false)) => Ok(Truth::Known(false)),
            (Truth::Known(true), t) | (t, Truth::Known(true)) => Ok(*t),
            (Truth::Node(a), Truth::Node(b)) => self.truth(Node::And(*a, *b)),
        }
    }

    fn or(&mut self, a: &Truth, b: &Truth) -> Result<Truth, DagError> {
        match (a, b) {
            (Truth::Known(true), _) | (_, Truth::Known(true)) => Ok(Truth::Known(true)),
            (Truth::Known(false), t) | (t, Truth::Known(false)) => Ok(*t),
            (Truth::Node(a), Truth::Node(b)) => self.truth(Node::Or(*a, *b)),
        }
    }

    fn min(&mut self, a: &LinearForm, b: &LinearForm) -> Result<LinearForm, DagError> {
        match (a.known(), b.known()) {
            (Some(a), Some(b)) => Ok(LinearForm::constant(a.min(b))),
            _ => {
                let (a, b) = (self.whole(a)?, self.whole(b)?);
                self.node(Node::Min(a, b))
            }
        }
    }

    fn max(&mut self, a: &LinearForm, b: &LinearForm) -> Result<LinearForm, DagError> {
        match (a.known(), b.known()) {
            (Some(a), Some(b)) => Ok(LinearForm::constant(a.max(b))),
            _ => {
                let (a, b) = (self.whole(a)?, self.whole(b)?);
                self.node(Node::Max(a, b))
            }
        }
    }

    fn mod_pow2(&mut self, a: &LinearForm, s: u32) -> Result<LinearForm, DagError> {
        match (a.known(), s) {
            (_, 0) => Ok(LinearForm::constant(0)),
            (Some(v), 1..=126) => Ok(LinearForm::constant(v & ((1 << s) - 1))),
            _ => {
                let a = self.whole(a)?;
                self.node(Node::Low(a, s))
            }
        }
    }

    fn sum(&mut self, items: Vec<LinearForm>) -> Result<LinearForm, DagError> {
        self.dot(
            items
                .into_iter()
                .map(|i| (i, LinearForm::constant(1)))
                .collect(),
        )
    }

    fn dot(&mut self, terms: Vec<(LinearForm, LinearForm)>) -> Result<LinearForm, DagError> {
        let (mut all, mut constant) = (Vec::with_capacity(terms.len()), 0i128);
        for (a, b) in &terms {
            let product = self.mul(a, b)?;
            let sum = constant.checked_add(product.constant);
            constant = sum.ok_or(DagError::Range)?;
            all.extend(product.terms);
        }
        Ok(LinearForm {
            constant,
            ..LinearForm::gathered(all)?
        })
    }

    fn lookup(
        &mut self,
        at: &LinearForm,
        len: usize,
        entry: &mut dyn FnMut(usize) -> Result<i64, DagError>,
    ) -> Result<LinearForm, DagError> {
        if let Some(v) = at.known() {
            let i = usize::try_from(v).ok().filter(|i| *i < len);
            return Ok(LinearForm::constant(
                entry(i.ok_or(DagError::Index)?)?.into(),
            ));
        }
        let table = (0..len).map(entry).collect::<Result<Arc<[i64]>, _>>()?;
        let table = match self.tables.get(&table) {
            Some(same) => same.clone(),
            None => {
                self.tables.insert(table.clone());
                table
            }
        };
        let at = self.whole(at)?;
        self.node(Node::Lookup(at, table))
    }
}
