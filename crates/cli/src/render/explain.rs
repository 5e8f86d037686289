//! The outcome of `explain` as text.

use super::{count, folded, list, short, table::numbers, table::table};
use ceg4n_base::Exact;
use ceg4n_driver::explain::{
    BitRow, Bits, Cause, Divergence, Explanation, LayerRow, Outcome, Recheck,
};
use ceg4n_report::Status;
use std::fmt::Write;

/// So many elements of a point are shown.
const SHOWN: usize = 12;

/// A headline, where a version and the reference part, and what keeps each width up.
pub(crate) fn explanation(e: &Explanation, columns: Option<usize>) -> String {
    let mut out = String::new();
    let reason = e.reason.as_deref().unwrap_or("no reason was given");
    // Writing to a string does not fail, here and below.
    let _ = match e.status {
        Status::Proved => writeln!(out, "@{}: PROVED", e.network),
        Status::Refuted => writeln!(out, "@{}: REFUTED: {reason}", e.network),
        Status::Unknown => writeln!(out, "@{}: UNKNOWN: {reason}", e.network),
    };
    if !e.complete {
        out.push_str(
            "the search was not through when this was written: if nothing is at work there, `ceg4nc compile --resume` goes on with it\n",
        );
    }
    if let (Some(metric), Some(cost)) = (&e.metric, e.cost) {
        let _ = writeln!(out, "cost: {metric} = {cost}");
    }
    match &e.optimality {
        Some(o) => {
            let _ = writeln!(out, "optimality: {}", o.statement);
        }
        None => out.push_str("optimality: the run makes no statement\n"),
    }
    match &e.divergence {
        Some(d) => divergence(&mut out, d, columns),
        None => out.push_str("no version was refuted\n"),
    }
    match &e.bits {
        Some(b) => bits(&mut out, b, columns),
        None => out.push_str("no program was chosen whose widths could be explained\n"),
    }
    folded(&out, columns)
}

/// At most [`SHOWN`] numbers.
fn few(items: &[Exact]) -> String {
    if items.len() <= SHOWN {
        return list(items, short);
    }
    let head = list(&items[..SHOWN], short);
    format!(
        "{}, … ({} in all)]",
        head.trim_end_matches(']'),
        items.len()
    )
}

