//! `bench instances`: the queries of a competition's list, one after the other, as one table.
//!
//! Every `sat` is replayed once more from its assignment alone; every `unsat` is attacked with
//! random points, if that is asked for.

use super::{Answer, Arithmetic, Problem, QueryOptions, Solved, bind, read, solve};
use crate::failure::Failure;
use crate::options::Budget;
use crate::outcome::TOOL_VERSION;
use crate::progress::{Cancel, Event, Progress, Quiet, told};
use ceg4n_base::{Diagnostic, Sources, codes};
use ceg4n_import::vnnlib2::{Instance, instances_from_file};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Everything that `bench instances` can be told.
#[derive(Clone, Debug)]
pub struct InstancesOptions {
    /// The list.
    pub list: PathBuf,
    /// Limits, threads and solver; its time limit is the most that a row may take.
    pub budget: Budget,
    /// The arithmetic of the networks.
    pub arithmetic: Arithmetic,
    /// Attack every `unsat` with so many random points.
    pub samples: u64,
    /// Where the table and the assignments are written.
    pub output: Option<PathBuf>,
}

impl InstancesOptions {
    /// The options of `ceg4nc bench instances LIST.csv`.
    pub fn new(list: impl Into<PathBuf>) -> Self {
        Self {
            list: list.into(),
            budget: Budget::default(),
            arithmetic: Arithmetic::Declared,
            samples: 0,
            output: None,
        }
    }
}

/// What was found about the instances of a list.
#[derive(Clone, Debug, Serialize)]
pub struct Instances {
    /// Version of the tool.
    pub tool_version: String,
    /// The list.
    pub list: String,
    /// False for a build with debug assertions, whose times say little.
    pub optimized: bool,
    /// The instances, in the order of the list.
    pub rows: Vec<InstanceRow>,
    /// How often there was each answer.
    pub counts: Counts,
    /// The user ended the run.
    pub interrupted: bool,
}

/// Answers, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// With an assignment.
    pub sat: usize,
    /// Without one.
    pub unsat: usize,
    /// Neither shown.
    pub unknown: usize,
    /// Neither shown in time.
    pub timed_out: usize,
    /// No answer: the query or a network cannot be used.
    pub errors: usize,
    /// `sat` that did not replay, and `unsat` with a point that satisfies the query.
    pub defects: usize,
}

/// An instance and its answer.
#[derive(Clone, Debug, Serialize)]
pub struct InstanceRow {
    /// Where it stands in the list.
    pub line: u64,
    /// The files of its networks.
    pub networks: Vec<String>,
    /// Its query.
    pub query: String,
    /// The seconds that it may take.
    pub limit: f64,
    /// `sat`, `unsat`, `unknown`, `timed-out` or `error`.
    pub answer: String,
    /// Wall time.
    pub seconds: f64,
    /// Boxes that were looked at.
    pub boxes: u64,
    /// Of a `sat`: its assignment replays.
    pub replayed: Option<bool>,
    /// Of an `unsat`: what random points said.
    pub sampled: Option<super::Sampled>,
    /// Without an answer: why.
    pub reason: Option<String>,
}

/// Runs `bench instances`.
///
/// # Errors
/// A list that cannot be read, a folder that cannot be written. An instance that cannot be used is
/// a row.
pub fn instances(
    options: &InstancesOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Instances, Failure> {
    let status = |_: &Instances| "done";
    told(progress, ("instances", &options.list), status, || {
        instances_quietly(options, progress, cancel)
    })
}

/// The command without its first and last event.
fn instances_quietly(
    options: &InstancesOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Instances, Failure> {
    let mut sources = Sources::default();
    let list = match instances_from_file(&mut sources, &options.list) {
        Ok(list) => list,
        Err(d) => return Err(Failure::new(d, sources)),
    };
    if let Some(folder) = &options.output {
        std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, &e))?;
    }
    let mut found = Instances {
        tool_version: TOOL_VERSION.to_owned(),
        list: options.list.display().to_string(),
        optimized: !cfg!(debug_assertions),
        rows: Vec::new(),
        counts: Counts::default(),
        interrupted: false,
    };
    for (i, instance) in list.iter().enumerate() {
        if cancel.load(Ordering::Relaxed) {
            found.interrupted = true;
            break;
        }
        let (row, assignment) = row(options, instance, cancel);
        progress.note(&Event::Row {
            name: row.query.clone(),
            result: name(&row).to_owned(),
            done: i + 1,
            of: list.len(),
        });
        found.counts.add(&row);
        found.rows.push(row);
        if let Some(folder) = &options.output {
            if let Some(text) = assignment {
                write(&folder.join(format!("{}.assignment", i + 1)), &text)?;
            }
            // After every row, so that a run that is cut short leaves what it found.
            let table = serde_json::to_string_pretty(&found)
                .map_err(|e| Diagnostic::error(codes::INTERNAL, e.to_string()))?;
            write(&folder.join("instances.json"), &(table + "\n"))?;
        }
    }
    Ok(found)
}

