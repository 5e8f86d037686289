//! What a question may cost. Counts decide results; the clock and a cancellation only stop work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Counts per region; the same for any number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Boxes that branch and bound may look at.
    pub boxes: u64,
    /// Inputs that enumeration may evaluate.
    pub points: u64,
    /// Conflicts that the solver may spend on one query.
    pub conflicts: u64,
    /// Clauses that one query may have.
    pub clauses: u64,
    /// Open boxes that may be handed to the solver.
    pub queries: u64,
    /// Random starts of the attack.
    pub starts: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            boxes: 40_000,
            points: 1 << 24,
            conflicts: 20_000,
            clauses: 2_000_000,
            queries: 8,
            starts: 12,
        }
    }
}

impl Effort {
    /// The default budgets times `n`.
    pub fn scaled(n: u32) -> Self {
        let d = Self::default();
        let n64 = u64::from(n.max(1));
        Self {
            boxes: d.boxes.saturating_mul(n64),
            points: d.points.saturating_mul(n64),
            conflicts: d.conflicts.saturating_mul(n64),
            clauses: d.clauses.saturating_mul(n64),
            queries: d.queries.saturating_mul(n64),
            // Many more starts find little that few do not.
            starts: d.starts * n64.min(16),
        }
    }
}

impl Effort {
    /// An eighth of the boxes and solver's work: for a search that has other candidates.
    #[must_use]
    pub fn brief(self) -> Self {
        Self {
            boxes: self.boxes / 8,
            points: self.points / 8,
            conflicts: self.conflicts / 8,
            queries: self.queries / 8,
            ..self
        }
    }

    /// Parts for a region of so many inputs: with many of them a part is dear, and more parts
    /// close little.
    pub fn boxes_for(&self, inputs: usize) -> u64 {
        if inputs > crate::margins::FEW_INPUTS {
            self.boxes / 64 + 1
        } else {
            self.boxes
        }
    }
}

/// What may stop the work early.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Not beyond this time.
    pub deadline: Option<Instant>,
    /// Set by somebody else.
    pub cancel: Option<Arc<AtomicBool>>,
    /// Threads that one question may use, 0 for one; no result depends on it.
    pub jobs: usize,
    /// True while the program uses more memory than it may. Whoever sets it also sets `cancel`,
    /// which solvers look at.
    pub memory: Option<Arc<AtomicBool>>,
    /// Where divisions under way are counted, for somebody who watches.
    pub gauge: Option<Arc<Gauge>>,
}

/// How far the divisions of regions are, over all threads of a run; read at any time.
#[derive(Debug, Default)]
pub struct Gauge {
    open: AtomicU64,
    looked_at: AtomicU64,
}

impl Gauge {
    /// Boxes that are neither decided nor given up, in the divisions under way.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Boxes looked at so far, of all divisions.
    pub fn looked_at(&self) -> u64 {
        self.looked_at.load(Ordering::Relaxed)
    }
}

/// One division's part in a gauge; its open boxes are taken back when it is dropped.
pub(crate) struct Share<'a> {
    gauge: Option<&'a Gauge>,
    open: u64,
    looked_at: u64,
}

impl<'a> Share<'a> {
    pub(crate) fn new(stop: &'a Stop) -> Self {
        Self {
            gauge: stop.gauge.as_deref(),
            open: 0,
            looked_at: 0,
        }
    }

    /// What the division has open, and has looked at.
    pub(crate) fn set(&mut self, open: u64, looked_at: u64) {
        let Some(gauge) = self.gauge else { return };
        // Atomic additions wrap, so that a difference below zero subtracts.
        let add = |to: &AtomicU64, new: u64, old: u64| {
            to.fetch_add(new.wrapping_sub(old), Ordering::Relaxed);
        };
        add(&gauge.open, open, self.open);
        add(&gauge.looked_at, looked_at, self.looked_at);
        (self.open, self.looked_at) = (open, looked_at);
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.set(0, self.looked_at);
    }
}

/// Why work was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The deadline.
    Clock,
    /// The cancellation.
    Cancelled,
    /// The limit on memory.
    Memory,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Clock => "the time limit was reached",
            Self::Cancelled => "the run was interrupted",
            Self::Memory => "the memory limit was reached",
        })
    }
}

impl Stop {
    /// The reason to stop now, if there is one.
    pub fn now(&self) -> Option<Stopped> {
        let set = |flag: &Option<Arc<AtomicBool>>| {
            flag.as_ref().is_some_and(|f| f.load(Ordering::Relaxed))
        };
        if set(&self.memory) {
            return Some(Stopped::Memory);
        }
        if set(&self.cancel) {
            return Some(Stopped::Cancelled);
        }
        self.deadline
            .filter(|d| Instant::now() >= *d)
            .map(|_| Stopped::Clock)
    }

    /// The same with a deadline that is not later than `deadline`.
    #[must_use]
    pub fn sooner(&self, deadline: Option<Instant>) -> Self {
        let deadline = match (self.deadline, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            deadline,
            cancel: self.cancel.clone(),
            jobs: self.jobs,
            memory: self.memory.clone(),
            gauge: self.gauge.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisions_share_a_gauge_and_take_back_what_they_leave_open() {
        let gauge = Arc::new(Gauge::default());
        let stop = Stop {
            gauge: Some(gauge.clone()),
            ..Stop::default()
        };
        let mut one = Share::new(&stop);
        let mut other = Share::new(&stop);
        one.set(8, 1);
        other.set(4, 2);
        one.set(3, 10);
        assert_eq!((gauge.open(), gauge.looked_at()), (7, 12));
        drop(one);
        assert_eq!((gauge.open(), gauge.looked_at()), (4, 12));
        drop(other);
        assert_eq!((gauge.open(), gauge.looked_at()), (0, 12));
        Share::new(&Stop::default()).set(1, 1);
    }
}
