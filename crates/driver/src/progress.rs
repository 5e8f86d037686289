//! How a command tells what it does, and how it is told to stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Set it to end a command soon; it returns the best proved result so far.
pub type Cancel = Arc<AtomicBool>;

/// Something worth a line while a command runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A stage of the command begins: one word, and what it works on.
    Stage {
        /// For instance `search`.
        name: &'static str,
        /// For instance `iris, 3 regions`.
        detail: String,
    },
    /// The search proposes a candidate.
    Candidate {
        /// Of the loop, from 1.
        iteration: u64,
        /// Its IR version.
        version: u32,
        /// Its formats and cost in a few words.
        detail: String,
    },
    /// A region is decided.
    Region {
        /// Its id.
        id: String,
        /// `proved`, `refuted` or `unknown`.
        verdict: &'static str,
        /// Method, margin or reason in a few words; may be empty.
        detail: String,
        /// Regions decided so far, this one included.
        done: usize,
        /// Regions to decide.
        of: usize,
    },
    /// Anything else.
    Note(String),
}

/// Takes the events of a command, from any of its threads.
pub trait Progress: Sync {
    /// Something happened.
    fn note(&self, event: &Event);
}

/// Takes no notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn note(&self, _: &Event) {}
}
