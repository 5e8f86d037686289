//! Walks a kernel over any domain.

use crate::operands::{NodeOperands, Slot};
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
        let values = match &node.op {
            KernelOp::Input { .. } => input.take().unwrap_or_default(),
            KernelOp::Dense { .. }
            | KernelOp::AddConst { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. }
            | KernelOp::Move { .. } => element_wise(&interpreter, node, &trace, domain)?,
            _ => unimplemented!("TEMP-OP"),
        };
        trace.set(id, values);
    }
    Ok(trace)
}

fn element_wise<D: Domain>(
    interpreter: &Interpreter<'_>,
    node: &KernelNode,
    trace: &Trace<D::Value>,
    domain: &mut D,
) -> Result<Vec<D::Value>, D::Error> {
    let limits: [i64; 2];
    let (shifts, multipliers): (Vec<i64>, Vec<i64>);
    let vector = [("n", node.len)];
    type Parts<'a, V> = (
        OpName,
        Vec<(&'a str, Slot<'a, V>)>,
        Vec<(&'a str, usize)>,
        Vec<(&'a str, &'a [i64])>,
    );
    let (name, slots, sizes, parameters): Parts<'_, D::Value> = match &node.op {
        KernelOp::Input { .. } => return Ok(Vec::new()),
        KernelOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => (
            OpName::Dense,
            vec![
                ("x", Slot::Values(trace.node(*x))),
                (
                    "w",
                    Slot::Mantissas {
                        data: weight,
                        cols: *cols,
                    },
                ),
                ("b", bias.as_ref().map_or(Slot::Zero, |b| Slot::Aligned(b))),
            ],
            vec![("n", *cols), ("m", *rows)],
            vec![],
        ),
        KernelOp::AddConst { x, c } => (
            OpName::AddConst,
            vec![("x", Slot::Values(trace.node(*x))), ("c", Slot::Aligned(c))],
            vector.to_vec(),
            vec![],
        ),
        KernelOp::Relu { x } => (
            OpName::Relu,
            vec![("x", Slot::Values(trace.node(*x)))],
            vector.to_vec(),
            vec![],
        ),
        KernelOp::Move { x } => (
            OpName::Move,
            vec![("x", Slot::Values(trace.node(*x)))],
            vector.to_vec(),
            vec![],
        ),
        KernelOp::Align { x, shift } => {
            shifts = shift.iter().map(|s| i64::from(*s)).collect();
            (
                OpName::Align,
                vec![("x", Slot::Values(trace.node(*x)))],
                vector.to_vec(),
                vec![("t", &shifts)],
            )
        }
        KernelOp::Requantize {
            x,
            multiplier,
            shift,
            format,
        } => {
            multipliers = match multiplier {
                Some(m) => m.iter().map(|m| i64::from(*m)).collect(),
                None => vec![1; node.len],
            };
            shifts = shift.iter().map(|s| i64::from(*s)).collect();
            limits = [format.min(), format.max()];
            (
                OpName::Requantize,
                vec![("acc", Slot::Values(trace.node(*x)))],
                vector.to_vec(),
                vec![
                    ("m", &multipliers[..]),
                    ("s", &shifts[..]),
                    ("lo", &limits[..1]),
                    ("hi", &limits[1..]),
                ],
            )
        }
        _ => unimplemented!("TEMP-OP"),
    };
    let spec = catalogue().op(name);
    let real = |_: &mut D, _: f64| Err(MeaningError::RealOnly("a real constant").into());
    let mut operands = NodeOperands::new(spec, slots, &sizes, &parameters, real)?;
    interpreter.tensor(spec, domain, &mut operands)
}
