//! The layers with weights of a fixed-point program, as summaries and reports show them.

use ceg4n_ir::{Checked, KernelOp, NodeId, Op, Program, Region, TensorFormat, ValueId};
use ceg4n_quantize::clamps;
use ceg4n_report::{Accumulator, Activation, Layer, Weight};

/// Says of each layer's operand whether its clamp is proved to act on no point of the regions.
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
    let operand_format = |x: NodeId| {
        kernel.nodes[x]
            .format
            .map_or("acc".to_owned(), |f| f.to_string())
    };
    let mut out = Vec::new();
    for node in kernel.nodes.values() {
        let (
            KernelOp::Dense { x, .. } | KernelOp::Conv { x, .. },
            Op::Dense { weight, bias, .. } | Op::Conv { weight, bias, .. },
        ) = (&node.op, &network.value(node.value).op)
        else {
            continue;
        };
        let (format, bits) = format_of(*weight);
        let len = |v: ValueId| network.value(v).shape.len();
        let least = node.range.iter().map(|r| r.lo).min().unwrap_or(0);
        let most = node.range.iter().map(|r| r.hi).max().unwrap_or(0);
        out.push(Layer {
            name: network.value(node.value).name.clone(),
            weight: Weight {
                format,
                bits,
                parameters: len(*weight) + bias.map_or(0, len),
            },
            activation: Activation {
                format: operand_format(*x),
                clamp_inactive: None,
            },
            accumulator: Accumulator {
                format: format!("s{}", node.width),
                proved_min: least,
                proved_max: most,
            },
        });
    }
    out
}
