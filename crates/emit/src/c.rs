//! C99: header, weights, kernel, self-test.
//!
//! Every operand is cast to the word of its step, so that nothing depends on the width of `int`.
//! Right shifts of negative numbers are implementation-defined in C: a compile-time assertion
//! demands the arithmetic shift. Left shifts are multiplications by a power of two, because
//! shifting a negative number left is undefined.

use crate::elem::Elem;
use crate::plan::{Operand, Plan, Source, Stage, Step, StepKind};
use crate::slots::{self, Slots};
use crate::text::{c_comment, c_integer, decimal, integers, line, string};
use crate::{EmitInput, OutputFile, readme};
use ceg4n_ir::Rounding;
use std::fmt::Write;

/// Every file of `c/`.
pub(crate) fn files(input: &EmitInput<'_>, plan: &Plan<'_>) -> Vec<OutputFile> {
    let name = input.name;
    let slots = slots::assign(plan, slots::may_alias);
    let file = |suffix: &str, text| OutputFile::new(format!("c/{name}{suffix}"), text);
    vec![
        file(".h", header(input, plan, &slots)),
        file(".c", source(input, plan, &slots)),
        file("_weights.h", weights_header(input, plan)),
        file("_weights.c", weights_source(input, plan)),
        file("_selftest.c", selftest(input)),
        OutputFile::new(
            "c/README.md".to_owned(),
            readme::c(input, plan, slots.bytes()),
        ),
    ]
}

fn header(input: &EmitInput<'_>, plan: &Plan<'_>, slots: &Slots) -> String {
    let name = input.name;
    let kernel = plan.kernel;
    let format = kernel.input_format;
    let mut out = String::new();
    c_comment(&mut out, readme::preamble(input, &format!("{name}.h")));
    line!(out, "#ifndef {name}_H\n#define {name}_H\n");
    line!(out, "#include <stddef.h>\n#include <stdint.h>\n");
    line!(out, "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n");
    c_comment(&mut out, [format!("Input: {}", plan.input_text())]);
    line!(out, "#define {name}_IN_SIZE {}", kernel.input_len());
    line!(out, "#define {name}_IN_BITS {}", format.width());
    line!(
        out,
        "#define {name}_IN_SIGNED {}",
        u8::from(format.signed())
    );
    line!(out, "#define {name}_IN_FRAC {}", format.frac());
    line!(out, "typedef {} {name}_in_t;\n", plan.input.c());
    c_comment(&mut out, [format!("Output: {}", plan.output_text())]);
    line!(out, "#define {name}_OUT_SIZE {}", kernel.output_len());
    line!(out, "#define {name}_OUT_FRAC {}", kernel.output_frac);
    line!(out, "typedef {} {name}_out_t;\n", plan.output.c());
    c_comment(&mut out, ["1 if the claim above says VERIFIED."]);
    line!(
        out,
        "#define {name}_VERIFIED {}\n",
        u8::from(input.claim.is_verified())
    );
    c_comment(
        &mut out,
        ["Working memory of one inference; needs no initialisation."],
    );
    scratch(&mut out, name, slots);
    c_comment(
        &mut out,
        ["Computes the outputs. The three objects must not overlap."],
    );
    line!(
        out,
        "void {name}_infer(const {name}_in_t in[{name}_IN_SIZE], {name}_out_t out[{name}_OUT_SIZE], {name}_scratch *scratch);\n"
    );
    c_comment(
        &mut out,
        ["The class: index of the greatest output, the lowest index among equals."],
    );
    line!(
        out,
        "size_t {name}_argmax(const {name}_out_t out[{name}_OUT_SIZE]);\n"
    );
    line!(out, "#ifdef __cplusplus\n}}\n#endif\n\n#endif");
    out
}

