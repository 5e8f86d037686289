//! Backward linear bounds (CROWN: Zhang et al. 2018; DeepPoly: Singh et al. 2019) over a
//! [`Graph`], sound in floating point.
//!
//! Linear forms of a node are carried backwards to the input: each row stays a lower bound
//! `Σ c·z + k` of its form on the box. The rounding errors of the coefficients behind a linear
//! map are charged at once: with `n` rows each is at most `γ_n·Σ_j |c_j·w_jk|`, so that all
//! of them together cost at most `γ_n·Σ_j |c_j|·Σ_k |w_jk|·|x_k|`, and the inner sums
//! ([`Bounds::reach`]) are known from the forward pass.

use super::forward::{Bounds, Hull};
use super::graph::{Graph, Linear, Op};
use super::relax;
use super::split::Splits;
use crate::float::{Bound, down, pad};
use std::ops::Range;

/// Linear forms over one node.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Number of forms.
    pub count: usize,
    /// `count × len` coefficients, row-major.
    pub coef: Vec<f64>,
    /// One constant per form, rounded downwards at every step.
    pub constant: Vec<f64>,
    /// Where coefficients may be other than zero, ascending; `None` for everywhere. Forms of
    /// neighbouring elements behind convolutions have few such places.
    support: Option<Vec<usize>>,
}

impl Rows {
    /// Forms without constants.
    pub fn new(count: usize, coef: Vec<f64>) -> Self {
        Self {
            count,
            coef,
            constant: vec![0.0; count],
            support: None,
        }
    }

    /// The forms `z_i` and `-z_i` for some elements, ascending, of a node of `len` elements.
    pub fn units(elements: &[usize], len: usize) -> Self {
        let mut coef = vec![0.0; 2 * elements.len() * len];
        for (r, i) in elements.iter().enumerate() {
            coef[2 * r * len + i] = 1.0;
            coef[(2 * r + 1) * len + i] = -1.0;
        }
        Self {
            support: (8 * elements.len() < len).then(|| elements.to_vec()),
            ..Self::new(2 * elements.len(), coef)
        }
    }

    /// Coefficients of one form.
    pub fn row(&self, r: usize) -> &[f64] {
        let len = self.coef.len() / self.count.max(1);
        &self.coef[r * len..(r + 1) * len]
    }
}

/// What guides a pass: free choices that never make it unsound.
#[derive(Clone, Debug, Default)]
pub struct Guide {
    /// For each relu node, `count × len` lower slopes; empty where the default serves.
    pub alpha: Vec<Vec<f64>>,
    /// For each relu node, `count × len` multipliers of split constraints, not negative; empty
    /// for none.
    pub beta: Vec<Vec<f64>>,
}

/// A backward pass.
pub struct Backward<'a> {
    /// The program.
    pub graph: &'a Graph,
    /// Enclosures of every node before the forms' node.
    pub bounds: &'a Bounds,
    /// Constraints under which the bounds hold.
    pub splits: &'a Splits,
    /// Slopes and multipliers.
    pub guide: Option<&'a Guide>,
}

