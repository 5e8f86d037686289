//! The layers with weights of a fixed-point program, as summaries and reports show them.

use ceg4n_ir::{
    Checked, Format, Kernel, KernelOp, Network, NodeId, Op, Program, Region, TensorFormat, ValueId,
};
use ceg4n_quantize::clamps;
use ceg4n_report::{Accumulator, Activation, Bias, Layer, Span, Weight};

/// Says of each layer's operand what reaches its clamp on the regions, and whether the clamp is
/// proved to act on no point of them.
pub(crate) fn tell_clamps(
    program: &Checked<Program>,
    regions: &[Region],
    all: &[ceg4n_quantize::Layer],
    layers: &mut [Layer],
) {
    let Some(kernel) = program.kernel() else {
        return;
    };
    let network = &program.program().network;
    let found = clamps(kernel, regions);
    for layer in layers {
        let own = |d: &&ceg4n_quantize::Layer| network.value(d.value).name == layer.name;
        let operand = all.iter().find(own).map(|d| d.operand);
        let clamp = found.iter().find(|c| Some(c.value) == operand);
        layer.activation.clamp_inactive = clamp.map(|c| c.inactive);
        layer.activation.regions = clamp.and_then(|c| Span::new(c.region.lo, c.region.hi));
    }
}

/// The layers with weights in order; empty for a real program.
pub(crate) fn layers(program: &Checked<Program>) -> Vec<Layer> {
    let Some(kernel) = program.kernel() else {
        return Vec::new();
    };
    let network = &program.program().network;
    let notes = &program.program().annotations;
    let format_of = |v: ValueId| match notes.format(v) {
        Some(TensorFormat::Tensor(f)) => (f.to_string(), f.width()),
        Some(TensorFormat::Channels(list)) => {
            let all: Vec<String> = list.iter().map(ToString::to_string).collect();
            (
                format!("[{}]", all.join(", ")),
                list.iter().map(|f| f.width()).max().unwrap_or(0),
            )
        }
        None => ("real".to_owned(), 0),
    };
    let mut out = Vec::new();
    for node in kernel.nodes.values() {
        let (
            KernelOp::Dense { x, .. } | KernelOp::Conv { x, .. },
            Op::Dense {
                weight,
                bias: biases,
                ..
            }
            | Op::Conv {
                weight,
                bias: biases,
                ..
            },
        ) = (&node.op, &network.value(node.value).op)
        else {
            continue;
        };
        let (format, bits) = format_of(*weight);
        let bias = biases.filter(|b| notes.format(*b).is_some());
        let len = |v: ValueId| network.value(v).shape.len();
        let least = node.range.iter().map(|r| r.lo).min().unwrap_or(0);
        let most = node.range.iter().map(|r| r.hi).max().unwrap_or(0);
        out.push(Layer {
            name: network.value(node.value).name.clone(),
            weight: Weight {
                format,
                bits,
                parameters: len(*weight) + biases.map_or(0, len),
                values: values(network, *weight),
                holds: notes.format(*weight).and_then(holds),
            },
            bias: bias.map(|b| {
                let (format, bits) = format_of(b);
                Bias {
                    format,
                    bits,
                    values: values(network, b),
                    holds: notes.format(b).and_then(holds),
                }
            }),
            activation: activation(network, kernel, *x),
            accumulator: Accumulator {
                format: format!("s{}", node.width),
                proved_min: least,
                proved_max: most,
            },
        });
    }
    out
}

/// The operand of a layer.
fn activation(network: &Network, kernel: &Kernel, x: NodeId) -> Activation {
    let node = &kernel.nodes[x];
    let types = match &node.op {
        KernelOp::Requantize { x, .. } => type_range(kernel, *x),
        // Everything else is stored as it is.
        KernelOp::Input { .. }
        | KernelOp::Dense { .. }
        | KernelOp::Conv { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::AddConst { .. }
        | KernelOp::MulConst { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Relu { .. }
        | KernelOp::Clip { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Align { .. }
        | KernelOp::Move { .. } => None,
    };
    Activation {
        format: node.format.map_or("acc".to_owned(), |f| f.to_string()),
        clamp_inactive: None,
        value: Some(network.value(node.value).name.clone()).filter(|n| !n.is_empty()),
        bits: node.format.map(Format::width),
        holds: node.format.and_then(|f| holds(&f.into())),
        types,
        regions: None,
    }
}

/// The range of a node's elements over every input of the input's format, in real units.
fn type_range(kernel: &Kernel, x: NodeId) -> Option<Span> {
    let node = &kernel.nodes[x];
    let end =
        |j: usize, m: i64| m as f64 * f64::from(node.multiplier(j)) * 2f64.powi(-node.frac[j]);
    let ends = |j: usize| [end(j, node.range[j].lo), end(j, node.range[j].hi)];
    Span::around((0..node.range.len()).flat_map(ends))
}

/// What a format holds; of formats per channel, what any of them does.
fn holds(format: &TensorFormat) -> Option<Span> {
    let ends = |f: &Format| [f.value(f.min()).to_f64(), f.value(f.max()).to_f64()];
    match format {
        TensorFormat::Tensor(f) => Span::around(ends(f)),
        TensorFormat::Channels(list) => Span::around(list.iter().flat_map(ends)),
    }
}

/// Least and greatest element of a constant.
fn values(network: &Network, v: ValueId) -> Option<Span> {
    let data = &network.constant(v)?.data;
    Span::around(data.iter().map(|w| f64::from(*w)))
}
