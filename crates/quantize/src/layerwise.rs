//! The reference and the kernel side by side on calibration samples, layer by layer.
//!
//! What the kernel computes is simulated in floating point, in real units: mantissas times powers
//! of two, exact wherever sums stay below 2^53 units, which is more than ordinary formats need. It
//! guides a choice and proves nothing.

use crate::assignment::Assignment;
use crate::calibration::Calibration;
use crate::model::Model;
use crate::structure::Layer;
use crate::windowed::windowed;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::check::quantize_f32;
use ceg4n_ir::{Annotation, Annotations, Format, Op, Rounding, TensorFormat, ValueId};
use ceg4n_verify::bounds::linalg;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The values of a tensor on all samples: one row per element, one column per sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Row-major.
    pub data: Vec<f64>,
    /// Columns.
    pub samples: usize,
}

impl Features {
    /// Elements of the tensor.
    pub fn len(&self) -> usize {
        self.data.len() / self.samples.max(1)
    }

    /// True without an element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// One element on all samples.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.samples..(i + 1) * self.samples]
    }

    /// The mean of each element.
    pub fn means(&self) -> Vec<f64> {
        let n = self.samples as f64;
        self.data
            .chunks_exact(self.samples.max(1))
            .map(|r| r.iter().sum::<f64>() / n)
            .collect()
    }

    pub(crate) fn map(&self, mut f: impl FnMut(usize, f64) -> f64) -> Self {
        let n = self.samples.max(1);
        let each = |(i, v): (usize, &f64)| f(i / n, *v);
        Self {
            data: self.data.iter().enumerate().map(each).collect(),
            samples: self.samples,
        }
    }

    fn of(calibration: &Calibration) -> Self {
        let (samples, len) = (calibration.samples(), calibration.features());
        let mut data = vec![0.0; samples * len];
        for (s, x) in calibration.inputs().chunks_exact(len).enumerate() {
            for (i, v) in x.iter().enumerate() {
                data[i * samples + s] = f64::from(*v);
            }
        }
        Self { data, samples }
    }
}

/// A tensor in the reference and in the kernel.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The reference's values.
    pub real: Arc<Features>,
    /// The kernel's.
    pub fixed: Arc<Features>,
}

/// Runs both programs over the samples. At each dense layer, in order, `choose` sees the operand
/// and gives the weight, and the bias if it likes, a format and mantissas in `notes`, where the
/// formats of activations stand already; what it leaves without a format gets that of
/// [`Model::complete`]. The result has every value of the network that is no constant.
///
/// A constant that enters several sums has its format only at the end ([`Model::complete`]), and
/// stands for its real value here.
///
/// # Errors
/// Samples that do not have the network's number of features.
pub fn run(
    model: &Model,
    calibration: &Calibration,
    a: &Assignment,
    notes: &mut Annotations,
    choose: &mut dyn FnMut(&Layer, &Pair, &mut Annotations),
) -> Result<BTreeMap<ValueId, Pair>, Diagnostics> {
    let network = model.network();
    if calibration.features() != network.input_len() {
        let text = format!(
            "calibration samples have {} features, the network has {} inputs",
            calibration.features(),
            network.input_len()
        );
        return Err(Diagnostic::error(codes::SHAPE, text).into());
    }
    let mut pairs: BTreeMap<ValueId, Pair> = BTreeMap::new();
    for (v, value) in network.values().iter() {
        let layer = model.layers().iter().find(|l| l.value == v);
        if let (Op::Dense { x, .. } | Op::Conv { x, .. }, Some(layer)) = (&value.op, layer) {
            choose(layer, &pairs[x], notes);
        }
        let Some(exact) = natural(model, calibration, a, notes, v, &pairs) else {
            continue;
        };
        let pair = match notes.format(v).and_then(TensorFormat::single) {
            Some(format) => {
                // Tables hold the nearest mantissas.
                let rule = match matches!(value.op, Op::Input | Op::Curve { .. }) {
                    true => Rounding::HalfUp,
                    false => model.rounding(),
                };
                let fixed = exact.fixed.map(|_, v| requantized(v, format, rule));
                Pair {
                    fixed: Arc::new(fixed),
                    ..exact
                }
            }
            None => exact,
        };
        pairs.insert(v, pair);
    }
    Ok(pairs)
}

