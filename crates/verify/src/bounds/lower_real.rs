//! Real-valued programs as chains.

use super::build::{Builder, concat, gather, pool, windows};
use super::curve::Function;
use super::graph::{Constant, Graph, Op, Step};
use super::linear::{Conv, Map};
use ceg4n_base::Exact;
use ceg4n_ir::{FILL, NodeId, RealNode, RealOp, RealProgram, Reals};
use std::sync::Arc;

impl Graph {
    /// A real-valued program; with `float32` as it is computed in single precision.
    pub fn real(program: &RealProgram, float32: bool) -> Self {
        let nodes: Vec<(NodeId, Vec<NodeId>)> = (program.nodes.iter())
            .map(|(id, n)| (id, n.op.operands()))
            .collect();
        let moves = |id: NodeId| matches!(program.nodes[id].op, RealOp::Move { .. });
        let mut b = Builder::new(&nodes, program.output, moves);
        for (id, _) in &nodes {
            if !b.is_needed(*id) || is_mean(&b, program, *id) {
                continue;
            }
            let terms = push(&mut b, program, *id);
            if terms > 0 && float32 {
                b.each(*id, Op::Float32 { terms });
            }
            b.done(*id, Vec::new());
        }
        b.finish()
    }
}

/// True for a sum over windows that is only divided: a mean, made as one.
fn is_mean(b: &Builder, program: &RealProgram, id: NodeId) -> bool {
    let divided = || {
        let mut nodes = program.nodes.values();
        nodes.any(|n| matches!(&n.op, RealOp::DivConst { x, c } if *x == id && even(c).is_some()))
    };
    matches!(program.nodes[id].op, RealOp::SumPool { .. }) && b.readers(id) == 1 && divided()
}

/// The one value of all elements.
fn even(c: &Reals) -> Option<f64> {
    let first = *c.near().first()?;
    (c.is_exact() && c.near().iter().all(|v| *v == first)).then_some(first)
}

/// How many units of `2^-52` constants may be off by.
fn slack(c: &Reals) -> usize {
    usize::from(!c.is_exact())
}

/// The inverse of each divisor, with the roundings inside.
fn inverses(c: &Reals) -> (Arc<[f64]>, usize) {
    // The inverse of a power of two is exact.
    let odd = |c: &f64| c.to_bits() << 12 != 0;
    let rounded = usize::from(c.near().iter().any(odd)) * 2;
    (
        c.near().iter().map(|c| 1.0 / c).collect(),
        rounded + slack(c) * 2,
    )
}

/// Biases of `rows` elements, each for so many.
fn biases(bias: Option<&Reals>, rows: usize, each: usize) -> Constant {
    let Some(b) = bias else {
        return Constant::exact(vec![0.0; rows * each]);
    };
    let near = b.near().iter();
    let value: Vec<f64> = near.flat_map(|v| std::iter::repeat_n(*v, each)).collect();
    // Within 2^-52 of the size, rounded up.
    let unit = if b.is_exact() { 0.0 } else { 2f64.powi(-51) };
    let error = value.iter().map(|v| v.abs() * unit).collect();
    Constant { value, error }
}

/// Adds a node; how many terms it sums, in a float32 evaluation, with rounding.
fn push(b: &mut Builder, program: &RealProgram, id: NodeId) -> usize {
    let node = &program.nodes[id];
    let zero = || Constant::exact(vec![0.0; node.len]);
    match &node.op {
        RealOp::Move { .. } => 0,
        RealOp::Input => {
            b.input(id, node.len);
            0
        }
        RealOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => {
            let map = Map::Dense {
                weight: weight.near().clone(),
                rows: *rows,
                cols: *cols,
            };
            b.map(id, *x, map, biases(bias.as_ref(), *rows, 1), slack(weight));
            cols + 1
        }
        RealOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => {
            let map = Map::Conv(Conv {
                weight: weight.near().clone(),
                shape: conv.clone(),
            });
            let bias = biases(bias.as_ref(), conv.filters, conv.window.windows());
            b.map(id, *x, map, bias, slack(weight));
            conv.filter_len() + 1
        }
        RealOp::SumPool { x, window } => {
            b.map(id, *x, Map::Conv(pool(window, 1.0)), zero(), 0);
            window.size()
        }
        RealOp::Sum { x, y } => {
            b.sum(id, *x, *y);
            1
        }
        RealOp::Concat { xs, outer } => {
            b.linear(id, xs, |p| concat(p, *outer), zero(), 0);
            0
        }
        RealOp::Gather { x, index, fill } => {
            let map = gather(index, program.nodes[*x].len);
            let fills = index.iter().map(|i| if *i == FILL { *fill } else { 0.0 });
            b.map(id, *x, map, Constant::exact(fills.collect()), 0);
            0
        }
        RealOp::AddConst { x, c } => {
            b.take(id, *x);
            b.each(id, Op::Shift(Arc::new(biases(Some(c), c.len(), 1))));
            1
        }
        RealOp::MulConst { x, c } => {
            b.take(id, *x);
            let (by, slack) = (c.near().clone(), slack(c));
            b.each(id, Op::Scale { by, slack });
            1
        }
        RealOp::DivConst { x, c } => divide(b, program, id, *x, c),
        RealOp::MaxPool { .. }
        | RealOp::Relu { .. }
        | RealOp::Clip { .. }
        | RealOp::LeakyRelu { .. }
        | RealOp::Unary { .. }
        | RealOp::Curve { .. }
        | RealOp::Snap { .. } => activation(b, id, node),
    }
}

