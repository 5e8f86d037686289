//! What a run keeps as it goes, and what it takes from there when it goes on.
//!
//! A run is deterministic: it asks the same questions in the same order, and each answer follows
//! from the question. So nothing of its state is stored. Its dear answers are, and a run that goes on
//! is the run from its beginning that takes answers from the store as long as there are any.
//! What the clock or a user cut short is no answer and is not stored.

use crate::engine::Asked;
use crate::load::Loaded;
use crate::options::StoreOptions;
use crate::outcome::TOOL_VERSION;
use crate::output;
use ceg4n_base::shell::command_line;
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Hasher, codes};
use ceg4n_refine::{Ended, State, Version};
use ceg4n_report::Run;
use ceg4n_store::{Answer, AnswerKind, Error, Lock, NewRun, Row, Store};
use ceg4n_verify::Reference;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The store of a run, held against other runs.
#[derive(Debug)]
pub(crate) struct Record {
    journal: Mutex<Journal>,
    store: Store,
    build: String,
    /// The folder, if it was made for this run.
    made: Option<PathBuf>,
    /// Given back after the store is closed.
    _lock: Lock,
}

/// Where a run stands among its steps.
#[derive(Debug, Default)]
struct Journal {
    /// The next step.
    seq: u64,
    /// Stored steps that a run which goes on found.
    stored: u64,
    /// Stored steps are used up: from here on the run computes.
    live: bool,
    /// A step was cut short: what follows is not what a run that goes on would do.
    closed: bool,
    /// The last step taken of the kind [`GUIDED`].
    guided: Option<u64>,
    /// What could not be read, until somebody asks.
    failure: Option<Error>,
    /// Steps left before writing is refused, in tests that stop a run at every place.
    left: Option<u64>,
}

/// The kind of step that leaves something which the next one of its kind goes on from.
pub(crate) const GUIDED: &str = "guided";

/// What identifies a run.
pub(crate) struct Identity<'a> {
    /// How it is kept.
    pub options: &'a StoreOptions,
    /// The words of the command line.
    pub arguments: &'a [String],
    /// The network's name.
    pub network: &'a str,
    /// The hash of the network's file.
    pub file: ContentHash,
    /// The hash of everything read.
    pub inputs: ContentHash,
    /// The seed.
    pub seed: u64,
    /// The effort.
    pub effort: u32,
}

/// A store's error as a diagnostic.
pub(crate) fn told(e: &Error) -> Diagnostic {
    match e {
        Error::InUse { .. } => Diagnostic::error(codes::IN_USE, e.to_string())
            .help("wait for it or stop it, or choose another folder with -o"),
        Error::Damaged { path, .. } => Diagnostic::error(codes::STORE, e.to_string()).help(format!(
            "nothing was changed; move {} away to begin a new store, the results beside it stay",
            path.display()
        )),
        Error::Newer { .. } => Diagnostic::error(codes::STORE, e.to_string())
            .help("use the version of ceg4nc that wrote it, or another folder"),
        Error::Database { .. } | Error::File { .. } => {
            Diagnostic::error(codes::FILE_WRITE, e.to_string()).help(
                "mend the place (free space, permissions), then go on with ceg4nc compile --resume",
            )
        }
    }
}

/// What tells one build of this program from another, so that none takes answers of another:
/// version, size and time of the program's file.
fn build() -> String {
    let program = std::env::current_exe();
    let stamp = program.map_or_else(|_| own(), |path| stamp(&path));
    format!("{TOOL_VERSION} {stamp}")
}

/// What tells one build of a program from another: its length and when it was written.
pub(crate) fn stamp(program: &Path) -> String {
    let of = |m: std::fs::Metadata| {
        let since = m.modified().ok()?.duration_since(std::time::UNIX_EPOCH);
        Some(format!("{} {}", m.len(), since.ok()?.as_nanos()))
    };
    std::fs::metadata(program)
        .ok()
        .and_then(of)
        .unwrap_or_else(own)
}

/// Where nothing is known of a program, every process has one of its own.
fn own() -> String {
    format!("process {}", std::process::id())
}

impl Record {
    /// Takes the folder and begins a run there, or goes on with one.
    ///
    /// # Errors
    /// A folder that is in use or cannot be written, a damaged store; going on, a run of another
    /// build or of other inputs.
    pub(crate) fn begin(folder: &Path, identity: &Identity<'_>) -> Result<Self, Diagnostics> {
        let (folder, made) = output::prepare(folder)?;
        let lock = Lock::take(&folder).map_err(|e| told(&e))?;
        let build = build();
        let store = match identity.options.resume {
            Some(run) => {
                same_run(&folder, run, identity, &build)?;
                Store::resume(&folder, run)
                    .and_then(|store| store.mend(GUIDED).map(|stored| (store, stored)))
            }
            None => Store::begin(&folder, &new_run(identity, &build)).map(|store| (store, 0)),
        };
        let (store, stored) = store.map_err(|e| told(&e))?;
        let journal = Journal {
            stored,
            left: identity.options.stop_after,
            ..Journal::default()
        };
        Ok(Self {
            store,
            journal: Mutex::new(journal),
            build,
            made: made.then_some(folder),
            _lock: lock,
        })
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all could be written and read so far.
    ///
    /// # Errors
    /// What could not.
    pub(crate) fn check(&self) -> Result<(), Diagnostic> {
        let unread = self.journal().failure.take();
        let unwritten = self.store.check().err();
        match unread.or(unwritten) {
            Some(e) => Err(told(&e)),
            None => Ok(()),
        }
    }

    /// Nothing is written while the guard lives: see [`Store::pause`].
    pub(crate) fn pause(&self) -> MutexGuard<'_, ()> {
        self.store.pause()
    }

