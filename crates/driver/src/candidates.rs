//! Candidates of the loop: built, evaluated on points, and put before the verifier.

use crate::data::Data;
use crate::demand::Demanded;
use crate::engine::{Engine, Timed};
use crate::parallel::parallel;
use crate::progress::Live;
use crate::record::Record;
use crate::told;
use ceg4n_base::{ContentHash, Diagnostics, Exact};
use ceg4n_eval::strict_winner;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Annotation, Annotations, Checked, Format, Kernel, Program, Property};
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_quantize::Assignment;
use ceg4n_refine::{Candidate, Counterexample, Evaluate, Verify};
use ceg4n_search::AnnotationSpace;
use ceg4n_verify::subject::breaks_at;
use ceg4n_verify::{Reference, RegionResult};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// So many points are evaluated before it is looked at their outputs.
const BLOCK: usize = 16;

/// Cheap evaluation on the stored points; the reference's outputs there are kept.
pub(crate) struct Points<'a> {
    space: &'a AnnotationSpace,
    reference: Reference,
    properties: Vec<Property>,
    cache: CodeCache,
    jobs: usize,
    known: Vec<Vec<Exact>>,
    /// Input mantissas of the points, by format, point by point.
    mantissas: Mutex<BTreeMap<String, Arc<Vec<i64>>>>,
    demands: Option<Demanded<'a>>,
    live: Arc<Live>,
    record: Option<&'a Record>,
    /// Seconds spent.
    pub seconds: f64,
}

/// The points of a step, for the hash of its question: they only grow, and earlier steps named the
/// earlier ones.
pub(crate) fn newest(points: &[Counterexample]) -> String {
    let last = points.last();
    let x: Vec<String> = last
        .map(|p| p.x.iter().map(Exact::to_string).collect())
        .unwrap_or_default();
    format!("{} {:?} {x:?}", points.len(), last.map(|p| p.question))
}

impl<'a> Points<'a> {
    pub(crate) fn new(
        space: &'a AnnotationSpace,
        engine: &Engine<'_>,
        data: Option<&'a Data>,
        jobs: usize,
        record: Option<&'a Record>,
    ) -> Self {
        Self {
            record,
            demands: Demanded::new(data),
            space,
            reference: engine.reference.clone(),
            properties: engine.asked.iter().map(|a| a.property.clone()).collect(),
            cache: engine.cache.clone(),
            live: engine.live.clone(),
            jobs,
            known: Vec::new(),
            mantissas: Mutex::default(),
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

    /// The points as mantissas of a format.
    fn mantissas(&self, format: Format, points: &[Counterexample]) -> Arc<Vec<i64>> {
        let mut all = self
            .mantissas
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry(format.to_string()).or_default();
        let n = points.first().map_or(1, |p| p.x.len().max(1));
        let have = entry.len() / n;
        if have < points.len() {
            let new = points[have..].iter().flat_map(|p| &p.x);
            Arc::make_mut(entry).extend(new.map(|x| format.quantize(x)));
        }
        entry.clone()
    }

    /// True if the program satisfies every point and every demand.
    fn holds(&self, program: &Checked<Program>, points: &[Counterexample]) -> bool {
        let met = |d: &Demanded<'_>| d.met(program, &self.cache);
        self.broken(program, points).is_none() && self.demands.as_ref().is_none_or(met)
    }

    /// The place of a point that the program breaks. Where evaluation fails the verifier is to
    /// say why.
    fn broken(&self, program: &Checked<Program>, points: &[Counterexample]) -> Option<usize> {
        let kernel = program.kernel()?;
        let evaluator = Evaluator::new(program, &self.cache).ok()?;
        let inputs = self.mantissas(kernel.input_format, points);
        let (n, m) = (kernel.input_len(), kernel.output_len());
        let mut outputs = Vec::new();
        // The youngest counterexample is the likeliest to end a neighbour of what it ended.
        let mut end = points.len();
        while end > 0 {
            let start = end.saturating_sub(BLOCK);
            let block = &inputs[start * n..end * n];
            evaluator
                .eval_batch(block, end - start, &mut outputs)
                .ok()?;
            let broken = |i: &usize| {
                let raw = &outputs[(i - start) * m..(i - start + 1) * m];
                self.breaks(kernel, *i, &points[*i], raw)
            };
            if let Some(i) = (start..end).rev().find(broken) {
                return Some(i);
            }
            end = start;
        }
        None
    }

    fn breaks(&self, kernel: &Kernel, i: usize, p: &Counterexample, raw: &[i64]) -> bool {
        let n = &self.known[i];
        let property = &self.properties[p.question];
        if n.is_empty() {
            false
        } else if *property == Property::Top1 && self.reference.is_exact() {
            strict_winner(n).is_some_and(|c| argmax(raw) != Some(c))
        } else {
            let y = kernel.output_values(raw);
            breaks_at(&self.reference, property, &p.x, n, &y)
        }
    }

    /// The first candidate that passes.
    fn sweep(
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
                this.holds(&program, points).then_some(program)
            });
            let evaluated = block.len() as u64;
            this.live.candidates.fetch_add(evaluated, Ordering::Relaxed);
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

    /// Does a program pass?
    fn passes(&mut self, program: &Checked<Program>, points: &[Counterexample]) -> bool {
        self.learn(points);
        self.holds(program, points)
    }
}

impl Evaluate for Points<'_> {
    fn first(
        &mut self,
        candidates: &[Assignment],
        version: u32,
        points: &[Counterexample],
    ) -> Option<(usize, Checked<Program>)> {
        let Some(record) = self.record else {
            return self.sweep(candidates, version, points);
        };
        let mut hasher = record.question("first");
        let list = serde_json::to_string(candidates).unwrap_or_default();
        hasher
            .int(i64::from(version))
            .str(&list)
            .str(&newest(points));
        let asked = hasher.finish();
        if let Some((found, seconds)) = record.replay::<Option<usize>>("first", asked) {
            self.seconds += seconds;
            let place = found?;
            let program = self.space.program(candidates.get(place)?, version).ok()?;
            return Some((place, program));
        }
        let begin = Instant::now();
        let found = self.sweep(candidates, version, points);
        let place = found.as_ref().map(|(i, _)| *i);
        let seconds = begin.elapsed().as_secs_f64();
        record.keep("first", asked, &place, None, seconds, false);
        found
    }

    fn satisfies(&mut self, program: &Checked<Program>, points: &[Counterexample]) -> bool {
        let begin = Instant::now();
        let asked = |record: &Record| -> ContentHash {
            let mut hasher = record.question("satisfies");
            hasher.bytes(&program.hash().0).str(&newest(points));
            hasher.finish()
        };
        let holds = match self.record {
            None => self.passes(program, points),
            Some(record) => {
                record.step("satisfies", asked(record), || self.passes(program, points))
            }
        };
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
        let cost = self.space.cost(&candidate.assignment);
        self.engine.note(&told::candidate(candidate, version, cost));
        let verified = self.engine.verify(&candidate.program, self.early);
        self.last = verified.map_err(|d| {
            let text = d.to_string();
            self.failure = Some(d);
            text
        })?;
        self.engine.tell_verdicts(version, &self.last);
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
