//! How a command tells what it does, and how it is told to stop.
//!
//! What happens is told by [`Event`]s, what changes all the time is counted in [`Live`]. Events
//! hold no times and are never left out: with one thread a command tells the same events in the
//! same order each time. With several threads the [`Event::Labelled`], [`Event::Region`] and
//! [`Event::Rule`] of one pass come in the order in which the work ends, and after a refuted
//! region a search may have decided more or fewer of the others; all other events are the same
//! for any number of threads.

use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use ceg4n_verify::Gauge;

/// Set it to end a command soon; it returns the best proved result so far.
pub type Cancel = Arc<AtomicBool>;

/// The version of the events; a field or an event that is added does not change it.
pub const EVENTS_VERSION: u32 = 1;

/// A part of a command's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Files are read and checked.
    Load,
    /// What the reference does on each region.
    Label,
    /// The programs that a bench verifies are made.
    Kernels,
    /// Formats are proposed and verified in turn.
    Search,
    /// A given program is verified, region by region; or a query, box by box.
    Verify,
    /// The kernel is measured and written.
    Emit,
    /// What is known of everything cheaper is put together, or checked again.
    Optimality,
    /// A row of a bench: a network under a preset.
    Row,
    /// Rewrite rules are proved.
    Prove,
    /// Parts of a network are taken away.
    Reduce,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Load,
        Self::Label,
        Self::Kernels,
        Self::Search,
        Self::Verify,
        Self::Emit,
        Self::Optimality,
        Self::Row,
        Self::Prove,
        Self::Reduce,
    ];

    /// As it is written in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Label => "label",
            Self::Kernels => "kernels",
            Self::Search => "search",
            Self::Verify => "verify",
            Self::Emit => "emit",
            Self::Optimality => "optimality",
            Self::Row => "row",
            Self::Prove => "prove",
            Self::Reduce => "reduce",
        }
    }
}

/// Something that happened while a command runs. As JSON an object whose `event` is the name of
/// the variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A command begins. Commands that call others, as benches do, tell those' events too.
    Started {
        /// For instance `compile`.
        command: &'static str,
        /// The file or folder that it works on.
        subject: String,
        /// [`EVENTS_VERSION`].
        schema_version: u32,
    },
    /// A part of its work begins; the one before has ended.
    Stage {
        /// Which.
        stage: Stage,
        /// On what, in words.
        detail: String,
        /// Pieces of work, where they are known.
        of: Option<usize>,
    },
    /// A network is read.
    Loaded {
        /// Its name.
        name: String,
        /// Numbers that go in.
        inputs: usize,
        /// Numbers that come out.
        outputs: usize,
        /// Weights and biases.
        parameters: usize,
        /// Regions that are asked about.
        regions: usize,
    },
    /// It is known, or given up, what the reference does on a region.
    Labelled {
        /// The region.
        id: String,
        /// `keeps` (its class), `changes` or `undecided`.
        label: &'static str,
        /// Regions labelled so far, this one included.
        done: usize,
        /// Regions to label.
        of: usize,
    },
    /// Guided rounding moved a candidate's mantissas.
    Guided {
        /// The widths.
        formats: String,
        /// Of this assignment, from 1.
        round: u32,
        /// The objective before; less is better. Infinite where it cannot be computed, in JSON
        /// null.
        before: f64,
        /// The objective after.
        after: f64,
        /// Regions that hold at the worst points found.
        held: usize,
        /// Regions looked at.
        of: usize,
        /// Mantissas that are others now.
        moved: usize,
    },
    /// The search puts a candidate before the verifier.
    Candidate {
        /// Its IR version, counted from 1: the iteration of the loop.
        version: u32,
        /// The widths.
        formats: String,
        /// Its mantissas are not those of rounding.
        guided: bool,
        /// Under the cost model of the run.
        cost: u64,
    },
    /// A region is decided or given up, or a box of a query.
    Region {
        /// The region.
        id: String,
        /// What was asked.
        requirement: String,
        /// `proved`, `refuted` or `unknown`; of a query `sat`, `unsat`, `unknown` or `timed-out`.
        verdict: &'static str,
        /// How it was proved.
        method: Option<String>,
        /// Why it is unknown.
        reason: Option<String>,
        /// Regions decided in this pass so far, this one included.
        done: usize,
        /// Regions of this pass.
        of: usize,
    },
    /// An iteration of the search ends.
    Iteration {
        /// Its candidate's IR version.
        version: u32,
        /// What became of it: `proved`, `refuted` or `unknown`.
        ended: &'static str,
        /// Candidates evaluated on points so far.
        candidates: u64,
        /// Counterexamples so far, start points included.
        counterexamples: usize,
        /// The cheapest proved version so far.
        best: Option<u32>,
        /// Its cost.
        best_cost: Option<u64>,
    },
    /// A rewrite rule is proved, refuted or given up.
    Rule {
        /// Its name.
        name: String,
        /// `proved`, `vacuous`, `refuted` or `unknown`.
        verdict: &'static str,
        /// Rules looked at so far, this one included.
        done: usize,
        /// Rules.
        of: usize,
    },
    /// A row of a table is complete: of a bench of compiles, or an instance of a list.
    Row {
        /// What it is about.
        name: String,
        /// Its result in a few words.
        result: String,
        /// Rows so far, this one included.
        done: usize,
        /// Rows.
        of: usize,
    },
    /// A reduction found a smaller network.
    Reduced {
        /// What was taken away.
        what: &'static str,
        /// Its size now.
        bytes: u64,
        /// Runs of the command so far.
        runs: u64,
    },
    /// Worth knowing.
    Note {
        /// A sentence.
        text: String,
    },
    /// An output folder stands.
    Written {
        /// Where.
        path: String,
        /// False while the search goes on: this is its best proved program so far.
        complete: bool,
    },
    /// A command ends. The last event of a command.
    Finished {
        /// Which.
        command: &'static str,
        /// `proved`, `refuted` or `unknown`; of a query its answer; `done` of other commands;
        /// `failed` where there is no result.
        status: &'static str,
    },
}

