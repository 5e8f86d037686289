//! Scales of weights: with two bits half or twice the step matters more than any rounding. Each
//! neighbour is judged by a short run.

use super::chain::Chain;
use super::examples::Examples;
use super::{Task, latent};
use crate::formats::capped_format;
use ceg4n_ir::{Annotation, Annotations, Format, TensorFormat};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Examples of a short run.
const SAMPLE: usize = 1000;

/// The share of the epochs that a short run has.
const SHORT: u32 = 5;

/// A scale is left only for one whose short run ends so far below: they differ by chance, too.
const CLEARLY: f64 = 0.9;

impl Task<'_> {
    /// The start with better scales; `None` if it cannot be evaluated.
    pub(super) fn scales(&self, start: &Annotations) -> Option<Annotations> {
        let sample = self.goal.examples.sample(SAMPLE);
        let mut best = (self.short(start, &sample)?, start.clone());
        // Large layers first: they matter most and have the fewest bits.
        let mut layers: Vec<usize> = (0..self.model.layers().len()).collect();
        layers.sort_by_key(|l| std::cmp::Reverse(self.model.layers()[*l].weights));
        for layer in layers {
            for by in [-1, 1] {
                // As long as a direction helps.
                while let Some(notes) = self.shifted(&best.1, layer, by) {
                    match self.short(&notes, &sample) {
                        Some(value) if value < CLEARLY * best.0 => best = (value, notes),
                        Some(_) | None => break,
                    }
                }
            }
        }
        Some(best.1)
    }

    /// The objective after a short run.
    fn short(&self, notes: &Annotations, sample: &Examples) -> Option<f64> {
        if (self.stop)() {
            return None;
        }
        let (chain, mantissas): (Chain, _) = self.chain(notes)?;
        let mut problem = self.problem(&chain, sample);
        let mut latent = self.latent(&chain, &mantissas);
        let mut rng = ChaCha8Rng::seed_from_u64(self.guided.seed);
        let schedule = self.schedule((self.guided.epochs / SHORT).max(1));
        let best = latent::descend(
            &mut problem,
            &mantissas,
            &self.origin(&chain),
            &mut latent,
            schedule,
            &mut rng,
            self.stop,
        );
        let mut pass = problem.pass();
        problem.refresh(&mut pass, &chain.values_of(&best));
        Some(problem.objective(&mut pass, &best))
    }

    /// One layer's weight with `by` fraction bits more and roundings anew; its bias no finer than
    /// that allows.
    fn shifted(&self, notes: &Annotations, layer: usize, by: i32) -> Option<Annotations> {
        let layer = self.model.layers().get(layer)?;
        let moved = |f: Format| Format::new(f.signed(), f.width(), f.frac() + by);
        let format = match notes.format(layer.weight)? {
            TensorFormat::Tensor(f) => TensorFormat::Tensor(moved(*f)?),
            TensorFormat::Channels(all) => {
                let all: Option<Arc<[Format]>> = all.iter().map(|f| moved(*f)).collect();
                TensorFormat::Channels(all?)
            }
        };
        let least = (0..layer.rows)
            .filter_map(|j| format.channel(j))
            .map(Format::frac)
            .min()?;
        let mut next = notes.clone();
        self.model.set(&mut next, layer.weight, format, None);
        let operand = notes.format(layer.operand)?.single()?.frac();
        if let Some(b) = layer.bias
            && let Some(Annotation::Fixed { format, .. }) = notes.get(b)
        {
            let bits = (0..layer.rows)
                .filter_map(|j| format.channel(j))
                .map(Format::width)
                .max()?;
            let format = capped_format(self.model.data(b), bits, operand + least);
            self.model.set(&mut next, b, format.into(), None);
        }
        Some(next)
    }
}
