//! Moves of single mantissas: those that a quadratic model of the objective thinks best, many at
//! once while that helps, fewer when it does not. Only what lowers the objective is kept.

use super::chain::{Chain, Tensors};
use super::pass::Wanted;
use super::problem::Problem;

/// A mantissa, by param and place, and how far it goes.
#[derive(Clone, Copy, Debug)]
struct Flip {
    gain: f32,
    param: usize,
    at: usize,
    step: f32,
}

/// Of all promising moves one in so many is tried first.
const FIRST_SHARE: usize = 16;

/// Networks are small if trying every move costs at most so many multiplications.
const SMALL: usize = 200_000_000;

/// So many of the best single moves of a small network are tried in pairs.
const PAIRED: usize = 32;

/// Lowers the objective with at most `evaluations` passes over the examples (small networks: and
/// so many rounds of trying every move); returns how many moves were kept.
pub(super) fn descend(
    problem: &Problem<'_>,
    mantissas: &mut Tensors,
    evaluations: u32,
    stop: &dyn Fn() -> bool,
) -> usize {
    let mut search = Search {
        problem,
        value: 0.0,
        used: 0,
        evaluations,
        kept: 0,
        stop,
    };
    search.value = search.objective(mantissas);
    search.batches(mantissas);
    let mut rounds = 0;
    while search.is_small() && rounds < evaluations && search.value > 0.0 && !stop() {
        rounds += 1;
        if !search.exhaustive(mantissas) {
            break;
        }
    }
    search.kept
}

struct Search<'s, 'p> {
    problem: &'s Problem<'p>,
    value: f64,
    used: u32,
    evaluations: u32,
    kept: usize,
    stop: &'s dyn Fn() -> bool,
}

impl Search<'_, '_> {
    fn objective(&mut self, mantissas: &Tensors) -> f64 {
        self.used += 1;
        self.problem.objective(&mut self.problem.pass(), mantissas)
    }

    fn is_open(&self) -> bool {
        self.used < self.evaluations && self.value > 0.0 && !(self.stop)()
    }

    /// Keeps moves if they lower the objective; else takes them back. Tells the objective after
    /// the moves.
    fn attempt(&mut self, mantissas: &mut Tensors, moves: &[Flip]) -> (bool, f64) {
        apply(mantissas, moves, 1.0);
        let now = self.objective(mantissas);
        let better = now < self.value;
        if better {
            self.value = now;
            self.kept += moves.len();
        } else {
            apply(mantissas, moves, -1.0);
        }
        (better, now)
    }

    /// Many promising moves at once, then fewer, then single ones.
    fn batches(&mut self, mantissas: &mut Tensors) {
        let chain = self.problem.chain;
        let rows = &self.problem.rows;
        let mut pass = self.problem.pass();
        let (mut values, mut g, mut h) = (chain.zeros(), chain.zeros(), chain.zeros());
        let mut share = FIRST_SHARE;
        while self.is_open() {
            chain.values(mantissas, &mut values);
            g.iter_mut().chain(&mut h).for_each(|t| t.fill(0.0));
            let wanted = Wanted::Curvature(&mut g, &mut h);
            pass.run(&values, rows, 0..rows.len(), wanted);
            let wanted = Wanted::Curvature(&mut g, &mut h);
            self.problem.differences(&mut pass, &values, true, wanted);
            self.used += 3;
            let flips = promising(chain, mantissas, &g, &h);
            let mut count = (flips.len() / share).max(1);
            let mut from = 0;
            let mut found = false;
            while !found && from < flips.len() && self.is_open() {
                let tried = &flips[from..(from + count).min(flips.len())];
                found = self.attempt(mantissas, tried).0;
                if !found && count > 1 {
                    count /= 2;
                    share = share.saturating_mul(2);
                } else if !found {
                    from += 1;
                }
            }
            share = (share / 2).max(FIRST_SHARE);
            if !found {
                break;
            }
        }
    }

    fn is_small(&self) -> bool {
        let chain = self.problem.chain;
        let weights: usize = chain.params.iter().map(|p| p.rows * p.cols).sum();
        let pass = weights.saturating_mul(self.problem.rows.len());
        pass.saturating_mul(2 * weights) <= SMALL
    }

    /// Every single step, then the best of them in pairs, until one helps.
    fn exhaustive(&mut self, mantissas: &mut Tensors) -> bool {
        let mut singles: Vec<(f64, Flip)> = Vec::new();
        for flip in steps(self.problem.chain, mantissas) {
            match self.attempt(mantissas, &[flip]) {
                (true, _) => return true,
                (false, now) => singles.push((now, flip)),
            }
        }
        singles.sort_by(|a, b| a.0.total_cmp(&b.0));
        singles.truncate(PAIRED);
        for (i, (_, a)) in singles.iter().enumerate() {
            for (_, b) in &singles[..i] {
                let apart = (a.param, a.at) != (b.param, b.at);
                if apart && self.attempt(mantissas, &[*a, *b]).0 {
                    return true;
                }
            }
        }
        false
    }
}

/// Every step of one that stays in its range.
fn steps(chain: &Chain, mantissas: &Tensors) -> Vec<Flip> {
    let mut all = Vec::new();
    for (i, p) in chain.params.iter().enumerate().filter(|(_, p)| !p.frozen) {
        for (at, m) in mantissas[i].iter().enumerate() {
            let j = at % p.lanes;
            let fits = |step: &f32| j < p.rows && m + step >= p.lo[j] && m + step <= p.hi[j];
            let both = [-1.0, 1.0].into_iter().filter(fits);
            all.extend(both.map(|step| Flip {
                gain: 0.0,
                param: i,
                at,
                step,
            }));
        }
    }
    all
}

fn apply(mantissas: &mut Tensors, flips: &[Flip], sign: f32) {
    for f in flips {
        mantissas[f.param][f.at] += sign * f.step;
    }
}

/// Moves that should lower the objective, the best first.
fn promising(chain: &Chain, mantissas: &Tensors, g: &Tensors, h: &Tensors) -> Vec<Flip> {
    let mut flips = Vec::new();
    for (i, p) in chain.params.iter().enumerate().filter(|(_, p)| !p.frozen) {
        for (at, m) in mantissas[i].iter().enumerate() {
            let j = at % p.lanes;
            let (slope, bend) = (g[i][at] * p.unit[j], h[i][at] * p.unit[j] * p.unit[j]);
            if slope == 0.0 || j >= p.rows {
                continue;
            }
            // The Newton step where the curvature asks for more than one.
            let far = if bend > 0.0 {
                (slope.abs() / bend).floor()
            } else {
                1.0
            };
            let far = far.clamp(1.0, ((p.hi[j] - p.lo[j]) / 16.0).floor().max(1.0));
            let step = (m - slope.signum() * far).max(p.lo[j]).min(p.hi[j]) - m;
            let gain = slope * step + 0.5 * bend * step * step;
            if step != 0.0 && gain < 0.0 {
                flips.push(Flip {
                    gain,
                    param: i,
                    at,
                    step,
                });
            }
        }
    }
    // Equal gains keep their order, so the result is one.
    flips.sort_by(|a, b| a.gain.total_cmp(&b.gain));
    flips
}
