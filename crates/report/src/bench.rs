//! What `bench verify` found: a table per preset, and every region behind it.
//!
//! `bench.schema.json` beside this crate states the fields, and tests hold both together.

use crate::{ClassPoint, Counterexample, Open};
use ceg4n_base::ContentHash;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Version of the fields; grows when a field changes its meaning.
pub const BENCH_SCHEMA_VERSION: u32 = 1;

/// The JSON schema of [`Bench`].
pub const BENCH_SCHEMA: &str = include_str!("../bench.schema.json");

/// The result of `bench verify`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// [`BENCH_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the tool.
    pub tool_version: String,
    /// `bench verify`.
    pub command: String,
    /// False for a build with debug assertions, whose times say little.
    pub optimized: bool,
    /// What was asked, before any boundary margin.
    pub requirement: String,
    /// `real` or `grid FORMAT`.
    pub domain: String,
    /// `real` or `f32`.
    pub reference: String,
    /// `margin` or `refute`: what is asked where the reference changes class.
    pub boundary: String,
    /// `radius` or `network`: which regions share a kernel.
    pub scales: String,
    /// Equal boxes of a network are decided once.
    pub distinct: bool,
    /// The factor on the counted budgets.
    pub effort: u32,
    /// Who answers SMT queries.
    pub solver: String,
    /// Regions decided at the same time; no verdict depends on it.
    pub jobs: usize,
    /// Threads that one region may use; no verdict depends on it.
    pub region_jobs: usize,
    /// Seconds that a region may take.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region_time_limit: Option<f64>,
    /// Seconds that the run may take.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time_limit: Option<f64>,
    /// The networks, by name.
    pub networks: Vec<BenchNetwork>,
    /// Networks of the folder that were chosen and could not be used.
    pub skipped: Vec<Skipped>,
    /// What the reference does on each region; empty where nothing depends on it.
    pub labels: Vec<BenchLabel>,
    /// Does the reference keep its class: the counts; absent if nothing depends on it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label_table: Option<LabelTable>,
    /// The verdicts, by preset, network and region.
    pub regions: Vec<BenchRegion>,
    /// The counts, by preset.
    pub tables: Vec<Table>,
    /// Wall seconds of the run.
    pub seconds: f64,
    /// Seconds of processor time of the run, all threads; solver processes excluded.
    pub cpu_seconds: f64,
    /// The most bytes of memory in use at one time; absent where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peak_memory: Option<u64>,
    /// A limit or an interruption ended some work, so that another run may differ.
    pub clock_limited: bool,
}

/// A network of the folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchNetwork {
    /// The file's stem; with its extension where two files share it.
    pub name: String,
    /// The networks of the same shape, by what their names begin with.
    pub family: String,
    /// SHA-256 of the file.
    pub sha256: ContentHash,
    /// Elements of the input.
    pub inputs: usize,
    /// Elements of the output.
    pub outputs: usize,
    /// Elements of the constants.
    pub parameters: usize,
}

/// A network that could not be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// As for a network.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What the reference does on a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchLabel {
    /// The network.
    pub network: String,
    /// The region's radius, as its file has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ball_size: Option<String>,
    /// The region's id.
    pub id: String,
    /// `keeps`, `changes` or `undecided`.
    pub label: String,
    /// The class that it keeps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<usize>,
    /// Two points that show a change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class_change: Option<Vec<ClassPoint>>,
    /// The region with the same box whose answer this is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub equal_to: Option<String>,
    /// A limit or an interruption ended the work.
    pub clock_limited: bool,
    /// Wall seconds.
    pub seconds: f64,
    /// Seconds of processor time of the thread, or of the first of several.
    pub cpu_seconds: f64,
}

