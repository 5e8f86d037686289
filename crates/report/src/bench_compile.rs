//! The result of `bench compile`: one row per network, radius and preset, and what the presets
//! cost beside each other.
//!
//! A [`CompileCase`] is a network and a radius under one question. Presets are compared within a
//! case only, and there only by rows whose every region is proved: at the same guarantee.

use crate::bench::{BenchNetwork, Skipped};
use crate::{Cost, Region, Report, Status};
use ceg4n_base::ContentHash;
use serde::{Deserialize, Serialize};

/// Version of the fields; grows when a field changes its meaning.
pub const COMPILE_BENCH_SCHEMA_VERSION: u32 = 1;

/// The JSON schema of [`CompileBench`].
pub const COMPILE_BENCH_SCHEMA: &str = include_str!("../bench-compile.schema.json");

/// The preset whose rows are compared with all others.
pub const AUTO: &str = "auto";
/// The preset that costs are related to.
pub const UNIFORM_MIN: &str = "uniform-min";
/// The name that stands for all families.
pub const ALL: &str = "all";

/// The outcome of `bench compile`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompileBench {
    /// [`COMPILE_BENCH_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the tool.
    pub tool_version: String,
    /// `bench compile`.
    pub command: String,
    /// False for a build with debug assertions, whose times say little.
    pub optimized: bool,
    /// The networks, by name.
    pub networks: Vec<BenchNetwork>,
    /// Networks of the folder that were chosen and could not be used.
    pub skipped: Vec<Skipped>,
    /// By network, radius and preset; those of earlier runs among them.
    pub rows: Vec<CompileRow>,
    /// By network and radius.
    pub cases: Vec<CompileCase>,
    /// By family and preset; those of all families last.
    pub sums: Vec<CompileSum>,
    /// Rows that this run computed.
    pub computed: u64,
    /// Rows that were asked for and taken from the store.
    pub reused: u64,
    /// The run was ended before every row was there.
    pub interrupted: bool,
    /// Wall seconds of the run.
    pub seconds: f64,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowStatus {
    /// Every region is proved, none is vacuous, and every demand on data is met.
    Proved,
    /// As `Proved`, but for regions whose requirement a constant answer meets.
    Vacuous,
    /// A region is refuted or a demand is missed.
    Refuted,
    /// Neither.
    Unknown,
    /// The run itself failed.
    Failed,
}

impl RowStatus {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Vacuous => "vacuous",
            Self::Refuted => "refuted",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// One run of `compile`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompileRow {
    /// Hash of everything that decides the row: network, regions, question, preset, options, limits
    /// and version of the tool.
    pub key: ContentHash,
    /// Hash of what is guaranteed: network, regions, requirement, boundary, domain, reference,
    /// demands on data, and the cost model.
    pub question: ContentHash,
    /// The network.
    pub network: String,
    /// Its family.
    pub family: String,
    /// The radius, as the file of regions has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ball_size: Option<String>,
    /// The preset.
    pub preset: String,
    /// What was required, one statement a line.
    pub requirement: String,
    /// The margin asked for where the reference changes class; absent without such regions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub margin: Option<String>,
    /// What became of it.
    pub status: RowStatus,
    /// Why it is not proved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Regions (and requirements) asked about.
    pub regions: u64,
    /// Of these: proved, other than under a margin, and not vacuous.
    pub proved: u64,
    /// Proved under a margin, and not vacuous.
    pub proved_margin: u64,
    /// Proved and vacuous.
    pub vacuous: u64,
    /// Refuted.
    pub refuted: u64,
    /// Without a verdict.
    pub unknown: u64,
    /// Weight bits per dense layer.
    pub weight_bits: Vec<u8>,
    /// Formats of the dense layers' operands.
    pub activations: Vec<String>,
    /// What the program costs; absent without a program.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<Cost>,
    /// What it does on data; absent without data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy: Option<RowAccuracy>,
    /// Candidates that reached the verifier.
    pub iterations: u64,
    /// Candidates evaluated on points.
    pub candidates: u64,
    /// Candidates that stayed open.
    pub set_aside: u64,
    /// A limit or an interruption ended some work.
    pub clock_limited: bool,
    /// Seconds that the row may take.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time_limit: Option<f64>,
    /// Threads.
    pub jobs: usize,
    /// Wall seconds.
    pub seconds: f64,
    /// Hash of the executable that made the row.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub build: Option<ContentHash>,
}

/// Accuracy and agreement of a row's program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowAccuracy {
    /// `test`, or `calibration` for rows that the kernel may have been fitted to.
    pub split: String,
    /// Samples.
    pub samples: u64,
    /// The share on which the reference's class is the label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<f64>,
    /// The same of the kernel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kernel: Option<f64>,
    /// The share on which both have one class.
    pub agreement: f64,
    /// Its one-sided lower 95 % confidence limit.
    pub agreement_lower: f64,
}

