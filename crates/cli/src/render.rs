//! Results as text for people. Numbers are shortened to nine significant digits here; JSON has
//! them exactly.

mod bench;
mod bench_compile;
mod doctor;
mod explain;
mod instances;
mod opt;
mod reduce;
mod report;
mod rules;
mod runs;
mod simplify;
mod table;
pub(crate) mod verbose;

pub(crate) use bench::bench;
pub(crate) use bench_compile::{bench_compile, bench_compile_markdown};
pub(crate) use doctor::doctor;
pub(crate) use explain::{explanation, recheck};
pub(crate) use instances::instances;
pub(crate) use opt::{after, compared, passes, stats, timing};
pub(crate) use reduce::reduction;
pub(crate) use report::report;
pub(crate) use rules::{rule_list, rules};
pub(crate) use runs::{difference, runs};
pub(crate) use simplify::simplification;

use ceg4n_base::Exact;
use ceg4n_driver::check::{Summary, VersionSummary};
use ceg4n_driver::run::{Known, RunResult};
use ceg4n_report::Layer;
use std::fmt::Write;
use table::table;

/// A number with at most nine significant digits.
pub(crate) fn short(v: &Exact) -> String {
    let rounded = format!("{:.8e}", v.to_f64());
    let text = rounded.parse().map_or(rounded, |v: f64| format!("{v:?}"));
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let texts: Vec<_> = items.iter().map(show).collect();
    format!("[{}]", texts.join(", "))
}

/// `1 region`, `2 regions`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Folds the lines that are too long for the terminal, each below its own beginning; tables fit
/// already. Without a width lines stay whole. Words are never broken: options are copied.
pub(crate) fn folded(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else {
        return text.to_owned();
    };
    let fold = |line: &str| {
        if textwrap::core::display_width(line) <= columns {
            return format!("{line}\n");
        }
        let depth = line.len() - line.trim_start().len();
        let indent = " ".repeat(depth + 2);
        let options = textwrap::Options::new(columns)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(line, &options) + "\n"
    };
    text.lines().map(fold).collect()
}

/// A table of layers: formats of weights and operands, widths and ranges of sums.
fn layers(layers: &[Layer], columns: Option<usize>) -> String {
    let head = ["layer", "weight", "operand", "accumulator", "proved range"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for l in layers {
        let acc = &l.accumulator;
        rows.push(vec![
            format!("%{}", l.name),
            l.weight.format.clone(),
            l.activation.format.clone(),
            acc.format.clone(),
            format!("{} to {}", acc.proved_min, acc.proved_max),
        ]);
    }
    table(&rows, 2, columns)
}

/// `check`.
pub(crate) fn summary(s: &Summary, columns: Option<usize>) -> String {
    let n = &s.network;
    let mut out = String::new();
    // Writing to a string does not fail, here and below.
    let _ = writeln!(
        out,
        "@{}: tensor<{}> to tensor<{}>, {}, {}",
        n.name,
        n.input,
        n.output,
        count(n.parameters, "parameter"),
        count(n.macs, "multiplication"),
    );
    let operators: Vec<_> = n
        .operators
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    let _ = writeln!(out, "operators: {}", operators.join(", "));
    for v in &s.versions {
        version(&mut out, v, columns);
    }
    if !s.regions.is_empty() {
        let ids: Vec<_> = s.regions.iter().take(8).map(|r| r.id.as_str()).collect();
        let more = if s.regions.len() > ids.len() {
            ", …"
        } else {
            ""
        };
        let regions = count(s.regions.len(), "region");
        let _ = writeln!(out, "{regions}: {}{more}", ids.join(", "));
    }
    for r in &s.requirements {
        let regions = count(r.regions.len(), "region");
        let _ = writeln!(
            out,
            "require {} domain {} on {regions}",
            r.property, r.domain
        );
    }
    out
}

fn version(out: &mut String, v: &VersionSummary, columns: Option<usize>) {
    let (Some(input), Some(frac)) = (&v.input, v.output_frac) else {
        let _ = writeln!(out, "v{}: activations are real", v.version);
        return;
    };
    let _ = writeln!(
        out,
        "v{}: input {input}, outputs at scale 2^{}, rounding {}",
        v.version, -frac, v.rounding
    );
    out.push_str(&layers(&v.layers, columns));
}

/// `run`.
pub(crate) fn results(results: &[RunResult]) -> String {
    let mut out = String::new();
    for (i, r) in results.iter().enumerate() {
        let name = match &r.id {
            Some(id) => format!("{id:?}"),
            None => format!("input {}", i + 1),
        };
        let _ = writeln!(out, "{name}: {}", list(&r.x, short));
        for t in &r.reference.trace {
            let _ = writeln!(out, "  reference %{}: {}", t.name, list(&t.values, known));
        }
        let class = |c: Option<usize>| c.map_or(String::new(), |c| format!(", class {c}"));
        let _ = writeln!(
            out,
            "  reference: {}{}",
            list(&r.reference.outputs, known),
            class(r.reference.class)
        );
        let Some(k) = &r.kernel else { continue };
        let v = k.version;
        for t in &k.trace {
            let _ = writeln!(
                out,
                "  v{v} {} %{} {}: {} = {}",
                t.step,
                t.name,
                t.format,
                integers(&t.mantissas),
                list(&t.values, short)
            );
        }
        let _ = writeln!(
            out,
            "  v{v}: {} gives {} = {}{}",
            integers(&k.input),
            integers(&k.mantissas),
            list(&k.outputs, short),
            class(k.class)
        );
    }
    out
}

/// A number, or what its bounds agree in.
fn known(v: &Known) -> String {
    match v {
        Known::Exact(v) => short(v),
        Known::Between(lo, hi) => match (short(lo), short(hi)) {
            (lo, hi) if lo == hi => format!("~{lo}"),
            (lo, hi) => format!("{lo}..{hi}"),
        },
    }
}

fn integers(items: &[i64]) -> String {
    list(items, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_below_their_beginning() {
        let text = "short\n  a long line that goes on\nunbreakable_as_it_is\n";
        assert_eq!(folded(text, None), text);
        let narrow = "short\n  a long\n    line\n    that\n    goes on\nunbreakable_as_it_is\n";
        assert_eq!(folded(text, Some(11)), narrow);
    }

    #[test]
    fn numbers_are_shortened() {
        for (exact, text) in [
            ("0.1", "0.1"),
            ("1/3", "0.333333333"),
            ("-2", "-2"),
            ("12345678912", "12345678900"),
            ("1e-30", "1e-30"),
            ("0", "0"),
        ] {
            assert_eq!(short(&exact.parse().unwrap()), text);
        }
    }
}