/// The verdict on a region under a preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchRegion {
    /// The preset: `uniform:W:A` or `weights:W`.
    pub preset: String,
    /// The network.
    pub network: String,
    /// The region's radius, as its file has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ball_size: Option<String>,
    /// The region's id.
    pub id: String,
    /// What was asked here.
    pub requirement: String,
    /// `keeps`, `changes`, `undecided`, or `none` where nothing depends on it.
    pub label: String,
    /// `proved`, `refuted` or `unknown`.
    pub verdict: String,
    /// The strongest method that was needed; `replay` for a counterexample, `none` without a
    /// verdict.
    pub method: String,
    /// A constant answer satisfies what was asked; never counts as proved.
    pub vacuous: bool,
    /// Which constant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vacuous_constant: Option<String>,
    /// The margin that was shown to hold, at most the one asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub margin_proved: Option<f64>,
    /// Boxes looked at.
    pub boxes: u64,
    /// Inputs evaluated one by one.
    pub points: u64,
    /// Wall seconds, the label's excluded.
    pub seconds: f64,
    /// Seconds of processor time of the thread, or of the first of several.
    pub cpu_seconds: f64,
    /// Why there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// How far the work came without a verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub open: Option<Open>,
    /// A point that breaks the requirement, replayed exactly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterexample: Option<Counterexample>,
    /// The region with the same box and the same question whose verdict this is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub equal_to: Option<String>,
    /// A limit or an interruption ended the work.
    pub clock_limited: bool,
}

/// Counts of labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTable {
    /// By network and radius.
    pub rows: Vec<LabelRow>,
    /// By family.
    pub families: Vec<LabelRow>,
    /// All.
    pub total: LabelRow,
}

/// Labels of one network and radius, of a family, or all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelRow {
    /// The network or the family; `all`.
    pub name: String,
    /// The radius, in rows of a network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ball_size: Option<String>,
    /// Regions labelled.
    pub regions: u64,
    /// Regions left out because their box equals an earlier one; in no other count.
    pub equal: u64,
    /// The reference keeps its class.
    pub keeps: u64,
    /// It changes class, by two replayed points.
    pub changes: u64,
    /// Neither shown.
    pub undecided: u64,
    /// Times.
    pub times: Times,
}

/// Counts of verdicts under one preset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The preset.
    pub preset: String,
    /// By network and radius.
    pub rows: Vec<Row>,
    /// By family.
    pub families: Vec<Row>,
    /// All.
    pub total: Row,
}

/// Verdicts of one network and radius, of a family, or all.
///
/// `regions` is the sum of `proved`, `proved_margin`, `refuted`, `vacuous` and `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The network or the family; `all`.
    pub name: String,
    /// The radius, in rows of a network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ball_size: Option<String>,
    /// Hash of the kernel, in rows of a network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub program: Option<ContentHash>,
    /// What is asked where the reference changes class, in rows of a network that has such
    /// regions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub margin: Option<String>,
    /// The largest of the margins that were shown to hold, in rows of a network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub margin_proved: Option<f64>,
    /// Why there is no kernel to ask about; the row's counts are then zero.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unsupported: Option<String>,
    /// Regions decided or tried.
    pub regions: u64,
    /// Regions left out because box and question equal earlier ones; in no other count.
    pub equal: u64,
    /// Proved, other than under a margin.
    pub proved: u64,
    /// Proved under a margin: what is asked where the reference changes class.
    pub proved_margin: u64,
    /// Refuted by a replayed point.
    pub refuted: u64,
    /// Proved, and met by a constant answer.
    pub vacuous: u64,
    /// Open.
    pub unknown: u64,
    /// Of all these: the reference changes class.
    pub changes: u64,
    /// Of all these: what the reference does was asked and not found out.
    pub undecided: u64,
    /// Boxes looked at.
    pub boxes: u64,
    /// Inputs evaluated one by one.
    pub points: u64,
    /// Times.
    pub times: Times,
}

/// Times of regions. Wall times grow with the load of the machine; processor times hardly do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Median wall milliseconds of a region.
    pub median_ms: f64,
    /// The most wall milliseconds of a region.
    pub max_ms: f64,
    /// Median milliseconds of processor time of a region.
    pub median_cpu_ms: f64,
    /// The most milliseconds of processor time of a region.
    pub max_cpu_ms: f64,
    /// Seconds of processor time of the threads that worked on the regions, in sum.
    pub cpu_seconds: f64,
}

