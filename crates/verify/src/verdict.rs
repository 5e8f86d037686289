//! Verdicts, their evidence, and the proof that emission demands.

use crate::tree::{Closure, Partial, Tree};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Interval bounds with merged margins.
    Intervals,
    /// Backward linear bounds of one program.
    Backward,
    /// Backward linear bounds with optimised slopes.
    Slopes,
    /// Bounds of both programs together.
    Differential,
    /// Evaluation of every input.
    Enumeration,
    /// A solver's proof that no input breaks the requirement.
    Smt,
}

impl Method {
    /// The strongest method that a division's parts needed.
    pub fn of(tree: &Tree) -> Self {
        let of = |c: &Closure| match c {
            Closure::Intervals | Closure::Empty => Self::Intervals,
            Closure::Backward => Self::Backward,
            Closure::Slopes(_) => Self::Slopes,
            Closure::Differential => Self::Differential,
            Closure::Enumeration(_) => Self::Enumeration,
            Closure::Solver => Self::Smt,
        };
        tree.closures().map(of).max().unwrap_or(Self::Intervals)
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Intervals => "intervals",
            Self::Enumeration => "enumeration",
            Self::Smt => "smt",
            Self::Backward => "backward",
            Self::Slopes => "slopes",
            Self::Differential => "differential",
        })
    }
}

/// Why a region is proved: what was asked, by content, and how each part was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The reference's class, if it keeps one and the proof is about the kernel alone.
    pub robust: Option<Robust>,
    /// The strongest method that was needed.
    pub method: Method,
    /// Boxes decided by bounds.
    pub boxes: u64,
    /// Inputs evaluated one by one.
    pub points: u64,
    /// Queries answered by a solver, with its name.
    pub solver: Option<(String, u64)>,
    /// The region's division, and how each part was decided.
    pub tree: Tree,
}

/// Why the reference keeps a class on a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robust {
    /// The class.
    pub class: usize,
    /// The region's division, and how each part was decided.
    pub tree: Tree,
}

/// The answer for one region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// How far work on a region came that ended without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// The least lower bound of the requirement's slack over the open boxes, in real units: below
    /// zero where a violation was not excluded. `None` if no bound was reached.
    pub best: Option<f64>,
    /// The share of the region that is proved, from 0 to 1.
    pub fraction: f64,
    /// Open boxes.
    pub boxes: u64,
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
    /// The margin that was shown to hold, at most the one asked for, rounded up to a float.
    pub margin_proved: Option<f64>,
    /// Boxes looked at.
    pub boxes: u64,
    /// Inputs evaluated one by one.
    pub points: u64,
    /// The clock ended the work on this region.
    pub clock_limited: bool,
    /// Without a verdict: how far it got.
    pub open: Option<Open>,
    /// Then also the work so far, to go on with.
    pub partial: Option<Box<Partial>>,
}

impl RegionResult {
    /// Proved, and not by a requirement that any constant meets.
    pub fn counts_as_proved(&self) -> bool {
        matches!(self.verdict, Verdict::Proved(_)) && self.vacuous.is_none()
    }
}

/// One thing that a program must be proved for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// [`ceg4n_ir::Region::hash`].
    pub region: ContentHash,
    /// What must hold.
    pub property: Property,
    /// On which inputs.
    pub domain: Domain,
}

/// A program all of whose obligations are proved: what emission as "verified" demands.
#[derive(Clone, Debug)]
pub struct Verified<P> {
    inner: Checked<P>,
    results: Vec<RegionResult>,
}

impl Verified<Program> {
    /// `None` unless there is an obligation, each is proved for this very program (by hash) by
    /// one of `results`, and no result is vacuous or anything but proved.
    pub fn new(
        program: Checked<Program>,
        obligations: &[Obligation],
        results: &[RegionResult],
    ) -> Option<Self> {
        let evidence = |r: &RegionResult| match &r.verdict {
            Verdict::Proved(e) if e.program == program.hash() && r.vacuous.is_none() => {
                Some(Obligation {
                    region: e.region,
                    property: e.property.clone(),
                    domain: e.domain,
                })
            }
            Verdict::Proved(_) | Verdict::Refuted(_) | Verdict::Unknown(_) => None,
        };
        let proved: Option<Vec<Obligation>> = results.iter().map(evidence).collect();
        let proved = proved?;
        let covered = obligations.iter().all(|o| proved.contains(o));
        (!obligations.is_empty() && covered).then(|| Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_ir::{NetworkBuilder, Op, Shape, check};
    use std::sync::Arc;

    fn program() -> Checked<Program> {
        let mut n = NetworkBuilder::new("n");
        let x = n.push("x", Op::Input, Some(Shape::vector(2)), None);
        let y = n.push("y", Op::Relu { x }, None, None);
        check(Program::reference(Arc::new(n.finish(y).unwrap()))).unwrap()
    }

    fn proved(program: ContentHash, region: ContentHash) -> RegionResult {
        RegionResult {
            id: "a".into(),
            property: Property::Top1,
            verdict: Verdict::Proved(Box::new(Evidence {
                program,
                reference: program,
                region,
                property: Property::Top1,
                domain: Domain::Real,
                robust: None,
                method: Method::Intervals,
                boxes: 1,
                points: 0,
                solver: None,
                tree: Tree::leaf(Closure::Intervals),
            })),
            label: Label::Undecided,
            vacuous: None,
            margin_proved: None,
            boxes: 1,
            points: 0,
            clock_limited: false,
            open: None,
            partial: None,
        }
    }

    fn obligation(region: ContentHash, property: Property) -> Obligation {
        Obligation {
            region,
            property,
            domain: Domain::Real,
        }
    }

    #[test]
    fn verified_needs_every_obligation_proved_for_this_program() {
        let p = program();
        let (r, s) = (ContentHash::of(b"r"), ContentHash::of(b"s"));
        let asked = [obligation(r, Property::Top1)];
        let good = proved(p.hash(), r);
        assert!(Verified::new(p.clone(), &asked, std::slice::from_ref(&good)).is_some());

        assert!(Verified::new(p.clone(), &[], std::slice::from_ref(&good)).is_none());
        assert!(Verified::new(p.clone(), &asked, &[]).is_none());
        let other_program = proved(ContentHash::of(b"q"), r);
        assert!(Verified::new(p.clone(), &asked, &[other_program]).is_none());
        assert!(Verified::new(p.clone(), &asked, &[proved(p.hash(), s)]).is_none());
        let other = [obligation(r, Property::TopK(1))];
        assert!(Verified::new(p.clone(), &other, std::slice::from_ref(&good)).is_none());
        let vacuous = RegionResult {
            vacuous: Some("any".into()),
            ..good.clone()
        };
        assert!(Verified::new(p.clone(), &asked, &[vacuous]).is_none());
        let open = RegionResult {
            verdict: Verdict::Unknown("late".into()),
            ..good.clone()
        };
        assert!(Verified::new(p, &asked, &[good, open]).is_none());
    }
}
