//! From verdicts to the report.

use crate::data::Data;
use crate::engine::Timed;
use crate::layers::layers;
use crate::load::Loaded;
use crate::plan::Plan;
use ceg4n_ir::{Checked, Program, Property};
use ceg4n_refine::{State, Status as LoopStatus, Strategy};
use ceg4n_report::{
    ClassPoint, Counterexample, Network, Region, Report, SCHEMA_VERSION, Seconds, Status,
};
use ceg4n_verify::{Label, Verdict};

/// The version of the tool.
pub(crate) const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The rows of a report.
pub(crate) fn region_rows(results: &[Timed]) -> Vec<Region> {
    results.iter().map(row).collect()
}

fn row(t: &Timed) -> Region {
    let r = &t.result;
    let (method, reason, counterexample) = match &r.verdict {
        Verdict::Proved(e) => (e.method.to_string(), None, None),
        Verdict::Refuted(w) => {
            let c = Counterexample {
                x: w.x.clone(),
                reference: w.reference.clone(),
                kernel: w.kernel.clone(),
            };
            ("replay".to_owned(), None, Some(c))
        }
        Verdict::Unknown(reason) => ("none".to_owned(), Some(reason.clone()), None),
    };
    let change = match &r.label {
        Label::Changes(c) => Some(vec![
            ClassPoint {
                x: c.a.0.clone(),
                class: c.a.1,
            },
            ClassPoint {
                x: c.b.0.clone(),
                class: c.b.1,
            },
        ]),
        Label::Robust(_) | Label::Undecided => None,
    };
    let open = match &r.verdict {
        Verdict::Unknown(_) => r.open.as_ref(),
        Verdict::Proved(_) | Verdict::Refuted(_) => None,
    };
    Region {
        id: r.id.clone(),
        lower: Vec::new(),
        upper: Vec::new(),
        verdict: r.verdict.name().to_owned(),
        requirement: r.property.to_string(),
        margin_proved: r
            .margin_proved
            .filter(|_| matches!(r.property, Property::Top1Margin(_))),
        reference_changes_class: change.is_some(),
        class_change: change,
        vacuous: r.vacuous.is_some(),
        vacuous_constant: r.vacuous.clone(),
        method,
        seconds: t.seconds,
        boxes: r.boxes,
        points: r.points,
        reason,
        open: open.map(report_open),
        counterexample,
    }
}

/// How far the work came, as reports say it; an infinite bound is none.
pub(crate) fn report_open(open: &ceg4n_verify::Open) -> ceg4n_report::Open {
    ceg4n_report::Open {
        best: open.best.filter(|b| b.is_finite()),
        // What is no number is no share.
        fraction: Some(open.fraction)
            .filter(|f| !f.is_nan())
            .map_or(0.0, |f| f.clamp(0.0, 1.0)),
        boxes: open.boxes,
    }
}

/// The outcome over all regions, and why it is not `proved`.
pub(crate) fn status_of(results: &[Timed]) -> (Status, Option<String>) {
    let first = |f: &dyn Fn(&Timed) -> Option<String>| results.iter().find_map(f);
    let refuted = first(&|t| {
        matches!(t.result.verdict, Verdict::Refuted(_))
            .then(|| format!("region {} is refuted", t.result.id))
    });
    if let Some(reason) = refuted {
        return (Status::Refuted, Some(reason));
    }
    let unknown = first(&|t| match &t.result.verdict {
        Verdict::Unknown(reason) => Some(format!("region {}: {reason}", t.result.id)),
        Verdict::Proved(_) | Verdict::Refuted(_) => None,
    });
    let vacuous = first(&|t| {
        t.result
            .vacuous
            .as_ref()
            .map(|c| format!("region {} is vacuous: {c} would do", t.result.id))
    });
    match unknown.or(vacuous) {
        Some(reason) => (Status::Unknown, Some(reason)),
        None if results.is_empty() => (Status::Unknown, Some("nothing was decided".to_owned())),
        None => (Status::Proved, None),
    }
}

/// What a report says besides verdicts.
pub(crate) struct Summary<'a> {
    pub command: &'a str,
    pub loaded: &'a Loaded,
    pub program: Option<&'a Checked<Program>>,
    pub reference: &'a str,
    pub seed: u64,
}

