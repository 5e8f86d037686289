//! Counterexample-guided rounding: which mantissas meet a requirement on regions, stay right at
//! points that broke it before, and answer on data as the reference does.
//!
//! Formats are given; the mantissas of weights and biases are the variables. A surrogate of the
//! kernel in floating point gives an objective over [`Examples`] and the worst points of
//! [`RegionAim`]s, and its gradient. First latent real weights move under the rounded network's
//! gradient, then single mantissas by steps as long as that lowers the objective. Nothing here
//! proves anything: the kernel that comes out is verified like any other. In a loop the caller adds
//! witnesses as examples and raises the lead of regions that stayed unproved.
//!
//! Few regions do not pin a function down. Without data the mantissas meet the regions and little
//! else; then [`Examples::from_regions`] is better than nothing.

mod chain;
mod close;
mod each;
mod examples;
mod flips;
mod latent;
mod loss;
mod numeric;
mod pass;
mod problem;
mod quantizer;
mod rows;
mod scales;
mod worst;

#[cfg(test)]
mod tests;

pub use examples::{Aim, Examples, RegionAim};
pub use quantizer::GuidedQuantizer;

use crate::model::Model;
use ceg4n_ir::{Annotations, Program, ValueId};
use ceg4n_verify::attack::float::Net;
use chain::{Chain, Tensors};
use latent::Schedule;
use problem::Problem;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Real weights behind mantissas, row-major, by constant: what a next call may start from.
pub type Latents = BTreeMap<ValueId, Arc<[f32]>>;

/// The settings. Every budget is a count, and equal calls give equal results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guided {
    /// Passes over all examples with latent weights, per unit of effort.
    pub epochs: u32,
    /// Examples between two moves of the latent weights.
    pub batch: usize,
    /// How far these move at first, per step: in mantissas of two bits; twice as far per two bits
    /// more.
    pub rate: f64,
    /// How strongly latent weights are drawn to the network's own: they go at most `1/stay`
    /// mantissas of two bits away, half as many mantissas per two bits more. Regions where the
    /// reference changes class are proved by the kernel's nearness to it.
    pub stay: f64,
    /// Passes over all examples while single mantissas move, per unit of effort.
    pub evaluations: u32,
    /// The weight of a point of the mean region against the mean loss over the data.
    pub region_share: f64,
    /// Other scales of each weight are tried too: half and twice.
    pub scales: bool,
    /// Of the order of examples.
    pub seed: u64,
}

impl Default for Guided {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch: 32,
            rate: 0.01,
            stay: 0.1,
            evaluations: 60,
            region_share: 0.5,
            scales: true,
            seed: 1,
        }
    }
}

/// What mantissas are chosen by.
#[derive(Clone, Copy, Debug)]
pub struct Goal<'a> {
    /// Points to be right at.
    pub examples: &'a Examples,
    /// Boxes to be right on.
    pub regions: &'a [RegionAim],
}

/// Networks of so many weights have the epochs of the settings.
const LARGE: usize = 8000;

/// Smaller ones have at most so many times as many.
const MOST_MORE: usize = 4;

/// Steps of a run that continues an earlier one, against those of a first run.
const AGAIN: f64 = 0.3;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The annotations with explicit mantissas for every weight and bias that could move.
    pub annotations: Annotations,
    /// The objective of the start; infinite where it could not be computed.
    pub before: f64,
    /// The objective of the result, over the same points; never more than `before`.
    pub after: f64,
    /// Mantissas that differ from the start's, or all if a scale does.
    pub moved: usize,
    /// Regions whose requirement holds at the worst points found, and regions with an aim.
    pub held: (usize, usize),
    /// The real weights that the latent phase ended with.
    pub latents: Latents,
}

impl Guided {
    /// Improves the mantissas of `start`, whose explicit mantissas, if any, it begins with.
    ///
    /// `effort` multiplies the budgets; `latents` are those of an earlier outcome (a constant that is
    /// missing begins with the network's own weights, moved into the start's roundings). `stop` is
    /// asked often and ends the search early. A start that the checker refuses, or that single
    /// precision does not hold, comes back as it is.
    pub fn improve(
        &self,
        model: &Model,
        start: &Annotations,
        latents: &Latents,
        goal: Goal<'_>,
        effort: u32,
        stop: &dyn Fn() -> bool,
    ) -> Outcome {
        let same = || Outcome {
            annotations: start.clone(),
            before: f64::INFINITY,
            after: f64::INFINITY,
            moved: 0,
            held: (0, goal.regions.len()),
            latents: latents.clone(),
        };
        let reference = ceg4n_ir::check(Program::reference(model.network().clone()));
        let Ok(reference) = reference.map(|r| Net::new(r.lowered())) else {
            return same();
        };
        let task = Task {
            guided: self,
            model,
            reference,
            goal,
            latents,
            effort: effort.max(1),
            stop,
        };
        let chosen = if self.scales {
            task.scales(start)
        } else {
            None
        };
        let Some(outcome) = task.run(start, chosen.as_ref().unwrap_or(start)) else {
            return same();
        };
        match model.check(outcome.annotations.clone()) {
            Ok(_) => outcome,
            Err(_) => same(),
        }
    }
}

