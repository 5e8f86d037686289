//! Preambles and READMEs: what the kernel is, what is proved of it, how to use it.

use crate::plan::Plan;
use crate::text::{comment, line};
use crate::{EmitInput, KernelChoice};
use std::fmt::Write;

/// The lines above an interface: origin, claim, requirement, regions, hashes.
pub(crate) fn preamble(input: &EmitInput<'_>, file: &str) -> Vec<String> {
    let mut lines = vec![origin(input, file), String::new()];
    lines.extend(facts(input));
    lines
}

/// The lines above an implementation: origin, claim, program.
pub(crate) fn short_preamble(input: &EmitInput<'_>, file: &str) -> Vec<String> {
    let mut lines = vec![origin(input, file), String::new()];
    lines.extend(input.claim.lines());
    lines.push(format!("program sha256: {}", input.program.hash()));
    lines
}

fn origin(input: &EmitInput<'_>, file: &str) -> String {
    let version = &input.info.tool_version;
    format!("{file}: fixed-point kernel written by ceg4nc {version}")
}

/// Claim, requirement, regions and hashes, one a line.
pub(crate) fn facts(input: &EmitInput<'_>) -> Vec<String> {
    let mut lines = input.claim.lines();
    let mut list = |what: &str, items: &[String]| {
        lines.extend(items.iter().map(|i| format!("{what}: {i}")));
    };
    list("requirement", &input.info.requirement);
    list("region", &input.info.regions);
    lines.push(format!("program sha256: {}", input.program.hash()));
    lines.push(format!(
        "network sha256: {}",
        input.program.program().network.hash()
    ));
    let further = input.info.hashes.iter();
    lines.extend(further.map(|(what, hash)| format!("{what} sha256: {hash}")));
    lines
}

/// Claim and facts as a Markdown code block, then types and sizes.
fn body(out: &mut String, input: &EmitInput<'_>, plan: &Plan<'_>, scratch: usize) {
    line!(
        out,
        "Written by ceg4nc {} from the program whose hash stands below; an edit voids the claim.\n",
        comment(&input.info.tool_version)
    );
    for fact in facts(input) {
        line!(out, "    {}", comment(&fact));
    }
    line!(
        out,
        "\n- Input: {} x {}",
        plan.kernel.input_len(),
        plan.input_text()
    );
    line!(
        out,
        "- Output: {} x {}",
        plan.kernel.output_len(),
        plan.output_text()
    );
    line!(out, "- Rounding: {}", plan.kernel.rounding.name());
    line!(
        out,
        "- Constants: {} bytes; scratch: {scratch} bytes\n",
        plan.constant_bytes()
    );
    line!(out, "Stages:\n");
    for (i, s) in plan.stages.iter().enumerate() {
        for note in &s.notes {
            line!(out, "    {i}: {}", comment(note));
        }
    }
    out.push('\n');
    line!(
        out,
        "A real input x becomes the integer floor(x * 2^F + 1/2), clamped to the input's range."
    );
    line!(
        out,
        "The class is the index of the greatest output, the lowest index among equals.\n"
    );
}

/// The first part of `c/README.md`; `sources` are the kernel's files.
pub(crate) fn c(
    input: &EmitInput<'_>,
    plan: &Plan<'_>,
    scratch: usize,
    sources: &[String],
) -> String {
    let name = input.name;
    let mut out = format!("# {name}: a fixed-point kernel in C99\n\n");
    body(&mut out, input, plan, scratch);
    let how = match input.options.kernel {
        _ if plan.straight.is_some() => "straight-line code",
        KernelChoice::Size => "loops for size",
        KernelChoice::Auto | KernelChoice::Speed | KernelChoice::Unrolled => "loops for speed",
    };
    let target = input.options.target.name();
    line!(out, "Written for the target {target}: {how}.\n");
    line!(
        out,
        "Integers only, no allocation, no library, no data that is not constant; calls with different scratch memory may run at the same time.\n"
    );
    line!(out, "```c\n#include \"{name}.h\"\n");
    line!(
        out,
        "static float x[{name}_IN_SIZE]; /* the real inputs, filled by you */\nstatic {name}_in_t in[{name}_IN_SIZE];\nstatic {name}_out_t out[{name}_OUT_SIZE];\nstatic {name}_scratch scratch;\n"
    );
    line!(
        out,
        "{name}_quantize(x, in); /* or fill `in` with integers of the input's format yourself */\n{name}_infer(in, out, &scratch);\nsize_t winner = {name}_argmax(out);\n```\n"
    );
    let list: Vec<String> = sources.iter().map(|s| format!("`{s}`")).collect();
    line!(
        out,
        "Compile {} into your program. The self-test:\n",
        list.join(", ")
    );
    line!(
        out,
        "    cc -std=c99 -O2 -o selftest {} {name}_selftest.c && ./selftest",
        sources.join(" ")
    );
    out
}

/// `rust/README.md`.
pub(crate) fn rust(input: &EmitInput<'_>, plan: &Plan<'_>, scratch: usize, krate: &str) -> String {
    let mut out = format!("# {krate}: a fixed-point kernel in Rust\n\n");
    body(&mut out, input, plan, scratch);
    line!(
        out,
        "`no_std`, no `unsafe`, no dependency, integers only. `In` and `Out` are the integers of input and\noutput; `In::from_f32` and `Out::to_f32` convert, exactly as said above. The feature `float`, on by\ndefault, has the conversions: without it nothing in the crate is a float.\n"
    );
    line!(out, "```rust");
    for code in crate::rust::example(krate).iter().skip(1) {
        line!(out, "{code}");
    }
    line!(out, "\nThe self-test: `cargo test`");
    out
}
