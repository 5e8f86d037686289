//! C99: header, weights, kernel, conversions of floats, self-test, build files.
//!
//! Every operand is cast to the word of its step, so that nothing depends on the width of `int`.
//! Right shifts of negative numbers are implementation-defined in C: a compile-time assertion
//! demands the arithmetic shift. Left shifts are multiplications by a power of two, because
//! shifting a negative number left is undefined.

mod acsl;
mod deviations;
mod forms;
mod helpers;
mod package;
mod selftest;
mod share;
pub(crate) mod stage;
pub(crate) mod unroll;

use crate::elem::Elem;
use crate::plan::{Plan, Source};
use crate::slots::{self, Slots};
use crate::text::{c_comment, c_integer, integers, line};
use crate::{EmitInput, OutputFile, readme};
use ceg4n_target::Target;
use std::fmt::Write;

/// Every file of `c/`.
pub(crate) fn files(input: &EmitInput<'_>, plan: &Plan<'_>) -> Vec<OutputFile> {
    let name = input.name;
    let slots = slots(plan);
    let file = |suffix: &str, text| OutputFile::new(format!("c/{name}{suffix}"), text);
    let mut files = vec![
        file(".h", header(input, plan, &slots)),
        file(".c", source(input, plan, &slots)),
        file("_weights.h", weights_header(input, plan)),
        file("_weights.c", weights_source(input, plan)),
        file("_float.c", helpers::source(input, plan)),
    ];
    let sources = files.iter().filter_map(|f| f.path.strip_prefix("c/"));
    let sources: Vec<String> = sources
        .filter(|f| f.ends_with(".c"))
        .map(str::to_owned)
        .collect();
    let selftest = package::selftest_guard(name) + &selftest::source(input, plan);
    files.push(file("_selftest.c", selftest));
    files.push(OutputFile::new(
        "c/README.md".to_owned(),
        readme(input, plan, slots.bytes(), &sources),
    ));
    files.extend(package::files(name, &sources));
    files
}

/// `c/README.md`; `sources` are the kernel's files.
fn readme(input: &EmitInput<'_>, plan: &Plan<'_>, scratch: usize, sources: &[String]) -> String {
    let name = input.name;
    let mut out = readme::c(input, plan, scratch, sources);
    out.push_str("\n## Reals\n\n");
    out.push_str(&helpers::readme(name, plan));
    out.push_str(&package::readme(name));
    out.push('\n');
    out.push_str(&deviations::readme().replace("NAME", name));
    out.push_str(&forms::readme(plan).replace("NAME", name));
    if input.options.target == Target::Avr {
        line!(
            out,
            "\n## Flash\n\nOn AVR constants lie in flash and are read through pointers of 16 bits. The linker puts them, with all\nother data in flash, before the code. Where all of it passes the first 64 KiB the kernel reads other\nbytes than its weights, and nothing warns: look at the map file. This kernel's are {} bytes.",
            plan.constant_bytes()
        );
    }
    out
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
    out.push_str(&FLASH.replace("NAME", name));
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
    let contracts = match input.options.acsl {
        true => acsl::Contracts::new(plan),
        false => acsl::Contracts::default(),
    };
    out.push_str(&contracts.infer);
    line!(
        out,
        "void {name}_infer(const {name}_in_t in[{name}_IN_SIZE], {name}_out_t out[{name}_OUT_SIZE], {name}_scratch *scratch);\n"
    );
    c_comment(
        &mut out,
        ["The class: index of the greatest output, the lowest index among equals."],
    );
    out.push_str(&contracts.argmax);
    line!(
        out,
        "size_t {name}_argmax(const {name}_out_t out[{name}_OUT_SIZE]);\n"
    );
    out.push_str(&helpers::declarations(name, plan, &contracts));
    line!(out, "#ifdef __cplusplus\n}}\n#endif\n\n#endif");
    out
}

/// Where constants live; `NAME` is replaced.
const FLASH: &str = r"/* Where constants live. On AVR in flash, which needs GNU C (-std=gnu99 or later). */
#ifndef NAME_FLASH
#if defined(__AVR__) && defined(__FLASH) && !defined(__cplusplus)
#define NAME_FLASH __flash
#define NAME_IN_FLASH 1
#else
#define NAME_FLASH
#endif
#endif

