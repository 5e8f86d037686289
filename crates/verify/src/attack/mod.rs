//! Falsification: points that are likely to break a requirement, by floating point and native
//! code. Nothing here decides anything: every candidate is replayed exactly by the caller.

mod change;
mod climb;
mod find;
pub mod float;
mod frame;
mod goal;
mod integers;
mod simplify;
mod split;

pub use change::{ClassSearch, class_change};
pub use find::{Target, find_break};
pub use simplify::simplify;
pub use split::split_cell;

use crate::bounds::Form;
use crate::reference::Reference;
use crate::space::Space;
use ceg4n_base::Exact;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Steps of one gradient descent.
const STEPS: usize = 20;

/// A generator whose draws depend on the question's content only.
pub fn generator(space: &Space, salt: u64) -> ChaCha8Rng {
    let mut h = ceg4n_base::Hasher::new("attack");
    for v in space.lower.iter().chain(&space.upper) {
        h.int(v.to_f64().to_bits() as i64);
    }
    h.int(salt as i64);
    let bytes = h.finish().0;
    let mut seed = [0; 8];
    seed.copy_from_slice(&bytes[..8]);
    ChaCha8Rng::seed_from_u64(u64::from_le_bytes(seed))
}

/// The region's ends in floating point.
pub fn ends(space: &Space) -> (Vec<f64>, Vec<f64>) {
    let f = |v: &[Exact]| v.iter().map(Exact::to_f64).collect();
    (f(&space.lower), f(&space.upper))
}

/// Centre, corners (all of them up to four inputs, else extreme and random ones) and random points.
pub fn seeds(space: &Space, center: &[Exact], starts: u64) -> Vec<Vec<f64>> {
    let (lo, hi) = ends(space);
    let n = lo.len();
    let mut out = vec![
        center.iter().map(Exact::to_f64).collect::<Vec<f64>>(),
        lo.clone(),
        hi.clone(),
    ];
    if n <= 4 {
        for mask in 0..1usize << n {
            out.push(
                (0..n)
                    .map(|i| if mask >> i & 1 == 1 { hi[i] } else { lo[i] })
                    .collect(),
            );
        }
    }
    let mut rng = generator(space, 1);
    for k in 0..starts {
        out.push(
            (0..n)
                .map(|i| {
                    let t: f64 = if k % 2 == 0 {
                        rng.random_range(0.0..=1.0)
                    } else {
                        f64::from(u8::from(rng.random_bool(0.5)))
                    };
                    lo[i] + t * (hi[i] - lo[i])
                })
                .collect(),
        );
    }
    out
}

/// Signed gradient descent on a form from `start`, staying in the region; returns every point
/// on the way where the value is lowest so far.
pub fn descend(reference: &Reference, space: &Space, start: &[f64], form: Form) -> Vec<f64> {
    let (lo, hi) = ends(space);
    let value = |x: &[f64]| {
        let y = reference.approximate(x);
        y[form.plus] - form.minus.map_or(0.0, |m| y[m])
    };
    let mut x = start.to_vec();
    let (mut best, mut best_value) = (x.clone(), value(&x));
    for step in 0..STEPS {
        let g = reference.gradient(&x, form);
        if g.iter().all(|g| *g == 0.0) {
            break;
        }
        // From the whole box down to a fraction of it.
        let rate = 1.0 / (1.0 + step as f64 * 0.5);
        for i in 0..x.len() {
            let move_by = rate
                * (hi[i] - lo[i])
                * if g[i] > 0.0 {
                    -1.0
                } else {
                    f64::from(g[i] < 0.0)
                };
            x[i] = (x[i] + move_by).clamp(lo[i], hi[i]);
        }
        let v = value(&x);
        if v < best_value {
            (best, best_value) = (x.clone(), v);
        }
    }
    best
}
