//! What mantissas are chosen by: points with the reference's outputs, and boxes whose worst points
//! are sought.

use ceg4n_base::Exact;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Property, Region};
use ceg4n_verify::attack::float::BLOCK;
use ceg4n_verify::{Label, Reference};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the kernel `K` shall do where the reference is `N`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Outputs whose soft classes are those of the reference: cross-entropy at a temperature that
    /// follows from the reference's leads.
    Fidelity,
    /// `K_class ≥ K_j + lead` for every other `j`, in real units.
    Class {
        /// The class that shall win.
        class: usize,
        /// By how much.
        lead: f64,
    },
    /// `K_right ≥ K_wrong + lead`, in real units.
    Lead {
        /// The output that shall be greater.
        right: usize,
        /// The other one.
        wrong: usize,
        /// By how much.
        lead: f64,
    },
    /// `N_k ≥ max N - margin` for the kernel's class `k`, which shall lead every class outside the
    /// margin by half of it.
    Near {
        /// In real units of the reference.
        margin: f64,
    },
    /// `|K_j - N_j| ≤ eps` for every output; half of it is aimed at.
    Within {
        /// In real units.
        eps: f64,
    },
}

/// Points with the reference's outputs there and what is aimed at.
///
/// The weights of [`Aim::Fidelity`] count among themselves: the objective has their weighted mean
/// loss. A point with another aim, for instance a counterexample, counts as a worst point of a
/// region of the same weight.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    pub(super) inputs: Vec<f32>,
    pub(super) outputs: Vec<f32>,
    pub(super) aims: Vec<Aim>,
    pub(super) weights: Vec<f32>,
    pub(super) lens: (usize, usize),
}

impl Examples {
    /// No examples yet, for points of `inputs` and answers of `outputs` elements.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        Self {
            lens: (inputs, outputs),
            ..Self::default()
        }
    }

    /// Rows of data as [`Aim::Fidelity`] of weight 1, with the outputs of `reference`. `rows`
    /// stand one after the other; an incomplete last row is left out.
    pub fn from_rows(reference: &Reference, rows: &[f32]) -> Self {
        let mut all = Self::new(reference.input_len(), reference.output_len());
        all.push_rows(reference, rows, Aim::Fidelity, 1.0);
        all
    }

    /// Where there are no data: `n` random points of the regions and between pairs of them, as
    /// [`Aim::Fidelity`]. They say little of what other inputs look like, but keep the kernel from
    /// forgetting everything but the regions' classes.
    pub fn from_regions(reference: &Reference, regions: &[RegionAim], n: usize, seed: u64) -> Self {
        let mut all = Self::new(reference.input_len(), reference.output_len());
        let sound = regions.iter().filter(|r| r.is_sound(all.lens.0));
        let sound: Vec<&RegionAim> = sound.collect();
        if sound.is_empty() {
            return all;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut rows = Vec::with_capacity(n * all.lens.0);
        for _ in 0..n {
            let pair = [0, 1].map(|_| sound[rng.random_range(0..sound.len())]);
            let t: f32 = rng.random_range(0.0..=1.0);
            let points = pair.map(|r| {
                let sides = r.lower.iter().zip(&r.upper);
                let at = sides.map(|(l, u)| l + rng.random_range(0.0f32..=1.0) * (u - l));
                at.collect::<Vec<f32>>()
            });
            let both = points[0].iter().zip(&points[1]);
            rows.extend(both.map(|(a, b)| a + t * (b - a)));
        }
        all.push_rows(reference, &rows, Aim::Fidelity, 1.0);
        all
    }

    /// Adds rows as [`Self::from_rows`] takes them, all with one aim and weight.
    pub fn push_rows(&mut self, reference: &Reference, rows: &[f32], aim: Aim, weight: f32) {
        let net = reference.net();
        let mut batch = net.batch(BLOCK);
        let whole = rows.len() / self.lens.0.max(1) * self.lens.0;
        for block in rows[..whole].chunks(BLOCK * self.lens.0.max(1)) {
            let x: Vec<f64> = block.iter().map(|v| f64::from(*v)).collect();
            let y = batch.forward(&x).iter().map(|v| *v as f32);
            self.outputs.extend(y);
            self.inputs.extend_from_slice(block);
        }
        let n = self.inputs.len() / self.lens.0.max(1);
        self.aims.resize(n, aim);
        self.weights.resize(n, weight);
    }

    /// Adds one point with the reference's outputs; refuses (false) other lengths and numbers that
    /// are not finite.
    pub fn push(&mut self, x: &[f32], reference: &[f32], aim: Aim, weight: f32) -> bool {
        let finite = x.iter().chain(reference).all(|v| v.is_finite());
        if (x.len(), reference.len()) != self.lens || !finite || !weight.is_finite() {
            return false;
        }
        self.inputs.extend_from_slice(x);
        self.outputs.extend_from_slice(reference);
        self.aims.push(aim);
        self.weights.push(weight);
        true
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.aims.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.aims.is_empty()
    }

    /// The weight of all with [`Aim::Fidelity`].
    pub(super) fn fidelity(&self) -> f64 {
        let all = self.aims.iter().zip(&self.weights);
        let some = all.filter(|(a, _)| **a == Aim::Fidelity);
        some.map(|(_, w)| f64::from(*w)).sum()
    }

    /// At most about `n` of the [`Aim::Fidelity`] ones, evenly spaced, and all others.
    pub(super) fn sample(&self, n: usize) -> Self {
        let step = self.len().div_ceil(n.max(1)).max(1);
        let mut some = Self::new(self.lens.0, self.lens.1);
        let chosen = |i: &usize| i.is_multiple_of(step) || self.aims[*i] != Aim::Fidelity;
        for i in (0..self.len()).filter(chosen) {
            let (n, m) = self.lens;
            some.push(
                &self.inputs[i * n..(i + 1) * n],
                &self.outputs[i * m..(i + 1) * m],
                self.aims[i],
                self.weights[i],
            );
        }
        some
    }

    /// The median lead of the winner over the others at these points; 0 without points.
    pub fn typical_lead(&self) -> f64 {
        let outputs = self.outputs.chunks_exact(self.lens.1.max(1));
        let mut leads: Vec<f64> = outputs.map(lead).collect();
        leads.sort_by(f64::total_cmp);
        leads.get(leads.len() / 2).copied().unwrap_or(0.0)
    }
}

