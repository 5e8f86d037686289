//! The pass `quantize-uniform:W:A`: what the preset `uniform:W:A` of `compile` proposes, as a new
//! version. It stands here because the quantizer is the search's, above the room of passes.

use crate::options::{ACTIVATION_BITS, WEIGHT_BITS};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Module, Rounding, check};
use ceg4n_passes::{Keeps, Parameter, Pass};
use ceg4n_quantize::{BiasRule, Model, Nearest, Quantizer};
use ceg4n_verify::Reference;

/// Adds a version with `W`-bit weights and `A`-bit activations.
pub(crate) struct QuantizeUniform;

/// `W:A` within their limits.
fn widths(parameter: Option<&str>) -> Option<(u8, u8)> {
    let (w, a) = parameter?.split_once(':')?;
    let (w, a) = (w.parse().ok()?, a.parse().ok()?);
    (WEIGHT_BITS.contains(&w) && ACTIVATION_BITS.contains(&a)).then_some((w, a))
}

impl Pass for QuantizeUniform {
    fn name(&self) -> &'static str {
        "quantize-uniform"
    }

    fn description(&self) -> &'static str {
        "add a version of given widths; scales follow from the regions"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            syntax: "W:A",
            does: "W-bit weights and A-bit activations; needed",
        }]
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps {
            reference: true,
            kernels: false,
        }
    }

    fn check_parameter(&self, parameter: Option<&str>) -> Result<(), String> {
        match widths(parameter) {
            Some(_) => Ok(()),
            None => Err(format!(
                "takes the widths W:A with W in {}..{} and A in {}..{}, for instance quantize-uniform:8:8",
                WEIGHT_BITS.start(),
                WEIGHT_BITS.end(),
                ACTIVATION_BITS.start(),
                ACTIVATION_BITS.end()
            )),
        }
    }

    fn run(&self, module: &Module, parameter: Option<&str>) -> Result<Module, Diagnostics> {
        let Some((weights, activations)) = widths(parameter) else {
            return Err(Diagnostic::error(codes::USAGE, "widths like 8:8 are missing").into());
        };
        if module.regions.is_empty() {
            let text = "quantize-uniform needs regions: the scales of activations follow from them";
            return Err(Diagnostic::error(codes::NO_REGION, text).into());
        }
        let last = module.versions.iter().max_by_key(|a| a.version);
        let rounding = last.map_or(Rounding::default(), |a| a.rounding);
        let version = last.map_or(Some(1), |a| a.version.checked_add(1));
        let Some(version) = version else {
            let text = "there is no version number left";
            return Err(Diagnostic::error(codes::VERSION, text).into());
        };
        let reference = Reference::new(&check(module.reference())?);
        let network = module.network.clone();
        let model = Model::new(&reference, network, &module.regions, rounding);
        let assignment = model.uniform(weights, BiasRule::default().bits(weights), activations);
        let program = Nearest::default().program(&model, &assignment, version)?;
        let mut out = module.clone();
        out.versions.push((*program.program().annotations).clone());
        Ok(out)
    }
}
