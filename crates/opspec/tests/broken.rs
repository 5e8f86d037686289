//! Specs that must be rejected, each with its code, line and column; and the embedded set itself.

use ceg4n_base::{Location, Sources};
use ceg4n_opspec::{Catalogue, EMBEDDED, catalogue, reference_markdown};

const DENSE: &str = "ops/dense.toml";

/// The embedded files, with one text replaced in one of them.
fn edited(file: &str, from: &str, to: &str) -> Vec<(&'static str, String)> {
    let mut found = false;
    let files = EMBEDDED
        .iter()
        .map(|(path, text)| {
            if *path != file {
                return (*path, (*text).to_owned());
            }
            assert!(text.contains(from), "{file} has no {from:?}");
            found = true;
            (*path, text.replacen(from, to, 1))
        })
        .collect();
    assert!(found, "there is no {file}");
    files
}

fn load(files: &[(&str, String)]) -> Result<Catalogue, String> {
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
    let mut sources = Sources::default();
    Catalogue::load(&files, &mut sources).map_err(|diagnostics| {
        let lines: Vec<String> = diagnostics
            .0
            .iter()
            .map(|d| match &d.location {
                Location::Span(span) => {
                    let (line, column) = sources.line_column(*span);
                    let name = sources.name(span.source);
                    format!(
                        "{name}:{line}:{column}: [{}] {}: {}",
                        d.code, d.message, d.label
                    )
                }
                Location::Place(place) => format!("{place}: [{}] {}", d.code, d.message),
                Location::None => format!("[{}] {}", d.code, d.message),
            })
            .collect();
        lines.join("\n")
    })
}

#[track_caller]
fn rejected(file: &str, from: &str, to: &str, expected: &str) {
    let loaded = load(&edited(file, from, to)).map(|_| ());
    let message = loaded.expect_err("a broken spec is rejected");
    assert!(
        message.starts_with(expected),
        "expected {expected}\ngot {message}"
    );
}

const MEANING: &str = "sum k in n { x[k] * w[j, k] } + b[j]";

#[test]
fn syntax_has_a_place() {
    rejected(
        DENSE,
        MEANING,
        "sum k in n { x[k] * } + b[j]",
        "ir-specs/ops/dense.toml:11:32: [E0101]",
    );
    rejected(
        DENSE,
        MEANING,
        "x[",
        "ir-specs/ops/dense.toml:11:14: [E0101]",
    );
    rejected(DENSE, MEANING, "", "ir-specs/ops/dense.toml:11:");
    rejected(DENSE, "j in m", "j of m", "ir-specs/ops/dense.toml:33:");
    rejected(
        DENSE,
        MEANING,
        "99999999999999999999",
        "ir-specs/ops/dense.toml:11:12: [E0102]",
    );
    rejected(
        DENSE,
        "applies =",
        "aplies =",
        "ir-specs/ops/dense.toml:10:1: [E0106]",
    );
    rejected(
        DENSE,
        "x[k] *",
        "\\u0078[k] *",
        "ir-specs/ops/dense.toml:11:11: [E0106] an expression cannot contain escapes",
    );
}

#[test]
fn names_are_looked_up() {
    rejected(
        DENSE,
        MEANING,
        "sum k in n { x[k] * v[j, k] } + b[j]",
        "ir-specs/ops/dense.toml:11:32: [E0103]",
    );
    rejected(
        DENSE,
        MEANING,
        "sum k in q { x[k] }",
        "ir-specs/ops/dense.toml:11:21: [E0103]",
    );
    rejected(
        DENSE,
        MEANING,
        "sum k in n { x[k] } + x[k]",
        "ir-specs/ops/dense.toml:11:36: [E0103]",
    );
    rejected(
        DENSE,
        MEANING,
        "sum j in n { x[j] }",
        "ir-specs/ops/dense.toml:11:16: [E0104]",
    );
    rejected(
        DENSE,
        MEANING,
        "let b = 1; b",
        "ir-specs/ops/dense.toml:11:16: [E0104]",
    );
    rejected(
        DENSE,
        MEANING,
        "saturate(b[j], 0, 1)",
        "ir-specs/ops/dense.toml:11:12: [E0103]",
    );
    rejected(
        DENSE,
        "name = \"w\"",
        "name = \"x\"",
        "ir-specs/ops/dense.toml:20:8: [E0104]",
    );
    rejected(
        DENSE,
        "name = \"dense\"",
        "name = \"tense\"",
        "ir-specs/ops/dense.toml:1:8: [E0106]",
    );
}

