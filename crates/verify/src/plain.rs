//! Every node of a real-valued program in plain floating point: for guidance, never for a verdict.

use crate::bounds::curve::Function;
use ceg4n_ir::{Conv, FILL, NodeId, RealOp, RealProgram, Window};

/// All nodes up to the output, in order.
pub(crate) fn nodes(program: &RealProgram, x: &[f64]) -> Vec<Vec<f64>> {
    let mut nodes: Vec<Vec<f64>> = Vec::with_capacity(program.nodes.len());
    for node in program.nodes.values() {
        let out = step(&node.op, x, |n| &nodes[n.as_u32() as usize]);
        nodes.push(out);
    }
    // The output may precede values that nobody uses.
    nodes.truncate(program.output.as_u32() as usize + 1);
    nodes
}

/// A value of each window.
fn pooled(w: &Window, x: &[f64], start: f64, join: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut out = Vec::with_capacity(w.channels * w.windows());
    for plane in x.chunks(w.plane().max(1)) {
        for o in 0..w.windows() {
            let taps = w.taps(o / w.out[1], o % w.out[1]);
            out.push(taps.map(|t| plane[t.position]).fold(start, &join));
        }
    }
    out
}

fn step<'a>(op: &RealOp, input: &[f64], of: impl Fn(NodeId) -> &'a Vec<f64>) -> Vec<f64> {
    let each = |x: &NodeId, f: &dyn Fn(f64) -> f64| of(*x).iter().map(|v| f(*v)).collect();
    let with = |x: &NodeId, c: &[f64], f: fn(f64, f64) -> f64| {
        let pairs = of(*x).iter().zip(c);
        pairs.map(|(x, c)| f(*x, *c)).collect()
    };
    match op {
        RealOp::Input => input.to_vec(),
        RealOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => (0..*rows)
            .map(|j| {
                let row = weight.near()[j * cols..(j + 1) * cols].iter();
                let s: f64 = row.zip(of(*x)).map(|(a, b)| a * b).sum();
                s + bias.as_ref().map_or(0.0, |b| b.near()[j])
            })
            .collect(),
        RealOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => convolved(
            conv,
            of(*x),
            weight.near(),
            bias.as_ref().map(|b| &b.near()[..]),
        ),
        RealOp::MaxPool { x, window } => pooled(window, of(*x), f64::NEG_INFINITY, f64::max),
        RealOp::SumPool { x, window } => pooled(window, of(*x), 0.0, |a, b| a + b),
        RealOp::AddConst { x, c } => with(x, c.near(), |x, c| x + c),
        RealOp::MulConst { x, c } => with(x, c.near(), |x, c| x * c),
        RealOp::DivConst { x, c } => with(x, c.near(), |x, c| x / c),
        RealOp::Sum { x, y } => with(x, of(*y), |x, y| x + y),
        RealOp::Concat { xs, outer } => {
            let part = |o: usize, x: &NodeId| {
                let size = of(*x).len() / (*outer).max(1);
                of(*x)[o * size..(o + 1) * size].to_vec()
            };
            let parts = (0..*outer).flat_map(|o| xs.iter().map(move |x| (o, x)));
            parts.flat_map(|(o, x)| part(o, x)).collect()
        }
        RealOp::Gather { x, index, fill } => {
            let at = |i: &u32| match *i {
                FILL => *fill,
                i => of(*x)[i as usize],
            };
            index.iter().map(at).collect()
        }
        RealOp::Relu { x } => each(x, &|v| v.max(0.0)),
        RealOp::Clip { x, lo, hi } => each(x, &|v| v.max(*lo).min(*hi)),
        RealOp::LeakyRelu { x, shift } => {
            let slope = 2f64.powi(-i32::from(*shift));
            each(x, &|v| v.max(v * slope))
        }
        RealOp::Unary { x, function } => each(x, &|v| function.real(v)),
        RealOp::Curve { x, curve } => {
            let f = Function::Curve((*curve).into());
            each(x, &|v| f.value(v))
        }
        RealOp::Snap { x, scale, lo, hi } => each(x, &|v| {
            (v / scale).round_ties_even().clamp(*lo as f64, *hi as f64) * scale
        }),
        RealOp::Move { x } => of(*x).clone(),
    }
}

