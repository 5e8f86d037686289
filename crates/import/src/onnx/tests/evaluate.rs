//! A plain `f64` evaluation of networks for tests that compare with a tolerance or with small
//! integers. Also a module of `tests/benchmarks.rs`.

use ceg4n_ir::{Curve, Network, NodeId, Program, RealOp, Reals, Window, check};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The outputs of a network as a real function.
pub(crate) fn evaluate(network: &Arc<Network>, input: &[f64]) -> Vec<f64> {
    let checked = check(Program::reference(network.clone())).unwrap();
    let program = checked.real().unwrap();
    let mut values: BTreeMap<NodeId, Vec<f64>> = BTreeMap::new();
    for (id, node) in program.nodes.iter() {
        let y = result(&node.op, &values, input);
        assert_eq!(y.len(), node.len);
        values.insert(id, y);
    }
    values.remove(&program.output).unwrap()
}

fn result(op: &RealOp, values: &BTreeMap<NodeId, Vec<f64>>, input: &[f64]) -> Vec<f64> {
    let each = |x: &NodeId, f: &dyn Fn(f64) -> f64| -> Vec<f64> {
        values[x].iter().map(|v| f(*v)).collect()
    };
    let with = |x: &NodeId, c: &Reals, f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        let run = values[x].len() / c.len();
        let pairs = values[x].iter().enumerate();
        pairs.map(|(i, v)| f(*v, c.near()[i / run])).collect()
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
                let row = &weight.near()[j * cols..(j + 1) * cols];
                let sum: f64 = row.iter().zip(&values[x]).map(|(w, x)| w * x).sum();
                sum + bias.as_ref().map_or(0.0, |b| b.near()[j])
            })
            .collect(),
        RealOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => {
            let (out, mut y) = (conv.window.out, vec![]);
            for m in 0..conv.filters {
                for at in 0..out[0] * out[1] {
                    let terms = conv.terms(m, at / out[1], at % out[1]);
                    let sum: f64 = terms.map(|(i, w)| values[x][i] * weight.near()[w]).sum();
                    y.push(sum + bias.as_ref().map_or(0.0, |b| b.near()[m]));
                }
            }
            y
        }
        RealOp::MaxPool { x, window } => pool(&values[x], window, &|v| {
            v.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v))
        }),
        RealOp::SumPool { x, window } => pool(&values[x], window, &|v| v.iter().sum()),
        RealOp::AddConst { x, c } => with(x, c, &|x, c| x + c),
        RealOp::MulConst { x, c } => with(x, c, &|x, c| x * c),
        RealOp::DivConst { x, c } => with(x, c, &|x, c| x / c),
        RealOp::Sum { x, y } => {
            let pairs = values[x].iter().zip(&values[y]);
            pairs.map(|(x, y)| x + y).collect()
        }
        RealOp::Concat { xs, outer } => {
            let part = |o: usize, x: &NodeId| {
                let n = values[x].len() / outer;
                values[x][o * n..(o + 1) * n].to_vec()
            };
            (0..*outer)
                .flat_map(|o| xs.iter().flat_map(move |x| part(o, x)))
                .collect()
        }
        RealOp::Gather { x, index, fill } => {
            let at = |i: &u32| values[x].get(*i as usize).copied().unwrap_or(*fill);
            index.iter().map(at).collect()
        }
        RealOp::Relu { x } => each(x, &|v| v.max(0.0)),
        RealOp::Clip { x, lo, hi } => each(x, &|v| v.clamp(*lo, *hi)),
        RealOp::LeakyRelu { x, shift } => each(x, &|v| v.max(v * 2f64.powi(-i32::from(*shift)))),
        RealOp::Unary { x, function } => each(x, &|v| function.real(v)),
        RealOp::Curve { x, curve } => each(x, &|v| match curve {
            Curve::Sigmoid => 1.0 / (1.0 + (-v).exp()),
            Curve::Tanh => v.tanh(),
        }),
        RealOp::Snap { x, scale, lo, hi } => each(x, &|v| {
            let steps = (v / scale).round_ties_even();
            scale * steps.clamp(*lo as f64, *hi as f64)
        }),
        RealOp::Move { x } => values[x].clone(),
    }
}

fn pool(x: &[f64], window: &Window, f: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut y = vec![];
    for plane in x.chunks(window.plane()) {
        for at in 0..window.windows() {
            let taps = window.taps(at / window.out[1], at % window.out[1]);
            let seen: Vec<f64> = taps.map(|t| plane[t.position]).collect();
            y.push(f(&seen));
        }
    }
    y
}
