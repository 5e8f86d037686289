//! The loop's state and its step.

use crate::strategy::{Known, Strategy};
use crate::{Candidate, Counterexample, Engines};
use ceg4n_base::ContentHash;
use ceg4n_ir::Annotations;
use ceg4n_quantize::Assignment;
use ceg4n_search::AnnotationSpace;
use ceg4n_verify::{RegionResult, Verdict};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// Its mantissas were moved by guided rounding.
    pub guided: bool,
    /// The program's hash.
    pub program: ContentHash,
    /// The program's formats and mantissas.
    pub annotations: Arc<Annotations>,
    /// Its cost under the space's cost model.
    pub cost: u64,
    /// What ended it.
    pub ended: Ended,
    /// What the verifier said, by question.
    pub results: Vec<(usize, RegionResult)>,
}

/// Where the loop stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// More steps to come.
    Running,
    /// The last version is proved, and the strategy ends with a proof.
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

    /// Goes on with another strategy, unless the run must end.
    #[must_use]
    pub fn follow(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        if self.status != Status::Stopped {
            self.status = Status::Running;
        }
        self
    }

    /// Candidates that stayed open and were set aside.
    pub fn set_aside(&self) -> impl Iterator<Item = &Version> {
        self.versions
            .iter()
            .filter(|v| matches!(v.ended, Ended::Unknown(_)))
    }

    /// The cheapest proved version, if there is one; the youngest of those.
    pub fn proved(&self) -> Option<&Version> {
        best(&self.versions)
    }

    /// One round: propose, verify, learn.
    ///
    /// # Errors
    /// What the verifier could not do.
    pub fn step(
        mut self,
        space: &AnnotationSpace,
        engines: &mut Engines<'_>,
    ) -> Result<Self, String> {
        let mut known = Known {
            space,
            points: &self.counterexamples,
            versions: &self.versions,
            candidates: &mut self.candidates,
        };
        let Some(candidate) = self.strategy.propose(&mut known, engines) else {
            self.status = if engines.verify.stopped() {
                Status::Stopped
            } else {
                Status::Exhausted
            };
            return Ok(self);
        };
        let version = self.versions.len() as u32 + 1;
        let results = engines.verify.verify(&candidate, version)?;
        let version = self.judged(space, candidate, results);
        self.strategy.told(&version);
        if version.ended == Ended::Proved && self.strategy.ends_with_proof() {
            self.status = Status::Proved;
        } else if engines.verify.stopped() {
            self.status = Status::Stopped;
        }
        self.versions.push(version);
        Ok(self)
    }

    /// The version that a candidate becomes; a counterexample joins the set.
    fn judged(
        &mut self,
        space: &AnnotationSpace,
        candidate: Candidate,
        results: Vec<(usize, RegionResult)>,
    ) -> Version {
        let version = self.versions.len() as u32 + 1;
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
            (None, None) => Ended::Proved,
        };
        Version {
            version,
            cost: space.cost(&candidate.assignment),
            assignment: candidate.assignment,
            guided: candidate.guided,
            program: candidate.program.hash(),
            annotations: candidate.program.program().annotations.clone(),
            ended,
            results,
        }
    }
}

/// The cheapest proved version; the youngest of those.
pub(crate) fn best(versions: &[Version]) -> Option<&Version> {
    versions
        .iter()
        .filter(|v| v.ended == Ended::Proved)
        .min_by_key(|v| (v.cost, std::cmp::Reverse(v.version)))
}
