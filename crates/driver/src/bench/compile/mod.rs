//! `bench compile`: presets of `compile` side by side on a folder of networks, as one table.
//!
//! The folder is that of `bench verify`. A row is one run of `compile`: a network, the regions of
//! one radius, a preset. All presets of a network and radius are asked the same: requirement,
//! boundary margin and demands on data are fixed before any of them runs. Rows are stored as they
//! are finished, and one that is there already is not computed again.

mod cases;
mod row;
mod store;

use super::inputs::matches;
use crate::failure::Failure;
use crate::options::{CompileOptions, DataSource, Demand, LabelSource, Preset};
use crate::outcome::TOOL_VERSION;
use crate::progress::{Cancel, Event, Progress, Stage, told};
use cases::{Case, Cases};
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_ir::Property;
use ceg4n_report::{
    COMPILE_BENCH_SCHEMA_VERSION, CompileBench, CompileRow, compile_cases, compile_sums,
};
use ceg4n_verify::SolverLeaf;
use row::Sheet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use store::Store;

/// Everything that `bench compile` can be told.
#[derive(Clone, Debug)]
pub struct CompileBenchOptions {
    /// The folder with `networks` and `regions`.
    pub folder: PathBuf,
    /// Names of networks, in which `*` stands for anything; empty takes all.
    pub networks: Vec<String>,
    /// What is compared, in this order.
    pub presets: Vec<Preset>,
    /// What every row is asked, and its limits. Its network, preset, output and data are not
    /// looked at, but for the rows of data and the demands on them.
    pub compile: CompileOptions,
    /// Requirements of networks by pattern; the first that fits counts.
    pub requirements: Vec<(String, Demand)>,
    /// Time limits of a row by pattern; the first that fits counts.
    pub time_limits: Vec<(String, Duration)>,
    /// Data sets; each serves the networks whose inputs it fits.
    pub data: Vec<BenchData>,
    /// The folder of stored rows; without it nothing is kept.
    pub output: Option<PathBuf>,
    /// Compute rows that are stored already.
    pub rerun: bool,
}

/// A data set with its labels.
#[derive(Clone, Debug)]
pub struct BenchData {
    /// The inputs.
    pub data: DataSource,
    /// Their classes.
    pub labels: Option<LabelSource>,
}

impl CompileBenchOptions {
    /// The options of `ceg4nc bench compile DIR`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let mut compile = CompileOptions::new("");
        compile.load.require = Some(Property::Top1.into());
        Self {
            folder: folder.into(),
            networks: Vec::new(),
            presets: vec![
                Preset::Uniform {
                    weight_bits: 8,
                    activation_bits: 8,
                },
                Preset::UniformMin,
                Preset::Gpfq,
                Preset::Ceg4n,
                Preset::Auto,
            ],
            compile,
            requirements: Vec::new(),
            time_limits: Vec::new(),
            data: Vec::new(),
            output: None,
            rerun: false,
        }
    }

    /// What networks of this name are asked.
    fn requirement(&self, name: &str) -> Option<Demand> {
        let own = self.requirements.iter().find(|(p, _)| matches(p, name));
        let own = own.map(|(_, demand)| demand.clone());
        own.or_else(|| self.compile.load.require.clone())
    }

    /// How long a row of a network of this name may take.
    fn time_limit(&self, name: &str) -> Option<Duration> {
        let own = self.time_limits.iter().find(|(p, _)| matches(p, name));
        own.map(|(_, limit)| *limit)
            .or(self.compile.budget.time_limit)
    }

    /// Refuses patterns that no network of the run has.
    fn check_patterns(&self, names: &[String]) -> Result<(), Diagnostic> {
        let asked = self.requirements.iter().map(|(p, _)| ("require-for", p));
        let limits = self.time_limits.iter().map(|(p, _)| ("time-limit-for", p));
        for (option, pattern) in asked.chain(limits) {
            if !names.iter().any(|n| matches(pattern, n)) {
                let text = format!("--{option} {pattern}: no network of this run is called so");
                return Err(Diagnostic::error(codes::USAGE, text)
                    .help_if(did_you_mean(pattern, names.iter().map(String::as_str)))
                    .help("a name stands without its extension; * stands for anything"));
            }
        }
        Ok(())
    }
}

