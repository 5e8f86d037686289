//! All assignments of the space in order of cost.

use super::Known;
use crate::{Candidate, Engines};
use ceg4n_search::{AnnotationSpace, Exact};
use serde::{Deserialize, Serialize};

/// Assignments that are made and evaluated at a time.
const BLOCK: usize = 32;

/// The enumeration, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enumerate {
    /// Where it stands.
    pub order: Exact,
    /// Only assignments below this cost.
    pub below: Option<u64>,
    /// No more than so many assignments.
    pub most: Option<u64>,
}

impl Enumerate {
    /// The whole space.
    pub fn new(space: &AnnotationSpace) -> Self {
        Self {
            order: Exact::new(space),
            below: None,
            most: None,
        }
    }

    /// True if nothing in its limits is left.
    pub fn is_through(&self) -> bool {
        let next = self.order.next_cost();
        next.is_none_or(|cost| self.below.is_some_and(|below| cost >= below))
    }

    fn may_go_on(&self) -> bool {
        !self.is_through() && self.most.is_none_or(|most| self.order.tried < most)
    }

    pub(crate) fn propose(
        &mut self,
        known: &mut Known<'_>,
        engines: &mut Engines<'_>,
    ) -> Option<Candidate> {
        while !engines.verify.stopped() && self.may_go_on() {
            let start = self.clone();
            let mut block = Vec::new();
            while block.len() < BLOCK && self.may_go_on() {
                block.extend(self.order.next(known.space));
            }
            if let Some((i, candidate)) = known.first(&block, engines) {
                // What stands behind it in the block comes again.
                *self = start;
                for _ in 0..=i {
                    self.order.next(known.space);
                }
                return Some(candidate);
            }
        }
        None
    }
}