#[test]
fn shapes_are_checked() {
    rejected(
        DENSE,
        MEANING,
        "sum k in n { x[k] * w[k, j] } + b[j]",
        "ir-specs/ops/dense.toml:11:34: [E0201] this dimension of `w` is `m`",
    );
    rejected(
        DENSE,
        MEANING,
        "sum k in n { x[k] } + w[j]",
        "ir-specs/ops/dense.toml:11:34: [E0201] `w` has 2 dimensions and 1 indices",
    );
    rejected(
        DENSE,
        "kind = \"matrix\"",
        "kind = \"vector\"",
        "ir-specs/ops/dense.toml:20:8: [E0201]",
    );
    rejected(
        DENSE,
        "b = [10, 0, -1]",
        "b = [10, 0]",
        "ir-specs/ops/dense.toml:36:1: [E0106] `b` has 2 numbers",
    );
    rejected(
        DENSE,
        "sizes = { n = 2, m = 3 }",
        "sizes = { n = 2 }",
        "ir-specs/ops/dense.toml:36:1: [E0106] the example does not give `m`",
    );
}

#[test]
fn types_are_checked() {
    rejected(
        DENSE,
        MEANING,
        "b[j] > 0",
        "ir-specs/ops/dense.toml:11:12: [E0106] a number is needed",
    );
    rejected(
        DENSE,
        MEANING,
        "shl(b[j], b[j])",
        "ir-specs/ops/dense.toml:11:22: [E0106] a shift amount",
    );
    rejected(
        DENSE,
        MEANING,
        "select(b[j], 0, 1)",
        "ir-specs/ops/dense.toml:11:19: [E0106] a truth value",
    );
    rejected(
        DENSE,
        MEANING,
        "min(b[j])",
        "ir-specs/ops/dense.toml:11:12: [E0106] `min` takes 2",
    );
    rejected(
        DENSE,
        MEANING,
        "clamp(b[j], 0)",
        "ir-specs/ops/dense.toml:11:12: [E0106] `clamp` takes 3",
    );
    let relu = "ops/relu.toml";
    rejected(
        relu,
        "max(0, x[i])",
        "x[i] / 2",
        "ir-specs/ops/relu.toml:8:12: [E0106] `/` has no meaning over",
    );
    rejected(
        relu,
        "max(0, x[i])",
        "shr(x[i], 1)",
        "ir-specs/ops/relu.toml:8:12: [E0106] `shr` is for integers",
    );
    rejected(
        relu,
        "max(0, x[i])",
        "round(x[i], 1)",
        "ir-specs/ops/relu.toml:8:12: [E0106] `round` is for integers",
    );
    rejected(
        "ops/align.toml",
        "t[i] >= 0",
        "t[i]",
        "ir-specs/ops/align.toml:28:10: [E0106] a truth value",
    );
}

#[test]
fn reductions_and_indices_are_checked() {
    let (conv, pool, table) = ("ops/conv.toml", "ops/max_pool.toml", "ops/table.toml");
    let place = |file: &str, at: &str, what: &str| format!("ir-specs/{file}:{at}: {what}");
    for (file, from, to, at, what) in [
        // A filter is known beforehand.
        (
            pool,
            "where 0 <= r",
            "where 0 <= x[c, r, s]",
            "12:20",
            "[E0106] the terms of a reduction",
        ),
        (pool, "where 0 <= r", "where r", "12:20", "[E0106]"),
        (pool, "v in cols", "u in cols", "9:16", "[E0104]"),
        (pool, "v in cols", "v in columns", "9:21", "[E0103]"),
        // Only the terms of a reduction have a filter.
        (
            "ops/relu.toml",
            "max(0, x[i])",
            "x[i] where i < n",
            "8:17",
            "[E0101]",
        ),
        // An index that no guard compares runs over its own set.
        (
            "ops/concat.toml",
            "select(k < a, x[i, k], y[i, k - a])",
            "x[i, k]",
            "9:17",
            "[E0201] this dimension of `x` is `a`",
        ),
        (conv, "div(m, q)", "div(m, b[m])", "16:12", "[E0106]"),
        (conv, "div(m, q)", "m / q", "16:5", "[E0106]"),
        (table, "t[x[i] - least]", "t[x[i] > 0]", "8:14", "[E0106]"),
        (table, "t[x[i] - least]", "x[x[i]]", "8:14", "[E0106]"),
        (
            table,
            "applies = [\"fixed\"]",
            "applies = [\"real\"]",
            "8:12",
            "[E0106] `a list at an index",
        ),
        (
            "ops/relu.toml",
            "max(0, x[i])",
            "tanh(x[i])",
            "8:12",
            "[E0106] `tanh` has no meaning over integers",
        ),
        (
            pool,
            "kind = \"tensor\"",
            "kind = \"matrix\"",
            "16:8",
            "[E0201]",
        ),
        (
            pool,
            "name = \"rows\"",
            "name = \"height\"",
            "46:8",
            "[E0104]",
        ),
    ] {
        rejected(file, from, to, &place(file, at, what));
    }
}

