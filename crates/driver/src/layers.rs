//! The dense layers of a fixed-point program, as summaries and reports show them.

use ceg4n_ir::{
    Annotation, Checked, Interval, Kernel, KernelNode, KernelOp, NodeId, Op, Program, TensorFormat,
    ValueId,
};
use serde::Serialize;

/// A dense layer and what is known of its types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The value's name, without `%`.
    pub name: String,
    /// Its weight.
    pub weight: Weight,
    /// What its result is stored as.
    pub activation: Activation,
    /// What its sums are computed in.
    pub accumulator: Accumulator,
}

/// A stored constant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weight {
    /// Its format, or the range of its channels' formats.
    #[serde(rename = "type")]
    pub format: String,
    /// Bits of all elements.
    pub bits: u64,
    /// Number of elements.
    pub parameters: u64,
}

/// A stored result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activation {
    /// Its format; `None` if the accumulator itself is the output.
    #[serde(rename = "type")]
    pub format: Option<String>,
}

/// The sums of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accumulator {
    /// The narrowest two's complement type that every partial sum fits in, for instance `s18`.
    #[serde(rename = "type")]
    pub width: String,
    /// Least mantissa of any result, over every input of the input format.
    pub proved_min: i64,
    /// Greatest mantissa.
    pub proved_max: i64,
}

/// The dense layers in order; empty for a real program.
pub fn layers(program: &Checked<Program>) -> Vec<Layer> {
    let Some(kernel) = program.kernel() else {
        return Vec::new();
    };
    let denses = kernel.nodes.iter().filter_map(|(id, node)| {
        let weight = weight_of(program, node)?;
        Some(layer(program, kernel, id, weight))
    });
    denses.collect()
}

fn weight_of(program: &Checked<Program>, node: &KernelNode) -> Option<ValueId> {
    match (&node.op, &program.program().network.value(node.value).op) {
        (KernelOp::Dense { .. }, Op::Dense { weight, .. }) => Some(*weight),
        _ => None,
    }
}

fn layer(program: &Checked<Program>, kernel: &Kernel, dense: NodeId, weight: ValueId) -> Layer {
    let network = &program.program().network;
    let mut width = 0;
    let mut range: Option<Interval> = None;
    let mut format = None;
    let mut at = Some(dense);
    while let Some(id) = at {
        let node = &kernel.nodes[id];
        let mut sums = || {
            width = width.max(node.width);
            let hull = node.range.iter().copied().reduce(Interval::hull);
            range = match (range, hull) {
                (Some(a), Some(b)) => Some(a.hull(b)),
                (a, b) => a.or(b),
            };
        };
        match &node.op {
            KernelOp::Dense { .. } if id != dense => break,
            KernelOp::Dense { .. } | KernelOp::AddConst { .. } => sums(),
            KernelOp::Requantize { format: f, .. } => {
                format = Some(f.to_string());
                break;
            }
            KernelOp::Input { .. } => break,
            KernelOp::Align { .. } | KernelOp::Relu { .. } | KernelOp::Move { .. } => {}
        }
        at = user(kernel, id);
    }
    let range = range.unwrap_or(Interval::new(0, 0));
    Layer {
        name: network.value(kernel.nodes[dense].value).name.clone(),
        weight: stored(program.program(), weight),
        activation: Activation { format },
        accumulator: Accumulator {
            width: format!("s{width}"),
            proved_min: range.lo,
            proved_max: range.hi,
        },
    }
}

/// The first node that uses another.
fn user(kernel: &Kernel, id: NodeId) -> Option<NodeId> {
    let uses = |node: &KernelNode| match &node.op {
        KernelOp::Input { .. } => false,
        KernelOp::Dense { x, .. }
        | KernelOp::AddConst { x, .. }
        | KernelOp::Relu { x }
        | KernelOp::Requantize { x, .. }
        | KernelOp::Align { x, .. }
        | KernelOp::Move { x } => *x == id,
    };
    kernel.nodes.iter().find(|(_, n)| uses(n)).map(|(id, _)| id)
}

/// A constant's format and size under a program's annotations.
pub fn stored(program: &Program, constant: ValueId) -> Weight {
    let value = program.network.value(constant);
    let parameters = value.shape.len();
    let rows = value.shape.0.first().copied().unwrap_or(1).max(1);
    let format = match program.annotations.get(constant) {
        Some(Annotation::Fixed { format, .. }) => Some(format),
        Some(Annotation::Acc(_)) | None => None,
    };
    let (text, bits) = match format {
        None => ("real".to_owned(), 32 * parameters as u64),
        Some(TensorFormat::Tensor(f)) => (f.to_string(), u64::from(f.width()) * parameters as u64),
        Some(TensorFormat::Channels(list)) => {
            let per_row = (parameters / rows) as u64;
            let bits = list.iter().map(|f| u64::from(f.width()) * per_row).sum();
            let mut names: Vec<_> = list.iter().map(ToString::to_string).collect();
            names.dedup();
            (format!("channels [{}]", names.join(", ")), bits)
        }
    };
    Weight {
        format: text,
        bits,
        parameters: parameters as u64,
    }
}