impl RowAccuracy {
    /// Accuracy of the reference less that of the kernel.
    pub fn lost(&self) -> Option<f64> {
        Some(self.reference? - self.kernel?)
    }
}

impl CompileRow {
    /// True if the row's program has the guarantee that was asked for.
    pub fn holds(&self) -> bool {
        matches!(self.status, RowStatus::Proved | RowStatus::Vacuous)
    }

    /// The cost of a program that has the guarantee.
    pub fn cost_at_guarantee(&self) -> Option<u64> {
        let cost = self.cost.as_ref().filter(|_| self.holds());
        cost.map(|c| c.value)
    }

    /// Takes over what a report says.
    pub fn fill(&mut self, report: &Report, asked: u64) {
        let count = |is: &dyn Fn(&Region) -> bool| {
            let regions = report.regions.iter();
            regions.filter(|r| is(r)).count() as u64
        };
        let proved = |r: &Region| r.verdict == "proved" && !r.vacuous;
        let under_margin = |r: &Region| r.requirement.starts_with("top1 margin");
        let whole = count(&proved);
        self.proved_margin = count(&|r| proved(r) && under_margin(r));
        self.proved = whole - self.proved_margin;
        self.vacuous = count(&|r| r.verdict == "proved" && r.vacuous);
        self.refuted = count(&|r| r.verdict == "refuted");
        self.regions = asked.max(report.regions.len() as u64);
        self.unknown = self.regions - whole - self.vacuous - self.refuted;
        let all = self.regions > 0 && whole + self.vacuous == self.regions;
        self.status = match report.status {
            Status::Proved => RowStatus::Proved,
            Status::Refuted => RowStatus::Refuted,
            Status::Unknown if all && self.vacuous > 0 => RowStatus::Vacuous,
            Status::Unknown => RowStatus::Unknown,
        };
        self.reason = report.reason.clone();
        self.requirement = report.requirement.clone();
        let margin = report.regions.iter().find_map(|r| {
            let text = r.requirement.strip_prefix("top1 margin ")?;
            Some(text.to_owned())
        });
        self.margin = margin;
        let layers = &report.layers;
        self.weight_bits = layers.iter().map(|l| l.weight.bits).collect();
        self.activations = layers.iter().map(|l| l.activation.format.clone()).collect();
        self.cost = report.cost.clone();
        self.accuracy = report.accuracy.as_ref().map(|a| RowAccuracy {
            split: a.split.clone(),
            samples: a.samples,
            reference: a.reference_accuracy,
            kernel: a.kernel_accuracy,
            agreement: a.agreement,
            agreement_lower: a.agreement_lower,
        });
        if let Some(l) = &report.loop_ {
            self.iterations = l.iterations;
            self.candidates = l.candidates;
            self.set_aside = l.set_aside.len() as u64;
        }
        self.clock_limited = report.clock_limited;
        self.seconds = report.seconds.total;
    }
}

/// The presets of one network and radius beside each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompileCase {
    /// What is guaranteed.
    pub question: ContentHash,
    /// The network.
    pub network: String,
    /// Its family.
    pub family: String,
    /// The radius.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ball_size: Option<String>,
    /// The cost of `auto`, if it has the guarantee.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auto: Option<u64>,
    /// The cost of `uniform-min`, if it has the guarantee.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uniform_min: Option<u64>,
    /// The cost of `auto` over that of `uniform-min`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ratio: Option<f64>,
    /// Presets with the guarantee that cost less than `auto`, or that have it where `auto` has not.
    pub cheaper: Vec<String>,
    /// Accuracy that `auto` lost on data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy_lost: Option<f64>,
}

/// The rows of one preset in a family, or in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompileSum {
    /// The family, or `all`.
    pub family: String,
    /// The preset.
    pub preset: String,
    /// Rows.
    pub rows: u64,
    /// Of these, by status.
    pub proved: u64,
    /// Proved but for vacuous regions.
    pub vacuous: u64,
    /// Refuted.
    pub refuted: u64,
    /// Open.
    pub unknown: u64,
    /// Failed.
    pub failed: u64,
    /// Rows in which this preset and `uniform-min` have the guarantee.
    pub compared: u64,
    /// The median over these of the saving of cost against `uniform-min`: one less the ratio.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub median_saving: Option<f64>,
    /// Rows in which this preset costs less than `auto`, or has the guarantee where `auto` has not.
    pub cheaper_than_auto: u64,
    /// The most accuracy lost in a row with the guarantee; absent without labelled data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy_lost: Option<f64>,
    /// Wall seconds in sum.
    pub seconds: f64,
}

