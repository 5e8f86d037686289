//! Signed gradient ascent of many walkers at once: every goal from every start, in blocks.
//!
//! A network is linear where its active neurons stay the same, so a walker that comes to a
//! pattern which another one with its goal has seen would repeat that one's steps: it ends there.

use super::float::{BLOCK, Batch, Net};
use super::frame::Frame;
use crate::budget::Stop;
use crate::subject::Trouble;
use std::collections::BTreeSet;

/// Steps of one ascent.
const STEPS: usize = 20;

/// What each of the shorter steps keeps of the one before.
const SHORTER: f64 = 0.75;

/// Walkers that go on with shorter steps: in regions of up to [`FEW`] inputs, and in larger ones.
const REFINED: [usize; 2] = [8, 3];

/// What counts as few inputs.
pub(crate) const FEW: usize = 64;

/// Outputs of both programs at a point; empty where a program takes no part.
#[derive(Clone, Copy)]
pub(crate) struct Outs<'a> {
    pub(crate) kernel: &'a [f64],
    pub(crate) reference: &'a [f64],
}

/// What is sought.
pub(crate) trait Game {
    /// Adds the coefficients of the form of the outputs that shall grow towards a goal.
    fn pull(&self, goal: usize, at: Outs<'_>, kernel: &mut [f64], reference: &mut [f64]);

    /// How near a goal is; larger is nearer.
    fn value(&self, goal: usize, at: Outs<'_>) -> f64;

    /// Sees every point on the way; true ends the search.
    ///
    /// # Errors
    /// A defect found by replay.
    fn visit(&mut self, x: &[f64], at: Outs<'_>) -> Result<bool, Trouble>;
}

/// A point on its way to a goal.
#[derive(Clone)]
pub(crate) struct Walker {
    pub(crate) goal: usize,
    pub(crate) x: Vec<f64>,
    pub(crate) value: f64,
    start: usize,
    pattern: u64,
}

/// The programs that take part, with buffers.
pub(crate) struct Climb<'a> {
    frame: &'a Frame,
    kernel: Option<Side<'a>>,
    reference: Option<Side<'a>>,
    x: Vec<f64>,
}

struct Side<'a> {
    batch: Batch<'a>,
    /// Outputs of the points evaluated last.
    outputs: Vec<f64>,
    forms: Vec<f64>,
    gradients: Vec<f64>,
    width: usize,
}

impl<'a> Side<'a> {
    fn new(net: &'a Net) -> Self {
        Self {
            batch: net.batch(BLOCK),
            outputs: Vec::new(),
            forms: Vec::new(),
            gradients: vec![0.0; BLOCK * net.input_len()],
            width: net.output_len(),
        }
    }

    fn forward(&mut self, x: &[f64]) {
        self.outputs.clear();
        self.outputs.extend_from_slice(self.batch.forward(x));
    }

    fn backward(&mut self, points: usize, inputs: usize) {
        let g = &mut self.gradients[..points * inputs];
        if self.forms.iter().all(|f| *f == 0.0) {
            g.fill(0.0);
        } else {
            self.batch.backward(&self.forms, g);
        }
    }
}

impl<'a> Climb<'a> {
    pub(crate) fn new(
        frame: &'a Frame,
        kernel: Option<&'a Net>,
        reference: Option<&'a Net>,
    ) -> Self {
        Self {
            frame,
            kernel: kernel.map(Side::new),
            reference: reference.map(Side::new),
            x: vec![0.0; BLOCK * frame.len()],
        }
    }

    /// Evaluates up to a block of points that stand in `self.x`.
    fn forward(&mut self, points: usize) {
        let x = &self.x[..points * self.frame.len()];
        for side in [&mut self.kernel, &mut self.reference]
            .into_iter()
            .flatten()
        {
            side.forward(x);
        }
    }

    fn outs(&self, i: usize) -> Outs<'_> {
        let of =
            |s: &'_ Option<Side<'a>>| s.as_ref().map_or(0..0, |s| i * s.width..(i + 1) * s.width);
        let (k, n) = (of(&self.kernel), of(&self.reference));
        Outs {
            kernel: self.kernel.as_ref().map_or(&[], |s| &s.outputs[k]),
            reference: self.reference.as_ref().map_or(&[], |s| &s.outputs[n]),
        }
    }

