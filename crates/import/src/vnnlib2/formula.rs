//! Formulas over elements of tensors, and their exact value.

use crate::vnnlib::linear::Linear;
use ceg4n_base::{Exact, Span};

/// How a comparison compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparator {
    Less,
    AtMost,
    Equal,
    Unequal,
}

/// `left ⋈ right`, as `left - right ⋈ 0` over indices of elements. `≥` and `>` are turned round.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    pub(super) comparator: Comparator,
    pub(super) difference: Linear<usize>,
    pub(super) span: Span,
}

/// What an assertion says.
#[derive(Clone, Debug)]
pub(super) enum Formula {
    One(Comparison),
    All(Vec<Formula>),
    Any(Vec<Formula>),
}

impl Comparison {
    fn holds(&self, values: &[Exact]) -> bool {
        let mut sum = self.difference.constant();
        for (v, a) in &self.difference.terms {
            match values.get(*v) {
                Some(value) => sum = &sum + &(a * value),
                None => return false,
            }
        }
        match self.comparator {
            Comparator::Less => sum.signum() < 0,
            Comparator::AtMost => sum.signum() <= 0,
            Comparator::Equal => sum.is_zero(),
            Comparator::Unequal => !sum.is_zero(),
        }
    }
}

impl Formula {
    /// Recurses as deep as parentheses nest, which is limited.
    pub(super) fn holds(&self, values: &[Exact]) -> bool {
        match self {
            Self::One(c) => c.holds(values),
            Self::All(list) => list.iter().all(|f| f.holds(values)),
            Self::Any(list) => list.iter().any(|f| f.holds(values)),
        }
    }

    /// Shows every comparison that holds wherever the formula does: those of its conjunctions.
    pub(super) fn each_certain(&self, visit: &mut dyn FnMut(&Comparison)) {
        match self {
            Self::One(c) => visit(c),
            Self::All(list) => list.iter().for_each(|f| f.each_certain(visit)),
            Self::Any(list) => {
                if let [only] = &list[..] {
                    only.each_certain(visit);
                }
            }
        }
    }
}
