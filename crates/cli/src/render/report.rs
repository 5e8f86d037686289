//! The outcome of `compile` and `verify` as text.

use super::{count, folded, layers, list, short, table::numbers};
use ceg4n_report::{Open, Region, Report, Status};
use std::fmt::Write;

/// A long search sets many versions aside; the report as JSON has all.
const SET_ASIDE_SHOWN: usize = 8;

/// A headline, a line per region, and for `compile` the layers, the cost and the loop.
pub(crate) fn report(r: &Report, columns: Option<usize>) -> String {
    let mut out = headline(r);
    out.push('\n');
    if !r.regions.is_empty() {
        let head = [
            "region", "verdict", "asked", "method", "boxes", "points", "seconds",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(r.regions.iter().map(region));
        out.push_str(&numbers(&rows, 2, 4, columns));
    }
    for region in &r.regions {
        details(&mut out, region);
    }
    if let Some(cost) = &r.cost {
        out.push_str(&layers(&r.layers, columns));
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            out,
            "cost: {} = {}, weights {} bits, biases {} bits, {} bytes of constants, {} bytes of scratch",
            cost.metric,
            cost.value,
            cost.weights_bits,
            cost.biases_bits,
            cost.flash_bytes,
            cost.ram_bytes
        );
    }
    if let Some(l) = &r.loop_ {
        let _ = writeln!(
            out,
            "loop: {}, {}, {}",
            count(as_usize(l.iterations), "iteration"),
            count(as_usize(l.candidates), "candidate"),
            count(as_usize(l.counterexamples), "point"),
        );
        for s in l.set_aside.iter().take(SET_ASIDE_SHOWN) {
            let _ = writeln!(out, "set aside: {}", set_aside(s));
        }
        if let Some(more) = l.set_aside.len().checked_sub(SET_ASIDE_SHOWN + 1) {
            let _ = writeln!(out, "set aside: {} more, in report.json", more + 1);
        }
        if let Some(o) = &l.optimality {
            let _ = writeln!(out, "optimality: {}", o.statement);
        }
    }
    accuracy(&mut out, r);
    let _ = writeln!(out, "seconds: {:.2}", r.seconds.total);
    if r.clock_limited {
        out.push_str("the run was cut short by a limit or by hand; another one may find more\n");
    }
    folded(&out, columns)
}

fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// `PROVED: 2 strict, 1 with margin 0.11`, or the status and its reason.
fn headline(r: &Report) -> String {
    let reason = r.reason.as_deref().unwrap_or("no reason was given");
    match r.status {
        Status::Refuted => return format!("REFUTED: {reason}"),
        Status::Unknown => return format!("UNKNOWN: {reason}"),
        Status::Proved => {}
    }
    let mut groups: Vec<(String, usize, Option<f64>)> = Vec::new();
    for region in &r.regions {
        let what = &region.requirement;
        match groups.iter_mut().find(|g| g.0 == *what) {
            Some(group) => {
                group.1 += 1;
                group.2 = worse(group.2, region.margin_proved);
            }
            None => groups.push((what.clone(), 1, region.margin_proved)),
        }
    }
    let texts: Vec<_> = groups
        .iter()
        .map(|(what, n, margin)| match (what.as_str(), margin) {
            ("top1", _) => format!("{n} strict"),
            (_, Some(margin)) => format!("{n} with margin {margin:.4}"),
            (what, None) => match what.strip_prefix("top1 ") {
                Some(margin) => format!("{n} with {margin}"),
                None => format!("{n} with {what}"),
            },
        })
        .collect();
    format!("PROVED: {}", texts.join(", "))
}

/// The larger margin; none if one of them is not known.
fn worse(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a?.max(b?))
}

fn region(r: &Region) -> Vec<String> {
    let verdict = if r.vacuous {
        format!("{} (vacuous)", r.verdict)
    } else {
        r.verdict.clone()
    };
    vec![
        r.id.clone(),
        verdict,
        r.requirement.clone(),
        r.method.clone(),
        r.boxes.to_string(),
        r.points.to_string(),
        // Wide enough for hours, so that a table looks the same on a slow machine.
        format!("{:8.3}", r.seconds),
    ]
}

/// How far work came that found no verdict, to stand behind a reason.
pub(super) fn progress(open: &Open) -> String {
    let bound = match open.best {
        Some(best) => format!("best bound {best:.3e}, "),
        None => String::new(),
    };
    // Rounded down: what is not all of it does not look like it.
    let percent = (open.fraction * 1e4).floor() / 1e2;
    let boxes = usize::try_from(open.boxes).unwrap_or(usize::MAX);
    let boxes = match boxes {
        1 => "1 open box".to_owned(),
        n => format!("{n} open boxes"),
    };
    format!("; {bound}{percent} % of the region proved, {boxes}")
}

