//! What a report says besides verdicts: how the run was called, the versions of the loop, a
//! counterexample followed through the network, pictures, and the boxes of small networks.

mod begun;
mod images;
mod targets;
mod versions;

pub(crate) use begun::begin;
pub(crate) use targets::targets;

use crate::compile::Chosen;
use crate::engine::Engine;
use crate::explain::{Point, diverge};
use crate::load::Loaded;
use crate::options::CompileOptions;
use crate::plan::Plan;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Checked, Program};
use ceg4n_refine::{Ended, State};
use ceg4n_report::{Divergence, Report, Run};
use ceg4n_verify::Verdict;

/// Boxes of so many inputs stand in the report.
const FEW_INPUTS: usize = 16;

/// A point is followed in exact arithmetic, from each value anew: only where that takes at most so
/// many multiplications.
const MOST_MULTIPLICATIONS: usize = 1 << 21;

/// The parts of a run that its account is taken from.
pub(crate) struct Account<'a> {
    pub options: &'a CompileOptions,
    pub loaded: &'a Loaded,
    /// How it was called.
    pub run: &'a Run,
    pub plan: &'a Plan,
    pub engine: &'a Engine<'a>,
    pub state: Option<&'a State>,
    pub chosen: Option<&'a Chosen>,
}

impl Account<'_> {
    /// Completes a report. What takes time is left to the report of a run that ended.
    ///
    /// # Errors
    /// A version that the checker refuses: a defect.
    pub(crate) fn fill(&self, report: &mut Report) -> Result<(), Diagnostics> {
        report.run = Some(self.run.clone());
        if let (Some(state), Some(l)) = (self.state, &mut report.loop_) {
            let name = |q: usize| self.engine.asked.get(q).map(|a| a.region.id.clone());
            l.versions = versions::versions(state, &name);
            let started = state.counterexamples.iter().filter(|c| c.ended.is_none());
            l.start_points = Some(started.count() as u64);
        }
        let module = &self.loaded.module;
        if module.network.input_len() <= FEW_INPUTS {
            for row in &mut report.regions {
                if let Some(region) = module.region(&row.id) {
                    row.lower.clone_from(&region.lower);
                    row.upper.clone_from(&region.upper);
                }
            }
        }
        if report.complete {
            report.divergence = self.divergence()?;
            report.images = images::images(self.options, self.loaded, self.engine, report);
        }
        Ok(())
    }

    /// The last version that was refuted, or else the chosen program, on the point that refuted it.
    fn divergence(&self) -> Result<Option<Divergence>, Diagnostics> {
        let network = &self.loaded.module.network;
        let values = network.values().len();
        // The kernel of a quantized model has other values than its reference.
        let comparable = self.loaded.original.is_none() && self.engine.reference.real().is_some();
        if !comparable || network.macs().saturating_mul(values) > MOST_MULTIPLICATIONS {
            return Ok(None);
        }
        if let Some((state, version, place)) = self.refuted()
            && let Some(point) = state.counterexamples.get(place)
            && let Some(asked) = self.engine.asked.get(point.question)
        {
            let program = self
                .plan
                .space
                .model()
                .check((*version.annotations).clone())?;
            let point = Point {
                version: version.version,
                counterexample: Some(place),
                ended: point.ended,
                region: &asked.region.id,
                property: &asked.property,
                x: &point.x,
            };
            return self.follow(&program, &point).map(Some);
        }
        let refuted = self.chosen.and_then(|chosen| {
            let witness = chosen.results.iter().find_map(|t| match &t.result.verdict {
                Verdict::Refuted(w) => Some((t.question, w)),
                Verdict::Proved(_) | Verdict::Unknown(_) => None,
            });
            witness.map(|w| (chosen, w))
        });
        let Some((chosen, (question, witness))) = refuted else {
            return Ok(None);
        };
        let Some(asked) = self.engine.asked.get(question) else {
            return Ok(None);
        };
        let point = Point {
            version: chosen.program.program().annotations.version,
            counterexample: None,
            ended: None,
            region: &asked.region.id,
            property: &asked.property,
            x: &witness.x,
        };
        self.follow(&chosen.program, &point).map(Some)
    }

    fn refuted(&self) -> Option<(&State, &ceg4n_refine::Version, usize)> {
        let state = self.state?;
        let ended = |v: &'_ ceg4n_refine::Version| match v.ended {
            Ended::Refuted(place) => Some(place),
            Ended::Proved | Ended::Unknown(_) => None,
        };
        let version = state.versions.iter().rev().find(|v| ended(v).is_some())?;
        Some((state, version, ended(version)?))
    }

    fn follow(
        &self,
        program: &Checked<Program>,
        point: &Point<'_>,
    ) -> Result<Divergence, Diagnostics> {
        Ok(diverge(&self.engine.reference, program, point)?)
    }
}
