//! `report.json`: what a run was asked, what it found, and what it cost.
//!
//! The fields are a contract with tools that read reports; `report.schema.json` beside this crate
//! states it, and tests hold both together.

mod account;
mod accuracy;
mod bench;
mod bench_compile;
mod divergence;
mod html;
mod optimality;
pub mod plot;

pub use account::{ImageCenter, Images, InputFile, LoopVersion, Run, Span, TargetCost};
pub use accuracy::{Accuracy, AgreementSample, ChangedRow, DemandsReport};
pub use bench::{
    BENCH_SCHEMA, BENCH_SCHEMA_VERSION, Bench, BenchLabel, BenchNetwork, BenchRegion, LabelRow,
    LabelTable, Row, Skipped, Table, Times,
};

pub use bench_compile::{
    ALL, AUTO, COMPILE_BENCH_SCHEMA, COMPILE_BENCH_SCHEMA_VERSION, CompileBench, CompileCase,
    CompileRow, CompileSum, RowAccuracy, RowStatus, UNIFORM_MIN, compile_cases, compile_sums,
};
pub use divergence::{Cause, Divergence, LayerRow};
pub use html::html;
pub use optimality::{Optimality, RefutedBy, SetAsideBy};

use ceg4n_base::{ContentHash, Exact};
use serde::{Deserialize, Serialize};

/// Version of the fields; grows when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// The JSON schema of [`Report`].
pub const SCHEMA: &str = include_str!("../report.schema.json");

/// Outcome of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every region of every requirement is proved and none is vacuous.
    Proved,
    /// A region is refuted, a demand is missed on the data, or no program of the search space
    /// satisfies both.
    Refuted,
    /// Neither.
    Unknown,
}

/// The content of `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the tool.
    pub tool_version: String,
    /// `compile` or `verify`.
    pub command: String,
    /// The network.
    pub network: Network,
    /// Hash of the program that the verdicts speak of.
    pub program: Option<ContentHash>,
    /// What was required, one statement a line.
    pub requirement: String,
    /// `real` or `grid FORMAT`; several joined by `, `.
    pub domain: String,
    /// `real`, `f32`, or the program compared against.
    pub reference: String,
    /// The outcome.
    pub status: Status,
    /// False while a search goes on: a better result will replace this one.
    pub complete: bool,
    /// Why the status is not `proved`; absent if it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// One entry per region and requirement.
    pub regions: Vec<Region>,
    /// A limit of time or memory or an interruption ended some work, so that another run may differ.
    pub clock_limited: bool,
    /// The layers with weights of the chosen program.
    pub layers: Vec<Layer>,
    /// What the chosen program costs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<Cost>,
    /// The loop, for `compile`.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none", default)]
    pub loop_: Option<Loop>,
    /// Proved programs, for `compile --pareto`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pareto: Option<Pareto>,
    /// What the program does on data: on the test rows, or without these on the calibration rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy: Option<Accuracy>,
    /// What it does on the calibration rows, where there are test rows too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub calibration_accuracy: Option<Accuracy>,
    /// What was demanded on the rows of `accuracy`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub demands: Option<DemandsReport>,
    /// What the program does on random points, where there are no data.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub agreement_samples: Vec<AgreementSample>,
    /// A program and the reference on a counterexample: on the one that ended the last refuted
    /// version, or on that of a verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub divergence: Option<Divergence>,
    /// Inputs as pictures, where the network or the data say that they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub images: Option<Images>,
    /// What the C kernel takes on each processor that can hold it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub targets: Vec<TargetCost>,
    /// How the run was called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<Run>,
    /// Time spent.
    pub seconds: Seconds,
    /// Seed of everything random.
    pub seed: u64,
}

/// The network as it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: ContentHash,
    /// Constants.
    pub parameters: usize,
    /// Multiplications of one inference.
    pub macs: usize,
    /// Dimensions of the input.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub input: Vec<usize>,
    /// Dimensions of the output.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub output: Vec<usize>,
}

/// The answer for one region under one requirement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its id.
    pub id: String,
    /// The box's lower ends, of networks with few inputs.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lower: Vec<Exact>,
    /// Its upper ends.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub upper: Vec<Exact>,
    /// `proved`, `refuted` or `unknown`.
    pub verdict: String,
    /// What was asked here.
    pub requirement: String,
    /// The margin that was shown to hold, at most the one asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub margin_proved: Option<f64>,
    /// The reference has different strict winners in the region.
    pub reference_changes_class: bool,
    /// Two points that show it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class_change: Option<Vec<ClassPoint>>,
    /// A constant answer satisfies what was asked; never counts as proved.
    pub vacuous: bool,
    /// Which constant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vacuous_constant: Option<String>,
    /// The strongest method that was needed.
    pub method: String,
    /// Wall time.
    pub seconds: f64,
    /// Boxes looked at.
    pub boxes: u64,
    /// Inputs evaluated one by one.
    pub points: u64,
    /// Why there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// How far the work came without a verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub open: Option<Open>,
    /// A point that breaks the requirement, replayed exactly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterexample: Option<Counterexample>,
}

/// How far the work on a region came that has no verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The least lower bound of the requirement's slack over the open boxes; absent if no bound
    /// was reached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub best: Option<f64>,
    /// The share of the region that is proved.
    pub fraction: f64,
    /// Open boxes.
    pub boxes: u64,
}

/// A point and the reference's class there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassPoint {
    /// The point.
    pub x: Vec<Exact>,
    /// The strict winner.
    pub class: usize,
}

