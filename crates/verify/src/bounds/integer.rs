//! Interval bounds of a kernel over a box of input integers: exact integer arithmetic, merged
//! margins at the last affine layer.
//!
//! Boxes lie inside the input format, so that every result lies inside the type range, for which
//! the checker proved that 64 bits suffice; sums are still taken in 128 bits.

use super::Form;
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::kernel::multiplier;
use ceg4n_ir::{Conv, FILL, Interval, Kernel, KernelOp, NodeId, Window};
use std::sync::Arc;

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
fn dot(terms: impl Iterator<Item = (i128, Interval)>, bias: i128) -> Wide {
    let (mut lo, mut hi) = (bias, bias);
    for (w, x) in terms {
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

/// A rising function of each element.
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

fn bias_of(bias: Option<&Arc<[i64]>>, j: usize) -> i128 {
    bias.map_or(0, |b| i128::from(b[j]))
}

fn convolution(
    conv: &Conv,
    x: &[Interval],
    weight: &[i32],
    bias: Option<&Arc<[i64]>>,
) -> Vec<Interval> {
    let w = &conv.window;
    let one = |j: usize| {
        let (m, o) = (j / w.windows(), j % w.windows());
        let terms = conv.terms(m, o / w.out[1], o % w.out[1]);
        let terms = terms.map(|(k, t)| (i128::from(weight[t]), x[k]));
        narrow(dot(terms, bias_of(bias, m)))
    };
    (0..conv.output_len()).map(one).collect()
}

/// Each window's intervals, joined; every window has a tap.
fn pooled(
    w: &Window,
    x: &[Interval],
    join: impl Fn(Interval, Interval) -> Interval,
) -> Vec<Interval> {
    let mut out = Vec::with_capacity(w.channels * w.windows());
    for plane in x.chunks(w.plane().max(1)) {
        for o in 0..w.windows() {
            let taps = w.taps(o / w.out[1], o % w.out[1]);
            let all = taps.map(|t| plane[t.position]).reduce(&join);
            out.push(all.unwrap_or(Interval { lo: 0, hi: 0 }));
        }
    }
    out
}

/// Intervals of all nodes over the box `input`, which lies inside the input format.
pub fn forward(kernel: &Kernel, input: &[Interval]) -> Forward {
    let mut f = Forward::default();
    for (id, node) in kernel.nodes.iter() {
        let out = step(kernel, &node.op, input, |x| f.node(x));
        f.nodes[id] = out;
    }
    f
}

/// The image of one node.
fn step<'a>(
    kernel: &Kernel,
    op: &KernelOp,
    input: &[Interval],
    of: impl Fn(NodeId) -> &'a [Interval],
) -> Vec<Interval> {
    match op {
        KernelOp::Input { .. } => input.to_vec(),
        KernelOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => (0..*rows)
            .map(|j| {
                let row = weight[j * cols..(j + 1) * cols].iter();
                let terms = row.map(|w| i128::from(*w)).zip(of(*x).iter().copied());
                narrow(dot(terms, bias_of(bias.as_ref(), j)))
            })
            .collect(),
        KernelOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => convolution(conv, of(*x), weight, bias.as_ref()),
        KernelOp::MaxPool { x, window } => pooled(window, of(*x), |a, b| Interval {
            lo: a.lo.max(b.lo),
            hi: a.hi.max(b.hi),
        }),
        KernelOp::SumPool { x, window } => pooled(window, of(*x), |a, b| Interval {
            lo: a.lo.saturating_add(b.lo),
            hi: a.hi.saturating_add(b.hi),
        }),
        KernelOp::AddConst { x, c } => each(of(*x), |i, v| v + i128::from(c[i])),
        KernelOp::MulConst { x, c } => {
            let x = of(*x);
            let per = (x.len() / c.len().max(1)).max(1);
            let one = |(i, x): (usize, &Interval)| {
                let factor = i128::from(c[i / per]);
                narrow(dot([(factor, *x)].into_iter(), 0))
            };
            x.iter().enumerate().map(one).collect()
        }
        KernelOp::Sum { x, y } => {
            let add = |(a, b): (&Interval, &Interval)| Interval {
                lo: a.lo.saturating_add(b.lo),
                hi: a.hi.saturating_add(b.hi),
            };
            of(*x).iter().zip(of(*y)).map(add).collect()
        }
        KernelOp::Concat { xs, outer } => {
            let part = |o: usize, x: NodeId| {
                let size = of(x).len() / (*outer).max(1);
                of(x)[o * size..(o + 1) * size].to_vec()
            };
            let parts = (0..*outer).flat_map(|o| xs.iter().map(move |x| (o, *x)));
            parts.flat_map(|(o, x)| part(o, x)).collect()
        }
        KernelOp::Gather { x, index, fill } => {
            let at = |i: &u32| match *i {
                FILL => Interval::new(*fill, *fill),
                i => of(*x)[i as usize],
            };
            index.iter().map(at).collect()
        }
        KernelOp::Relu { x } => each(of(*x), |_, v| v.max(0)),
        KernelOp::Clip { x, lo, hi } => each(of(*x), |i, v| v.max(lo[i].into()).min(hi[i].into())),
        KernelOp::LeakyRelu { x, shift } => each(of(*x), |_, v| v.max(v << shift)),
        KernelOp::Unary { x, function } => {
            let near = |v: i128| v.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            let one = |r: &Interval| {
                let (lo, hi) = function.image(*r);
                Interval::new(near(lo), near(hi))
            };
            of(*x).iter().map(one).collect()
        }
        KernelOp::Table {
            x, least, table, ..
        } => looked_up(of(*x), *least, table),
        KernelOp::Requantize {
            x,
            multiplier: factors,
            shift,
            format,
        } => each(of(*x), |i, v| {
            let v = v * i128::from(multiplier(factors.as_deref(), i));
            kernel
                .rounding
                .shift(v, shift[i])
                .clamp(i128::from(format.min()), i128::from(format.max()))
        }),
        KernelOp::Align { x, shift } => each(of(*x), |i, v| v << shift[i]),
        KernelOp::Move { x } => of(*x).to_vec(),
    }
}

/// The entries of a table between those of an interval's ends.
fn looked_up(x: &[Interval], least: i64, table: &[i32]) -> Vec<Interval> {
    let last = table.len().saturating_sub(1);
    let at = |m: i64| usize::try_from(m - least).unwrap_or(0).min(last);
    let one = |r: &Interval| {
        let start = Interval {
            lo: i64::MAX,
            hi: i64::MIN,
        };
        let entries = table[at(r.lo)..=at(r.hi)].iter().map(|e| i64::from(*e));
        entries.fold(start, |r, e| Interval {
            lo: r.lo.min(e),
            hi: r.hi.max(e),
        })
    };
    x.iter().map(one).collect()
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
                let b = |j: usize, s: i32| bias_of(bias.as_ref(), j) << s;
                let merged = row(form.plus, up.0)
                    .zip(row(minus, up.1))
                    .map(|(a, b)| a - b);
                return dot(
                    merged.zip(forward.node(*x).iter().copied()),
                    b(form.plus, up.0) - b(minus, up.1),
                );
            }
            KernelOp::Input { .. }
            | KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::AddConst { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Requantize { .. } => return apart,
        }
    }
}
