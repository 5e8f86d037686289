//! How candidates are proposed. A strategy is a serialisable value; it sees what is known so far
//! and hears what became of its candidates.

pub mod enumerate;
pub mod genetic;
pub mod greedy;
pub mod guided;
pub mod list;
pub mod narrow;

pub use enumerate::Enumerate;
pub use genetic::Genetic;
pub use greedy::Greedy;
pub use guided::Guided;
pub use list::List;
pub use narrow::Narrow;

use crate::state::{Ended, Version, best};
use crate::{Candidate, Counterexample, Engines};
use ceg4n_base::ContentHash;
use ceg4n_quantize::Assignment;
use ceg4n_search::AnnotationSpace;
use serde::{Deserialize, Serialize};

/// What is known when a candidate is proposed.
pub struct Known<'a> {
    /// The space.
    pub space: &'a AnnotationSpace,
    /// The points that every candidate must pass.
    pub points: &'a [Counterexample],
    /// Every candidate that reached the verifier.
    pub versions: &'a [Version],
    /// Counts candidates that are evaluated.
    pub candidates: &'a mut u64,
}

impl Known<'_> {
    /// The number of the next version.
    pub fn version(&self) -> u32 {
        self.versions.len() as u32 + 1
    }

    /// The cheapest proved version.
    pub fn best(&self) -> Option<&Version> {
        best(self.versions)
    }

    /// A candidate is dear to verify: what was refuted or stayed open is not asked again.
    pub fn is_over(&self, program: ContentHash) -> bool {
        let ended = |v: &Version| v.ended != Ended::Proved && v.program == program;
        self.versions.iter().any(ended)
    }

    /// The first of these assignments that holds and was not asked about before; with its place.
    pub fn first(
        &mut self,
        items: &[Assignment],
        engines: &mut Engines<'_>,
    ) -> Option<(usize, Candidate)> {
        let mut from = 0;
        while from < items.len() {
            let found = engines
                .evaluate
                .first(&items[from..], self.version(), self.points);
            let Some((i, program)) = found else {
                *self.candidates += (items.len() - from) as u64;
                return None;
            };
            *self.candidates += i as u64 + 1;
            let at = from + i;
            if !self.is_over(program.hash()) {
                let candidate = Candidate {
                    assignment: items[at].clone(),
                    program,
                    guided: false,
                };
                return Some((at, candidate));
            }
            from = at + 1;
        }
        None
    }
}

/// A strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// A fixed list, in order (presets); ends with a proof.
    List(List),
    /// All assignments in order of cost; ends with a proof.
    Enumerate(Enumerate),
    /// The paper's genetic search, anew after each counterexample; ends with a proof.
    Genetic(Genetic),
    /// From a proved version downwards, one width at a time.
    Greedy(Greedy),
    /// Guided rounding from few bits upwards, then one width at a time downwards.
    Guided(Guided),
    /// Fewer activation bits at the same cost.
    Narrow(Narrow),
}

impl Strategy {
    /// The next candidate that holds on every stored point; `None` when the strategy is through
    /// or the run must end.
    pub fn propose(
        &mut self,
        known: &mut Known<'_>,
        engines: &mut Engines<'_>,
    ) -> Option<Candidate> {
        match self {
            Self::List(s) => s.propose(known, engines),
            Self::Enumerate(s) => s.propose(known, engines),
            Self::Genetic(s) => s.propose(known, engines),
            Self::Greedy(s) => s.propose(known, engines),
            Self::Guided(s) => s.propose(known, engines),
            Self::Narrow(s) => s.propose(known, engines),
        }
    }

    /// What became of the last candidate.
    pub fn told(&mut self, version: &Version) {
        match self {
            Self::List(_) | Self::Enumerate(_) | Self::Genetic(_) => {}
            Self::Greedy(s) => s.told(version),
            Self::Guided(s) => s.told(version),
            Self::Narrow(s) => s.told(version),
        }
    }

    /// True if a proved candidate is what was looked for.
    pub fn ends_with_proof(&self) -> bool {
        match self {
            Self::List(_) | Self::Enumerate(_) | Self::Genetic(_) => true,
            Self::Greedy(_) | Self::Guided(_) | Self::Narrow(_) => false,
        }
    }
}

/// A width of an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Width {
    /// Of a layer's weights.
    Weights(usize),
    /// Of a layer's bias.
    Bias(usize),
    /// Of a stored activation.
    Activation(usize),
}

impl Width {
    /// Every width of an assignment.
    pub fn all(a: &Assignment) -> impl Iterator<Item = Self> {
        let weights = (0..a.weights.len()).map(Self::Weights);
        let biases = (0..a.biases.len()).map(Self::Bias);
        let activations = (0..a.activations.len()).map(Self::Activation);
        weights.chain(biases).chain(activations)
    }

    /// Its bits; 0 if the assignment has no such width.
    pub fn of(self, a: &Assignment) -> u8 {
        let (list, i) = match self {
            Self::Weights(i) => (&a.weights, i),
            Self::Bias(i) => (&a.biases, i),
            Self::Activation(i) => (&a.activations, i),
        };
        list.get(i).copied().unwrap_or(0)
    }

    /// The assignment with other bits here.
    #[must_use]
    pub fn with(self, a: &Assignment, bits: u8) -> Assignment {
        let mut a = a.clone();
        let (list, i) = match self {
            Self::Weights(i) => (&mut a.weights, i),
            Self::Bias(i) => (&mut a.biases, i),
            Self::Activation(i) => (&mut a.activations, i),
        };
        if let Some(b) = list.get_mut(i) {
            *b = bits;
        }
        a
    }

    /// Its least bits in a space.
    pub fn least(self, space: &AnnotationSpace) -> u8 {
        match self {
            Self::Weights(_) => space.weight_bits.0,
            Self::Bias(_) => space.least_bias_bits,
            Self::Activation(_) => space.activation_bits.0,
        }
    }
}

/// The widths whose lowering to their least saves anything, the greatest saving first.
pub(crate) fn savings(space: &AnnotationSpace, a: &Assignment) -> Vec<Width> {
    let cost = space.cost(a);
    let mut widths: Vec<(u64, Width)> = Width::all(a)
        .filter_map(|w| {
            let least = w.least(space);
            let saved = (w.of(a) > least).then(|| cost - space.cost(&w.with(a, least)))?;
            (saved > 0).then_some((saved, w))
        })
        .collect();
    widths.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    widths.into_iter().map(|(_, w)| w).collect()
}