impl Summary<'_> {
    /// A report without the parts that only `compile` has.
    pub(crate) fn report(
        &self,
        status: Status,
        reason: Option<String>,
        regions: Vec<Region>,
        seconds: Seconds,
    ) -> Report {
        let module = &self.loaded.module;
        let requirement: Vec<String> = module
            .requirements
            .iter()
            .map(|r| r.property.to_string())
            .collect();
        let mut domains: Vec<String> = module
            .requirements
            .iter()
            .map(|r| r.domain.to_string())
            .collect();
        domains.dedup();
        Report {
            schema_version: SCHEMA_VERSION,
            tool_version: TOOL_VERSION.to_owned(),
            command: self.command.to_owned(),
            network: Network {
                name: self.loaded.name.clone(),
                sha256: self.loaded.sha256,
                parameters: module.network.parameters(),
                macs: module.network.macs(),
                input: self.loaded.shape().to_vec(),
                output: module
                    .network
                    .value(module.network.output())
                    .shape
                    .0
                    .to_vec(),
            },
            program: self.program.map(Checked::hash),
            requirement: requirement.join("\n"),
            domain: domains.join(", "),
            reference: self.reference.to_owned(),
            status,
            complete: true,
            reason,
            regions,
            clock_limited: false,
            layers: self.program.map(layers).unwrap_or_default(),
            cost: None,
            loop_: None,
            pareto: None,
            accuracy: None,
            calibration_accuracy: None,
            demands: None,
            agreement_samples: Vec::new(),
            divergence: None,
            images: None,
            targets: Vec::new(),
            run: None,
            seconds,
            seed: self.seed,
        }
    }
}
/// The status of a run, and why it is not `proved`.
pub(crate) fn outcome(
    plan: &Plan,
    state: Option<&State>,
    chosen: bool,
    results: &[Timed],
) -> (Status, Option<String>) {
    let (status, reason) = status_of(results);
    let Some(state) = state.filter(|_| !(chosen && status == Status::Proved)) else {
        return (status, reason);
    };
    let open = state.set_aside().next().is_some();
    match (&state.status, &state.strategy) {
        // A preset's own verdict says more than that its list is through.
        (LoopStatus::Exhausted, _) if chosen => (status, reason),
        (LoopStatus::Exhausted, _) if open => (
            Status::Unknown,
            Some("every candidate is refuted or was set aside".to_owned()),
        ),
        (LoopStatus::Exhausted, Strategy::Genetic(_)) => {
            let text = "the genetic search found no assignment that satisfies every counterexample; others may";
            (Status::Unknown, Some(text.to_owned()))
        }
        (LoopStatus::Exhausted, Strategy::List(_)) => (
            Status::Refuted,
            Some("no format of the preset satisfies the requirements".to_owned()),
        ),
        (LoopStatus::Exhausted, Strategy::Enumerate(_)) => {
            let text = format!(
                "no program of the search space satisfies the requirements ({})",
                plan.space.name()
            );
            (Status::Refuted, Some(text))
        }
        (
            LoopStatus::Exhausted,
            Strategy::Greedy(_) | Strategy::Guided(_) | Strategy::Narrow(_),
        ) => {
            let text =
                "no program was proved; others of the search space may satisfy the requirements";
            (Status::Unknown, Some(text.to_owned()))
        }
        (LoopStatus::Proved | LoopStatus::Running | LoopStatus::Stopped, _) if chosen => {
            (status, reason)
        }
        (LoopStatus::Proved | LoopStatus::Running | LoopStatus::Stopped, _) => (
            Status::Unknown,
            Some("the run ended before a program was proved".to_owned()),
        ),
    }
}

/// The status of a run that chose nothing, and why, with what demands on data have to do with it.
pub(crate) fn with_demands(
    data: &Data,
    state: Option<&State>,
    (status, reason): (Status, Option<String>),
) -> (Status, Option<String>) {
    if data.demands.is_empty() {
        return (status, reason);
    }
    let mut parts: Vec<String> = reason.into_iter().collect();
    // Candidates had to meet the demands on the calibration rows too, the kernel need not.
    let sifted = status == Status::Refuted && data.test.is_some();
    if sifted {
        parts.push("the search kept the demands on the calibration rows too; a program that misses them there alone is not excluded".to_owned());
    }
    // Of a search that something ended nobody knows what its last candidate would have been.
    let through = |s: &&State| s.status == LoopStatus::Exhausted;
    if let Some(state) = state.filter(through).filter(|s| s.versions.is_empty()) {
        parts.push(format!(
            "none of {} candidates satisfies the start points and the demands on data",
            state.candidates
        ));
    }
    parts.extend(data.network_misses());
    let status = if sifted { Status::Unknown } else { status };
    (status, Some(parts.join("; ")))
}
