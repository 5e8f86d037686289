//! Kernels over integers: evaluation, and the type ranges and widths that the checker promised.

use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{Kernel, KernelOp, NodeId, Rounding};

/// `round(m·2^-s)` from the definition; a shift to the left is exact.
fn shift(rounding: Rounding, m: i128, s: i32) -> i128 {
    if s <= 0 {
        return m << s.unsigned_abs();
    }
    let unit = 1i128 << s;
    let (floor, rest) = (m.div_euclid(unit), m.rem_euclid(unit));
    let carries = match rounding {
        Rounding::Floor => false,
        Rounding::HalfUp => 2 * rest >= unit,
        Rounding::HalfEven => 2 * rest > unit || (2 * rest == unit && floor.rem_euclid(2) == 1),
    };
    floor + i128::from(carries)
}

/// The output mantissas for input mantissas.
pub(crate) fn at(kernel: &Kernel, input: &[i64]) -> Vec<i128> {
    let mut values: SecondaryMap<NodeId, Vec<i128>> = SecondaryMap::new();
    for (id, node) in kernel.nodes.iter() {
        let of = |x: &NodeId| values[*x].clone();
        values[id] = match &node.op {
            KernelOp::Input { .. } => input.iter().map(|v| i128::from(*v)).collect(),
            KernelOp::Dense {
                x,
                weight,
                bias,
                cols,
                ..
            } => {
                let x = of(x);
                let row = |(j, w): (usize, &[i32])| {
                    let products = w.iter().zip(&x).map(|(w, x)| i128::from(*w) * x);
                    products.sum::<i128>() + bias.as_ref().map_or(0, |b| i128::from(b[j]))
                };
                weight.chunks_exact(*cols).enumerate().map(row).collect()
            }
            KernelOp::AddConst { x, c } => {
                let pairs = of(x).into_iter().zip(c.iter());
                pairs.map(|(v, c)| v + i128::from(*c)).collect()
            }
            KernelOp::Relu { x } => of(x).into_iter().map(|v| v.max(0)).collect(),
            KernelOp::Requantize {
                x,
                multiplier,
                shift: by,
                format,
            } => {
                let (lo, hi) = (i128::from(format.min()), i128::from(format.max()));
                let factor = |j: usize| multiplier.as_ref().map_or(1, |m| i128::from(m[j]));
                let products = of(x).into_iter().enumerate().map(|(j, v)| v * factor(j));
                let pairs = products.zip(by.iter());
                let round = |(v, s): (i128, &i32)| shift(kernel.rounding, v, *s);
                pairs.map(round).map(|v| v.clamp(lo, hi)).collect()
            }
            KernelOp::Align { x, shift } => {
                let pairs = of(x).into_iter().zip(shift.iter());
                pairs.map(|(v, s)| v << s).collect()
            }
            KernelOp::Move { x } => of(x),
            other => unreachable!("plain layers, no {other:?}"),
        };
    }
    values[kernel.output].clone()
}

/// The first of the greatest.
pub(crate) fn class(outputs: &[i128]) -> usize {
    (1..outputs.len()).fold(0, |b, i| if outputs[i] > outputs[b] { i } else { b })
}

/// Least and greatest value, and what a register meets on the way.
#[derive(Clone, Debug, Default)]
struct Reach {
    values: Vec<(i128, i128)>,
    register: i128,
}

