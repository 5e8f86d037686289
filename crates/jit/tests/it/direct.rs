//! Each operator of a kernel by its definition, over `i128`: a second opinion on large programs
//! that is fast enough for many of them.

use crate::common::round;
use ceg4n_ir::kernel::{FILL, multiplier};
use ceg4n_ir::window::{Conv, Window};
use ceg4n_ir::{Interval, Kernel, KernelOp};

/// The outputs on input mantissas; every node is checked against its type range.
pub(crate) fn outputs(kernel: &Kernel, input: &[i64]) -> Vec<i64> {
    let mut values: Vec<Vec<i128>> = vec![];
    for (id, node) in kernel.nodes.iter() {
        let y = values_of(kernel, &node.op, &values, input);
        assert_eq!(y.len(), node.len);
        let inside = |(v, r): (&i128, &Interval)| i128::from(r.lo) <= *v && *v <= i128::from(r.hi);
        assert!(
            y.iter().zip(node.range.iter()).all(inside),
            "{id:?} leaves its range"
        );
        values.push(y);
    }
    let y = &values[kernel.output.as_u32() as usize];
    y.iter()
        .map(|v| i64::try_from(*v).expect("64 bits"))
        .collect()
}

fn values_of(kernel: &Kernel, op: &KernelOp, values: &[Vec<i128>], input: &[i64]) -> Vec<i128> {
    let at = |x: &ceg4n_ir::NodeId| &values[x.as_u32() as usize];
    let wide = |v: &i64| i128::from(*v);
    match op {
        KernelOp::Input { .. } => input.iter().map(wide).collect(),
        KernelOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => {
            let dot = |j: usize| {
                let row = &weight[j * cols..(j + 1) * cols];
                let bias = bias.as_ref().map_or(0, |b| wide(&b[j]));
                let terms = at(x).iter().zip(row).map(|(x, w)| x * i128::from(*w));
                bias + terms.sum::<i128>()
            };
            (0..*rows).map(dot).collect()
        }
        KernelOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => convolved(conv, at(x), weight, bias.as_deref()),
        KernelOp::MaxPool { x, window } => pooled(window, at(x), |taps| {
            taps.iter().copied().max().expect("a tap")
        }),
        KernelOp::SumPool { x, window } => pooled(window, at(x), |taps| taps.iter().sum()),
        KernelOp::AddConst { x, c } => at(x)
            .iter()
            .zip(c.iter())
            .map(|(x, c)| x + wide(c))
            .collect(),
        KernelOp::MulConst { x, c } => {
            let part = at(x).len() / c.len();
            let product = |(i, x): (usize, &i128)| x * i128::from(c[i / part]);
            at(x).iter().enumerate().map(product).collect()
        }
        KernelOp::Sum { x, y } => at(x).iter().zip(at(y)).map(|(x, y)| x + y).collect(),
        KernelOp::Concat { xs, outer } => {
            let mut y = vec![];
            for part in 0..*outer {
                for x in xs {
                    let size = at(x).len() / outer;
                    y.extend_from_slice(&at(x)[part * size..(part + 1) * size]);
                }
            }
            y
        }
        KernelOp::Gather { x, index, fill } => {
            let element = |i: &u32| match *i {
                FILL => wide(fill),
                i => at(x)[i as usize],
            };
            index.iter().map(element).collect()
        }
        KernelOp::Relu { x } => at(x).iter().map(|x| *x.max(&0)).collect(),
        KernelOp::Clip { x, lo, hi } => {
            let clip = |(i, x): (usize, &i128)| *x.max(&wide(&lo[i])).min(&wide(&hi[i]));
            at(x).iter().enumerate().map(clip).collect()
        }
        KernelOp::LeakyRelu { x, shift } => at(x).iter().map(|x| *x.max(&(x << shift))).collect(),
        KernelOp::Unary { x, function } => at(x).iter().map(|x| function.mantissa(*x)).collect(),
        KernelOp::Table {
            x, least, table, ..
        } => {
            let entry = |x: &i128| i128::from(table[(x - wide(least)) as usize]);
            at(x).iter().map(entry).collect()
        }
        KernelOp::Requantize {
            x,
            multiplier: factors,
            shift,
            format,
        } => {
            let requantize = |(j, x): (usize, &i128)| {
                let m = x * i128::from(multiplier(factors.as_deref(), j));
                round(kernel.rounding, m, shift[j]).clamp(format.min().into(), format.max().into())
            };
            at(x).iter().enumerate().map(requantize).collect()
        }
        KernelOp::Align { x, shift } => at(x)
            .iter()
            .zip(shift.iter())
            .map(|(x, s)| x << s)
            .collect(),
        KernelOp::Move { x } => at(x).clone(),
    }
}

fn convolved(conv: &Conv, x: &[i128], weight: &[i32], bias: Option<&[i64]>) -> Vec<i128> {
    let mut y = vec![];
    for m in 0..conv.filters {
        for (oy, ox) in positions(&conv.window) {
            let bias = bias.map_or(0, |b| i128::from(b[m]));
            let terms = conv.terms(m, oy, ox);
            let terms = terms.map(|(i, w)| x[i] * i128::from(weight[w]));
            y.push(bias + terms.sum::<i128>());
        }
    }
    y
}

fn positions(w: &Window) -> impl Iterator<Item = (usize, usize)> {
    let [height, width] = w.out;
    (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)))
}

fn pooled(window: &Window, x: &[i128], join: impl Fn(&[i128]) -> i128) -> Vec<i128> {
    let mut y = vec![];
    for plane in x.chunks(window.plane()) {
        for (row, column) in positions(window) {
            let taps = window.taps(row, column).map(|t| plane[t.position]);
            y.push(join(&taps.collect::<Vec<_>>()));
        }
    }
    y
}

fn name(op: &KernelOp) -> &'static str {
    match op {
        KernelOp::Input { .. } => "input",
        KernelOp::Dense { .. } => "dense",
        KernelOp::AddConst { .. } => "add_const",
        KernelOp::Conv { conv, .. } => match (conv.groups, conv.depth()) {
            (1, _) => "conv",
            (_, 1) => "depthwise",
            _ => "grouped",
        },
        KernelOp::MaxPool { .. } => "max_pool",
        KernelOp::SumPool { .. } => "sum_pool",
        KernelOp::MulConst { .. } => "mul_const",
        KernelOp::Sum { .. } => "sum",
        KernelOp::Concat { .. } => "concat",
        KernelOp::Gather { .. } => "gather",
        KernelOp::Relu { .. } => "relu",
        KernelOp::Clip { .. } => "clip",
        KernelOp::LeakyRelu { .. } => "leaky_relu",
        KernelOp::Unary { function, .. } => function.name(),
        KernelOp::Table { .. } => "table",
        KernelOp::Requantize { .. } => "requantize",
        KernelOp::Align { .. } => "align",
        KernelOp::Move { .. } => "move",
    }
}

/// Operators that the output depends on.
pub(crate) fn live(kernel: &Kernel) -> Vec<&'static str> {
    let mut needed = vec![false; kernel.nodes.len()];
    needed[kernel.output.as_u32() as usize] = true;
    let mut names = vec![];
    for (id, node) in kernel.nodes.iter().rev() {
        if needed[id.as_u32() as usize] {
            names.push(name(&node.op));
            for x in node.op.operands() {
                needed[x.as_u32() as usize] = true;
            }
        }
    }
    names
}
