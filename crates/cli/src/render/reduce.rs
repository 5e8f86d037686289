//! What a reduction came to, as text for people.

use super::count;
use ceg4n_driver::reduce::{Reduction, Size};

/// `reduce`.
pub(crate) fn reduction(r: &Reduction) -> String {
    let runs = &r.runs;
    let of = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut text = format!(
        "interesting: {}\nbefore: {}\nafter: {}\nruns: {}, {} smaller; {} not well-formed, {} known\n",
        r.interesting,
        size(&r.before),
        size(&r.after),
        runs.runs,
        runs.steps,
        count(of(runs.malformed), "candidate"),
        runs.known,
    );
    match r.ended {
        "fixpoint" => {}
        "limit" => text.push_str("ended: all runs are used up; more may be possible\n"),
        _ => text.push_str("ended: interrupted; more may be possible\n"),
    }
    text.push_str(&format!("written to {}\n", r.output.display()));
    text
}

fn size(s: &Size) -> String {
    let bytes = count(s.bytes, "byte");
    if s.operators == 0 && s.parameters == 0 && s.versions == 0 && s.regions == 0 {
        return bytes;
    }
    let parts = [
        bytes,
        count(s.operators, "operator"),
        count(s.parameters, "parameter"),
        count(s.versions, "version"),
        count(s.regions, "region"),
    ];
    parts.join(", ")
}
