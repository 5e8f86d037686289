//! An attack on `unsat`: random points of every box, in floating point; what looks like an
//! assignment is replayed exactly.

use super::assignment::Assignment;
use super::bind::Bound;
use super::internal;
use ceg4n_base::{Diagnostic, Exact};
use ceg4n_ir::{Domain, OutputSpec, Property, Region};
use ceg4n_verify::attack::float::BLOCK;
use ceg4n_verify::space::Space;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Values this near to a constraint are evaluated exactly, in parts of the largest value.
const NEAR: f64 = 1e-9;

/// What an attack did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sampled {
    /// Points over all boxes.
    pub points: u64,
    /// Those that were near enough to be replayed exactly.
    pub replayed: u64,
    /// Those that satisfy the query: defects of the tool.
    pub satisfying: u64,
}

/// Draws `points` points of each box: half of them inside, half with coordinates at ends.
pub(super) fn attack(bound: &Bound, points: u64, seed: u64) -> Result<Sampled, Diagnostic> {
    let mut sampled = Sampled {
        points: 0,
        replayed: 0,
        satisfying: 0,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for (region, property) in &bound.parts {
        let mut work = Work {
            bound,
            region,
            property,
            space: Space::new(region, Domain::Real, bound.subject.input_format()),
        };
        let mut left = points;
        while left > 0 {
            let n = left.min(BLOCK as u64) as usize;
            work.block(&mut rng, n, &mut sampled)?;
            left -= n as u64;
        }
    }
    Ok(sampled)
}

struct Work<'a> {
    bound: &'a Bound,
    region: &'a Region,
    property: &'a Property,
    space: Space,
}

impl Work<'_> {
    fn block(
        &mut self,
        rng: &mut ChaCha8Rng,
        n: usize,
        sampled: &mut Sampled,
    ) -> Result<(), Diagnostic> {
        let ends = self.region.lower.iter().zip(&self.region.upper);
        let ends: Vec<(f64, f64)> = ends.map(|(l, u)| (l.to_f64(), u.to_f64())).collect();
        let mut x = Vec::with_capacity(n * ends.len());
        for k in 0..n {
            for (lo, hi) in &ends {
                let t: f64 = match k % 2 {
                    0 => rng.random_range(0.0..=1.0),
                    _ if rng.random_bool(0.25) => rng.random_range(0.0..=1.0),
                    _ => f64::from(u8::from(rng.random_bool(0.5))),
                };
                x.push(lo + t * (hi - lo));
            }
        }
        let both = matches!(self.property, Property::Joint(_));
        let mut subject = self.bound.subject.net().batch(n);
        let k = subject.forward(&x).to_vec();
        let mut reference = self.bound.reference.net().batch(n);
        let r = if both {
            reference.forward(&x).to_vec()
        } else {
            Vec::new()
        };
        let (Property::Spec(spec) | Property::Joint(spec)) = self.property else {
            return Err(internal("a query of another kind"));
        };
        for (p, x) in x.chunks_exact(ends.len().max(1)).enumerate() {
            sampled.points += 1;
            let row = |y: &[f64]| y[p * y.len() / n..(p + 1) * y.len() / n].to_vec();
            let y = [row(&r), row(&k)].concat();
            if looks_met(spec, &y) {
                sampled.replayed += 1;
                sampled.satisfying += u64::from(self.satisfies(x)?);
            }
        }
        Ok(())
    }

    fn satisfies(&self, x: &[f64]) -> Result<bool, Diagnostic> {
        let Some(point) = self.space.snap(x) else {
            return Ok(false);
        };
        let b = self.bound;
        let replayed = b
            .subject
            .replay(&b.reference, &self.space, self.property, &point);
        let found = replayed.map_err(|t| internal(t.to_string()))?;
        Ok(found.is_some_and(|w| Assignment::of(b, &w).is_some()))
    }
}

fn looks_met(spec: &OutputSpec, y: &[f64]) -> bool {
    let scale = y.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    spec.cases.iter().any(|case| {
        case.iter().all(|c| {
            let (mut value, mut size) = (c.constant.to_f64(), 1.0);
            for (j, a) in &c.coefficients {
                let a = Exact::to_f64(a);
                value += a * y.get(*j).copied().unwrap_or(f64::NAN);
                size += a.abs();
            }
            value <= NEAR * scale * size
        })
    })
}
