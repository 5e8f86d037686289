//! The versions of a loop, as reports list them.

use ceg4n_refine::{Ended, State};
use ceg4n_report::LoopVersion;

/// Every version with what ended it; `region` names the region of a question.
pub(super) fn versions(
    state: &State,
    region: &dyn Fn(usize) -> Option<String>,
) -> Vec<LoopVersion> {
    let row = |v: &ceg4n_refine::Version| {
        let (ended, counterexample, reason) = match &v.ended {
            Ended::Proved => ("proved", None, None),
            Ended::Refuted(place) => ("refuted", Some(*place), None),
            Ended::Unknown(reason) => ("unknown", None, Some(reason.clone())),
        };
        let point = counterexample.and_then(|i| state.counterexamples.get(i));
        LoopVersion {
            version: v.version,
            weight_bits: v.assignment.weights.clone(),
            bias_bits: v.assignment.biases.clone(),
            activation_bits: v.assignment.activations.clone(),
            cost: v.cost,
            guided: v.guided,
            ended: ended.to_owned(),
            region: point.and_then(|p| region(p.question)),
            counterexample,
            reason,
        }
    };
    state.versions.iter().map(row).collect()
}
