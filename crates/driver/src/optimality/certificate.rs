//! `certificates/optimality.json`: the search space, the stored points, the versions and the
//! result of a run. Together with `NAME.final.nnir` it is all that a statement about cheaper
//! assignments is checked from.

use crate::plan;
use ceg4n_base::ContentHash;
use ceg4n_ir::{Domain, Module, Property, Region, Rounding, ValueId};
use ceg4n_quantize::Range;
use ceg4n_quantize::{
    Assignment, BiasRule, Calibration, Gpfq, Granularity, Model, Nearest, Quantizer,
};
use ceg4n_refine::{Counterexample, Ended};
use ceg4n_report::Optimality;
use ceg4n_search::{AnnotationSpace, Cost};
use ceg4n_target::Machine;
use ceg4n_verify::Precision;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where it stands in an output folder.
pub(crate) const PATH: &str = "certificates/optimality.json";
/// Version of its fields.
const SCHEMA_VERSION: u32 = 1;

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    schema_version: u32,
    /// Hash of all other fields.
    pub hash: ContentHash,
    /// Hash of the network.
    pub network: ContentHash,
    /// The arithmetic of the reference, as `--reference` names it.
    pub reference: String,
    /// Every region, in the order of the file: ranges are taken from all of them.
    pub regions: Vec<StoredRegion>,
    /// The search space.
    pub space: StoredSpace,
    /// What was asked.
    pub questions: Vec<StoredQuestion>,
    /// The points that every candidate had to pass, in the order in which they were found.
    pub counterexamples: Vec<Counterexample>,
    /// Every candidate that reached the verifier.
    pub versions: Vec<StoredVersion>,
    /// The result.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<StoredResult>,
    /// What is stated about everything cheaper.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub statement: Option<Optimality>,
}

/// A region, by id and hash of its box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredRegion {
    pub id: String,
    pub hash: ContentHash,
}

/// A requirement on a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredQuestion {
    pub region: String,
    pub requirement: Property,
    pub domain: Domain,
}

/// A candidate that reached the verifier; its program stands in `versions/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredVersion {
    pub version: u32,
    pub assignment: Assignment,
    /// Its mantissas were moved: it is no function of the assignment.
    pub guided: bool,
    pub cost: u64,
    pub program: ContentHash,
    pub ended: Ended,
}

/// The program in `NAME.final.nnir`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredResult {
    pub version: u32,
    pub assignment: Assignment,
    pub guided: bool,
    pub cost: u64,
    pub program: ContentHash,
}

/// A search space, so that it can be made again from the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredSpace {
    /// As the statement calls it.
    pub name: String,
    pub weight_bits: (u8, u8),
    pub activation_bits: (u8, u8),
    pub biases: BiasRule,
    pub least_bias_bits: u8,
    pub cost: Cost,
    /// What the kernel is made for.
    pub machine: Machine,
    pub rounding: Rounding,
    /// The quantizer, by the name that tells its options.
    pub quantizer: String,
    /// What activation formats are chosen from: values of the regions, and of data if there were
    /// any.
    pub ranges: Vec<(ValueId, Range)>,
}

impl StoredSpace {
    pub(crate) fn of(space: &AnnotationSpace) -> Self {
        Self {
            name: space.name(),
            weight_bits: space.weight_bits,
            activation_bits: space.activation_bits,
            biases: space.biases,
            least_bias_bits: space.least_bias_bits,
            cost: space.cost,
            machine: space.machine,
            rounding: space.model().rounding(),
            quantizer: space.quantizer().name(),
            ranges: space
                .model()
                .ranges()
                .iter()
                .map(|(v, r)| (*v, *r))
                .collect(),
        }
    }

    /// The space over the regions of a module.
    ///
    /// # Errors
    /// A quantizer that cannot be made from the network and its regions.
    pub(crate) fn rebuild(&self, module: &Module) -> Result<AnnotationSpace, String> {
        let network = module.network.clone();
        let ranges = self.ranges.iter().copied().collect();
        let model = Model::from_ranges(network, ranges, self.rounding);
        let quantizer = quantizer_of(&self.quantizer, &module.regions)
            .ok_or_else(|| format!("no quantizer is called {:?}", self.quantizer))?;
        let mut space = AnnotationSpace::new(
            Arc::new(model),
            quantizer,
            self.weight_bits,
            self.activation_bits,
        );
        space.cost = self.cost;
        space.machine = self.machine;
        space.biases = self.biases;
        space.least_bias_bits = self.least_bias_bits;
        Ok(space)
    }
}

/// The quantizer of a name, among those that need nothing but the network and its regions.
fn quantizer_of(name: &str, regions: &[Region]) -> Option<Arc<dyn Quantizer>> {
    let scales = [Granularity::Tensor, Granularity::Channel];
    for granularity in scales {
        let nearest = Nearest {
            granularity,
            ..Nearest::default()
        };
        if nearest.name() == name {
            return Some(Arc::new(nearest));
        }
    }
    let samples = Arc::new(Calibration::from_regions(regions, plan::SAMPLES).ok()?);
    for granularity in scales {
        let gpfq = Gpfq {
            granularity,
            ..Gpfq::new(samples.clone())
        };
        if gpfq.name() == name {
            return Some(Arc::new(gpfq));
        }
    }
    None
}

/// What a certificate is made of.
pub(crate) struct Parts {
    pub network: ContentHash,
    pub reference: String,
    pub regions: Vec<StoredRegion>,
    pub space: StoredSpace,
    pub questions: Vec<StoredQuestion>,
    pub counterexamples: Vec<Counterexample>,
    pub versions: Vec<StoredVersion>,
    pub result: Option<StoredResult>,
    pub statement: Option<Optimality>,
}

impl Certificate {
    pub(crate) fn new(p: Parts) -> Self {
        let unsealed = Self {
            schema_version: SCHEMA_VERSION,
            hash: ContentHash([0; 32]),
            network: p.network,
            reference: p.reference,
            regions: p.regions,
            space: p.space,
            questions: p.questions,
            counterexamples: p.counterexamples,
            versions: p.versions,
            result: p.result,
            statement: p.statement,
        };
        Self {
            hash: unsealed.content_hash(),
            ..unsealed
        }
    }

    /// The hash of everything but the hash.
    pub(crate) fn content_hash(&self) -> ContentHash {
        let mut open = self.clone();
        open.hash = ContentHash([0; 32]);
        ContentHash::of(open.to_json().as_bytes())
    }

    /// The text of the file.
    pub(crate) fn to_json(&self) -> String {
        // Keys are strings and no serializer here fails, so that no certificate is ever lost.
        let mut text = serde_json::to_string_pretty(self).expect("a certificate is plain data");
        text.push('\n');
        text
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// Text that is no certificate of this version.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if read.schema_version == SCHEMA_VERSION {
            Ok(read)
        } else {
            Err(format!(
                "schema version {} is not {SCHEMA_VERSION}",
                read.schema_version
            ))
        }
    }

    /// The arithmetic of the reference.
    ///
    /// # Errors
    /// A name that `--reference` does not know.
    pub(crate) fn precision(&self) -> Result<Precision, String> {
        match self.reference.as_str() {
            "real" => Ok(Precision::Real),
            "f32" => Ok(Precision::Float32),
            other => Err(format!("no reference is called {other:?}")),
        }
    }
}

/// The regions of a module.
pub(crate) fn stored_regions(regions: &[Region]) -> Vec<StoredRegion> {
    let stored = |r: &Region| StoredRegion {
        id: r.id.clone(),
        hash: r.hash(),
    };
    regions.iter().map(stored).collect()
}