";

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
        "#ifndef {name}_WEIGHTS_H\n#define {name}_WEIGHTS_H\n\n#include \"{name}.h\"\n"
    );
    for t in plan.stored() {
        c_comment(&mut out, [&t.comment]);
        line!(
            out,
            "extern const {name}_FLASH {} {name}_{}[{}];\n",
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
    for t in plan.stored() {
        line!(
            out,
            "\nconst {name}_FLASH {} {name}_{}[{}] = {{",
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
    deviations::assertions(&mut out, name);
    if let Some(straight) = &plan.straight {
        out.push_str(unroll::STRAIGHT);
        infer_head(&mut out, name);
        line!(out, "    (void)scratch;");
        out.push_str(&unroll::body(name, plan, straight, input.options.target));
    } else {
        staged(&mut out, input, plan, slots);
    }
    line!(out, "}}\n");
    line!(
        out,
        "size_t {name}_argmax(const {name}_out_t out[{name}_OUT_SIZE])\n{{"
    );
    line!(out, "    size_t best = 0u;");
    line!(
        out,
        "    for (size_t j = 1u; j < {}u; ++j) {{",
        plan.kernel.output_len()
    );
    line!(
        out,
        "        if (out[j] > out[best]) {{\n            best = j;\n        }}\n    }}"
    );
    line!(out, "    return best;\n}}");
    out
}

/// An upper estimate of the bytes of code: so many a statement or line of assembly.
pub(crate) fn code_bytes(input: &EmitInput<'_>, plan: &Plan<'_>) -> usize {
    let text = source(input, plan, &slots(plan));
    let statements = text.matches(';').count();
    let assembly = text.matches("\\n").count();
    let (statement, instruction) = match input.options.target {
        Target::Generic => (24, 4),
        Target::CortexM4 => (12, 4),
        Target::CortexM0 => (14, 2),
        Target::Avr => (44, 2),
    };
    statements * statement + assembly * instruction
}

/// How many arguments are passed to the functions that stages share.
pub(crate) fn arguments(input: &EmitInput<'_>, plan: &Plan<'_>) -> usize {
    if plan.straight.is_some() {
        return 0;
    }
    let functions = share::functions(input.name, plan, &input.options);
    let of = |i| share::arguments(&functions, i).map_or(0, |(_, a)| a.len());
    (0..plan.stages.len()).map(of).sum()
}

/// The stages' functions and an inference function that calls them, but for its last brace.
fn staged(out: &mut String, input: &EmitInput<'_>, plan: &Plan<'_>, slots: &Slots) {
    let name = input.name;
    out.push_str(&forms::support(name, plan));
    let functions = share::functions(name, plan, &input.options);
    out.push_str(&share::attribute(name, &functions));
    for f in &functions {
        let notes = f.stages.iter().flat_map(|i| &plan.stages[*i].notes);
        c_comment(out, notes);
        out.push_str(&f.text);
    }
    infer_head(out, name);
    if slots.slots.is_empty() {
        line!(out, "    (void)scratch;");
    }
    for (i, s) in plan.stages.iter().enumerate() {
        let from = s.reads.iter().map(|v| match v.source {
            Source::Input => "in".to_owned(),
            Source::Stage(k) => buffer(slots, k, v.ty),
        });
        let mut all: Vec<String> = from.chain([buffer(slots, i, s.ty)]).collect();
        if let Some((f, arguments)) = share::arguments(&functions, i) {
            all.extend(arguments.iter().cloned());
            line!(out, "    {}({});", f.name, all.join(", "));
        }
    }
}

/// The inference function's head.
fn infer_head(out: &mut String, name: &str) {
    line!(
        out,
        "void {name}_infer(const {name}_in_t in[{name}_IN_SIZE], {name}_out_t out[{name}_OUT_SIZE], {name}_scratch *scratch)\n{{"
    );
}

/// The scratch memory: straight-line code needs none.
pub(crate) fn slots(plan: &Plan<'_>) -> Slots {
    if plan.straight.is_some() {
        return Slots {
            slots: Vec::new(),
            of_stage: vec![None; plan.stages.len()],
        };
    }
    slots::assign(plan, slots::may_alias)
}