/// The presets of each case beside each other, in the order of the rows.
pub fn compile_cases(rows: &[CompileRow]) -> Vec<CompileCase> {
    let mut cases: Vec<CompileCase> = Vec::new();
    for row in rows {
        if cases.iter().any(|c| belongs(row, c)) {
            continue;
        }
        let mut case = CompileCase {
            question: row.question,
            network: row.network.clone(),
            family: row.family.clone(),
            ball_size: row.ball_size.clone(),
            auto: None,
            uniform_min: None,
            ratio: None,
            cheaper: Vec::new(),
            accuracy_lost: None,
        };
        let own: Vec<&CompileRow> = rows.iter().filter(|r| belongs(r, &case)).collect();
        let of = |preset: &str| own.iter().find(|r| r.preset == preset).copied();
        let cost = |preset: &str| of(preset).and_then(CompileRow::cost_at_guarantee);
        (case.auto, case.uniform_min) = (cost(AUTO), cost(UNIFORM_MIN));
        case.ratio = (case.auto.zip(case.uniform_min))
            .filter(|(_, least)| *least > 0)
            .map(|(auto, least)| auto as f64 / least as f64);
        if of(AUTO).is_some() {
            let cheaper = own.iter().filter(|r| {
                let cost = r.cost_at_guarantee();
                cost.is_some_and(|c| case.auto.is_none_or(|auto| c < auto))
            });
            case.cheaper = cheaper.map(|r| r.preset.clone()).collect();
        }
        let auto = of(AUTO).filter(|r| r.holds());
        case.accuracy_lost = auto.and_then(|r| r.accuracy.as_ref()?.lost());
        cases.push(case);
    }
    cases
}

fn belongs(row: &CompileRow, case: &CompileCase) -> bool {
    row.question == case.question && row.network == case.network && row.ball_size == case.ball_size
}

/// The sums of each family and of all, by preset; families and presets in the order in which they
/// come first.
pub fn compile_sums(rows: &[CompileRow], cases: &[CompileCase]) -> Vec<CompileSum> {
    let mut families: Vec<&str> = Vec::new();
    let mut presets: Vec<&str> = Vec::new();
    for row in rows {
        if !families.contains(&row.family.as_str()) {
            families.push(&row.family);
        }
        if !presets.contains(&row.preset.as_str()) {
            presets.push(&row.preset);
        }
    }
    let mut sums = Vec::new();
    for family in families.into_iter().map(Some).chain([None]) {
        for preset in &presets {
            let own = rows
                .iter()
                .filter(|r| r.preset == *preset && family.is_none_or(|family| r.family == family));
            let own: Vec<&CompileRow> = own.collect();
            if !own.is_empty() {
                sums.push(sum(family.unwrap_or(ALL), preset, &own, cases));
            }
        }
    }
    sums
}

fn sum(family: &str, preset: &str, rows: &[&CompileRow], cases: &[CompileCase]) -> CompileSum {
    let mut out = CompileSum {
        family: family.to_owned(),
        preset: preset.to_owned(),
        ..CompileSum::default()
    };
    let mut savings = Vec::new();
    for row in rows {
        out.rows += 1;
        out.seconds += row.seconds;
        let counter = match row.status {
            RowStatus::Proved => &mut out.proved,
            RowStatus::Vacuous => &mut out.vacuous,
            RowStatus::Refuted => &mut out.refuted,
            RowStatus::Unknown => &mut out.unknown,
            RowStatus::Failed => &mut out.failed,
        };
        *counter += 1;
        let Some(case) = cases.iter().find(|c| belongs(row, c)) else {
            continue;
        };
        let least = case.uniform_min.filter(|least| *least > 0);
        if let Some((cost, least)) = row.cost_at_guarantee().zip(least) {
            out.compared += 1;
            savings.push(1.0 - cost as f64 / least as f64);
        }
        if case.cheaper.contains(&row.preset) {
            out.cheaper_than_auto += 1;
        }
        let accuracy = row.accuracy.as_ref().filter(|_| row.holds());
        if let Some(lost) = accuracy.and_then(RowAccuracy::lost) {
            out.accuracy_lost = Some(out.accuracy_lost.map_or(lost, |most| most.max(lost)));
        }
    }
    out.median_saving = median(savings);
    out
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let (low, high) = (values.get(n.saturating_sub(1) / 2)?, values.get(n / 2)?);
    Some((low + high) / 2.0)
}

impl CompileBench {
    /// The text of `bench.json`.
    pub fn to_json(&self) -> String {
        // Keys are strings and no serializer here fails.
        let mut text = serde_json::to_string_pretty(self).expect("a bench is plain data");
        text.push('\n');
        text
    }
}
