//! The objective of one kernel: examples, and the worst points found in regions so far.

use super::chain::{Chain, Tensors};
use super::close::{Close, closes, corners};
use super::examples::{Aim, Examples, RegionAim};
use super::loss::Loss;
use super::pass::{Pass, Wanted};
use super::rows::Rows;
use super::worst::{Direction, Search, directions, meets};
use ceg4n_verify::attack::float::Net;
use std::cell::RefCell;
use std::collections::VecDeque;

/// Worst points that are kept per region and direction.
const MEMORY: usize = 3;

/// The objective and its points.
pub(super) struct Problem<'a> {
    pub chain: &'a Chain,
    pub rows: Rows,
    /// Rows that are data; behind them stand the points of regions.
    data: usize,
    regions: Vec<Pool<'a>>,
    search: Search<'a>,
    /// Differences whose worst corners are sought for every step.
    closes: RefCell<Vec<Close<'a>>>,
    temperature: f64,
}

/// Points of one region.
struct Pool<'a> {
    region: &'a RegionAim,
    /// The weight of each point's loss.
    weight: f32,
    /// Per direction of search, the latest last.
    worst: Vec<(Direction, VecDeque<Vec<f32>>)>,
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
        let sound = || regions.iter().filter(|r| r.is_sound(chain.inputs));
        let total: f64 = sound().map(|r| f64::from(r.weight)).sum();
        let point = share / if total > 0.0 { total } else { 1.0 };
        let mut rows = Rows::new();
        let (n, m) = examples.lens;
        if (n, m) == (chain.inputs, chain.outputs) {
            let row = 1.0 / examples.fidelity().max(1e-30);
            for i in 0..examples.len() {
                let x = &examples.inputs[i * n..(i + 1) * n];
                let y = &examples.outputs[i * m..(i + 1) * m];
                let aim = examples.aims[i];
                let by = if aim == Aim::Fidelity { row } else { point };
                let weight = f64::from(examples.weights[i]) * by;
                rows.push(chain, x, y, aim, weight as f32);
            }
        }
        let search = Search { chain, reference };
        let pool = |region: &'a RegionAim| Pool {
            region,
            weight: (point * f64::from(region.weight)) as f32,
            worst: directions(region.aim, &search.answer(&region.center))
                .into_iter()
                .map(|d| (d, VecDeque::new()))
                .collect(),
        };
        let weight = |r: &RegionAim| (point * f64::from(r.weight)) as f32;
        let differences = sound()
            .flat_map(|r| closes(&search, r, weight(r)))
            .collect();
        let lead = examples.typical_lead();
        let mut problem = Self {
            closes: RefCell::new(differences),
            chain,
            data: rows.len(),
            rows,
            regions: sound().map(pool).collect(),
            search,
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
                let y = self.search.answer(&pool.region.center);
                centres.push(&pool.region.center, &y, Aim::Fidelity, 1.0);
            }
            lead = centres.typical_lead();
        }
        if lead > 0.0 { lead / 4.0 } else { 1.0 }
    }

    /// Buffers for passes.
    pub(super) fn pass(&self) -> Pass<'a> {
        Pass::new(self.chain, Loss::new(self.chain.outputs, self.temperature))
    }

    /// The objective of mantissas.
    pub(super) fn objective(&self, pass: &mut Pass<'_>, mantissas: &Tensors) -> f64 {
        self.objective_at(pass, &self.chain.values_of(mantissas))
    }

    /// The objective of values of the params.
    pub(super) fn objective_at(&self, pass: &mut Pass<'_>, values: &Tensors) -> f64 {
        let points = pass.run(values, &self.rows, 0..self.rows.len(), Wanted::Value);
        points + self.differences(pass, values, true, Wanted::Value)
    }

    /// The part of the objective that worst corners for these very values make; what is wanted of
    /// it is added to. Only `all` of them tell which are worth a look in every step.
    pub(super) fn differences(
        &self,
        pass: &mut Pass<'_>,
        values: &Tensors,
        all: bool,
        wanted: Wanted<'_>,
    ) -> f64 {
        let mut closes = self.closes.borrow_mut();
        let rows = corners(&mut closes, &self.search, pass, values, all);
        pass.run(values, &rows, 0..rows.len(), wanted)
    }

    /// Seeks the worst points of every region for these values of the params and adds them.
    pub(super) fn refresh(&mut self, pass: &mut Pass<'_>, values: &Tensors) {
        let mut regions = std::mem::take(&mut self.regions);
        for pool in &mut regions {
            for (direction, kept) in &mut pool.worst {
                let x = self.search.worst(pass, values, pool.region, *direction);
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
            let points = pool.worst.iter().flat_map(|(_, kept)| kept);
            for x in std::iter::once(&pool.region.center).chain(points) {
                let y = self.search.answer(x);
                let aim = pool.region.aim;
                self.rows.push(self.chain, x, &y, aim, pool.weight);
            }
        }
    }

    /// Regions whose requirement holds at every worst point found for these mantissas, and all.
    pub(super) fn held(&self, pass: &mut Pass<'_>, mantissas: &Tensors) -> (usize, usize) {
        let values = self.chain.values_of(mantissas);
        let holds = |pass: &mut Pass<'_>, pool: &Pool<'_>| {
            pool.worst.iter().all(|(direction, _)| {
                let x = self.search.worst(pass, &values, pool.region, *direction);
                let n = self.search.answer(&x);
                let mut row = Rows::new();
                row.push(self.chain, &x, &n, pool.region.aim, 1.0);
                meets(pool.region.aim, pass.outputs(&values, row.row(0)), &n)
            })
        };
        let held = self.regions.iter().filter(|p| holds(pass, p)).count();
        (held, self.regions.len())
    }
}
