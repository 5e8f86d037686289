//! Operators beyond dense layers on calibration samples, in floating point.

use crate::assignment::Assignment;
use crate::layerwise::{Features, Pair, constant_values, settle, spread};
use crate::model::Model;
use ceg4n_ir::{Annotations, Conv, Curve, Op, Shape, ValueId, Window};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value before it is requantized; `None` for an operator of dense chains.
pub(crate) fn windowed(
    model: &Model,
    a: &Assignment,
    notes: &mut Annotations,
    v: ValueId,
    pairs: &BTreeMap<ValueId, Pair>,
) -> Option<Pair> {
    let net = model.network();
    let value = net.value(v);
    Some(match &value.op {
        Op::Conv {
            x, weight, bias, ..
        } => {
            bias.iter().for_each(|b| settle(model, a, notes, *b));
            let conv = net.conv(v)?;
            let run = |x: &Features, notes: Option<&Annotations>| {
                let bias = bias.map_or(vec![0.0; conv.filters], |b| {
                    constant_values(model, notes, b)
                });
                Arc::new(convolved(
                    x,
                    &constant_values(model, notes, *weight),
                    &bias,
                    &conv,
                ))
            };
            Pair {
                real: run(&pairs[x].real, None),
                fixed: run(&pairs[x].fixed, Some(notes)),
            }
        }
        Op::Mul { x, c } => {
            let index = spread(model, v, *c);
            let run = |x: &Features, notes: Option<&Annotations>| {
                let c = constant_values(model, notes, *c);
                Arc::new(x.map(|i, v| v * c[index[i]]))
            };
            Pair {
                real: run(&pairs[x].real, None),
                fixed: run(&pairs[x].fixed, Some(notes)),
            }
        }
        Op::MaxPool { x, .. } => {
            let window = net.pool(v)?;
            pairs[x].each(|x| {
                pooled(x, &window, |row, _| {
                    row.into_iter().fold(f64::MIN, f64::max)
                })
            })
        }
        Op::AveragePool { x, count_pad, .. } => {
            let window = net.pool(v)?;
            let size = count_pad.then_some(window.size());
            pairs[x].each(|x| {
                pooled(x, &window, |row, n| {
                    row.iter().sum::<f64>() / size.unwrap_or(n) as f64
                })
            })
        }
        Op::Sum { x, y } => {
            let add = |x: &Features, y: &Features| {
                let n = x.samples;
                let data = x.data.iter().zip(&y.data).map(|(a, b)| a + b).collect();
                Arc::new(Features { data, samples: n })
            };
            Pair {
                real: add(&pairs[x].real, &pairs[y].real),
                fixed: add(&pairs[x].fixed, &pairs[y].fixed),
            }
        }
        Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Transpose { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Snap { .. } => elementwise(model, v, pairs)?,
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Div { .. }
        | Op::Relu { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => return None,
    })
}

/// An operator on elements, or one that moves them; `None` for another.
fn elementwise(model: &Model, v: ValueId, pairs: &BTreeMap<ValueId, Pair>) -> Option<Pair> {
    let net = model.network();
    let value = net.value(v);
    let shape_of = |x: &ValueId| &net.value(*x).shape;
    Some(match &value.op {
        Op::Concat { xs, axis } => {
            let outer: usize = value.shape.0[..*axis].iter().product();
            let join = |of: &dyn Fn(&Pair) -> Arc<Features>| {
                let parts: Vec<Arc<Features>> = xs.iter().map(|x| of(&pairs[x])).collect();
                Arc::new(concatenated(&parts, outer))
            };
            Pair {
                real: join(&|p| p.real.clone()),
                fixed: join(&|p| p.fixed.clone()),
            }
        }
        Op::Pad {
            x,
            before,
            value: fill,
            ..
        } => {
            let (from, to) = (shape_of(x), &value.shape);
            let at = |i: usize| {
                let place = unflatten(i, to);
                let inside = place
                    .iter()
                    .zip(before)
                    .zip(&from.0)
                    .try_fold(0, |flat, ((p, b), d)| {
                        p.checked_sub(*b).filter(|p| p < d).map(|p| flat * d + p)
                    });
                inside.ok_or(f64::from(*fill))
            };
            pairs[x].each(|x| moved(x, to.len(), at))
        }
        Op::Transpose { x, perm } => {
            let (from, to) = (shape_of(x), &value.shape);
            let at = |i: usize| {
                let place = unflatten(i, to);
                let mut own = vec![0; place.len()];
                perm.iter().zip(place).for_each(|(p, i)| own[*p] = i);
                Ok(own.iter().zip(&from.0).fold(0, |flat, (p, d)| flat * d + p))
            };
            pairs[x].each(|x| moved(x, to.len(), at))
        }
        Op::Clip { x, lo, hi } => {
            let lo = lo.map_or(f64::NEG_INFINITY, f64::from);
            let hi = hi.map_or(f64::INFINITY, f64::from);
            pairs[x].each(|x| x.map(|_, v| v.max(lo).min(hi)))
        }
        Op::LeakyRelu { x, shift } => {
            let slope = 2f64.powi(-i32::from(*shift));
            pairs[x].each(|x| x.map(|_, v| v.max(v * slope)))
        }
        Op::Unary { x, function } => pairs[x].each(|x| x.map(|_, v| function.real(v))),
        Op::Curve { x, curve } => {
            let f = |v: f64| match curve {
                Curve::Sigmoid => 1.0 / (1.0 + (-v).exp()),
                Curve::Tanh => v.tanh(),
            };
            pairs[x].each(|x| x.map(|_, v| f(v)))
        }
        Op::Snap {
            x,
            scale,
            zero_point,
            lo,
            hi,
        } => {
            let (scale, zero) = (f64::from(*scale), f64::from(*zero_point));
            let (lo, hi) = (f64::from(*lo) - zero, f64::from(*hi) - zero);
            pairs[x].each(|x| x.map(|_, v| (v / scale).round_ties_even().clamp(lo, hi) * scale))
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Conv { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Relu { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => return None,
    })
}

fn convolved(x: &Features, w: &[f64], b: &[f64], conv: &Conv) -> Features {
    let n = x.samples;
    let [rows, columns] = conv.window.out;
    let mut data = Vec::with_capacity(conv.output_len() * n);
    for (m, bias) in b.iter().enumerate() {
        for (oy, ox) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            let start = data.len();
            data.extend(std::iter::repeat_n(*bias, n));
            for (i, k) in conv.terms(m, oy, ox) {
                let sums = data[start..].iter_mut();
                sums.zip(x.row(i)).for_each(|(s, v)| *s += w[k] * v);
            }
        }
    }
    Features { data, samples: n }
}

/// `f` of the values of each window and their number, sample by sample.
fn pooled(x: &Features, window: &Window, f: impl Fn(Vec<f64>, usize) -> f64) -> Features {
    let n = x.samples;
    let mut data = Vec::with_capacity(window.channels * window.windows() * n);
    for c in 0..window.channels {
        for (oy, ox) in (0..window.out[0]).flat_map(|y| (0..window.out[1]).map(move |x| (y, x))) {
            let taps: Vec<&[f64]> = window
                .taps(oy, ox)
                .map(|t| x.row(c * window.plane() + t.position))
                .collect();
            data.extend((0..n).map(|s| f(taps.iter().map(|t| t[s]).collect(), taps.len())));
        }
    }
    Features { data, samples: n }
}

fn concatenated(parts: &[Arc<Features>], outer: usize) -> Features {
    let n = parts.first().map_or(1, |p| p.samples);
    let mut data = Vec::new();
    for o in 0..outer {
        for p in parts {
            let size = p.data.len() / outer.max(1);
            data.extend_from_slice(&p.data[o * size..(o + 1) * size]);
        }
    }
    Features { data, samples: n }
}

/// Element `i` of the result is element `at(i)` of `x`, or a value.
fn moved(x: &Features, len: usize, at: impl Fn(usize) -> Result<usize, f64>) -> Features {
    let n = x.samples;
    let mut data = Vec::with_capacity(len * n);
    for i in 0..len {
        match at(i) {
            Ok(k) => data.extend_from_slice(x.row(k)),
            Err(value) => data.extend(std::iter::repeat_n(value, n)),
        }
    }
    Features { data, samples: n }
}

/// The place of element `i`, dimension by dimension.
fn unflatten(mut i: usize, shape: &Shape) -> Vec<usize> {
    let mut place = vec![0; shape.0.len()];
    for (p, d) in place.iter_mut().zip(&shape.0).rev() {
        *p = i % d;
        i /= d;
    }
    place
}
