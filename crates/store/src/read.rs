//! Reading what runs left.

use crate::{Error, FILE, schema};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// A process is at work on it; or was, and was killed.
    Running,
    /// It was interrupted or ran out of time, and can go on.
    Stopped,
    /// Its process died, and it can go on.
    Killed,
    /// It has its result.
    Finished,
    /// It ended with an error.
    Failed,
}

impl RunState {
    fn of(text: &str) -> Self {
        match text {
            "running" => Self::Running,
            "stopped" => Self::Stopped,
            "finished" => Self::Finished,
            "failed" => Self::Failed,
            // Whatever else stands there did not finish.
            _ => Self::Killed,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

/// A run, as it stands in a store.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// Its number in the store.
    pub id: i64,
    /// The command line, for people.
    pub command_line: String,
    /// The command line's words.
    pub arguments: Vec<String>,
    /// Where relative paths of them begin.
    pub working_folder: PathBuf,
    /// Name and version of the tool.
    pub tool: String,
    /// What tells one build of the tool from another.
    pub build: String,
    /// The network's name.
    pub network: String,
    /// The hash of the network's file.
    pub network_sha256: String,
    /// The hash of everything that was read.
    pub inputs_sha256: String,
    /// The seed.
    pub seed: u64,
    /// The effort.
    pub effort: u32,
    /// When it began.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// How it stands.
    pub state: RunState,
    /// How often it went on.
    pub resumed: u32,
    /// Seconds of all its processes that ended by themselves.
    pub seconds: f64,
    /// `proved`, `refuted` or `unknown`.
    pub status: Option<String>,
    /// IR versions that reached the verifier.
    pub versions: u64,
    /// Answers that a run that goes on takes.
    pub steps: u64,
    /// Its `report.json`.
    #[serde(skip)]
    pub report: Option<String>,
}

fn run_of(r: &Row<'_>) -> rusqlite::Result<RunRow> {
    let arguments: String = r.get("arguments")?;
    let state: String = r.get("state")?;
    Ok(RunRow {
        id: r.get("id")?,
        command_line: r.get("command_line")?,
        arguments: serde_json::from_str(&arguments).unwrap_or_default(),
        working_folder: PathBuf::from(r.get::<_, String>("working_folder")?),
        tool: r.get("tool")?,
        build: r.get("build")?,
        network: r.get("network")?,
        network_sha256: r.get("network_sha256")?,
        inputs_sha256: r.get("inputs_sha256")?,
        seed: r.get::<_, i64>("seed")? as u64,
        effort: r.get("effort")?,
        started: r.get("started")?,
        ended: r.get("ended")?,
        state: RunState::of(&state),
        resumed: r.get("resumed")?,
        seconds: r.get("seconds")?,
        status: r.get("status")?,
        versions: r.get::<_, i64>("count")? as u64,
        steps: r.get::<_, i64>("answered")? as u64,
        report: r.get("report")?,
    })
}

fn all<T>(
    folder: &Path,
    query: &str,
    values: impl rusqlite::Params,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let path = folder.join(FILE);
    let connection: Connection = schema::open_readable(&path)?;
    let read = || -> rusqlite::Result<Vec<T>> {
        if schema::is_empty(&connection)? {
            return Ok(Vec::new());
        }
        let mut statement = connection.prepare(query)?;
        statement.query_map(values, row)?.collect()
    };
    read().map_err(|e| Error::of("read", &path, &e))
}

/// The runs of a folder's store, oldest first.
///
/// # Errors
/// No store, or one that cannot be read.
pub fn read_runs(folder: &Path) -> Result<Vec<RunRow>, Error> {
    let query = "SELECT *, (SELECT count(*) FROM versions v WHERE v.run = runs.id) AS count, \
                 (SELECT count(*) FROM steps s WHERE s.run = runs.id) AS answered \
                 FROM runs ORDER BY id";
    all(folder, query, [], run_of)
}

/// An IR version of a run.
#[derive(Clone, Debug, Serialize)]
pub struct VersionRow {
    /// Its number.
    pub version: u32,
    /// The program's hash.
    pub program: String,
    /// Its bits.
    pub assignment: String,
    /// Guided rounding moved its mantissas.
    pub guided: bool,
    /// Its cost.
    pub cost: u64,
    /// Candidates evaluated before it was done with.
    pub candidates: u64,
    /// Counterexamples then.
    pub counterexamples: u64,
    /// What ended it.
    pub ended: String,
    /// Seconds since the run began or went on.
    pub seconds: f64,
}

/// The IR versions of a run, in order.
///
/// # Errors
/// No store, or one that cannot be read.
pub fn read_versions(folder: &Path, run: i64) -> Result<Vec<VersionRow>, Error> {
    let query = "SELECT * FROM versions WHERE run = ? ORDER BY version";
    all(folder, query, params![run], |r| {
        Ok(VersionRow {
            version: r.get("version")?,
            program: r.get("program")?,
            assignment: r.get("assignment")?,
            guided: r.get("guided")?,
            cost: r.get::<_, i64>("cost")? as u64,
            candidates: r.get::<_, i64>("candidates")? as u64,
            counterexamples: r.get::<_, i64>("counterexamples")? as u64,
            ended: r.get("ended")?,
            seconds: r.get("seconds")?,
        })
    })
}

/// A verdict on an IR version of a run.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictRow {
    /// The version.
    pub version: u32,
    /// The region's id.
    pub region: String,
    /// Property and domain.
    pub asked: String,
    /// The verdict.
    pub verdict: String,
    /// What it took.
    pub seconds: f64,
}

/// The verdicts of a run, in order of versions.
///
/// # Errors
/// No store, or one that cannot be read.
pub fn read_verdicts(folder: &Path, run: i64) -> Result<Vec<VerdictRow>, Error> {
    let query = "SELECT * FROM version_verdicts WHERE run = ? ORDER BY version, rowid";
    all(folder, query, params![run], |r| {
        Ok(VerdictRow {
            version: r.get("version")?,
            region: r.get("region")?,
            asked: r.get("asked")?,
            verdict: r.get("verdict")?,
            seconds: r.get("seconds")?,
        })
    })
}
