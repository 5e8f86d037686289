//! Greedy path-following quantization.
//!
//! Lybrand and Saab, A greedy algorithm for quantizing neural networks (2021); Zhang, Zhou and
//! Saab, Post-training quantization for neural networks with provable guarantees (2022). The
//! weights of a neuron are chosen one after the other, each so that the error that the earlier
//! ones made on calibration samples is undone as well as one mantissa can. Convolutions are rounded
//! to nearest.

use crate::assignment::Assignment;
use crate::calibration::Calibration;
use crate::formats::{Granularity, RangeChoice, magnitude, per_granularity, radius_format};
use crate::layerwise::{Features, Pair, correct_bias, run};
use crate::model::Model;
use crate::nearest::Nearest;
use crate::quantizer::Quantizer;
use crate::structure::Layer;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Annotations, Format, TensorFormat};
use pulp::{Arch, WithSimd};
use std::sync::Arc;

/// How far the alphabet of a layer's, or a channel's, weights reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Radius {
    /// As far as the largest weight.
    #[default]
    Max,
    /// So many times the median magnitude: the literature's choice, with 1 as its default, which
    /// clips half of the weights.
    Median(f64),
    /// That of [`Radius::Max`], half, a quarter or an eighth of it: where the error on the samples
    /// is least.
    LeastError,
}

impl std::fmt::Display for Radius {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Max => f.write_str("max |w|"),
            Self::Median(c) => write!(f, "{c} median |w|"),
            Self::LeastError => f.write_str("of least error among four"),
        }
    }
}

/// Radii that [`Radius::LeastError`] tries, each half of the one before.
const RADII: i32 = 4;

/// Path-following quantization of weights to the mantissas of power-of-two scales.
#[derive(Clone, Debug)]
pub struct Gpfq {
    /// What shares a scale.
    pub granularity: Granularity,
    /// What the scale is chosen from.
    pub radius: Radius,
    /// How often every weight is chosen again, given all others, after the path: each sweep makes
    /// the error on the samples smaller or leaves it. None in the papers.
    pub sweeps: u32,
    /// Whether biases take over the mean error that is left.
    pub correct_biases: bool,
    /// The samples.
    pub calibration: Arc<Calibration>,
}

impl Gpfq {
    /// One scale per tensor, as far as the largest weight, biases as they are.
    pub fn new(calibration: Arc<Calibration>) -> Self {
        Self {
            granularity: Granularity::Tensor,
            radius: Radius::Max,
            sweeps: 0,
            correct_biases: false,
            calibration,
        }
    }

    /// The format for weights that share a scale, before errors are compared.
    fn format(&self, data: &[f32], bits: u8) -> Format {
        let radius = match self.radius {
            Radius::Max | Radius::LeastError => magnitude(data, RangeChoice::MaxAbs),
            Radius::Median(c) => c * magnitude(data, RangeChoice::Percentile(50.0)),
        };
        radius_format(radius, bits)
    }

    /// Formats and mantissas of one layer's weights.
    fn layer(&self, model: &Model, layer: &Layer, bits: u8, x: &Pair) -> (TensorFormat, Vec<i32>) {
        let data = model.data(layer.weight);
        let formats = per_granularity(data, layer.rows, self.granularity, |w| self.format(w, bits));
        let tries = match self.radius {
            Radius::Max | Radius::Median(_) => 1,
            Radius::LeastError => RADII,
        };
        let mut best: Vec<(Format, Vec<i32>, f64)> = Vec::new();
        for finer in 0..tries {
            let of = |j: usize| {
                let f = formats.channel(j).unwrap_or(Format::S32);
                Format::new(true, f.width(), f.frac() + finer).unwrap_or(f)
            };
            let row_formats: Vec<Format> = (0..layer.rows).map(of).collect();
            let found = follow(data, &row_formats, &x.real, &x.fixed, self.sweeps);
            let total = |list: &[(Format, Vec<i32>, f64)]| list.iter().map(|r| r.2).sum::<f64>();
            let rows: Vec<_> = row_formats
                .into_iter()
                .zip(found)
                .map(|(f, row)| (f, row.mantissas, row.error))
                .collect();
            match self.granularity {
                _ if best.is_empty() => best = rows,
                Granularity::Tensor if total(&rows) < total(&best) => best = rows,
                Granularity::Tensor => {}
                Granularity::Channel => {
                    for (old, new) in best.iter_mut().zip(rows) {
                        if new.2 < old.2 {
                            *old = new;
                        }
                    }
                }
            }
        }
        let format = match (self.granularity, best.first()) {
            (Granularity::Tensor, Some(first)) => first.0.into(),
            (Granularity::Channel | Granularity::Tensor, _) => {
                TensorFormat::Channels(best.iter().map(|r| r.0).collect())
            }
        };
        (format, best.into_iter().flat_map(|r| r.1).collect())
    }
}

impl Quantizer for Gpfq {
    fn name(&self) -> String {
        format!(
            "greedy path following (convolutions to nearest), {} sweeps, power-of-two scales per {} (radius {}), biases {}, {}",
            self.sweeps,
            self.granularity,
            self.radius,
            if self.correct_biases {
                "corrected"
            } else {
                "to nearest"
            },
            self.calibration
        )
    }