    /// Hands over a row that no run takes anything from.
    pub(crate) fn put(&self, row: Row) {
        if !self.journal().closed {
            self.store.put(row);
        }
    }

    /// The hash of a question, which names the build.
    pub(crate) fn question(&self, kind: &str) -> Hasher {
        let mut hasher = Hasher::new("question");
        hasher.str(&self.build).str(kind);
        hasher
    }

    /// The stored answer of the next step, if the question is the same.
    pub(crate) fn replay<T: DeserializeOwned>(
        &self,
        kind: &str,
        asked: ContentHash,
    ) -> Option<(T, f64)> {
        let mut journal = self.journal();
        if journal.live {
            return None;
        }
        let found = match self.store.step(journal.seq) {
            Ok(found) => found,
            Err(e) => {
                journal.failure = Some(e);
                None
            }
        };
        let answer = found.and_then(|(k, a, answer, seconds)| {
            let same = k == kind && a == asked;
            let answer = same.then(|| serde_json::from_str(&answer).ok())?;
            Some((answer?, seconds))
        });
        if answer.is_some() {
            if kind == GUIDED {
                journal.guided = Some(journal.seq);
            }
            journal.seq += 1;
        } else {
            journal.live = true;
            self.store.put(Row::Forget { seq: journal.seq });
        }
        answer
    }

    /// True while there are stored steps to take: the run has been here before, and what it then
    /// wrote stands in its place.
    pub(crate) fn is_replaying(&self) -> bool {
        let journal = self.journal();
        !journal.live && journal.seq < journal.stored
    }

    /// Keeps the answer of a step that was computed; `cut` says that it was cut short.
    pub(crate) fn keep<T: Serialize>(
        &self,
        kind: &'static str,
        asked: ContentHash,
        answer: &T,
        latents: Option<String>,
        seconds: f64,
        cut: bool,
    ) {
        let mut journal = self.journal();
        let text = serde_json::to_string(answer).ok();
        if journal.left == Some(0) || cut {
            journal.closed = true;
        }
        let (false, Some(answer)) = (journal.closed, text) else {
            journal.closed = true;
            return;
        };
        journal.left = journal.left.map(|n| n - 1);
        self.store.put(Row::Step {
            seq: journal.seq,
            kind,
            asked,
            answer,
            latents,
            seconds,
        });
        journal.seq += 1;
    }

    /// A step that nothing cuts short: taken from the store or computed.
    pub(crate) fn step<T: Serialize + DeserializeOwned>(
        &self,
        kind: &'static str,
        asked: ContentHash,
        compute: impl FnOnce() -> T,
    ) -> T {
        if let Some((answer, _)) = self.replay(kind, asked) {
            return answer;
        }
        let begin = Instant::now();
        let answer = compute();
        let seconds = begin.elapsed().as_secs_f64();
        self.keep(kind, asked, &answer, None, seconds, false);
        answer
    }

    /// What the last step left that was taken of the kind [`GUIDED`].
    pub(crate) fn latents(&self) -> Option<String> {
        let last = self.journal().guided;
        match self.store.latents() {
            Ok(found) => found
                .filter(|(seq, _)| Some(*seq) == last)
                .map(|(_, text)| text),
            Err(e) => {
                self.journal().failure = Some(e);
                None
            }
        }
    }

    /// A label or verdict under a key, with the seconds it took.
    pub(crate) fn answer<T: DeserializeOwned>(&self, key: ContentHash) -> Option<(T, f64)> {
        match self.store.answer(key) {
            Ok(found) => {
                let (text, seconds) = found?;
                Some((serde_json::from_str(&text).ok()?, seconds))
            }
            Err(e) => {
                self.journal().failure = Some(e);
                None
            }
        }
    }

    /// A key that only this run finds, for what its own limits decided.
    pub(crate) fn own(&self, key: ContentHash) -> ContentHash {
        let mut hasher = Hasher::new("own");
        hasher.bytes(&key.0).int(self.store.run());
        hasher.finish()
    }

