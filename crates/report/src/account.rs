//! What a report says of the run besides verdicts: how it was called, what every version of the
//! loop came to, the box and the picture that a region is, and what the kernel costs on each
//! processor.
//!
//! All of it may be absent: reports of earlier versions lack it, and so do runs that have none.

use ceg4n_base::ContentHash;
use serde::{Deserialize, Serialize};

/// How a run was called: with the network and the files, enough to repeat it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The words of the command line, the program's name first; empty for a library call.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub command_line: Vec<String>,
    /// When it began: RFC 3339 in UTC, to the second.
    pub started: String,
    /// Processor and operating system, for instance `x86_64-linux`.
    pub platform: String,
    /// The factor on the counted budgets.
    pub effort: u32,
    /// Who answers SMT queries.
    pub solver: String,
    /// Threads; no result depends on it.
    pub jobs: usize,
    /// Seconds that the whole run may take.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time_limit: Option<f64>,
    /// Seconds that each region may take.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region_time_limit: Option<f64>,
    /// MiB that the run may use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory_limit: Option<u64>,
    /// The files that were read, the network first.
    pub inputs: Vec<InputFile>,
}

/// A file that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// As it was named.
    pub path: String,
    /// `network`, `regions`, `query`, `data`, `labels`, `test data` or `test labels`.
    pub role: String,
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: ContentHash,
}

/// Least and greatest of some numbers, in real units, rounded to float64.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Span {
    /// A span, unless an end is no finite number.
    pub fn new(least: f64, greatest: f64) -> Option<Self> {
        (least.is_finite() && greatest.is_finite()).then_some(Self { least, greatest })
    }

    /// The least span around numbers; `None` without a finite one.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        let (lo, hi) = values
            .into_iter()
            .fold(start, |(lo, hi), v| (lo.min(v), hi.max(v)));
        Self::new(lo, hi)
    }
}

/// A candidate that reached the verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoopVersion {
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
    /// Its mantissas were moved by guided rounding.
    pub guided: bool,
    /// `proved`, `refuted` by a counterexample, or `unknown`: it was set aside.
    pub ended: String,
    /// The region of the counterexample.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// The counterexample, by its place among the stored points, from 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterexample: Option<usize>,
    /// Why it was set aside.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// Inputs that are pictures, and some of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Rows of a picture.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// The channels of a pixel stand together; otherwise channel after channel.
    pub channels_last: bool,
    /// Centres of regions: those with a counterexample first, then others up to a dozen.
    pub centers: Vec<ImageCenter>,
}

/// The centre of a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageCenter {
    /// The region's id.
    pub region: String,
    /// The reference's class there; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<usize>,
    /// The centre's elements.
    pub x: Vec<f64>,
}

/// What the C kernel takes on a processor, computed and not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetCost {
    /// The processor's name on the command line.
    pub target: String,
    /// The form of the loops.
    pub kernel: String,
    /// The kernel in the output folder is made for it.
    pub emitted: bool,
    /// Bytes of constant arrays: exact.
    pub constant_bytes: u64,
    /// Bytes of code: an upper estimate, from the length of the C text.
    pub code_bytes: u64,
    /// Bytes of scratch memory: exact, without padding.
    pub scratch_bytes: u64,
    /// Bytes of the caller's inputs and outputs: exact.
    pub vector_bytes: u64,
    /// Instructions or cycles of one inference by the cost model, which is fitted to measured
    /// kernels.
    pub time: u64,
    /// What is counted: `instructions` or `cycles`.
    pub time_unit: String,
}
