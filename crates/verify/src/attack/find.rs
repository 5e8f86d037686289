//! Falsification: a point of the region on which the kernel breaks the property.
//!
//! Floating point climbs to where the property is most broken, the integers are searched around
//! the best points, and every claim is replayed exactly. The gradient passes straight through
//! roundings; in domain `real` each input is put beside a rounding midpoint where that parts the
//! reference, which sees the point, from the kernel, which sees its cell.

use super::climb::{Climb, FEW, Game, Outs, Walker};
use super::frame::Frame;
use super::goal::{Breach, Goal};
use super::{integers, seeds};
use crate::budget::{Effort, Stop};
use crate::reference::Reference;
use crate::space::Space;
use crate::subject::{Subject, Trouble};
use crate::verdict::{Label, Witness};
use ceg4n_base::Exact;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Format, Property};

/// Replays that may fail before the search gives up.
const MISSES: usize = 12;

/// Points that the search on integers starts from.
const KEPT: usize = 3;

/// Classes that take part where pairs of classes are searched.
const CLASSES: usize = 4;

/// How much of what is needed two programs must be seen to part for more to be tried.
const HOPEFUL: f64 = 0.6;

/// Halvings of a line: finer than the cells of a region.
const BISECTIONS: usize = 20;

/// What shall be broken, and where.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The reference.
    pub reference: &'a Reference,
    /// The kernel.
    pub subject: &'a Subject,
    /// The region.
    pub space: &'a Space,
    /// What must hold.
    pub property: &'a Property,
    /// The reference's behaviour on the region.
    pub label: &'a Label,
    /// A point to start from, one number per input.
    pub center: &'a [Exact],
    /// Points that broke something elsewhere (another candidate, another region) or that a bound
    /// thinks worst; they are tried first, moved into the region.
    pub hints: &'a [Vec<Exact>],
}

impl Target<'_> {
    /// Replays a point that is near `x`, in region and domain.
    pub(crate) fn replay_near(&self, x: &[f64]) -> Result<Option<Witness>, Trouble> {
        match self.space.snap(x) {
            Some(point) => self.replay(&point),
            None => Ok(None),
        }
    }

    pub(crate) fn replay(&self, x: &[Exact]) -> Result<Option<Witness>, Trouble> {
        self.subject
            .replay(self.reference, self.space, self.property, x)
    }

    /// The kernel's input format; `None` if it is a real-valued program.
    pub(crate) fn rounds_to(&self) -> Option<Format> {
        self.subject.kernel().map(|k| k.input_format)
    }

    /// The class that the reference keeps.
    pub(crate) fn robust(&self) -> Option<usize> {
        match self.label {
            Label::Robust(c) => Some(*c),
            Label::Changes(_) | Label::Undecided => None,
        }
    }
}

/// Looks for a point that breaks the property; `None` says nothing about the region.
/// Deterministic but for `stop`.
///
/// # Errors
/// A defect found by replay.
pub fn find_break(
    target: &Target<'_>,
    effort: &Effort,
    stop: &Stop,
) -> Result<Option<Witness>, Trouble> {
    let Some(frame) = Frame::new(target.space, target.rounds_to()) else {
        return Ok(None);
    };
    let hints = target.hints.iter().filter(|h| h.len() == frame.len());
    let turns = match target.label {
        Label::Changes(change) => vec![&change.a.0, &change.b.0],
        Label::Robust(_) | Label::Undecided => Vec::new(),
    };
    let floats = |x: &Vec<Exact>| -> Vec<f64> { x.iter().map(Exact::to_f64).collect() };
    let mut starts: Vec<Vec<f64>> = hints.map(floats).collect();
    starts.extend(seeds(target.space, target.center, effort.starts));
    starts.extend(turns.into_iter().map(floats));
    starts.iter_mut().for_each(|x| frame.settle(x));
    let breach = Breach::new(target.property, target.robust());
    let reference = (!breach.kernel_alone()).then_some(target.reference.net());
    let mut hunt = Hunt {
        target,
        breach,
        goals: Vec::new(),
        anchors: vec![None; target.subject.net().output_len()],
        kept: Vec::new(),
        found: None,
        misses: 0,
    };
    let mut climb = Climb::new(&frame, Some(target.subject.net()), reference);
    if !climb.look(&starts, &mut hunt)? {
        hunt.run(&mut climb, &frame, &starts, (effort, stop))?;
    }
    Ok(hunt.found)
}

struct Hunt<'a> {
    target: &'a Target<'a>,
    breach: Breach,
    goals: Vec<Goal>,
    /// A point where the kernel answers the class, if one was met.
    anchors: Vec<Option<Vec<f64>>>,
    /// The points nearest to a break, best first.
    kept: Vec<(f64, Vec<f64>)>,
    found: Option<Witness>,
    misses: usize,
}

