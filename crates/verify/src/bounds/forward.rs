//! Interval bounds of every node of a [`Graph`], and what backward passes need besides: how
//! large the sums inside a dense layer can get.

use super::graph::{Dense, Graph, Op};
use super::linalg;
use crate::float::{Bound, affine, down, pad, up};
use ceg4n_ir::Interval;

/// Largest finite float32; beyond it single precision overflows.
const FLOAT32_MAX: f64 = f32::MAX as f64;

/// Enclosures of all nodes over one box.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// One enclosure per element of each node.
    pub nodes: Vec<Vec<Bound>>,
    /// For each dense node and row an upper bound of `Σ|w|·|x| + |b|`; else empty.
    pub reach: Vec<Vec<f64>>,
    /// For each [`Op::Float32`] the greatest rounding error of each element; else empty.
    pub noise: Vec<Vec<f64>>,
}

impl Bounds {
    /// Intervals of all nodes.
    pub fn new(graph: &Graph, x: &[Bound]) -> Self {
        let mut bounds = Self::default();
        for i in 0..graph.nodes.len() {
            bounds.push(graph, i, x);
        }
        bounds
    }

    /// An empty list, to be filled node by node.
    pub fn start(graph: &Graph) -> Self {
        let n = graph.nodes.len();
        Self {
            nodes: Vec::with_capacity(n),
            reach: Vec::with_capacity(n),
            noise: Vec::with_capacity(n),
        }
    }

    /// Adds the intervals of node `i`, whose predecessors are there.
    pub fn push(&mut self, graph: &Graph, i: usize, input: &[Bound]) {
        let (mut reach, mut noise) = (Vec::new(), Vec::new());
        let x: &[Bound] = match i {
            0 => input,
            _ => &self.nodes[i - 1],
        };
        let out = match &graph.nodes[i].op {
            Op::Input => input.to_vec(),
            Op::Dense(dense) => {
                let (out, sizes) = dense_image(dense, x);
                reach = sizes;
                out
            }
            Op::Scale { by, slack } => x
                .iter()
                .zip(by.iter())
                .map(|(x, c)| affine([*c], &[*x], 0.0, slack + 2))
                .collect(),
            Op::Shift(c) => (x.iter().zip(c.value.iter().zip(&c.error)))
                .map(|(x, (c, e))| {
                    let b = affine([1.0], &[*x], *c, 0);
                    Bound::new(down(b.lo, *e), up(b.hi, *e))
                })
                .collect(),
            Op::Relu => x.iter().map(|b| b.relu()).collect(),
            Op::Round(steps) => x
                .iter()
                .zip(steps.iter())
                .map(|(b, s)| s.image(*b))
                .collect(),
            Op::Clamp { lo, hi } => x.iter().map(|b| clamped(*b, *lo, *hi)).collect(),
            Op::Float32 { terms } => {
                noise = self.float32_errors(graph, i, *terms);
                let widen = |(b, e): (&Bound, &f64)| Bound::new(down(b.lo, *e), up(b.hi, *e));
                x.iter().zip(&noise).map(widen).collect()
            }
        };
        self.nodes.push(out);
        self.reach.push(reach);
        self.noise.push(noise);
        self.snap(graph, i);
    }

    /// Cuts the enclosures of a kernel's values to multiples of their units.
    fn snap(&mut self, graph: &Graph, i: usize) {
        // Below 2^52 quotient, rounding and product are exact: units are powers of two.
        let small = |v: f64| v.abs() < 2f64.powi(51);
        for (b, u) in self.nodes[i].iter_mut().zip(&graph.nodes[i].units) {
            let (lo, hi) = (b.lo / u, b.hi / u);
            if small(lo) {
                b.lo = lo.ceil() * u;
            }
            if small(hi) {
                b.hi = hi.floor() * u;
            }
        }
    }

    /// Rounding errors of the operator before node `i`, whose operands may carry errors already
    /// (those are part of their values). Any order of summation, with or without fused
    /// operations: `n` roundings per term (Higham, chapter 3), and underflow; infinite where
    /// single precision might overflow.
    fn float32_errors(&self, graph: &Graph, i: usize, terms: usize) -> Vec<f64> {
        let rounding = 2f64.powi(-24);
        let n = terms as f64 + 1.0;
        let gamma = n * rounding / (1.0 - n * rounding);
        let sizes: Vec<f64> = match &graph.nodes[i - 1].op {
            Op::Dense(_) => self.reach[i - 1].clone(),
            Op::Input
            | Op::Scale { .. }
            | Op::Shift(_)
            | Op::Relu
            | Op::Round(_)
            | Op::Clamp { .. }
            | Op::Float32 { .. } => {
                // A sum of two is not below half its error bound in either operand.
                let before = i.checked_sub(2).map(|k| &self.nodes[k]);
                let size = |(j, b): (usize, &Bound)| {
                    let operand = before.map_or(0.0, |n| n[j].magnitude());
                    b.magnitude().max(operand) * 2.0
                };
                self.nodes[i - 1].iter().enumerate().map(size).collect()
            }
        };
        let error = |size: f64| {
            let e = up(gamma * size * (1.0 + 1e-12), n * 2f64.powi(-148));
            if gamma > 0.0 && n * rounding < 0.5 && size + e < FLOAT32_MAX {
                e
            } else {
                f64::INFINITY
            }
        };
        sizes.into_iter().map(error).collect()
    }

