//! A program as a chain of loops over batches of points in `f64`: values and gradients that
//! guide a search. Nothing here decides anything; rounding errors are not tracked.
//!
//! A fixed-point program is evaluated in real units: its requantizations round and clamp as the
//! integers do (exactly, while values fit 53 bits), and gradients pass straight through a rounding
//! and stop at a clamp. Its input rounding is the first layer.

use crate::bounds::curve::Function;
use crate::bounds::graph::{From, Graph, Linear, Node, Op, Step};
use ceg4n_ir::{Lowered, Rounding};
use std::ops::Range;
use std::sync::Arc;

/// Points that are computed together.
pub const BLOCK: usize = 16;

/// A program for guidance; cheap to clone.
#[derive(Clone, Debug)]
pub struct Net {
    layers: Arc<[Layer]>,
    inputs: usize,
    outputs: usize,
    widest: usize,
}

/// An operator on a state of `len` elements (behind it); elementwise ones act on a range.
#[derive(Debug)]
struct Layer {
    what: What,
    len: usize,
    on: Range<usize>,
}

#[derive(Debug)]
enum What {
    Linear(Arc<Linear>),
    Add(Vec<f64>),
    Scale(Arc<[f64]>),
    Relu,
    Round(Round),
    Clamp(f64, f64),
    Curve(Arc<Function>),
}

/// `clamp(round(x·scale), lo, hi)·unit`.
#[derive(Debug)]
struct Round {
    scale: f64,
    lo: f64,
    hi: f64,
    unit: f64,
    rounding: Rounding,
}

impl Net {
    /// The chain of operators from the input to the output.
    pub fn new(program: &Lowered) -> Self {
        match program {
            Lowered::Real(p) => Self::chain(&Graph::real(p, false)),
            Lowered::Fixed(k) => Self::chain(&Graph::kernel(k, From::Reals)),
        }
    }

    fn chain(graph: &Graph) -> Self {
        Self {
            layers: layers(graph).into(),
            inputs: graph.input_len(),
            outputs: graph.output_len(),
            widest: graph.nodes.iter().map(|n| n.len).max().unwrap_or(0),
        }
    }

    /// Elements of a point.
    pub fn input_len(&self) -> usize {
        self.inputs
    }

    /// Elements of an output.
    pub fn output_len(&self) -> usize {
        self.outputs
    }

    /// Room to evaluate up to `points` points at once.
    pub fn batch(&self, points: usize) -> Batch<'_> {
        let masks = self.layers.iter().map(|l| match l.what {
            What::Relu | What::Round(_) | What::Clamp(..) | What::Curve(_) => {
                vec![0.0; l.on.len() * points]
            }
            What::Linear(_) | What::Add(_) | What::Scale(_) => Vec::new(),
        });
        Batch {
            net: self,
            masks: masks.collect(),
            patterns: vec![0; points],
            now: vec![0.0; self.widest * points],
            next: vec![0.0; self.widest * points],
            outputs: vec![0.0; self.outputs * points],
        }
    }

    /// The outputs at one point.
    pub fn outputs(&self, x: &[f64]) -> Vec<f64> {
        self.batch(1).forward(x).to_vec()
    }

    /// The gradient of `Σ_j form[j]·out[j]` at one point.
    pub fn gradient(&self, x: &[f64], form: &[f64]) -> Vec<f64> {
        let mut batch = self.batch(1);
        batch.forward(x);
        let mut g = vec![0.0; self.inputs];
        batch.backward(form, &mut g);
        g
    }
}

/// Buffers for a number of points, used again and again.
#[derive(Debug)]
pub struct Batch<'a> {
    net: &'a Net,
    /// Per layer and element: 1 where a gradient passes, else 0.
    masks: Vec<Vec<f64>>,
    patterns: Vec<u64>,
    now: Vec<f64>,
    next: Vec<f64>,
    outputs: Vec<f64>,
}

