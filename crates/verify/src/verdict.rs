//! Verdicts, their evidence, and the proof that emission demands.

use ceg4n_base::{ContentHash, Exact};
use ceg4n_ir::{Checked, Domain, Program, Property};
use serde::{Deserialize, Serialize};

/// A concrete input on which the kernel breaks the requirement, replayed exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The input, inside the region and the domain.
    pub x: Vec<Exact>,
    /// The kernel's input mantissas for `x`.
    pub input: Vec<i64>,
    /// The reference's outputs.
    pub reference: Vec<Exact>,
    /// The kernel's outputs, in real units.
    pub kernel: Vec<Exact>,
}

/// Two points of a region in which the reference itself has different strict winners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassChange {
    /// First point and its class.
    pub a: (Vec<Exact>, usize),
    /// Second point and its class.
    pub b: (Vec<Exact>, usize),
}

/// What is known of the reference on a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// It keeps one class on all of it, strictly.
    Robust(usize),
    /// It changes class; two witnesses, replayed exactly.
    Changes(Box<ClassChange>),
    /// Neither shown: touching ties, duplicate outputs, or the budget's end.
    Undecided,
}

/// How a part of a region was proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Interval bounds with merged margins.
    Intervals,
    /// Evaluation of every input.
    Enumeration,
    /// A solver's proof that no input breaks the requirement.
    Smt,
    /// Bounds of kernel and reference together, cell by cell.
    Cells,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Intervals => "intervals",
            Self::Enumeration => "enumeration",
            Self::Smt => "smt",
            Self::Cells => "cells",
        })
    }
}

/// Why a region is proved: what was asked, by content, and how each part was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`Program::hash`] of the kernel.
    pub program: ContentHash,
    /// [`Program::hash`] of the reference.
    pub reference: ContentHash,
    /// [`ceg4n_ir::Region::hash`].
    pub region: ContentHash,
    /// What holds.
    pub property: Property,
    /// On which inputs.
    pub domain: Domain,
    /// The reference's class, if it keeps one.
    pub robust: Option<usize>,
    /// The strongest method that was needed.
    pub method: Method,
    /// Boxes decided by bounds.
    pub boxes: u64,
    /// Inputs evaluated one by one.
    pub points: u64,
    /// Queries answered by a solver, with its name.
    pub solver: Option<(String, u64)>,
}

/// The answer for one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Holds for every point.
    Proved(Box<Evidence>),
    /// Broken at this point.
    Refuted(Box<Witness>),
    /// Neither, with the reason.
    Unknown(String),
}

impl Verdict {
    /// `proved`, `refuted` or `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proved(_) => "proved",
            Self::Refuted(_) => "refuted",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// What was found on one region under one requirement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionResult {
    /// The region's id.
    pub id: String,
    /// What was asked there (a margin where the reference changes class).
    pub property: Property,
    /// The answer.
    pub verdict: Verdict,
    /// The reference's behaviour.
    pub label: Label,
    /// A constant answer satisfies what was asked; which, in words.
    pub vacuous: Option<String>,
    /// The margin that was shown to hold, at most the one asked for.
    pub margin_proved: Option<f64>,
    /// Boxes looked at.
    pub boxes: u64,
    /// Inputs evaluated one by one.
    pub points: u64,
    /// The clock ended the work on this region.
    pub clock_limited: bool,
}

impl RegionResult {
    /// Proved, and not by a requirement that any constant meets.
    pub fn counts_as_proved(&self) -> bool {
        matches!(self.verdict, Verdict::Proved(_)) && self.vacuous.is_none()
    }
}

/// A program all of whose regions are proved: what emission as "verified" demands.
#[derive(Clone, Debug)]
pub struct Verified<P> {
    inner: Checked<P>,
    results: Vec<RegionResult>,
}

impl Verified<Program> {
    /// `None` unless there is a region and every one is proved for this very program (by hash),
    /// not vacuously.
    pub fn new(program: Checked<Program>, results: &[RegionResult]) -> Option<Self> {
        let holds = |r: &RegionResult| match &r.verdict {
            Verdict::Proved(e) => e.program == program.hash() && r.vacuous.is_none(),
            Verdict::Refuted(_) | Verdict::Unknown(_) => false,
        };
        (!results.is_empty() && results.iter().all(holds)).then(|| Self {
            inner: program,
            results: results.to_vec(),
        })
    }

    /// The program.
    pub fn program(&self) -> &Checked<Program> {
        &self.inner
    }

    /// Its verdicts.
    pub fn results(&self) -> &[RegionResult] {
        &self.results
    }
}
