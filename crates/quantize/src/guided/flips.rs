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

/// Of all promising moves this share is tried first.
const FIRST_SHARE: usize = 16;

/// Lowers the objective with at most `evaluations` passes over the examples; returns how many moves
/// were kept.
pub(super) fn descend(
    problem: &Problem<'_>,
    mantissas: &mut Tensors,
    evaluations: u32,
    stop: &dyn Fn() -> bool,
) -> usize {
    let chain = problem.chain;
    let mut pass = problem.pass();
    let mut value = problem.objective(&mut pass, mantissas);
    let (mut values, mut g, mut h) = (chain.zeros(), chain.zeros(), chain.zeros());
    let (mut used, mut kept) = (1, 0);
    let mut share = 1usize;
    while used < evaluations && value > 0.0 && !stop() {
        chain.values(mantissas, &mut values);
        g.iter_mut().chain(&mut h).for_each(|t| t.fill(0.0));
        let wanted = Wanted::Curvature(&mut g, &mut h);
        pass.run(&values, &problem.rows, 0..problem.rows.len(), wanted);
        used += 3;
        let flips = promising(chain, mantissas, &g, &h);
        let mut count = (flips.len() / (FIRST_SHARE * share))
            .max(1)
            .min(flips.len());
        let mut from = 0;
        let mut found = false;
        // Halves, then single moves in order.
        while from < flips.len() && used < evaluations && !stop() {
            let tried = &flips[from..(from + count).min(flips.len())];
            apply(mantissas, tried, 1.0);
            used += 1;
            let now = problem.objective(&mut pass, mantissas);
            if now < value {
                value = now;
                kept += tried.len();
                found = true;
                break;
            }
            apply(mantissas, tried, -1.0);
            if count > 1 {
                count /= 2;
                share *= 2;
            } else {
                from += 1;
            }
        }
        share = (share / 2).max(1);
        if !found {
            break;
        }
    }
    kept
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
