//! The loop of CEG4N (Matos Jr., Bessa, Manino, Song, Cordeiro): a strategy proposes a candidate
//! that every stored counterexample lets pass, the verifier decides its regions, a replayed
//! counterexample joins the set, until the strategy is through.
//!
//! The loop knows evaluation, guided rounding and verification through traits. Its [`State`] is a
//! serialisable value; [`State::step`] advances it.

mod state;
pub mod strategy;

pub use state::{Ended, State, Status, Version};
pub use strategy::Strategy;

use ceg4n_base::Exact;
use ceg4n_ir::{Annotations, Checked, Program};
use ceg4n_quantize::Assignment;
use ceg4n_verify::RegionResult;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A point that every candidate must pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// Which question (region and requirement), by its place.
    pub question: usize,
    /// The point.
    pub x: Vec<Exact>,
    /// The IR version that it ended; `None` for a point the loop started from.
    pub ended: Option<u32>,
}

/// What is put before the verifier.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its bits.
    pub assignment: Assignment,
    /// The program.
    pub program: Checked<Program>,
    /// Its mantissas were moved by guided rounding: it is no function of the assignment.
    pub guided: bool,
}

/// Cheap evaluation of candidates on stored points and data.
pub trait Evaluate {
    /// The first of these assignments whose program, made by the space's quantizer, satisfies its
    /// questions on all these points and every demand on data; with its place. A candidate that
    /// cannot be lowered does not.
    fn first(
        &mut self,
        candidates: &[Assignment],
        version: u32,
        points: &[Counterexample],
    ) -> Option<(usize, Checked<Program>)>;

    /// Does a program?
    fn satisfies(&mut self, program: &Checked<Program>, points: &[Counterexample]) -> bool;

    /// The program of annotations under other activation widths, if there is one.
    fn rewidth(
        &mut self,
        annotations: &Annotations,
        a: &Assignment,
        version: u32,
    ) -> Option<Checked<Program>>;
}

/// One run of guided rounding.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The bits.
    pub assignment: &'a Assignment,
    /// What to start from, if anything: mantissas of the same or of other bits.
    pub warm: Option<&'a Annotations>,
    /// The points to be satisfied.
    pub points: &'a [Counterexample],
    /// How often each question stayed open or was refuted in this place: its margin must grow.
    pub doubts: &'a BTreeMap<usize, u32>,
    /// Runs on these bits before this one.
    pub round: u32,
    /// The version of the program.
    pub version: u32,
}

/// Guided rounding.
pub trait Guide {
    /// The best program found; `None` if there is none, or if going on is hopeless.
    fn improve(&mut self, attempt: &Attempt<'_>) -> Option<Checked<Program>>;
}

/// Proof or refutation of a candidate.
pub trait Verify {
    /// Decides the questions, in any order that does not depend on time; each answer with its
    /// question's place. May stop after one that is refuted.
    ///
    /// # Errors
    /// Why the candidate cannot be verified at all.
    fn verify(
        &mut self,
        candidate: &Candidate,
        version: u32,
    ) -> Result<Vec<(usize, RegionResult)>, String>;

    /// True when the run must end: time limit or interruption.
    fn stopped(&self) -> bool;
}

/// What a loop works with.
pub struct Engines<'a> {
    /// Evaluation.
    pub evaluate: &'a mut dyn Evaluate,
    /// Guided rounding.
    pub guide: &'a mut dyn Guide,
    /// Verification.
    pub verify: &'a mut dyn Verify,
}

#[cfg(test)]
mod tests;
