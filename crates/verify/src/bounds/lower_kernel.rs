//! Kernels as chains, in real units.

use super::build::{Builder, concat, gather, pool, windows};
use super::curve::{Function, Table};
use super::graph::{Constant, From, Graph, Op, Step, clamp, unit};
use super::linear::{Conv, Map};
use crate::float::Bound;
use ceg4n_ir::{FILL, Kernel, KernelNode, KernelOp, NodeId, Rounding, Window};
use std::sync::Arc;

impl Graph {
    /// A kernel.
    pub fn kernel(kernel: &Kernel, from: From) -> Self {
        let nodes: Vec<(NodeId, Vec<NodeId>)> = (kernel.nodes.iter())
            .map(|(id, n)| (id, n.op.operands()))
            .collect();
        let mut b = Builder::new(&nodes, kernel.output, |id| renames(kernel, id));
        for (id, _) in &nodes {
            if !b.is_needed(*id) {
                continue;
            }
            push(&mut b, kernel, *id, from);
            let frac = &kernel.nodes[*id].frac;
            b.done(*id, frac.iter().map(|f| unit(*f)).collect());
        }
        b.finish()
    }
}

/// True if a node has the real values of its operand.
fn renames(kernel: &Kernel, id: NodeId) -> bool {
    let node = &kernel.nodes[id];
    match &node.op {
        // An exact change of scale.
        KernelOp::Align { .. } => true,
        // The same mantissas may stand at another scale.
        KernelOp::Move { x } => kernel.nodes[*x].frac == node.frac,
        KernelOp::Input { .. }
        | KernelOp::Dense { .. }
        | KernelOp::AddConst { .. }
        | KernelOp::Conv { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::MulConst { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Relu { .. }
        | KernelOp::Clip { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Requantize { .. } => false,
    }
}

/// The real value of mantissa `m` of element `j`, and what its conversion lost.
fn fixed(m: i64, node: &KernelNode, j: usize) -> (f64, f64) {
    // At most 79 bits; what is lost has at most 26 and is exact.
    let whole = i128::from(m) * i128::from(node.multiplier(j));
    let near = whole as f64;
    let lost = (whole - near as i128) as f64;
    let u = unit(node.frac[j]);
    (near * u, lost.abs() * u)
}

fn constants(mantissas: impl Iterator<Item = i64>, node: &KernelNode) -> Constant {
    let (value, error) = mantissas
        .enumerate()
        .map(|(j, m)| fixed(m, node, j))
        .unzip();
    Constant { value, error }
}

/// The biases of `each` elements a row.
fn biases(bias: Option<&Arc<[i64]>>, node: &KernelNode, each: usize) -> Constant {
    match bias {
        Some(b) => constants((0..node.len).map(|j| b[j / each.max(1)]), node),
        None => Constant::exact(vec![0.0; node.len]),
    }
}

/// What the mantissa 1 of an operand of scale `frac` becomes in element `j` of a node: at most 15
/// bits, exact.
fn factor(node: &KernelNode, j: usize, frac: i32) -> f64 {
    f64::from(node.multiplier(j)) * unit(node.frac[j] - frac)
}

fn push(b: &mut Builder, kernel: &Kernel, id: NodeId, from: From) {
    let node = &kernel.nodes[id];
    let zero = || Constant::exact(vec![0.0; node.len]);
    match &node.op {
        KernelOp::Input { format } => {
            b.input(id, node.len);
            if from == From::Reals {
                let half = unit(format.frac()) / 2.0;
                let step = Step {
                    unit: unit(format.frac()),
                    error: Bound::new(-half, half),
                    rounding: Rounding::HalfUp,
                };
                b.each(id, Op::Round(vec![step; node.len].into()));
                b.each(id, clamp(*format));
            }
        }
        KernelOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => {
            let operand = &kernel.nodes[*x].frac;
            // At most 47 bits: exact.
            let real = |i: usize| f64::from(weight[i]) * factor(node, i / cols, operand[i % cols]);
            let map = Map::Dense {
                weight: (0..rows * cols).map(real).collect(),
                rows: *rows,
                cols: *cols,
            };
            b.map(id, *x, map, biases(bias.as_ref(), node, 1), 0);
        }
        KernelOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => {
            let map = convolution(node, &kernel.nodes[*x], weight, conv);
            let each = conv.window.windows();
            b.map(id, *x, map, biases(bias.as_ref(), node, each), 0);
        }
        KernelOp::SumPool { x, window } => mean(b, kernel, id, *x, window),
        KernelOp::Sum { x, y } => b.sum(id, *x, *y),
        KernelOp::Concat { xs, outer } => b.linear(id, xs, |p| concat(p, *outer), zero(), 0),
        KernelOp::Gather { x, index, fill } => {
            let map = gather(index, kernel.nodes[*x].len);
            let fills = index.iter().map(|i| if *i == FILL { *fill } else { 0 });
            b.map(id, *x, map, constants(fills, node), 0);
        }
        KernelOp::AddConst { x, c } => {
            b.take(id, *x);
            b.each(id, Op::Shift(Arc::new(constants(c.iter().copied(), node))));
        }
        KernelOp::MulConst { x, c } => {
            b.take(id, *x);
            let operand = &kernel.nodes[*x];
            let each = node.len / c.len().max(1);
            let by = |j: usize| {
                // At most 62 bits over the operand's own multiplier: two roundings.
                f64::from(c[j / each.max(1)]) * factor(node, j, operand.frac[j])
                    / f64::from(operand.multiplier(j))
            };
            let plain = operand.multiplier.is_none();
            let slack = if plain { 0 } else { 2 };
            let by = (0..node.len).map(by).collect();
            b.each(id, Op::Scale { by, slack });
        }
        KernelOp::Align { .. } => {}
        KernelOp::Move { x } => {
            if !renames(kernel, id) {
                b.take(id, *x);
                let before = &kernel.nodes[*x].frac;
                let pairs = before.iter().zip(node.frac.iter());
                let by: Arc<[f64]> = pairs.map(|(b, f)| unit(f - b)).collect();
                b.each(id, Op::Scale { by, slack: 0 });
            }
        }
        KernelOp::MaxPool { x, .. }
        | KernelOp::Relu { x }
        | KernelOp::Clip { x, .. }
        | KernelOp::LeakyRelu { x, .. }
        | KernelOp::Unary { x, .. }
        | KernelOp::Table { x, .. }
        | KernelOp::Requantize { x, .. } => {
            b.take(id, *x);
            activation(b, kernel, id, *x);
        }
    }
}

/// Operators that are not linear, on the values of their operand `x`, which stand for `id` already.
fn activation(b: &mut Builder, kernel: &Kernel, id: NodeId, x: NodeId) {
    let (node, operand) = (&kernel.nodes[id], &kernel.nodes[x]);
    match &node.op {
        KernelOp::Relu { .. } => b.each(id, Op::Relu),
        KernelOp::MaxPool { window, .. } => b.windows(id, windows(window)),
        KernelOp::Clip { lo, hi, .. } => {
            let end = |ends: &[i64], none: i64| {
                let some = ends.iter().all(|m| *m != none);
                some.then(|| constants(ends.iter().copied(), node))
            };
            b.clip(id, end(lo, i64::MIN), end(hi, i64::MAX));
        }
        KernelOp::LeakyRelu { shift, .. } => {
            let slope = 2f64.powi(-i32::from(*shift));
            b.bent(id, slope, 1.0 - slope);
        }
        KernelOp::Unary { function, .. } => b.unary(id, *function),
        KernelOp::Table {
            least,
            table,
            format,
            curve,
            ..
        } => {
            let u = unit(format.frac());
            let entries = table.iter().map(|m| f64::from(*m) * u).collect();
            let step = unit(operand.frac.first().copied().unwrap_or(0));
            let table = Table::new(entries, *least as f64, step, (*curve).into());
            b.each(id, Op::Curve(Arc::new(Function::Table(table))));
        }
        KernelOp::Requantize { format, .. } => {
            let step = |f: &i32| Step::fixed(kernel.rounding, *f, format.frac());
            let steps: Arc<[Step]> = operand.frac.iter().map(step).collect();
            if steps.iter().any(|s| !s.is_exact()) {
                b.each(id, Op::Round(steps));
            }
            b.each(id, clamp(*format));
        }
        KernelOp::Input { .. }
        | KernelOp::Dense { .. }
        | KernelOp::AddConst { .. }
        | KernelOp::Conv { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::MulConst { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Align { .. }
        | KernelOp::Move { .. } => {}
    }
}

/// The weights of a convolution in real units: one scale per filter and per channel seen.
fn convolution(
    node: &KernelNode,
    operand: &KernelNode,
    weight: &[i32],
    conv: &Arc<ceg4n_ir::Conv>,
) -> Map {
    let (windows, plane) = (conv.window.windows().max(1), conv.window.plane().max(1));
    let (own, size) = (conv.filter_len().max(1), conv.window.size().max(1));
    let real = |i: usize| {
        let (m, c) = (i / own, i % own / size);
        let channel = conv.first_channel(m) + c;
        f64::from(weight[i]) * factor(node, m * windows, operand.frac[channel * plane])
    };
    Map::Conv(Conv {
        weight: (0..weight.len()).map(real).collect(),
        shape: conv.clone(),
    })
}

/// Sums over windows at their scales: as one convolution where all are the same.
fn mean(b: &mut Builder, kernel: &Kernel, id: NodeId, x: NodeId, window: &Window) {
    let (node, operand) = (&kernel.nodes[id], &kernel.nodes[x]);
    let windows = window.windows().max(1);
    let by = |j: usize| {
        let at = j / windows * window.plane();
        // The operand's own multiplier is in its value already; the quotient is rounded once.
        factor(node, j, operand.frac[at]) / f64::from(operand.multiplier(at))
    };
    let by: Arc<[f64]> = (0..node.len).map(by).collect();
    let slack = if operand.multiplier.is_none() { 0 } else { 2 };
    let zero = Constant::exact(vec![0.0; node.len]);
    let first = by.first().copied().unwrap_or(1.0);
    if by.iter().all(|f| *f == first) {
        b.map(id, x, Map::Conv(pool(window, first)), zero, slack);
    } else {
        b.map(id, x, Map::Conv(pool(window, 1.0)), zero, 0);
        b.each(id, Op::Scale { by, slack });
    }
}
