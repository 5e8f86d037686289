//! Cost-ordered enumeration: every assignment, cheapest first, so that the first one that is
//! proved is the cheapest of the space. Which assignments are feasible is not monotone in bits
//! (a counterexample at 4 bits may be none at 3), so nothing is skipped but by its own failure.

use crate::space::{AnnotationSpace, Genes};
use ceg4n_quantize::Assignment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where the enumeration stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    /// Least and greatest value of each gene.
    limits: Vec<(u8, u8)>,
    /// Cost and genes of what comes next; all that was not passed is at or above one of these.
    frontier: BTreeSet<(u64, Genes)>,
    /// Assignments passed.
    pub tried: u64,
}

impl Exact {
    /// At the start of the whole space.
    pub fn new(space: &AnnotationSpace) -> Self {
        Self::within(space, space.genes())
    }

    /// At the start of the part of the space with the widest activations.
    pub fn widest(space: &AnnotationSpace) -> Self {
        let mut limits = space.genes();
        if let Some(activations) = limits.last_mut() {
            activations.0 = activations.1;
        }
        Self::within(space, limits)
    }

    fn within(space: &AnnotationSpace, limits: Vec<(u8, u8)>) -> Self {
        let least = limits.iter().map(|(least, _)| *least).collect();
        Self {
            limits,
            frontier: BTreeSet::from([(space.cost_of_genes(&least), least)]),
            tried: 0,
        }
    }

    /// The least cost of what is still to come.
    pub fn next_cost(&self) -> Option<u64> {
        self.frontier.first().map(|(cost, _)| *cost)
    }

    /// The next assignment in order of cost, then weight bits, then activation bits.
    pub fn next(&mut self, space: &AnnotationSpace) -> Option<Assignment> {
        let (_, genes) = self.frontier.pop_first()?;
        self.tried += 1;
        self.expand(space, &genes);
        Some(space.assignment(&genes))
    }

    /// Adds the successors. All genes have one parent (the last one above its least, lowered by
    /// one), so that none is reached twice; costs never fall from parent to child.
    fn expand(&mut self, space: &AnnotationSpace, genes: &Genes) {
        let above = |(g, (least, _)): (&u8, &(u8, u8))| g > least;
        let last = genes.iter().zip(&self.limits).rposition(above).unwrap_or(0);
        for i in last..genes.len() {
            if genes[i] < self.limits[i].1 {
                let mut up = genes.clone();
                up[i] += 1;
                self.frontier.insert((space.cost_of_genes(&up), up));
            }
        }
    }
}
