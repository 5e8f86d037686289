//! When bounds of reference and subject together show that a requirement holds on a box.
//!
//! A violation of a ranking needs the subject to prefer `k` to `c` and the reference to prefer
//! `c` to `k`; besides the bounds of either side the bound of the sum of both leads excludes it,
//! which is a bound of the difference of both programs.

mod joint;

use crate::bounds::Form;
use crate::bounds::differential::{PairBounds, PairForm};
use crate::bounds::integer;
use crate::float::reaches;
use ceg4n_base::Exact;
use ceg4n_ir::{Kernel, OutputConstraint, OutputSpec, Property};
use std::collections::BTreeMap;

/// What bounds say of a box.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shown {
    /// It holds; a margin needs this much there (else 0).
    Holds(f64),
    /// Not shown.
    Fails {
        /// How far the worst bound is from what is needed, not positive.
        gap: f64,
        /// The form of that bound.
        form: PairForm,
    },
}

/// A margin of one side or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lead {
    /// `N_i - N_j`.
    Reference,
    /// `K_i - K_j`.
    Subject,
    /// `(N_i - N_j) + w/16·(K_j - K_i)`.
    Weighted(u8),
}

/// The sum of both leads.
const SUM: Lead = Lead::Weighted(16);

/// Bounds on one box, computed when asked for.
pub(crate) struct Bounded<'a> {
    pair: &'a PairBounds<'a>,
    /// Exact integer intervals of the subject, where it is a kernel.
    exact: Option<(&'a Kernel, &'a integer::Forward)>,
    outputs: usize,
    /// Optimise bounds that do not suffice.
    deep: bool,
    known: BTreeMap<(Lead, usize, usize), f64>,
}

impl<'a> Bounded<'a> {
    /// Of a box.
    pub(crate) fn new(
        pair: &'a PairBounds<'a>,
        exact: Option<(&'a Kernel, &'a integer::Forward)>,
        outputs: usize,
        deep: bool,
    ) -> Self {
        Self {
            deep,
            pair,
            exact,
            outputs,
            known: BTreeMap::new(),
        }
    }

    /// Is the property shown? `likely` is the subject's class somewhere in the box.
    pub(crate) fn shows(&mut self, property: &Property, likely: usize) -> Shown {
        match property {
            Property::Top1 => self.top1(likely),
            Property::Top1Margin(m) => self.margin(m, likely),
            Property::TopK(n) => self.top_k(*n as usize),
            Property::Eps(e) => self.eps(e),
            Property::Spec(spec) => self.spec(spec),
            Property::Joint(spec) => joint::shows(self.pair, self.outputs, spec),
        }
    }

    fn form(&self, lead: Lead, i: usize, j: usize) -> PairForm {
        let zero = PairForm::zero(self.outputs);
        match lead {
            Lead::Reference => zero.reference_margin(i, j, 1.0),
            Lead::Subject => zero.subject_margin(i, j, 1.0),
            Lead::Weighted(w) => {
                zero.reference_margin(i, j, 1.0)
                    .subject_margin(j, i, f64::from(w) / 16.0)
            }
        }
    }

    /// A lower bound; the cheap one where it suffices for `need`.
    fn lower(&mut self, lead: Lead, i: usize, j: usize, need: f64) -> f64 {
        if let Some(v) = self.known.get(&(lead, i, j)) {
            return *v;
        }
        let form = self.form(lead, i, j);
        let glance = self.pair.glance(&form);
        if glance > need {
            return glance;
        }
        let lower = self.pair.lower(std::slice::from_ref(&form));
        let best = lower.iter().fold(glance, |m, v| m.max(*v));
        self.known.insert((lead, i, j), best);
        best
    }

    /// True if the subject prefers `j` to `k` everywhere.
    fn precedes(&mut self, j: usize, k: usize) -> bool {
        if let Some((kernel, forward)) = self.exact {
            let least = i128::from(j > k);
            if integer::form(kernel, forward, Form::margin(j, k)).lo >= least {
                return true;
            }
        }
        // Lower indices win ties; a bound in floating point shows no ties.
        self.lower(Lead::Subject, j, k, 0.0) > 0.0
    }

    /// The classes that the subject may answer.
    fn possible(&mut self, likely: usize) -> Vec<usize> {
        let near: Vec<usize> = (0..self.outputs)
            .filter(|k| *k == likely || !self.precedes(likely, *k))
            .collect();
        if near.len() == 1 {
            return near;
        }
        let beaten =
            |this: &mut Self, k: usize| near.iter().any(|j| *j != k && this.precedes(*j, k));
        near.iter().copied().filter(|k| !beaten(self, *k)).collect()
    }

