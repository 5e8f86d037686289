//! `explain`: why a run ended as it did, read from its output folder alone.

mod bits;
mod divergence;
mod folder;
mod recheck;

pub use bits::{BitRow, Bits};
pub use divergence::{Cause, Divergence, LayerRow};
pub(crate) use divergence::{Point, diverge};

use crate::Failure;
use crate::progress::{Cancel, Event, Live, Progress, Stage, told};
use ceg4n_report::{Optimality, Report, Status};
use folder::Folder;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is to be explained.
#[derive(Clone, Debug, Default)]
pub struct ExplainOptions {
    /// An output folder of `compile`.
    pub folder: PathBuf,
    /// The IR version whose divergence is shown; the last one that was refuted, or the one that
    /// the point ended, if absent.
    pub version: Option<u32>,
    /// The stored point that it is shown on, by its place from 0; the one that ended the version
    /// if absent.
    pub counterexample: Option<usize>,
    /// Threads, at least 1; no result depends on it.
    pub jobs: usize,
}

/// What is told of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The network's name.
    pub network: String,
    /// False if the search went on when the folder was written: its process may have died.
    pub complete: bool,
    /// The outcome.
    pub status: Status,
    /// Why it is not `proved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cost model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The result's cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// What is known of everything cheaper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimality: Option<Optimality>,
    /// Where a version and the reference part; absent if no version was refuted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
    /// What keeps each width up; absent without a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<Bits>,
}

/// Whether an optimality statement holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It does.
    Holds,
    /// It does not, or the folder was changed.
    Fails,
    /// There is none, it rests on data that are not in the folder, or the work was cut short.
    Open,
}

/// An optimality statement, checked again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recheck {
    /// Whether it holds.
    pub outcome: Outcome,
    /// The statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// What is wrong.
    pub faults: Vec<String>,
    /// Stored points, each found in its region and, where it ended a version, replayed.
    pub counterexamples: u64,
    /// Cheaper assignments that were gone through.
    pub cheaper: u64,
    /// Of these, so many rest on data that are not in the folder.
    pub rest_on_data: u64,
    /// A limit or an interruption ended the work.
    pub cut_short: bool,
}

/// Explains a run.
///
/// # Errors
/// A folder that `compile` did not write; a version or point that it does not have.
pub fn explain(options: &ExplainOptions) -> Result<Explanation, Failure> {
    let folder = Folder::open(&options.folder)?;
    let bits = bits::bits(&folder, options.jobs)?;
    let divergence = divergence::divergence(&folder, options)?;
    let result = folder.certificate.result.as_ref();
    let Report {
        network,
        status,
        reason,
        complete,
        ..
    } = &folder.report;
    Ok(Explanation {
        network: network.name.clone(),
        complete: *complete,
        status: *status,
        reason: reason.clone(),
        metric: result.map(|_| folder.certificate.space.cost.name().to_owned()),
        cost: result.map(|r| r.cost),
        optimality: folder.certificate.statement.clone(),
        divergence,
        bits,
    })
}

/// Checks the optimality statement of a run again, from its stored points alone.
///
/// # Errors
/// As for [`explain`]; files of the folder that cannot be read.
pub fn recheck(
    options: &ExplainOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Recheck, Failure> {
    let status = |r: &Recheck| match r.outcome {
        Outcome::Holds => "proved",
        Outcome::Fails => "refuted",
        Outcome::Open => "unknown",
    };
    told(progress, ("explain", &options.folder), status, || {
        let live = Arc::new(Live::default());
        progress.watch(&live);
        let folder = Folder::open(&options.folder)?;
        progress.note(&Event::Stage {
            stage: Stage::Optimality,
            detail: "what is stated of everything cheaper".to_owned(),
            of: None,
        });
        let stopped = || cancel.load(Ordering::Relaxed);
        recheck::recheck(&folder, options.jobs.max(1), &stopped, &live)
    })
}

#[cfg(test)]
mod tests;
