//! Search on the kernel's integers around points that nearly leave a class: many coordinates at
//! once, ranked by the gradient, by native code.

use super::find::Target;
use super::generator;
use crate::budget::{Effort, Stop};
use crate::subject::Trouble;
use crate::verdict::Witness;
use ceg4n_ir::Interval;
use ceg4n_ir::kernel::argmax;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Rounds from one point.
const ROUNDS: usize = 16;

/// Rounds without a better input that end the search from one point.
const IDLE: usize = 3;

/// Up to so many inputs, every single coordinate is tried.
const FEW: usize = 32;

/// Looks around `points` for integers on which the kernel does not answer `class`.
///
/// # Errors
/// A defect found by replay.
pub(super) fn search(
    target: &Target<'_>,
    class: usize,
    points: &[&[f64]],
    effort: &Effort,
    stop: &Stop,
) -> Result<Option<Witness>, Trouble> {
    let Ok(root) = target.space.root() else {
        return Ok(None);
    };
    let mut search = Search {
        target,
        class,
        range: root.input,
        rng: generator(target.space, 2),
        shakes: 2 * effort.starts,
    };
    for x in points {
        if let Some(w) = search.from(x, stop)? {
            return Ok(Some(w));
        }
    }
    Ok(None)
}

struct Search<'a> {
    target: &'a Target<'a>,
    class: usize,
    range: Vec<Interval>,
    rng: ChaCha8Rng,
    /// Random groups of coordinates per round.
    shakes: u64,
}

impl Search<'_> {
    fn from(&mut self, x: &[f64], stop: &Stop) -> Result<Option<Witness>, Trouble> {
        let Some(point) = self.target.space.snap(x) else {
            return Ok(None);
        };
        let Some(kernel) = self.target.subject.kernel() else {
            return Ok(None);
        };
        let mut input = kernel.quantize_input(&point);
        let mut lead = self.leads(&input, 1)?[0];
        let mut idle = 0;
        for _ in 0..ROUNDS {
            if stop.now().is_some() || idle == IDLE {
                break;
            }
            let moves = self.moves(&input);
            let leads = self.leads(&moves.concat(), moves.len())?;
            let best = leads.iter().zip(moves).min_by_key(|(l, _)| **l);
            let Some((best, to)) = best.filter(|(l, _)| **l <= lead) else {
                idle += 1;
                continue;
            };
            idle = if *best < lead { 0 } else { idle + 1 };
            (lead, input) = (*best, to);
            if lead < 0
                && let Some(x) = self.target.space.point(&input, None)
                && let Some(w) = self.target.replay(&x)?
            {
                return Ok(Some(w));
            }
        }
        Ok(None)
    }

    /// Inputs to try next.
    fn moves(&mut self, input: &[i64]) -> Vec<Vec<i64>> {
        let n = input.len();
        let mut gains = self.gains(input);
        gains.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut moves = Vec::new();
        let mut size = n;
        while size > 0 {
            let mut next = input.to_vec();
            for (_, i, to) in &gains[..size] {
                next[*i] = *to;
            }
            moves.push(next);
            size /= 2;
        }
        if n <= FEW {
            for (i, r) in self.range.iter().enumerate() {
                for to in [r.lo, r.hi, input[i] - 1, input[i] + 1] {
                    let mut next = input.to_vec();
                    next[i] = to.clamp(r.lo, r.hi);
                    moves.push(next);
                }
            }
        }
        // Where the gradient says little, roundings decide.
        let quiet = &gains[n / 2..];
        for s in 0..self.shakes {
            let mut next = input.to_vec();
            for _ in 0..(quiet.len() >> (s % 8)).max(1) {
                let (_, i, _) = quiet[self.rng.random_range(0..quiet.len())];
                let r = self.range[i];
                let to = [r.lo, r.hi, input[i] - 1, input[i] + 1][self.rng.random_range(0..4)];
                next[i] = to.clamp(r.lo, r.hi);
            }
            moves.push(next);
        }
        moves.retain(|m| m != input);
        moves
    }

    /// Per coordinate: what its better end promises by the gradient, which, and that end.
    fn gains(&self, input: &[i64]) -> Vec<(f64, usize, i64)> {
        let format = self.target.subject.input_format();
        let unit = 2f64.powi(-format.frac());
        let x: Vec<f64> = input.iter().map(|m| *m as f64 * unit).collect();
        let net = self.target.subject.net();
        let mut y = net.outputs(&x);
        y[self.class] = f64::NEG_INFINITY;
        let mut form = vec![0.0; y.len()];
        form[argmax(&y).unwrap_or(0)] = 1.0;
        form[self.class] = -1.0;
        let gradient = net.gradient(&x, &form);
        let gain = |(i, g): (usize, f64)| {
            let to = if g > 0.0 {
                self.range[i].hi
            } else {
                self.range[i].lo
            };
            (g.abs() * (to - input[i]).unsigned_abs() as f64, i, to)
        };
        gradient.into_iter().enumerate().map(gain).collect()
    }

    /// How far the class leads on each input; negative where the kernel answers another one.
    fn leads(&self, inputs: &[i64], n: usize) -> Result<Vec<i128>, Trouble> {
        let out = self.target.subject.batch(inputs, n)?;
        let width = self.target.subject.output_len();
        let class = self.class;
        let lead = |y: &[i64]| {
            (0..width)
                .filter(|j| *j != class)
                .map(|j| i128::from(y[class]) - i128::from(y[j]) - i128::from(j < class))
                .min()
                .unwrap_or(0)
        };
        Ok(out.chunks_exact(width).map(lead).collect())
    }
}