impl Game for Hunt<'_> {
    fn pull(&self, goal: usize, at: Outs<'_>, kernel: &mut [f64], reference: &mut [f64]) {
        self.goals[goal].pull(&self.breach, at, kernel, reference);
    }

    fn value(&self, goal: usize, at: Outs<'_>) -> f64 {
        self.goals[goal].value(&self.breach, at)
    }

    fn visit(&mut self, x: &[f64], at: Outs<'_>) -> Result<bool, Trouble> {
        if let Some(k) = argmax(at.kernel)
            && self.anchors[k].is_none()
        {
            self.anchors[k] = Some(x.to_vec());
        }
        let broken = self.breach.at(at);
        if broken > 0.0 {
            self.found = self.target.replay_near(x)?;
            self.misses += usize::from(self.found.is_none());
            return Ok(self.found.is_some() || self.misses >= MISSES);
        }
        let last = self.kept.last().map_or(f64::NEG_INFINITY, |k| k.0);
        let new = self.kept.iter().all(|k| k.0 != broken);
        if new && (self.kept.len() < KEPT || broken > last) {
            self.kept.truncate(KEPT - 1);
            self.kept.push((broken, x.to_vec()));
            self.kept.sort_by(|a, b| b.0.total_cmp(&a.0));
        }
        Ok(false)
    }
}

