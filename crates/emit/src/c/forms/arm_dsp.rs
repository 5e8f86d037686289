//! Cortex-M4: sums of tiles by multiplications of two 16-bit halves, and plain C that reads the
//! same weights.

mod assembler;
mod plain;

use super::Use;
use crate::elem::Elem;
use crate::plan::forms::arm_dsp::{Unit, units};
use crate::text::{c_comment, line};
use ceg4n_target::Form;
use std::collections::BTreeSet;
use std::fmt::Write;

/// When the instructions are used; `NAME` is replaced.
const WHEN: &str = r"/* 1: instructions of the DSP extension, else plain C. They load words from any address. */
#ifndef NAME_DSP
#if defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && defined(__ARM_ARCH_PROFILE) && !defined(__ARM_BIG_ENDIAN)
#if __ARM_ARCH_PROFILE == 'M'
#define NAME_DSP 1
#endif
#endif
#endif
#ifndef NAME_DSP
#define NAME_DSP 0
#endif

";

/// Every function of the given uses.
pub(super) fn support(name: &str, uses: &[Use]) -> String {
    if uses.is_empty() {
        return String::new();
    }
    let mut out = WHEN.replace("NAME", name);
    let all: Vec<Unit> = uses.iter().flat_map(|u| units(u.form, u.rows)).collect();
    plain::units(&mut out, name, &all);
    let quads = uses.iter().filter(|u| u.form == Form::Quad);
    let operands: BTreeSet<Elem> = quads.map(|u| u.x).collect();
    for x in operands {
        sum(&mut out, name, x);
    }
    for u in uses {
        function(&mut out, name, u);
    }
    out
}

/// The name of the function that gives eight times the sum of the operand.
pub(super) fn sum_name(name: &str, x: Elem) -> String {
    format!("{name}_sum8_{}", x.rust())
}

/// Eight times the sum of the operand: what digits `w + 8` add to a row's sum.
fn sum(out: &mut String, name: &str, x: Elem) {
    c_comment(out, ["Eight times the sum of x, modulo 2^32."]);
    line!(
        out,
        "static uint32_t {}(const {} *x, size_t cols)\n{{",
        sum_name(name, x),
        x.c()
    );
    line!(out, "    uint32_t s = 0;");
    line!(
        out,
        "    for (; cols > 0; --cols) {{\n        s += (uint32_t)*x;\n        ++x;\n    }}"
    );
    line!(out, "    return s * 8U;\n}}\n");
}

/// The function of one tile.
fn function(out: &mut String, name: &str, u: &Use) {
    let units = units(u.form, u.rows);
    let quad = u.form == Form::Quad;
    let x = u.x.c();
    let s = if quad { ", uint32_t s" } else { "" };
    line!(
        out,
        "static const {name}_FLASH uint32_t *{name}_{}(const {name}_FLASH uint32_t *w, const {name}_FLASH int32_t *b, const {x} *x, size_t cols, int32_t *a{s})\n{{",
        u.name()
    );
    line!(out, "#if {name}_DSP");
    line!(out, "    register const uint32_t *w_ __asm__(\"r0\") = w;");
    line!(out, "    register const int32_t *b_ __asm__(\"r1\") = b;");
    line!(out, "    register const {x} *x_ __asm__(\"r2\") = x;");
    line!(
        out,
        "    register const {x} *end_ __asm__(\"r3\") = x + ((cols + 1U) & ~(size_t)3U);"
    );
    line!(out, "    register int32_t *a_ __asm__(\"r4\") = a;");
    line!(
        out,
        "    register size_t left_ __asm__(\"r5\") = (cols + 1U) & 2U;"
    );
    if quad {
        line!(out, "    register uint32_t s_ __asm__(\"r12\") = s;");
    }
    line!(out, "    __asm__ volatile(");
    for l in assembler::tile(&units, u.x) {
        line!(out, "        \"{l}\\n\\t\"");
    }
    let s = if quad { ", \"+r\"(s_)" } else { "" };
    let clobbered = if quad { "" } else { "\"r12\", " };
    line!(
        out,
        "        : \"+r\"(w_), \"+r\"(b_), \"+r\"(x_), \"+r\"(end_), \"+r\"(a_), \"+r\"(left_){s}"
    );
    line!(
        out,
        "        :\n        : \"r6\", \"r8\", \"r9\", \"r10\", \"r11\", {clobbered}\"lr\", \"cc\", \"memory\");"
    );
    line!(out, "    return w_;\n#else");
    plain::tile(out, name, &units, u);
    line!(out, "#endif\n}}\n");
}