impl Event {
    /// Its name, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Stage { .. } => "stage",
            Self::Loaded { .. } => "loaded",
            Self::Labelled { .. } => "labelled",
            Self::Guided { .. } => "guided",
            Self::Candidate { .. } => "candidate",
            Self::Region { .. } => "region",
            Self::Iteration { .. } => "iteration",
            Self::Rule { .. } => "rule",
            Self::Row { .. } => "row",
            Self::Reduced { .. } => "reduced",
            Self::Note { .. } => "note",
            Self::Written { .. } => "written",
            Self::Finished { .. } => "finished",
        }
    }
}

/// What changes all the time while a command runs; to be read at whatever times a display likes.
/// Unlike events these numbers depend on the clock and on the number of threads.
#[derive(Debug, Default)]
pub struct Live {
    pub(crate) boxes: Arc<Gauge>,
    pub(crate) candidates: AtomicU64,
    pub(crate) assignments: AtomicU64,
}

impl Live {
    /// Boxes that are open in the regions being decided at this moment.
    pub fn open_boxes(&self) -> u64 {
        self.boxes.open()
    }

    /// Boxes looked at so far.
    pub fn boxes(&self) -> u64 {
        self.boxes.looked_at()
    }

    /// Candidates evaluated on points so far.
    pub fn candidates(&self) -> u64 {
        self.candidates.load(Ordering::Relaxed)
    }

    /// Cheaper assignments that the statement of optimality went through so far.
    pub fn assignments(&self) -> u64 {
        self.assignments.load(Ordering::Relaxed)
    }
}

/// Takes the events of a command, from any of its threads. The command waits while it does.
pub trait Progress: Sync {
    /// Something happened.
    fn note(&self, event: &Event);

    /// Numbers to be read from now on; those given before stand still.
    fn watch(&self, live: &Arc<Live>) {
        let _ = live;
    }
}

/// Takes no notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn note(&self, _: &Event) {}
}

/// Runs a command between its first event and its last.
pub(crate) fn told<T, E>(
    progress: &dyn Progress,
    (command, subject): (&'static str, &Path),
    status: impl Fn(&T) -> &'static str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let subject = subject.display().to_string();
    progress.note(&Event::Started {
        command,
        subject: subject.clone(),
        schema_version: EVENTS_VERSION,
    });
    progress.note(&Event::Stage {
        stage: Stage::Load,
        detail: subject,
        of: None,
    });
    let result = work();
    let status = result.as_ref().map_or("failed", status);
    progress.note(&Event::Finished { command, status });
    result
}
