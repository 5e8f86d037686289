//! Solvers: what one is asked, under which limits, and what it may answer.

mod answer;
mod dialogue;
pub mod embedded;
pub mod process;
mod registry;

pub use dialogue::solve_on;
pub use registry::{SolverInfo, available, from_name, names, program};

use crate::model::Model;
use crate::query::Query;
use crate::term::Logic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A solver whose caller sets no deadline gives up after this time.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// The answer to a satisfiability question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This assignment satisfies every assertion: it has been replayed on the query.
    Sat(Model),
    /// No assignment does.
    Unsat,
    /// Anything else, with the reason: a limit, an error, a dead or incomprehensible solver.
    Unknown(String),
}

/// When to give up. `None` is no limit of the caller's; the solver's own ceilings remain.
///
/// Conflicts and clauses are counts: they end the embedded solver at the same place in every run.
/// A process knows only time, memory and cancellation.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Conflicts of the embedded solver.
    pub conflicts: Option<u64>,
    /// Clauses of the formula that the embedded solver builds.
    pub clauses: Option<u64>,
    /// When to stop, by the clock.
    pub deadline: Option<Instant>,
    /// Address space of a process; bounds the size of the embedded solver's formula too.
    pub memory_mib: Option<u64>,
    /// Set by another thread to stop.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Limits {
    /// The same limits with a deadline this far from now, or the earlier one they have.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        // A time too far to be represented is no limit.
        if let Some(end) = Instant::now().checked_add(time) {
            self.deadline = Some(self.deadline.map_or(end, |d| d.min(end)));
        }
        self
    }

    /// Why to stop now, if one must.
    pub(crate) fn stop(&self) -> Option<&'static str> {
        let cancelled = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        if self.cancel.as_ref().is_some_and(cancelled) {
            Some("cancelled")
        } else if self.deadline.is_some_and(|d| Instant::now() >= d) {
            Some("time limit")
        } else {
            None
        }
    }
}

/// A solver. It is asked one question at a time and keeps nothing between them.
pub trait Solver: Send {
    /// Its name for messages and reports.
    fn name(&self) -> String;

    /// The logic in which it is best asked what either can express.
    fn logic(&self) -> Logic {
        Logic::Bv
    }

    /// Answers a query. Returns once an answer is there or a limit is reached, and does not
    /// panic: whatever goes wrong is [`Outcome::Unknown`].
    fn solve(&mut self, query: &Query, limits: &Limits) -> Outcome;
}
