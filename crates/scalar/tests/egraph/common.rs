//! Random graphs, rules from text, values.

use ceg4n_base::Sources;
use ceg4n_opspec::{Domain, IntDomain, MeaningError, RewriteRule, read_rules};
use ceg4n_scalar::egraph::Rules;
use ceg4n_scalar::{Dag, DagError, DagId, Facts, LinearForm, Node};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A rule from its sides, its condition and its variables with their kinds.
pub(crate) fn rule(
    name: &str,
    sides: [&str; 2],
    when: &str,
    variables: &[[&str; 2]],
) -> RewriteRule {
    let [lhs, rhs] = sides;
    let mut text =
        format!("name = \"{name}\"\nsummary = \"s\"\nlhs = \"{lhs}\"\nrhs = \"{rhs}\"\n");
    if !when.is_empty() {
        text += &format!("when = \"{when}\"\n");
    }
    for [name, kind] in variables {
        text += &format!("[[variable]]\nname = \"{name}\"\nkind = \"{kind}\"\n");
    }
    let mut sources = Sources::default();
    let read = read_rules(&[(&format!("{name}.toml"), &text)], &mut sources);
    read.unwrap_or_else(|d| panic!("{}", sources.render(&d, false)))
        .remove(0)
}

pub(crate) fn rules(all: &[RewriteRule]) -> Rules {
    Rules::new(all).unwrap()
}

/// The values of nodes, in the exact interpreter's integers.
pub(crate) fn values(dag: &Dag, input: &[i128], nodes: &[DagId]) -> Vec<i128> {
    let mut same = |_: &mut IntDomain, _: DagId, v: i128, _: bool| Ok::<_, MeaningError>(v);
    dag.evaluate(&mut IntDomain, input, nodes, &mut same)
        .unwrap()
}

/// All inputs of a graph if there are at most `most`.
pub(crate) fn all_inputs(dag: &Dag, most: i128) -> Option<Vec<Vec<i128>>> {
    let count = dag.inputs().iter().map(|f| f.hi - f.lo + 1);
    let count = count.fold(1i128, i128::saturating_mul);
    if count > most {
        return None;
    }
    let mut all = vec![Vec::new()];
    for f in dag.inputs() {
        all = all
            .into_iter()
            .flat_map(|p| {
                (f.lo..=f.hi).map(move |v| {
                    let mut p = p.clone();
                    p.push(v);
                    p
                })
            })
            .collect();
    }
    Some(all)
}

/// Corners and random points.
pub(crate) fn some_inputs(dag: &Dag, rng: &mut ChaCha8Rng, count: usize) -> Vec<Vec<i128>> {
    let one = |rng: &mut ChaCha8Rng| {
        let style = rng.random_range(0..4);
        let inputs = dag.inputs().iter();
        inputs
            .map(|f| match (style, rng.random_bool(0.5)) {
                (0, true) => f.lo,
                (0, false) => f.hi,
                (1, true) => 0.clamp(f.lo, f.hi),
                _ => f.lo + i128::from(rng.random::<u64>()) % (f.hi - f.lo + 1),
            })
            .collect()
    };
    (0..count).map(|_| one(rng)).collect()
}

/// A graph that grows at random: every operator, most often as kernels use it.
pub(crate) struct Growing<'a> {
    pub(crate) dag: Dag,
    pub(crate) rng: &'a mut ChaCha8Rng,
    /// Numbers and truth values to go on from.
    numbers: Vec<DagId>,
    truths: Vec<DagId>,
}

impl<'a> Growing<'a> {
    pub(crate) fn new(rng: &'a mut ChaCha8Rng, inputs: Vec<Facts>) -> Self {
        let count = inputs.len();
        let mut dag = Dag::new(inputs);
        let numbers = (0..count).map(|i| dag.input(i).unwrap()).collect();
        Self {
            dag,
            rng,
            numbers,
            truths: Vec::new(),
        }
    }

    fn number(&mut self) -> DagId {
        let n = self.numbers.len();
        // The last ones more often, so that expressions get deep.
        let from = if self.rng.random_bool(0.6) {
            n.saturating_sub(4)
        } else {
            0
        };
        self.numbers[self.rng.random_range(from..n)]
    }

    fn coefficient(&mut self) -> i128 {
        let magnitude = match self.rng.random_range(0..4) {
            0 => 1,
            1 => 1 << self.rng.random_range(0..6),
            _ => self.rng.random_range(1..20),
        };
        if self.rng.random_bool(0.4) {
            -magnitude
        } else {
            magnitude
        }
    }