    /// Some output of the reference is at least output `c` everywhere, so that `c` never wins
    /// strictly.
    fn never_wins(&mut self, c: usize) -> bool {
        (0..self.outputs).any(|i| i != c && self.lower(Lead::Reference, i, c, 0.0) >= 0.0)
    }

    fn top1(&mut self, likely: usize) -> Shown {
        let mut worst = Worst::new(self.outputs);
        for k in self.possible(likely) {
            for c in (0..self.outputs).filter(|c| *c != k) {
                let own = self.lower(Lead::Reference, k, c, 0.0);
                if own >= 0.0 {
                    continue;
                }
                // Where the subject does not prefer c, the reference's lead is at least the sum.
                let sum = self.lower(SUM, k, c, 0.0);
                if sum >= 0.0 || self.never_wins(c) {
                    continue;
                }
                worst.note(own.max(sum), || self.form(SUM, k, c));
            }
        }
        worst.into_shown(0.0)
    }

    fn margin(&mut self, m: &Exact, likely: usize) -> Shown {
        let limit = m.enclosure().0;
        let mut worst = Worst::new(self.outputs);
        let mut needed = 0.0f64;
        for k in self.possible(likely) {
            for j in (0..self.outputs).filter(|j| *j != k) {
                let mut best = self.lower(Lead::Reference, k, j, 0.0);
                if !reaches(best, 0.0) {
                    best = best.max(self.weighted(k, j, -limit));
                }
                if !reaches(best, -limit) && self.deep {
                    let base = self.form(Lead::Reference, k, j);
                    let lead = PairForm::zero(self.outputs).subject_margin(j, k, 1.0);
                    let found = self.pair.optimised(&base, &lead, 1.0, -limit);
                    best = best.max(found.unwrap_or(best));
                }
                if best >= -limit {
                    needed = needed.max(-best);
                } else {
                    worst.note(best + limit, || self.form(SUM, k, j));
                }
            }
        }
        worst.into_shown(needed)
    }

    /// The best lower bound of the reference's lead of `k` over `j` where the subject answers
    /// `k`: its own lead there is not negative, and any multiple of it may be taken away (a
    /// Lagrange multiplier, sought by halving steps until the bound reaches `enough`).
    fn weighted(&mut self, k: usize, j: usize, enough: f64) -> f64 {
        let (mut at, mut best) = (16u8, self.lower(SUM, k, j, 0.0));
        let mut step = 8u8;
        while step > 0 && !reaches(best, enough) {
            let sides = [at.saturating_sub(step), at.saturating_add(step)];
            let values = sides.map(|w| self.lower(Lead::Weighted(w), k, j, 0.0));
            match (values[0] > best, values[1] > best) {
                (true, _) if values[0] >= values[1] => (at, best) = (sides[0], values[0]),
                (_, true) => (at, best) = (sides[1], values[1]),
                (_, _) => step /= 2,
            }
        }
        best
    }

    fn top_k(&mut self, n: usize) -> Shown {
        let mut worst = Worst::new(self.outputs);
        for c in 0..self.outputs {
            let mut before = Vec::new();
            for i in (0..self.outputs).filter(|i| *i != c) {
                if self.precedes(c, i) {
                    continue;
                }
                // Where the reference prefers c, the subject's lead of c is at least the sum.
                let sum = self.lower(SUM, i, c, 0.0);
                if sum < 0.0 || sum.is_nan() {
                    before.push((sum, i));
                } else if sum == 0.0 && i < c {
                    before.push((0.0, i));
                }
            }
            if before.len() < n || self.never_wins(c) {
                continue;
            }
            before.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let (gap, i) = before[0];
            worst.note(gap, || self.form(SUM, i, c));
        }
        worst.into_shown(0.0)
    }

    /// Each forbidden case has a constraint that is nowhere met, or constraints whose sum shows
    /// that they are nowhere met together.
    fn spec(&mut self, spec: &OutputSpec) -> Shown {
        let mut worst = Worst::new(self.outputs);
        for case in &spec.cases {
            let mut best = (f64::NEG_INFINITY, PairForm::zero(self.outputs));
            for c in case {
                best = self.nowhere(c, best);
            }
            if case.len() > 1 && best.0 <= 0.0 {
                best = self.nowhere(&sum(case), best);
            }
            if best.0 <= 0.0 {
                worst.note(best.0, || best.1);
            }
        }
        worst.into_shown(0.0)
    }

    /// How far the bound of a constraint's sum is above what excludes it, if that is better.
    fn nowhere(&self, c: &OutputConstraint, best: (f64, PairForm)) -> (f64, PairForm) {
        match above(c, self.outputs) {
            Some((row, need)) => {
                let mut form = PairForm::zero(self.outputs);
                form.subject = row;
                self.better(best, form, need)
            }
            None => best,
        }
    }

