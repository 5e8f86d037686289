//! Candidates of the loop: built, evaluated on points, and put before the verifier.

use crate::engine::{Engine, Timed};
use crate::progress::Event;
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_eval::strict_winner;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Program, Property};
use ceg4n_jit::CodeCache;
use ceg4n_refine::{Counterexample, Evaluate, Verify};
use ceg4n_search::{AnnotationSpace, Assignment};
use ceg4n_verify::subject::breaks_at;
use ceg4n_verify::{Reference, RegionResult, Subject};

/// Cheap evaluation on the stored points; the reference's outputs there are kept.
pub(crate) struct Points<'a> {
    space: &'a AnnotationSpace,
    reference: Reference,
    properties: Vec<Property>,
    cache: CodeCache,
    known: Vec<Vec<Exact>>,
    /// Seconds spent.
    pub seconds: f64,
}

impl<'a> Points<'a> {
    pub(crate) fn new(space: &'a AnnotationSpace, engine: &Engine<'_>) -> Self {
        Self {
            space,
            reference: engine.reference.clone(),
            properties: engine.asked.iter().map(|a| a.property.clone()).collect(),
            cache: engine.cache.clone(),
            known: Vec::new(),
            seconds: 0.0,
        }
    }

    /// `None` where evaluation itself fails.
    fn holds(&mut self, program: Checked<Program>, points: &[Counterexample]) -> Option<bool> {
        for p in points.iter().skip(self.known.len()) {
            self.known.push(self.reference.outputs(&p.x).ok()?);
        }
        let subject = Subject::new(program, &self.cache).ok()?;
        let kernel = subject.kernel()?;
        // The youngest counterexample is the likeliest to end a neighbour of what it ended.
        for (p, n) in points.iter().zip(&self.known).rev() {
            let raw = subject.batch(&kernel.quantize_input(&p.x), 1).ok()?;
            let property = &self.properties[p.question];
            let broken = if *property == Property::Top1 && self.reference.is_exact() {
                strict_winner(n).is_some_and(|c| argmax(&raw) != Some(c))
            } else {
                let y = kernel.output_values(&raw);
                breaks_at(&self.reference, property, &p.x, n, &y)
            };
            if broken {
                return Some(false);
            }
        }
        Some(true)
    }
}

impl Evaluate for Points<'_> {
    fn satisfies(&mut self, candidate: &Assignment, points: &[Counterexample]) -> bool {
        let begin = std::time::Instant::now();
        let holds = match self.space.program(candidate, 0) {
            // A candidate that the checker refuses (accumulators beyond 64 bits) is no program.
            Err(_) => false,
            // Where evaluation fails the verifier is to say why.
            Ok(program) => self.holds(program, points).unwrap_or(true),
        };
        self.seconds += begin.elapsed().as_secs_f64();
        holds
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
}

impl Verify for Decider<'_, '_> {
    fn verify(
        &mut self,
        candidate: &Assignment,
        version: u32,
    ) -> Result<Vec<(usize, RegionResult)>, String> {
        let bits: Vec<String> = candidate.weights.iter().map(ToString::to_string).collect();
        self.engine.note(&Event::Candidate {
            iteration: u64::from(version),
            version,
            detail: format!(
                "weights {} bits, activations {} bits, cost {}",
                bits.join(","),
                candidate.activations,
                self.space.cost(candidate)
            ),
        });
        let program: Result<Checked<Program>, _> = self.space.program(candidate, version);
        let timed = program
            .and_then(|p| self.engine.verify(&p, self.early))
            .map_err(|d| {
                let text = d.to_string();
                self.failure = Some(d);
                text
            })?;
        self.last = timed;
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