impl Batch<'_> {
    /// Points that fit.
    pub fn capacity(&self) -> usize {
        self.patterns.len()
    }

    /// The outputs of points that stand one after the other; at most [`Self::capacity`] points.
    pub fn forward(&mut self, x: &[f64]) -> &[f64] {
        let n = x.len() / self.net.inputs.max(1);
        self.patterns[..n].fill(0);
        self.now[..x.len()].copy_from_slice(x);
        for (i, layer) in self.net.layers.iter().enumerate() {
            if let What::Linear(map) = &layer.what {
                let (x, y) = (&self.now[..n * map.cols], &mut self.next[..n * map.rows]);
                forward(map, x, y);
                std::mem::swap(&mut self.now, &mut self.next);
                continue;
            }
            layer.forward(&mut self.now[..n * layer.len], &mut self.masks[i]);
            match layer.what {
                What::Relu => self.mark(i, layer.on.len(), n),
                What::Round(_) | What::Clamp(..) if i > 0 => self.mark(i, layer.on.len(), n),
                What::Linear(_)
                | What::Add(_)
                | What::Scale(_)
                | What::Round(_)
                | What::Clamp(..)
                | What::Curve(_) => {}
            }
        }
        let out = n * self.net.outputs;
        self.outputs[..out].copy_from_slice(&self.now[..out]);
        &self.outputs[..out]
    }

    /// One number per point of the last [`Self::forward`]: points of equal numbers have the same
    /// active neurons, hence (but for clamped inputs) the same gradients.
    pub fn patterns(&self) -> &[u64] {
        &self.patterns
    }

    /// Mixes which elements of layer `i` are active into the patterns.
    fn mark(&mut self, i: usize, len: usize, n: usize) {
        let points = self.masks[i][..n * len].chunks_exact(len.max(1));
        for (p, mask) in self.patterns.iter_mut().zip(points) {
            for word in mask.chunks(64) {
                let bits = word.iter().fold(0u64, |b, m| b << 1 | u64::from(*m != 0.0));
                *p = (p.rotate_left(29) ^ bits).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                *p ^= *p >> 32;
            }
        }
    }

    /// Gradients at the points of the last [`Self::forward`]: of `Σ_j forms[j]·out[j]`, one form
    /// (as many coefficients as outputs) per point; `gradients` takes one point after the other.
    pub fn backward(&mut self, forms: &[f64], gradients: &mut [f64]) {
        let n = forms.len() / self.net.outputs.max(1);
        self.now[..forms.len()].copy_from_slice(forms);
        for (i, layer) in self.net.layers.iter().enumerate().rev() {
            let g = &mut self.now[..n * layer.len];
            match &layer.what {
                What::Linear(map) => {
                    let out = &mut self.next[..n * map.cols];
                    match map.matrix() {
                        Some(weight) => back(g, weight, map.rows, out),
                        None => {
                            out.fill(0.0);
                            map.back_into(n, g, out);
                        }
                    }
                    std::mem::swap(&mut self.now, &mut self.next);
                }
                What::Add(_) => {}
                What::Scale(by) => layer.each(g, |s, g, _| *g *= by[s], &mut []),
                What::Relu | What::Round(_) | What::Clamp(..) | What::Curve(_) => {
                    layer.each(g, |_, g, m| *g *= *m, &mut self.masks[i]);
                }
            }
        }
        let len = gradients.len();
        gradients.copy_from_slice(&self.now[..len]);
    }
}

impl Layer {
    /// Calls `f` with each element that the layer acts on, by entry of its lists, and its mask.
    fn each(&self, x: &mut [f64], f: impl Fn(usize, &mut f64, &mut f64), masks: &mut [f64]) {
        let n = self.on.len().max(1);
        let mut masks = masks.chunks_exact_mut(n);
        let mut none = 0.0;
        for x in x.chunks_exact_mut(self.len.max(1)) {
            let x = x[self.on.clone()].iter_mut().enumerate();
            match masks.next() {
                Some(mask) => x.zip(mask).for_each(|((s, x), m)| f(s, x, m)),
                None => x.for_each(|(s, x)| f(s, x, &mut none)),
            }
        }
    }

    /// An elementwise operator, and where its gradient passes.
    fn forward(&self, x: &mut [f64], masks: &mut [f64]) {
        match &self.what {
            What::Linear(_) => {}
            What::Add(c) => self.each(x, |s, x, _| *x += c[s], masks),
            What::Scale(by) => self.each(x, |s, x, _| *x *= by[s], masks),
            What::Relu => self.each(
                x,
                |_, x, m| {
                    *m = f64::from(u8::from(*x > 0.0));
                    *x = x.max(0.0);
                },
                masks,
            ),
            What::Round(r) => self.each(x, |_, x, m| r.forward(x, m), masks),
            What::Clamp(lo, hi) => self.each(
                x,
                |_, x, m| {
                    *m = f64::from(u8::from(*x >= *lo && *x <= *hi));
                    *x = x.max(*lo).min(*hi);
                },
                masks,
            ),
            What::Curve(f) => self.each(
                x,
                |_, x, m| {
                    *m = f.curve().map_or(0.0, |(c, _)| c.slope(*x));
                    *x = f.value(*x);
                },
                masks,
            ),
        }
    }
}

impl Round {
    #[inline(always)]
    fn forward(&self, x: &mut f64, mask: &mut f64) {
        let v = *x * self.scale;
        *mask = f64::from(u8::from(v >= self.lo - 0.5 && v <= self.hi + 0.5));
        // Mantissas have at most 33 bits, so what lies further out may go.
        let v = v.max(self.lo - 1.0).min(self.hi + 1.0);
        let r = match self.rounding {
            Rounding::HalfUp => floor(v + 0.5),
            Rounding::HalfEven => nearest(v),
            Rounding::Floor => floor(v),
        };
        *x = r.max(self.lo).min(self.hi) * self.unit;
    }
}

/// A linear map of each point.
fn forward(map: &Linear, x: &[f64], y: &mut [f64]) {
    match map.matrix() {
        Some(weight) => dense(x, weight, Some(&map.bias.value), map.cols, y),
        None => {
            let points = x.chunks_exact(map.cols.max(1));
            let outs = y.chunks_exact_mut(map.rows.max(1));
            points.zip(outs).for_each(|(x, y)| map.apply_into(x, y));
        }
    }
}