fn name(row: &InstanceRow) -> &'static str {
    let answers = [
        Answer::Sat,
        Answer::Unsat,
        Answer::Unknown,
        Answer::TimedOut,
    ];
    let known = answers.iter().find(|a| a.name() == row.answer);
    known.map_or("error", |a| a.name())
}

impl Counts {
    fn add(&mut self, row: &InstanceRow) {
        match row.answer.as_str() {
            "sat" => self.sat += 1,
            "unsat" => self.unsat += 1,
            "unknown" => self.unknown += 1,
            "timed-out" => self.timed_out += 1,
            _ => self.errors += 1,
        }
        let broken = row.sampled.as_ref().is_some_and(|s| s.satisfying > 0);
        self.defects += usize::from(broken || row.replayed == Some(false));
    }
}

fn unwritten(path: &Path, e: &std::io::Error) -> Diagnostic {
    let text = format!("cannot write {}: {e}", path.display());
    Diagnostic::error(codes::FILE_WRITE, text)
}

fn write(path: &Path, text: &str) -> Result<(), Diagnostic> {
    std::fs::write(path, text).map_err(|e| unwritten(path, &e))
}

/// One instance, and its assignment as text.
fn row(
    options: &InstancesOptions,
    instance: &Instance,
    cancel: &Cancel,
) -> (InstanceRow, Option<String>) {
    let own = query_options(options, instance);
    let path = |p: &Path| p.display().to_string();
    let mut row = InstanceRow {
        line: instance.line,
        networks: instance.networks.iter().map(|(_, p)| path(p)).collect(),
        query: path(&instance.query),
        limit: own.budget.time_limit.map_or(0.0, |t| t.as_secs_f64()),
        answer: "error".to_owned(),
        seconds: 0.0,
        boxes: 0,
        replayed: None,
        sampled: None,
        reason: None,
    };
    let solved = match solve(&own, &Quiet, cancel) {
        Ok(solved) => solved,
        Err(failure) => {
            row.reason = Some(first_line(&failure));
            return (row, None);
        }
    };
    row.replayed = solved.assignment.as_ref().map(|a| replays(&own, a));
    let text = solved.assignment.as_ref().map(|a| a.to_text());
    let Solved {
        answer,
        seconds,
        boxes,
        sampled,
        reason,
        ..
    } = solved;
    let row = InstanceRow {
        answer: answer.name().to_owned(),
        seconds,
        boxes,
        sampled,
        reason,
        ..row
    };
    (row, text)
}

/// Reads everything again and evaluates the networks at an assignment's inputs.
fn replays(options: &QueryOptions, a: &super::Assignment) -> bool {
    let mut sources = Sources::default();
    let bound = read(options, &mut sources)
        .map_err(Problem::from)
        .and_then(|q| bind::bind(options, q));
    bound.is_ok_and(|b| a.replays(&b).unwrap_or(false))
}

fn query_options(options: &InstancesOptions, instance: &Instance) -> QueryOptions {
    let folder = options.list.parent().unwrap_or(Path::new(""));
    let limit = Duration::try_from_secs_f64(instance.seconds).ok();
    let most = options.budget.time_limit;
    let network = |(name, path): &(Option<String>, PathBuf)| {
        let name = name.clone().unwrap_or_else(|| "f".to_owned());
        (name, found(folder, path))
    };
    QueryOptions {
        query: found(folder, &instance.query),
        networks: instance.networks.iter().map(network).collect(),
        arithmetic: options.arithmetic,
        budget: Budget {
            time_limit: match (limit, most) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            ..options.budget.clone()
        },
        samples: options.samples,
    }
}

/// A file of a list: as it stands there, or packed, or unpacked.
fn found(folder: &Path, path: &Path) -> PathBuf {
    let plain = folder.join(path);
    let mut packed = plain.clone().into_os_string();
    packed.push(".gz");
    let unpacked = plain.with_extension("");
    let is_packed = plain.extension().is_some_and(|e| e == "gz");
    if plain.exists() {
        plain
    } else if Path::new(&packed).exists() {
        packed.into()
    } else if is_packed && unpacked.exists() {
        unpacked
    } else {
        plain
    }
}

fn first_line(failure: &Failure) -> String {
    let first = failure.diagnostics.0.first();
    first.map_or_else(String::new, |d| format!("{}: {}", d.code, d.message))
}
