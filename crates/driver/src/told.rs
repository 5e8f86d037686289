//! The events of the loop and the verifier, made from their results.

use crate::load::Loaded;
use crate::progress::Event;
use ceg4n_refine::{Candidate, Ended, State};
use ceg4n_report::Status;
use ceg4n_verify::{Label, RegionResult, Verdict};

/// A network is read.
pub(crate) fn loaded(loaded: &Loaded) -> Event {
    let net = &loaded.module.network;
    Event::Loaded {
        name: loaded.name.clone(),
        inputs: net.input_len(),
        outputs: net.output_len(),
        parameters: net.parameters(),
        regions: loaded.module.regions.len(),
    }
}

/// A candidate goes to the verifier.
pub(crate) fn candidate(candidate: &Candidate, version: u32, cost: u64) -> Event {
    Event::Candidate {
        version,
        formats: candidate.assignment.to_string(),
        guided: candidate.guided,
        cost,
    }
}

/// An iteration ends, unless there was none: a strategy that has nothing more to propose ends
/// without a version.
pub(crate) fn iteration(state: &State, before: usize) -> Option<Event> {
    let last = state.versions.get(before..)?.last()?;
    let best = state.proved();
    Some(Event::Iteration {
        version: last.version,
        ended: match &last.ended {
            Ended::Proved => "proved",
            Ended::Refuted(_) => "refuted",
            Ended::Unknown(_) => "unknown",
        },
        candidates: state.candidates,
        counterexamples: state.counterexamples.len(),
        best: best.map(|v| v.version),
        best_cost: best.map(|v| v.cost),
    })
}

/// A region is decided.
pub(crate) fn region(result: &RegionResult, done: usize, of: usize) -> Event {
    let (method, reason) = match &result.verdict {
        Verdict::Proved(e) => (Some(e.method.to_string()), None),
        Verdict::Refuted(_) => (None, None),
        Verdict::Unknown(reason) => (None, Some(reason.clone())),
    };
    Event::Region {
        id: result.id.clone(),
        requirement: result.property.to_string(),
        verdict: result.verdict.name(),
        method,
        reason,
        done,
        of,
    }
}

/// What a label is called.
pub(crate) fn label_name(label: &Label) -> &'static str {
    match label {
        Label::Robust(_) => "keeps",
        Label::Changes(_) => "changes",
        Label::Undecided => "undecided",
    }
}

/// How a run is said to end.
pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Proved => "proved",
        Status::Refuted => "refuted",
        Status::Unknown => "unknown",
    }
}
