//! Cost-ordered enumeration: every assignment, cheapest first, so that the first one that is
//! proved is the cheapest of the space. Which assignments are feasible is not monotone in bits
//! (a counterexample at 4 bits may be none at 3), so nothing is skipped but by its own failure.

use crate::space::{AnnotationSpace, Assignment};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where the enumeration stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    /// Weight vectors to come: cost and bits; every vector not yet passed is at or above one.
    frontier: BTreeSet<(u64, Vec<u8>)>,
    /// The next activation width under the first vector of the frontier.
    activations: u8,
    /// Assignments passed.
    pub tried: u64,
}

impl Exact {
    /// At the start.
    pub fn new(space: &AnnotationSpace) -> Self {
        let least = vec![space.weight_bits.0; space.layers().len()];
        let first = Assignment {
            weights: least.clone(),
            activations: space.activation_bits.0,
        };
        Self {
            frontier: BTreeSet::from([(space.cost(&first), least)]),
            activations: space.activation_bits.0,
            tried: 0,
        }
    }

    /// The next assignment in order of cost, then weight bits, then activation bits.
    pub fn next(&mut self, space: &AnnotationSpace) -> Option<Assignment> {
        let (_, weights) = self.frontier.first()?.clone();
        let next = Assignment {
            weights,
            activations: self.activations,
        };
        self.tried += 1;
        if self.activations < space.activation_bits.1 {
            self.activations += 1;
        } else {
            self.activations = space.activation_bits.0;
            self.expand(space);
        }
        Some(next)
    }

    /// Replaces the first vector by its successors. Each vector has one parent (the last
    /// coordinate above the least bits, lowered by one), so that none is reached twice.
    fn expand(&mut self, space: &AnnotationSpace) {
        let Some((_, weights)) = self.frontier.pop_first() else {
            return;
        };
        let last = weights
            .iter()
            .rposition(|b| *b > space.weight_bits.0)
            .unwrap_or(0);
        for i in last..weights.len() {
            if weights[i] < space.weight_bits.1 {
                let mut up = weights.clone();
                up[i] += 1;
                let a = Assignment {
                    weights: up,
                    activations: space.activation_bits.0,
                };
                self.frontier.insert((space.cost(&a), a.weights));
            }
        }
    }
}