/// What a preset is called.
pub(super) fn preset_name(preset: Preset) -> String {
    match preset {
        Preset::Auto => "auto".to_owned(),
        Preset::Uniform {
            weight_bits: 8,
            activation_bits: 8,
        } => "uniform8".to_owned(),
        Preset::Uniform {
            weight_bits,
            activation_bits,
        } => format!("uniform:{weight_bits}:{activation_bits}"),
        Preset::UniformMin => "uniform-min".to_owned(),
        Preset::Gpfq => "gpfq".to_owned(),
        Preset::Ceg4n => "ceg4n".to_owned(),
    }
}

/// Runs `bench compile`.
///
/// # Errors
/// A folder without a usable network, a data set that fits none, a folder that cannot be written,
/// a solver that is not there. A row that fails says so in the result.
pub fn bench_compile(
    options: &CompileBenchOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<CompileBench, Failure> {
    let status = |_: &CompileBench| "done";
    told(progress, ("bench compile", &options.folder), status, || {
        compile_quietly(options, progress, cancel)
    })
}

/// The command without its first and last event.
fn compile_quietly(
    options: &CompileBenchOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<CompileBench, Failure> {
    let started = Instant::now();
    // A solver that is not there is told once, and early.
    SolverLeaf::new(&options.compile.budget.solver, None)?;
    let cases = cases::read(options)?;
    let store = Store::open(options.output.as_deref())?;
    let mut done = Done {
        of: cases.list.len() * options.presets.len(),
        ..Done::default()
    };
    for case in &cases.list {
        for preset in &options.presets {
            done.row(options, case, *preset, &store, progress, cancel)?;
            if done.interrupted {
                break;
            }
        }
        if done.interrupted {
            break;
        }
    }
    let mut bench = table(options, cases, &store, done)?;
    bench.seconds = started.elapsed().as_secs_f64();
    store.finish(&bench)?;
    Ok(bench)
}

/// The rows so far.
#[derive(Default)]
struct Done {
    rows: Vec<CompileRow>,
    computed: u64,
    reused: u64,
    interrupted: bool,
    /// How many there will be.
    of: usize,
}

impl Done {
    /// One row: from the store, or computed and stored.
    fn row(
        &mut self,
        options: &CompileBenchOptions,
        case: &Case,
        preset: Preset,
        store: &Store,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(), Failure> {
        let sheet = Sheet::new(options, case, preset);
        let place = sheet.place();
        let stored = store.row(&place).filter(|r| r.key == sheet.key);
        if let Some(row) = stored.filter(|_| !options.rerun) {
            self.reused += 1;
            self.rows.push(row);
            return Ok(());
        }
        if cancel.load(Ordering::Relaxed) {
            self.interrupted = true;
            return Ok(());
        }
        let title = sheet.title();
        progress.note(&Event::Stage {
            stage: Stage::Row,
            detail: title.clone(),
            of: None,
        });
        let row = sheet.run(&store.folder(&place), progress, cancel);
        // What was cut short by hand says nothing of the preset.
        if cancel.load(Ordering::Relaxed) && row.clock_limited {
            self.interrupted = true;
            return Ok(());
        }
        store.put(&place, &row)?;
        self.computed += 1;
        progress.note(&Event::Row {
            name: title,
            result: in_words(&row),
            done: self.rows.len() + 1,
            of: self.of,
        });
        self.rows.push(row);
        Ok(())
    }
}

/// A row in a few words.
fn in_words(row: &CompileRow) -> String {
    let cost = row.cost.as_ref();
    let cost = cost.map_or(String::new(), |c| format!(", {} {}", c.metric, c.value));
    let status = row.status.name();
    format!("{status}{cost}")
}

/// The result with its comparisons: of the rows of this run, and of all others in the store.
fn table(
    options: &CompileBenchOptions,
    cases: Cases,
    store: &Store,
    done: Done,
) -> Result<CompileBench, Failure> {
    let mut rows = done.rows;
    let here = |row: &CompileRow, rows: &[CompileRow]| rows.iter().any(|r| r.key == row.key);
    for row in store.all()? {
        if !here(&row, &rows) {
            rows.push(row);
        }
    }
    row::sort(&mut rows, options);
    let compared = compile_cases(&rows);
    Ok(CompileBench {
        schema_version: COMPILE_BENCH_SCHEMA_VERSION,
        tool_version: TOOL_VERSION.to_owned(),
        command: "bench compile".to_owned(),
        optimized: !cfg!(debug_assertions),
        networks: cases.networks,
        skipped: cases.skipped,
        sums: compile_sums(&rows, &compared),
        cases: compared,
        rows,
        computed: done.computed,
        reused: done.reused,
        interrupted: done.interrupted,
        seconds: 0.0,
    })
}