impl Backward<'_> {
    /// Carries forms of node `from` back to the input.
    pub fn to_input(&self, from: usize, mut rows: Rows) -> Rows {
        for i in (1..=from).rev() {
            self.step(i, &mut rows);
        }
        rows
    }

    /// As [`Self::to_input`], keeping the forms over each node, by node index.
    pub fn traced(&self, from: usize, rows: Rows) -> Vec<Rows> {
        let mut trace = vec![rows];
        for i in (1..=from).rev() {
            let mut rows = trace[trace.len() - 1].clone();
            self.step(i, &mut rows);
            trace.push(rows);
        }
        trace.reverse();
        trace
    }

    /// Lower bounds of forms of node `from` over the box.
    pub fn lower(&self, from: usize, rows: Rows) -> Vec<f64> {
        let hull = Hull::new(&self.bounds.nodes[0]);
        concrete(&self.to_input(from, rows), &hull)
    }

    /// From forms over node `i`'s result to forms over its operand.
    pub fn step(&self, i: usize, rows: &mut Rows) {
        let x = &self.bounds.nodes[i - 1];
        let node = &self.graph.nodes[i];
        let (n, on) = (node.len, node.on.clone());
        match &node.op {
            Op::Input => {}
            Op::Linear(map) => self.linear(i, map, rows),
            Op::Scale { by, slack } => {
                // What the products' roundings cost, and the sizes that an underflow meets.
                let each = |c: &mut f64, (slot, b): Place, (charge, spread): &mut (f64, f64)| {
                    if *c != 0.0 {
                        *c *= by[slot];
                        *charge += c.abs() * b.magnitude();
                        *spread += b.magnitude();
                    }
                };
                rows.each((n, &on, x), each, |(charge, spread), k| {
                    // Underflow of a product: at most the least normal number each.
                    let lost = pad(on.len(), *slack, charge) + f64::MIN_POSITIVE * spread;
                    *k = down(*k, lost);
                });
            }
            Op::Shift(c) => {
                let each = |a: &mut f64, (slot, _): Place, sums: &mut [f64; 3]| {
                    let v = *a * c.value[slot];
                    sums[0] += v;
                    sums[1] += v.abs();
                    sums[2] += a.abs() * c.error[slot];
                };
                rows.each((n, &on, x), each, |[s, m, lost], k| {
                    *k = down(
                        *k + s,
                        pad(on.len() + 1, 0, m + k.abs()) + lost * (1.0 + pad(on.len(), 0, 1.0)),
                    );
                });
            }
            Op::Relu => self.relu(i, rows),
            Op::Round(steps) => {
                let each = |a: &mut f64, (slot, b): Place, sum: &mut Sum| {
                    let s = &steps[slot];
                    if *a == 0.0 || s.is_exact() {
                        return;
                    }
                    if b.lo == 0.0 && b.hi == 0.0 {
                        *a = 0.0;
                        return;
                    }
                    sum.add(*a * if *a > 0.0 { s.error.lo } else { s.error.hi });
                };
                rows.each((n, &on, x), each, |sum, k| sum.into_constant(k, on.len()));
            }
            Op::Float32 { .. } => {
                let noise = &self.bounds.noise[i];
                let each = |a: &mut f64, (slot, _): Place, sum: &mut Sum| {
                    if *a != 0.0 {
                        sum.add(-a.abs() * noise[slot]);
                    }
                };
                rows.each((n, &on, x), each, |sum, k| sum.into_constant(k, on.len()));
            }
            Op::Clamp { lo, hi } => {
                let each = |a: &mut f64, (_, b): Place, sum: &mut Sum| {
                    let (c, k) = relax::clamp(*a, b, *lo, *hi);
                    *a = c;
                    sum.add(k);
                };
                rows.each((n, &on, x), each, |sum, k| sum.into_constant(k, on.len()));
            }
            Op::Curve(_) => {
                let lines = &self.bounds.lines[i];
                let each = |a: &mut f64, (slot, b): Place, sum: &mut Sum| {
                    let (c, k) = relax::lines(*a, b, &lines[slot]);
                    *a = c;
                    sum.add(k);
                };
                rows.each((n, &on, x), each, |sum, k| sum.into_constant(k, on.len()));
            }
        }
    }

    fn linear(&self, i: usize, map: &Linear, rows: &mut Rows) {
        let (n, x) = (map.rows, &self.bounds.nodes[i - 1]);
        let (reach, loss) = (&self.bounds.reach[i], &self.bounds.loss[i]);
        let (coef, support) = match &rows.support {
            None => (map.back(rows.count, &rows.coef), None),
            Some(places) => map.back_some(rows.count, &rows.coef, places),
        };
        // Underflow of a product: at most the least normal number each.
        let spread: f64 = x.iter().map(|b| b.magnitude()).sum();
        for (r, k) in rows.constant.iter_mut().enumerate() {
            let row = &rows.coef[r * n..(r + 1) * n];
            let (mut s, mut charge, mut lost) = (0.0, 0.0, 0.0);
            let mut add = |j: usize| {
                let c = row[j];
                if c != 0.0 {
                    s += c * map.bias.value[j];
                    charge += c.abs() * reach[j];
                    lost += c.abs() * loss[j];
                }
            };
            match &rows.support {
                None => (0..n).for_each(add),
                Some(places) => places.iter().for_each(|j| add(*j)),
            }
            let p = pad(n + 3, 2, charge + k.abs())
                + f64::MIN_POSITIVE * (n as f64) * spread
                + lost * (1.0 + pad(n, 0, 1.0));
            *k = down(*k + s, p);
        }
        rows.coef = coef;
        rows.support = support;
    }

    fn relu(&self, i: usize, rows: &mut Rows) {
        let (n, on) = (self.graph.nodes[i].len, self.graph.nodes[i].on.clone());
        let x = &self.bounds.nodes[i - 1];
        let of = |list: Option<&'_ Vec<Vec<f64>>>| -> Option<Vec<f64>> {
            list.and_then(|l| l.get(i))
                .filter(|l| !l.is_empty())
                .cloned()
        };
        let alpha = of(self.guide.map(|g| &g.alpha));
        let beta = of(self.guide.map(|g| &g.beta));
        for r in 0..rows.count {
            let mut sum = Sum::default();
            let row = &mut rows.coef[r * n..(r + 1) * n];
            let mut each = |j: usize| {
                let slope = alpha.as_ref().map(|l| l[r * n + j]);
                let (c, k) = relax::relu(row[j], x[j], slope);
                row[j] = c;
                sum.add(k);
            };
            match &rows.support {
                None => on.clone().for_each(each),
                Some(places) => within(places, &on).iter().for_each(|j| each(*j)),
            }
            if let Some(beta) = &beta {
                // On the part z ≥ 0 (z ≤ 0) a multiple of -z (of z) is not positive.
                for (j, active) in self.splits.at(i) {
                    let m = beta[r * n + j].max(0.0);
                    if m > 0.0 {
                        let a = row[j];
                        row[j] = if active { a - m } else { a + m };
                        sum.add(-pad(1, 0, a.abs() + m) * x[j].magnitude());
                    }
                }
            }
            sum.into_constant(&mut rows.constant[r], n + self.splits.len());
        }
    }
}

