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
    /// In mantissas of a format of two bits, per step, at the start; falls to 0 linearly.
    pub rate: f64,
    /// How strongly latent weights are drawn to where they come from: at most `1/stay` mantissas
    /// of two bits away, half as many mantissas per two bits more.
    pub stay: f64,
    /// Epochs between searches for worst points.
    pub refresh: u32,
}

/// Steps between looks at all differences.
const ALL_EVERY: usize = 16;

/// Decay of the means of gradients and of their squares.
const DECAY: (f32, f32) = (0.9, 0.99);

/// The mantissas of latent weights.
fn rounded(chain: &Chain, latent: &Tensors, mantissas: &mut Tensors) {
    Arch::new().dispatch(Rounded {
        chain,
        latent,
        mantissas,
    });
}

struct Rounded<'a> {
    chain: &'a Chain,
    latent: &'a Tensors,
    mantissas: &'a mut Tensors,
}

impl WithSimd for Rounded<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let params = self
            .chain
            .params
            .iter()
            .zip(self.latent)
            .zip(self.mantissas);
        for ((p, v), m) in params.filter(|((p, _), _)| !p.frozen) {
            let n = p.lanes;
            let (lo, hi) = (&p.lo[..n], &p.hi[..n]);
            for (v, m) in v.chunks_exact(n).zip(m.chunks_exact_mut(n)) {
                for j in 0..n {
                    m[j] = (v[j] + 0.5).floor().max(lo[j]).min(hi[j]);
                }
            }
        }
    }
}

/// Moves latent weights; returns the mantissas of the least objective seen at an epoch's end, and
/// leaves the last latent weights. `start` are those to begin with, `origin` the network's own.
pub(super) fn descend(
    problem: &mut Problem<'_>,
    start: &Tensors,
    origin: &Tensors,
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
            problem.refresh(&mut pass, &chain.values_of(&mantissas));
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
            // A batch stands for its share of the examples; the worst corners for all of theirs.
            gradient
                .iter_mut()
                .flatten()
                .for_each(|g| *g *= count as f32);
            let wanted = Wanted::Gradient(&mut gradient);
            problem.differences(&mut pass, &values, b % ALL_EVERY == 0, wanted);
            let rate = schedule.rate * (1.0 - done);
            adam.step(chain, latent, &gradient, (rate, origin, schedule.stay));
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

    fn step(
        &mut self,
        chain: &Chain,
        latent: &mut Tensors,
        gradient: &Tensors,
        (rate, origin, stay): (f64, &Tensors, f64),
    ) {
        self.powers.0 *= f64::from(DECAY.0);
        self.powers.1 *= f64::from(DECAY.1);
        let unbias = ((1.0 - self.powers.1).sqrt() / (1.0 - self.powers.0)) as f32;
        for (i, p) in chain.params.iter().enumerate().filter(|(_, p)| !p.frozen) {
            // Biases make up for what rounded weights shift, so they are free.
            let is_weight = f64::from(u8::from(chain.stages.iter().any(|s| s.weight == i)));
            // Wide formats need many steps to cross and small ones to settle.
            let range = 2f64.powi(i32::from(p.width()) - 2).sqrt();
            self.arch.dispatch(Move {
                param: p,
                latent: &mut latent[i],
                mean: &mut self.mean[i],
                square: &mut self.square[i],
                gradient: &gradient[i],
                origin: &origin[i],
                rate: (rate * range) as f32 * unbias,
                back: (rate * range * range * stay * is_weight) as f32,
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
    origin: &'a [f32],
    rate: f32,
    back: f32,
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
            .zip(self.gradient.chunks_exact(n))
            .zip(self.origin.chunks_exact(n));
        let means = self
            .mean
            .chunks_exact_mut(n)
            .zip(self.square.chunks_exact_mut(n));
        for (((v, g), origin), (mean, square)) in rows.zip(means) {
            for j in 0..n {
                let g = g[j] * unit[j];
                mean[j] = DECAY.0 * mean[j] + (1.0 - DECAY.0) * g;
                square[j] = DECAY.1 * square[j] + (1.0 - DECAY.1) * g * g;
                let by = self.rate * mean[j] / (square[j].sqrt() + 1e-12)
                    + self.back * (v[j] - origin[j]);
                // No further out than what rounds to the range, so that a way back is short.
                v[j] = (v[j] - by).max(lo[j] - 0.49).min(hi[j] + 0.49);
            }
        }
    }
}
