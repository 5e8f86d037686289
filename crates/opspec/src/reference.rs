//! The book's operator reference, generated from the specs.

use crate::catalogue::Catalogue;
use crate::names::{InputName, OpName, RoundingName, SaturationName};
use crate::spec::{Example, Meaning, SizeId, Spec};
use std::fmt::Display;

/// The reference as Markdown: every spec with its operands, meaning, conditions and examples. The
/// same catalogue gives the same text.
pub fn reference_markdown(catalogue: &Catalogue) -> String {
    let mut out = String::from(INTRODUCTION);
    let group = |out: &mut String, title: &str, specs: Vec<&Spec>| {
        out.push_str(&format!("\n## {title}\n"));
        for spec in specs {
            section(out, spec);
        }
    };
    let ops = OpName::ALL.iter().map(|n| catalogue.op(*n)).collect();
    group(&mut out, "Operators", ops);
    let all = RoundingName::ALL.iter();
    group(
        &mut out,
        "Rounding",
        all.map(|n| catalogue.rounding(*n)).collect(),
    );
    let all = SaturationName::ALL.iter();
    group(
        &mut out,
        "Saturation",
        all.map(|n| catalogue.saturation(*n)).collect(),
    );
    let all = InputName::ALL.iter();
    group(
        &mut out,
        "Input",
        all.map(|n| catalogue.input(*n)).collect(),
    );
    out
}

const INTRODUCTION: &str = "\
# Operator reference

Generated from `ir-specs`; the exact evaluator and the SMT lowering interpret the same files.

Each meaning gives one element of the result. Numbers are mathematical integers (in a fixed-point
program) or rationals (in a real one): nothing wraps. Parameters, indices and literals are known
beforehand.

| form | meaning |
|---|---|
| `sum k in n { … }` | the sum over k = 0 … n-1; of several indices with commas |
| `max k in n { … }` | the largest over k = 0 … n-1 |
| `… where c }` | the terms of a sum or maximum for which c holds |
| `let q = …; …` | a name for a value |
| `select(c, a, b)` | a where c holds, else b |
| `min(a, b)`, `max(a, b)` | the smaller, the larger |
| `shl(a, s)` | a·2^s, s ≥ 0 |
| `shr(a, s)` | floor(a / 2^s), s ≥ 0 |
| `mod_pow2(a, s)` | a - floor(a / 2^s)·2^s, s ≥ 0 |
| `div(a, b)` | floor(a / b) of numbers known beforehand, b > 0 |
| `t[a]` | the entry of the parameter t at a computed index |
| `scale(a, k)`, `floor(a)`, `a / b` | a·2^k, floor, quotient, over the rationals |
| `sigmoid(a)`, `tanh(a)` | 1/(1 + e^-a) and (e^a - e^-a)/(e^a + e^-a), over the reals |
| `round(a, s)` | the rounding rule of the network |
| `clamp(v, lo, hi)` | the saturation rule |
| `==` `!=` `<` `<=` `>` `>=` `and` `or` `not` | truth values |
";

fn section(out: &mut String, spec: &Spec) {
    out.push_str(&format!("\n### {}\n\n{}\n", spec.name, spec.summary));
    let applies = match (spec.real, spec.fixed) {
        (true, true) => "real and fixed-point programs",
        (true, false) => "real programs",
        (false, _) => "fixed-point programs",
    };
    out.push_str(&format!("\nApplies to {applies}.\n\n{}\n", spec.doc.trim()));
    out.push_str(&format!(
        "\nShape: `{}`. {}\n",
        spec.signature(),
        spec.result.rule
    ));
    out.push_str("\n| name | kind | meaning |\n|---|---|---|\n");
    for o in spec.operands.values() {
        row(out, spec, &o.name, o.kind.as_str(), &o.shape, &o.doc);
    }
    for p in spec.parameters.values() {
        row(out, spec, &p.name, "integer parameter", &p.shape, &p.doc);
    }
    for (id, doc) in &spec.sets {
        row(out, spec, &spec.sizes[*id], "index set", &[], doc);
    }
    code(out, &result(spec), &spec.meaning);
    if let Some(definition) = &spec.definition {
        out.push_str("\nOver the rationals, the same as:\n");
        code(out, &result(spec), definition);
    }
    for c in &spec.conditions {
        out.push_str(&format!("\nCondition: `{}`. {}\n", c.source, c.doc));
    }
    out.push_str("\nExamples:\n\n");
    for e in &spec.examples {
        out.push_str(&format!("- {}\n", example(spec, e)));
    }
}

fn row(out: &mut String, spec: &Spec, name: &str, kind: &str, shape: &[SizeId], doc: &str) {
    let name = spec.shaped(name, shape);
    // A bar inside a cell would end it.
    let doc = doc.replace('|', "\\|");
    out.push_str(&format!("| `{name}` | {kind} | {doc} |\n"));
}

/// The result's element as the left side of an equation.
fn result(spec: &Spec) -> String {
    let indices: Vec<&str> = spec.result.index.iter().map(|(n, _)| n.as_str()).collect();
    match indices.as_slice() {
        [] => spec.result.name.clone(),
        indices => format!("{}[{}]", spec.result.name, indices.join(", ")),
    }
}

fn code(out: &mut String, left: &str, meaning: &Meaning) {
    let body = meaning.source.replace('\n', "\n  ");
    let gap = if body.contains('\n') { "\n  " } else { " " };
    out.push_str(&format!("\n```text\n{left} ={gap}{body}\n```\n"));
}

fn example(spec: &Spec, e: &Example) -> String {
    let mut given = Vec::new();
    for (id, _) in &spec.sets {
        given.push(format!("{} = {}", spec.sizes[*id], e.sizes[*id]));
    }
    for (id, o) in &spec.operands {
        given.push(format!(
            "{} = {}",
            o.name,
            list(&e.operands[id], o.shape.is_empty())
        ));
    }
    for (id, p) in &spec.parameters {
        given.push(format!(
            "{} = {}",
            p.name,
            list(&e.parameters[id], p.shape.is_empty())
        ));
    }
    if spec.meaning.rounds {
        given.push(format!("rounding {}", e.rounding));
    }
    let result = list(&e.result, spec.result.index.is_empty());
    format!(
        "`{}` gives `{} = {result}`",
        given.join("`, `"),
        spec.result.name
    )
}

fn list<T: Display>(values: &[T], scalar: bool) -> String {
    let all: Vec<String> = values.iter().map(T::to_string).collect();
    match scalar {
        true => all.concat(),
        false => format!("[{}]", all.join(", ")),
    }
}
