//! Plain C that computes a tile's sums from the same weights.

use super::{Shift, Store, Use};
use crate::c::stage::literal;
use crate::elem::Elem;
use crate::plan::forms::arm_dsp::is_bytes;
use crate::text::{Code, line};
use ceg4n_target::dsp::Unit;
use std::fmt::Write;

/// A number of `bits` bits from bit `at` of a half on, in two's complement.
fn digit(h: &str, at: u8, bits: u8) -> String {
    let (mask, sign) = ((1u32 << bits) - 1, 1u32 << (bits - 1));
    let shifted = if at == 0 {
        h.to_owned()
    } else {
        format!("({h} >> {at})")
    };
    format!("(int32_t)(({shifted} & {mask}U) ^ {sign}U) - {sign}")
}

/// The functions that add the products of a half of each kind of unit.
pub(super) fn units(out: &mut String, name: &str, all: &[Unit]) {
    line!(out, "#if !{name}_DSP");
    if all.iter().any(|u| u.rows() == 1) {
        line!(out, "/* A half is one row's weight. */");
        line!(
            out,
            "static void {name}_one(uint32_t h, int32_t x, int32_t *a)\n{{"
        );
        line!(out, "    a[0] += ({}) * x;\n}}\n", digit("h", 0, 16));
    }
    if all.contains(&Unit::Two) {
        line!(
            out,
            "/* A half is 256 times a row's weight plus that of the row before. */"
        );
        line!(
            out,
            "static void {name}_two(uint32_t h, int32_t x, int32_t *a)\n{{"
        );
        line!(out, "    a[0] += ({}) * x;", digit("h", 0, 8));
        line!(
            out,
            "    a[1] += ({}) * x;\n}}\n",
            digit("(h + 128U)", 8, 8)
        );
    }
    if all.contains(&Unit::Nibbles) {
        line!(
            out,
            "/* A half is 16 times a row's weight plus that of the row before plus 8. */"
        );
        line!(
            out,
            "static void {name}_nibbles(uint32_t h, int32_t x, int32_t *a)\n{{"
        );
        line!(out, "    a[0] += ((int32_t)(h & 15U) - 8) * x;");
        line!(out, "    a[1] += ({}) * x;\n}}\n", digit("h", 4, 4));
    }
    if all.contains(&Unit::Four) {
        line!(
            out,
            "/* A half is four rows' weights of four bits, plus 8 but in the last. */"
        );
        line!(
            out,
            "static void {name}_four(uint32_t h, int32_t x, int32_t *a)\n{{"
        );
        for (k, at) in [(0, 0), (1, 4), (2, 8)] {
            let shifted = if at == 0 {
                "h".to_owned()
            } else {
                format!("(h >> {at})")
            };
            line!(out, "    a[{k}] += ((int32_t)({shifted} & 15U) - 8) * x;");
        }
        line!(out, "    a[3] += ({}) * x;\n}}\n", digit("h", 12, 4));
    }
    line!(out, "#endif\n");
}

/// The body of the function for tiles of one size.
pub(super) fn tiles(out: &mut String, name: &str, units: &[Unit], u: &Use) {
    let mut code = Code::default();
    // The function's own brace stands outside.
    code.open("");
    code.line("const size_t even = cols + (cols & 1U);");
    code.open("for (; n > 0; --n) {");
    code.line(format!("int32_t a[{}];", u.rows));
    code.open(format!("for (size_t r = 0; r < {}; ++r) {{", u.rows));
    code.line("a[r] = b[r];");
    code.close(1);
    code.open("for (size_t k = 0; k < even; k += 4U) {");
    code.line("const size_t left = even - k < 4U ? 2U : 4U;");
    let mut first = 0;
    let place = |unit: &Unit| {
        first += unit.rows();
        (*unit, first - unit.rows())
    };
    let placed: Vec<(Unit, usize)> = units.iter().map(place).collect();
    halves(&mut code, name, &placed, u.x);
    bytes(&mut code, name, &placed, u.x);
    code.close(1);
    results(&mut code, u);
    code.line(format!("b += {};", u.rows));
    code.close(1);
    code.line("return w;");
    out.push_str(code.finish().trim_start_matches('\n'));
}