/// The ranges of all nodes over every input of the input format hold, and registers are wide
/// enough for partial sums in any order, rounding addends and shifts to the left.
pub(crate) fn ranges_hold(kernel: &Kernel) -> Result<(), String> {
    let mut all: SecondaryMap<NodeId, Vec<(i128, i128)>> = SecondaryMap::new();
    for (id, node) in kernel.nodes.iter() {
        let reach = reach(kernel, &node.op, node.len, |x| &all[x]);
        if reach.values.len() != node.range.len() || node.len != node.range.len() {
            return Err(format!("{id:?}: as many ranges as elements"));
        }
        for (j, ((lo, hi), r)) in reach.values.iter().zip(node.range.iter()).enumerate() {
            if i128::from(r.lo) > *lo || *hi > i128::from(r.hi) {
                let (a, b) = (r.lo, r.hi);
                return Err(format!("{id:?}, {j}: {lo} to {hi} leaves {a} to {b}"));
            }
        }
        let ends = reach.values.iter().flat_map(|(l, h)| [l.abs(), h.abs()]);
        let most = ends.fold(reach.register, i128::max);
        // Magnitudes up to 2^(w - 1) - 1, and the least negative value by itself.
        let fits = most < 1i128 << (node.width - 1)
            || (reach.register < 1i128 << (node.width - 1)
                && reach.values.iter().all(|(l, h)| {
                    *l >= -(1i128 << (node.width - 1)) && *h < 1i128 << (node.width - 1)
                }));
        if !fits || node.width > 64 {
            return Err(format!("{id:?}: {most} does not fit {} bits", node.width));
        }
        all[id] = reach.values;
    }
    Ok(())
}

/// The range of `Σ w·x + b`, and the greatest magnitude of its partial sums in any order.
fn sum(w: &[i32], x: &[(i128, i128)], b: i128) -> ((i128, i128), i128) {
    let (mut lo, mut hi, mut all) = (b, b, b.abs());
    for (w, (l, h)) in w.iter().zip(x) {
        let (p, q) = (i128::from(*w) * l, i128::from(*w) * h);
        lo += p.min(q);
        hi += p.max(q);
        all += p.abs().max(q.abs());
    }
    ((lo, hi), all)
}

fn reach<'a>(
    kernel: &Kernel,
    op: &KernelOp,
    len: usize,
    of: impl Fn(NodeId) -> &'a Vec<(i128, i128)>,
) -> Reach {
    let mut register = 0i128;
    let values = match op {
        KernelOp::Input { format } => {
            vec![(i128::from(format.min()), i128::from(format.max())); len]
        }
        KernelOp::Dense {
            x,
            weight,
            bias,
            cols,
            ..
        } => {
            let x = of(*x);
            let mut row = |(j, w): (usize, &[i32])| {
                let b = bias.as_ref().map_or(0, |b| i128::from(b[j]));
                let (range, all) = sum(w, x, b);
                register = register.max(all);
                range
            };
            weight
                .chunks_exact(*cols)
                .enumerate()
                .map(&mut row)
                .collect()
        }
        KernelOp::AddConst { x, c } => {
            let pairs = of(*x).iter().zip(c.iter());
            pairs
                .map(|((l, h), c)| (l + i128::from(*c), h + i128::from(*c)))
                .collect()
        }
        KernelOp::Relu { x } => of(*x)
            .iter()
            .map(|(l, h)| ((*l).max(0), (*h).max(0)))
            .collect(),
        KernelOp::Requantize {
            x,
            multiplier,
            shift: by,
            format,
        } => {
            let factor = |j: usize| multiplier.as_ref().map_or(1, |m| i128::from(m[j]));
            let (least, most) = (i128::from(format.min()), i128::from(format.max()));
            let mut each = |(j, ((l, h), s)): (usize, (&(i128, i128), &i32))| {
                let (l, h) = (l * factor(j), h * factor(j));
                let size = l.abs().max(h.abs());
                let met = if *s > 0 {
                    size + (1 << (s - 1))
                } else {
                    size << s.unsigned_abs()
                };
                register = register.max(met);
                let end = |v: i128| shift(kernel.rounding, v, *s).clamp(least, most);
                (end(l), end(h))
            };
            let pairs = of(*x).iter().zip(by.iter());
            pairs.enumerate().map(&mut each).collect()
        }
        KernelOp::Align { x, shift } => {
            let pairs = of(*x).iter().zip(shift.iter());
            pairs.map(|((l, h), s)| (l << s, h << s)).collect()
        }
        KernelOp::Move { x } => of(*x).clone(),
        other => unreachable!("plain layers, no {other:?}"),
    };
    Reach { values, register }
}
