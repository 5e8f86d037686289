//! A plain `f64` evaluation of networks for tests that compare with a tolerance or with small
//! integers. Also a module of `tests/benchmarks.rs`.

use ceg4n_ir::{Network, NodeId, Program, RealOp, check};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The outputs of a network as a real function.
pub(crate) fn evaluate(network: &Arc<Network>, input: &[f64]) -> Vec<f64> {
    let checked = check(Program::reference(network.clone())).unwrap();
    let program = checked.real().unwrap();
    let mut values: BTreeMap<NodeId, Vec<f64>> = BTreeMap::new();
    for (id, node) in program.nodes.iter() {
        let y: Vec<f64> = match &node.op {
            RealOp::Input => input.to_vec(),
            RealOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => (0..*rows)
                .map(|j| {
                    let row = &weight[j * cols..(j + 1) * cols];
                    let sum: f64 = row.iter().zip(&values[x]).map(|(w, x)| w * x).sum();
                    sum + bias.as_ref().map_or(0.0, |b| b[j])
                })
                .collect(),
            RealOp::AddConst { x, c } => {
                let pairs = values[x].iter().zip(c.iter());
                pairs.map(|(x, c)| x + c).collect()
            }
            RealOp::DivConst { x, c } => {
                let pairs = values[x].iter().zip(c.iter());
                pairs.map(|(x, c)| x / c).collect()
            }
            RealOp::Relu { x } => values[x].iter().map(|x| x.max(0.0)).collect(),
            RealOp::Move { x } => values[x].clone(),
        };
        assert_eq!(y.len(), node.len);
        values.insert(id, y);
    }
    values.remove(&program.output).unwrap()
}
