//! Constraints on the signs of relu operands, under which a part of a region is bounded.

use crate::float::Bound;
use serde::{Deserialize, Serialize};

/// One constraint: the operand of an element of a relu node is not negative, or not positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Split {
    /// Index of the relu node in its graph.
    pub node: usize,
    /// The element.
    pub element: usize,
    /// `z ≥ 0`, else `z ≤ 0`.
    pub active: bool,
}

/// All constraints of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splits(Vec<Split>);

impl Splits {
    /// These and one more.
    #[must_use]
    pub fn and(&self, split: Split) -> Self {
        let mut all = self.0.clone();
        all.push(split);
        Self(all)
    }

    /// Number of constraints.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without constraints.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The constraints, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Split> {
        self.0.iter()
    }

    /// Elements and signs at one relu node.
    pub fn at(&self, node: usize) -> impl Iterator<Item = (usize, bool)> + '_ {
        let here = self.0.iter().filter(move |s| s.node == node);
        here.map(|s| (s.element, s.active))
    }

    /// Cuts the enclosures of the operand of relu node `node`; false if nothing is left.
    pub fn cut(&self, node: usize, x: &mut [Bound]) -> bool {
        for (j, active) in self.at(node) {
            let half = if active {
                Bound::new(0.0, f64::INFINITY)
            } else {
                Bound::new(f64::NEG_INFINITY, 0.0)
            };
            x[j] = x[j].meet(half);
        }
        x.iter()
            .all(|b| b.lo <= b.hi || b.lo.is_nan() || b.hi.is_nan())
    }
}
