//! One row: what decides it, where it is stored, and its run.

use super::cases::Case;
use super::{CompileBenchOptions, preset_name};
use crate::compile::compile;
use crate::failure::Failure;
use crate::options::{
    Boundary, CompileOptions, DataOptions, EmitSet, LoadOptions, Preset, StoreOptions,
};
use crate::outcome::TOOL_VERSION;
use crate::progress::{Cancel, Progress};
use ceg4n_base::{ContentHash, Exact, Hasher};
use ceg4n_report::{CompileRow, RowStatus};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A row before it is run.
pub(super) struct Sheet<'a> {
    case: &'a Case,
    preset: String,
    options: CompileOptions,
    /// Hash of everything that decides the row.
    pub key: ContentHash,
    /// Hash of what is guaranteed.
    question: ContentHash,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(bench: &CompileBenchOptions, case: &'a Case, preset: Preset) -> Self {
        let mut options = bench.compile.clone();
        options.load = case.load.clone();
        options.preset = preset;
        options.budget.time_limit = bench.time_limit(&case.stem);
        // The default is written out: it is part of the question.
        options.boundary = Some(options.boundary.unwrap_or(Boundary::Margin));
        // Flash and RAM are those of the C kernel.
        options.emit = EmitSet::only_c();
        let set = case.data.and_then(|(i, _)| bench.data.get(i));
        options.data = match set {
            Some(set) => DataOptions {
                data: Some(set.data.clone()),
                labels: set.labels.clone(),
                ..bench.compile.data.clone()
            },
            None => DataOptions::default(),
        };
        Self {
            question: question(case, &options),
            key: key(case, &options),
            preset: preset_name(preset),
            case,
            options,
        }
    }

    /// Where the row is stored: network, radius, preset.
    pub(super) fn place(&self) -> PathBuf {
        let radius = self.radius().unwrap_or_else(|| "all".to_owned());
        let plain = |text: &str| text.replace([':', '/', '\\'], "-");
        [
            plain(&self.case.network.name),
            plain(&radius),
            plain(&self.preset),
        ]
        .iter()
        .collect()
    }

    fn radius(&self) -> Option<String> {
        self.case.ball_size.as_ref().map(Exact::to_string)
    }

    /// The row in a few words.
    pub(super) fn title(&self) -> String {
        let radius = self.radius().map_or(String::new(), |r| format!(" {r}"));
        format!("{}{radius}, {}", self.case.network.name, self.preset)
    }

    /// Runs `compile` into a folder. What fails is told by the row.
    pub(super) fn run(self, folder: &Path, progress: &dyn Progress, cancel: &Cancel) -> CompileRow {
        let started = Instant::now();
        let mut row = self.blank();
        let options = CompileOptions {
            output: Some(folder.to_owned()),
            // The row itself is what a run of these keeps.
            store: StoreOptions {
                keep: false,
                ..StoreOptions::default()
            },
            ..self.options
        };
        match compile(&options, progress, cancel) {
            Ok(done) => row.fill(&done.report, self.case.asked),
            Err(failure) => row.reason = Some(reason(&failure)),
        }
        row.seconds = started.elapsed().as_secs_f64();
        row
    }

    /// A row without findings.
    fn blank(&self) -> CompileRow {
        let network = &self.case.network;
        let budget = &self.options.budget;
        CompileRow {
            key: self.key,
            question: self.question,
            network: network.name.clone(),
            family: network.family.clone(),
            ball_size: self.radius(),
            preset: self.preset.clone(),
            requirement: String::new(),
            margin: None,
            status: RowStatus::Failed,
            reason: None,
            regions: self.case.asked,
            proved: 0,
            proved_margin: 0,
            vacuous: 0,
            refuted: 0,
            unknown: self.case.asked,
            weight_bits: Vec::new(),
            activations: Vec::new(),
            cost: None,
            accuracy: None,
            iterations: 0,
            candidates: 0,
            set_aside: 0,
            clock_limited: false,
            time_limit: budget.time_limit.map(|d: Duration| d.as_secs_f64()),
            jobs: budget.jobs,
            seconds: 0.0,
            build: build(),
        }
    }
}

fn reason(failure: &Failure) -> String {
    crate::bench::inputs::first_error(failure)
}

/// Hash of this executable, if it can be read: rows of several builds can be told apart.
fn build() -> Option<ContentHash> {
    static BUILD: OnceLock<Option<ContentHash>> = OnceLock::new();
    *BUILD.get_or_init(|| {
        let path = std::env::current_exe().ok()?;
        Some(ContentHash::of(&std::fs::read(path).ok()?))
    })
}

/// Hash of what is guaranteed.
fn question(case: &Case, options: &CompileOptions) -> ContentHash {
    let mut h = Hasher::new("question of a row");
    h.bytes(&case.network.sha256.0).bytes(&case.regions.0);
    let load = &options.load;
    h.str(&format!("{:?} {:?}", load.require, load.domain));
    h.str(&format!("{:?}", options.reference));
    let margin = options.boundary_margin.as_ref().map(Exact::to_string);
    h.str(&format!("{:?} {margin:?}", options.boundary));
    add_data(&mut h, case, options);
    h.str(options.cost.name());
    h.finish()
}

fn add_data(h: &mut Hasher, case: &Case, options: &CompileOptions) {
    if let Some((_, files)) = &case.data {
        h.bytes(&files.0);
    }
    let data = &options.data;
    h.str(&format!("{:?} {:?}", data.data_rows, data.test_rows));
    h.str(&format!("{:?}", data.demands));
}

/// Hash of everything that decides a row. Paths do not count, what stands there does.
fn key(case: &Case, options: &CompileOptions) -> ContentHash {
    let mut h = Hasher::new("row");
    h.str(TOOL_VERSION);
    h.bytes(&question(case, options).0);
    let plain = CompileOptions {
        load: LoadOptions::default(),
        data: DataOptions::default(),
        output: None,
        ..options.clone()
    };
    h.str(&format!("{plain:?}"));
    h.finish()
}

/// Orders rows by network, radius and preset. Networks stand by name; presets as they were asked
/// for, those of other runs behind.
pub(super) fn sort(rows: &mut [CompileRow], options: &CompileBenchOptions) {
    let presets: Vec<String> = options.presets.iter().map(|p| preset_name(*p)).collect();
    let place = |preset: &str| {
        let at = presets.iter().position(|p| p == preset);
        (at.unwrap_or(presets.len()), preset.to_owned())
    };
    let radius = |r: &CompileRow| r.ball_size.as_ref().and_then(|t| t.parse::<Exact>().ok());
    rows.sort_by_cached_key(|r| {
        let radius = radius(r);
        (
            r.network.clone(),
            radius.is_none(),
            radius,
            place(&r.preset),
            r.key.to_string(),
        )
    });
}
