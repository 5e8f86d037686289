//! `NAME_float.c`: real inputs to integers and integers to real outputs, exactly.
//!
//! Both work on the bits of the floats, with integers: the result is the definition's under every
//! rounding mode, with and without subnormal numbers, whatever the width of intermediate results
//! (FLT_EVAL_METHOD) and `-ffast-math`, and a target without floating point needs no library.
//! Every shift is of an explicit width and by less than it, also where `int` has 16 bits.

use super::acsl::Contracts;
use crate::EmitInput;
use crate::elem::{Elem, hull};
use crate::plan::Plan;
use crate::text::{c_comment, line};
use std::fmt::Write;

/// Declarations for the header, inside the guard of `NAME_NO_FLOAT`.
pub(super) fn declarations(name: &str, plan: &Plan<'_>, contracts: &Contracts) -> String {
    let mut out = String::new();
    line!(out, "#ifndef {name}_NO_FLOAT");
    let f = plan.kernel.input_format;
    c_comment(
        &mut out,
        [
            format!(
                "in[j] = floor(x[j] * 2^{} + 1/2), clamped to [{}, {}], exactly, for every finite x[j].",
                f.frac(),
                f.min(),
                f.max()
            ),
            "An infinity gives the end on its side, a NaN gives 0.".to_owned(),
        ],
    );
    out.push_str(&contracts.quantize);
    line!(
        out,
        "void {name}_quantize(const float x[{name}_IN_SIZE], {name}_in_t in[{name}_IN_SIZE]);\n"
    );
    c_comment(
        &mut out,
        [format!(
            "y[j] = out[j] * 2^{}, {}.",
            -plan.kernel.output_frac,
            exactness(plan)
        )],
    );
    out.push_str(&contracts.dequantize);
    line!(
        out,
        "void {name}_dequantize(const {name}_out_t out[{name}_OUT_SIZE], float y[{name}_OUT_SIZE]);"
    );
    line!(out, "#endif\n");
    out
}

/// What is true of every output in the proved range.
fn exactness(plan: &Plan<'_>) -> String {
    let r = hull(&plan.kernel.nodes[plan.kernel.output].range);
    let frac = plan.kernel.output_frac;
    // Integers up to 2^24, and no exponent that leaves the range of normal numbers.
    let most = r.lo.unsigned_abs().max(r.hi.unsigned_abs());
    if most <= 1 << 24 && (-100..=126).contains(&frac) {
        "exactly for the kernel's outputs; other integers to the nearest float, ties to even"
            .to_owned()
    } else {
        "exactly where a float has the value, else the nearest float, ties to even".to_owned()
    }
}

/// The file.
pub(super) fn source(input: &EmitInput<'_>, plan: &Plan<'_>) -> String {
    let name = input.name;
    let mut out = String::new();
    c_comment(
        &mut out,
        [
            format!("{name}_float.c: floats to the kernel's inputs, and its outputs to floats."),
            "Integer operations on the bits of floats: no rounding mode, no library.".to_owned(),
            format!("Empty where {name}_NO_FLOAT is defined."),
        ],
    );
    line!(out, "#include \"{name}.h\"\n\n#ifndef {name}_NO_FLOAT");
    line!(out, "#include <float.h>\n");
    c_comment(
        &mut out,
        ["Floats must be those of IEEE 754, of 32 bits, in the byte order of integers."],
    );
    line!(
        out,
        "typedef char {name}_needs_binary32[(FLT_RADIX == 2) && (FLT_MANT_DIG == 24) && (FLT_MAX_EXP == 128) && (sizeof(float) == sizeof(uint32_t)) ? 1 : -1];\n"
    );
    c_comment(
        &mut out,
        ["A float and its bits: sign, 8 of exponent, 23 of fraction."],
    );
    line!(
        out,
        "typedef union {{\n    float value;\n    uint32_t bits;\n}} {name}_binary32;\n"
    );
    out.push_str(&quantize(name, plan));
    out.push('\n');
    out.push_str(&dequantize(name, plan));
    line!(out, "#endif");
    out
}

/// A preprocessor-free unsigned constant of 32 bits.
fn u32_literal(v: u64) -> String {
    format!("UINT32_C({v})")
}

fn signed_literal(v: i32) -> String {
    if v < 0 {
        format!("(-INT32_C({}))", v.unsigned_abs())
    } else {
        format!("INT32_C({v})")
    }
}

fn quantize(name: &str, plan: &Plan<'_>) -> String {
    let f = plan.kernel.input_format;
    let result = if f.signed() {
        // The magnitude 2^31 has no positive counterpart in int32_t.
        "((negative != UINT32_C(0)) && (m != UINT32_C(0))) ? (NAME_in_t)(-(int32_t)(m - UINT32_C(1)) - INT32_C(1)) : (NAME_in_t)m"
    } else {
        "(NAME_in_t)m"
    };
    let plain = QUANTIZE.replace("RESULT", result);
    let plain = plain.replace("FRAC", &signed_literal(f.frac() - 150));
    let plain = plain.replace("LEAST", &u32_literal(f.min().unsigned_abs()));
    let plain = plain.replace("MOST", &u32_literal(f.max().unsigned_abs()));
    plain.replace("NAME", name)
}