/// A division; of a sum over windows that nothing else reads, both at once.
fn divide(b: &mut Builder, program: &RealProgram, id: NodeId, x: NodeId, c: &Reals) -> usize {
    if is_mean(b, program, x)
        && let RealOp::SumPool { x, window } = &program.nodes[x].op
    {
        let (by, slack) = inverses(c);
        let map = Map::Conv(pool(window, by.first().copied().unwrap_or(1.0)));
        b.map(id, *x, map, Constant::exact(vec![0.0; c.len()]), slack);
        // A division of the sum has one rounding more.
        return window.size() + 1;
    }
    b.take(id, x);
    let (by, slack) = inverses(c);
    b.each(id, Op::Scale { by, slack });
    1
}

/// Operators that are not linear.
fn activation(b: &mut Builder, id: NodeId, node: &RealNode) -> usize {
    if let Some(x) = node.op.operands().first() {
        b.take(id, *x);
    }
    match &node.op {
        RealOp::Relu { .. } => b.each(id, Op::Relu),
        RealOp::MaxPool { window, .. } => b.windows(id, windows(window)),
        RealOp::Clip { lo, hi, .. } => {
            let all = |v: f64| v.is_finite().then(|| Constant::exact(vec![v; node.len]));
            b.clip(id, all(*lo), all(*hi));
        }
        RealOp::LeakyRelu { shift, .. } => {
            let slope = 2f64.powi(-i32::from(*shift));
            b.bent(id, slope, 1.0 - slope);
            return 1;
        }
        RealOp::Unary { function, .. } => b.unary(id, *function),
        RealOp::Curve { curve, .. } => {
            b.each(id, Op::Curve(Arc::new(Function::Curve((*curve).into()))));
        }
        RealOp::Snap { scale, lo, hi, .. } => snap(b, id, node.len, (*scale, *lo, *hi)),
        RealOp::Input
        | RealOp::Dense { .. }
        | RealOp::Conv { .. }
        | RealOp::SumPool { .. }
        | RealOp::AddConst { .. }
        | RealOp::MulConst { .. }
        | RealOp::DivConst { .. }
        | RealOp::Sum { .. }
        | RealOp::Concat { .. }
        | RealOp::Gather { .. }
        | RealOp::Move { .. } => {}
    }
    0
}

/// `scale·clamp(half_even(x/scale), lo, hi)`.
fn snap(b: &mut Builder, id: NodeId, len: usize, (scale, lo, hi): (f64, i64, i64)) {
    b.each(id, Op::Round(vec![Step::nearest(scale); len].into()));
    // Integers of quantized types are floats; a product that is rounded moves the clamp by at most
    // a unit in its last place, and what is clamped by no more.
    let ends = [lo, hi].map(|m| m as f64 * scale);
    b.each(
        id,
        Op::Clamp {
            lo: ends[0],
            hi: ends[1],
        },
    );
    let lost = |m: i64, v: f64| {
        let exact = Exact::from_f64(scale).map(|s| &s * &Exact::from(m));
        exact != Exact::from_f64(v)
    };
    if lost(lo, ends[0]) || lost(hi, ends[1]) {
        let size = ends[0].abs().max(ends[1].abs());
        b.shift(
            id,
            Constant {
                value: vec![0.0; len],
                error: vec![size * 2f64.powi(-50); len],
            },
        );
    }
}
