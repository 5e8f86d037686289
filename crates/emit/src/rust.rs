//! `no_std` Rust: a crate without `unsafe` and without dependencies.
//!
//! Loops run over zipped iterators, so that no index is checked; the taps of windows and moved
//! elements are indexed, and the checks never fail. The words are those of the C kernel; with
//! overflow checks on, nothing can overflow, because the ranges are proved.

mod format;
pub(crate) mod stage;

use crate::plan::{Body, Plan, Source, Stage};
use crate::slots::{self, Slots};
use crate::text::{grouped, integers, line, marked, string};
use crate::{EmitInput, OutputFile, readme};
use std::fmt::Write;

/// Every file of `rust/`.
pub(crate) fn files(input: &EmitInput<'_>, plan: &Plan<'_>) -> Vec<OutputFile> {
    let krate = crate_name(input.name);
    let slots = slots::assign(plan, |a, b| a == b);
    let file = |path: &str, text| OutputFile::new(format!("rust/{path}"), text);
    vec![
        file("Cargo.toml", manifest(&krate)),
        file("src/lib.rs", library(input, plan, &slots)),
        file("src/weights.rs", weights(plan)),
        file("src/format.rs", format::text(plan)),
        file("src/format/float.rs", format::float(plan)),
        file("tests/selftest.rs", selftest(input, plan, &krate)),
        file(
            "README.md",
            readme::rust(input, plan, slots.bytes(), &krate),
        ),
    ]
}