#[test]
fn rules_are_scalar_and_call_nothing() {
    let clamp = "saturation/clamp.toml";
    rejected(
        clamp,
        "min(max(v, lo), hi)",
        "clamp(v, lo, hi)",
        "ir-specs/saturation/clamp.toml:5:12: [E0106] a rule of `saturation` cannot call",
    );
    rejected(
        "rounding/floor.toml",
        "[[parameter]]",
        "[[operand]]\nkind = \"scalar\"",
        "ir-specs/rounding/floor.toml:1:8: [E0106] a rule of `rounding` has 1",
    );
}

#[test]
fn several_mistakes_are_told_at_once() {
    let files = edited(
        "ops/requantize.toml",
        "clamp(round(acc[i] * m[i], s[i]), lo, hi)",
        "cut(acc[i])",
    );
    let files: Vec<_> = files
        .into_iter()
        .map(|(p, t)| (p, t.replace("lo <= hi", "low <= hi")))
        .collect();
    let message = load(&files).map(|_| ()).unwrap_err();
    for part in [
        "function or rule `cut`",
        "index `low`",
        "requantize.toml",
        "clamp.toml",
        "from-real.toml",
    ] {
        assert!(message.contains(part), "{part} is missing in\n{message}");
    }
}

#[test]
fn every_name_has_a_file_and_every_file_a_name() {
    assert_eq!(EMBEDDED.len(), catalogue().all().count());
    for (i, (path, _)) in EMBEDDED.iter().enumerate() {
        let mut files = edited(path, "", "");
        files.remove(i);
        let message = load(&files).map(|_| ()).unwrap_err();
        assert!(
            message.contains(path) && message.contains("has no file"),
            "{message}"
        );
    }
    let mut files = edited(DENSE, "", "");
    let extra = files
        .iter()
        .find(|(p, _)| *p == "ops/relu.toml")
        .unwrap()
        .1
        .clone();
    files.push((
        "ops/gelu.toml",
        extra.replace("name = \"relu\"", "name = \"gelu\""),
    ));
    let message = load(&files).map(|_| ()).unwrap_err();
    assert!(
        message.contains("`ops/gelu.toml` has no entry"),
        "{message}"
    );
    files.pop();
    files.push(("ops/notes.txt", String::new()));
    let message = load(&files).map(|_| ()).unwrap_err();
    assert!(
        message.contains("`ops/notes.txt` is no spec file"),
        "{message}"
    );
}

#[test]
fn the_reference_names_everything() {
    let text = reference_markdown(catalogue());
    for spec in catalogue().all() {
        let signature = spec.signature();
        for part in [
            &spec.name,
            &spec.summary,
            &signature,
            &spec.doc.trim().to_owned(),
        ] {
            assert!(text.contains(part.as_str()), "{part} is missing");
        }
        for o in spec.operands.values() {
            assert!(
                text.contains(&o.doc.replace('|', "\\|")),
                "{} of {}",
                o.name,
                spec.name
            );
        }
    }
    assert!(text.contains("`x[n], w[m, n], b[m] -> y[m]`"), "{text}");
    assert!(
        text.contains("y[j] = sum k in n { x[k] * w[j, k] } + b[j]"),
        "{text}"
    );
}