    /// How far a form's bound is above what it needs, if that is better.
    fn better(&self, best: (f64, PairForm), form: PairForm, need: f64) -> (f64, PairForm) {
        let glance = self.pair.glance(&form);
        let lower = if glance > need {
            glance
        } else {
            let back = self.pair.lower(std::slice::from_ref(&form));
            back.iter().fold(glance, |m, v| m.max(*v))
        };
        let over = lower - need;
        if lower > need && over <= 0.0 {
            return (f64::MIN_POSITIVE, form);
        }
        if over > best.0 { (over, form) } else { best }
    }

    fn eps(&mut self, e: &Exact) -> Shown {
        let limit = e.enclosure().0;
        let forms = (0..self.outputs)
            .flat_map(|j| [1.0, -1.0].map(|c| PairForm::difference(j, self.outputs, c)));
        let glances = forms.map(|f| (self.pair.glance(&f), f));
        let open: Vec<(f64, PairForm)> = glances.filter(|g| !reaches(g.0, -limit)).collect();
        if open.is_empty() {
            return Shown::Holds(0.0);
        }
        let (glances, forms): (Vec<f64>, Vec<PairForm>) = open.into_iter().unzip();
        let lower = self.pair.lower(&forms);
        let mut worst = Worst::new(self.outputs);
        for ((l, g), f) in lower.iter().zip(glances).zip(forms) {
            let best = l.max(g);
            if !reaches(best, -limit) {
                worst.note(best + limit, || f);
            }
        }
        worst.into_shown(0.0)
    }
}

/// The sum of constraints, exactly: true wherever all of them are, strictly if one is strict.
pub(crate) fn sum<'c>(case: impl IntoIterator<Item = &'c OutputConstraint>) -> OutputConstraint {
    let mut coefficients: BTreeMap<usize, Exact> = BTreeMap::new();
    let mut constant = Exact::zero();
    let mut strict = false;
    for c in case {
        strict |= c.strict;
        for (j, a) in &c.coefficients {
            let entry = coefficients.entry(*j).or_insert_with(Exact::zero);
            *entry = &*entry + a;
        }
        constant = &constant + &c.constant;
    }
    coefficients.retain(|_, a| !a.is_zero());
    OutputConstraint {
        coefficients: coefficients.into_iter().collect(),
        constant,
        strict,
    }
}

/// Coefficients over the outputs, and what their form must exceed for the constraint to be met
/// nowhere; `None` where they are no floats even when scaled to integers.
pub(crate) fn above(c: &OutputConstraint, outputs: usize) -> Option<(Vec<f64>, f64)> {
    let (row, scale) = scaled(&c.coefficients, outputs)?;
    let need = -&(&c.constant * &scale);
    let (_, most) = need.enclosure();
    // `Σ < 0` is met nowhere where the sum is at least zero.
    Some((row, if c.strict { most.next_down() } else { most }))
}

/// Coefficients over the outputs times a positive integer that makes floats of them, and that
/// integer; `None` where there is none or an output is missing.
pub(crate) fn scaled(terms: &[(usize, Exact)], outputs: usize) -> Option<(Vec<f64>, Exact)> {
    let mut scale = num_bigint::BigInt::from(1);
    for (_, a) in terms {
        let (_, den) = a.to_ratio();
        if (&scale % &den) != num_bigint::BigInt::ZERO {
            scale *= den;
        }
    }
    let scale = Exact::from(scale);
    let mut row = vec![0.0; outputs];
    for (j, a) in terms {
        let scaled = a * &scale;
        let near = scaled.to_f64();
        if Exact::from_f64(near)? != scaled {
            return None;
        }
        *row.get_mut(*j)? = near;
    }
    Some((row, scale))
}

/// The worst bound so far.
struct Worst {
    found: Option<(f64, PairForm)>,
    outputs: usize,
}

impl Worst {
    fn new(outputs: usize) -> Self {
        Self {
            found: None,
            outputs,
        }
    }

    fn note(&mut self, gap: f64, form: impl FnOnce() -> PairForm) {
        let gap = if gap.is_nan() {
            f64::NEG_INFINITY
        } else {
            gap.min(0.0)
        };
        if self.found.as_ref().is_none_or(|w| gap < w.0) {
            self.found = Some((gap, form()));
        }
    }

    fn into_shown(self, slack: f64) -> Shown {
        match self.found {
            None if slack.is_nan() => Shown::Fails {
                gap: f64::NEG_INFINITY,
                form: PairForm::zero(self.outputs),
            },
            None => Shown::Holds(slack),
            Some((gap, form)) => Shown::Fails { gap, form },
        }
    }
}