fn divergence(out: &mut String, d: &Divergence, columns: Option<usize>) {
    let origin = match d.ended {
        Some(v) if v == d.version => "which ended it".to_owned(),
        Some(v) => format!("which ended version v{v}"),
        None => "a start point".to_owned(),
    };
    let v = d.version;
    let place = match d.counterexample {
        Some(i) => format!("stored point {i}"),
        None => "the point of a verdict".to_owned(),
    };
    let _ = writeln!(
        out,
        "version v{v} on {place}, {origin}: {} in region {}",
        d.requirement, d.region
    );
    let class = |c: Option<usize>| c.map_or(String::new(), |c| format!(", class {c}"));
    let _ = writeln!(out, "  x         {}", few(&d.x));
    let _ = writeln!(
        out,
        "  reference {}{}",
        few(&d.reference),
        class(d.reference_class)
    );
    let _ = writeln!(
        out,
        "  kernel    {}{}",
        few(&d.kernel),
        class(d.kernel_class)
    );
    let head = [
        "value",
        "type",
        "element",
        "reference",
        "kernel",
        "difference",
        "% of range",
        "inherited",
        "constants",
        "rounding",
        "clamping",
        "cause",
        "slack",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(d.layers.iter().map(layer));
    out.push_str(&numbers(&rows, 2, 2, columns));
    for l in d.layers.iter().filter(|l| l.clamped > 0) {
        let _ = writeln!(
            out,
            "  %{}: {} clamped",
            l.name,
            count(l.clamped, "element")
        );
    }
    match (&d.first, &d.lost_at, d.broken) {
        (None, _, _) => out.push_str("  reference and kernel agree everywhere\n"),
        (Some(first), Some(lost), true) => {
            let _ = writeln!(
                out,
                "  they part at %{first}; the requirement is lost at %{lost}: exact arithmetic from there on does not save it"
            );
        }
        (Some(first), _, _) => {
            let _ = writeln!(out, "  they part at %{first}; the requirement holds here");
        }
    }
}

fn layer(l: &LayerRow) -> Vec<String> {
    let number = |v: &Exact| {
        let text = format!("{:.4e}", v.to_f64());
        text.parse().map_or(text, |v: f64| short_float(v))
    };
    let cause = match l.cause {
        Cause::None => "none",
        Cause::Inherited => "inherited",
        Cause::Constants => "constants",
        Cause::Rounding => "rounding",
        Cause::Clamping => "clamping",
    };
    let slack = match (&l.slack, l.broken) {
        (Some(s), _) => number(s),
        (None, true) => "broken".to_owned(),
        (None, false) => "holds".to_owned(),
    };
    vec![
        format!("%{}", l.name),
        l.format.clone().unwrap_or_else(|| "sum".to_owned()),
        l.element.to_string(),
        number(&l.reference),
        number(&l.kernel),
        number(&l.difference),
        format!("{:.2}", l.relative * 100.0),
        number(&l.inherited),
        number(&l.constants),
        number(&l.rounding),
        number(&l.clamping),
        cause.to_owned(),
        slack,
    ]
}

fn short_float(v: f64) -> String {
    let text = format!("{v:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn bits(out: &mut String, b: &Bits, columns: Option<usize>) {
    let _ = writeln!(
        out,
        "one bit less than version v{}, all else equal:",
        b.version
    );
    if !b.by_rounding {
        out.push_str(
            "  (its mantissas were moved by guided rounding; this is about rounding to narrower widths without that)\n",
        );
    }
    let head = ["width", "", "bits", "cost", "one bit less"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(b.rows.iter().map(|r| width(r, b.demands)));
    out.push_str(&table(&rows, 2, columns));
}

fn width(r: &BitRow, demands: bool) -> Vec<String> {
    let name = match r.what {
        "activations" if r.name == "all" => "all".to_owned(),
        _ => format!("%{}", r.name),
    };
    let mut text = match (r.outcome, r.counterexample) {
        ("refuted", Some(i)) => format!(
            "breaks {} in region {} (point {i})",
            r.requirement.as_deref().unwrap_or("what was asked"),
            r.region.as_deref().unwrap_or("?")
        ),
        ("refused", _) => "is refused by the checker".to_owned(),
        ("set-aside", _) => "stayed open and was set aside".to_owned(),
        ("least", _) => "the space has no less".to_owned(),
        _ if demands => {
            "satisfies every stored point; not decided, or short of a demand on data".to_owned()
        }
        _ => "satisfies every stored point; the verifier was not asked".to_owned(),
    };
    if !r.versions.is_empty() {
        let _ = write!(text, "; {}", r.versions.join("; "));
    }
    let cost = r.cost.map_or(String::new(), |c| c.to_string());
    vec![name, r.what.to_owned(), r.bits.to_string(), cost, text]
}

/// Whether the statement holds, and what is wrong.
pub(crate) fn recheck(r: &Recheck, columns: Option<usize>) -> String {
    let mut out = String::new();
    let points = usize::try_from(r.counterexamples).unwrap_or(usize::MAX);
    let points = count(points, "stored point");
    let cheaper = usize::try_from(r.cheaper).unwrap_or(usize::MAX);
    let cheaper = count(cheaper, "cheaper assignment");
    let _ = match r.outcome {
        Outcome::Holds => writeln!(
            out,
            "the optimality statement holds: {cheaper} gone through again with {points}"
        ),
        Outcome::Fails => writeln!(out, "the optimality statement FAILS"),
        Outcome::Open if r.cut_short => writeln!(out, "the work was cut short: nothing is shown"),
        Outcome::Open if r.rest_on_data > 0 => writeln!(
            out,
            "the stored points bear the statement out but for {} of {cheaper}, which rest on a demand on data that are not in the folder",
            r.rest_on_data
        ),
        Outcome::Open => writeln!(
            out,
            "the run makes no optimality statement; {points} and all versions are as it says"
        ),
    };
    if let Some(statement) = &r.statement {
        let _ = writeln!(out, "statement: {statement}");
    }
    for fault in &r.faults {
        let _ = writeln!(out, "wrong: {fault}");
    }
    folded(&out, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_was_not_through_is_told() {
        let told = |complete: bool| {
            let e = Explanation {
                network: "net".to_owned(),
                complete,
                status: Status::Proved,
                reason: None,
                metric: None,
                cost: None,
                optimality: None,
                divergence: None,
                bits: None,
            };
            explanation(&e, Some(60))
        };
        let (whole, part) = (told(true), told(false));
        assert!(!whole.contains("--resume"), "{whole}");
        assert!(part.contains("--resume"), "{part}");
        assert!(part.lines().all(|l| l.len() <= 60), "{part}");
    }
}
