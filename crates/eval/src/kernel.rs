//! Walks a kernel over any domain.

use crate::operands::{Call, NodeOperands, Slot};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{Kernel, KernelNode, KernelOp, NodeId, Rounding};
use ceg4n_opspec::{Domain, Interpreter, MeaningError, OpName, RoundingName, catalogue};

/// The values of every node.
#[derive(Clone, Debug)]
pub struct Trace<V: Clone> {
    nodes: SecondaryMap<NodeId, Vec<V>>,
}

impl<V: Clone> Trace<V> {
    pub(crate) fn new() -> Self {
        Self {
            nodes: SecondaryMap::new(),
        }
    }

    pub(crate) fn set(&mut self, node: NodeId, values: Vec<V>) {
        self.nodes[node] = values;
    }

    /// The elements of one node, row-major.
    pub fn node(&self, node: NodeId) -> &[V] {
        &self.nodes[node]
    }

    /// Moves the elements of one node out.
    pub fn take(mut self, node: NodeId) -> Vec<V> {
        std::mem::take(&mut self.nodes[node])
    }
}

/// The specification's name of a rounding.
pub fn rounding_name(rounding: Rounding) -> RoundingName {
    match rounding {
        Rounding::HalfUp => RoundingName::HalfUp,
        Rounding::HalfEven => RoundingName::HalfEven,
        Rounding::Floor => RoundingName::Floor,
    }
}

/// Every node of a kernel, by the meaning in `ir-specs`, over a domain.
///
/// `input` has one value per input element. The caller sees to it that they are in the format.
///
/// # Errors
/// Those of the domain.
pub fn interpret_kernel<D: Domain>(
    kernel: &Kernel,
    domain: &mut D,
    input: Vec<D::Value>,
) -> Result<Trace<D::Value>, D::Error> {
    let interpreter = Interpreter::new(catalogue(), rounding_name(kernel.rounding));
    let mut trace = Trace::new();
    let mut input = Some(input);
    for (id, node) in kernel.nodes.iter() {
        let call = match &node.op {
            KernelOp::Input { .. } => {
                trace.set(id, input.take().unwrap_or_default());
                continue;
            }
            KernelOp::Concat { xs, outer } => {
                let values = concat(&interpreter, domain, &trace, xs, *outer, no_reals)?;
                trace.set(id, values);
                continue;
            }
            KernelOp::Dense { .. }
            | KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::AddConst { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. }
            | KernelOp::Move { .. } => call(node, &trace),
        };
        let values = interpret(&interpreter, domain, call, no_reals)?;
        trace.set(id, values);
    }
    Ok(trace)
}

/// A kernel has integers only.
fn no_reals<D: Domain>(
    _: &mut D,
    _: ceg4n_base::elementary::Enclosure,
) -> Result<D::Value, D::Error> {
    Err(MeaningError::RealOnly("a real constant").into())
}

/// Every element of a call's result.
pub(crate) fn interpret<D: Domain>(
    interpreter: &Interpreter<'_>,
    domain: &mut D,
    call: Call<'_, D::Value>,
    constant: crate::Constant<D>,
) -> Result<Vec<D::Value>, D::Error> {
    let spec = catalogue().op(call.name);
    let mut operands = NodeOperands::new(spec, call, constant)?;
    interpreter.tensor(spec, domain, &mut operands)
}

/// Tensors one after the other, part by part.
pub(crate) fn concat<D: Domain>(
    interpreter: &Interpreter<'_>,
    domain: &mut D,
    trace: &Trace<D::Value>,
    xs: &[NodeId],
    parts: usize,
    constant: crate::Constant<D>,
) -> Result<Vec<D::Value>, D::Error> {
    let Some((first, rest)) = xs.split_first() else {
        return Ok(Vec::new());
    };
    let mut joined = trace.node(*first).to_vec();
    for x in rest {
        let call = Call::concat(joined, trace.node(*x), parts);
        joined = interpret(interpreter, domain, call, constant)?;
    }
    Ok(joined)
}

/// The operator of a node and its operands. Of the input, which is given, and of a concatenation,
/// which has any number of operands, it is the first operand or nothing.
fn call<'a, V: Clone>(node: &'a KernelNode, trace: &'a Trace<V>) -> Call<'a, V> {
    let n = node.len;
    let on = |name, x: &NodeId| Call::on(name, trace.node(*x), n);
    let bias = |b: &'a Option<std::sync::Arc<[i64]>>| match b {
        Some(b) => Slot::Aligned(b),
        None => Slot::Zero,
    };
    match &node.op {
        KernelOp::Input { .. } => Call::on(OpName::Move, &[], 0),
        KernelOp::Concat { xs, .. } => match xs.first() {
            Some(x) => on(OpName::Move, x),
            None => Call::on(OpName::Move, &[], 0),
        },
        KernelOp::Dense {
            x,
            weight,
            bias: b,
            rows,
            cols,
        } => Call::on(OpName::Dense, trace.node(*x), *cols)
            .slot("w", Slot::Mantissas(weight))
            .slot("b", bias(b))
            .size("m", *rows),
        KernelOp::Conv {
            x,
            weight,
            bias: b,
            conv,
        } => Call::conv(trace.node(*x), Slot::Mantissas(weight), bias(b), conv),
        KernelOp::MaxPool { x, window } => Call::pool(OpName::MaxPool, trace.node(*x), window),
        KernelOp::SumPool { x, window } => Call::pool(OpName::SumPool, trace.node(*x), window),
        KernelOp::AddConst { x, c } => on(OpName::AddConst, x).slot("c", Slot::Aligned(c)),
        KernelOp::MulConst { x, c } => {
            Call::product(trace.node(*x), Slot::Mantissas(c), c.len(), n)
        }
        KernelOp::Sum { x, y } => on(OpName::Sum, x).slot("y", Slot::Values(trace.node(*y))),
        KernelOp::Gather { x, index, fill } => Call::gather(
            trace.node(*x),
            index,
            Slot::Aligned(std::slice::from_ref(fill)),
        ),
        KernelOp::Relu { x } => on(OpName::Relu, x),
        KernelOp::Clip { x, lo, hi } => on(OpName::Clip, x)
            .slot("lo", Slot::Aligned(lo))
            .slot("hi", Slot::Aligned(hi))
            .parameter("from", vec![1])
            .parameter("to", vec![1]),
        KernelOp::LeakyRelu { x, shift } => {
            on(OpName::LeakyRelu, x).parameter("t", vec![i64::from(*shift)])
        }
        KernelOp::Unary { x, function } => on(function.spec(), x),
        KernelOp::Table {
            x, least, table, ..
        } => on(OpName::Table, x)
            .size("entries", table.len())
            .parameter("least", vec![*least])
            .parameter("t", table.iter().map(|t| i64::from(*t)).collect()),
        KernelOp::Requantize {
            x,
            multiplier,
            shift,
            format,
        } => {
            let m = match multiplier {
                Some(m) => m.iter().map(|m| i64::from(*m)).collect(),
                None => vec![1; n],
            };
            Call {
                name: OpName::Requantize,
                slots: vec![("acc", Slot::Values(trace.node(*x)))],
                sizes: vec![("n", n)],
                parameters: vec![
                    ("m", m),
                    ("s", shift.iter().map(|s| i64::from(*s)).collect()),
                    ("lo", vec![format.min()]),
                    ("hi", vec![format.max()]),
                ],
            }
        }
        KernelOp::Align { x, shift } => {
            on(OpName::Align, x).parameter("t", shift.iter().map(|s| i64::from(*s)).collect())
        }
        KernelOp::Move { x } => on(OpName::Move, x),
    }
}
