//! `drop-identity`: values that are their operand.

use crate::forward::forward;
use crate::pass::{Keeps, Pass};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Module, Network, Op, ValueId};

/// Removes `identity`, and `flatten` and `reshape` to the same shape.
pub(crate) struct DropIdentity;

impl Pass for DropIdentity {
    fn name(&self) -> &'static str {
        "drop-identity"
    }

    fn description(&self) -> &'static str {
        "remove identity, and flatten and reshape that keep the shape; a format moves to the operand"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let net = &module.network;
        forward(module, |v| moves_nothing(net, v, &net.value(v).op))
    }
}

/// The operand of an operator that moves data and changes nothing.
fn moves_nothing(net: &Network, v: ValueId, op: &Op) -> Option<ValueId> {
    match op {
        Op::Identity { x } => Some(*x),
        Op::Flatten { x } | Op::Reshape { x } => {
            (net.value(*x).shape == net.value(v).shape).then_some(*x)
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Div { .. }
        | Op::Relu { .. }
        | Op::Conv { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::Mul { .. }
        | Op::Sum { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Transpose { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Snap { .. } => None,
    }
}