/// The scratch type; a buffer that holds several types in turn is a union.
fn scratch(out: &mut String, name: &str, slots: &Slots) {
    line!(out, "typedef struct {{");
    if slots.slots.is_empty() {
        line!(out, "    uint8_t unused;");
    }
    for (k, slot) in slots.slots.iter().enumerate() {
        if let [(ty, len)] = slot.views[..] {
            line!(out, "    {} v{k}[{len}];", ty.c());
            continue;
        }
        line!(out, "    union {{");
        for (ty, len) in &slot.views {
            line!(out, "        {} {}[{len}];", ty.c(), ty.rust());
        }
        line!(out, "    }} v{k};");
    }
    line!(out, "}} {name}_scratch;\n");
}

/// The expression for a stage's result.
fn buffer(slots: &Slots, stage: usize, ty: Elem) -> String {
    match slots.of_stage[stage] {
        None => "out".to_owned(),
        Some(k) if slots.slots[k].views.len() == 1 => format!("scratch->v{k}"),
        Some(k) => format!("scratch->v{k}.{}", ty.rust()),
    }
}

fn weights_header(input: &EmitInput<'_>, plan: &Plan<'_>) -> String {
    let name = input.name;
    let mut out = String::new();
    c_comment(
        &mut out,
        [format!(
            "{name}_weights.h: constants of the kernel {name}; private to it"
        )],
    );
    line!(
        out,
        "#ifndef {name}_WEIGHTS_H\n#define {name}_WEIGHTS_H\n\n#include <stdint.h>\n"
    );
    for t in &plan.tables {
        c_comment(&mut out, [&t.comment]);
        line!(
            out,
            "extern const {} {name}_{}[{}];\n",
            t.ty.c(),
            t.name,
            t.data.len()
        );
    }
    line!(out, "#endif");
    out
}

fn weights_source(input: &EmitInput<'_>, plan: &Plan<'_>) -> String {
    let name = input.name;
    let mut out = String::new();
    c_comment(
        &mut out,
        [format!("{name}_weights.c: constants of the kernel {name}")],
    );
    line!(out, "#include \"{name}_weights.h\"");
    for t in &plan.tables {
        line!(
            out,
            "\nconst {} {name}_{}[{}] = {{",
            t.ty.c(),
            t.name,
            t.data.len()
        );
        integers(&mut out, "    ", t.data.iter(), c_integer);
        line!(out, "}};");
    }
    out
}

fn source(input: &EmitInput<'_>, plan: &Plan<'_>, slots: &Slots) -> String {
    let name = input.name;
    let mut out = String::new();
    c_comment(
        &mut out,
        readme::short_preamble(input, &format!("{name}.c")),
    );
    line!(
        out,
        "#include \"{name}.h\"\n#include \"{name}_weights.h\"\n"
    );
    c_comment(
        &mut out,
        ["Right shifts of negative integers must be arithmetic."],
    );
    line!(
        out,
        "typedef char {name}_needs_arithmetic_shift[((-INT32_C(5)) >> 1) == -INT32_C(3) && ((-INT64_C(5)) >> 1) == -INT64_C(3) ? 1 : -1];\n"
    );
    for (i, s) in plan.stages.iter().enumerate() {
        c_comment(&mut out, &s.notes);
        stage(&mut out, name, plan, i, s);
    }
    line!(
        out,
        "void {name}_infer(const {name}_in_t in[{name}_IN_SIZE], {name}_out_t out[{name}_OUT_SIZE], {name}_scratch *scratch)\n{{"
    );
    if slots.slots.is_empty() {
        line!(out, "    (void)scratch;");
    }
    for (i, s) in plan.stages.iter().enumerate() {
        let from = match s.source {
            Source::Input => "in".to_owned(),
            Source::Stage(k) => buffer(slots, k, s.source_ty),
        };
        line!(
            out,
            "    {name}_stage{i}({from}, {});",
            buffer(slots, i, s.ty)
        );
    }
    line!(out, "}}\n");
    line!(
        out,
        "size_t {name}_argmax(const {name}_out_t out[{name}_OUT_SIZE])\n{{"
    );
    line!(out, "    size_t best = 0;");
    line!(
        out,
        "    for (size_t j = 1; j < {}; ++j) {{",
        plan.kernel.output_len()
    );
    line!(
        out,
        "        if (out[j] > out[best]) {{\n            best = j;\n        }}\n    }}"
    );
    line!(out, "    return best;\n}}");
    out
}

