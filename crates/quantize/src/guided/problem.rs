//! The objective of one kernel: examples, and the worst points found in regions so far.

use super::chain::{Chain, Tensors};
use super::examples::{Aim, Examples, RegionAim};
use super::loss::Loss;
use super::pass::{Pass, Wanted};
use super::rows::Rows;
use ceg4n_verify::attack::float::Net;
use std::collections::VecDeque;

/// Worst points that are kept per region and direction.
const MEMORY: usize = 3;

/// Steps of one search for a worst point.
const CLIMBS: usize = 3;

/// The objective and its points.
pub(super) struct Problem<'a> {
    pub chain: &'a Chain,
    pub rows: Rows,
    /// Rows that are data; behind them stand the points of regions.
    data: usize,
    regions: Vec<Pool<'a>>,
    reference: &'a Net,
    temperature: f64,
}

/// Points of one region.
struct Pool<'a> {
    region: &'a RegionAim,
    /// The weight of each point's loss.
    weight: f32,
    /// Per direction of search, the latest last.
    worst: Vec<VecDeque<Vec<f32>>>,
}

impl<'a> Problem<'a> {
    /// `share` is the weight of a mean region's point against the mean loss of the data.
    pub(super) fn new(
        chain: &'a Chain,
        reference: &'a Net,
        examples: &Examples,
        regions: &'a [RegionAim],
        share: f64,
    ) -> Self {
        let mut rows = Rows::new();
        let total: f64 = examples.weights.iter().map(|w| f64::from(*w)).sum();
        let (n, m) = examples.lens;
        if (n, m) == (chain.inputs, chain.outputs) && total > 0.0 {
            for i in 0..examples.len() {
                let weight = (f64::from(examples.weights[i]) / total) as f32;
                let (x, y) = (
                    &examples.inputs[i * n..(i + 1) * n],
                    &examples.outputs[i * m..(i + 1) * m],
                );
                rows.push(chain, x, y, examples.aims[i], weight);
            }
        }
        let sound = || regions.iter().filter(|r| r.is_sound(chain.inputs));
        let total: f64 = sound().map(|r| f64::from(r.weight)).sum();
        let pool = |region: &'a RegionAim| Pool {
            region,
            weight: (share * f64::from(region.weight) / total.max(1e-30)) as f32,
            worst: vec![VecDeque::new(); directions(region.aim, chain.outputs)],
        };
        let lead = examples.typical_lead();
        let mut problem = Self {
            chain,
            data: rows.len(),
            rows,
            regions: sound().map(pool).collect(),
            reference,
            temperature: 1.0,
        };
        problem.temperature = problem.temperature_of(lead);
        problem
    }

    /// A quarter of the typical lead, or of that at the regions' centres.
    fn temperature_of(&self, lead: f64) -> f64 {
        let mut lead = lead;
        if lead <= 0.0 {
            let mut centres = Examples::new(self.chain.inputs, self.chain.outputs);
            for pool in &self.regions {
                let y = self.answer(&pool.region.center);
                centres.push(&pool.region.center, &y, Aim::Fidelity, 1.0);
            }
            lead = centres.typical_lead();
        }
        if lead > 0.0 { lead / 4.0 } else { 1.0 }
    }

    /// The reference's outputs at a point.
    fn answer(&self, x: &[f32]) -> Vec<f32> {
        let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
        self.reference
            .outputs(&x)
            .iter()
            .map(|v| *v as f32)
            .collect()
    }

    /// Buffers for passes.
    pub(super) fn pass(&self) -> Pass<'a> {
        Pass::new(self.chain, Loss::new(self.chain.outputs, self.temperature))
    }

    /// The objective of mantissas.
    pub(super) fn objective(&self, pass: &mut Pass<'_>, mantissas: &Tensors) -> f64 {
        let mut values = self.chain.zeros();
        self.chain.values(mantissas, &mut values);
        pass.run(&values, &self.rows, 0..self.rows.len(), Wanted::Value)
    }

    /// Seeks the worst points of every region for these mantissas and adds them.
    pub(super) fn refresh(&mut self, pass: &mut Pass<'_>, mantissas: &Tensors) {
        let mut values = self.chain.zeros();
        self.chain.values(mantissas, &mut values);
        let mut regions = std::mem::take(&mut self.regions);
        for pool in &mut regions {
            for d in 0..pool.worst.len() {
                let x = self.worst(pass, &values, pool.region, d);
                let kept = &mut pool.worst[d];
                if kept.back() != Some(&x) {
                    kept.push_back(x);
                }
                if kept.len() > MEMORY {
                    kept.pop_front();
                }
            }
        }
        self.regions = regions;
        self.rows.truncate(self.data, self.chain.outputs);
        for pool in &self.regions {
            let points = pool.worst.iter().flatten();
            for x in std::iter::once(&pool.region.center).chain(points) {
                let y = self.answer(x);
                let aim = pool.region.aim;
                self.rows.push(self.chain, x, &y, aim, pool.weight);
            }
        }
    }

    /// The regions' points of which none misses its aim, and all regions, at worst points sought
    /// for these mantissas.
    pub(super) fn held(&self, pass: &mut Pass<'_>, mantissas: &Tensors) -> (usize, usize) {
        let mut values = self.chain.zeros();
        self.chain.values(mantissas, &mut values);
        let holds = |pass: &mut Pass<'_>, pool: &Pool<'_>| {
            (0..pool.worst.len()).all(|d| {
                let x = self.worst(pass, &values, pool.region, d);
                let n = self.answer(&x);
                let mut row = Rows::new();
                row.push(self.chain, &x, &n, pool.region.aim, 1.0);
                meets(pool.region.aim, pass.outputs(&values, row.row(0)), &n)
            })
        };
        let held = self.regions.iter().filter(|p| holds(pass, p)).count();
        (held, self.regions.len())
    }

    /// A point of a region where direction `d` of its aim is worst: corners by the signs of
    /// gradients.
    fn worst(
        &self,
        pass: &mut Pass<'_>,
        values: &Tensors,
        region: &RegionAim,
        d: usize,
    ) -> Vec<f32> {
        let mut x = region.center.clone();
        let mut best = (f64::INFINITY, x.clone());
        for _ in 0..=CLIMBS {
            let mut row = Rows::new();
            row.push(self.chain, &x, &[], region.aim, 1.0);
            let k = pass.outputs(values, row.row(0)).to_vec();
            let n = match region.aim {
                Aim::Within { .. } => self.answer(&x),
                Aim::Near { .. } | Aim::Fidelity | Aim::Class { .. } => vec![0.0; k.len()],
            };
            let form = self.form(region, d, &k);
            let value: f64 = form
                .iter()
                .zip(k.iter().zip(&n))
                .map(|(f, (k, n))| f64::from(*f) * (f64::from(*k) - f64::from(*n)))
                .sum();
            if value < best.0 {
                best = (value, x.clone());
            }
            let mut g = pass.input_gradient(values, &form);
            let mut slope = vec![1.0; x.len()];
            let mut passed = x.clone();
            self.chain
                .before
                .iter()
                .for_each(|e| e.apply(&mut passed, &mut slope));
            g.iter_mut().zip(&slope).for_each(|(g, s)| *g *= s);
            if let Aim::Within { .. } = region.aim {
                let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
                let form: Vec<f64> = form.iter().map(|f| f64::from(*f)).collect();
                let own = self.reference.gradient(&x, &form);
                g.iter_mut().zip(own).for_each(|(g, n)| *g -= n as f32);
            }
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

    /// The form of the outputs that direction `d` makes small.
    fn form(&self, region: &RegionAim, d: usize, k: &[f32]) -> Vec<f32> {
        let mut form = vec![0.0; k.len()];
        match region.aim {
            Aim::Fidelity => {}
            Aim::Class { class, .. } => {
                form[class] = 1.0;
                form[d + usize::from(d >= class)] -= 1.0;
            }
            Aim::Near { .. } => {
                let best = ceg4n_ir::kernel::argmax(k).unwrap_or(0);
                form[best] = 1.0;
                form[d] -= 1.0;
            }
            Aim::Within { .. } => form[d / 2] = if d % 2 == 0 { 1.0 } else { -1.0 },
        }
        form
    }
}

/// Directions in which an aim can be missed.
fn directions(aim: Aim, outputs: usize) -> usize {
    match aim {
        Aim::Fidelity => 0,
        Aim::Class { class, .. } if class < outputs => outputs - 1,
        Aim::Class { .. } => 0,
        Aim::Near { .. } => outputs,
        Aim::Within { .. } => 2 * outputs,
    }
}

/// True if outputs `k` meet the requirement behind an aim (no lead, the whole margin) where the
/// reference has `n`.
pub(super) fn meets(aim: Aim, k: &[f32], n: &[f32]) -> bool {
    let winner = ceg4n_ir::kernel::argmax(k);
    match aim {
        Aim::Fidelity => winner == ceg4n_ir::kernel::argmax(n),
        Aim::Class { class, .. } => winner == Some(class),
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
