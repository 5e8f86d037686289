//! Latent weights: real numbers that are rounded to mantissas for the forward pass and moved by
//! the gradient of the rounded network (straight-through estimation: Bengio, Léonard and Courville
//! 2013), with Adam's step sizes (Kingma and Ba 2015).

use super::chain::{Chain, Param, Tensors};
use super::pass::Wanted;
use super::problem::Problem;
use pulp::{Arch, WithSimd};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// How long and how far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub epochs: u32,
    pub batch: usize,
    /// Of a format's range, per step, at the start; falls to 0 linearly.
    pub rate: f64,
    /// Epochs between searches for worst points.
    pub refresh: u32,
}

/// Decay of the means of gradients and of their squares.
const DECAY: (f32, f32) = (0.9, 0.99);

/// The mantissas of latent weights.
pub(super) fn rounded(chain: &Chain, latent: &Tensors, mantissas: &mut Tensors) {
    for ((p, v), m) in chain.params.iter().zip(latent).zip(mantissas) {
        for (v, m) in v.chunks_exact(p.lanes).zip(m.chunks_exact_mut(p.lanes)) {
            for (j, (v, m)) in v.iter().zip(m).enumerate() {
                *m = (v + 0.5).floor().max(p.lo[j]).min(p.hi[j]);
            }
        }
    }
}

/// Moves latent weights; returns the mantissas of the least objective seen at an epoch's end, and
/// leaves the last latent weights. `start` are those to begin with.
pub(super) fn descend(
    problem: &mut Problem<'_>,
    start: &Tensors,
    latent: &mut Tensors,
    schedule: Schedule,
    rng: &mut ChaCha8Rng,
    stop: &dyn Fn() -> bool,
) -> Tensors {
    let chain = problem.chain;
    let mut pass = problem.pass();
    let mut best = start.clone();
    let mut best_value = problem.objective(&mut pass, &best);
    let mut mantissas = start.clone();
    let (mut values, mut gradient) = (chain.zeros(), chain.zeros());
    let mut adam = Adam::new(chain);
    for epoch in 0..schedule.epochs {
        if epoch % schedule.refresh.max(1) == 0 {
            problem.refresh(&mut pass, &mantissas);
            best_value = problem.objective(&mut pass, &best);
        }
        let mut order: Vec<usize> = (0..problem.rows.len()).collect();
        order.shuffle(rng);
        let batches = order.chunks(schedule.batch.max(1));
        let count = batches.len().max(1) as f64;
        for (b, ids) in batches.enumerate() {
            if stop() {
                return best;
            }
            let done = (f64::from(epoch) + b as f64 / count) / f64::from(schedule.epochs);
            rounded(chain, latent, &mut mantissas);
            chain.values(&mantissas, &mut values);
            gradient.iter_mut().for_each(|g| g.fill(0.0));
            let wanted = Wanted::Gradient(&mut gradient);
            pass.run(&values, &problem.rows, ids.iter().copied(), wanted);
            adam.step(chain, latent, &gradient, schedule.rate * (1.0 - done));
        }
        rounded(chain, latent, &mut mantissas);
        let value = problem.objective(&mut pass, &mantissas);
        if value < best_value {
            best_value = value;
            best.clone_from(&mantissas);
        }
    }
    best
}

/// Means of gradients and of their squares.
struct Adam {
    mean: Tensors,
    square: Tensors,
    /// The decays to the power of the steps done.
    powers: (f64, f64),
    arch: Arch,
}

impl Adam {
    fn new(chain: &Chain) -> Self {
        Self {
            mean: chain.zeros(),
            square: chain.zeros(),
            powers: (1.0, 1.0),
            arch: Arch::new(),
        }
    }

    fn step(&mut self, chain: &Chain, latent: &mut Tensors, gradient: &Tensors, rate: f64) {
        self.powers.0 *= f64::from(DECAY.0);
        self.powers.1 *= f64::from(DECAY.1);
        let unbias = ((1.0 - self.powers.1).sqrt() / (1.0 - self.powers.0)) as f32;
        for (i, p) in chain.params.iter().enumerate().filter(|(_, p)| !p.frozen) {
            let range = 2f64.powi(i32::from(p.width()) - 2);
            self.arch.dispatch(Move {
                param: p,
                latent: &mut latent[i],
                mean: &mut self.mean[i],
                square: &mut self.square[i],
                gradient: &gradient[i],
                rate: (rate * range) as f32 * unbias,
            });
        }
    }
}

struct Move<'a> {
    param: &'a Param,
    latent: &'a mut [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    gradient: &'a [f32],
    rate: f32,
}

impl WithSimd for Move<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let n = self.param.lanes;
        let unit = &self.param.unit[..n];
        let (lo, hi) = (&self.param.lo[..n], &self.param.hi[..n]);
        let rows = self
            .latent
            .chunks_exact_mut(n)
            .zip(self.gradient.chunks_exact(n));
        let means = self
            .mean
            .chunks_exact_mut(n)
            .zip(self.square.chunks_exact_mut(n));
        for ((v, g), (mean, square)) in rows.zip(means) {
            for j in 0..n {
                let g = g[j] * unit[j];
                mean[j] = DECAY.0 * mean[j] + (1.0 - DECAY.0) * g;
                square[j] = DECAY.1 * square[j] + (1.0 - DECAY.1) * g * g;
                let by = self.rate * mean[j] / (square[j].sqrt() + 1e-12);
                // No further out than what rounds to the range, so that a way back is short.
                v[j] = (v[j] - by).max(lo[j] - 0.49).min(hi[j] + 0.49);
            }
        }
    }
}