/// The function of one stage.
fn stage(out: &mut String, name: &str, plan: &Plan<'_>, number: usize, stage: &Stage) {
    let mut word = stage.word.c();
    line!(
        out,
        "static void {name}_stage{number}(const {} *x, {} *y)\n{{",
        stage.source_ty.c(),
        stage.ty.c()
    );
    if let Some(d) = &stage.dense {
        let w = &plan.tables[d.weight];
        line!(out, "    const {} *w = {name}_{};", w.ty.c(), w.name);
    }
    line!(out, "    for (size_t j = 0; j < {}; ++j) {{", stage.len);
    match &stage.dense {
        None => line!(out, "        {word} acc = ({word})x[j];"),
        Some(d) => {
            match d.bias {
                Some(b) => line!(
                    out,
                    "        {word} acc = ({word}){name}_{}[j];",
                    plan.tables[b].name
                ),
                None => line!(out, "        {word} acc = 0;"),
            }
            line!(out, "        for (size_t k = 0; k < {}; ++k) {{", d.cols);
            line!(out, "            acc += ({word})w[k] * ({word})x[k];");
            line!(out, "        }}\n        w += {};", d.cols);
        }
    }
    let mut acc = "acc".to_owned();
    for (i, step) in stage.steps.iter().enumerate() {
        if step.word.c() != word {
            // The value fits both words: the ranges are proved.
            word = step.word.c();
            line!(out, "        {word} acc{i} = ({word}){acc};");
            acc = format!("acc{i}");
        }
        for text in statements(name, plan, step, i, &acc) {
            line!(out, "        {text}");
        }
    }
    line!(out, "        y[j] = ({}){acc};\n    }}\n}}\n", stage.ty.c());
}

/// An integer constant of a word's type.
fn literal(word: Elem, v: i64) -> String {
    let suffix = match word {
        Elem::I64 => "INT64_C",
        Elem::I8 | Elem::U8 | Elem::I16 | Elem::U16 | Elem::I32 | Elem::U32 => "INT32_C",
    };
    if v == word.range().0 {
        format!("(-{suffix}({}) - 1)", word.range().1)
    } else if v < 0 {
        format!("(-{suffix}({}))", v.unsigned_abs())
    } else {
        format!("{suffix}({v})")
    }
}

/// The statements of one step on the variable `acc`.
fn statements(name: &str, plan: &Plan<'_>, step: &Step, i: usize, acc: &str) -> Vec<String> {
    let word = step.word;
    match &step.kind {
        StepKind::Relu => vec![format!("if ({acc} < 0) {{ {acc} = 0; }}")],
        StepKind::Clamp { lo, hi } => {
            let bound = |v: &Option<i64>, op: char| {
                let v = literal(word, (*v)?);
                Some(format!("if ({acc} {op} {v}) {{ {acc} = {v}; }}"))
            };
            [bound(lo, '<'), bound(hi, '>')]
                .into_iter()
                .flatten()
                .collect()
        }
        StepKind::Add(Operand::Uniform(c)) => {
            vec![format!("{acc} = {acc} + {};", literal(word, *c))]
        }
        StepKind::Add(Operand::Table(t, ..)) => {
            let table = &plan.tables[*t].name;
            vec![format!("{acc} = {acc} + ({}){name}_{table}[j];", word.c())]
        }
        StepKind::Multiply(Operand::Uniform(m)) => {
            vec![format!("{acc} = {acc} * {};", literal(word, *m))]
        }
        StepKind::Multiply(Operand::Table(t, ..)) => {
            let table = &plan.tables[*t].name;
            vec![format!("{acc} = {acc} * ({}){name}_{table}[j];", word.c())]
        }
        StepKind::Shift(Operand::Uniform(s)) if *s < 0 => {
            vec![format!("{acc} = {acc} * {};", literal(word, 1 << -s))]
        }
        StepKind::Shift(Operand::Uniform(s)) => {
            let half = 1i64 << (s - 1);
            vec![match plan.kernel.rounding {
                Rounding::Floor => format!("{acc} = {acc} >> {s};"),
                Rounding::HalfUp => format!("{acc} = ({acc} + {}) >> {s};", literal(word, half)),
                Rounding::HalfEven => format!(
                    "{acc} = ({acc} + ({} + (({acc} >> {s}) & 1))) >> {s};",
                    literal(word, half - 1)
                ),
            }]
        }
        StepKind::Shift(Operand::Table(t, least, greatest)) => {
            let s = format!("s{i}");
            let mut lines = vec![format!(
                "const int {s} = {name}_{}[j];",
                plan.tables[*t].name
            )];
            let one = format!("({})1", word.c());
            let half = format!("({one} << ({s} - 1))");
            let right = match plan.kernel.rounding {
                Rounding::Floor => format!("{acc} = {acc} >> {s};"),
                Rounding::HalfUp => format!("{acc} = ({acc} + {half}) >> {s};"),
                Rounding::HalfEven => {
                    format!("{acc} = ({acc} + ({half} - 1 + (({acc} >> {s}) & 1))) >> {s};")
                }
            };
            let left = format!("{acc} = {acc} * ({one} << -{s});");
            lines.push(match (*least > 0, *greatest > 0, *least < 0) {
                (true, _, _) => right,
                (false, false, _) => left,
                (false, true, false) => format!("if ({s} > 0) {{ {right} }}"),
                (false, true, true) => format!("if ({s} > 0) {{ {right} }} else {{ {left} }}"),
            });
            lines
        }
    }
}