/// One element and the vector. `FRAC`: the input's fraction bits less 150; `LEAST` and `MOST`: the
/// magnitudes of the format's ends.
const QUANTIZE: &str = r"static NAME_in_t NAME_quantized(float x)
{
    NAME_binary32 v;
    v.value = x;
    const uint32_t negative = v.bits >> 31;
    const uint32_t exponent = (v.bits >> 23) & UINT32_C(0xFF);
    const uint32_t fraction = v.bits & UINT32_C(0x7FFFFF);
    const uint32_t limit = (negative != UINT32_C(0)) ? LEAST : MOST;
    /* |x| * 2^F = a * 2^k */
    const uint32_t a = (exponent == UINT32_C(0)) ? fraction : (fraction | UINT32_C(0x800000));
    const int32_t k = ((exponent == UINT32_C(0)) ? INT32_C(1) : (int32_t)exponent) + FRAC;
    uint32_t m = UINT32_C(0);
    if (exponent == UINT32_C(0xFF)) {
        m = (fraction == UINT32_C(0)) ? limit : UINT32_C(0);
    } else if (a == UINT32_C(0)) {
        m = UINT32_C(0);
    } else if (k >= INT32_C(0)) {
        const uint32_t left = (uint32_t)k;
        m = ((left > UINT32_C(31)) || (a > (limit >> left))) ? limit : (a << left);
    } else if (k >= -INT32_C(24)) {
        /* A tie goes up: away from zero for positive x, towards zero for negative x. */
        const uint32_t right = (uint32_t)(-k);
        m = ((a + (UINT32_C(1) << (right - UINT32_C(1)))) - negative) >> right;
    } else {
        /* |x| * 2^F < 1/2 */
        m = UINT32_C(0);
    }
    m = (m > limit) ? limit : m;
    return RESULT;
}

void NAME_quantize(const float x[NAME_IN_SIZE], NAME_in_t in[NAME_IN_SIZE])
{
    for (size_t j = 0u; j < (size_t)NAME_IN_SIZE; ++j) {
        in[j] = NAME_quantized(x[j]);
    }
}
";

fn dequantize(name: &str, plan: &Plan<'_>) -> String {
    let (lo, _) = plan.output.range();
    let (word, c) = match plan.output {
        Elem::I64 => ("uint64_t", "UINT64_C"),
        Elem::I8 | Elem::U8 | Elem::I16 | Elem::U16 | Elem::I32 | Elem::U32 => {
            ("uint32_t", "UINT32_C")
        }
    };
    let sign = if lo < 0 { SIGN } else { "" };
    let text = DEQUANTIZE.replace("SIGN", sign);
    // p - 1 - F, the exponent of the leading bit.
    let frac = signed_literal(-1 - plan.kernel.output_frac);
    let text = text.replace("FRAC", &frac).replace("WORD_C", c);
    text.replace("WORD", word).replace("NAME", name)
}

/// Of a signed output type.
const SIGN: &str = r"
    if (m < 0) {
        v.bits = UINT32_C(1) << 31;
        a = WORD_C(0) - a;
    }";

/// One element and the vector. `FRAC`: -1 less the fraction bits; `WORD`: an unsigned type that
/// holds the outputs' magnitudes.
const DEQUANTIZE: &str = r"static float NAME_value(NAME_out_t m)
{
    NAME_binary32 v;
    WORD a = (WORD)m;
    v.bits = UINT32_C(0);SIGN
    int32_t length = INT32_C(0);
    for (WORD rest = a; rest != WORD_C(0); rest >>= 1) {
        ++length;
    }
    /* a * 2^-F lies in [2^e, 2^(e+1)); a float has so many bits from its leading one on. */
    const int32_t e = length + FRAC;
    const int32_t digits = (e >= -INT32_C(126)) ? INT32_C(24) : (e + INT32_C(150));
    if ((a != WORD_C(0)) && (digits >= INT32_C(0))) {
        WORD kept;
        const int32_t excess = length - digits;
        if (excess > INT32_C(0)) {
            const uint32_t drop = (uint32_t)excess - UINT32_C(1);
            const WORD upper = a >> drop;
            kept = upper >> 1;
            /* The first bit dropped is set, and is not alone or stands behind an odd one. */
            if (((upper & WORD_C(1)) != WORD_C(0)) && (((kept & WORD_C(1)) != WORD_C(0)) || ((upper << drop) != a))) {
                ++kept;
            }
        } else {
            kept = a << (uint32_t)(-excess);
        }
        if (e > INT32_C(127)) {
            v.bits |= UINT32_C(0x7F800000);
        } else if (e >= -INT32_C(126)) {
            /* The leading bit adds one to the exponent. */
            v.bits |= (uint32_t)kept + ((uint32_t)(e + INT32_C(126)) << 23);
        } else {
            v.bits |= (uint32_t)kept;
        }
    }
    return v.value;
}

void NAME_dequantize(const NAME_out_t out[NAME_OUT_SIZE], float y[NAME_OUT_SIZE])
{
    for (size_t j = 0u; j < (size_t)NAME_OUT_SIZE; ++j) {
        y[j] = NAME_value(out[j]);
    }
}
";

/// Lines for the README.
pub(super) fn readme(name: &str, plan: &Plan<'_>) -> String {
    let mut out = String::new();
    line!(
        out,
        "`{name}_float.c` holds `{name}_quantize`, which gives exactly these integers for every finite float (an infinity gives the end on its side, a NaN 0), and `{name}_dequantize`, which gives `out * 2^{}` {}. Both use integer operations only. Define `{name}_NO_FLOAT` to leave them out.\n",
        -plan.kernel.output_frac,
        exactness(plan)
    );
    out
}