    fn pattern(&self, i: usize) -> u64 {
        let of = |s: &Option<Side<'a>>| s.as_ref().map_or(0, |s| s.batch.patterns()[i]);
        of(&self.kernel).rotate_left(32) ^ of(&self.reference)
    }

    /// Evaluates points and shows them to the game; true if that ended the search.
    ///
    /// # Errors
    /// A defect found by replay.
    pub(crate) fn look(
        &mut self,
        points: &[Vec<f64>],
        game: &mut impl Game,
    ) -> Result<bool, Trouble> {
        for chunk in points.chunks(BLOCK) {
            self.load(chunk.iter().map(Vec::as_slice));
            self.forward(chunk.len());
            for (i, x) in chunk.iter().enumerate() {
                if game.visit(x, self.outs(i))? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The outputs at one point.
    pub(crate) fn one(&mut self, x: &[f64]) -> Outs<'_> {
        self.load(std::iter::once(x));
        self.forward(1);
        self.outs(0)
    }

    /// The gradient of the reference's output `j` less its output `k` at a point; zero without a
    /// reference.
    pub(crate) fn reference_gradient(&mut self, x: &[f64], j: usize, k: usize) -> Vec<f64> {
        let mut g = vec![0.0; self.frame.len()];
        if let Some(side) = &mut self.reference {
            let mut form = vec![0.0; side.width];
            form[j] += 1.0;
            form[k] -= 1.0;
            side.forward(x);
            side.batch.backward(&form, &mut g);
        }
        g
    }

    fn load<'x>(&mut self, points: impl Iterator<Item = &'x [f64]>) {
        let n = self.frame.len().max(1);
        for (to, x) in self.x.chunks_exact_mut(n).zip(points) {
            to.copy_from_slice(x);
        }
    }

    /// Climbs to every goal from every start: the first start alone to begin with (it settles most
    /// questions), then the others, then shorter steps from the best points. `None` if the search
    /// ended, else the best walker of each goal, nearest goal first.
    ///
    /// # Errors
    /// A defect found by replay.
    pub(crate) fn run(
        &mut self,
        game: &mut impl Game,
        goals: &[usize],
        starts: &[Vec<f64>],
        stop: &Stop,
    ) -> Result<Option<Vec<Walker>>, Trouble> {
        let mut seen: BTreeSet<(usize, u64)> = BTreeSet::new();
        let mut best: Vec<Walker> = Vec::new();
        let mut hopeful: Vec<Walker> = Vec::new();
        let refined = REFINED[usize::from(self.frame.len() > FEW)];
        let mut keep = |best: &mut Vec<Walker>, walkers: &[Walker]| {
            keep_best(best, walkers, one_goal, goals.len());
            keep_best(&mut hopeful, walkers, one_walk, refined);
        };
        for group in [0..starts.len().min(1), starts.len().min(1)..starts.len()] {
            let mut walkers = self.start(game, goals, starts, group);
            keep(&mut best, &walkers);
            for _ in 0..STEPS {
                walkers.retain(|w| seen.insert((w.goal, w.pattern)));
                if walkers.is_empty() {
                    break;
                }
                if stop.now().is_some() || self.advance(game, &mut walkers, 1.0)? {
                    return Ok(None);
                }
                keep(&mut best, &walkers);
            }
        }
        let mut walkers = hopeful;
        for step in 1..STEPS {
            let before = walkers.clone();
            let rate = SHORTER.powi(step as i32);
            if stop.now().is_some() || self.advance(game, &mut walkers, rate)? {
                return Ok(None);
            }
            // A step that led away is taken back, to be tried shorter.
            for (now, before) in walkers.iter_mut().zip(before) {
                if before.value > now.value {
                    *now = before;
                }
            }
            keep_best(&mut best, &walkers, one_goal, goals.len());
        }
        best.sort_by(|a, b| b.value.total_cmp(&a.value));
        Ok(Some(best))
    }

    /// A walker per goal and start of a range of starts, nearest goals first.
    fn start(
        &mut self,
        game: &impl Game,
        goals: &[usize],
        starts: &[Vec<f64>],
        which: std::ops::Range<usize>,
    ) -> Vec<Walker> {
        let mut walkers = Vec::with_capacity(goals.len() * which.len());
        let which: Vec<usize> = which.collect();
        for chunk in which.chunks(BLOCK) {
            self.load(chunk.iter().map(|s| starts[*s].as_slice()));
            self.forward(chunk.len());
            for (i, start) in chunk.iter().enumerate() {
                let (at, pattern) = (self.outs(i), self.pattern(i));
                walkers.extend(goals.iter().map(|goal| Walker {
                    goal: *goal,
                    x: starts[*start].clone(),
                    value: game.value(*goal, at),
                    start: *start,
                    pattern,
                }));
            }
        }
        walkers.sort_by(|a, b| b.value.total_cmp(&a.value));
        walkers
    }

    /// One step of every walker; true if that ended the search.
    fn advance(
        &mut self,
        game: &mut impl Game,
        walkers: &mut [Walker],
        rate: f64,
    ) -> Result<bool, Trouble> {
        for chunk in walkers.chunks_mut(BLOCK) {
            self.load(chunk.iter().map(|w| w.x.as_slice()));
            self.forward(chunk.len());
            self.gradients(game, chunk);
            self.step(chunk, rate);
            self.load(chunk.iter().map(|w| w.x.as_slice()));
            self.forward(chunk.len());
            for (i, w) in chunk.iter_mut().enumerate() {
                w.pattern = self.pattern(i);
                w.value = game.value(w.goal, self.outs(i));
                if game.visit(&w.x, self.outs(i))? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Gradients of both programs for a block of walkers whose points were evaluated last.
    fn gradients(&mut self, game: &impl Game, walkers: &[Walker]) {
        let width = |s: &Option<Side<'a>>| s.as_ref().map_or(0, |s| s.width);
        let (wk, wn) = (width(&self.kernel), width(&self.reference));
        let mut kernel = vec![0.0; walkers.len() * wk];
        let mut reference = vec![0.0; walkers.len() * wn];
        for (i, w) in walkers.iter().enumerate() {
            let k = &mut kernel[i * wk..(i + 1) * wk];
            let n = &mut reference[i * wn..(i + 1) * wn];
            game.pull(w.goal, self.outs(i), k, n);
        }
        let n = self.frame.len();
        for (side, forms) in [(&mut self.kernel, kernel), (&mut self.reference, reference)] {
            if let Some(side) = side {
                side.forms = forms;
                side.backward(walkers.len(), n);
            }
        }
    }

    fn step(&self, walkers: &mut [Walker], rate: f64) {
        let n = self.frame.len();
        for (i, w) in walkers.iter_mut().enumerate() {
            match (
                gradient(&self.kernel, i, n),
                gradient(&self.reference, i, n),
            ) {
                (Some(k), Some(r)) => self.frame.step_both(&mut w.x, k, r, rate),
                (Some(g), None) | (None, Some(g)) => self.frame.step(&mut w.x, g, rate),
                (None, None) => {}
            }
        }
    }
}

/// The gradient at point `i` of `n` inputs.
fn gradient<'s>(side: &'s Option<Side<'_>>, i: usize, n: usize) -> Option<&'s [f64]> {
    side.as_ref().map(|s| &s.gradients[i * n..(i + 1) * n])
}

/// Keeps the best state of each walker that `same` tells apart, `most` of them.
fn keep_best(
    best: &mut Vec<Walker>,
    walkers: &[Walker],
    same: fn(&Walker, &Walker) -> bool,
    most: usize,
) {
    for w in walkers {
        let place = match best.iter().position(|b| same(b, w)) {
            Some(i) => i,
            None if best.len() < most => {
                best.push(w.clone());
                continue;
            }
            None => {
                let worst = best.iter().enumerate();
                let worst = worst.min_by(|a, b| a.1.value.total_cmp(&b.1.value));
                worst.map_or(0, |(i, _)| i)
            }
        };
        if best.get(place).is_some_and(|b| b.value < w.value) {
            best[place] = w.clone();
        }
    }
}

fn one_goal(a: &Walker, b: &Walker) -> bool {
    a.goal == b.goal
}

fn one_walk(a: &Walker, b: &Walker) -> bool {
    (a.goal, a.start) == (b.goal, b.start)
}
