//! Lowering to the real-valued program.

use super::constants::constant_mantissas;
use super::layout;
use crate::NodeId;
use crate::annotate::Program;
use crate::network::{Op, Value, ValueId};
use crate::real::{RealNode, RealOp, RealProgram, Reals};
use ceg4n_base::entity::{PrimaryMap, SecondaryMap, packed_option::ReservedValue};
use std::sync::Arc;

/// Lowers a program whose activations have no formats. Cannot fail: the network is well-formed.
pub(super) fn lower(program: &Program) -> RealProgram {
    let net = &program.network;
    let mut this = Lowering {
        program,
        nodes: PrimaryMap::new(),
        node_of: SecondaryMap::with_default(NodeId::reserved_value()),
    };
    for (v, value) in net.values().iter() {
        if let Some(op) = this.operator(v, value) {
            this.node_of[v] = this.push(v, op, value.shape.len());
        }
    }
    RealProgram {
        input: this.node_of[net.input()],
        output: this.node_of[net.output()],
        nodes: this.nodes,
    }
}

struct Lowering<'a> {
    program: &'a Program,
    nodes: PrimaryMap<NodeId, RealNode>,
    node_of: SecondaryMap<ValueId, NodeId>,
}

impl Lowering<'_> {
    fn push(&mut self, value: ValueId, op: RealOp, len: usize) -> NodeId {
        self.nodes.push(RealNode { value, op, len })
    }

    /// The operator of a value; `None` for a constant. An average pool's sum is pushed before.
    fn operator(&mut self, v: ValueId, value: &Value) -> Option<RealOp> {
        let (program, net) = (self.program, &self.program.network);
        let (len, node) = (value.shape.len(), |x: &ValueId| self.node_of[*x]);
        let reals = |c: &ValueId| constant(program, *c);
        Some(match &value.op {
            Op::Const(_) => return None,
            Op::Input => RealOp::Input,
            Op::Dense { x, weight, bias } => RealOp::Dense {
                x: node(x),
                weight: reals(weight),
                bias: bias.as_ref().map(reals),
                rows: len,
                cols: net.value(*x).shape.len(),
            },
            Op::Conv {
                x, weight, bias, ..
            } => RealOp::Conv {
                x: node(x),
                weight: reals(weight),
                bias: bias.as_ref().map(reals),
                conv: Arc::new(net.conv(v)?),
            },
            Op::MaxPool { x, .. } => RealOp::MaxPool {
                x: node(x),
                window: Arc::new(net.pool(v)?),
            },
            Op::AveragePool { x, count_pad, .. } => {
                let window = Arc::new(net.pool(v)?);
                let counts = layout::counts(&window, *count_pad);
                let x = node(x);
                let sum = self.push(v, RealOp::SumPool { x, window }, len);
                let all = counts.iter().map(|n| *n as f64).cycle().take(len);
                RealOp::DivConst {
                    x: sum,
                    c: Reals::exact(all.collect::<Vec<_>>()),
                }
            }
            Op::Add { .. }
            | Op::Sub { .. }
            | Op::Mul { .. }
            | Op::Div { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
            | Op::Pad { .. }
            | Op::Transpose { .. }
            | Op::Relu { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Unary { .. }
            | Op::Curve { .. }
            | Op::Snap { .. }
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Identity { .. } => return self.elementwise(v, value),
        })
    }

    /// An operator on elements, or one that moves them; `None` for another.
    fn elementwise(&self, v: ValueId, value: &Value) -> Option<RealOp> {
        let (program, net) = (self.program, &self.program.network);
        let node = |x: &ValueId| self.node_of[*x];
        Some(match &value.op {
            Op::Input
            | Op::Const(_)
            | Op::Dense { .. }
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. } => return None,
            Op::Add { x, c } => RealOp::AddConst {
                x: node(x),
                c: spread(program, v, *c, 1.0),
            },
            Op::Sub { x, c } => RealOp::AddConst {
                x: node(x),
                c: spread(program, v, *c, -1.0),
            },
            Op::Mul { x, c } => RealOp::MulConst {
                x: node(x),
                c: spread(program, v, *c, 1.0),
            },
            Op::Div { x, c } => RealOp::DivConst {
                x: node(x),
                c: spread(program, v, *c, 1.0),
            },
            Op::Sum { x, y } => RealOp::Sum {
                x: node(x),
                y: node(y),
            },
            Op::Concat { xs, axis } => RealOp::Concat {
                xs: xs.iter().map(node).collect(),
                outer: value.shape.0[..*axis].iter().product(),
            },
            Op::Pad {
                x,
                before,
                value: fill,
                ..
            } => RealOp::Gather {
                x: node(x),
                index: layout::padded(&net.value(*x).shape, before, &value.shape),
                fill: f64::from(*fill),
            },
            Op::Transpose { x, perm } => RealOp::Gather {
                x: node(x),
                index: layout::transposed(&net.value(*x).shape, perm),
                fill: 0.0,
            },
            Op::Relu { x } => RealOp::Relu { x: node(x) },
            Op::Clip { x, lo, hi } => RealOp::Clip {
                x: node(x),
                lo: lo.map_or(f64::NEG_INFINITY, f64::from),
                hi: hi.map_or(f64::INFINITY, f64::from),
            },
            Op::LeakyRelu { x, shift } => RealOp::LeakyRelu {
                x: node(x),
                shift: *shift,
            },
            Op::Unary { x, function } => RealOp::Unary {
                x: node(x),
                function: *function,
            },
            Op::Curve { x, curve } => RealOp::Curve {
                x: node(x),
                curve: *curve,
            },
            Op::Snap {
                x,
                scale,
                zero_point,
                lo,
                hi,
            } => RealOp::Snap {
                x: node(x),
                scale: f64::from(*scale),
                lo: i64::from(*lo) - i64::from(*zero_point),
                hi: i64::from(*hi) - i64::from(*zero_point),
            },
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => {
                RealOp::Move { x: node(x) }
            }
        })
    }
}

/// A constant spread over the elements of value `v`, times 1 or -1.
fn spread(program: &Program, v: ValueId, c: ValueId, sign: f64) -> Reals {
    let net = &program.network;
    let own = constant(program, c);
    let index = net.value(c).shape.spread_over(&net.value(v).shape);
    own.spread(&index, sign)
}

/// The values of a constant: float32 or wider, or `m·M·2^-F` where it has a format.
fn constant(program: &Program, v: ValueId) -> Reals {
    if let Some((mantissas, formats)) = constant_mantissas(program, v) {
        let per_row = (mantissas.len() / formats.len().max(1)).max(1);
        let values = mantissas.iter().enumerate().map(|(i, m)| {
            let format = formats[(i / per_row).min(formats.len() - 1)];
            // At most 47 bits: exact.
            f64::from(*m) * f64::from(format.multiplier()) * 2f64.powi(-format.frac())
        });
        return Reals::exact(values.collect::<Vec<_>>());
    }
    match program.network.constant(v) {
        Some(c) => match &c.wide {
            Some(w) => Reals::wide(w.high.clone(), w.low.clone(), w.enclosed),
            None => Reals::exact(c.data.iter().map(|w| f64::from(*w)).collect::<Vec<_>>()),
        },
        None => Reals::exact(Vec::new()),
    }
}
