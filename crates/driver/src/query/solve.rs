//! The work on a bound query: box after box, until one has an assignment or all have none.

use super::assignment::Assignment;
use super::bind::Bound;
use super::{Answer, QueryOptions, Solved};
use crate::progress::{Cancel, Event, Live, Progress, Stage};
use crate::resources::MemoryGuard;
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::{Domain, Property, Region};
use ceg4n_verify::attack::{Target, simplify};
use ceg4n_verify::space::Space;
use ceg4n_verify::{
    Effort, Known, Label, Labelled, Question, RegionResult, SolverLeaf, Stop, Verdict, Witness,
    decide_from,
};
use std::sync::Arc;
use std::time::Instant;

/// Under a time limit the counted budgets grow by this factor until it is reached …
const GROWTH: u32 = 4;
/// … but not beyond this one.
const MOST_EFFORT: u32 = 1 << 14;

/// A run on a query.
pub(super) struct Run<'a> {
    options: &'a QueryOptions,
    bound: &'a Bound,
    stop: Stop,
    /// Watches until the run ends.
    _memory: MemoryGuard,
    progress: &'a dyn Progress,
}

/// What was found on one box.
enum Found {
    Assignment(Assignment),
    Nothing,
    Open { reason: String, clock: bool },
}

impl<'a> Run<'a> {
    pub(super) fn new(
        options: &'a QueryOptions,
        bound: &'a Bound,
        started: Instant,
        progress: &'a dyn Progress,
        cancel: &Cancel,
    ) -> Self {
        let deadline = (options.budget.time_limit).and_then(|t| started.checked_add(t));
        let memory = MemoryGuard::new(options.budget.memory_limit_mib, cancel);
        let live = Arc::new(Live::default());
        progress.watch(&live);
        let stop = Stop {
            jobs: options.budget.jobs,
            gauge: Some(live.boxes.clone()),
            ..memory.stop(deadline)
        };
        Self {
            options,
            bound,
            stop,
            _memory: memory,
            progress,
        }
    }

    pub(super) fn solve(&self) -> Result<Solved, Diagnostics> {
        let mut solved = Solved {
            answer: Answer::Unsat,
            assignment: None,
            reason: None,
            boxes: 0,
            seconds: 0.0,
            sampled: None,
            warnings: Diagnostics::default(),
        };
        self.progress.note(&Event::Stage {
            stage: Stage::Verify,
            detail: "boxes".to_owned(),
            of: Some(self.bound.parts.len()),
        });
        for (i, (region, property)) in self.bound.parts.iter().enumerate() {
            let (found, boxes) = self.part(region, property)?;
            solved.boxes += boxes;
            let (answer, detail) = match found {
                Found::Assignment(a) => {
                    solved.assignment = Some(a);
                    (Answer::Sat, String::new())
                }
                Found::Nothing => (Answer::Unsat, String::new()),
                Found::Open {
                    reason,
                    clock: true,
                } => (Answer::TimedOut, reason),
                Found::Open { reason, .. } => (Answer::Unknown, reason),
            };
            self.progress.note(&Event::Region {
                id: region.id.clone(),
                requirement: property.to_string(),
                verdict: answer.name(),
                method: None,
                reason: Some(detail.clone()).filter(|d| !d.is_empty()),
                done: i + 1,
                of: self.bound.parts.len(),
            });
            match answer {
                Answer::Unsat => {}
                Answer::Sat => {
                    solved.answer = Answer::Sat;
                    solved.reason = None;
                    return Ok(solved);
                }
                Answer::Unknown | Answer::TimedOut => {
                    if solved.answer != Answer::TimedOut {
                        solved.answer = answer;
                        solved.reason = Some(detail);
                    }
                }
            }
        }
        Ok(solved)
    }

    /// One box: with a time limit again and again under larger budgets.
    fn part(&self, region: &Region, property: &Property) -> Result<(Found, u64), Diagnostics> {
        let budget = &self.options.budget;
        let mut effort = budget.effort.max(1);
        let mut partial = None;
        let mut boxes = 0;
        loop {
            let result = self.decide(region, property, effort, partial.as_deref())?;
            boxes += result.boxes;
            let reason = match result.verdict {
                Verdict::Proved(_) => return Ok((Found::Nothing, boxes)),
                Verdict::Refuted(w) => return Ok((self.assignment(region, property, &w), boxes)),
                Verdict::Unknown(reason) => reason,
            };
            let clock = result.clock_limited || self.stop.now().is_some();
            let more = budget.time_limit.is_some() && effort < MOST_EFFORT;
            // Work that left nothing to go on with would only be repeated.
            if clock || !more || result.partial.is_none() {
                let by_time = clock && self.stop.now() == Some(ceg4n_verify::Stopped::Clock);
                return Ok((
                    Found::Open {
                        reason,
                        clock: by_time,
                    },
                    boxes,
                ));
            }
            partial = result.partial;
            effort = effort.saturating_mul(GROWTH);
        }
    }

    fn decide(
        &self,
        region: &Region,
        property: &Property,
        effort: u32,
        partial: Option<&ceg4n_verify::tree::Partial>,
    ) -> Result<RegionResult, Diagnostics> {
        let budget = &self.options.budget;
        let mut leaf = SolverLeaf::new(&budget.solver, budget.memory_limit_mib)?;
        let question = Question {
            reference: &self.bound.reference,
            subject: &self.bound.subject,
            region,
            property,
            domain: Domain::Real,
            label: &Labelled::UNDECIDED,
        };
        let known = Known {
            division: None,
            hints: &[],
            partial,
        };
        let effort = Effort::scaled(effort);
        Ok(decide_from(
            &question, known, &effort, &self.stop, &mut leaf,
        ))
    }

    /// What a witness is worth: its simplest form that satisfies the query's text.
    fn assignment(&self, region: &Region, property: &Property, w: &Witness) -> Found {
        let center: Vec<Exact> = region.center();
        let target = Target {
            reference: &self.bound.reference,
            subject: &self.bound.subject,
            space: &Space::new(region, Domain::Real, self.bound.subject.input_format()),
            property,
            label: &Label::Undecided,
            center: &center,
            hints: &[],
        };
        let simple = match self.stop.now() {
            Some(_) => None,
            None => simplify(&target, w.clone()).ok(),
        };
        let best = simple.iter().chain([w]);
        match best.into_iter().find_map(|w| Assignment::of(self.bound, w)) {
            Some(a) => Found::Assignment(a),
            None => Found::Open {
                reason: if self.bound.strict_inputs {
                    "the point that was found lies where a bound of an input is strict"
                } else {
                    "the point that was found does not satisfy the query exactly"
                }
                .to_owned(),
                clock: false,
            },
        }
    }
}