    /// Intersects node `i` with enclosures of the same values.
    pub fn meet(&mut self, graph: &Graph, i: usize, other: &[Bound]) {
        for (b, o) in self.nodes[i].iter_mut().zip(other) {
            *b = b.meet(*o);
        }
        self.snap(graph, i);
    }
}

/// What an interval of mantissas stands for, rounded outward.
pub fn real(m: Interval, frac: i32) -> Bound {
    let u = super::graph::unit(frac);
    // An integer beyond 53 bits may be rounded inward by its conversion.
    let lo = if m.lo.unsigned_abs() >> 53 == 0 {
        m.lo as f64
    } else {
        (m.lo as f64).next_down()
    };
    let hi = if m.hi.unsigned_abs() >> 53 == 0 {
        m.hi as f64
    } else {
        (m.hi as f64).next_up()
    };
    Bound::new(lo * u, hi * u)
}

/// The image under a clamp; an undefined end counts as unbounded.
pub fn clamped(b: Bound, lo: f64, hi: f64) -> Bound {
    let low = if b.lo > lo { b.lo.min(hi) } else { lo };
    let high = if b.hi < hi { b.hi.max(lo) } else { hi };
    Bound::new(low, high)
}

/// A box as centre and radius, for sums.
#[derive(Clone, Debug)]
pub struct Hull {
    center: Vec<f64>,
    radius: Vec<f64>,
    size: Vec<f64>,
}

impl Hull {
    /// Of the given intervals; where one is unbounded the radius is.
    pub fn new(x: &[Bound]) -> Self {
        let mut hull = Self {
            center: Vec::with_capacity(x.len()),
            radius: Vec::with_capacity(x.len()),
            size: Vec::with_capacity(x.len()),
        };
        for b in x {
            let c = b.lo + (b.hi - b.lo) / 2.0;
            let c = if c.is_finite() { c } else { 0.0 };
            let r = (b.hi - c).max(c - b.lo).next_up();
            let r = if b.hi == b.lo { 0.0 } else { r };
            hull.center.push(c);
            hull.radius.push(if r.is_nan() { f64::INFINITY } else { r });
            hull.size.push(b.magnitude());
        }
        hull
    }

    /// `Σ w·x + b`, and an upper bound of `Σ|w|·|x| + |b|`.
    pub fn affine(&self, w: &[f64], b: f64) -> (Bound, f64) {
        match self.rows(w, &[b]).pop() {
            Some(found) => found,
            // Without inputs the constant is all.
            None => (Bound::new(b, b), b.abs()),
        }
    }

    /// [`Self::affine`] for each row of a matrix and its constant.
    pub fn rows(&self, weights: &[f64], constants: &[f64]) -> Vec<(Bound, f64)> {
        let n = self.center.len();
        let sums = linalg::row_sums(weights, &self.center, &self.radius, &self.size);
        let one = |(r, (sums, b)): (usize, ([f64; 3], &f64))| {
            let [mid, rad, mag] = self.finite(sums, &weights[r * n..(r + 1) * n]);
            let mag = mag + b.abs();
            // |centre| + radius is the magnitude, so that `mag` covers the terms of both sums;
            // three more roundings: the bias and the two differences.
            let p = pad(n + 3, 2, mag);
            let reach = up(mag, p);
            let mid = mid + b;
            (Bound::new(down(mid - rad, p), up(mid + rad, p)), reach)
        };
        sums.into_iter()
            .zip(constants)
            .enumerate()
            .map(one)
            .collect()
    }

    /// Where an input is unbounded, zero weights hide it.
    fn finite(&self, [mid, rad, mag]: [f64; 3], w: &[f64]) -> [f64; 3] {
        if rad.is_finite() && mag.is_finite() {
            return [mid, rad, mag];
        }
        let plain = |v: &[f64]| -> f64 {
            let used = w.iter().zip(v).filter(|(w, _)| **w != 0.0);
            used.map(|(w, v)| w.abs() * v).sum()
        };
        [mid, plain(&self.radius), plain(&self.size)]
    }

    /// The corner that makes `Σ w·x` least, in floating point.
    pub fn corner(&self, w: &[f64]) -> Vec<f64> {
        let at = |i: usize| self.center[i] - w[i].signum() * self.radius[i];
        (0..w.len())
            .map(|i| if w[i] == 0.0 { self.center[i] } else { at(i) })
            .collect()
    }
}

/// Images of a dense layer, and its rows' reach.
fn dense_image(dense: &Dense, x: &[Bound]) -> (Vec<Bound>, Vec<f64>) {
    let rows = Hull::new(x).rows(&dense.weight, &dense.bias.value);
    let lost = |((b, reach), e): ((Bound, f64), &f64)| {
        let b = if *e == 0.0 {
            b
        } else {
            Bound::new(down(b.lo, *e), up(b.hi, *e))
        };
        (b, reach)
    };
    rows.into_iter().zip(&dense.bias.error).map(lost).unzip()
}
