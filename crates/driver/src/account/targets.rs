//! What the C kernel takes on each processor: memory as the emitter computes it, time by the cost
//! model.

use ceg4n_emit::{EmitInput, EmitOptions, Target, footprint};
use ceg4n_ir::{KernelNode, KernelOp, Op, Program};
use ceg4n_report::TargetCost;
use ceg4n_target::{Machine, Work};

/// A row per processor that can hold the kernel in the form that was chosen.
pub(crate) fn targets(input: &EmitInput<'_>) -> Vec<TargetCost> {
    let of = |target: Target| {
        let options = EmitOptions {
            target,
            ..input.options
        };
        // A kernel that is beyond a processor's reach has no row.
        let memory = footprint(&EmitInput {
            options,
            ..input.clone()
        })
        .ok()?;
        let machine = Machine {
            target,
            kernel: options.kernel,
        };
        let work = work(input);
        let quarters = work.iter().map(|w| machine.quarters(w));
        Some(TargetCost {
            target: target.name().to_owned(),
            kernel: options.kernel.name().to_owned(),
            emitted: target == input.options.target,
            constant_bytes: memory.constant_bytes as u64,
            code_bytes: memory.code_bytes as u64,
            scratch_bytes: memory.scratch_bytes as u64,
            vector_bytes: memory.vector_bytes as u64,
            time: quarters.fold(0, u64::saturating_add).div_ceil(4),
            time_unit: match target {
                Target::CortexM0 | Target::CortexM4 => "instructions",
                Target::Generic | Target::Avr => "cycles",
            }
            .to_owned(),
        })
    };
    Target::ALL.into_iter().filter_map(of).collect()
}

/// The layers with weights, as cost models see them.
fn work(input: &EmitInput<'_>) -> Vec<Work> {
    let Some(kernel) = input.program.kernel() else {
        return Vec::new();
    };
    let program = input.program.program();
    let layer = |node: &KernelNode| match &node.op {
        KernelOp::Dense { x, .. } | KernelOp::Conv { x, .. } => {
            let operand = &kernel.nodes[*x];
            let bits = operand.format.map_or(operand.width, |f| f.width());
            let (products, weight_bits) = products(program, node)?;
            Some(Work {
                products,
                outputs: node.len as u64,
                weight_bits,
                operand_bits: u64::from(bits),
                sum_bits: u64::from(node.width),
            })
        }
        KernelOp::Input { .. }
        | KernelOp::Requantize { .. }
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
    kernel.nodes.values().filter_map(layer).collect()
}

/// Multiplications of a layer, and the bits of its widest weight.
fn products(program: &Program, node: &KernelNode) -> Option<(u64, u64)> {
    let network = &program.network;
    let (Op::Dense { weight, .. } | Op::Conv { weight, .. }) = &network.value(node.value).op else {
        return None;
    };
    let products = match network.conv(node.value) {
        Some(conv) => conv.macs(),
        None => network.value(*weight).shape.len(),
    };
    let format = program.annotations.format(*weight)?;
    let rows = network.value(*weight).shape.0.first().copied().unwrap_or(1);
    let widths = (0..rows).filter_map(|j| format.channel(j));
    let bits = widths.map(|f| f.width()).max()?;
    Some((products as u64, u64::from(bits)))
}
