//! A program as a chain of dense loops over batches of points in `f64`: values and gradients that
//! guide a search. Nothing here decides anything; rounding errors are not tracked.
//!
//! A fixed-point program is evaluated in real units: its requantizations round and clamp as the
//! integers do (exactly, while values fit 53 bits), and gradients pass straight through a rounding
//! and stop at a clamp. Its input rounding is the first layer.

use ceg4n_ir::{Format, Kernel, KernelOp, Lowered, NodeId, RealOp, RealProgram, Rounding};
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

#[derive(Debug)]
enum Layer {
    /// `y[j] = Σ_k x[k]·weight[j·cols + k] + bias[j]`.
    Dense {
        weight: Arc<[f64]>,
        bias: Option<Arc<[f64]>>,
        rows: usize,
        cols: usize,
    },
    Add(Arc<[f64]>),
    Scale(Vec<f64>),
    Relu(usize),
    Round(Round),
}

/// `clamp(round(x·scale), lo, hi)·unit`, one scale per element.
#[derive(Debug)]
struct Round {
    scale: Vec<f64>,
    lo: f64,
    hi: f64,
    unit: f64,
    rounding: Rounding,
}

impl Net {
    /// The chain of operators from the input to the output.
    pub fn new(program: &Lowered) -> Self {
        match program {
            Lowered::Real(p) => Self::chain(p.input_len(), p.output_len(), real_layers(p)),
            Lowered::Fixed(k) => Self::chain(k.input_len(), k.output_len(), kernel_layers(k)),
        }
    }

