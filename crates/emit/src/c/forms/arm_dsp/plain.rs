//! Plain C that computes a tile's sums from the same weights.

use super::Use;
use crate::elem::Elem;
use crate::plan::forms::arm_dsp::Unit;
use crate::text::{Code, line};
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

/// The body of a tile's function.
pub(super) fn tile(out: &mut String, name: &str, units: &[Unit], u: &Use) {
    let mut code = Code::default();
    code.open("");
    code.line("const size_t even = cols + (cols & 1U);");
    code.open(format!("for (size_t r = 0; r < {}; ++r) {{", u.rows));
    code.line("a[r] = b[r];");
    code.close(1);
    code.open("for (size_t k = 0; k < even; k += 4U) {");
    code.line("const size_t n = even - k < 4U ? 2U : 4U;");
    let mut placed = Vec::new();
    let mut first = 0;
    for unit in units {
        placed.push((*unit, first));
        first += unit.rows();
    }
    let bytes = placed.iter().filter(|(u, _)| *u == Unit::Bytes).count();
    let whole = placed.len() - bytes;
    if whole > 0 || bytes > 0 {
        // Bytes stand in words of halves only in half a turn.
        code.open(if whole > 0 {
            "for (size_t h = 0; h < n; h += 2U) {"
        } else {
            "if (n == 2U) {"
        });
        let h = if whole > 0 { "h" } else { "0U" };
        if u.x.bytes() == 1 {
            let at = if whole > 0 { "k + h / 2U" } else { "k" };
            code.line(format!("const {} *v = &x[{at}];", u.x.c()));
            code.line("const size_t next = n / 2U;");
        } else {
            code.line(format!("const {} *v = &x[k + {h}];", u.x.c()));
            code.line("const size_t next = 1U;");
        }
        for (unit, s) in &placed {
            let call = |f: &str| {
                [
                    format!("{name}_{f}(*w & 0xffffU, (int32_t)v[0], &a[{s}]);"),
                    format!("{name}_{f}(*w >> 16, (int32_t)v[next], &a[{s}]);"),
                    "++w;".to_owned(),
                ]
            };
            let lines = match unit {
                Unit::Bytes if whole > 0 => {
                    code.open("if (n == 2U) {");
                    call("one")
                }
                Unit::Bytes | Unit::Halves => call("one"),
                Unit::Two => call("two"),
                Unit::Four => call("four"),
            };
            for l in lines {
                code.line(l);
            }
            if *unit == Unit::Bytes && whole > 0 {
                code.close(1);
            }
        }
        code.close(1);
    }
    if bytes > 0 {
        code.open("if (n == 4U) {");
        // By byte: the column of the turn.
        let columns = if u.x.bytes() == 1 {
            [0, 1, 2, 3]
        } else {
            [0, 2, 1, 3]
        };
        for (_, s) in placed.iter().filter(|(u, _)| *u == Unit::Bytes) {
            for (byte, column) in columns.into_iter().enumerate() {
                let w = digit("*w", 8 * byte as u8, 8);
                code.line(format!("a[{s}] += ({w}) * (int32_t)x[k + {column}];"));
            }
            code.line("++w;");
        }
        code.close(1);
    }
    code.close(1);
    code.line("return w;");
    out.push_str(code.finish().trim_start_matches('\n'));
    let _ = Elem::U8;
}