    fn annotate(
        &self,
        model: &Model,
        a: &Assignment,
        version: u32,
    ) -> Result<Annotations, Diagnostics> {
        let mut notes = model.activations(a, version);
        let bits = model.weight_bits(a);
        run(
            model,
            &self.calibration,
            a,
            &mut notes,
            &mut |layer, x, notes| {
                // A weight that several layers share is chosen for the first of them.
                if layer.convolution {
                    Nearest {
                        granularity: self.granularity,
                        ..Nearest::default()
                    }
                    .weight(model, notes, layer.weight, bits[&layer.weight]);
                } else if notes.format(layer.weight).is_none() {
                    let (format, mantissas) = self.layer(model, layer, bits[&layer.weight], x);
                    model.set(notes, layer.weight, format, Some(mantissas.into()));
                }
                if self.correct_biases {
                    correct_bias(model, a, layer, x, notes);
                }
            },
        )?;
        model.complete(&mut notes, a);
        Ok(notes)
    }
}

/// What path following makes of one neuron.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// One mantissa per weight.
    pub mantissas: Vec<i32>,
    /// `‖X·w - X̃·ŵ‖²` over the samples.
    pub error: f64,
}

/// Quantizes a layer: `weights` has one row of `x.len()` weights for each format; `x` is the
/// operand in the reference, `xq` in the kernel. With `u` the error so far, the weight `w_t` of
/// column `t` becomes the value nearest to `⟨X̃_t, u + w_t·X_t⟩/‖X̃_t‖²`, or to `w_t` where the
/// kernel's operand is zero on all samples. Each of the `sweeps` goes through the columns again:
/// every mantissa becomes the best there is while all others stay (coordinate descent).
///
/// The result is the same on every machine.
pub fn follow(
    weights: &[f32],
    formats: &[Format],
    x: &Features,
    xq: &Features,
    sweeps: u32,
) -> Vec<Row> {
    Arch::new().dispatch(Follow {
        weights,
        formats,
        x,
        xq,
        sweeps,
    })
}

struct Follow<'a> {
    weights: &'a [f32],
    formats: &'a [Format],
    x: &'a Features,
    xq: &'a Features,
    sweeps: u32,
}

impl WithSimd for Follow<'_> {
    type Output = Vec<Row>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Vec<Row> {
        let (rows, n) = (self.formats.len(), self.x.samples);
        let mut errors = vec![0.0; rows * n];
        let mut mantissas = vec![0; rows * self.x.len()];
        self.path(&mut errors, &mut mantissas);
        for _ in 0..self.sweeps {
            if !self.sweep(&mut errors, &mut mantissas) {
                break;
            }
        }
        let rows = mantissas.chunks_exact(self.x.len().max(1));
        let row = |(mantissas, u): (&[i32], &[f64])| Row {
            mantissas: mantissas.to_vec(),
            error: dot(u, u),
        };
        rows.zip(errors.chunks_exact(n.max(1))).map(row).collect()
    }
}

impl Follow<'_> {
    // Columns outside, so that a column stays in the nearest cache for all neurons.

    #[inline(always)]
    fn path(&self, errors: &mut [f64], mantissas: &mut [i32]) {
        let (cols, n) = (self.x.len(), self.x.samples);
        for t in 0..cols {
            let (x, xq) = (self.x.row(t), self.xq.row(t));
            let (size, along) = (dot(xq, xq), dot(xq, x));
            for (j, u) in errors.chunks_exact_mut(n.max(1)).enumerate() {
                let w = f64::from(self.weights[j * cols + t]);
                let target = if size > 0.0 {
                    (dot(xq, u) + w * along) / size
                } else {
                    w
                };
                let m = nearest(self.formats[j], target);
                mantissas[j * cols + t] = m as i32;
                let value = m * 2f64.powi(-self.formats[j].frac());
                add(u, w, x, -value, xq);
            }
        }
    }

    /// True if a mantissa changed.
    #[inline(always)]
    fn sweep(&self, errors: &mut [f64], mantissas: &mut [i32]) -> bool {
        let (cols, n) = (self.x.len(), self.x.samples);
        let mut changed = false;
        for t in 0..cols {
            let xq = self.xq.row(t);
            let size = dot(xq, xq);
            if size <= 0.0 {
                continue;
            }
            for (j, u) in errors.chunks_exact_mut(n.max(1)).enumerate() {
                let step = 2f64.powi(-self.formats[j].frac());
                let old = f64::from(mantissas[j * cols + t]);
                let m = nearest(self.formats[j], old * step + dot(xq, u) / size);
                if m != old {
                    mantissas[j * cols + t] = m as i32;
                    add(u, 0.0, xq, (old - m) * step, xq);
                    changed = true;
                }
            }
        }
        changed
    }
}

/// The mantissa nearest to a value, as a float.
fn nearest(format: Format, value: f64) -> f64 {
    (value * 2f64.powi(format.frac()) + 0.5)
        .floor()
        .clamp(format.min() as f64, format.max() as f64)
}

/// `Σ a·b` in eight interleaved sums, whatever the machine's vectors are.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut acc = [0.0; LANES];
    let (a8, b8) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a8.remainder().iter().zip(b8.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for k in 0..LANES {
            acc[k] += a[k] * b[k];
        }
    }
    ((acc[0] + acc[4]) + (acc[1] + acc[5])) + ((acc[2] + acc[6]) + (acc[3] + acc[7])) + rest
}

/// `u += w·x + q·y`.
#[inline(always)]
fn add(u: &mut [f64], w: f64, x: &[f64], q: f64, y: &[f64]) {
    for ((u, x), y) in u.iter_mut().zip(x).zip(y) {
        *u += w * x + q * y;
    }
}
