//! Reference and kernel together, part by part: what decides margins, tolerances, and top-1
//! where the reference is neither robust nor changing.
//!
//! On a part the kernel's possible outcomes follow from integer bounds, the reference's from
//! real bounds over a superset of the points that round into it.

use crate::attack;
use crate::bounds::{Form, integer};
use crate::budget::{Effort, Stop};
use crate::float::{down, up};
use crate::keep::Tally;
use crate::reference::{BoxBounds, Reference};
use crate::space::{Part, Space};
use crate::subject::{Subject, Trouble};
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_ir::Property;
use ceg4n_ir::kernel::argmax;

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
    pub fn decide(&self, root: &Part, effort: &Effort, stop: &Stop) -> Result<Celled, Trouble> {
        let mut tally = Tally::default();
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
            if tally.boxes >= effort.boxes {
                return Ok(Celled::Open(
                    format!("{left} boxes open after {}", tally.boxes),
                    tally,
                ));
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

    /// Tries points that are likely to break the property.
    ///
    /// # Errors
    /// A defect found by replay.
    pub fn attack(&self, center: &[Exact], effort: &Effort) -> Result<Option<Witness>, Trouble> {
        let mut points = attack::seeds(self.space, center, effort.starts * 8);
        let starts: Vec<Vec<f64>> = points
            .iter()
            .take(effort.starts as usize)
            .cloned()
            .collect();
        for x in &starts {
            let k = self.kernel_class(x)?;
            for j in (0..self.reference.output_len()).filter(|j| *j != k) {
                points.push(attack::descend(
                    self.reference,
                    self.space,
                    x,
                    Form::margin(k, j),
                ));
            }
        }
        let mut ranked = Vec::with_capacity(points.len());
        for (i, x) in points.iter().enumerate() {
            ranked.push((self.violation(x)?, i));
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, i) in ranked.iter().take(8) {
            if let Some(w) = self.try_point(&points[*i])? {
                return Ok(Some(w));
            }
        }
        Ok(None)
    }

    fn kernel_outputs(&self, x: &[f64]) -> Result<Option<Vec<i64>>, Trouble> {
        let Some(point) = self.space.snap(x) else {
            return Ok(None);
        };
        Ok(Some(
            self.subject
                .batch(&self.subject.kernel().quantize_input(&point), 1)?,
        ))
    }

    fn kernel_class(&self, x: &[f64]) -> Result<usize, Trouble> {
        Ok(self
            .kernel_outputs(x)?
            .and_then(|y| argmax(&y))
            .unwrap_or(0))
    }

    /// How far a point is from holding, in floating point: larger is worse.
    fn violation(&self, x: &[f64]) -> Result<f64, Trouble> {
        let Some(y) = self.kernel_outputs(x)? else {
            return Ok(f64::NEG_INFINITY);
        };
        let n = self.reference.approximate(x);
        let k = argmax(&y).unwrap_or(0);
        Ok(match self.property {
            Property::Top1 | Property::Top1Margin(_) => {
                n.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v)) - n[k]
            }
            Property::TopK(_) => {
                let c = argmax(&n).unwrap_or(0);
                y.iter().filter(|v| **v >= y[c]).count() as f64
            }
            Property::Eps(_) => {
                let scale = 2f64.powi(-self.subject.kernel().output_frac);
                n.iter()
                    .zip(&y)
                    .fold(0.0, |m: f64, (n, y)| m.max((*y as f64 * scale - n).abs()))
            }
            Property::Spec(_) => 0.0,
        })
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
        let classes = 0..kernel.output_len();
        let k_form = |a, b| integer::form(kernel, &forward, Form::margin(a, b));
        match self.property {
            Property::Top1 => possible(kernel.output_len(), &k_form)
                .into_iter()
                .all(|k| {
                    classes
                        .clone()
                        .filter(|j| *j != k)
                        .all(|j| never_wins(&bounds, j, classes.end))
                })
                .then_some(0.0),
            Property::Top1Margin(m) => {
                let limit = m.enclosure().0;
                let mut needed = 0.0f64;
                for k in possible(kernel.output_len(), &k_form) {
                    for j in classes.clone().filter(|j| *j != k) {
                        let need = -bounds.lower(Form::margin(k, j));
                        if need.is_nan() || need > limit {
                            return None;
                        }
                        needed = needed.max(need);
                    }
                }
                Some(needed)
            }
            Property::TopK(n) => classes
                .clone()
                .all(|j| {
                    let before = classes
                        .clone()
                        .filter(|i| *i != j && k_form(*i, j).hi >= i128::from(*i > j));
                    before.count() < *n as usize || never_wins(&bounds, j, classes.end)
                })
                .then_some(0.0),
            Property::Eps(e) => {
                let limit = e.enclosure().0;
                classes
                    .clone()
                    .all(|j| {
                        let k = integer::form(kernel, &forward, Form::output(j));
                        let real =
                            |m: i128| Exact::dyadic(m, -i64::from(kernel.output_frac)).enclosure();
                        let n = bounds.output(j);
                        up(real(k.hi).1 - n.lo, 0.0) <= limit
                            && down(real(k.lo).0 - n.hi, 0.0) >= -limit
                    })
                    .then_some(0.0)
            }
            Property::Spec(_) => None,
        }
    }
}

/// The classes that the kernel may answer.
fn possible(outputs: usize, form: &impl Fn(usize, usize) -> integer::Wide) -> Vec<usize> {
    // j always precedes k if K_j - K_k is positive, or not negative and j comes first.
    let precedes = |j: usize, k: usize| form(j, k).lo >= i128::from(j > k);
    (0..outputs)
        .filter(|k| !(0..outputs).any(|j| j != *k && precedes(j, *k)))
        .collect()
}

/// True if some output is at least output `j` on the whole box, so that `j` never wins strictly.
fn never_wins(bounds: &BoxBounds<'_>, j: usize, outputs: usize) -> bool {
    (0..outputs).any(|i| i != j && bounds.lower(Form::margin(i, j)) >= 0.0)
}
