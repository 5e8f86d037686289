//! Candidates of the loop: built, evaluated on points, and put before the verifier.

use crate::engine::{Engine, Timed};
use crate::parallel::parallel;
use crate::progress::Event;
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_eval::strict_winner;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Annotation, Annotations, Checked, Program, Property};
use ceg4n_jit::CodeCache;
use ceg4n_quantize::Assignment;
use ceg4n_refine::{Candidate, Counterexample, Evaluate, Verify};
use ceg4n_search::AnnotationSpace;
use ceg4n_verify::subject::breaks_at;
use ceg4n_verify::{Reference, RegionResult, Subject};
use std::time::Instant;

/// Cheap evaluation on the stored points; the reference's outputs there are kept.
pub(crate) struct Points<'a> {
    space: &'a AnnotationSpace,
    reference: Reference,
    properties: Vec<Property>,
    cache: CodeCache,
    jobs: usize,
    known: Vec<Vec<Exact>>,
    /// Seconds spent.
    pub seconds: f64,
}

impl<'a> Points<'a> {
    pub(crate) fn new(space: &'a AnnotationSpace, engine: &Engine<'_>, jobs: usize) -> Self {
        Self {
            space,
            reference: engine.reference.clone(),
            properties: engine.asked.iter().map(|a| a.property.clone()).collect(),
            cache: engine.cache.clone(),
            jobs,
            known: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Evaluates the reference on new points. Where that fails the point decides nothing.
    fn learn(&mut self, points: &[Counterexample]) {
        for p in points.iter().skip(self.known.len()) {
            self.known
                .push(self.reference.outputs(&p.x).unwrap_or_default());
        }
    }

    /// The place of a point that the program breaks. Where evaluation fails the verifier is to
    /// say why.
    fn broken(&self, program: &Checked<Program>, points: &[Counterexample]) -> Option<usize> {
        let subject = Subject::new(program.clone(), &self.cache).ok()?;
        let kernel = subject.kernel()?;
        // The youngest counterexample is the likeliest to end a neighbour of what it ended.
        let known = self.known.iter().enumerate().zip(points).rev();
        for ((i, n), p) in known.filter(|((_, n), _)| !n.is_empty()) {
            let raw = subject.batch(&kernel.quantize_input(&p.x), 1).ok()?;
            let property = &self.properties[p.question];
            let broken = if *property == Property::Top1 && self.reference.is_exact() {
                strict_winner(n).is_some_and(|c| argmax(&raw) != Some(c))
            } else {
                let y = kernel.output_values(&raw);
                breaks_at(&self.reference, property, &p.x, n, &y)
            };
            if broken {
                return Some(i);
            }
        }
        None
    }
}

impl Evaluate for Points<'_> {
    fn first(
        &mut self,
        candidates: &[Assignment],
        version: u32,
        points: &[Counterexample],
    ) -> Option<(usize, Checked<Program>)> {
        let begin = Instant::now();
        self.learn(points);
        let this = &*self;
        let mut found = None;
        for (b, block) in candidates.chunks(this.jobs.max(1)).enumerate() {
            let programs = parallel(this.jobs, block.len(), |i| {
                // A candidate that the checker refuses (accumulators beyond 64 bits) is none.
                let program = this.space.program(&block[i], version).ok()?;
                this.broken(&program, points).is_none().then_some(program)
            });
            let first = programs.into_iter().enumerate();
            found = first
                .filter_map(|(i, p)| Some((b * this.jobs.max(1) + i, p?)))
                .next();
            if found.is_some() {
                break;
            }
        }
        self.seconds += begin.elapsed().as_secs_f64();
        found
    }

    fn satisfies(&mut self, program: &Checked<Program>, points: &[Counterexample]) -> bool {
        let begin = Instant::now();
        self.learn(points);
        let holds = self.broken(program, points).is_none();
        self.seconds += begin.elapsed().as_secs_f64();
        holds
    }

    fn rewidth(
        &mut self,
        annotations: &Annotations,
        a: &Assignment,
        version: u32,
    ) -> Option<Checked<Program>> {
        let model = self.space.model();
        let mut notes = model.activations(a, version);
        for (v, annotation) in &annotations.values {
            if model.network().constant(*v).is_some() {
                notes.values.insert(*v, annotation.clone());
            }
        }
        // Coarser activations make coarser sums, which biases must not be finer than: those that
        // do not fit any more are rounded anew.
        let fresh = {
            let mut fresh = notes.clone();
            for v in model.summands() {
                fresh.values.remove(&v);
            }
            model.complete(&mut fresh, a);
            fresh
        };
        for v in model.summands() {
            let frac = |n: &Annotations| n.format(v).and_then(|f| f.single()).map(|f| f.frac());
            if frac(&notes) > frac(&fresh)
                && let Some(annotation @ Annotation::Fixed { .. }) = fresh.values.get(&v)
            {
                notes.values.insert(v, annotation.clone());
            }
        }
        model.check(notes).ok()
    }
}

/// The verifier over the questions of a run.
pub(crate) struct Decider<'a, 'e> {
    space: &'a AnnotationSpace,
    engine: &'a mut Engine<'e>,
    /// Leave out the rest after a refuted question.
    early: bool,
    /// Verdicts of the last candidate, with times.
    pub last: Vec<Timed>,
    /// A solver or a program that cannot be had at all.
    pub failure: Option<Diagnostics>,
}

impl<'a, 'e> Decider<'a, 'e> {
    pub(crate) fn new(space: &'a AnnotationSpace, engine: &'a mut Engine<'e>, early: bool) -> Self {
        Self {
            space,
            engine,
            early,
            last: Vec::new(),
            failure: None,
        }
    }

    /// The engine.
    pub(crate) fn engine(&mut self) -> &mut Engine<'e> {
        self.engine
    }
}

impl Verify for Decider<'_, '_> {
    fn verify(
        &mut self,
        candidate: &Candidate,
        version: u32,
    ) -> Result<Vec<(usize, RegionResult)>, String> {
        let guided = if candidate.guided { ", guided" } else { "" };
        self.engine.note(&Event::Candidate {
            iteration: u64::from(version),
            version,
            detail: format!(
                "{}{guided}, cost {}",
                candidate.assignment,
                self.space.cost(&candidate.assignment)
            ),
        });
        let verified = self.engine.verify(&candidate.program, self.early);
        self.last = verified.map_err(|d| {
            let text = d.to_string();
            self.failure = Some(d);
            text
        })?;
        Ok(self
            .last
            .iter()
            .map(|t| (t.question, t.result.clone()))
            .collect())
    }

    fn stopped(&self) -> bool {
        self.engine.stopped()
    }
}
