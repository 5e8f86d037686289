//! `check`: parse, check every version, and sum up.

use crate::failure::Failure;
use crate::layers::layers;
use crate::load::{Loaded, load};
use crate::options::LoadOptions;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Module, Op, Program, Selection, check as check_program};
use ceg4n_report::Layer;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a file holds.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The network.
    pub network: NetworkSummary,
    /// Its versions, in file order.
    pub versions: Vec<VersionSummary>,
    /// Its regions.
    pub regions: Vec<RegionSummary>,
    /// Its requirements.
    pub requirements: Vec<RequirementSummary>,
}

/// A network in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkSummary {
    /// Its name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Hash of structure and constants.
    pub hash: String,
    /// Dimensions of the input, `4` or `1x28x28`.
    pub input: String,
    /// Dimensions of the output.
    pub output: String,
    /// How often each operator occurs; inputs and constants do not count.
    pub operators: BTreeMap<&'static str, usize>,
    /// Elements of all constants.
    pub parameters: usize,
    /// Multiplications of one inference.
    pub macs: usize,
}

/// One version's formats.
#[derive(Clone, Debug, Serialize)]
pub struct VersionSummary {
    /// Its number.
    pub version: u32,
    /// Hash of the program.
    pub hash: String,
    /// Its rounding.
    pub rounding: &'static str,
    /// The input's format; `None` for a version whose activations are real.
    pub input: Option<String>,
    /// Fraction bits of the outputs.
    pub output_frac: Option<i32>,
    /// The layers with weights.
    pub layers: Vec<Layer>,
}

/// A region in a line.
#[derive(Clone, Debug, Serialize)]
pub struct RegionSummary {
    /// Its id.
    pub id: String,
    /// The radius it was made with, if the file says so.
    pub ball_size: Option<String>,
}

/// A requirement in a line.
#[derive(Clone, Debug, Serialize)]
pub struct RequirementSummary {
    /// What must hold.
    pub property: String,
    /// On which inputs.
    pub domain: String,
    /// In which regions.
    pub regions: Vec<String>,
}

/// Loads a file, checks the reference and every version, and sums up.
///
/// # Errors
/// Everything that is wrong, of all versions.
pub fn check(options: &LoadOptions) -> Result<(Loaded, Summary), Failure> {
    let loaded = load(options)?;
    match summarize(&loaded) {
        Ok(summary) => Ok((loaded, summary)),
        Err(e) => Err(loaded.fail(e)),
    }
}

fn summarize(loaded: &Loaded) -> Result<Summary, Diagnostics> {
    let module = &loaded.module;
    let mut errors = Diagnostics::default();
    if let Err(e) = check_program(module.reference()) {
        errors.0.extend(e.0);
    }
    let mut versions = Vec::new();
    for a in &module.versions {
        match check_program(Program::new(module.network.clone(), a.clone())) {
            Err(e) => errors.0.extend(e.0),
            Ok(program) => versions.push(VersionSummary {
                version: a.version,
                hash: program.hash().to_string(),
                rounding: a.rounding.name(),
                input: program.kernel().map(|k| k.input_format.to_string()),
                output_frac: program.kernel().map(|k| k.output_frac),
                layers: layers(&program),
            }),
        }
    }
    errors.or(Summary {
        network: network(loaded),
        versions,
        regions: module
            .regions
            .iter()
            .map(|r| RegionSummary {
                id: r.id.clone(),
                ball_size: r.ball_size.as_ref().map(ToString::to_string),
            })
            .collect(),
        requirements: requirements(module),
    })
}

fn network(loaded: &Loaded) -> NetworkSummary {
    let net = &loaded.module.network;
    let mut operators = BTreeMap::new();
    for value in net.values().values() {
        if !matches!(value.op, Op::Input | Op::Const(_)) {
            *operators.entry(value.op.name()).or_insert(0) += 1;
        }
    }
    NetworkSummary {
        name: loaded.name.clone(),
        sha256: loaded.sha256.to_string(),
        hash: net.hash().to_string(),
        input: net.value(net.input()).shape.to_string(),
        output: net.value(net.output()).shape.to_string(),
        operators,
        parameters: net.parameters(),
        macs: net.macs(),
    }
}

fn requirements(module: &Module) -> Vec<RequirementSummary> {
    let all = || module.regions.iter().map(|r| r.id.clone()).collect();
    module
        .requirements
        .iter()
        .map(|r| RequirementSummary {
            property: r.property.to_string(),
            domain: r.domain.to_string(),
            regions: match &r.regions {
                Selection::All => all(),
                Selection::Ids(ids) => ids.clone(),
            },
        })
        .collect()
}
