//! How far one answer is from its aim: value, gradient and the diagonal of the Gauss-Newton
//! curvature, all with respect to the kernel's outputs in real units.

use super::examples::Aim;
use super::numeric::{exp, ln};

/// The share of an eps that is aimed at, so that unseen points have room.
const SHARE: f64 = 0.5;

/// Classes further behind than this share of the margin count as beyond it, and the kernel's lead
/// over them shall be the other share: room on both sides for unseen points.
const BEYOND: (f64, f64) = (0.75, 0.1);

/// Losses of one network's outputs.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    /// In real units: differences of so much between outputs count as a step of 1.
    temperature: f64,
    soft: Vec<f64>,
    own: Vec<f64>,
}

impl Loss {
    pub(super) fn new(outputs: usize, temperature: f64) -> Self {
        Self {
            temperature,
            soft: vec![0.0; outputs],
            own: vec![0.0; outputs],
        }
    }

    /// The loss of outputs `k` where the reference has `n`. Fills gradient and curvature.
    pub(super) fn at(
        &mut self,
        aim: Aim,
        k: &[f32],
        n: &[f32],
        gradient: &mut [f32],
        curvature: &mut [f32],
    ) -> f64 {
        gradient.fill(0.0);
        curvature.fill(0.0);
        match aim {
            Aim::Fidelity if k.len() < 2 => {
                let mut sum = 0.0;
                for (j, (k, n)) in k.iter().zip(n).enumerate() {
                    let d = (f64::from(*k) - f64::from(*n)) / self.temperature;
                    sum += d * d;
                    gradient[j] = (2.0 * d / self.temperature) as f32;
                    curvature[j] = (2.0 / self.temperature / self.temperature) as f32;
                }
                sum
            }
            Aim::Fidelity => self.divergence(k, n, gradient, curvature),
            Aim::Class { class, lead } => {
                let mut sum = 0.0;
                for j in (0..k.len()).filter(|j| *j != class && class < k.len()) {
                    sum += self.hinge(k, (class, j), lead, gradient, curvature);
                }
                sum
            }
            Aim::Lead { right, wrong, lead } if right.max(wrong) < k.len() => {
                self.hinge(k, (right, wrong), lead, gradient, curvature)
            }
            Aim::Lead { .. } => 0.0,
            Aim::Near { margin } => self.near(k, n, margin, gradient, curvature),
            Aim::Within { eps } => self.within(k, n, eps, gradient, curvature),
        }
    }

    /// Kullback-Leibler divergence from the reference's soft classes to the kernel's.
    fn divergence(&mut self, k: &[f32], n: &[f32], g: &mut [f32], h: &mut [f32]) -> f64 {
        let t = self.temperature;
        softmax(n, t, &mut self.soft);
        softmax(k, t, &mut self.own);
        let mut sum = 0.0;
        for (j, (p, q)) in self.soft.iter().zip(&self.own).enumerate() {
            if *p > 1e-30 {
                sum += p * (ln(*p) - ln(q.max(1e-300)));
            }
            g[j] = ((q - p) / t) as f32;
            h[j] = (q * (1.0 - q) / (t * t)) as f32;
        }
        sum.max(0.0)
    }

    /// The lack `u` of `k[c] - k[j]` against `lead`, in temperatures, as `u + u²`: the linear part
    /// keeps pushing until nothing lacks.
    fn hinge(
        &self,
        k: &[f32],
        (c, j): (usize, usize),
        lead: f64,
        g: &mut [f32],
        h: &mut [f32],
    ) -> f64 {
        let (loss, slope, bend) = self.lack(lead - (f64::from(k[c]) - f64::from(k[j])));
        g[c] -= slope;
        g[j] += slope;
        h[c] += bend;
        h[j] += bend;
        loss
    }

