//! The programs that presets make of a network, ready to be asked about.

use super::BenchPreset;
use super::inputs::{Group, Net};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Annotations, Checked, Program, Rounding, check};
use ceg4n_jit::CodeCache;
use ceg4n_quantize::{BiasRule, Model, Nearest, Quantizer};
use ceg4n_verify::Subject;

/// A program of a group of regions, or why there is none.
pub(super) type Kernel = Result<Subject, String>;

/// Activation bits of the kernel whose weights a weight-only program takes: fine enough that no
/// bias is cut short by its accumulator.
const FINE_ACTIVATIONS: u8 = 24;

/// What a group's kernels are quantized with; the same for every preset.
pub(super) fn model(net: &Net, group: &Group, rounding: Rounding) -> Model {
    let network = net.network.clone();
    Model::new(&net.reference, network, &group.regions, rounding)
}

/// The subject of a preset; `None` for a preset that asks about the reference alone.
pub(super) fn subject(
    preset: BenchPreset,
    net: &Net,
    model: &Model,
    cache: &CodeCache,
) -> Option<Kernel> {
    let program = match preset {
        BenchPreset::Labels => return None,
        BenchPreset::Uniform {
            weight_bits,
            activation_bits,
        } => uniform(model, weight_bits, activation_bits),
        BenchPreset::Weights(bits) => {
            uniform(model, bits, FINE_ACTIVATIONS).and_then(|p| weights_only(net, &p))
        }
    };
    Some(match program {
        Ok(p) => Subject::new(p, cache).map_err(|t| t.to_string()),
        Err(d) => Err(d.to_string()),
    })
}

fn uniform(model: &Model, weights: u8, activations: u8) -> Result<Checked<Program>, Diagnostics> {
    let biases = BiasRule::default().bits(weights);
    let assignment = model.uniform(weights, biases, activations);
    Nearest::default().program(model, &assignment, 1)
}

/// The formats of the constants alone: input and activations stay real.
fn weights_only(net: &Net, kernel: &Checked<Program>) -> Result<Checked<Program>, Diagnostics> {
    let all = &kernel.program().annotations;
    let constant = |v| net.network.constant(v).is_some();
    let values = all.values.iter().filter(|(v, _)| constant(**v));
    let notes = Annotations {
        version: all.version,
        rounding: all.rounding,
        values: values.map(|(v, a)| (*v, a.clone())).collect(),
        ..Annotations::default()
    };
    check(Program::new(net.network.clone(), notes))
}
