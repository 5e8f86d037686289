//! Functions that unpack weights of few bits: one that computes the sum of a row, and one that gives
//! a single weight.

use crate::elem::Elem;
use crate::plan::{Body, Plan};
use crate::text::{c_comment, line};
use ceg4n_target::Form;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The function that computes a row's sum.
pub(crate) fn dot(name: &str, bits: u8, x: Elem) -> String {
    format!("{name}_dot{bits}_{}", x.rust())
}

/// Weight `index` of the filter that starts at bit `at`.
pub(crate) fn entry(name: &str, bits: u8, index: &str) -> String {
    match index {
        "0" => format!("{name}_bits{bits}(w, at)"),
        _ => format!("{name}_bits{bits}(w, at + (uint32_t)({index}) * {bits}U)"),
    }
}

/// From row to row: bytes of halves of bytes, else bits.
pub(crate) fn row_step(bits: u8, cols: usize) -> String {
    match bits {
        4 => format!("{}U", cols.div_ceil(2)),
        _ => format!("{}U", cols * usize::from(bits)),
    }
}

/// The bits from `off` on of the bytes at `w`, as an expression.
fn value(bits: u8) -> String {
    let bytes = match bits {
        _ if 8u8.is_multiple_of(bits) => "(uint32_t)w[0]",
        ..=9 => "((uint32_t)w[0] | ((uint32_t)w[1] << 8))",
        _ => "((uint32_t)w[0] | ((uint32_t)w[1] << 8) | ((uint32_t)w[2] << 16))",
    };
    let (mask, sign) = ((1u32 << bits) - 1, 1u32 << (bits - 1));
    format!("(int32_t)((({bytes} >> off) & {mask}U) ^ {sign}U) - {sign}")
}

/// Every function that a plan calls.
pub(super) fn support(name: &str, plan: &Plan<'_>) -> String {
    let (mut dots, mut entries) = (BTreeSet::new(), BTreeSet::new());
    for s in &plan.stages {
        match &s.body {
            Body::Dense(d) => {
                if let Form::Packed { bits } = d.license.form() {
                    dots.insert((bits, s.reads[0].ty));
                }
            }
            Body::Windows(w) => entries.extend(w.bits),
            Body::Load | Body::Copy { .. } | Body::Pick { .. } => {}
        }
    }
    let mut out = String::new();
    for (bits, x) in dots {
        match bits {
            4 => nibbles(&mut out, name, x),
            _ => row(&mut out, name, bits, x),
        }
    }
    for bits in entries {
        c_comment(
            &mut out,
            [format!("The weight of {bits} bits at bit {}.", "at")],
        );
        line!(
            out,
            "static int32_t {name}_bits{bits}(const {name}_FLASH uint8_t *w, uint32_t at)\n{{"
        );
        line!(
            out,
            "    const uint8_t off = (uint8_t)(at & 7U);\n    w += at >> 3;"
        );
        line!(out, "    return {};\n}}\n", value(bits));
    }
    out
}

/// The function that computes the sum of a row of two weights a byte.
fn nibbles(out: &mut String, name: &str, x: Elem) {
    let note = "The sum of acc and of the products of a row's weights, two a byte from byte at on.";
    c_comment(out, [note]);
    let (dot, x) = (dot(name, 4, x), x.c());
    let text = r"static int32_t DOT(const NAME_FLASH uint8_t *w, uint32_t at, const ELEM *x, size_t cols, int32_t acc)
{
    w += at;
    for (; cols > 1; cols -= 2) {
        const uint8_t v = *w;
        acc += (int32_t)((int8_t)(uint8_t)(v << 4) >> 4) * (int32_t)x[0];
        acc += (int32_t)((int8_t)v >> 4) * (int32_t)x[1];
        ++w;
        x += 2;
    }
    if (cols > 0) {
        acc += (int32_t)((int8_t)(uint8_t)(*w << 4) >> 4) * (int32_t)x[0];
    }
    return acc;
}

";
    let text = text.replace("DOT", &dot).replace("ELEM", x);
    out.push_str(&text.replace("NAME", name));
}

/// The function that computes a row's sum.
fn row(out: &mut String, name: &str, bits: u8, x: Elem) {
    c_comment(
        out,
        [format!(
            "The sum of acc and of the products of a row's weights, {bits} bits each from bit {} on.",
            "at"
        )],
    );
    line!(
        out,
        "static int32_t {}(const {name}_FLASH uint8_t *w, uint32_t at, const {} *x, size_t cols, int32_t acc)\n{{",
        dot(name, bits, x),
        x.c()
    );
    line!(
        out,
        "    uint8_t off = (uint8_t)(at & 7U);\n    w += at >> 3;\n    for (; cols > 0; --cols) {{"
    );
    line!(out, "        acc += ({}) * (int32_t)*x;", value(bits));
    line!(out, "        ++x;");
    line!(out, "        off = (uint8_t)(off + {bits}U);");
    line!(out, "        w += off >> 3;\n        off &= 7U;\n    }}");
    line!(out, "    return acc;\n}}\n");
}
