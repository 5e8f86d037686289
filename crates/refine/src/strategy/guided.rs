//! Guided rounding: first along a chain of assignments from few bits upwards, then one width at a
//! time downwards.
//!
//! The chain gives larger layers fewer bits, half a bit for each doubling of their size: what
//! minimises the sum of `n·2^-2b` under a budget of bits. It is walked in strides that double until
//! an assignment is proved, then by halving between the last that failed and the first that was
//! proved. That is a heuristic: feasibility is not monotone, and no claim is made.

use super::{Known, Width, savings};
use crate::state::{Ended, Version};
use crate::{Attempt, Candidate, Engines};
use ceg4n_ir::Annotations;
use ceg4n_quantize::Assignment;
use ceg4n_search::AnnotationSpace;
use ceg4n_verify::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs of guided rounding on one assignment before it is given up.
pub(crate) const ROUNDS: u32 = 10;
/// Of these, runs whose result breaks a stored point or a demand on data: they teach nothing.
pub(crate) const VAIN: u32 = 2;
/// And runs whose result stayed open.
pub(crate) const OPEN: u32 = 3;

/// Where the search stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guided {
    /// Every assignment of the chain is tried, and none is lowered: for a front of cost against
    /// accuracy.
    ladder: bool,
    stage: Stage,
    /// Runs on the present assignment.
    round: u32,
    /// Those of them whose result did not reach the verifier.
    vain: u32,
    /// Those of them whose result stayed open.
    open: u32,
    /// Mantissas of the present assignment, from its last run.
    warm: Option<Arc<Annotations>>,
    /// The last proved version of this search.
    best: Option<(Assignment, Arc<Annotations>)>,
    /// Questions that were not proved on the present assignment, with how often.
    doubts: BTreeMap<usize, u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Stage {
    /// Nothing was tried.
    #[default]
    Start,
    /// Along the chain.
    Chain {
        /// Assignments, the cheapest first.
        chain: Vec<Assignment>,
        /// The present one.
        at: usize,
        /// Those before it failed.
        low: usize,
        /// The one at it is proved, or the end.
        high: usize,
        /// The next stride.
        stride: usize,
    },
    /// One width at a time.
    Descent {
        /// Widths to be lowered by one, in order.
        widths: Vec<Width>,
        /// Something was lowered in this round.
        changed: bool,
    },
    /// Through.
    End,
}

impl Guided {
    /// Along the whole chain, above the best too, and no further.
    pub fn ladder() -> Self {
        Self {
            ladder: true,
            ..Self::default()
        }
    }

    pub(crate) fn propose(
        &mut self,
        known: &mut Known<'_>,
        engines: &mut Engines<'_>,
    ) -> Option<Candidate> {
        while !engines.verify.stopped() {
            let assignment = self.target(known)?;
            if self.round >= ROUNDS || self.vain >= VAIN || self.open >= OPEN {
                self.fail();
                continue;
            }
            let best = self.best.as_ref().map(|(_, notes)| notes);
            let attempt = Attempt {
                assignment: &assignment,
                warm: self.warm.as_ref().or(best).map(Arc::as_ref),
                points: known.points,
                doubts: &self.doubts,
                round: self.round,
                version: known.version(),
            };
            *known.candidates += 1;
            let Some(program) = engines.guide.improve(&attempt) else {
                self.fail();
                continue;
            };
            self.round += 1;
            self.warm = Some(program.program().annotations.clone());
            if known.is_over(program.hash()) {
                self.fail();
            } else if engines.evaluate.satisfies(&program, known.points) {
                return Some(Candidate {
                    assignment,
                    program,
                    guided: true,
                });
            } else {
                self.vain += 1;
            }
        }
        None
    }

    /// The assignment to be rounded next.
    fn target(&mut self, known: &Known<'_>) -> Option<Assignment> {
        if self.stage == Stage::Start {
            let chain = chain(known, self.ladder);
            self.stage = Stage::Chain {
                at: 0,
                low: 0,
                high: chain.len(),
                chain,
                stride: 1,
            };
        }
        if let Stage::Chain { chain, at, .. } = &self.stage {
            if let Some(a) = chain.get(*at) {
                return Some(a.clone());
            }
            if self.ladder {
                self.stage = Stage::End;
                return None;
            }
            self.descend(known);
        }
        loop {
            let (current, _) = self.best.as_ref()?;
            let Stage::Descent { widths, changed } = &mut self.stage else {
                return None;
            };
            if let Some(w) = widths.first().copied() {
                if w.of(current) > w.least(known.space) {
                    return Some(w.with(current, w.of(current) - 1));
                }
                widths.remove(0);
                continue;
            }
            if !std::mem::take(changed) {
                self.stage = Stage::End;
                return None;
            }
            *widths = savings(known.space, current);
        }
    }