/// An entry of an operator's lists, and the enclosure of the operand there.
type Place = (usize, Bound);

/// Those of ascending places that lie in a range.
fn within<'a>(places: &'a [usize], on: &Range<usize>) -> &'a [usize] {
    let at = |end: usize| places.partition_point(|j| *j < end);
    &places[at(on.start)..at(on.end)]
}

impl Rows {
    /// Changes the coefficients of the elements `on` of each form over `n`, whose enclosures are
    /// `x`, by `f`, which sums up what it costs; `end` takes that to the form's constant.
    fn each<A: Default>(
        &mut self,
        (n, on, x): (usize, &Range<usize>, &[Bound]),
        f: impl Fn(&mut f64, Place, &mut A),
        end: impl Fn(A, &mut f64),
    ) {
        let places = self.support.as_deref().map(|p| within(p, on));
        let x = &x[on.clone()];
        for (r, k) in self.constant.iter_mut().enumerate() {
            let row = &mut self.coef[r * n + on.start..r * n + on.end];
            let mut sums = A::default();
            match places {
                None => {
                    let all = row.iter_mut().zip(x).enumerate();
                    all.for_each(|(slot, (a, b))| f(a, (slot, *b), &mut sums));
                }
                Some(places) => {
                    for slot in places.iter().map(|j| j - on.start) {
                        f(&mut row[slot], (slot, x[slot]), &mut sums);
                    }
                }
            }
            end(sums, k);
        }
    }
}

/// A sum of rounded-down terms, with its own rounding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    value: f64,
    size: f64,
}

impl Sum {
    /// Adds a term, itself the rounding of one product or already safe.
    pub fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
    }

    /// Adds the sum of at most `n` terms to a constant.
    pub fn into_constant(self, k: &mut f64, n: usize) {
        if self.size != 0.0 {
            *k = down(*k + self.value, pad(n + 1, 1, self.size + k.abs()));
        }
    }
}

/// The least values of forms over a box.
pub fn concrete(rows: &Rows, hull: &Hull) -> Vec<f64> {
    let bounds = hull.rows(&rows.coef, &rows.constant);
    bounds.into_iter().map(|(b, _)| b.lo).collect()
}