impl Times {
    /// The times of regions, as pairs of wall seconds and processor seconds.
    pub fn of(regions: &[(f64, f64)]) -> Self {
        let wall = Sorted::new(regions.iter().map(|r| r.0));
        let cpu = Sorted::new(regions.iter().map(|r| r.1));
        Self {
            median_ms: wall.median() * 1e3,
            max_ms: wall.max() * 1e3,
            median_cpu_ms: cpu.median() * 1e3,
            max_cpu_ms: cpu.max() * 1e3,
            cpu_seconds: cpu.0.iter().fold(0.0, |sum, s| sum + s),
        }
    }
}

/// Numbers in order.
struct Sorted(Vec<f64>);

impl Sorted {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    fn at(&self, i: usize) -> f64 {
        self.0.get(i).copied().unwrap_or(0.0)
    }

    fn max(&self) -> f64 {
        self.at(self.0.len().saturating_sub(1))
    }

    fn median(&self) -> f64 {
        let n = self.0.len();
        (self.at(n.saturating_sub(1) / 2) + self.at(n / 2)) / 2.0
    }
}

/// The columns of [`Bench::to_csv`].
const COLUMNS: &str = "preset,network,ball_size,region,requirement,label,verdict,method,vacuous,\
                       margin_proved,boxes,points,seconds,cpu_seconds,best_bound,fraction_proved,\
                       open_boxes,equal_to,reason\n";

impl Bench {
    /// One line per network, region and preset, labels first, as comma-separated values with a
    /// header; what does not apply is empty.
    pub fn to_csv(&self) -> String {
        let mut out = String::from(COLUMNS);
        for l in &self.labels {
            label_line(&mut out, l, &self.requirement);
        }
        for r in &self.regions {
            region_line(&mut out, r);
        }
        out
    }
}

fn label_line(out: &mut String, l: &BenchLabel, requirement: &str) {
    let (seconds, cpu) = (number(Some(l.seconds)), number(Some(l.cpu_seconds)));
    let asked: [&str; 5] = ["labels", &l.network, text(&l.ball_size), &l.id, requirement];
    let answer: [&str; 7] = [&l.label, "", "", "", "", "", ""];
    let rest: [&str; 7] = [&seconds, &cpu, "", "", "", text(&l.equal_to), ""];
    line(out, &[&asked[..], &answer, &rest].concat());
}

fn region_line(out: &mut String, r: &BenchRegion) {
    let open = r.open.as_ref();
    let asked: [&str; 9] = [
        &r.preset,
        &r.network,
        text(&r.ball_size),
        &r.id,
        &r.requirement,
        &r.label,
        &r.verdict,
        &r.method,
        if r.vacuous { "true" } else { "false" },
    ];
    let numbers = [
        number(r.margin_proved),
        r.boxes.to_string(),
        r.points.to_string(),
        number(Some(r.seconds)),
        number(Some(r.cpu_seconds)),
        number(open.and_then(|o| o.best)),
        number(open.map(|o| o.fraction)),
        open.map_or(String::new(), |o| o.boxes.to_string()),
    ];
    let numbers = numbers.each_ref().map(String::as_str);
    let rest = [text(&r.equal_to), text(&r.reason)];
    line(out, &[&asked[..], &numbers, &rest].concat());
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |v| v.to_string())
}

/// Appends a line; a field with a separator, a quote or a line break stands in quotes.
fn line(out: &mut String, fields: &[&str]) {
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            // Writing to a string does not fail.
            let _ = write!(out, "\"{}\"", field.replace('"', "\"\""));
        } else {
            out.push_str(field);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_median_and_a_sum() {
        assert_eq!(Times::of(&[]), Times::default());
        let t = Times::of(&[(0.5, 1.0), (0.25, 2.0), (4.0, 0.5)]);
        assert_eq!((t.median_ms, t.max_ms), (500.0, 4000.0));
        let cpu = (t.median_cpu_ms, t.max_cpu_ms, t.cpu_seconds);
        assert_eq!(cpu, (1000.0, 2000.0, 3.5));
        assert_eq!(Times::of(&[(0.25, 0.0), (0.75, 0.0)]).median_ms, 500.0);
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let mut out = String::new();
        line(&mut out, &["a", "b,c", "say \"x\"", ""]);
        assert_eq!(out, "a,\"b,c\",\"say \"\"x\"\"\",\n");
    }
}
