//! Differential interval bounds (after ReluDiff: Paulsen, Wang, Wang 2020): how far kernel and
//! reference are apart on a part of a region, neuron by neuron.
//!
//! Both programs come from one network. The difference `kernel·2^-F - reference` of each value is
//! carried forward: rounding adds at most half a unit, a weight's error is multiplied by the
//! reference's value, a relu passes less than it gets. Every difference is also within the
//! difference of both sides' own intervals, which covers clamping.

use super::{Form, integer, interval};
use crate::float::{Bound, affine, down, pad, up};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{Kernel, KernelOp, NodeId, RealOp, RealProgram, Rounding, ValueId};
use std::collections::BTreeMap;

/// Reference and kernel of one network, matched value by value.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    real: &'a RealProgram,
    kernel: &'a Kernel,
    real_of: BTreeMap<ValueId, NodeId>,
}

/// Enclosures of the differences of every kernel node.
pub struct Differences<'a> {
    pair: &'a Pair<'a>,
    reference: &'a interval::Forward,
    kernel: &'a integer::Forward,
    nodes: SecondaryMap<NodeId, Vec<Bound>>,
}

impl<'a> Pair<'a> {
    /// Both lowered forms of one network (the caller compares network hashes). `None` where a
    /// kernel value has no counterpart.
    pub fn new(real: &'a RealProgram, kernel: &'a Kernel) -> Option<Self> {
        let real_of: BTreeMap<_, _> = real.nodes.iter().map(|(id, n)| (n.value, id)).collect();
        let matched = kernel.nodes.values().all(|n| {
            real_of
                .get(&n.value)
                .is_some_and(|r| real.nodes[*r].len == n.len)
        });
        matched.then_some(Self {
            real,
            kernel,
            real_of,
        })
    }

    /// The differences on a part, given both sides' own bounds there.
    pub fn differences(
        &'a self,
        reference: &'a interval::Forward,
        kernel: &'a integer::Forward,
    ) -> Differences<'a> {
        let mut d = Differences {
            pair: self,
            reference,
            kernel,
            nodes: SecondaryMap::new(),
        };
        for (id, node) in self.kernel.nodes.iter() {
            let delta = d.step(id, &node.op);
            let own = d.own(id);
            d.nodes[id] = delta.into_iter().zip(own).map(|(a, b)| a.meet(b)).collect();
        }
        d
    }

    fn real_node(&self, kernel_node: NodeId) -> NodeId {
        self.real_of[&self.kernel.nodes[kernel_node].value]
    }
}

/// `2^-frac`, exact: the checker bounds the exponents.
fn unit(frac: i32) -> f64 {
    2f64.powi(-frac)
}