    /// Begins the descent from the cheapest proved version.
    fn descend(&mut self, known: &Known<'_>) {
        if self.best.is_none() {
            let best = known.best();
            self.best = best.map(|v| (v.assignment.clone(), v.annotations.clone()));
        }
        let widths = self.best.as_ref().map(|(a, _)| savings(known.space, a));
        self.stage = Stage::Descent {
            widths: widths.unwrap_or_default(),
            changed: false,
        };
    }

    /// The present assignment is given up.
    fn fail(&mut self) {
        self.renew();
        match &mut self.stage {
            Stage::Chain {
                at,
                low,
                high,
                stride,
                chain,
            } => {
                *low = *at + 1;
                if self.ladder {
                    *at = *low;
                } else if *high < chain.len() {
                    *at = next_between(*low, *high, chain.len());
                } else {
                    *at += *stride;
                    *stride *= 2;
                    // The last one is not passed over.
                    if *at >= chain.len() && *low < chain.len() {
                        *at = chain.len() - 1;
                    }
                }
            }
            Stage::Descent { widths, .. } => {
                widths.remove(0);
            }
            Stage::Start | Stage::End => {}
        }
    }

    fn renew(&mut self) {
        self.round = 0;
        self.vain = 0;
        self.open = 0;
        self.warm = None;
        self.doubts.clear();
    }

    pub(crate) fn told(&mut self, version: &Version) {
        if version.ended != Ended::Proved {
            // A proof that is not found is dear, and the next one is not far.
            if matches!(version.ended, Ended::Unknown(_)) {
                self.open += 1;
            }
            for (q, r) in &version.results {
                if !matches!(r.verdict, Verdict::Proved(_)) {
                    *self.doubts.entry(*q).or_default() += 1;
                }
            }
            return;
        }
        self.renew();
        self.best = Some((version.assignment.clone(), version.annotations.clone()));
        match &mut self.stage {
            Stage::Chain {
                at,
                low,
                high,
                chain,
                ..
            } => {
                if self.ladder {
                    *at += 1;
                    return;
                }
                *high = *at;
                *at = next_between(*low, *high, chain.len());
            }
            // The same width again, while it can be lowered.
            Stage::Descent { changed, .. } => *changed = true,
            Stage::Start | Stage::End => {}
        }
    }
}

/// The middle of what is left, or the end of the chain.
fn next_between(low: usize, high: usize, end: usize) -> usize {
    if low < high { (low + high) / 2 } else { end }
}

/// Widths beyond which a ladder shows nothing new.
const LADDER_BITS: u8 = 8;

/// Assignments from the fewest bits upwards, in half-bit steps of the largest layer, below the
/// cost of what is proved already or, for a ladder, up to [`LADDER_BITS`].
fn chain(known: &Known<'_>, ladder: bool) -> Vec<Assignment> {
    let space = known.space;
    let (least, mut most) = space.weight_bits;
    let mut limit = known.best().map_or(u64::MAX, |v| v.cost);
    if ladder {
        (most, limit) = (most.min(LADDER_BITS.max(least)), u64::MAX);
    }
    let mut chain: Vec<Assignment> = Vec::new();
    for half_bits in 0..=2 * u32::from(most - least) {
        let a = balanced(space, f64::from(least) + f64::from(half_bits) / 2.0);
        if space.cost(&a) < limit && chain.last() != Some(&a) {
            chain.push(a);
        }
    }
    chain
}

/// Bits per layer around `level` for the largest one.
fn balanced(space: &AnnotationSpace, level: f64) -> Assignment {
    let layers = space.layers();
    let largest = layers.iter().map(|l| l.weights).max().unwrap_or(1).max(1);
    let (least, most) = space.weight_bits;
    let bits = |n: usize, most: u8, least: u8| {
        let extra = 0.5 * (largest as f64 / n.max(1) as f64).log2();
        (level + extra)
            .floor()
            .clamp(f64::from(least), f64::from(most)) as u8
    };
    let mut a = space.uniform(most, space.activation_bits.1);
    for (i, l) in layers.iter().enumerate() {
        a.weights[i] = bits(l.weights, most, least);
        a.biases[i] = bits(l.biases, most, space.least_bias_bits);
    }
    a
}