/// One call of [`Guided::improve`].
struct Task<'a> {
    guided: &'a Guided,
    model: &'a Model,
    reference: Net,
    goal: Goal<'a>,
    latents: &'a Latents,
    effort: u32,
    stop: &'a dyn Fn() -> bool,
}

impl Task<'_> {
    fn chain(&self, notes: &Annotations) -> Option<(Chain, Tensors)> {
        let checked = self.model.check(notes.clone()).ok()?;
        Chain::new(self.model, notes, checked.kernel()?)
    }

    fn schedule(&self, epochs: u32) -> Schedule {
        // Small networks are cheap to look at and hard to get right.
        let weights: usize = self.model.layers().iter().map(|l| l.weights).sum();
        let more = (LARGE / weights.max(1)).clamp(1, MOST_MORE) as u32;
        // What was found before is not thrown away by large steps.
        let rate = if self.latents.is_empty() { 1.0 } else { AGAIN };
        Schedule {
            epochs: epochs.saturating_mul(more),
            batch: self.guided.batch,
            rate: self.guided.rate * rate,
            stay: self.guided.stay,
            refresh: (epochs / 8).max(1) * more,
        }
    }

    /// The network's own weights as latent ones.
    fn origin(&self, chain: &Chain) -> Tensors {
        let own = |p: &chain::Param| p.latent(self.model, None);
        chain.params.iter().map(own).collect()
    }

    /// Latent weights that round to `mantissas`, as near to the network's own (or an earlier
    /// outcome's) as that allows.
    fn latent(&self, chain: &Chain, mantissas: &Tensors) -> Tensors {
        let one = |(p, m): (&chain::Param, &Vec<f32>)| {
            let reals = self.latents.get(&p.value);
            let own = p.latent(self.model, reals.map(|r| &r[..]));
            let near = |(v, m): (f32, &f32)| v.max(m - 0.5).min(m + 0.49);
            own.into_iter().zip(m).map(near).collect()
        };
        chain.params.iter().zip(mantissas).map(one).collect()
    }

    /// Both phases under `notes`, compared with `start`.
    fn run(&self, start: &Annotations, notes: &Annotations) -> Option<Outcome> {
        let (chain, mantissas) = self.chain(notes)?;
        let guided = self.guided;
        let mut problem = self.problem(&chain, self.goal.examples);
        let mut latent = self.latent(&chain, &mantissas);
        let mut rng = ChaCha8Rng::seed_from_u64(guided.seed);
        let schedule = self.schedule(guided.epochs.saturating_mul(self.effort));
        let mut best = latent::descend(
            &mut problem,
            &mantissas,
            &self.origin(&chain),
            &mut latent,
            schedule,
            &mut rng,
            self.stop,
        );
        let mut pass = problem.pass();
        let evaluations = guided.evaluations.saturating_mul(self.effort);
        for _ in 0..2 {
            problem.refresh(&mut pass, &chain.values_of(&best));
            flips::descend(&problem, &mut best, evaluations / 2, self.stop);
        }
        // Other scales make other values, over the same points.
        let (first, given) = self.chain(start)?;
        let given = first.values_of(&given);
        problem.refresh(&mut pass, &given);
        problem.refresh(&mut pass, &chain.values_of(&best));
        let before = problem.objective_at(&mut pass, &given);
        let after = problem.objective(&mut pass, &best);
        let reals = chain.params.iter().zip(&latent);
        let latents = reals.map(|(p, v)| (p.value, p.reals(v))).collect();
        let held = problem.held(&mut pass, &best);
        let (annotations, after, moved) = if after <= before {
            let differ = best.iter().flatten().zip(mantissas.iter().flatten());
            let moved = differ.filter(|(a, b)| a != b).count();
            (chain.annotations(notes, &best), after, moved)
        } else {
            (start.clone(), before, 0)
        };
        Some(Outcome {
            annotations,
            before,
            after,
            moved,
            held,
            latents,
        })
    }

    fn problem<'c>(&'c self, chain: &'c Chain, examples: &Examples) -> Problem<'c> {
        let share = self.guided.region_share;
        Problem::new(chain, &self.reference, examples, self.goal.regions, share)
    }
}