impl Differences<'_> {
    /// The difference of both sides' intervals.
    fn own(&self, id: NodeId) -> Vec<Bound> {
        let node = &self.pair.kernel.nodes[id];
        let real = &self.reference.nodes[self.pair.real_node(id)];
        let integers = self.kernel.node(id);
        (0..node.len)
            .map(|i| {
                let u = unit(node.frac[i]);
                // Conversion of a 64-bit integer rounds once.
                let (lo, hi) = (integers[i].lo as f64 * u, integers[i].hi as f64 * u);
                let slack = pad(2, 2, lo.abs().max(hi.abs()));
                Bound::new(
                    down(lo - real[i].hi, slack + pad(1, 0, real[i].hi.abs())),
                    up(hi - real[i].lo, slack + pad(1, 0, real[i].lo.abs())),
                )
            })
            .collect()
    }

    fn step(&self, id: NodeId, op: &KernelOp) -> Vec<Bound> {
        let kernel = self.pair.kernel;
        let node = &kernel.nodes[id];
        let everything = Bound::new(f64::NEG_INFINITY, f64::INFINITY);
        match op {
            // Within the range a real point is at most half a unit from its mantissa; beyond it
            // the sides' own intervals decide.
            KernelOp::Input { format } => {
                let half = unit(format.frac()) / 2.0;
                let real = &self.reference.nodes[self.pair.real_node(id)];
                let inside = |b: &Bound| {
                    let (lo, hi) = (
                        format.min() as f64 * unit(format.frac()),
                        format.max() as f64 * unit(format.frac()),
                    );
                    lo <= b.lo && b.hi <= hi
                };
                real.iter()
                    .map(|b| {
                        if inside(b) {
                            Bound::new(-half, half)
                        } else {
                            everything
                        }
                    })
                    .collect()
            }
            KernelOp::Dense { x, rows, .. } => {
                (0..*rows).map(|j| self.row(id, *x, j, None)).collect()
            }
            KernelOp::AddConst { x, c } => {
                match &self.pair.real.nodes[self.pair.real_node(id)].op {
                    RealOp::AddConst { c: exact, .. } => (0..node.len)
                        .map(|i| {
                            affine(
                                [1.0, 1.0],
                                &[self.nodes[*x][i], gap(c[i], node.frac[i], exact[i])],
                                0.0,
                                0,
                            )
                        })
                        .collect(),
                    RealOp::Input
                    | RealOp::Dense { .. }
                    | RealOp::DivConst { .. }
                    | RealOp::Relu { .. }
                    | RealOp::Move { .. } => vec![everything; node.len],
                }
            }
            KernelOp::Relu { x } => self.relu(*x),
            KernelOp::Requantize { x, shift, format } => (0..node.len)
                .map(|i| {
                    let d = self.nodes[*x][i];
                    let e = rounding_error(kernel.rounding, shift[i], unit(node.frac[i]));
                    let clamps = self.clamps(*x, i, shift[i], (format.min(), format.max()));
                    // A clamp of the kernel's side only: its own interval decides.
                    if clamps {
                        everything
                    } else {
                        affine([1.0, 1.0], &[d, e], 0.0, 0)
                    }
                })
                .collect(),
            KernelOp::Align { x, .. } => self.nodes[*x].clone(),
            KernelOp::Move { x } => match &self.pair.real.nodes[self.pair.real_node(id)].op {
                // A division by a power of two moves the scale on both sides.
                RealOp::DivConst { c, .. } => (0..node.len)
                    .map(|i| affine([1.0 / c[i]], &[self.nodes[*x][i]], 0.0, 4))
                    .collect(),
                RealOp::Input
                | RealOp::Dense { .. }
                | RealOp::AddConst { .. }
                | RealOp::Relu { .. }
                | RealOp::Move { .. } => self.nodes[*x].clone(),
            },
        }
    }

    fn clamps(&self, x: NodeId, i: usize, shift: i32, (min, max): (i64, i64)) -> bool {
        let r = self.kernel.node(x)[i];
        let y = |m: i64| self.pair.kernel.rounding.shift(i128::from(m), shift);
        y(r.lo) < i128::from(min) || y(r.hi) > i128::from(max)
    }

    /// Difference of `relu(z + d)` and `relu(z)`.
    fn relu(&self, x: NodeId) -> Vec<Bound> {
        let real = &self.reference.nodes[self.pair.real_node(x)];
        let kernel = self.kernel.node(x);
        self.nodes[x]
            .iter()
            .enumerate()
            .map(|(i, d)| {
                if real[i].lo >= 0.0 && kernel[i].lo >= 0 {
                    *d
                } else if real[i].hi <= 0.0 && kernel[i].hi <= 0 {
                    Bound::new(0.0, 0.0)
                } else {
                    Bound::new(d.lo.min(0.0), d.hi.max(0.0))
                }
            })
            .collect()
    }

    /// The difference of row `j` of a dense layer, or of row `j` minus row `minus`:
    /// `Σ ŵ·d + Σ (ŵ - w)·x + (b̂ - b)`.
    fn row(&self, id: NodeId, x: NodeId, j: usize, minus: Option<usize>) -> Bound {
        let kernel = self.pair.kernel;
        let everything = Bound::new(f64::NEG_INFINITY, f64::INFINITY);
        let KernelOp::Dense {
            weight: m,
            bias: mb,
            cols,
            ..
        } = &kernel.nodes[id].op
        else {
            return everything;
        };
        let RealOp::Dense {
            x: rx,
            weight: w,
            bias: b,
            ..
        } = &self.pair.real.nodes[self.pair.real_node(id)].op
        else {
            return everything;
        };
        let frac = &kernel.nodes[id].frac;
        let operand = kernel.nodes[x].frac.first().copied().unwrap_or(0);
        // Exact: a mantissa times a power of two.
        let stored = |r: usize, k: usize| f64::from(m[r * cols + k]) * unit(frac[r] - operand);
        let exact = |r: usize, k: usize| w[r * cols + k];
        let merged =
            |f: &dyn Fn(usize, usize) -> f64, k: usize| f(j, k) - minus.map_or(0.0, |r| f(r, k));
        let error = |k: usize| {
            let own = |r: usize| stored(r, k) - exact(r, k);
            own(j) - minus.map_or(0.0, own)
        };
        let rounded = affine(
            (0..*cols).map(|k| merged(&stored, k)),
            &self.nodes[x],
            0.0,
            2,
        );
        // The rounding of `ŵ - w` is relative to the larger of both, not to their difference.
        let reference = &self.reference.nodes[*rx];
        let weights = affine((0..*cols).map(error), reference, 0.0, 4);
        let mut slack = 0.0;
        for (k, r) in reference.iter().enumerate() {
            let size = |row: usize| stored(row, k).abs() + exact(row, k).abs();
            slack += pad(2, 2, size(j) + minus.map_or(0.0, size)) * r.magnitude();
        }
        let bias = |r: usize| {
            let q = mb.as_ref().map_or(0, |b| b[r]);
            gap(q, frac[r], b.as_ref().map_or(0.0, |b| b[r]))
        };
        let mut parts = vec![rounded, weights, bias(j)];
        let mut signs = vec![1.0, 1.0, 1.0];
        if let Some(r) = minus {
            parts.push(bias(r));
            signs.push(-1.0);
        }
        let sum = affine(signs, &parts, 0.0, 0);
        let slack = up(slack, pad(reference.len(), 0, slack));
        Bound::new(down(sum.lo, slack), up(sum.hi, slack))
    }

    /// Encloses `kernel - reference` of a form, in real units; merged at the last dense layer.
    pub fn form(&self, form: Form) -> Bound {
        let kernel = self.pair.kernel;
        let at_output = |i: usize| self.nodes[kernel.output][i];
        let Some(minus) = form.minus else {
            return at_output(form.plus);
        };
        let apart = affine(
            [1.0, -1.0],
            &[at_output(form.plus), at_output(minus)],
            0.0,
            0,
        );
        let mut at = kernel.output;
        loop {
            match &kernel.nodes[at].op {
                KernelOp::Align { x, .. } => at = *x,
                KernelOp::Move { x } if kernel.nodes[*x].frac == kernel.nodes[at].frac => at = *x,
                KernelOp::Dense { x, .. } => {
                    return self.row(at, *x, form.plus, Some(minus)).meet(apart);
                }
                KernelOp::Input { .. }
                | KernelOp::AddConst { .. }
                | KernelOp::Relu { .. }
                | KernelOp::Requantize { .. }
                | KernelOp::Move { .. } => return apart,
            }
        }
    }
}

/// `m·2^-frac - exact`, with the rounding of both conversions.
fn gap(m: i64, frac: i32, exact: f64) -> Bound {
    let stored = m as f64 * unit(frac);
    let p = pad(2, 2, stored.abs() + exact.abs());
    Bound::new(down(stored - exact, p), up(stored - exact, p))
}

/// What rounding away `shift` bits may add, for results of `unit`.
fn rounding_error(rounding: Rounding, shift: i32, unit: f64) -> Bound {
    if shift <= 0 {
        return Bound::new(0.0, 0.0);
    }
    match rounding {
        Rounding::HalfUp | Rounding::HalfEven => Bound::new(-unit / 2.0, unit / 2.0),
        Rounding::Floor => Bound::new(-unit, 0.0),
    }
}