/// A convolution, tap by tap over the rows of a plane: the order of a sum's terms does not matter
/// here, and neighbours lie next to each other.
fn convolved(conv: &Conv, x: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let w = &conv.window;
    // A window of one position sees the plane as one row.
    let flat = w.size() == 1 && w.stride == [1, 1] && w.out == [w.height, w.width];
    let (lines, length) = if flat {
        (1, w.plane())
    } else {
        (w.out[0], w.out[1])
    };
    let mut out = Vec::with_capacity(conv.output_len());
    for m in 0..conv.filters {
        let start = bias.map_or(0.0, |b| b[m]);
        let first = out.len();
        out.extend(std::iter::repeat_n(start, w.windows()));
        let plane = &mut out[first..];
        for c in 0..conv.depth() {
            let from = (conv.first_channel(m) + c) * w.plane();
            let operand = &x[from..from + w.plane()];
            let filter = &weight[m * conv.filter_len() + c * w.size()..][..w.size()];
            for (line, out) in plane.chunks_exact_mut(length).enumerate().take(lines) {
                if flat {
                    out.iter_mut()
                        .zip(operand)
                        .for_each(|(o, v)| *o += filter[0] * v);
                } else {
                    add_line(w, line, operand, filter, out);
                }
            }
        }
    }
    out
}

/// What one channel adds to one row of a result plane.
fn add_line(w: &Window, oy: usize, x: &[f64], filter: &[f64], out: &mut [f64]) {
    let rows = w.rows(oy);
    for i in 0..rows.count {
        let (u, y) = (rows.first + i, rows.start + i * w.dilation[0]);
        let row = &x[y * w.width..(y + 1) * w.width];
        for v in 0..w.kernel[1] {
            let weight = filter[u * w.kernel[1] + v];
            // Results whose tap `v` lies in the row: from the first on.
            let reach = v * w.dilation[1];
            let begin = w.pad[1].saturating_sub(reach).div_ceil(w.stride[1]);
            let place = |ox: usize| (ox * w.stride[1] + reach).wrapping_sub(w.pad[1]);
            let Some(results) = out.get_mut(begin..) else {
                continue;
            };
            let seen = row.get(place(begin)..).unwrap_or(&[]);
            let each = results.iter_mut().zip(seen.iter().step_by(w.stride[1]));
            each.for_each(|(o, v)| *o += weight * v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_are_their_terms() {
        for (kernel, stride, dilation, pad, out) in [
            ([3, 3], [1, 1], [1, 1], [1, 1], [5, 4]),
            ([2, 3], [2, 2], [2, 1], [1, 3], [3, 4]),
            ([1, 1], [1, 1], [1, 1], [0, 0], [5, 4]),
            ([1, 1], [2, 3], [1, 1], [0, 0], [3, 2]),
            ([1, 4], [1, 2], [1, 2], [0, 7], [5, 6]),
        ] {
            let window = Window {
                channels: 4,
                height: 5,
                width: 4,
                kernel,
                stride,
                dilation,
                pad,
                out,
            };
            let conv = Conv {
                window,
                groups: 2,
                filters: 6,
            };
            // Small integers: sums in any order are the same.
            let number = |i: usize| ((i * 37 + 11) % 19) as f64 - 9.0;
            let x: Vec<f64> = (0..80).map(number).collect();
            let weight: Vec<f64> = (0..6 * conv.filter_len()).map(|i| number(i + 5)).collect();
            let bias: Vec<f64> = (0..6).map(number).collect();
            let got = convolved(&conv, &x, &weight, Some(&bias));
            let w = &conv.window;
            let want: Vec<f64> = (0..conv.output_len())
                .map(|j| {
                    let (m, o) = (j / w.windows(), j % w.windows());
                    let terms = conv.terms(m, o / w.out[1], o % w.out[1]);
                    bias[m] + terms.map(|(k, t)| weight[t] * x[k]).sum::<f64>()
                })
                .collect();
            assert_eq!(got, want, "{conv:?}");
        }
    }
}
