//! Hard demands on accuracy and agreement: checked on a whole split, or class by class while a
//! candidate is evaluated, as far as it takes to tell.

use super::measure::Measured;
use super::split::Split;
use ceg4n_base::Exact;
use num_traits::ToPrimitive;

/// What a kernel must reach on the rows of the deciding split. Each number is a fraction of the
/// rows, from 0 to 1; the rows themselves count, not what they are a sample of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// The kernel is right on at least this share.
    pub min_accuracy: Option<Exact>,
    /// The kernel is right on at most this share less than the reference.
    pub max_accuracy_drop: Option<Exact>,
    /// The kernel has the reference's class on at least this share.
    pub min_agreement: Option<Exact>,
}

impl Demands {
    /// True if nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.min_accuracy.is_none()
            && self.max_accuracy_drop.is_none()
            && self.min_agreement.is_none()
    }

    /// What is missed, in words; `None` if every demand is met.
    pub fn check(&self, found: &Measured) -> Option<String> {
        let n = found.samples;
        let goals = self.goals(n, found.reference_correct);
        let short = |option: &str, asked: &Option<Exact>, what: String| {
            let asked = asked.as_ref().map_or(String::new(), |a| format!(" {a}"));
            Some(format!("--{option}{asked} is missed: {what}"))
        };
        let right = found.kernel_correct.unwrap_or(0);
        if goals.accuracy.is_some_and(|g| right < g) {
            let what = format!("the kernel is right on {right} of {n} rows");
            return short("min-accuracy", &self.min_accuracy, what);
        }
        if goals.drop.is_some_and(|g| right < g) {
            let reference = found.reference_correct.unwrap_or(0);
            let what =
                format!("the kernel is right on {right} of {n} rows, the reference on {reference}");
            return short("max-accuracy-drop", &self.max_accuracy_drop, what);
        }
        if goals.agreement.is_some_and(|g| found.agreeing < g) {
            let what = format!(
                "the kernel has the reference's class on {} of {n} rows",
                found.agreeing
            );
            return short("min-agreement", &self.min_agreement, what);
        }
        None
    }

    /// True if a kernel that is the reference would miss the demand on accuracy.
    pub(super) fn reference_misses(&self, n: u64, right: u64) -> bool {
        let goal = self.goals(n, Some(right)).accuracy;
        goal.is_some_and(|g| right < g)
    }

    /// The demands as counts of rows; those on accuracy are out of reach without labels.
    fn goals(&self, n: u64, reference_correct: Option<u64>) -> Goals {
        let of_all = |share: &Exact| ceil(&(share * &whole(n)));
        let labelled = |goal: u64| match reference_correct {
            Some(_) => goal,
            None => u64::MAX,
        };
        let drop = self.max_accuracy_drop.as_ref().map(|d| {
            let least = &whole(reference_correct.unwrap_or(0)) - &(d * &whole(n));
            labelled(ceil(&least))
        });
        Goals {
            accuracy: self.min_accuracy.as_ref().map(|a| labelled(of_all(a))),
            drop,
            agreement: self.min_agreement.as_ref().map(of_all),
        }
    }
}

/// Least numbers of rows.
struct Goals {
    accuracy: Option<u64>,
    drop: Option<u64>,
    agreement: Option<u64>,
}

fn whole(n: u64) -> Exact {
    Exact::dyadic(n, 0)
}

/// The least count not below a number.
fn ceil(v: &Exact) -> u64 {
    let up = -(-v).floor();
    if v.signum() <= 0 {
        0
    } else {
        up.to_u64().unwrap_or(u64::MAX)
    }
}

/// What is known of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Every demand will be met, whatever the remaining rows say.
    Met,
    /// A demand will be missed, whatever they say.
    Missed,
    /// The remaining rows decide.
    Open,
}

/// The demands on one split, for many candidates.
#[derive(Clone, Copy, Debug)]
pub struct DemandCheck<'a> {
    reference: &'a [u32],
    labels: Option<&'a [u32]>,
    /// Rows on which a kernel must be right, and those on which it must agree.
    least: (u64, u64),
}

impl<'a> DemandCheck<'a> {
    /// The demands on a split.
    pub fn new(split: &'a Split, demands: &Demands) -> Self {
        let goals = demands.goals(split.set.len() as u64, split.reference_correct());
        let right = goals.accuracy.max(goals.drop);
        Self {
            reference: &split.reference,
            labels: split.set.labels.as_deref(),
            least: (right.unwrap_or(0), goals.agreement.unwrap_or(0)),
        }
    }

    /// A candidate of which nothing is known.
    pub fn race(&self) -> Race<'a> {
        Race {
            check: *self,
            seen: 0,
            right: 0,
            agreeing: 0,
        }
    }

    /// What the classes of the first rows say of a candidate.
    pub fn evaluate(&self, classes: &[u32]) -> Decided {
        let mut race = self.race();
        for (row, class) in classes.iter().enumerate() {
            race.add(row, *class);
        }
        race.decided()
    }
}

/// A candidate's classes so far. Rows may come in any order, each at most once.
#[derive(Clone, Copy, Debug)]
pub struct Race<'a> {
    check: DemandCheck<'a>,
    seen: u64,
    right: u64,
    agreeing: u64,
}

impl Race<'_> {
    /// Adds the kernel's class of a row, counted from 0 within the split.
    pub fn add(&mut self, row: usize, class: u32) {
        self.seen += 1;
        self.agreeing += u64::from(self.check.reference.get(row) == Some(&class));
        let label = self.check.labels.and_then(|l| l.get(row));
        self.right += u64::from(label == Some(&class));
    }

    /// What follows from the rows so far.
    pub fn decided(&self) -> Decided {
        let left = (self.check.reference.len() as u64).saturating_sub(self.seen);
        let (right, agreeing) = self.check.least;
        if self.right >= right && self.agreeing >= agreeing {
            Decided::Met
        } else if self.right.saturating_add(left) < right
            || self.agreeing.saturating_add(left) < agreeing
        {
            Decided::Missed
        } else {
            Decided::Open
        }
    }
}
