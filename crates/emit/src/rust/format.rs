//! `src/format.rs` of the crate: the newtypes of inputs and outputs, and their conversions from and
//! to floats.

use crate::elem::{Elem, hull};
use crate::plan::Plan;
use crate::text::{grouped, line, marked};
use ceg4n_ir::Format;
use std::fmt::Write;

/// Integers of this magnitude are exact as float64.
const EXACT_F64: u64 = 1 << 53;

/// The file.
pub(super) fn text(plan: &Plan<'_>) -> String {
    let mut out = String::new();
    marked(
        &mut out,
        "//!",
        ["Inputs and outputs as integers of fixed-point formats."],
    );
    let format = plan.kernel.input_format;
    newtype(&mut out, "In", "An input", &plan.input_text(), plan.input);
    ends(&mut out, format);
    newtype(
        &mut out,
        "Out",
        "An output",
        &plan.output_text(),
        plan.output,
    );
    line!(
        out,
        "\n#[cfg(feature = \"float\")]\nmod float;\n#[cfg(feature = \"float\")]\npub use float::{{dequantize, quantize}};"
    );
    out
}

fn newtype(out: &mut String, name: &str, what: &str, text: &str, ty: Elem) {
    out.push('\n');
    marked(out, "///", [format!("{what}; {text}.")]);
    line!(
        out,
        "#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[repr(transparent)]\npub struct {name}(pub {});",
        ty.rust()
    );
}

fn ends(out: &mut String, f: Format) {
    line!(out, "\nimpl In {{");
    for (doc, name, m) in [("least", "MIN", f.min()), ("greatest", "MAX", f.max())] {
        line!(
            out,
            "    /// The {doc} input of the format.\n    pub const {name}: Self = Self({});",
            grouped(m)
        );
    }
    line!(out, "}}");
}

/// `src/format/float.rs`.
pub(super) fn float(plan: &Plan<'_>) -> String {
    let kernel = plan.kernel;
    let f = kernel.input_format;
    let mut out = String::from(
        "//! Conversions from and to floats: integer operations on the bits of a float, and products\n//! with powers of two, which round once where they round at all.\n\n// To the nearest float is what the documentation says.\n#![allow(clippy::cast_precision_loss)]\n\nuse super::super::{Input, Output, IN_SIZE, OUT_SIZE};\nuse super::{In, Out};\n\n",
    );
    line!(out, "impl In {{");
    for float in [Float::F32, Float::F64] {
        float.quantize(&mut out, f);
    }
    let magnitude = f.min().unsigned_abs().max(f.max().unsigned_abs());
    values(&mut out, plan.input, f.frac(), magnitude);
    line!(out, "}}\n\nimpl Out {{");
    let magnitude = hull(&kernel.nodes[kernel.output].range).magnitude();
    values(&mut out, plan.output, kernel.output_frac, magnitude);
    line!(out, "}}\n");
    rounded(&mut out, f, plan.input);
    vectors(&mut out);
    out
}

#[derive(Clone, Copy)]
enum Float {
    F32,
    F64,
}

impl Float {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Bits of the fraction and of the exponent.
    fn bits(self) -> (i32, i32) {
        match self {
            Self::F32 => (23, 8),
            Self::F64 => (52, 11),
        }
    }

    /// `from_f32` or `from_f64`.
    fn quantize(self, out: &mut String, f: Format) {
        let name = self.name();
        let (fraction, exponent) = self.bits();
        let special = (1i64 << exponent) - 1;
        let bias = (1i64 << (exponent - 1)) - 1;
        let word = match self {
            Self::F32 => "u32",
            Self::F64 => "u64",
        };
        let shift = i64::from(f.frac()) - bias - i64::from(fraction);
        let signed = match self {
            Self::F32 => "i64::from(fraction)",
            Self::F64 => "fraction.cast_signed()",
        };
        let narrow = match self {
            Self::F32 => "exponent.cast_signed()",
            Self::F64 => "exponent as i32",
        };
        line!(
            out,
            "    /// `floor(x * 2^{} + 1/2)`, clamped to the format, exactly, for every finite `x`. An infinity\n    /// gives the end on its side, a NaN gives 0.",
            f.frac()
        );
        line!(
            out,
            "    #[must_use]\n    pub fn from_{name}(x: {name}) -> Self {{"
        );
        line!(
            out,
            "        let bits = x.to_bits();\n        let negative = bits >> {} != 0;",
            fraction + exponent
        );
        line!(
            out,
            "        let exponent = (bits >> {fraction}) & {special:#x};"
        );
        line!(
            out,
            "        let fraction = bits & ((1_{word} << {fraction}) - 1);"
        );
        line!(
            out,
            "        if exponent == {special:#x} {{\n            return match (fraction, negative) {{"
        );
        line!(
            out,
            "                (0, false) => Self::MAX,\n                (0, true) => Self::MIN,\n                _ => Self(0),\n            }};\n        }}"
        );
        line!(
            out,
            "        // |x| = a * 2^k, where subnormal numbers have the exponent 1."
        );
        line!(
            out,
            "        let a = {signed} + if exponent == 0 {{ 0 }} else {{ 1_i64 << {fraction} }};"
        );
        line!(
            out,
            "        let k = if exponent == 0 {{ 1 }} else {{ {narrow} }};"
        );
        line!(
            out,
            "        rounded(if negative {{ -a }} else {{ a }}, k {} {})\n    }}\n",
            if shift < 0 { '-' } else { '+' },
            shift.abs()
        );
    }
}