    /// Value, slope and bend of a lack in real units; nothing where it is negative.
    fn lack(&self, lack: f64) -> (f64, f32, f32) {
        let (u, t) = (lack / self.temperature, self.temperature);
        if u <= 0.0 {
            return (0.0, 0.0, 0.0);
        }
        let slope = (1.0 + 2.0 * u) / t;
        (u + u * u, slope as f32, (2.0 / (t * t)) as f32)
    }

    /// Every class beyond the margin shall stay behind the best one within it.
    fn near(&self, k: &[f32], n: &[f32], margin: f64, g: &mut [f32], h: &mut [f32]) -> f64 {
        let most = n.iter().fold(f32::NEG_INFINITY, |m, v| m.max(*v));
        let far = |j: usize| f64::from(most) - f64::from(n[j]) > margin * BEYOND.0;
        let allowed = (0..k.len()).filter(|j| !far(*j));
        let Some(best) = allowed.max_by(|a, b| k[*a].total_cmp(&k[*b]).then(b.cmp(a))) else {
            return 0.0;
        };
        let lead = margin * BEYOND.1;
        let beyond = (0..k.len()).filter(|j| far(*j));
        beyond.map(|j| self.hinge(k, (best, j), lead, g, h)).sum()
    }

    fn within(&self, k: &[f32], n: &[f32], eps: f64, g: &mut [f32], h: &mut [f32]) -> f64 {
        let mut sum = 0.0;
        for (j, (k, n)) in k.iter().zip(n).enumerate() {
            let d = f64::from(*k) - f64::from(*n);
            let (loss, slope, bend) = self.lack(d.abs() - SHARE * eps);
            sum += loss;
            g[j] = slope * d.signum() as f32;
            h[j] = bend;
        }
        sum
    }
}

/// `softmax(y/t)`.
fn softmax(y: &[f32], t: f64, out: &mut [f64]) {
    let most = y.iter().fold(f32::NEG_INFINITY, |m, v| m.max(*v));
    let mut sum = 0.0;
    for (o, v) in out.iter_mut().zip(y) {
        *o = exp((f64::from(*v) - f64::from(most)) / t);
        sum += *o;
    }
    out.iter_mut().for_each(|o| *o /= sum);
}

#[cfg(test)]
mod tests {
    use super::{Aim, Loss};

    /// Gradients against central differences, for every aim.
    #[test]
    fn gradients_are_those_of_the_value() {
        let n = [0.3f32, 1.1, -0.4, 0.9];
        let aims = [
            Aim::Fidelity,
            Aim::Class {
                class: 2,
                lead: 0.7,
            },
            Aim::Near { margin: 0.15 },
            Aim::Within { eps: 0.2 },
        ];
        for aim in aims {
            let mut loss = Loss::new(4, 0.5);
            let k = [0.11f32, 0.52, 0.13, 0.94];
            let (mut g, mut h, mut sink) = ([0.0; 4], [0.0; 4], [0.0; 4]);
            assert!(loss.at(aim, &k, &n, &mut g, &mut h) > 0.0);
            for j in 0..4 {
                let mut at = |d: f32| {
                    let mut k = k;
                    k[j] += d;
                    loss.at(aim, &k, &n, &mut sink, &mut [0.0; 4])
                };
                let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
                assert!(
                    (slope - f64::from(g[j])).abs() < 2e-3 * (1.0 + slope.abs()),
                    "{aim:?} {j}"
                );
                assert!(h[j] >= 0.0);
            }
        }
    }

    #[test]
    fn what_is_met_costs_nothing() {
        let mut loss = Loss::new(3, 1.0);
        let (mut g, mut h) = ([1.0; 3], [1.0; 3]);
        let n = [0.0f32, 2.0, 1.0];
        let aims = [
            Aim::Fidelity,
            Aim::Class {
                class: 1,
                lead: 1.0,
            },
            Aim::Near { margin: 0.5 },
            Aim::Within { eps: 0.1 },
        ];
        for aim in aims {
            assert!(loss.at(aim, &n, &n, &mut g, &mut h) < 1e-12);
            assert!(g.iter().all(|g| g.abs() < 1e-6));
        }
    }
}