/// A replayed counterexample; exact decimals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counterexample {
    /// The point.
    pub x: Vec<Exact>,
    /// The reference's outputs.
    pub reference: Vec<Exact>,
    /// The kernel's outputs, in real units.
    pub kernel: Vec<Exact>,
}

/// One dense layer or convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The value's name.
    pub name: String,
    /// Its weights.
    pub weight: Weight,
    /// Its biases.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bias: Option<Bias>,
    /// Its operand's format.
    pub activation: Activation,
    /// Its sums.
    pub accumulator: Accumulator,
}

/// Weights of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The format, or the list of formats per channel.
    #[serde(rename = "type")]
    pub format: String,
    /// Bits of one weight (the largest, per channel).
    pub bits: u8,
    /// Weights and biases.
    pub parameters: usize,
    /// The network's weights.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub values: Option<Span>,
    /// What the format holds; of formats per channel, what any of them does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holds: Option<Span>,
}

/// Biases of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bias {
    /// The format, or the list of formats per channel.
    #[serde(rename = "type")]
    pub format: String,
    /// Bits of one bias (the largest, per channel).
    pub bits: u8,
    /// The network's biases.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub values: Option<Span>,
    /// What the format holds; of formats per channel, what any of them does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holds: Option<Span>,
}

/// The operand of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The format.
    #[serde(rename = "type")]
    pub format: String,
    /// True if it is proved that no value is clamped on any point of the regions, false if that is
    /// not proved; a statement alone, nothing is left out for it. Absent where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clamp_inactive: Option<bool>,
    /// The stored value's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// Bits of one element.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bits: Option<u8>,
    /// What the format holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holds: Option<Span>,
    /// Type range: bounds of what is stored, before it is clamped, over every input of the input's
    /// format; absent for the input itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub types: Option<Span>,
    /// Region range: bounds of the same over the points of the regions; absent where none were
    /// computed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub regions: Option<Span>,
}

/// The sums of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accumulator {
    /// For instance `s18`.
    #[serde(rename = "type")]
    pub format: String,
    /// Least value over every input of the input's type.
    pub proved_min: i64,
    /// Greatest value.
    pub proved_max: i64,
}

/// Cost of the chosen program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// The cost model.
    pub metric: String,
    /// Its value.
    pub value: u64,
    /// Stored bits of weights.
    pub weights_bits: u64,
    /// Stored bits of biases and added constants.
    pub biases_bits: u64,
    /// Parameters of each layer times its weight bits, as the CEG4N paper counts.
    pub ceg4n_bits: u64,
    /// Bytes of the emitted constant data.
    pub flash_bytes: u64,
    /// Bytes of the emitted scratch structure.
    pub ram_bytes: u64,
}

/// The loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loop {
    /// Candidates that reached the verifier.
    pub iterations: u64,
    /// Candidates evaluated on points.
    pub candidates: u64,
    /// Points that every candidate must pass, the start points included.
    pub counterexamples: u64,
    /// Candidates that stayed open.
    pub set_aside: Vec<SetAside>,
    /// The start points among the points: centres of regions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_points: Option<u64>,
    /// Every candidate that reached the verifier, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub versions: Vec<LoopVersion>,
    /// What is known of everything cheaper than the result in a named search space; absent where
    /// the run did not go through the space.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub optimality: Option<Optimality>,
    /// Hash of `certificates/optimality.json`, from which the statement can be checked again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<ContentHash>,
}

/// Every proved program of a run; `pareto.svg` beside the report shows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pareto {
    /// What cost is weighed against: `accuracy`, or `agreement` with the reference where there are
    /// no labels.
    pub measure: String,
    /// On how many samples, and which.
    pub samples: String,
    /// The programs, the cheapest first.
    pub points: Vec<ParetoPoint>,
}

/// A proved program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParetoPoint {
    /// Its IR version.
    pub version: u32,
    /// Weight bits per layer.
    pub weight_bits: Vec<u8>,
    /// Bias bits per layer.
    pub bias_bits: Vec<u8>,
    /// Bits of stored activations, the input's first.
    pub activation_bits: Vec<u8>,
    /// Its cost.
    pub cost: u64,
    /// The measure, 0 to 1.
    pub value: f64,
    /// No other is as cheap and better, or as good and cheaper.
    pub on_front: bool,
}

/// A candidate that stayed open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAside {
    /// Its IR version.
    pub version: u32,
    /// Weight bits per layer.
    pub weight_bits: Vec<u8>,
    /// Bias bits per layer.
    pub bias_bits: Vec<u8>,
    /// Bits of stored activations, the input's first.
    pub activation_bits: Vec<u8>,
    /// Its cost.
    pub cost: u64,
    /// Why.
    pub reason: String,
}

/// Wall time of the stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seconds {
    /// All of it.
    pub total: f64,
    /// Proposing and evaluating candidates.
    pub search: f64,
    /// Labels and verdicts.
    pub verify: f64,
    /// Writing kernels.
    pub emit: f64,
}

impl Report {
    /// The report without times, the machine and the call: what two runs of the same must share.
    #[must_use]
    pub fn without_times(mut self) -> Self {
        self.seconds = Seconds::default();
        self.regions.iter_mut().for_each(|r| r.seconds = 0.0);
        self.run = None;
        self
    }

    /// The text of `report.json`.
    pub fn to_json(&self) -> String {
        // Keys are strings and no serializer here fails, so that no report is ever lost.
        let mut text = serde_json::to_string_pretty(self).expect("a report is plain data");
        text.push('\n');
        text
    }
}