fn selftest(input: &EmitInput<'_>) -> String {
    let name = input.name;
    let mut out = String::new();
    c_comment(
        &mut out,
        [
            format!(
                "{name}_selftest.c: runs the kernel {name} on vectors whose outputs are known."
            ),
            "Exit status 0: all as expected; 1: a mismatch, which is printed.".to_owned(),
        ],
    );
    line!(out, "#include \"{name}.h\"\n\n#include <stdio.h>\n");
    let n = input.vectors.len();
    if n == 0 {
        line!(
            out,
            "int main(void)\n{{\n    puts(\"{name}: there are no test vectors\");\n    return 0;\n}}"
        );
        return out;
    }
    let mut vectors = |ty: &str, what: &str, size: &str, of: fn(&crate::TestVector) -> &[i64]| {
        line!(
            out,
            "static const {name}_{ty} {name}_{what}[{n}][{name}_{size}] = {{"
        );
        for v in input.vectors {
            line!(out, "    {{");
            integers(&mut out, "        ", of(v).iter().copied(), c_integer);
            line!(out, "    }},");
        }
        line!(out, "}};\n");
    };
    vectors("in_t", "inputs", "IN_SIZE", |v| &v.input);
    vectors("out_t", "expected", "OUT_SIZE", |v| &v.output);
    line!(out, "static const char *const {name}_notes[{n}] = {{");
    for v in input.vectors {
        line!(out, "    \"{}\",", string(&v.note));
    }
    line!(out, "}};\n");
    let mut count = String::new();
    decimal(&mut count, n as i64);
    out.push_str(&SELFTEST_MAIN.replace("COUNT", &count).replace("NAME", name));
    out
}

/// The self-test's main function; `NAME` and `COUNT` are replaced.
const SELFTEST_MAIN: &str = r#"int main(void)
{
    static NAME_scratch scratch;
    static NAME_out_t out[NAME_OUT_SIZE];
    int status = 0;
    for (size_t v = 0; v < COUNT; ++v) {
        NAME_infer(NAME_inputs[v], out, &scratch);
        for (size_t j = 0; j < NAME_OUT_SIZE; ++j) {
            if (out[j] != NAME_expected[v][j]) {
                printf("NAME: vector %lu (%s): output %lu is %lld, expected %lld\n",
                       (unsigned long)v, NAME_notes[v], (unsigned long)j,
                       (long long)out[j], (long long)NAME_expected[v][j]);
                status = 1;
            }
        }
    }
    if (status == 0) {
        puts("NAME: COUNT vectors pass");
    }
    return status;
}
"#;
