//! Every node of a real-valued program in plain floating point: for guidance, never for a verdict.

use crate::bounds::curve::Function;
use ceg4n_ir::{FILL, NodeId, RealOp, RealProgram, Window};

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
        } => {
            let (w, x) = (&conv.window, of(*x));
            let one = |j: usize| {
                let (m, o) = (j / w.windows(), j % w.windows());
                let terms = conv.terms(m, o / w.out[1], o % w.out[1]);
                let s: f64 = terms.map(|(k, t)| weight.near()[t] * x[k]).sum();
                s + bias.as_ref().map_or(0.0, |b| b.near()[m])
            };
            (0..conv.output_len()).map(one).collect()
        }
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
        RealOp::Abs { x } => each(x, &f64::abs),
        RealOp::Sign { x } => each(x, &|v| Function::Sign.value(v)),
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
