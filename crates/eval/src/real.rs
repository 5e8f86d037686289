//! Walks a real-valued program over any domain that has real constants.

use crate::kernel::{Trace, concat, interpret};
use crate::operands::{Call, Constant, Slot};
use ceg4n_ir::network::Curve;
use ceg4n_ir::real::Reals;
use ceg4n_ir::{NodeId, RealNode, RealOp, RealProgram};
use ceg4n_opspec::{Domain, Interpreter, OpName, RoundingName, catalogue};

/// Every node of a real-valued program, by the meaning in `ir-specs`, over a domain; `constant`
/// brings a constant into the domain: what is known of it, which is a point if it is exact.
///
/// # Errors
/// Those of the domain.
pub fn interpret_real<D: Domain>(
    program: &RealProgram,
    domain: &mut D,
    input: Vec<D::Value>,
    constant: Constant<D>,
) -> Result<Trace<D::Value>, D::Error> {
    let mut trace = Trace::new();
    let mut input = input;
    for (id, node) in program.nodes.iter() {
        let values = if id == program.input {
            std::mem::take(&mut input)
        } else {
            real_node(node, &trace, domain, constant)?
        };
        trace.set(id, values);
    }
    Ok(trace)
}

/// The elements of one node; nothing for the input.
pub(crate) fn real_node<D: Domain>(
    node: &RealNode,
    trace: &Trace<D::Value>,
    domain: &mut D,
    constant: Constant<D>,
) -> Result<Vec<D::Value>, D::Error> {
    // Real operators do not round; the rule is never read.
    let interpreter = Interpreter::new(catalogue(), RoundingName::HalfUp);
    if let RealOp::Concat { xs, outer } = &node.op {
        return concat(&interpreter, domain, trace, xs, *outer, constant);
    }
    match call(node, trace, domain)? {
        Some(call) => interpret(&interpreter, domain, call, constant),
        None => Ok(Vec::new()),
    }
}

/// The operator of a node and its operands; `None` for those that are no call of one operator.
fn call<'a, D: Domain>(
    node: &'a RealNode,
    trace: &'a Trace<D::Value>,
    domain: &mut D,
) -> Result<Option<Call<'a, D::Value>>, D::Error> {
    let n = node.len;
    let on = |name, x: &NodeId| Call::on(name, trace.node(*x), n);
    let bias = |b: &'a Option<Reals>| b.as_ref().map_or(Slot::Zero, Slot::Reals);
    Ok(Some(match &node.op {
        RealOp::Input | RealOp::Concat { .. } => return Ok(None),
        RealOp::Dense {
            x,
            weight,
            bias: b,
            rows,
            cols,
        } => Call::on(OpName::Dense, trace.node(*x), *cols)
            .slot("w", Slot::Reals(weight))
            .slot("b", bias(b))
            .size("m", *rows),
        RealOp::Conv {
            x,
            weight,
            bias: b,
            conv,
        } => Call::conv(trace.node(*x), Slot::Reals(weight), bias(b), conv),
        RealOp::MaxPool { x, window } => Call::pool(OpName::MaxPool, trace.node(*x), window),
        RealOp::SumPool { x, window } => Call::pool(OpName::SumPool, trace.node(*x), window),
        RealOp::AddConst { x, c } => on(OpName::AddConst, x).slot("c", Slot::Reals(c)),
        RealOp::MulConst { x, c } => Call::product(trace.node(*x), Slot::Reals(c), c.len(), n),
        RealOp::DivConst { x, c } => on(OpName::DivConst, x).slot("c", Slot::Reals(c)),
        RealOp::Sum { x, y } => on(OpName::Sum, x).slot("y", Slot::Values(trace.node(*y))),
        RealOp::Gather { x, index, fill } => {
            Call::gather(trace.node(*x), index, Slot::Every(*fill))
        }
        RealOp::Relu { x } => on(OpName::Relu, x),
        RealOp::Clip { x, lo, hi } => {
            let end = |v: f64| {
                if v.is_finite() {
                    Slot::Every(v)
                } else {
                    Slot::Zero
                }
            };
            on(OpName::Clip, x)
                .slot("lo", end(*lo))
                .slot("hi", end(*hi))
                .parameter("from", vec![lo.is_finite().into()])
                .parameter("to", vec![hi.is_finite().into()])
        }
        RealOp::LeakyRelu { x, shift } => {
            let t = i64::from(*shift);
            let scaled: Result<Vec<_>, _> =
                trace.node(*x).iter().map(|v| domain.scale(v, -t)).collect();
            Call {
                name: OpName::LeakyRelu,
                slots: vec![("x", Slot::Owned(scaled?))],
                sizes: vec![("n", n)],
                parameters: vec![("t", vec![t])],
            }
        }
        RealOp::Unary { x, function } => on(function.spec(), x),
        RealOp::Curve { x, curve } => match curve {
            Curve::Sigmoid => on(OpName::Sigmoid, x),
            Curve::Tanh => on(OpName::Tanh, x),
        },
        RealOp::Snap { x, scale, lo, hi } => on(OpName::Snap, x)
            .slot("d", Slot::Every(*scale))
            .parameter("lo", vec![*lo])
            .parameter("hi", vec![*hi]),
        RealOp::Move { x } => on(OpName::Move, x),
    }))
}
