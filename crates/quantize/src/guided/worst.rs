//! Worst points of a box: corners by the signs of gradients.

use super::chain::{Chain, Tensors};
use super::examples::{Aim, RegionAim};
use super::pass::Pass;
use super::rows::Rows;
use ceg4n_ir::kernel::argmax;
use ceg4n_verify::attack::float::Net;

/// Steps of one search.
const CLIMBS: usize = 3;

/// Halvings of the balance between kernel and reference.
const BALANCES: usize = 10;

/// Classes of which every pair is searched where the reference changes class.
pub(super) const CLASSES: usize = 4;

/// A way to miss an aim.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    /// `K_class - K_rival` is small.
    Rival { class: usize, rival: usize },
    /// The kernel puts `wrong` before `right`, which leads by the margin in the reference.
    Swap {
        right: usize,
        wrong: usize,
        margin: f64,
    },
    /// `sign·(K_output - N_output)` is small.
    Output { output: usize, sign: f64 },
}

/// The ways to miss an aim; `n` are the reference's outputs at the region's centre.
pub(super) fn directions(aim: Aim, n: &[f32]) -> Vec<Direction> {
    let others = |c: usize| (0..n.len()).filter(move |j| *j != c);
    match aim {
        Aim::Fidelity | Aim::Lead { .. } => Vec::new(),
        Aim::Class { class, .. } if class >= n.len() => Vec::new(),
        Aim::Class { class, .. } => others(class)
            .map(|rival| Direction::Rival { class, rival })
            .collect(),
        Aim::Near { margin } => {
            let mut classes: Vec<usize> = (0..n.len()).collect();
            classes.sort_by(|a, b| n[*b].total_cmp(&n[*a]));
            classes.truncate(CLASSES);
            let pairs = classes
                .iter()
                .flat_map(|a| classes.iter().map(move |b| (*a, *b)));
            pairs
                .filter(|(a, b)| a != b)
                .map(|(right, wrong)| Direction::Swap {
                    right,
                    wrong,
                    margin,
                })
                .collect()
        }
        Aim::Within { .. } => (0..n.len())
            .flat_map(|output| [1.0, -1.0].map(|sign| Direction::Output { output, sign }))
            .collect(),
    }
}

/// Kernel and reference whose answers are compared.
pub(super) struct Search<'a> {
    pub chain: &'a Chain,
    pub reference: &'a Net,
}

impl Search<'_> {
    /// The reference's outputs at a point.
    pub(super) fn answer(&self, x: &[f32]) -> Vec<f32> {
        let y = self.reference.outputs(&widened(x));
        y.iter().map(|v| *v as f32).collect()
    }

    /// A point of the region where a direction is worst.
    pub(super) fn worst(
        &self,
        pass: &mut Pass<'_>,
        values: &Tensors,
        region: &RegionAim,
        direction: Direction,
    ) -> Vec<f32> {
        let steps = match direction {
            Direction::Rival { .. } | Direction::Output { .. } => CLIMBS,
            Direction::Swap { .. } => BALANCES,
        };
        let mut x = region.center.clone();
        let mut best = (f64::INFINITY, x.clone());
        let (mut balance, mut by) = (0.5, 0.25);
        for _ in 0..=steps {
            let mut row = Rows::new();
            row.push(self.chain, &x, &[], region.aim, 1.0);
            let k = pass.outputs(values, row.row(0)).to_vec();
            let n = match direction {
                Direction::Rival { .. } => Vec::new(),
                Direction::Swap { .. } | Direction::Output { .. } => self.answer(&x),
            };
            let (mut own, mut other) = (vec![0.0; k.len()], vec![0.0; n.len()]);
            let value = match direction {
                Direction::Rival { class, rival } => {
                    (own[class], own[rival]) = (1.0, -1.0);
                    lead(&k, class, rival)
                }
                // The worse of two linear functions is best where a mean of both is: the weights of
                // the mean are bisected.
                Direction::Swap {
                    right,
                    wrong,
                    margin,
                } => {
                    (own[right], own[wrong]) = (balance as f32, -balance as f32);
                    (other[right], other[wrong]) = (balance - 1.0, 1.0 - balance);
                    let behind = lead(&k, right, wrong);
                    let room = margin - lead(&n, right, wrong);
                    balance += if behind > room { by } else { -by };
                    by /= 2.0;
                    behind.max(room)
                }
                Direction::Output { output, sign } => {
                    (own[output], other[output]) = (sign as f32, -sign);
                    sign * (f64::from(k[output]) - f64::from(n[output]))
                }
            };
            if value < best.0 {
                best = (value, x.clone());
            }
            let g = self.gradient(pass, values, &x, &own, &other);
            for (i, g) in g.iter().enumerate() {
                if *g > 0.0 {
                    x[i] = region.lower[i];
                } else if *g < 0.0 {
                    x[i] = region.upper[i];
                }
            }
        }
        best.1
    }

    /// The gradient of forms of both outputs at the point of the last forward pass.
    pub(super) fn gradient(
        &self,
        pass: &mut Pass<'_>,
        values: &Tensors,
        x: &[f32],
        own: &[f32],
        other: &[f64],
    ) -> Vec<f32> {
        let mut g = pass.input_gradient(values, own);
        let mut slope = vec![1.0; x.len()];
        let mut passed = x.to_vec();
        let before = self.chain.before.iter();
        before.for_each(|e| e.apply(&mut passed, &mut slope));
        g.iter_mut().zip(&slope).for_each(|(g, s)| *g *= s);
        if !other.is_empty() {
            let by = self.reference.gradient(&widened(x), other);
            g.iter_mut().zip(by).for_each(|(g, n)| *g += n as f32);
        }
        g
    }
}

pub(super) fn widened(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

fn lead(y: &[f32], c: usize, j: usize) -> f64 {
    f64::from(y[c]) - f64::from(y[j])
}

/// True if outputs `k` meet the requirement behind an aim (no lead, the whole margin) where the
/// reference has `n`.
pub(super) fn meets(aim: Aim, k: &[f32], n: &[f32]) -> bool {
    let winner = argmax(k);
    match aim {
        Aim::Fidelity => winner == argmax(n),
        Aim::Class { class, .. } => winner == Some(class),
        Aim::Lead { right, wrong, .. } => match (k.get(right), k.get(wrong)) {
            (Some(a), Some(b)) => a >= b,
            (None, _) | (_, None) => false,
        },
        Aim::Near { margin } => {
            let most = n.iter().fold(f32::NEG_INFINITY, |m, v| m.max(*v));
            winner.is_some_and(|c| f64::from(most) - f64::from(n[c]) <= margin)
        }
        Aim::Within { eps } => {
            let mut pairs = k.iter().zip(n);
            pairs.all(|(k, n)| (f64::from(*k) - f64::from(*n)).abs() <= eps)
        }
    }
}