/// Enclosures of every node: intervals, tightened by backward bounds where a sign or a clamp is
/// open behind another open one; cut by the splits. `None` if the splits leave nothing.
///
/// Where the backward passes of a node's open elements, together with those before, would take more
/// than `MOST_WORK` multiplications, its intervals stay as they are.
pub fn bounds(graph: &Graph, x: &[Bound], splits: &Splits) -> Option<Bounds> {
    let mut open_before = false;
    let (mut below, mut spent) = (0u64, 0u64);
    walk(graph, x, splits, |bounds, i| {
        if let Op::Linear(map) = &graph.nodes[i].op {
            below = below.saturating_add((map.rows * map.terms()) as u64);
        }
        let open = open_elements(graph, bounds, i);
        if !open.is_empty() {
            let work = below.saturating_mul(open.len() as u64);
            if open_before && spent.saturating_add(work) <= MOST_WORK {
                spent += work;
                tighten(graph, bounds, i, &open, splits);
            }
            open_before = true;
        }
    })
}

/// Multiplications that the bounds of one box may take: beyond, a network is too large for more than
/// intervals.
const MOST_WORK: u64 = 1 << 33;

/// As [`bounds`], from those that hold on a box around `x` without splits: only intervals are new.
pub fn bounds_within(
    graph: &Graph,
    x: &[Bound],
    splits: &Splits,
    known: &Bounds,
) -> Option<Bounds> {
    walk(graph, x, splits, |bounds, i| {
        bounds.meet(graph, i, &known.nodes[i]);
    })
}

/// Intervals node by node, each made tighter by `tighten` and cut by the splits.
fn walk(
    graph: &Graph,
    x: &[Bound],
    splits: &Splits,
    mut tighten: impl FnMut(&mut Bounds, usize),
) -> Option<Bounds> {
    let mut bounds = Bounds::start(graph);
    for i in 0..graph.nodes.len() {
        bounds.push(graph, i, x);
        tighten(&mut bounds, i);
        if !splits.cut(i + 1, &mut bounds.nodes[i]) {
            return None;
        }
    }
    Some(bounds)
}

/// Elements of a node before a relu, a clamp or a curve (rounded in between or not) whose piece is
/// open.
fn open_elements(graph: &Graph, bounds: &Bounds, i: usize) -> Vec<usize> {
    let mut x = bounds.nodes[i].clone();
    let mut open = vec![false; x.len()];
    let piecewise = matches!(
        graph.nodes[i].op,
        Op::Linear(_) | Op::Shift(_) | Op::Scale { .. }
    );
    if !piecewise {
        return Vec::new();
    }
    for node in &graph.nodes[i + 1..] {
        let on = node.on.clone();
        if matches!(node.op, Op::Linear(_)) {
            break;
        }
        let here = open[on.clone()].iter_mut().zip(&mut x[on]);
        match &node.op {
            Op::Relu => {
                for (o, b) in here {
                    *o |= b.lo < 0.0 && b.hi > 0.0;
                    *b = b.relu();
                }
            }
            Op::Clamp { lo, hi } => {
                for (o, b) in here {
                    *o |= (b.lo < *lo && b.hi > *lo) || (b.lo < *hi && b.hi > *hi);
                }
            }
            Op::Round(steps) => {
                for ((_, b), s) in here.zip(steps.iter()) {
                    *b = s.image(*b);
                }
            }
            Op::Curve(_) => here.for_each(|(o, b)| *o |= b.lo < b.hi),
            Op::Float32 { .. } => {}
            Op::Input | Op::Linear(_) | Op::Scale { .. } | Op::Shift(_) => break,
        }
    }
    (0..open.len()).filter(|j| open[*j]).collect()
}

/// Coefficients that forms of one pass may have at one node.
const ROOM: usize = 1 << 22;

/// Intersects the enclosures of some elements of node `i` with their backward bounds.
fn tighten(graph: &Graph, bounds: &mut Bounds, i: usize, elements: &[usize], splits: &Splits) {
    let n = graph.nodes[i].len;
    let widest = graph.nodes[..=i].iter().map(|n| n.len).max().unwrap_or(1);
    let mut tight = vec![Bound::new(f64::NEG_INFINITY, f64::INFINITY); n];
    for elements in elements.chunks((ROOM / (2 * widest.max(1))).max(1)) {
        let pass = Backward {
            graph,
            bounds,
            splits,
            guide: None,
        };
        let lower = pass.lower(i, Rows::units(elements, n));
        for (r, j) in elements.iter().enumerate() {
            tight[*j] = Bound::new(lower[2 * r], -lower[2 * r + 1]);
        }
    }
    bounds.meet(graph, i, &tight);
}
