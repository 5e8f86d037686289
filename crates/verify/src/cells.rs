//! Reference and subject together, part by part: what decides margins, tolerances, and top-1
//! where the reference is neither robust nor changing.
//!
//! On a part both programs are bounded over one closed superset of the real points that belong
//! to it; the subject's rounding of the input is an error like any other.

use crate::bounds::differential::{PairForm, Together};
use crate::bounds::integer;
use crate::budget::{Effort, Stop};
use crate::frontier::{self, Look, OpenPart, Problem};
use crate::keep::{Tally, left_open};
use crate::leaf::Leaf;
use crate::reference::Reference;
use crate::requirement::{Bounded, Shown};
use crate::space::{Part, Space};
use crate::subject::{Subject, Trouble};
use crate::tree::{Closure, Tree};
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_ir::Property;
use ceg4n_ir::kernel::argmax;

/// Exact integer intervals are worth their cost up to so many weights.
const EXACT_WEIGHTS: usize = 4096;

/// What was found.
pub enum Celled {
    /// Holds everywhere; for a margin, the least one that was shown.
    Holds(Option<f64>, Tally),
    /// Broken at a replayed point.
    Broken(Box<Witness>, Tally),
    /// Budget or clock ended the work.
    Open(String, Tally),
}

/// One question over a space.
pub struct Cells<'a> {
    /// The reference.
    pub reference: &'a Reference,
    /// The subject.
    pub subject: &'a Subject,
    /// Both, for bounds.
    pub together: &'a Together<'a>,
    /// The region.
    pub space: &'a Space,
    /// What must hold.
    pub property: &'a Property,
    /// Guides splitting.
    pub influence: &'a [f64],
}

impl Cells<'_> {
    /// Decides it on `root` by one look, if that suffices.
    pub fn at_once(&self, root: &Part) -> Option<Celled> {
        match self.shown(root) {
            Shown::Holds(slack) => {
                let tally = Tally {
                    boxes: 1,
                    tree: Tree::leaf(Closure::Differential),
                    ..Tally::default()
                };
                Some(Celled::Holds(self.margin(slack), tally))
            }
            Shown::Fails { .. } => None,
        }
    }

    /// A margin's slack.
    fn margin(&self, slack: f64) -> Option<f64> {
        matches!(self.property, Property::Top1Margin(_)).then_some(slack)
    }

    /// Branch and bound from `root`.
    ///
    /// # Errors
    /// A defect found by replay.
    pub fn decide(
        &self,
        root: &Part,
        effort: &Effort,
        stop: &Stop,
        leaf: &mut dyn Leaf,
    ) -> Result<Celled, Trouble> {
        let start = OpenPart {
            item: root.clone(),
            node: 0,
            bound: f64::NEG_INFINITY,
            share: 1.0,
        };
        let boxes = effort.boxes_for(root.input.len());
        let ended = frontier::run(self, Tree::default(), vec![start], boxes, stop)?;
        let tally = Tally::of(&ended);
        if let Some(w) = ended.found {
            return Ok(Celled::Broken(Box::new(w), tally));
        }
        let slack = self.margin(ended.slack);
        if ended.is_proved() {
            return Ok(Celled::Holds(slack, tally));
        }
        let reason = left_open(&ended);
        if ended.stopped.is_some() || !ended.stuck.is_empty() {
            return Ok(Celled::Open(reason, tally));
        }
        self.by_solver(&ended.open, reason, slack, tally, effort, stop, leaf)
    }

    fn shown(&self, part: &Part) -> Shown {
        let pair = self.together.on(&part.real);
        let middle = middle(part);
        let likely = argmax(&self.subject.net().outputs(&middle)).unwrap_or(0);
        let kernel = self.subject.kernel().filter(|k| {
            let weights = |n: &ceg4n_ir::KernelNode| match &n.op {
                ceg4n_ir::KernelOp::Dense { weight, .. } => weight.len(),
                ceg4n_ir::KernelOp::Input { .. }
                | ceg4n_ir::KernelOp::AddConst { .. }
                | ceg4n_ir::KernelOp::Relu { .. }
                | ceg4n_ir::KernelOp::Requantize { .. }
                | ceg4n_ir::KernelOp::Align { .. }
                | ceg4n_ir::KernelOp::Move { .. } => 0,
            };
            k.nodes.values().map(weights).sum::<usize>() <= EXACT_WEIGHTS
        });
        let forward = kernel.map(|k| integer::forward(k, &part.input));
        let exact = kernel.zip(forward.as_ref());
        Bounded::new(&pair, exact, self.reference.output_len()).shows(self.property, likely)
    }

    fn try_point(&self, x: &[f64]) -> Result<Option<Witness>, Trouble> {
        match self.space.snap(x) {
            Some(point) => self
                .subject
                .replay(self.reference, self.space, self.property, &point),
            None => Ok(None),
        }
    }

    /// The margin needed at one point, rounded up.
    fn margin_at(&self, x: &[f64]) -> Result<Option<f64>, Trouble> {
        let Some(point) = self.space.snap(x) else {
            return Ok(None);
        };
        let (_, y) = self.subject.outputs(&point)?;
        let Ok(n) = self.reference.outputs(&point) else {
            return Ok(None);
        };
        let most = n.iter().cloned().reduce(Exact::max);
        Ok(argmax(&y).zip(most).map(|(k, most)| (&most - &n[k]).enclosure().1))
    }

    /// What an input contributes to the form that fails.
    fn scores(&self, part: &Part, form: &PairForm) -> Vec<f64> {
        let widths = part.real.iter().zip(self.influence).map(|(b, i)| b.width() * i);
        let widths: Vec<f64> = widths.collect();
        if part.input.len() > crate::margins::FEW_INPUTS {
            return widths;
        }
        let pair = self.together.on(&part.real);
        match pair.influence(form) {
            Some(g) if g.iter().any(|g| *g > 0.0) => g,
            Some(_) | None => widths,
        }
    }
}

fn middle(part: &Part) -> Vec<f64> {
    part.real
        .iter()
        .map(|b| b.lo + (b.hi - b.lo) / 2.0)
        .collect()
}

impl Problem for Cells<'_> {
    type Item = Part;
    type Found = Witness;

    fn look(&self, part: &Part) -> Result<Look<Part, Witness>, Trouble> {
        let (gap, form) = match self.shown(part) {
            Shown::Holds(slack) => {
                return Ok(Look::Closed {
                    closure: Closure::Differential,
                    slack,
                    points: 0,
                });
            }
            Shown::Fails { gap, form } => (gap, form),
        };
        let middle = middle(part);
        if let Some(w) = self.try_point(&middle)? {
            return Ok(Look::Found(w));
        }
        if self.space.is_point(part) && self.reference.is_exact() {
            // The part's only point was replayed above and holds.
            return Ok(Look::Closed {
                closure: Closure::Enumeration(1),
                slack: self.margin_at(&middle)?.unwrap_or(0.0),
                points: 1,
            });
        }
        let scores = self.scores(part, &form);
        Ok(match self.space.split(part, |i| scores[i]) {
            Some((cut, parts)) => Look::Divided {
                cut,
                parts: Box::new(parts),
                bound: gap,
                points: 0,
            },
            None => Look::Stuck {
                reason: "bounds do not close on a part that cannot be divided".into(),
                bound: gap,
            },
        })
    }
}
