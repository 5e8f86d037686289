//! Reference and kernel together, part by part: what decides margins, tolerances, and top-1
//! where the reference is neither robust nor changing.
//!
//! On a part the kernel's possible outcomes follow from integer bounds, the reference's from
//! real bounds over a superset of the points that round into it.

use crate::bounds::differential::{Differences, Pair};
use crate::bounds::{Form, integer};
use crate::budget::{Effort, Stop};
use crate::float::{Bound, down, up};
use crate::keep::Tally;
use crate::leaf::Leaf;
use crate::reference::{BoxBounds, Reference};
use crate::space::{Part, Space};
use crate::subject::{Subject, Trouble};
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Kernel, Property};

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
    /// The kernel.
    pub subject: &'a Subject,
    /// The region.
    pub space: &'a Space,
    /// What must hold.
    pub property: &'a Property,
    /// Guides splitting.
    pub influence: &'a [f64],
}

impl Cells<'_> {
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
        let mut tally = Tally::default();
        let boxes = effort.boxes_for(root.input.len());
        let mut shown = matches!(self.property, Property::Top1Margin(_)).then_some(0.0f64);
        let mut open = vec![root.clone()];
        while let Some(part) = open.pop() {
            tally.boxes += 1;
            if let Some(slack) = self.holds_on(&part) {
                shown = shown.map(|s| s.max(slack));
                continue;
            }
            let middle: Vec<f64> = part
                .real
                .iter()
                .map(|b| b.lo + (b.hi - b.lo) / 2.0)
                .collect();
            if let Some(w) = self.try_point(&middle)? {
                return Ok(Celled::Broken(Box::new(w), tally));
            }
            let left = open.len() + 1;
            if let Some(stopped) = stop.now() {
                tally.clock_limited = true;
                return Ok(Celled::Open(
                    format!("{stopped} with {left} boxes open"),
                    tally,
                ));
            }
            if tally.boxes >= boxes {
                open.push(part);
                return self.by_solver(&open, shown, tally, effort, stop, leaf);
            }
            match self.space.split(&part, self.influence) {
                Some((a, b)) => open.extend([b, a]),
                // The part's only point was replayed above and holds.
                None if self.space.is_point(&part) => {
                    tally.points += 1;
                    shown = match (shown, self.margin_at(&middle)) {
                        (Some(s), Some(m)) => Some(s.max(m)),
                        (s, _) => s,
                    };
                }
                None => {
                    return Ok(Celled::Open(
                        "bounds do not close on a part that cannot be divided".into(),
                        tally,
                    ));
                }
            }
        }
        Ok(Celled::Holds(shown, tally))
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
    fn margin_at(&self, x: &[f64]) -> Option<f64> {
        let point = self.space.snap(x)?;
        let n = self.reference.outputs(&point).ok()?;
        let y = ceg4n_eval::kernel_outputs(
            self.subject.kernel(),
            &self.subject.kernel().quantize_input(&point),
        )
        .ok()?;
        let k = argmax(&y)?;
        let most = n.iter().cloned().reduce(Exact::max)?;
        Some((&most - &n[k]).enclosure().1)
    }

    /// `Some(margin)` if bounds show that the property holds on the whole part; the margin is
    /// what a margin property needs there.
    fn holds_on(&self, part: &Part) -> Option<f64> {
        let kernel = self.subject.kernel();
        let forward = integer::forward(kernel, &part.input);
        let bounds = self.reference.bounds(&part.real);
        let pair = self.pair();
        let differences = match (&pair, &bounds) {
            (Some(p), BoxBounds::Real(_, f)) => Some(p.differences(f, &forward)),
            _ => None,
        };
        let outcome = PartBounds {
            kernel,
            forward: &forward,
            bounds: &bounds,
            differences,
        };
        match self.property {
            Property::Top1 => outcome.keeps_strict_winner().then_some(0.0),
            Property::Top1Margin(m) => outcome.margin(m.enclosure().0),
            Property::TopK(n) => outcome.keeps_in_first(*n as usize).then_some(0.0),
            Property::Eps(e) => outcome.within(e.enclosure().0).then_some(0.0),
            Property::Spec(_) => None,
        }
    }

    /// Reference and kernel as programs of one network, if they are.
    fn pair(&self) -> Option<Pair<'_>> {
        let same = self.reference.network_hash() == self.subject.program().program().network.hash();
        let real = self.reference.real().filter(|_| same)?;
        Pair::new(real, self.subject.kernel())
    }
}

/// All that is known of one part.
struct PartBounds<'a> {
    kernel: &'a Kernel,
    forward: &'a integer::Forward,
    bounds: &'a BoxBounds<'a>,
    differences: Option<Differences<'a>>,
}

impl PartBounds<'_> {
    fn classes(&self) -> std::ops::Range<usize> {
        0..self.kernel.output_len()
    }

    fn kernel_form(&self, a: usize, b: usize) -> integer::Wide {
        integer::form(self.kernel, self.forward, Form::margin(a, b))
    }

    /// The classes that the kernel may answer.
    fn possible(&self) -> Vec<usize> {
        // j always precedes k if K_j - K_k is positive, or not negative and j comes first.
        let precedes = |j: usize, k: usize| self.kernel_form(j, k).lo >= i128::from(j > k);
        self.classes()
            .filter(|k| !self.classes().any(|j| j != *k && precedes(j, *k)))
            .collect()
    }

    /// Some output is at least output `j` on the whole part, so that `j` never wins strictly.
    fn never_wins(&self, j: usize) -> bool {
        self.classes()
            .any(|i| i != j && self.bounds.lower(Form::margin(i, j)) >= 0.0)
    }

    fn keeps_strict_winner(&self) -> bool {
        let rivals_never_win = |k: usize| {
            self.classes()
                .filter(|j| *j != k)
                .all(|j| self.never_wins(j))
        };
        self.possible().into_iter().all(rivals_never_win)
    }

    fn keeps_in_first(&self, n: usize) -> bool {
        self.classes().all(|j| {
            let may_precede =
                |i: &usize| *i != j && self.kernel_form(*i, j).hi >= i128::from(*i > j);
            self.classes().filter(may_precede).count() < n || self.never_wins(j)
        })
    }

    /// The margin that covers every class that the kernel may answer, if it is at most `limit`.
    fn margin(&self, limit: f64) -> Option<f64> {
        let mut needed = 0.0f64;
        for k in self.possible() {
            for j in self.classes().filter(|j| *j != k) {
                let mut need = -self.bounds.lower(Form::margin(k, j));
                if (need.is_nan() || need > limit)
                    && let Some(d) = &self.differences
                {
                    // Where the kernel answers k its lead over j is not negative, and the
                    // reference's lead is that less the difference of both.
                    need = d.form(Form::margin(k, j)).hi;
                }
                if need.is_nan() || need > limit {
                    return None;
                }
                needed = needed.max(need);
            }
        }
        Some(needed)
    }

    /// Every output of the kernel is within `limit` of the reference's.
    fn within(&self, limit: f64) -> bool {
        self.classes().all(|j| {
            let k = integer::form(self.kernel, self.forward, Form::output(j));
            let real = |m: i128| Exact::dyadic(m, -i64::from(self.kernel.output_frac)).enclosure();
            let n = self.bounds.output(j);
            let own = Bound::new(down(real(k.lo).0 - n.hi, 0.0), up(real(k.hi).1 - n.lo, 0.0));
            let d = self
                .differences
                .as_ref()
                .map_or(own, |d| d.form(Form::output(j)).meet(own));
            -limit <= d.lo && d.hi <= limit
        })
    }
}