/// The words whose halves belong to one column each.
fn halves(code: &mut Code, name: &str, placed: &[(Unit, usize)], x: Elem) {
    // Those of units of bytes come in half a turn.
    let only_bytes = placed.iter().all(|(u, _)| is_bytes(*u));
    if only_bytes {
        code.open("if (left == 2U) {");
        code.line(format!("const {} *v = &x[k];", x.c()));
    } else {
        code.open("for (size_t h = 0; h < left; h += 2U) {");
        let at = if x.bytes() == 1 { "h / 2U" } else { "h" };
        code.line(format!("const {} *v = &x[k + {at}];", x.c()));
    }
    let next = if x.bytes() == 1 && !only_bytes {
        code.line("const size_t next = left / 2U;");
        "next"
    } else {
        "1"
    };
    for (unit, s) in placed {
        let function = match unit {
            Unit::Bytes | Unit::Halves => "one",
            Unit::Two => "two",
            Unit::Nibbles => "nibbles",
            Unit::Four => "four",
        };
        let guarded = is_bytes(*unit) && !only_bytes;
        if guarded {
            code.open("if (left == 2U) {");
        }
        let call = |half: &str, x: &str| format!("{name}_{function}({half}, v[{x}], &a[{s}]);");
        code.line(call("*w & 0xffffU", "0"));
        code.line(call("*w >> 16", next));
        code.line("++w;");
        code.close(usize::from(guarded));
    }
    code.close(1);
}

/// The words of units of bytes.
fn bytes(code: &mut Code, name: &str, placed: &[(Unit, usize)], x: Elem) {
    if !placed.iter().any(|(u, _)| is_bytes(*u)) {
        return;
    }
    code.open("if (left == 4U) {");
    // By byte: the column of the turn.
    let columns = if x.bytes() == 1 {
        [0, 1, 2, 3]
    } else {
        [0, 2, 1, 3]
    };
    for (unit, s) in placed.iter().filter(|(u, _)| is_bytes(*u)) {
        for (byte, column) in columns.into_iter().enumerate() {
            code.line(match unit {
                Unit::Nibbles => {
                    format!(
                        "{name}_nibbles(*w >> {}, x[k + {column}], &a[{s}]);",
                        8 * byte
                    )
                }
                Unit::Bytes | Unit::Halves | Unit::Two | Unit::Four => {
                    let w = digit("*w", 8 * byte as u8, 8);
                    format!("a[{s}] += ({w}) * (int32_t)x[k + {column}];")
                }
            });
        }
        code.line("++w;");
    }
    code.close(1);
}

/// What becomes of the sums.
fn results(code: &mut Code, u: &Use) {
    code.open(format!("for (size_t r = 0; r < {}; ++r) {{", u.rows));
    match u.store {
        Store::Words => code.line("*y = a[r];"),
        Store::Saturated { y, op, bits, shift } => {
            let power = |s: u8| literal(Elem::I32, 1 << s);
            let shifted = match shift {
                Shift::By(s) if s < 0 => format!("a[r] * {}", power(s.unsigned_abs())),
                Shift::By(0) => "a[r]".to_owned(),
                Shift::By(s) => format!("a[r] >> {s}"),
                Shift::Argument { up: 0 } => "a[r] >> shift".to_owned(),
                Shift::Argument { up } => format!("(a[r] * {}) >> shift", power(up)),
            };
            let (lo, hi) = match op {
                'u' => (0, (1i64 << bits) - 1),
                _ => (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1),
            };
            let (lo, hi) = (literal(Elem::I32, lo), literal(Elem::I32, hi));
            code.line(format!("int32_t acc = {shifted};"));
            code.line(format!("if (acc < {lo}) {{ acc = {lo}; }}"));
            code.line(format!("if (acc > {hi}) {{ acc = {hi}; }}"));
            code.line(format!("*y = ({})acc;", y.c()));
        }
    }
    code.line("++y;");
    code.close(1);
}