    /// Keeps a label or verdict, if it can be read back as it is.
    pub(crate) fn keep_answer<T: Serialize + DeserializeOwned + PartialEq>(
        &self,
        asked: &Asked,
        answer: Answer,
        value: &T,
    ) {
        let Ok(evidence) = serde_json::to_string(value) else {
            return;
        };
        // Numbers beyond those of JSON do not come back.
        if serde_json::from_str::<T>(&evidence).ok().as_ref() != Some(value) {
            return;
        }
        self.put(Row::Answer(Box::new(Answer {
            evidence,
            region: asked.region.id.clone(),
            asked: asked.words(),
            ..answer
        })));
    }

    /// Ends a run that has failed. One that was asked for what cannot be had leaves nothing: a folder
    /// that was made for it goes. Where a place failed or the program itself, it can go on.
    pub(crate) fn fail(self, failure: &Diagnostics, seconds: f64) {
        let lasting = [codes::FILE_WRITE, codes::INTERNAL];
        let goes_on = failure.0.iter().any(|d| lasting.contains(&d.code));
        let made = self.made.clone().filter(|_| !goes_on);
        // The failure that ended the run is told, not this one.
        let _ = self.end("failed", None, None, seconds);
        drop(self);
        if let Some(folder) = made {
            output::discard(&folder);
        }
    }

    /// Marks the run's end.
    ///
    /// # Errors
    /// What could not be written.
    pub(crate) fn end(
        &self,
        state: &str,
        status: Option<&str>,
        report: Option<&str>,
        seconds: f64,
    ) -> Result<(), Diagnostic> {
        self.store
            .end(state, status, report, seconds)
            .map_err(|e| told(&e))
    }
}

/// An answer without its evidence.
pub(crate) fn blank(key: ContentHash, kind: AnswerKind, answer: &str, seconds: f64) -> Answer {
    Answer {
        key,
        kind,
        region: String::new(),
        asked: String::new(),
        program: None,
        answer: answer.to_owned(),
        evidence: String::new(),
        seconds,
    }
}

fn new_run(identity: &Identity<'_>, build: &str) -> NewRun {
    let here = std::env::current_dir().unwrap_or_default();
    NewRun {
        command_line: command_line(identity.arguments),
        arguments: identity.arguments.to_vec(),
        working_folder: here.display().to_string(),
        tool: format!("ceg4nc {TOOL_VERSION}"),
        build: build.to_owned(),
        network: identity.network.to_owned(),
        network_sha256: identity.file,
        inputs_sha256: identity.inputs,
        seed: identity.seed,
        effort: identity.effort,
    }
}

/// Refuses to go on with a run whose answers are not those of this one.
fn same_run(
    folder: &Path,
    run: i64,
    identity: &Identity<'_>,
    build: &str,
) -> Result<(), Diagnostic> {
    let runs = ceg4n_store::read_runs(folder).map_err(|e| told(&e))?;
    let refuse = |what: String, help: &str| Err(Diagnostic::error(codes::STORE, what).help(help));
    let Some(old) = runs.iter().find(|r| r.id == run) else {
        return refuse(
            format!("{} has no run {run}", folder.display()),
            "ceg4nc runs DIR lists them",
        );
    };
    // Another build may hash the inputs otherwise.
    if old.build != build {
        return refuse(
            format!(
                "run {run} was begun by another build of ceg4nc ({})",
                old.tool
            ),
            "go on with that program, or begin a new run without --resume",
        );
    }
    if old.inputs_sha256 != identity.inputs.to_string() {
        return refuse(
            format!("the network, its regions or the data are not those that run {run} began with"),
            "bring the files back as they were, or begin a new run without --resume",
        );
    }
    Ok(())
}

/// The hash of what a run reads: its files, and the questions that they and the options make.
pub(crate) fn inputs(
    reference: &Reference,
    asked: &[Asked],
    loaded: &Loaded,
    called: &Run,
) -> ContentHash {
    let mut hasher = Hasher::new("inputs");
    hasher.bytes(&loaded.sha256.0).bytes(&reference.hash().0);
    hasher.bytes(&loaded.module.network.hash().0);
    for a in asked {
        hasher.bytes(&a.region.hash().0).str(&a.region.id);
        hasher.str(&format!("{:?}", a.region.center()));
        hasher.str(&a.words());
    }
    for file in &called.inputs {
        hasher.str(&file.role).bytes(&file.sha256.0);
    }
    hasher.finish()
}

/// A version as the store keeps it, when the loop stands at `state`.
pub(crate) fn version_row(v: &Version, state: &State, seconds: f64) -> Row {
    let assignment = &v.assignment;
    Row::Version {
        version: v.version,
        program: v.program,
        assignment: assignment.to_string(),
        guided: v.guided,
        cost: v.cost,
        candidates: state.candidates,
        counterexamples: state.counterexamples.len() as u64,
        ended: match &v.ended {
            Ended::Proved => "proved".to_owned(),
            Ended::Refuted(i) => format!("refuted by counterexample {i}"),
            Ended::Unknown(reason) => format!("open: {reason}"),
        },
        seconds,
        annotations: serde_json::to_string(&*v.annotations).unwrap_or_default(),
    }
}