    fn sum(&mut self, most: usize) -> Result<DagId, DagError> {
        let terms = self.rng.random_range(1..=most);
        let shift = if self.rng.random_bool(0.3) { 3 } else { 0 };
        let constant = match self.rng.random_range(0..3) {
            0 => 0,
            1 => 1 << self.rng.random_range(0..6),
            _ => self.rng.random_range(-300..300),
        };
        let mut form = LinearForm::constant(constant);
        for _ in 0..terms {
            let t = self.number();
            let c = self.coefficient() << shift;
            let term = self.dag.form(t).times(c).ok_or(DagError::Range)?;
            form = form.plus(&term).ok_or(DagError::Range)?;
        }
        self.dag.sum(form)
    }

    fn truth(&mut self) -> Result<DagId, DagError> {
        let (a, b) = (self.number(), self.number());
        let d = match self.rng.random_range(0..3) {
            0 => self.dag.form(a),
            1 => LinearForm::constant(self.rng.random_range(-20..20))
                .plus(&self.dag.form(a).times(-1).ok_or(DagError::Range)?)
                .ok_or(DagError::Range)?,
            _ => {
                let minus = self.dag.form(b).times(-1).ok_or(DagError::Range)?;
                self.dag.form(a).plus(&minus).ok_or(DagError::Range)?
            }
        };
        let d = self.dag.sum(d)?;
        let fresh = self.dag.add(Node::Negative(d))?;
        self.truths.push(fresh);
        let n = self.truths.len();
        let other = self.truths[self.rng.random_range(0..n)];
        let made = match self.rng.random_range(0..5) {
            0 => self.dag.add(Node::Not(fresh))?,
            1 => self.dag.add(Node::And(fresh, other))?,
            2 => self.dag.add(Node::Or(other, fresh))?,
            _ => fresh,
        };
        self.truths.push(made);
        Ok(made)
    }

    /// A clamp, as requantization has it.
    fn clamp(&mut self, a: DagId) -> Result<DagId, DagError> {
        let lo = *[-128, -16, 0, 0, 3]
            .get(self.rng.random_range(0..5))
            .unwrap();
        let hi = lo + *[-3, 15, 127, 255].get(self.rng.random_range(0..4)).unwrap();
        let (lo, hi) = (self.dag.constant(lo)?, self.dag.constant(hi)?);
        let above = self.dag.add(Node::Max(a, lo))?;
        self.dag.add(Node::Min(above, hi))
    }

    /// Adds a node or a few; an error leaves what is there.
    pub(crate) fn grow(&mut self) -> Result<(), DagError> {
        let s = self.rng.random_range(1..8);
        let made = match self.rng.random_range(0..12) {
            0 => self.sum(14)?,
            1 => self.sum(3)?,
            2 | 3 => {
                let a = self.sum(4)?;
                let a = self.dag.add(Node::Shr(a, s))?;
                self.clamp(a)?
            }
            4 => {
                let a = self.number();
                self.dag.add(Node::Shr(a, s))?
            }
            5 => {
                let a = self.number();
                self.dag.add(Node::Low(a, s))?
            }
            6 => {
                let (a, b) = (self.number(), self.number());
                self.dag.add(Node::Min(a, b))?
            }
            7 => {
                let (a, b) = (self.number(), self.number());
                self.dag.add(Node::Max(a, b))?
            }
            8 => {
                let (a, zero) = (self.number(), self.dag.constant(0)?);
                self.dag.add(Node::Max(a, zero))?
            }
            9 => {
                let a = self.number();
                self.clamp(a)?
            }
            10 => {
                let (c, a, b) = (self.truth()?, self.number(), self.number());
                self.dag.add(Node::Select(c, a, b))?
            }
            _ => {
                let a = self.number();
                let a = self.dag.add(Node::Low(a, 3))?;
                let table = (0..8).map(|_| self.rng.random_range(-50..50)).collect();
                self.dag.add(Node::Lookup(a, table))?
            }
        };
        self.numbers.push(made);
        Ok(())
    }

    /// A few of the last numbers.
    pub(crate) fn roots(&mut self) -> Vec<DagId> {
        let n = self.numbers.len();
        let count = self.rng.random_range(1..=3.min(n));
        let mut roots = vec![self.numbers[n - 1]];
        for _ in 1..count {
            roots.push(self.numbers[self.rng.random_range(0..n)]);
        }
        roots
    }
}

/// A random graph with roots.
pub(crate) fn random_graph(rng: &mut ChaCha8Rng, inputs: Vec<Facts>) -> (Dag, Vec<DagId>) {
    let size = rng.random_range(3..25);
    let mut growing = Growing::new(rng, inputs);
    for _ in 0..size {
        // A node whose values are too wide is left out.
        let _ = growing.grow();
    }
    let roots = growing.roots();
    (growing.dag, roots)
}

/// The exact integers have all operators.
pub(crate) fn int(v: i128) -> i128 {
    IntDomain.int(v).unwrap()
}
