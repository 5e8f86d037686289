//! One region, one requirement: the order of the tiers, and the verdict.

use crate::attack::{Target, find_break, split_cell};
use crate::budget::{Effort, Stop};
use crate::cells::{Celled, Cells};
use crate::keep::{Keep, Kept, Tally};
use crate::label::influence;
use crate::leaf::Leaf;
use crate::reference::Reference;
use crate::space::{Part, Space};
use crate::subject::{Subject, Trouble};
use crate::vacuous::vacuous;
use crate::verdict::{Evidence, Label, Method, RegionResult, Verdict, Witness};
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Property, Region};

/// What is asked of one region.
pub struct Question<'a> {
    /// The reference.
    pub reference: &'a Reference,
    /// The kernel.
    pub subject: &'a Subject,
    /// The region.
    pub region: &'a Region,
    /// What must hold on it.
    pub property: &'a Property,
    /// On which inputs.
    pub domain: Domain,
    /// The reference's behaviour there, from [`crate::label::label`].
    pub label: &'a Label,
}

/// Decides a question.
pub fn decide(q: &Question<'_>, effort: &Effort, stop: &Stop, leaf: &mut dyn Leaf) -> RegionResult {
    let space = Space::new(q.region, q.domain, q.subject.kernel().input_format);
    let mut result = RegionResult {
        id: q.region.id.clone(),
        property: q.property.clone(),
        verdict: Verdict::Unknown(String::new()),
        label: q.label.clone(),
        vacuous: None,
        margin_proved: None,
        boxes: 0,
        points: 0,
        clock_limited: false,
    };
    let root = match space.root() {
        Ok(root) => root,
        Err(d) => {
            result.verdict = Verdict::Unknown(d.message);
            return result;
        }
    };
    result.vacuous = vacuous(q.reference, &space, &root, q.property, &q.region.center());
    let work = Work {
        q,
        space: &space,
        root: &root,
        center: q.region.center(),
        influence: influence(q.reference),
        effort,
        stop,
    };
    match work.run(leaf) {
        Ok((verdict, tally, margin)) => {
            result.verdict = verdict;
            result.margin_proved = margin;
            result.boxes = tally.boxes;
            result.points = tally.points;
            result.clock_limited = tally.clock_limited;
        }
        Err(trouble) => result.verdict = Verdict::Unknown(format!("defect: {trouble}")),
    }
    result
}

struct Work<'a> {
    q: &'a Question<'a>,
    space: &'a Space,
    root: &'a Part,
    center: Vec<Exact>,
    influence: Vec<f64>,
    effort: &'a Effort,
    stop: &'a Stop,
}

type Outcome = (Verdict, Tally, Option<f64>);

impl Work<'_> {
    fn run(&self, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        let strict = matches!(self.q.property, Property::Top1);
        let margin = matches!(self.q.property, Property::Top1Margin(_));
        match self.q.label {
            Label::Robust(c) if strict => self.keep(*c, leaf),
            Label::Robust(c) if margin => match self.keep(*c, leaf)? {
                // The reference's own class: a margin of zero.
                (Verdict::Proved(e), tally, _) => Ok((Verdict::Proved(e), tally, Some(0.0))),
                (Verdict::Refuted(_) | Verdict::Unknown(_), _, _) => self.cells(leaf),
            },
            Label::Changes(change) if strict => match split_cell(&self.target(), change)? {
                Some(w) => Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None)),
                // On a grid, and where boundaries coincide, the property may hold all the same.
                None => self.cells(leaf),
            },
            Label::Robust(_) | Label::Changes(_) | Label::Undecided => self.cells(leaf),
        }
    }

    fn evidence(&self, method: Method, tally: &Tally, robust: Option<usize>) -> Verdict {
        Verdict::Proved(Box::new(Evidence {
            program: self.q.subject.program().hash(),
            reference: self.q.reference.hash(),
            region: self.q.region.hash(),
            property: self.q.property.clone(),
            domain: self.q.domain,
            robust,
            method,
            boxes: tally.boxes,
            points: tally.points,
            solver: tally.solver.clone(),
        }))
    }

    fn replay(&self, x: &[Exact]) -> Result<Option<Witness>, Trouble> {
        self.q
            .subject
            .replay(self.q.reference, self.space, self.q.property, x)
    }

    /// The decoupled question: the kernel alone, on integers.
    fn keep(&self, class: usize, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        if let Some(w) = find_break(&self.target(), self.effort, self.stop)? {
            return Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None));
        }
        let keep = Keep {
            subject: self.q.subject,
            space: self.space,
            class,
            influence: &self.influence,
            effort: self.effort,
            stop: self.stop,
        };
        let kept = keep.decide(self.root, leaf)?;
        Ok(match kept {
            Kept::Yes(tally) => (
                self.evidence(tally.method(), &tally, Some(class)),
                tally,
                None,
            ),
            Kept::Open(reason, tally) => (Verdict::Unknown(reason), tally, None),
            Kept::No(input, tally) => {
                let point = self.space.point(&input, None);
                let witness = match point {
                    Some(x) => self.replay(&x)?,
                    None => None,
                };
                match witness {
                    Some(w) => (Verdict::Refuted(Box::new(w)), tally, None),
                    None => {
                        let reason =
                            format!("input {input:?} leaves class {class} but does not replay");
                        (Verdict::Unknown(reason), tally, None)
                    }
                }
            }
        })
    }

    fn target(&self) -> Target<'_> {
        Target {
            reference: self.q.reference,
            subject: self.q.subject,
            space: self.space,
            property: self.q.property,
            label: self.q.label,
            center: &self.center,
            hints: &[],
        }
    }

    fn cells(&self, leaf: &mut dyn Leaf) -> Result<Outcome, Trouble> {
        let cells = Cells {
            reference: self.q.reference,
            subject: self.q.subject,
            space: self.space,
            property: self.q.property,
            influence: &self.influence,
        };
        if let Some(w) = find_break(&self.target(), self.effort, self.stop)? {
            return Ok((Verdict::Refuted(Box::new(w)), Tally::default(), None));
        }
        Ok(
            match cells.decide(self.root, self.effort, self.stop, leaf)? {
                Celled::Holds(margin, tally) => {
                    let method = match tally.solver {
                        Some(_) => Method::Smt,
                        None => Method::Cells,
                    };
                    (self.evidence(method, &tally, None), tally, margin)
                }
                Celled::Broken(w, tally) => (Verdict::Refuted(w), tally, None),
                Celled::Open(reason, tally) => (Verdict::Unknown(reason), tally, None),
            },
        )
    }
}
