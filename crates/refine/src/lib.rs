//! The loop of CEG4N (Matos Jr., Bessa, Manino, Song, Cordeiro): the search proposes the cheapest
//! assignment that every stored counterexample lets pass, the verifier decides its regions, a
//! replayed counterexample joins the set, until a candidate is proved.
//!
//! The loop knows evaluation and verification through two traits. Its [`State`] is a
//! serialisable value; [`State::step`] advances it.

use ceg4n_base::Exact;
use ceg4n_search::{AnnotationSpace, Assignment, Settings, nsga2};
use ceg4n_verify::{RegionResult, Verdict};
use serde::{Deserialize, Serialize};

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

/// Cheap evaluation of a candidate on points.
pub trait Evaluate {
    /// Does the candidate's kernel satisfy its questions on all these points? A candidate that
    /// cannot be lowered does not.
    fn satisfies(&mut self, candidate: &Assignment, points: &[Counterexample]) -> bool;
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
        candidate: &Assignment,
        version: u32,
    ) -> Result<Vec<(usize, RegionResult)>, String>;

    /// True when the run must end: time limit or interruption.
    fn stopped(&self) -> bool;
}

/// How candidates are proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// All assignments in order of cost.
    Exact(ceg4n_search::Exact),
    /// The paper's genetic search, anew after each counterexample.
    Nsga2 {
        /// Size, length and seed of a run.
        settings: Settings,
    },
    /// A fixed list, in order (presets).
    List {
        /// The assignments.
        items: Vec<Assignment>,
        /// The next one.
        at: usize,
    },
}

/// What ended an IR version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Every region is proved.
    Proved,
    /// A counterexample, by its place in [`State::counterexamples`].
    Refuted(usize),
    /// A region stayed open.
    Unknown(String),
}

/// One verified (or refuted, or set aside) candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Its number.
    pub version: u32,
    /// Its bits.
    pub assignment: Assignment,
    /// Its cost under the space's cost model.
    pub cost: u64,
    /// What ended it.
    pub ended: Ended,
    /// What the verifier said.
    pub results: Vec<RegionResult>,
}

/// Where the loop stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// More steps to come.
    Running,
    /// The last version is proved.
    Proved,
    /// The strategy has no further candidate.
    Exhausted,
    /// Time limit or interruption.
    Stopped,
}

/// The loop's state: everything that a resumed run needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How candidates are proposed.
    pub strategy: Strategy,
    /// The points that every candidate must pass; they only grow.
    pub counterexamples: Vec<Counterexample>,
    /// Every candidate that reached the verifier.
    pub versions: Vec<Version>,
    /// Candidates evaluated on points.
    pub candidates: u64,
    /// Where it stands.
    pub status: Status,
}

impl State {
    /// A loop that starts from the given points.
    pub fn new(strategy: Strategy, points: Vec<Counterexample>) -> Self {
        Self {
            strategy,
            counterexamples: points,
            versions: Vec::new(),
            candidates: 0,
            status: Status::Running,
        }
    }

    /// Candidates that stayed open and were set aside.
    pub fn set_aside(&self) -> impl Iterator<Item = &Version> {
        self.versions
            .iter()
            .filter(|v| matches!(v.ended, Ended::Unknown(_)))
    }

    /// The last proved version, if there is one.
    pub fn proved(&self) -> Option<&Version> {
        self.versions
            .iter()
            .rev()
            .find(|v| matches!(v.ended, Ended::Proved))
    }

    /// One round: propose, verify, learn.
    ///
    /// # Errors
    /// What the verifier could not do.
    pub fn step(
        mut self,
        space: &AnnotationSpace,
        evaluate: &mut dyn Evaluate,
        verify: &mut dyn Verify,
    ) -> Result<Self, String> {
        let Some(candidate) = self.propose(space, evaluate, verify) else {
            self.status = if verify.stopped() {
                Status::Stopped
            } else {
                Status::Exhausted
            };
            return Ok(self);
        };
        let version = self.versions.len() as u32 + 1;
        let results = verify.verify(&candidate, version)?;
        let refuted = results.iter().find_map(|(i, r)| match &r.verdict {
            Verdict::Refuted(w) => Some(Counterexample {
                question: *i,
                x: w.x.clone(),
                ended: Some(version),
            }),
            Verdict::Proved(_) | Verdict::Unknown(_) => None,
        });
        let unknown = results.iter().find_map(|(_, r)| match &r.verdict {
            Verdict::Unknown(reason) => Some(format!("{}: {reason}", r.id)),
            Verdict::Proved(_) | Verdict::Refuted(_) => None,
        });
        let ended = match (refuted, unknown) {
            (Some(c), _) => {
                self.counterexamples.push(c);
                Ended::Refuted(self.counterexamples.len() - 1)
            }
            (None, Some(reason)) => Ended::Unknown(reason),
            (None, None) if results.is_empty() => Ended::Unknown("nothing was decided".to_owned()),
            (None, None) => {
                self.status = Status::Proved;
                Ended::Proved
            }
        };
        let stopped = verify.stopped() && self.status == Status::Running;
        if stopped {
            self.status = Status::Stopped;
        }
        let cost = space.cost(&candidate);
        self.versions.push(Version {
            version,
            assignment: candidate,
            cost,
            ended,
            results: results.into_iter().map(|(_, r)| r).collect(),
        });
        Ok(self)
    }

    fn propose(
        &mut self,
        space: &AnnotationSpace,
        evaluate: &mut dyn Evaluate,
        verify: &dyn Verify,
    ) -> Option<Assignment> {
        let points = &self.counterexamples;
        // A candidate is dear to verify: what was refuted or stayed open is not asked again, for
        // instance by the strategy that follows a list.
        let over: Vec<&Assignment> = self
            .versions
            .iter()
            .filter(|v| !matches!(v.ended, Ended::Proved))
            .map(|v| &v.assignment)
            .collect();
        match &mut self.strategy {
            Strategy::Exact(order) => loop {
                if verify.stopped() {
                    return None;
                }
                let next = order.next(space)?;
                self.candidates += 1;
                if !over.contains(&&next) && evaluate.satisfies(&next, points) {
                    return Some(next);
                }
            },
            Strategy::List { items, at } => loop {
                let next = items.get(*at)?.clone();
                *at += 1;
                self.candidates += 1;
                // A lone candidate is always put before the verifier: its verdict is what was asked.
                let fresh = || !over.contains(&&next);
                if items.len() == 1 || (fresh() && evaluate.satisfies(&next, points)) {
                    return Some(next);
                }
            },
            Strategy::Nsga2 { settings } => {
                let mut count = 0;
                let found = nsga2(space, *settings, &mut |a| {
                    count += 1;
                    !verify.stopped() && !over.contains(&a) && evaluate.satisfies(a, points)
                });
                self.candidates += count;
                if verify.stopped() { None } else { found }
            }
        }
    }
}

#[cfg(test)]
mod tests;