/// The lead of the largest output over the second; the magnitude of a lone one.
fn lead(y: &[f32]) -> f64 {
    if let [y] = y {
        return f64::from(y.abs());
    }
    let Some(c) = argmax(y) else { return 0.0 };
    let rivals = y.iter().enumerate().filter(|(j, _)| *j != c);
    let least = rivals.map(|(_, v)| f64::from(y[c]) - f64::from(*v));
    least.fold(f64::INFINITY, f64::min)
}

/// A box on which an aim holds; its worst points are sought while mantissas change.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionAim {
    /// Least inputs.
    pub lower: Vec<f32>,
    /// Greatest inputs.
    pub upper: Vec<f32>,
    /// Where the search for worst points starts.
    pub center: Vec<f32>,
    /// What is aimed at on the whole box.
    pub aim: Aim,
    /// Against 1 for other regions.
    pub weight: f32,
}

impl RegionAim {
    /// What a property asks for on a region whose reference has `label` there: a robust class
    /// shall lead by `lead`; the others follow from the property.
    pub fn new(region: &Region, label: &Label, property: &Property, lead: f64) -> Self {
        let near = |v: &[Exact]| v.iter().map(|v| v.to_f64() as f32).collect();
        let aim = match (property, label) {
            (
                Property::Top1 | Property::Top1Margin(_) | Property::TopK(_),
                Label::Robust(class),
            ) => Aim::Class {
                class: *class,
                lead,
            },
            (Property::Top1Margin(m), Label::Changes(_) | Label::Undecided) => {
                Aim::Near { margin: m.to_f64() }
            }
            (Property::Eps(e), _) => Aim::Within { eps: e.to_f64() },
            (Property::Top1 | Property::TopK(_) | Property::Spec(_) | Property::Joint(_), _) => {
                Aim::Fidelity
            }
        };
        Self {
            lower: near(&region.lower),
            upper: near(&region.upper),
            center: near(&region.center()),
            aim,
            weight: 1.0,
        }
    }

    /// True for a box of `inputs` finite elements.
    pub(super) fn is_sound(&self, inputs: usize) -> bool {
        let sides = [&self.lower, &self.upper, &self.center];
        let finite = |v: &&Vec<f32>| v.len() == inputs && v.iter().all(|v| v.is_finite());
        sides.iter().all(finite) && self.weight.is_finite()
    }
}
