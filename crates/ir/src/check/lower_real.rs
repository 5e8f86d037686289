//! Lowering to the real-valued program.

use super::constants::constant_mantissas;
use crate::NodeId;
use crate::annotate::Program;
use crate::network::{Op, ValueId};
use crate::real::{RealNode, RealOp, RealProgram};
use ceg4n_base::entity::{PrimaryMap, SecondaryMap, packed_option::ReservedValue};
use std::sync::Arc;

/// Lowers a program whose activations have no formats. Cannot fail: the network is well-formed.
pub(super) fn lower(program: &Program) -> RealProgram {
    let net = &program.network;
    let mut nodes: PrimaryMap<NodeId, RealNode> = PrimaryMap::new();
    let mut node_of: SecondaryMap<ValueId, NodeId> =
        SecondaryMap::with_default(NodeId::reserved_value());
    for (v, value) in net.values().iter() {
        let len = value.shape.len();
        let spread = |c: ValueId, f: fn(f64) -> f64| -> Arc<[f64]> {
            let data = constant(program, c);
            (0..len)
                .map(|i| f(data[if data.len() == 1 { 0 } else { i }]))
                .collect()
        };
        let op = match &value.op {
            Op::Const(_) => continue,
            Op::Input => RealOp::Input,
            Op::Dense { x, weight, bias } => RealOp::Dense {
                x: node_of[*x],
                weight: constant(program, *weight),
                bias: bias.map(|b| constant(program, b)),
                rows: len,
                cols: net.value(*x).shape.len(),
            },
            Op::Add { x, c } => RealOp::AddConst {
                x: node_of[*x],
                c: spread(*c, |v| v),
            },
            Op::Sub { x, c } => RealOp::AddConst {
                x: node_of[*x],
                c: spread(*c, |v| -v),
            },
            Op::Div { x, c } => RealOp::DivConst {
                x: node_of[*x],
                c: spread(*c, |v| v),
            },
            Op::Relu { x } => RealOp::Relu { x: node_of[*x] },
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => {
                RealOp::Move { x: node_of[*x] }
            }
        };
        node_of[v] = nodes.push(RealNode { value: v, op, len });
    }
    RealProgram {
        nodes,
        input: node_of[net.input()],
        output: node_of[net.output()],
    }
}

/// The exact values of a constant: float32, or `m·M·2^-F` where it has a format.
fn constant(program: &Program, v: ValueId) -> Arc<[f64]> {
    if let Some((mantissas, formats)) = constant_mantissas(program, v) {
        let per_row = (mantissas.len() / formats.len().max(1)).max(1);
        return mantissas
            .iter()
            .enumerate()
            .map(|(i, m)| {
                let format = formats[(i / per_row).min(formats.len() - 1)];
                // At most 47 bits: exact.
                f64::from(*m) * f64::from(format.multiplier()) * 2f64.powi(-format.frac())
            })
            .collect();
    }
    match program.network.constant(v) {
        Some(c) => c.data.iter().map(|w| f64::from(*w)).collect(),
        None => Arc::from([]),
    }
}
