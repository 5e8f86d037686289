//! Walks a real-valued program over any domain that has real constants.

use crate::kernel::Trace;
use crate::operands::{Constant, NodeOperands, Slot};
use ceg4n_ir::{RealNode, RealOp, RealProgram};
use ceg4n_opspec::{Domain, Interpreter, OpName, RoundingName, catalogue};

/// Every node of a real-valued program, by the meaning in `ir-specs`, over a domain; `constant`
/// brings a constant (an exact `f64`) into the domain.
///
/// # Errors
/// Those of the domain.
pub fn interpret_real<D: Domain>(
    program: &RealProgram,
    domain: &mut D,
    input: Vec<D::Value>,
    constant: Constant<D>,
) -> Result<Trace<D::Value>, D::Error> {
    // Real operators do not round; the rule is never read.
    let interpreter = Interpreter::new(catalogue(), RoundingName::HalfUp);
    let mut trace = Trace::new();
    let mut input = Some(input);
    for (id, node) in program.nodes.iter() {
        let values = match &node.op {
            RealOp::Input => input.take().unwrap_or_default(),
            RealOp::Dense { .. }
            | RealOp::AddConst { .. }
            | RealOp::DivConst { .. }
            | RealOp::Relu { .. }
            | RealOp::Move { .. } => element_wise(&interpreter, node, &trace, domain, constant)?,
            _ => unimplemented!("TEMP-OP"),
        };
        trace.set(id, values);
    }
    Ok(trace)
}

fn element_wise<D: Domain>(
    interpreter: &Interpreter<'_>,
    node: &RealNode,
    trace: &Trace<D::Value>,
    domain: &mut D,
    constant: Constant<D>,
) -> Result<Vec<D::Value>, D::Error> {
    let vector = vec![("n", node.len)];
    let x = |x| ("x", Slot::Values(trace.node(x)));
    let c = |c| ("c", Slot::Reals { data: c, cols: 1 });
    let (name, slots, sizes) = match &node.op {
        RealOp::Input => return Ok(Vec::new()),
        RealOp::Dense {
            x: operand,
            weight,
            bias,
            rows,
            cols,
        } => (
            OpName::Dense,
            vec![
                x(*operand),
                (
                    "w",
                    Slot::Reals {
                        data: weight.near(),
                        cols: *cols,
                    },
                ),
                (
                    "b",
                    bias.as_ref().map_or(Slot::Zero, |b| Slot::Reals {
                        data: b.near(),
                        cols: 1,
                    }),
                ),
            ],
            vec![("n", *cols), ("m", *rows)],
        ),
        RealOp::AddConst { x: operand, c: k } => {
            (OpName::AddConst, vec![x(*operand), c(k.near())], vector)
        }
        RealOp::DivConst { x: operand, c: k } => {
            (OpName::DivConst, vec![x(*operand), c(k.near())], vector)
        }
        RealOp::Relu { x: operand } => (OpName::Relu, vec![x(*operand)], vector),
        RealOp::Move { x: operand } => (OpName::Move, vec![x(*operand)], vector),
        _ => unimplemented!("TEMP-OP"),
    };
    let spec = catalogue().op(name);
    let mut operands = NodeOperands::new(spec, slots, &sizes, &[], constant)?;
    interpreter.tensor(spec, domain, &mut operands)
}
