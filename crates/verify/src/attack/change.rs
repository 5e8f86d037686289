//! Does the reference change its class on a region? Signed gradient steps on every margin of the
//! centre's class, all rivals together, each point on the way a candidate; what is claimed was
//! evaluated exactly.

use super::climb::{Climb, Game, Outs};
use super::frame::Frame;
use super::seeds;
use crate::budget::{Effort, Stop};
use crate::reference::Reference;
use crate::space::Space;
use crate::subject::Trouble;
use crate::verdict::ClassChange;
use ceg4n_base::Exact;
use ceg4n_ir::kernel::argmax;

/// Exact evaluations that may fail to confirm a change before the search gives up.
const MISSES: usize = 8;

/// What a search found out about the reference on a region.
#[derive(Clone, Debug, Default)]
pub struct ClassSearch {
    /// Two points with different strict winners, evaluated exactly.
    pub change: Option<ClassChange>,
    /// A point and its strict winner, evaluated exactly; the centre, if that has one.
    pub first: Option<(Vec<Exact>, usize)>,
}

/// Looks for two points of the region and the domain where the reference has different strict
/// winners. No change found says nothing about the region. Deterministic but for `stop`.
pub fn class_change(
    reference: &Reference,
    space: &Space,
    center: &[Exact],
    effort: &Effort,
    stop: &Stop,
) -> ClassSearch {
    let Some(frame) = Frame::new(space, None) else {
        return ClassSearch::default();
    };
    let mut points = seeds(space, center, effort.starts);
    points.iter_mut().for_each(|x| frame.settle(x));
    let mut hunt = Hunt {
        reference,
        space,
        found: ClassSearch::default(),
        misses: 0,
    };
    let mut climb = Climb::new(&frame, None, Some(reference.net()));
    // A hunt itself never fails.
    let Ok(false) = climb.look(&points, &mut hunt) else {
        return hunt.found;
    };
    if let Some((_, class)) = hunt.found.first {
        let rivals: Vec<usize> = (0..reference.output_len())
            .filter(|r| *r != class)
            .collect();
        let _ = climb.run(&mut hunt, &rivals, &points, stop);
    }
    hunt.found
}

struct Hunt<'a> {
    reference: &'a Reference,
    space: &'a Space,
    found: ClassSearch,
    misses: usize,
}

/// A goal is an output that shall win.
impl Game for Hunt<'_> {
    fn pull(&self, goal: usize, _: Outs<'_>, _: &mut [f64], reference: &mut [f64]) {
        reference[goal] += 1.0;
        if let Some((_, class)) = self.found.first {
            reference[class] -= 1.0;
        }
    }

    fn value(&self, goal: usize, at: Outs<'_>) -> f64 {
        let class = self.found.first.as_ref().map_or(goal, |f| f.1);
        at.reference[goal] - at.reference[class]
    }

    /// Evaluates a point exactly if floating point sees a new class there.
    fn visit(&mut self, x: &[f64], at: Outs<'_>) -> Result<bool, Trouble> {
        let Some(guess) = argmax(at.reference) else {
            return Ok(true);
        };
        if self.found.first.as_ref().is_some_and(|f| f.1 == guess) {
            return Ok(false);
        }
        let exact = self.space.snap(x).and_then(|p| {
            let p = self
                .reference
                .admissible(&p, &self.space.lower, &self.space.upper);
            Some((self.reference.winner(&p).ok()??, p))
        });
        match (exact, &self.found.first) {
            (Some((class, p)), None) => self.found.first = Some((p, class)),
            (Some((class, p)), Some(f)) if f.1 != class => {
                self.found.change = Some(ClassChange {
                    a: f.clone(),
                    b: (p, class),
                });
                return Ok(true);
            }
            (Some(_) | None, _) => self.misses += 1,
        }
        Ok(self.misses >= MISSES)
    }
}