    fn chain(inputs: usize, outputs: usize, layers: Vec<Layer>) -> Self {
        let widest = layers.iter().map(Layer::outputs).fold(inputs, usize::max);
        Self {
            layers: layers.into(),
            inputs,
            outputs,
            widest,
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
        let masks = self.layers.iter().map(|l| match l {
            Layer::Relu(n) => vec![0.0; n * points],
            Layer::Round(r) => vec![0.0; r.scale.len() * points],
            Layer::Dense { .. } | Layer::Add(_) | Layer::Scale(_) => Vec::new(),
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
            match layer {
                Layer::Dense {
                    weight,
                    bias,
                    rows,
                    cols,
                } => {
                    let x = &self.now[..n * cols];
                    let y = &mut self.next[..n * rows];
                    dense(x, weight, bias.as_deref(), *cols, y);
                    std::mem::swap(&mut self.now, &mut self.next);
                }
                Layer::Add(c) => {
                    for y in self.now[..n * c.len()].chunks_exact_mut(c.len()) {
                        y.iter_mut().zip(c.iter()).for_each(|(y, c)| *y += c);
                    }
                }
                Layer::Scale(by) => scale(&mut self.now[..n * by.len()], by),
                Layer::Relu(len) => {
                    for (v, m) in self.now[..n * len].iter_mut().zip(&mut self.masks[i]) {
                        *m = f64::from(u8::from(*v > 0.0));
                        *v = v.max(0.0);
                    }
                    self.mark(i, *len, n);
                }
                Layer::Round(r) => {
                    let len = r.scale.len();
                    r.forward(&mut self.now[..n * len], &mut self.masks[i]);
                    if i > 0 {
                        self.mark(i, len, n);
                    }
                }
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
            match layer {
                Layer::Dense {
                    weight, rows, cols, ..
                } => {
                    let g = &self.now[..n * rows];
                    back(g, weight, *rows, &mut self.next[..n * cols]);
                    std::mem::swap(&mut self.now, &mut self.next);
                }
                Layer::Add(_) => {}
                Layer::Scale(by) => scale(&mut self.now[..n * by.len()], by),
                Layer::Relu(len) => {
                    let g = self.now[..n * len].iter_mut();
                    g.zip(&self.masks[i]).for_each(|(g, m)| *g *= m);
                }
                Layer::Round(r) => {
                    let g = self.now[..n * r.scale.len()].iter_mut();
                    g.zip(&self.masks[i]).for_each(|(g, m)| *g *= m);
                }
            }
        }
        let len = gradients.len();
        gradients.copy_from_slice(&self.now[..len]);
    }
}

impl Layer {
    fn outputs(&self) -> usize {
        match self {
            Self::Dense { rows, .. } => *rows,
            Self::Add(c) => c.len(),
            Self::Scale(by) => by.len(),
            Self::Relu(n) => *n,
            Self::Round(r) => r.scale.len(),
        }
    }
}

impl Round {
    fn forward(&self, x: &mut [f64], mask: &mut [f64]) {
        let n = self.scale.len().max(1);
        for (x, mask) in x.chunks_exact_mut(n).zip(mask.chunks_exact_mut(n)) {
            for ((x, m), s) in x.iter_mut().zip(mask).zip(&self.scale) {
                let v = *x * s;
                *m = f64::from(u8::from(v >= self.lo - 0.5 && v <= self.hi + 0.5));
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

fn scale(x: &mut [f64], by: &[f64]) {
    for y in x.chunks_exact_mut(by.len().max(1)) {
        y.iter_mut().zip(by).for_each(|(y, b)| *y *= b);
    }
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

fn real_layers(program: &RealProgram) -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut at = program.output;
    loop {
        let node = &program.nodes[at];
        at = match &node.op {
            RealOp::Input => break,
            RealOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => {
                layers.push(Layer::Dense {
                    weight: weight.near().clone(),
                    bias: bias.as_ref().map(|b| b.near().clone()),
                    rows: *rows,
                    cols: *cols,
                });
                *x
            }
            RealOp::AddConst { x, c } => {
                layers.push(Layer::Add(c.near().clone()));
                *x
            }
            RealOp::DivConst { x, c } => {
                layers.push(Layer::Scale(c.near().iter().map(|c| 1.0 / c).collect()));
                *x
            }
            RealOp::Relu { x } => {
                layers.push(Layer::Relu(node.len));
                *x
            }
            RealOp::Move { x } => *x,
            _ => unimplemented!("TEMP-OP"),
        };
    }
    layers.reverse();
    layers
}

fn kernel_layers(kernel: &Kernel) -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut at = kernel.output;
    loop {
        let node = &kernel.nodes[at];
        let unit = |j: usize| f64::from(node.multiplier(j)) * 2f64.powi(-node.frac[j]);
        let frac = |x: NodeId| &kernel.nodes[x].frac;
        at = match &node.op {
            KernelOp::Input { format } => {
                let scale = vec![2f64.powi(format.frac()); node.len];
                layers.push(round(scale, *format, Rounding::HalfUp));
                break;
            }
            KernelOp::Dense {
                x,
                weight,
                bias,
                cols,
                ..
            } => {
                let bias = bias.as_deref();
                let units: Vec<f64> = (0..node.len).map(unit).collect();
                layers.push(kernel_dense(frac(*x), weight, bias, *cols, &units));
                *x
            }
            KernelOp::AddConst { x, c } => {
                let c = c.iter().enumerate().map(|(j, c)| *c as f64 * unit(j));
                layers.push(Layer::Add(c.collect()));
                *x
            }
            KernelOp::Relu { x } => {
                layers.push(Layer::Relu(node.len));
                *x
            }
            KernelOp::Requantize {
                x, shift, format, ..
            } => {
                // What is shifted is the real value times 2^frac, multiplier included.
                let scale = frac(*x).iter().zip(shift.iter());
                let scale = scale.map(|(f, s)| 2f64.powi(f - s)).collect();
                layers.push(round(scale, *format, kernel.rounding));
                *x
            }
            // The same value: more mantissa, more fraction bits.
            KernelOp::Align { x, .. } => *x,
            // The same mantissas, which a division by 2^k gives another scale.
            KernelOp::Move { x } => {
                let by = frac(*x).iter().zip(node.frac.iter());
                let by: Vec<f64> = by.map(|(from, to)| 2f64.powi(from - to)).collect();
                if by.iter().any(|b| *b != 1.0) {
                    layers.push(Layer::Scale(by));
                }
                *x
            }
            _ => unimplemented!("TEMP-OP"),
        };
    }
    layers.reverse();
    layers
}

/// A kernel's dense operator in real units; `from` are the fraction bits of its operand, `to` the
/// units of its result.
fn kernel_dense(
    from: &[i32],
    weight: &[i32],
    bias: Option<&[i64]>,
    cols: usize,
    to: &[f64],
) -> Layer {
    let rows = weight.chunks_exact(cols.max(1)).zip(to);
    let real = rows.flat_map(|(row, to)| {
        let row = row.iter().zip(from);
        row.map(move |(w, f)| f64::from(*w) * (2f64.powi(*f) * to))
    });
    let bias = bias.map(|b| {
        let real = b.iter().zip(to).map(|(b, to)| *b as f64 * to);
        real.collect()
    });
    Layer::Dense {
        weight: real.collect(),
        bias,
        rows: to.len(),
        cols,
    }
}

fn round(scale: Vec<f64>, format: Format, rounding: Rounding) -> Layer {
    Layer::Round(Round {
        scale,
        lo: format.min() as f64,
        hi: format.max() as f64,
        unit: 2f64.powi(-format.frac()),
        rounding,
    })
}