fn details(out: &mut String, r: &Region) {
    if let Some(reason) = &r.reason {
        let far = r.open.as_ref().map_or(String::new(), progress);
        let _ = writeln!(out, "{}: {reason}{far}", r.id);
    }
    if let Some(constant) = &r.vacuous_constant {
        let _ = writeln!(out, "{}: vacuous, {constant} would do", r.id);
    }
    if r.reference_changes_class {
        let _ = writeln!(out, "{}: the reference itself changes class here", r.id);
    }
    if let Some(c) = &r.counterexample {
        let _ = writeln!(out, "{}: counterexample {}", r.id, list(&c.x, short));
        let _ = writeln!(out, "  reference {}", list(&c.reference, short));
        let _ = writeln!(out, "  kernel    {}", list(&c.kernel, short));
    }
}

fn accuracy(out: &mut String, r: &Report) {
    for a in r.accuracy.iter().chain(&r.calibration_accuracy) {
        let share = |v: f64| format!("{} %", percent(v, a.samples));
        let right = match (a.reference_accuracy, a.kernel_accuracy) {
            (Some(n), Some(k)) => format!("reference {}, kernel {}, ", share(n), share(k)),
            _ => String::new(),
        };
        let compiled = r.command == "compile";
        let fitted = match a.split.as_str() {
            "calibration" if compiled && r.calibration_accuracy.is_none() => {
                " (the rows of the calibration: there are no test rows)"
            }
            "test" if compiled && r.demands.is_some() => {
                " (candidates had to meet demands on these rows: it says nothing of others)"
            }
            _ => "",
        };
        // Nothing follows from the rows that `verify` measures.
        let split = match a.split.as_str() {
            "calibration" if !compiled => "data",
            split => split,
        };
        let _ = writeln!(
            out,
            "{split} on {} rows of {}: {right}agreement {}, at least {:.2} % with 95 % confidence{fitted}",
            a.samples,
            a.data,
            share(a.agreement),
            (a.agreement_lower * 1e4).floor() / 1e2,
        );
        let shown = a.changed.len().min(CHANGED);
        for c in &a.changed[..shown] {
            let label = c.label.map_or(String::new(), |l| format!(", label {l}"));
            let (reference, kernel) = (c.reference, c.kernel);
            let _ = writeln!(
                out,
                "  row {}: reference {reference}, kernel {kernel}{label}",
                c.row
            );
        }
        if as_usize(a.changed_count) > shown {
            let rest = as_usize(a.changed_count) - shown;
            let _ = writeln!(out, "  and {} with another class", count(rest, "row"));
        }
    }
    if r.command == "compile" && r.accuracy.is_some() && r.demands.is_none() {
        out.push_str(
            "nothing is demanded on the data: --max-accuracy-drop 0.5% or --min-agreement 99% holds the kernel to them\n",
        );
    }
    if r.demands.as_ref().is_some_and(|d| d.missed.is_none()) {
        out.push_str("every demand on the data is met\n");
    }
    for s in &r.agreement_samples {
        let _ = writeln!(
            out,
            "agreement on {} random points ({}): {} %, at least {:.2} % with 95 % confidence",
            s.samples,
            s.kind,
            percent(s.agreement, s.samples),
            (s.lower * 1e4).floor() / 1e2,
        );
    }
}

/// So many changed rows are shown of each split; the report has more.
const CHANGED: usize = 5;

/// A share of `samples` in percent, rounded down: what is not all of it does not look like it.
fn percent(share: f64, samples: u64) -> String {
    let rows = (share * samples as f64).round() as u128;
    let hundredths = rows * 10_000 / u128::from(samples.max(1));
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn set_aside(s: &ceg4n_report::SetAside) -> String {
    let list = |v: &[u8]| {
        let texts: Vec<_> = v.iter().map(ToString::to_string).collect();
        texts.join("/")
    };
    // One number where all are equal.
    let activations = match &s.activation_bits[..] {
        [first, rest @ ..] if rest.iter().all(|b| b == first) => first.to_string(),
        all => list(all),
    };
    format!(
        "v{}, weights of {} bits, biases of {}, activations of {activations}, cost {}: {}",
        s.version,
        list(&s.weight_bits),
        list(&s.bias_bits),
        s.cost,
        s.reason
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_down() {
        assert_eq!(percent(0.9026, 10_000), "90.26");
        assert_eq!(percent(0.99999, 100_000), "99.99");
        assert_eq!(percent(2.0 / 3.0, 3), "66.66");
        assert_eq!(percent(1.0, 7), "100.00");
    }

    #[test]
    fn how_far_work_came_is_told_and_never_rounded_up_to_all() {
        let open = |best, fraction, boxes| {
            progress(&Open {
                best,
                fraction,
                boxes,
            })
        };
        assert_eq!(
            open(Some(-0.0125), 0.875, 3),
            "; best bound -1.250e-2, 87.5 % of the region proved, 3 open boxes"
        );
        assert_eq!(
            open(None, 0.999999, 1),
            "; 99.99 % of the region proved, 1 open box"
        );
    }
}
