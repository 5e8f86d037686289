//! Interval bounds of a kernel over a box of input integers: exact integer arithmetic, merged
//! margins at the last affine layer.
//!
//! Boxes lie inside the input format, so that every result lies inside the type range, for which
//! the checker proved that 64 bits suffice; sums are still taken in 128 bits.

use super::Form;
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::kernel::multiplier;
use ceg4n_ir::{Interval, Kernel, KernelOp, NodeId};

/// An interval in 128 bits: differences of outputs may exceed 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide {
    /// Least value.
    pub lo: i128,
    /// Greatest value.
    pub hi: i128,
}

/// Intervals of every node over one box.
#[derive(Clone, Debug, Default)]
pub struct Forward {
    nodes: SecondaryMap<NodeId, Vec<Interval>>,
}

impl Forward {
    /// The intervals of one node.
    pub fn node(&self, id: NodeId) -> &[Interval] {
        &self.nodes[id]
    }
}

/// `Σ w·x + b` over intervals.
fn dot(weights: impl Iterator<Item = i128>, x: &[Interval], bias: i128) -> Wide {
    let (mut lo, mut hi) = (bias, bias);
    for (w, x) in weights.zip(x) {
        let (a, b) = (w * i128::from(x.lo), w * i128::from(x.hi));
        lo += a.min(b);
        hi += a.max(b);
    }
    Wide { lo, hi }
}

fn narrow(w: Wide) -> Interval {
    // Inside the type range, hence inside 64 bits.
    Interval {
        lo: w.lo as i64,
        hi: w.hi as i64,
    }
}

fn each(x: &[Interval], f: impl Fn(usize, i128) -> i128) -> Vec<Interval> {
    let at = |i, v| f(i, i128::from(v));
    x.iter()
        .enumerate()
        .map(|(i, r)| {
            narrow(Wide {
                lo: at(i, r.lo),
                hi: at(i, r.hi),
            })
        })
        .collect()
}

/// Intervals of all nodes over the box `input`, which lies inside the input format.
pub fn forward(kernel: &Kernel, input: &[Interval]) -> Forward {
    let mut f = Forward::default();
    for (id, node) in kernel.nodes.iter() {
        let out = match &node.op {
            KernelOp::Input { .. } => input.to_vec(),
            KernelOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => (0..*rows)
                .map(|j| {
                    let row = weight[j * cols..(j + 1) * cols]
                        .iter()
                        .map(|w| i128::from(*w));
                    narrow(dot(
                        row,
                        f.node(*x),
                        bias.as_ref().map_or(0, |b| i128::from(b[j])),
                    ))
                })
                .collect(),
            KernelOp::AddConst { x, c } => each(f.node(*x), |i, v| v + i128::from(c[i])),
            KernelOp::Relu { x } => each(f.node(*x), |_, v| v.max(0)),
            KernelOp::Requantize {
                x,
                multiplier: factors,
                shift,
                format,
            } => each(f.node(*x), |i, v| {
                let v = v * i128::from(multiplier(factors.as_deref(), i));
                kernel
                    .rounding
                    .shift(v, shift[i])
                    .clamp(i128::from(format.min()), i128::from(format.max()))
            }),
            KernelOp::Align { x, shift } => each(f.node(*x), |i, v| v << shift[i]),
            KernelOp::Move { x } => f.node(*x).to_vec(),
            _ => unimplemented!("TEMP-OP"),
        };
        f.nodes[id] = out;
    }
    f
}

/// The enclosure of a form in output mantissas: merged where the output is a dense layer's
/// accumulator.
pub fn form(kernel: &Kernel, forward: &Forward, form: Form) -> Wide {
    let out = forward.node(kernel.output);
    let plain = |i: usize| Wide {
        lo: i128::from(out[i].lo),
        hi: i128::from(out[i].hi),
    };
    let Some(minus) = form.minus else {
        return plain(form.plus);
    };
    let (a, b) = (plain(form.plus), plain(minus));
    let apart = Wide {
        lo: a.lo - b.hi,
        hi: a.hi - b.lo,
    };
    let mut at = kernel.output;
    let mut up = (0, 0);
    loop {
        match &kernel.nodes[at].op {
            KernelOp::Move { x } => at = *x,
            KernelOp::Align { x, shift } => {
                up = (up.0 + shift[form.plus], up.1 + shift[minus]);
                at = *x;
            }
            KernelOp::Dense {
                x,
                weight,
                bias,
                cols,
                ..
            } => {
                let row = |j: usize, s: i32| {
                    weight[j * cols..(j + 1) * cols]
                        .iter()
                        .map(move |w| i128::from(*w) << s)
                };
                let b = |j: usize, s: i32| bias.as_ref().map_or(0, |b| i128::from(b[j]) << s);
                let merged = row(form.plus, up.0)
                    .zip(row(minus, up.1))
                    .map(|(a, b)| a - b);
                return dot(
                    merged,
                    forward.node(*x),
                    b(form.plus, up.0) - b(minus, up.1),
                );
            }
            KernelOp::Input { .. }
            | KernelOp::AddConst { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Requantize { .. } => return apart,
            _ => unimplemented!("TEMP-OP"),
        }
    }
}
