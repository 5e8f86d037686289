//! Interval bounds of every node of a [`Graph`], and what backward passes need besides: how
//! large the sums inside a linear map can get, and the lines around a curve.

use super::curve::Lines;
use super::graph::{Graph, Linear, Op};
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
    /// For each linear node and row an upper bound of `Σ|w|·|x| + |b|`; else empty.
    pub reach: Vec<Vec<f64>>,
    /// For each linear node and row a bound of what its constants' errors may change: that of the
    /// bias, and [`Linear::slack`] of the reach; else empty.
    pub loss: Vec<Vec<f64>>,
    /// For each [`Op::Curve`] the lines of each element that it acts on; else empty.
    pub lines: Vec<Vec<Lines>>,
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
            loss: Vec::with_capacity(n),
            lines: Vec::with_capacity(n),
            noise: Vec::with_capacity(n),
        }
    }

    /// Adds the intervals of node `i`, whose predecessors are there.
    pub fn push(&mut self, graph: &Graph, i: usize, input: &[Bound]) {
        let (mut reach, mut loss, mut noise) = (Vec::new(), Vec::new(), Vec::new());
        let mut lines = Vec::new();
        let node = &graph.nodes[i];
        let x: &[Bound] = match i {
            0 => input,
            _ => &self.nodes[i - 1],
        };
        let each = |f: &dyn Fn(usize, Bound) -> Bound| {
            let mut out = x.to_vec();
            let on = out[node.on.clone()].iter_mut().enumerate();
            on.for_each(|(s, b)| *b = f(s, *b));
            out
        };
        let out = match &node.op {
            Op::Input => input.to_vec(),
            Op::Linear(map) => {
                let out;
                (out, reach, loss) = linear_image(map, x);
                out
            }
            Op::Scale { by, slack } => each(&|s, x| affine([by[s]], &[x], 0.0, slack + 2)),
            Op::Shift(c) => each(&|s, x| {
                let b = affine([1.0], &[x], c.value[s], 0);
                Bound::new(down(b.lo, c.error[s]), up(b.hi, c.error[s]))
            }),
            Op::Relu => each(&|_, b| b.relu()),
            Op::Round(steps) => each(&|s, b| steps[s].image(b)),
            Op::Clamp { lo, hi } => each(&|_, b| clamped(b, *lo, *hi)),
            Op::Curve(f) => {
                lines = x[node.on.clone()].iter().map(|b| f.lines(*b)).collect();
                each(&|_, b| f.image(b))
            }
            Op::Float32 { terms } => {
                noise = self.float32_errors(graph, i, *terms);
                each(&|s, b| Bound::new(down(b.lo, noise[s]), up(b.hi, noise[s])))
            }
        };
        self.nodes.push(out);
        self.reach.push(reach);
        self.loss.push(loss);
        self.lines.push(lines);
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
        let on = graph.nodes[i].on.clone();
        let sizes: Vec<f64> = match &graph.nodes[i - 1].op {
            Op::Linear(_) => self.reach[i - 1][on].to_vec(),
            Op::Input
            | Op::Scale { .. }
            | Op::Shift(_)
            | Op::Relu
            | Op::Round(_)
            | Op::Clamp { .. }
            | Op::Curve(_)
            | Op::Float32 { .. } => {
                // A sum of two is not below half its error bound in either operand.
                let before = i.checked_sub(2).map(|k| &self.nodes[k]);
                let size = |j: usize| {
                    let operand = before.map_or(0.0, |n| n[j].magnitude());
                    self.nodes[i - 1][j].magnitude().max(operand) * 2.0
                };
                on.map(size).collect()
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
            let row = weights[r * n..(r + 1) * n].iter().copied().enumerate();
            let sums = self.finite(sums, |f| row.clone().for_each(|(k, w)| f(k, w)));
            enclosed(sums, *b, n)
        };
        sums.into_iter()
            .zip(constants)
            .enumerate()
            .map(one)
            .collect()
    }

    /// [`Self::affine`] for each row of a map, with other constants than its own.
    pub fn linear(&self, map: &Linear, constants: &[f64]) -> Vec<(Bound, f64)> {
        let sums = map.sums(&self.center, &self.radius, &self.size);
        let one = |(j, (sums, b)): (usize, ([f64; 3], &f64))| {
            let sums = self.finite(sums, |f| map.each(j, f));
            enclosed(sums, *b, map.terms())
        };
        sums.into_iter()
            .zip(constants)
            .enumerate()
            .map(one)
            .collect()
    }

    /// Where an input is unbounded, zero weights hide it.
    fn finite(
        &self,
        [mid, rad, mag]: [f64; 3],
        row: impl Fn(&mut dyn FnMut(usize, f64)),
    ) -> [f64; 3] {
        if rad.is_finite() && mag.is_finite() {
            return [mid, rad, mag];
        }
        let (mut radius, mut size) = (0.0, 0.0);
        row(&mut |k, w| {
            if w != 0.0 {
                radius += w.abs() * self.radius[k];
                size += w.abs() * self.size[k];
            }
        });
        [mid, radius, size]
    }

    /// The corner that makes `Σ w·x` least, in floating point.
    pub fn corner(&self, w: &[f64]) -> Vec<f64> {
        let at = |i: usize| self.center[i] - w[i].signum() * self.radius[i];
        (0..w.len())
            .map(|i| if w[i] == 0.0 { self.center[i] } else { at(i) })
            .collect()
    }
}

/// A sum around `mid + b` of radius `rad`, its terms' magnitudes `mag`, and an upper bound of the
/// magnitudes.
fn enclosed([mid, rad, mag]: [f64; 3], b: f64, terms: usize) -> (Bound, f64) {
    let mag = mag + b.abs();
    // |centre| + radius is the magnitude, so that `mag` covers the terms of both sums; three more
    // roundings: the bias and the two differences.
    let p = pad(terms + 3, 2, mag);
    let reach = up(mag, p);
    let mid = mid + b;
    (Bound::new(down(mid - rad, p), up(mid + rad, p)), reach)
}

/// Images of a linear map, its rows' reach, and what its constants' errors change. With weights
/// off by `|t| ≤ slack·2^-52` of their size, `|Σ w·(1 + t)·x - Σ w·x| ≤ slack·2^-52·Σ|w|·|x|`.
fn linear_image(map: &Linear, x: &[Bound]) -> (Vec<Bound>, Vec<f64>, Vec<f64>) {
    let rows = Hull::new(x).linear(map, &map.bias.value);
    let (mut out, mut reaches, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for ((b, reach), e) in rows.into_iter().zip(&map.bias.error) {
        let off = if map.slack == 0 {
            0.0
        } else {
            // Rounded upward by more than the sum below may lose.
            (map.slack + 1) as f64 * 2f64.powi(-52) * reach
        };
        let loss = if off == 0.0 { *e } else { up(e + off, 0.0) };
        out.push(if loss == 0.0 {
            b
        } else {
            Bound::new(down(b.lo, loss), up(b.hi, loss))
        });
        reaches.push(reach);
        losses.push(loss);
    }
    (out, reaches, losses)
}
