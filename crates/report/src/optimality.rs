//! The optimality statement: what became of every assignment that is cheaper than the result.

use serde::{Deserialize, Serialize};

/// A statement about the assignments of a named search space that cost less than the result. In
/// that space a program is a function of its assignment, so that each of them is one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimality {
    /// The statement in one sentence.
    pub statement: String,
    /// The name of the search space.
    pub space: String,
    /// The cost model.
    pub metric: String,
    /// The cost of the result.
    pub cost: u64,
    /// The result is the space's own program of an assignment of the space.
    pub in_space: bool,
    /// No program of the space that costs less satisfies what was asked, but for those set aside.
    pub least: bool,
    /// Cheaper assignments that were gone through: the sum of what follows.
    pub cheaper: u64,
    /// Those whose program breaks a stored counterexample or start point, by the first of these.
    pub refuted: Vec<RefutedBy>,
    /// Those whose formats the checker refuses.
    pub refused: u64,
    /// Those that satisfy every stored point and miss a demand on data.
    pub missed_demand: u64,
    /// Those that satisfy every stored point and stayed open, by the version that did.
    pub set_aside: Vec<SetAsideBy>,
    /// Those that satisfy every stored point and were not put before the verifier.
    pub not_tried: u64,
    /// Cheaper assignments of this cost and above were not gone through.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_tried_from: Option<u64>,
}

/// Assignments that one stored point ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefutedBy {
    /// The point, by its place among the stored ones, from 0.
    pub counterexample: usize,
    /// How many.
    pub assignments: u64,
}

/// Assignments whose program stayed open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAsideBy {
    /// The version that was set aside.
    pub version: u32,
    /// How many have its program.
    pub assignments: u64,
}

impl Optimality {
    /// Assignments that a stored point ends.
    pub fn refuted_count(&self) -> u64 {
        total(self.refuted.iter().map(|r| r.assignments))
    }

    /// Assignments that were set aside.
    pub fn set_aside_count(&self) -> u64 {
        total(self.set_aside.iter().map(|s| s.assignments))
    }
}

/// The sum; at most what fits, for a file may say anything.
fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}