/// To the nearest integer, ties to even, for magnitudes below 2^51.
fn nearest(v: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5·2^52
    (v + SHIFT) - SHIFT
}

/// The greatest integer not above `v`, for magnitudes below 2^51.
pub(crate) fn floor(v: f64) -> f64 {
    let r = nearest(v);
    if r > v { r - 1.0 } else { r }
}

const LANES: usize = 4;

/// Rows of `weight` times each point, four points at a time so that a row is loaded once.
fn dense(x: &[f64], weight: &[f64], bias: Option<&[f64]>, cols: usize, y: &mut [f64]) {
    let cols = cols.max(1);
    let rows = (weight.len() / cols).max(1);
    for (x, y) in x.chunks(4 * cols).zip(y.chunks_mut(4 * rows)) {
        let start = |j: usize| bias.map_or(0.0, |b| b[j]);
        if x.len() == 4 * cols {
            let (a, rest) = x.split_at(cols);
            let (b, rest) = rest.split_at(cols);
            let (c, d) = rest.split_at(cols);
            for (j, w) in weight.chunks_exact(cols).enumerate() {
                let sums = dot4(w, [a, b, c, d]);
                for (s, v) in sums.into_iter().enumerate() {
                    y[s * rows + j] = v + start(j);
                }
            }
        } else {
            for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(rows)) {
                for (j, (y, w)) in y.iter_mut().zip(weight.chunks_exact(cols)).enumerate() {
                    *y = dot(w, x) + start(j);
                }
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (ca, cb) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f64 = ca
        .remainder()
        .iter()
        .zip(cb.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in ca.zip(cb) {
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    sums.iter().sum::<f64>() + tail
}

fn dot4(w: &[f64], x: [&[f64]; 4]) -> [f64; 4] {
    let mut sums = [[0.0; LANES]; 4];
    let whole = w.len() / LANES * LANES;
    let x = x.map(|x| &x[..w.len()]);
    for k in (0..whole).step_by(LANES) {
        let w = &w[k..k + LANES];
        for (sum, x) in sums.iter_mut().zip(x) {
            let x = &x[k..k + LANES];
            for l in 0..LANES {
                sum[l] += w[l] * x[l];
            }
        }
    }
    let mut out = [0.0; 4];
    for ((out, sum), x) in out.iter_mut().zip(sums).zip(x) {
        let tail: f64 = (whole..w.len()).map(|k| w[k] * x[k]).sum();
        *out = sum.iter().sum::<f64>() + tail;
    }
    out
}

/// `out[k] = Σ_j g[j]·weight[j·cols + k]` for each point.
fn back(g: &[f64], weight: &[f64], rows: usize, out: &mut [f64]) {
    let cols = weight.len() / rows.max(1);
    let points = g.chunks_exact(rows.max(1));
    for (g, out) in points.zip(out.chunks_exact_mut(cols.max(1))) {
        out.fill(0.0);
        // Pairs of rows: the sums are loaded and stored half as often.
        let mut waiting: Option<(f64, &[f64])> = None;
        for (a, w) in g.iter().zip(weight.chunks_exact(cols)) {
            if *a == 0.0 {
                continue;
            }
            match waiting.take() {
                None => waiting = Some((*a, w)),
                Some((b, v)) => {
                    for ((o, w), v) in out.iter_mut().zip(w).zip(v) {
                        *o += a * w + b * v;
                    }
                }
            }
        }
        if let Some((b, v)) = waiting {
            out.iter_mut().zip(v).for_each(|(o, v)| *o += b * v);
        }
    }
}

/// The layers of a chain; a rounding and the clamp behind it are one.
fn layers(graph: &Graph) -> Vec<Layer> {
    let mut out: Vec<Layer> = Vec::new();
    let mut rounded: Option<(&Node, Step)> = None;
    for node in &graph.nodes {
        let layer = |what| Layer {
            what,
            len: node.len,
            on: node.on.clone(),
        };
        let before = rounded.take();
        match &node.op {
            Op::Input | Op::Float32 { .. } => {}
            Op::Linear(map) => out.push(layer(What::Linear(map.clone()))),
            Op::Shift(c) => out.push(layer(What::Add(c.value.clone()))),
            Op::Scale { by, .. } => out.push(layer(What::Scale(by.clone()))),
            Op::Relu => out.push(layer(What::Relu)),
            Op::Curve(f) => out.push(layer(What::Curve(f.clone()))),
            // All steps of a rounding lead to one unit.
            Op::Round(steps) => rounded = steps.first().map(|s| (node, *s)),
            Op::Clamp { lo, hi } => out.push(layer(match before.filter(|b| b.0.on == node.on) {
                Some((_, step)) => What::Round(Round {
                    scale: 1.0 / step.unit,
                    lo: (lo / step.unit).round(),
                    hi: (hi / step.unit).round(),
                    unit: step.unit,
                    rounding: step.rounding,
                }),
                None => What::Clamp(*lo, *hi),
            })),
        }
    }
    out
}
