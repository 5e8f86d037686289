//! Does the reference change its class on a region? Signed gradient steps on every margin of the
//! centre's class, all rivals together, each point on the way a candidate; what is claimed was
//! evaluated exactly.

use super::float::{BLOCK, Batch};
use super::frame::Frame;
use super::seeds;
use crate::budget::{Effort, Stop};
use crate::reference::Reference;
use crate::space::Space;
use crate::verdict::ClassChange;
use ceg4n_base::Exact;
use ceg4n_eval::strict_winner;
use ceg4n_ir::kernel::argmax;
use std::collections::BTreeSet;

/// Steps of one descent.
const STEPS: usize = 20;

/// Exact evaluations that may fail to confirm a change before the search gives up.
const MISSES: usize = 8;

/// What a search found out about the reference on a region.
#[derive(Clone, Debug, Default)]
pub struct ClassSearch {
    /// Two points with different strict winners, evaluated exactly.
    pub change: Option<ClassChange>,
    /// A point and its strict winner, evaluated exactly; the centre, if that has one.
    pub first: Option<(Vec<Exact>, usize)>,
}

/// Looks for two points of the region and the domain where the reference has different strict
/// winners. No change found says nothing about the region. Deterministic but for `stop`.
pub fn class_change(
    reference: &Reference,
    space: &Space,
    center: &[Exact],
    effort: &Effort,
    stop: &Stop,
) -> ClassSearch {
    let Some(frame) = Frame::new(space) else {
        return ClassSearch::default();
    };
    let mut hunt = Hunt {
        reference,
        space,
        frame: &frame,
        batch: reference.net().batch(BLOCK),
        found: ClassSearch::default(),
        misses: 0,
    };
    hunt.run(center, effort, stop);
    hunt.found
}

/// A descent on its way: a point where `rival` shall win.
#[derive(Clone)]
struct Walker {
    rival: usize,
    x: Vec<f64>,
    pattern: u64,
    /// The rival's lead at `x`.
    lead: f64,
}

struct Hunt<'a> {
    reference: &'a Reference,
    space: &'a Space,
    frame: &'a Frame,
    batch: Batch<'a>,
    found: ClassSearch,
    misses: usize,
}

impl Hunt<'_> {
    fn run(&mut self, center: &[Exact], effort: &Effort, stop: &Stop) {
        let mut points = seeds(self.space, center, effort.starts);
        points.iter_mut().for_each(|x| self.frame.settle(x));
        let Some(starts) = self.visit_all(&points) else {
            return;
        };
        let Some(class) = self.found.first.as_ref().map(|f| f.1) else {
            return;
        };
        let outputs = self.reference.output_len();
        let walker = |(x, (y, pattern)): (&Vec<f64>, &(Vec<f64>, u64)), rival: usize| Walker {
            rival,
            x: x.clone(),
            pattern: *pattern,
            lead: y[rival] - y[class],
        };
        let mut seen = vec![BTreeSet::new(); outputs];
        let mut best: Vec<Option<Walker>> = vec![None; outputs];
        let mut done = 0;
        // The centre alone first: it settles most regions that change at all.
        for upto in [1, points.len()] {
            let from = points[done..upto].iter().zip(&starts[done..upto]);
            let mut walkers: Vec<Walker> = from
                .flat_map(|p| (0..outputs).filter(|r| *r != class).map(move |r| walker(p, r)))
                .collect();
            walkers.sort_by(|a, b| b.lead.total_cmp(&a.lead));
            for _ in 0..STEPS {
                walkers.retain(|w| seen[w.rival].insert(w.pattern));
                if walkers.is_empty() {
                    break;
                }
                if stop.now().is_some() || self.advance(class, &mut walkers, 1.0) {
                    return;
                }
                for w in &walkers {
                    let b = &mut best[w.rival];
                    if b.as_ref().is_none_or(|b| b.lead < w.lead) {
                        *b = Some(w.clone());
                    }
                }
            }
            done = upto;
        }
        self.refine(class, best.into_iter().flatten().collect(), stop);
    }

    /// Shorter and shorter steps from the best points, for where full steps only jump to and fro.
    fn refine(&mut self, class: usize, mut walkers: Vec<Walker>, stop: &Stop) {
        walkers.sort_by(|a, b| b.lead.total_cmp(&a.lead));
        walkers.truncate(3);
        for step in 1..STEPS {
            let rate = 1.0 / (1.0 + step as f64 * 0.5);
            if stop.now().is_some() || self.advance(class, &mut walkers, rate) {
                return;
            }
        }
    }

    /// One step of every walker; true if that found a change or the search gives up.
    fn advance(&mut self, class: usize, walkers: &mut [Walker], rate: f64) -> bool {
        let (n, outputs) = (self.frame.len(), self.reference.output_len());
        let mut x = vec![0.0; BLOCK * n];
        let mut g = vec![0.0; BLOCK * n];
        let mut forms = vec![0.0; BLOCK * outputs];
        for chunk in walkers.chunks_mut(BLOCK) {
            forms.fill(0.0);
            for ((w, x), form) in chunk
                .iter()
                .zip(x.chunks_exact_mut(n))
                .zip(forms.chunks_exact_mut(outputs))
            {
                x.copy_from_slice(&w.x);
                form[w.rival] = 1.0;
                form[class] = -1.0;
            }
            let k = chunk.len();
            self.batch.forward(&x[..k * n]);
            self.batch
                .backward(&forms[..k * outputs], &mut g[..k * n]);
            for ((w, x), g) in chunk
                .iter_mut()
                .zip(x.chunks_exact_mut(n))
                .zip(g.chunks_exact(n))
            {
                self.frame.step(x, g, rate);
                w.x.copy_from_slice(x);
            }
            let y = self.batch.forward(&x[..k * n]).to_vec();
            for (i, (w, y)) in chunk.iter_mut().zip(y.chunks_exact(outputs)).enumerate() {
                w.pattern = self.batch.patterns()[i];
                w.lead = y[w.rival] - y[class];
                if self.visit(&w.x, y) {
                    return true;
                }
            }
        }
        false
    }

    /// Outputs and patterns of the starts; `None` if that found a change or the search gives up.
    fn visit_all(&mut self, points: &[Vec<f64>]) -> Option<Vec<(Vec<f64>, u64)>> {
        let mut all = Vec::with_capacity(points.len());
        for chunk in points.chunks(BLOCK) {
            let y = self.batch.forward(&chunk.concat()).to_vec();
            let y = y.chunks_exact(self.reference.output_len());
            for (i, (x, y)) in chunk.iter().zip(y).enumerate() {
                if self.visit(x, y) {
                    return None;
                }
                all.push((y.to_vec(), self.batch.patterns()[i]));
            }
        }
        Some(all)
    }

    /// Evaluates a point exactly if floating point sees a new class there. True if the search is
    /// over.
    fn visit(&mut self, x: &[f64], y: &[f64]) -> bool {
        let Some(guess) = argmax(y) else {
            return true;
        };
        if self.found.first.as_ref().is_some_and(|f| f.1 == guess) {
            return false;
        }
        let point = self.space.snap(x);
        let exact = point.and_then(|p| {
            let y = self.reference.outputs(&p).ok()?;
            Some((strict_winner(&y)?, p))
        });
        match (exact, &self.found.first) {
            (Some((class, p)), None) => self.found.first = Some((p, class)),
            (Some((class, p)), Some(f)) if f.1 != class => {
                self.found.change = Some(ClassChange {
                    a: f.clone(),
                    b: (p, class),
                });
                return true;
            }
            (Some(_) | None, _) => self.misses += 1,
        }
        self.misses >= MISSES
    }
}