/// `to_f32` and `to_f64` of integers of a type and a magnitude, which stand for `m·2^-frac`.
fn values(out: &mut String, ty: Elem, frac: i32, magnitude: u64) {
    let exact = |holds: bool, float: &str| match holds {
        true => format!("`m * 2^{}`, exactly", -frac),
        false => format!("`m * 2^{}`, to the nearest {float}", -frac),
    };
    // No more bits than a binary32 has, and below 2^128.
    let bits = 64 - magnitude.leading_zeros() as i32;
    let exact_single = magnitude <= 1 << 24 && bits - frac <= 128;
    let same = |float: &str, lossless: bool| match lossless {
        true => format!("{float}::from(self.0)"),
        false => format!("(self.0 as {float})"),
    };
    let double =
        |doc: &str| format!("    /// {doc}.\n    #[must_use]\n    pub fn to_f64(self) -> f64 {{\n");
    // Scales of a binary32 are normal numbers for these.
    let direct = (-126..=126).contains(&frac);
    let doc = match (direct, magnitude <= EXACT_F64) {
        (true, _) => exact(exact_single, "f32"),
        (false, true) => format!("`m * 2^{}`, to the nearest f32", -frac),
        (false, false) => format!("`m * 2^{}`, rounded to a f64 and then to a f32", -frac),
    };
    line!(
        out,
        "    /// {doc}.\n    #[must_use]\n    pub fn to_f32(self) -> f32 {{"
    );
    if direct {
        line!(
            out,
            "        {} * f32::from_bits({} << 23)\n    }}\n",
            same("f32", ty.bytes() <= 2),
            127 - frac
        );
    } else {
        line!(
            out,
            "        // The product is exact or nearest; this rounds to nearest.\n        self.to_f64() as f32\n    }}\n"
        );
    }
    out.push_str(&double(&exact(magnitude <= EXACT_F64, "f64")));
    line!(
        out,
        "        {} * f64::from_bits({} << 52)\n    }}",
        same("f64", ty.bytes() <= 4),
        1023 - frac
    );
}

fn rounded(out: &mut String, f: Format, ty: Elem) {
    line!(
        out,
        "/// `floor(m * 2^shift + 1/2)`, clamped to the input's format; `|m| < 2^53`."
    );
    line!(
        out,
        "fn rounded(m: i64, shift: i32) -> In {{\n    let wide = match shift {{"
    );
    line!(out, "        // Less than 1/2.\n        ..=-63 => 0,");
    line!(
        out,
        "        -62..=-1 => (m + (1_i64 << (-shift - 1))) >> -shift,"
    );
    line!(
        out,
        "        // Beyond every format, unless zero.\n        0.. => m.saturating_mul(1_i64 << shift.min(62)),\n    }};"
    );
    line!(
        out,
        "    In(wide.clamp({}, {}) as {})\n}}\n",
        grouped(f.min()),
        grouped(f.max()),
        ty.rust()
    );
}

fn vectors(out: &mut String) {
    line!(
        out,
        "/// Every input of a vector; see [`In::from_f32`].\npub fn quantize(x: &[f32; IN_SIZE], input: &mut Input) {{\n    for (m, x) in input.iter_mut().zip(x) {{\n        *m = In::from_f32(*x);\n    }}\n}}\n"
    );
    line!(
        out,
        "/// Every output of a vector; see [`Out::to_f32`].\npub fn dequantize(output: &Output, y: &mut [f32; OUT_SIZE]) {{\n    for (y, m) in y.iter_mut().zip(output) {{\n        *y = m.to_f32();\n    }}\n}}"
    );
}