/// Crates are named in lower case.
fn crate_name(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The empty workspace table keeps a surrounding workspace from claiming the crate.
fn manifest(krate: &str) -> String {
    format!(
        "[package]\nname = \"{krate}\"\nversion = \"0.1.0\"\nedition = \"2021\"\nrust-version = \"1.87\"\npublish = false\n\n[features]\ndefault = [\"float\"]\n# Conversions of f32 and f64: without it nothing in the crate is a float.\nfloat = []\n\n[workspace]\n"
    )
}

/// What clippy's pedantic lints say of the loops, and why it does not count.
const ALLOWED: &str = "\
// The type ranges of all values are proved: no cast changes one.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
// Vectors are passed by reference whatever their lengths.
#![allow(clippy::trivially_copy_pass_by_ref)]
// Places and taps are named as in the definition of a convolution.
#![allow(clippy::many_single_char_names, clippy::similar_names)]
";

/// What reads a filter's weights where they are packed.
const PACKED: &str = "
/// Value `k` of a list of so many bits each, without gaps, the low bits of a byte first.
fn packed<const BITS: u32>(bytes: &[u8], k: usize) -> i32 {
    let at = k * BITS as usize;
    let mut bits = 0_u32;
    for (byte, up) in bytes[at / 8..].iter().zip([0, 8, 16]) {
        bits |= u32::from(*byte) << up;
    }
    ((bits >> (at % 8)) << (32 - BITS)).cast_signed() >> (32 - BITS)
}
";

fn library(input: &EmitInput<'_>, plan: &Plan<'_>, slots: &Slots) -> String {
    let krate = crate_name(input.name);
    let mut out = String::new();
    line!(
        out,
        "//! A fixed-point kernel; see [`infer`].\n//!\n//! ```text"
    );
    marked(&mut out, "//!", readme::preamble(input, "lib.rs"));
    line!(out, "//! ```\n//!");
    for code in example(&krate) {
        line!(out, "{}", format!("//! {code}").trim_end());
    }
    line!(out, "#![no_std]\n#![forbid(unsafe_code)]\n{ALLOWED}");
    line!(out, "mod format;\nmod weights;\n");
    line!(
        out,
        "#[cfg(feature = \"float\")]\npub use format::{{dequantize, quantize}};\npub use format::{{In, Out}};\n"
    );
    constants(&mut out, input, plan);
    scratch(&mut out, slots);
    infer(&mut out, plan, slots);
    line!(
        out,
        "/// The class: index of the greatest output, the lowest index among equals."
    );
    line!(
        out,
        "#[must_use]\npub fn argmax(output: &Output) -> usize {{\n    let mut best = 0;\n    let mut most = output[0];"
    );
    line!(
        out,
        "    for (j, v) in output.iter().enumerate() {{\n        if *v > most {{"
    );
    line!(
        out,
        "            best = j;\n            most = *v;\n        }}\n    }}\n    best\n}}"
    );
    let is_packed = |s: &Stage| matches!(&s.body, Body::Windows(w) if w.bits.is_some());
    if plan.stages.iter().any(is_packed) {
        out.push_str(PACKED);
    }
    for (i, s) in plan.stages.iter().enumerate() {
        out.push('\n');
        marked(&mut out, "//", &s.notes);
        out.push_str(&stage::function(plan, i, s));
    }
    out
}

/// A program that calls the crate, as a doc test.
pub(crate) fn example(krate: &str) -> Vec<String> {
    let text = format!(
        "```\nuse {krate}::{{argmax, infer, In, Input, Out, Output, Scratch, IN_SIZE, OUT_SIZE}};\n\nlet input: Input = [In(0); IN_SIZE];\nlet mut output: Output = [Out(0); OUT_SIZE];\nlet mut scratch = Scratch::new();\ninfer(&input, &mut scratch, &mut output);\nassert!(argmax(&output) < OUT_SIZE);\n```"
    );
    text.lines().map(str::to_owned).collect()
}

fn constants(out: &mut String, input: &EmitInput<'_>, plan: &Plan<'_>) {
    let kernel = plan.kernel;
    let format = kernel.input_format;
    let number = |n: usize| n.to_string();
    let verified = input.claim.is_verified().to_string();
    for (doc, name, ty, value) in [
        (
            "Number of inputs.",
            "IN_SIZE",
            "usize",
            number(kernel.input_len()),
        ),
        (
            "Bits of an input that count.",
            "IN_BITS",
            "u32",
            number(format.width().into()),
        ),
        (
            "True if inputs are two's complement.",
            "IN_SIGNED",
            "bool",
            format.signed().to_string(),
        ),
        (
            "An input m stands for m * 2^-IN_FRAC.",
            "IN_FRAC",
            "i32",
            format.frac().to_string(),
        ),
        (
            "Number of outputs.",
            "OUT_SIZE",
            "usize",
            number(kernel.output_len()),
        ),
        (
            "An output m stands for m * 2^-OUT_FRAC.",
            "OUT_FRAC",
            "i32",
            kernel.output_frac.to_string(),
        ),
        (
            "True if the claim above says VERIFIED.",
            "VERIFIED",
            "bool",
            verified,
        ),
    ] {
        line!(out, "/// {doc}\npub const {name}: {ty} = {value};");
    }
    line!(
        out,
        "\n/// Inputs; {}.\npub type Input = [In; IN_SIZE];",
        plan.input_text()
    );
    line!(
        out,
        "\n/// Outputs; {}.\npub type Output = [Out; OUT_SIZE];\n",
        plan.output_text()
    );
}

fn field(k: usize) -> String {
    format!("v{k}")
}

fn scratch(out: &mut String, slots: &Slots) {
    line!(
        out,
        "/// Working memory of one inference.\n#[derive(Clone, Debug)]\npub struct Scratch {{"
    );
    for (k, slot) in slots.slots.iter().enumerate() {
        for (ty, len) in &slot.views {
            line!(out, "    {}: [{}; {len}],", field(k), ty.rust());
        }
    }
    line!(
        out,
        "}}\n\nimpl Scratch {{\n    /// Zeroed memory; its content never matters."
    );
    line!(
        out,
        "    #[must_use]\n    pub const fn new() -> Self {{\n        Self {{"
    );
    for (k, slot) in slots.slots.iter().enumerate() {
        for (_, len) in &slot.views {
            line!(out, "            {}: [0; {len}],", field(k));
        }
    }
    line!(out, "        }}\n    }}\n}}\n");
    line!(
        out,
        "impl Default for Scratch {{\n    fn default() -> Self {{\n        Self::new()\n    }}\n}}\n"
    );
}

fn infer(out: &mut String, plan: &Plan<'_>, slots: &Slots) {
    let scratch = if slots.slots.is_empty() {
        "_scratch"
    } else {
        "scratch"
    };
    line!(out, "/// Computes the outputs.");
    line!(
        out,
        "pub fn infer(input: &Input, {scratch}: &mut Scratch, output: &mut Output) {{"
    );
    for (i, s) in plan.stages.iter().enumerate() {
        let from = s.reads.iter().map(|v| match v.source {
            Source::Input => "input".to_owned(),
            Source::Stage(k) => {
                let field = slots.of_stage[k].map(field).unwrap_or_default();
                format!("&scratch.{field}[..{}]", plan.stages[k].len)
            }
        });
        let to = match slots.of_stage[i] {
            None => "output".to_owned(),
            Some(k) => format!("&mut scratch.{}[..{}]", field(k), s.len),
        };
        let all: Vec<String> = from.chain([to]).collect();
        line!(out, "    stage{i}({});", all.join(", "));
    }
    line!(out, "}}\n");
}

fn weights(plan: &Plan<'_>) -> String {
    let mut out = String::new();
    marked(&mut out, "//!", ["Constants of the kernel."]);
    for t in &plan.tables {
        out.push('\n');
        marked(&mut out, "//", [&t.comment]);
        let name = t.name.to_ascii_uppercase();
        line!(
            out,
            "#[rustfmt::skip]\npub(crate) static {name}: [{}; {}] = [",
            t.ty.rust(),
            t.data.len()
        );
        integers(&mut out, "    ", t.data.iter(), digits);
        line!(out, "];");
    }
    out
}

/// A number of a list.
fn digits(out: &mut String, v: i64) {
    out.push_str(&grouped(v));
}

fn selftest(input: &EmitInput<'_>, plan: &Plan<'_>, krate: &str) -> String {
    let mut out = String::new();
    marked(
        &mut out,
        "//!",
        ["Runs the kernel on vectors whose outputs are known."],
    );
    line!(
        out,
        "\nuse {krate}::{{infer, In, Out, Output, Scratch, IN_SIZE, OUT_SIZE}};\n"
    );
    line!(
        out,
        "/// Inputs, outputs, and where they come from.\ntype Vector = ([{}; IN_SIZE], [{}; OUT_SIZE], &'static str);\n",
        plan.input.rust(),
        plan.output.rust()
    );
    line!(
        out,
        "#[rustfmt::skip]\nstatic VECTORS: [Vector; {}] = [",
        input.vectors.len()
    );
    for v in input.vectors {
        line!(out, "    ([");
        integers(&mut out, "        ", v.input.iter().copied(), digits);
        line!(out, "    ], [");
        integers(&mut out, "        ", v.output.iter().copied(), digits);
        line!(out, "    ], \"{}\"),", string(&v.note));
    }
    line!(out, "];\n");
    line!(out, "#[test]\nfn vectors_give_the_expected_outputs() {{");
    line!(
        out,
        "    let mut scratch = Scratch::new();\n    let mut output: Output = [Out(0); OUT_SIZE];"
    );
    line!(out, "    for (input, expected, note) in &VECTORS {{");
    line!(
        out,
        "        infer(&input.map(In), &mut scratch, &mut output);"
    );
    line!(
        out,
        "        assert_eq!(output, expected.map(Out), \"{{note}}\");\n    }}\n}}\n"
    );
    line!(
        out,
        "#[cfg(feature = \"float\")]\n#[test]\nfn inputs_are_what_they_stand_for() {{\n    for m in [In::MIN, In(0), In::MAX] {{\n        assert_eq!(In::from_f64(m.to_f64()), m);\n    }}\n}}"
    );
    out
}