impl Hunt<'_> {
    fn run(
        &mut self,
        climb: &mut Climb<'_>,
        frame: &Frame,
        starts: &[Vec<f64>],
        (effort, stop): (&Effort, &Stop),
    ) -> Result<(), Trouble> {
        let outputs = self.anchors.len();
        match &self.breach {
            Breach::Leaves(class) => {
                let class = *class;
                let rivals = (0..outputs).filter(|j| *j != class);
                let goals = rivals.map(|rival| Goal::Overtake { class, rival });
                if self.climb(climb, goals.collect(), starts, stop)?.is_some() {
                    let points: Vec<&[f64]> = self.kept.iter().map(|k| k.1.as_slice()).collect();
                    self.found = integers::search(self.target, class, &points, effort, stop)?;
                }
            }
            Breach::Differs(_) => {
                let goals = (0..outputs)
                    .flat_map(|output| [true, false].map(|above| Goal::Differ { output, above }));
                self.climb(climb, goals.collect(), starts, stop)?;
            }
            Breach::Demoted(ahead) => {
                let mut goals = vec![Goal::Demote { ahead: *ahead }];
                goals.extend(self.turns());
                if let Some(best) = self.climb(climb, goals, starts, stop)? {
                    self.part(climb, frame, starts, &best, stop)?;
                }
            }
            Breach::Behind(_) => {
                let goals = self.turns();
                if let Some(best) = self.climb(climb, goals, starts, stop)? {
                    self.part(climb, frame, starts, &best, stop)?;
                }
            }
            Breach::Meets { cases, .. } => {
                let goals = (0..cases.len()).map(|case| Goal::Meet { case });
                let goals = goals.collect();
                self.climb(climb, goals, starts, stop)?;
            }
        }
        Ok(())
    }

    /// Goals that turn the class which the kernel answers at the first start into each other one.
    fn turns(&self) -> Vec<Goal> {
        let first = self.anchors.iter().position(Option::is_some).unwrap_or(0);
        let class = self.target.robust().unwrap_or(first);
        let rivals = (0..self.anchors.len()).filter(|j| *j != class);
        rivals
            .flat_map(|j| Goal::overtake_or_sway(class, j))
            .collect()
    }

    fn climb(
        &mut self,
        climb: &mut Climb<'_>,
        goals: Vec<Goal>,
        starts: &[Vec<f64>],
        stop: &Stop,
    ) -> Result<Option<Vec<Walker>>, Trouble> {
        let all: Vec<usize> = (0..goals.len()).collect();
        self.goals = goals;
        climb.run(self, &all, starts, stop)
    }

    /// Points where the kernel just answers one class and the reference prefers another: first
    /// where both programs part most on a pair of classes, then along a line to where the
    /// kernel's answer turns.
    fn part(
        &mut self,
        climb: &mut Climb<'_>,
        frame: &Frame,
        starts: &[Vec<f64>],
        best: &[Walker],
        stop: &Stop,
    ) -> Result<(), Trouble> {
        let classes = self.in_play(best);
        let pairs = classes.iter().flat_map(|k| {
            let others = classes.iter().filter(move |j| *j != k);
            others.map(|j| (*k, *j))
        });
        let pairs: Vec<(usize, usize)> = pairs.collect();
        let goals = pairs.iter().map(|(k, j)| Goal::Part {
            kernel: *k,
            reference: *j,
        });
        let mut from: Vec<Vec<f64>> = best.iter().take(KEPT).map(|w| w.x.clone()).collect();
        from.extend(starts.iter().take(2 * KEPT).cloned());
        let Some(apart) = self.climb(climb, goals.collect(), &from, stop)? else {
            return Ok(());
        };
        // Where the kernel answers k, the reference leans to j by no more than both part. With
        // many inputs every try is dear, and the climb has seen how far that is at least about.
        let needed = match &self.breach {
            Breach::Behind(m) if frame.len() > FEW => m * HOPEFUL,
            Breach::Behind(_)
            | Breach::Leaves(_)
            | Breach::Demoted(_)
            | Breach::Differs(_)
            | Breach::Meets { .. } => f64::NEG_INFINITY,
        };
        let hopeful: Vec<&Walker> = apart.iter().filter(|w| w.value > needed).collect();
        for w in &hopeful {
            let (k, j) = pairs[w.goal];
            let near = [&self.anchors[k], &self.anchors[j]].into_iter().flatten();
            let ends: Vec<Vec<f64>> = near.chain(&from).take(2 * KEPT).cloned().collect();
            for end in ends {
                if stop.now().is_some() || self.turn(climb, frame, &w.x, &end, (k, j))? {
                    return Ok(());
                }
            }
        }
        for w in &hopeful {
            let (k, j) = pairs[w.goal];
            if stop.now().is_some() || self.trade(climb, frame, &w.x, (k, j), stop)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Seeks the weight of the kernel's lead at which both programs part most where the kernel
    /// just answers `k`; then the turn between the best points on both sides of it.
    fn trade(
        &mut self,
        climb: &mut Climb<'_>,
        frame: &Frame,
        start: &[f64],
        (k, j): (usize, usize),
        stop: &Stop,
    ) -> Result<bool, Trouble> {
        let (mut low, mut high) = (0, 2 * 64);
        let (mut yes, mut no): (Option<Vec<f64>>, Option<Vec<f64>>) = (None, None);
        while high - low > 1 {
            let weight = low + (high - low) / 2;
            let goal = Goal::Trade {
                kernel: k,
                reference: j,
                weight,
            };
            let known = [yes.clone(), no.clone(), Some(start.to_vec())];
            let from: Vec<Vec<f64>> = known.into_iter().flatten().collect();
            let Some(best) = self.climb(climb, vec![goal], &from, stop)? else {
                return Ok(true);
            };
            let Some(w) = best.first() else {
                return Ok(false);
            };
            let y = climb.one(&w.x).kernel;
            if y[k] >= y[j] {
                (high, yes) = (weight, Some(w.x.clone()));
            } else {
                (low, no) = (weight, Some(w.x.clone()));
            }
        }
        match (yes, no) {
            (Some(yes), Some(no)) => self.turn(climb, frame, &yes, &no, (k, j)),
            (Some(x), None) | (None, Some(x)) => self.turn(climb, frame, &x, &x, (k, j)),
            (None, None) => Ok(false),
        }
    }

    /// Bisects to where the kernel's answer turns from or to `k` between two points, and moves
    /// the last point that answers `k` within its cell to where the reference leans to `j`.
    fn turn(
        &mut self,
        climb: &mut Climb<'_>,
        frame: &Frame,
        a: &[f64],
        b: &[f64],
        (k, j): (usize, usize),
    ) -> Result<bool, Trouble> {
        let answers = |climb: &mut Climb<'_>, x: &[f64]| argmax(climb.one(x).kernel) == Some(k);
        let (mut yes, mut no) = match (answers(climb, a), answers(climb, b)) {
            (true, false) => (a.to_vec(), b.to_vec()),
            (false, true) => (b.to_vec(), a.to_vec()),
            (true, true) => (a.to_vec(), a.to_vec()),
            (false, false) => return Ok(false),
        };
        for _ in 0..BISECTIONS {
            let mut middle: Vec<f64> = yes.iter().zip(&no).map(|(a, b)| (a + b) / 2.0).collect();
            frame.settle(&mut middle);
            if middle == yes || middle == no {
                break;
            }
            if answers(climb, &middle) {
                yes = middle;
            } else {
                no = middle;
            }
        }
        let g = climb.reference_gradient(&yes, j, k);
        frame.within_cells(&mut yes, &g);
        let at = climb.one(&yes);
        self.visit(&yes, at)
    }

    /// The classes that kernel or reference come nearest to answering, the first start's first.
    fn in_play(&self, best: &[Walker]) -> Vec<usize> {
        let mut classes = Vec::new();
        for w in best {
            let of = match self.goals[w.goal] {
                Goal::Overtake { class, rival } | Goal::Sway { class, rival } => [class, rival],
                Goal::Differ { .. }
                | Goal::Part { .. }
                | Goal::Trade { .. }
                | Goal::Demote { .. }
                | Goal::Meet { .. } => continue,
            };
            for c in of {
                if classes.len() < CLASSES && !classes.contains(&c) {
                    classes.push(c);
                }
            }
        }
        classes
    }
}