/// A value before it is requantized; `None` for a constant. A summand used nowhere else gets its
/// format.
fn natural(
    model: &Model,
    calibration: &Calibration,
    a: &Assignment,
    notes: &mut Annotations,
    v: ValueId,
    pairs: &BTreeMap<ValueId, Pair>,
) -> Option<Pair> {
    let value = model.network().value(v);
    Some(match &value.op {
        Op::Const(_) => return None,
        Op::Input => {
            let x = Arc::new(Features::of(calibration));
            Pair {
                real: x.clone(),
                fixed: x,
            }
        }
        Op::Dense { x, weight, bias } => {
            bias.iter().for_each(|b| settle(model, a, notes, *b));
            let rows = value.shape.len();
            let dense = |x: &Features, notes: Option<&Annotations>| {
                let bias = bias.map_or(vec![0.0; rows], |b| constant_values(model, notes, b));
                Arc::new(product(
                    x,
                    &constant_values(model, notes, *weight),
                    &bias,
                    rows,
                ))
            };
            Pair {
                real: dense(&pairs[x].real, None),
                fixed: dense(&pairs[x].fixed, Some(notes)),
            }
        }
        Op::Add { x, c } | Op::Sub { x, c } => {
            settle(model, a, notes, *c);
            let index = spread(model, v, *c);
            let minus = matches!(value.op, Op::Sub { .. });
            let add = |x: &Features, notes: Option<&Annotations>| {
                let c = constant_values(model, notes, *c);
                let one = |i: usize, v| {
                    if minus {
                        v - c[index[i]]
                    } else {
                        v + c[index[i]]
                    }
                };
                Arc::new(x.map(one))
            };
            Pair {
                real: add(&pairs[x].real, None),
                fixed: add(&pairs[x].fixed, Some(notes)),
            }
        }
        Op::Div { x, c } => {
            let index = spread(model, v, *c);
            let c = constant_values(model, None, *c);
            pairs[x].each(|x| x.map(|i, v| v / c[index[i]]))
        }
        Op::Relu { x } => pairs[x].each(|x| x.map(|_, v| v.max(0.0))),
        Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => pairs[x].clone(),
        Op::Conv { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::Mul { .. }
        | Op::Sum { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Transpose { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Snap { .. } => windowed(model, a, notes, v, pairs)?,
    })
}

impl Pair {
    pub(crate) fn each(&self, f: impl Fn(&Features) -> Features) -> Self {
        Self {
            real: Arc::new(f(&self.real)),
            fixed: Arc::new(f(&self.fixed)),
        }
    }
}

/// Which element of constant `c` each element of `v` meets.
pub(crate) fn spread(model: &Model, v: ValueId, c: ValueId) -> Vec<usize> {
    let net = model.network();
    net.value(c).shape.spread_over(&net.value(v).shape)
}

/// Gives a summand of one sum, if it has none, the format that it would have at the end.
pub(crate) fn settle(model: &Model, a: &Assignment, notes: &mut Annotations, c: ValueId) {
    if model.users()[&c] == 1
        && notes.format(c).is_none()
        && let Some(format) = model.addend_format(notes, a, c, model.data(c))
    {
        model.set(notes, c, format, None);
    }
}

/// The real values of a constant's mantissas, or of the constant itself without a format.
pub(crate) fn constant_values(model: &Model, notes: Option<&Annotations>, v: ValueId) -> Vec<f64> {
    let data = model.data(v);
    let rows = model
        .network()
        .value(v)
        .shape
        .0
        .first()
        .copied()
        .unwrap_or(1);
    let cols = (data.len() / rows.max(1)).max(1);
    let Some(Annotation::Fixed { format, mantissas }) = notes.and_then(|n| n.get(v)) else {
        return data.iter().map(|w| f64::from(*w)).collect();
    };
    let one = |(i, w): (usize, &f32)| {
        let f = format.channel(i / cols).unwrap_or(Format::S32);
        let m = match mantissas {
            Some(m) => m.get(i).copied().unwrap_or(0),
            None => quantize_f32(f, *w),
        };
        f64::from(m) * 2f64.powi(-f.frac())
    };
    data.iter().enumerate().map(one).collect()
}

/// `W·x + b` on all samples.
fn product(x: &Features, w: &[f64], b: &[f64], rows: usize) -> Features {
    let n = x.samples;
    let mut data = Vec::with_capacity(rows * n);
    for b in b {
        data.extend(std::iter::repeat_n(*b, n));
    }
    linalg::accumulate(&mut data, w, &x.data, (rows, x.len(), n));
    Features { data, samples: n }
}

/// The value of the mantissa that `v` is rounded and clamped to.
fn requantized(v: f64, format: Format, rounding: Rounding) -> f64 {
    let scaled = v * 2f64.powi(format.frac());
    let m = match rounding {
        Rounding::HalfUp => (scaled + 0.5).floor(),
        Rounding::HalfEven => scaled.round_ties_even(),
        Rounding::Floor => scaled.floor(),
    };
    m.clamp(format.min() as f64, format.max() as f64) * 2f64.powi(-format.frac())
}

/// The biases with which the mean of each output over the samples is that of the reference:
/// `b + Σ_k (w_k·E[x_k] - ŵ_k·E[x̂_k])`, `ŵ` and `x̂` the kernel's weights and operand, whose own
/// error counts too (bias correction: Nagel et al. 2019, here from samples).
pub(crate) fn corrected_bias(
    model: &Model,
    layer: &Layer,
    x: &Pair,
    notes: &Annotations,
) -> Vec<f64> {
    let means = (x.real.means(), x.fixed.means());
    let w = (
        constant_values(model, None, layer.weight),
        constant_values(model, Some(notes), layer.weight),
    );
    let bias = layer
        .bias
        .map_or(vec![0.0; layer.rows], |b| constant_values(model, None, b));
    let dot = |w: &[f64], x: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    (0..layer.rows)
        .map(|j| {
            let at = j * layer.cols..(j + 1) * layer.cols;
            bias[j] + dot(&w.0[at.clone()], &means.0) - dot(&w.1[at], &means.1)
        })
        .collect()
}

/// Stores corrected biases as mantissas, in the format that [`Model::complete`] would choose for
/// biases of these values. A bias that several layers share stays as it is.
pub(crate) fn correct_bias(
    model: &Model,
    a: &Assignment,
    layer: &Layer,
    x: &Pair,
    notes: &mut Annotations,
) {
    // The mean over positions of a convolution's operand is not what a bias stands against.
    let alone = layer.bias.filter(|b| model.users()[b] == 1);
    let Some(bias) = alone.filter(|_| !layer.convolution) else {
        return;
    };
    let corrected: Vec<f32> = corrected_bias(model, layer, x, notes)
        .into_iter()
        .map(|b| b as f32)
        .collect();
    if corrected.iter().any(|b| !b.is_finite()) {
        return;
    }
    if let Some(format) = model.addend_format(notes, a, bias, &corrected) {
        let mantissas = corrected
            .iter()
            .enumerate()
            .map(|(j, b)| quantize_f32(format.channel(j).unwrap_or(Format::S32), *b));
        let mantissas = mantissas.collect();
        model.set(notes, bias, format, Some(mantissas));
    }
}
