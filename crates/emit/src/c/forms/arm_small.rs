//! Cortex-M0: loops in assembly that keep everything in registers, and the plain C beside.
//!
//! The assembly is the body of a naked function, because it takes all registers, among them those
//! that compilers keep for themselves. Arguments arrive in r0 (w), r1 (b), r2 (x), r3 (cols) and
//! on the stack (a); w is returned in r0.

use super::Use;
use crate::elem::Elem;
use crate::text::{c_comment, line};
use ceg4n_target::Form;
use std::collections::BTreeSet;
use std::fmt::Write;

/// When the assembly stands: Thumb code, Armv6-M or later, bytes of a word the low one first.
const GUARD: &str = "#if defined(__GNUC__) && defined(__thumb__) && defined(__ARM_ARCH) && (__ARM_ARCH >= 6) && !defined(__ARMEB__)";

/// What a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Loop {
    /// Up to four rows of bytes side by side.
    Rows,
    /// Four rows a word, in chunks.
    Chunks,
    /// Three rows of the same.
    Three,
}

/// The functions of a kernel.
pub(super) fn support(name: &str, uses: &[Use]) -> String {
    let mut loops = BTreeSet::new();
    for u in uses {
        match (u.form, u.rows) {
            (Form::Quarters, 4) => loops.insert((Loop::Chunks, *u)),
            (Form::Quarters, 3) => {
                loops.insert((Loop::Chunks, Use { rows: 4, ..*u }));
                loops.insert((Loop::Three, *u))
            }
            // The rows that are left are walked like those of the other form.
            (_, _) => loops.insert((
                Loop::Rows,
                Use {
                    form: Form::Offset,
                    ..*u
                },
            )),
        };
    }
    let mut out = String::new();
    for (l, u) in &loops {
        match l {
            Loop::Rows => rows(&mut out, name, u),
            Loop::Chunks => chunks(&mut out, name, u),
            Loop::Three => three(&mut out, name, u),
        }
    }
    out
}

/// The head of a function; in assembly nothing refers to the parameters.
fn head(name: &str, u: &Use, is_asm: bool) -> String {
    let parameters = [
        format!("const {name}_FLASH uint32_t *w"),
        format!("const {name}_FLASH int32_t *b"),
        format!("const {} *x", u.x.c()),
        "size_t cols".to_owned(),
        "int32_t *a".to_owned(),
        "uint8_t *y".to_owned(),
        "uint8_t shift".to_owned(),
    ];
    let (attributes, unused) = if is_asm {
        (
            "__attribute__((naked, noinline)) ",
            " __attribute__((unused))",
        )
    } else {
        ("", "")
    };
    let parameters = parameters.map(|p| format!("{p}{unused}"));
    format!(
        "{attributes}static const {name}_FLASH uint32_t *{name}_{}({})\n{{\n",
        u.name(),
        parameters.join(", ")
    )
}

/// The end of the plain function: what is stored of the sums `s`.
fn store(out: &mut String, u: &Use, w: &str) {
    line!(out, "    for (size_t r = 0; r < {}; ++r) {{", u.rows);
    line!(out, "        if (a != NULL) {{\n            a[r] = s[r];");
    line!(out, "        }}\n        if (y != NULL) {{");
    line!(out, "            const int32_t v = s[r] >> shift;");
    line!(
        out,
        "            y[r] = (uint8_t)(v < 0 ? 0 : (v > 255 ? 255 : v));"
    );
    line!(out, "        }}\n    }}\n    return {w};\n}}\n#endif\n");
}

/// A naked function of these instructions.
fn assembly(out: &mut String, head: &str, lines: &[String]) {
    out.push_str(head);
    line!(out, "    __asm__(\n        \".syntax unified\\n\"");
    for l in lines {
        line!(out, "        \"{l}\\n\"");
    }
    line!(out, "    );\n}}");
}

/// Loads column `c` of the operand from r1 to r2.
fn load(x: Elem, c: usize) -> Vec<String> {
    let (bytes, unit) = (x.bytes(), if x.bytes() == 1 { "b" } else { "h" });
    let mut lines = vec![format!("ldr{unit} r2, [r1, #{}]", c * bytes)];
    if x.range().0 < 0 {
        lines.push(format!("sxt{unit} r2, r2"));
    }
    lines
}

/// Saves registers; r3 becomes the operand's end, r1 the operand; the starts of `rows` sums lie in
/// r4 and up.
fn enter(rows: usize, x: Elem) -> Vec<String> {
    let mut lines = lines(&[
        "push {r4-r7, lr}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {r4-r7}",
    ]);
    if x.bytes() == 2 {
        lines.push("lsls r3, r3, #1".to_owned());
    }
    lines.push("adds r3, r2, r3".to_owned());
    lines.push(match rows {
        1 => "ldr r4, [r1]".to_owned(),
        n => format!("ldmia r1!, {{r4-r{}}}", 3 + n),
    });
    lines.push("mov r1, r2".to_owned());
    lines
}

/// Stores the sums in r4 and up, or bytes, and restores registers.
fn leave(u: &Use) -> Vec<String> {
    let mut all = lines(&["ldr r1, [sp, #36]", "cmp r1, #0", "bne 4f"]);
    all.extend(lines(&["ldr r1, [sp, #40]", "ldr r2, [sp, #44]"]));
    for r in 0..u.rows {
        let own = 4 + r;
        all.push(format!("asrs r{own}, r{own}, r2"));
        all.push(format!("lsrs r3, r{own}, #8"));
        all.push("beq 3f".to_owned());
        // Beyond a byte the sign decides: 0 or 255.
        all.push(format!("asrs r{own}, r{own}, #31"));
        all.push(format!("mvns r{own}, r{own}"));
        all.push("3:".to_owned());
        all.push(format!("strb r{own}, [r1, #{r}]"));
    }
    all.extend(lines(&["b 5f", "4:"]));
    all.push(match u.rows {
        1 => "str r4, [r1]".to_owned(),
        n => format!("stmia r1!, {{r4-r{}}}", 3 + n),
    });
    all.extend(lines(&[
        "5:",
        "pop {r4-r7}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {r4-r7, pc}",
    ]));
    all
}

fn lines(text: &[&str]) -> Vec<String> {
    text.iter().map(|l| (*l).to_owned()).collect()
}

/// Bytes of up to four rows side by side: `Σ (w+128)·x - 128·Σx`, the latter sum in r12.
fn rows(out: &mut String, name: &str, u: &Use) {
    let (rows, x) = (u.rows, u.x);
    let mut code = enter(rows, x);
    code.extend(lines(&["mov lr, r3", "movs r3, #0", "mov r12, r3", "1:"]));
    for c in 0..4 {
        code.extend(load(x, c));
        for r in 0..rows {
            code.push(format!("ldrb r3, [r0, #{}]", rows * c + r));
            code.push("muls r3, r2, r3".to_owned());
            code.push(format!("adds r{0}, r{0}, r3", 4 + r));
        }
        code.push("add r12, r2".to_owned());
    }
    code.push(format!("adds r0, #{}", 4 * rows));
    code.push(format!("adds r1, #{}", 4 * x.bytes()));
    code.extend(lines(&[
        "cmp r1, lr",
        "blo 1b",
        "mov r2, r12",
        "lsls r2, r2, #7",
    ]));
    code.extend((0..rows).map(|r| format!("subs r{0}, r{0}, r2", 4 + r)));
    code.extend(leave(u));
    c_comment(
        out,
        [format!(
            "Sums of {rows} rows of bytes w + 128, modulo 2^32."
        )],
    );
    line!(out, "{GUARD}");
    assembly(out, &head(name, u, true), &code);
    line!(out, "#else");
    out.push_str(&head(name, u, false));
    line!(
        out,
        "    int32_t s[{rows}];\n    for (size_t r = 0; r < {rows}; ++r) {{\n        s[r] = b[r];\n    }}"
    );
    line!(out, "    for (size_t k = 0; k < cols; ++k) {{");
    line!(out, "        for (size_t r = 0; r < {rows}; ++r) {{");
    line!(out, "            const size_t i = k * {rows} + r;");
    line!(
        out,
        "            const int32_t u = (int32_t)((w[i / 4] >> (8 * (i % 4))) & 255U);"
    );
    line!(out, "            s[r] += (u - 128) * (int32_t)x[k];");
    line!(out, "        }}\n    }}");
    store(out, u, &format!("w + (cols + 3) / 4 * {rows}"));
}

/// The assembly of [`chunks`]. Sums of all chunks in r8 to r11, of a chunk in r6 (A) and r7 (R), the
/// operand's sum in r12, the chunk's end in lr.
fn chunks_assembly(u: &Use) -> Vec<String> {
    let x = u.x;
    let mut code = enter(4, x);
    code.extend(lines(&[
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "ldmia r0!, {r3}",
        "1:",
        // Bit 16: the last four columns once more.
        "lsrs r4, r3, #16",
        "beq 6f",
        "subs r1, #4",
        "uxth r3, r3",
        "6:",
        "adds r3, r1, r3",
        "mov lr, r3",
        "movs r6, #0",
        "movs r7, #0",
        "mov r12, r6",
        "2:",
    ]));
    for c in 0..4 {
        if c % 2 == 0 {
            code.push("ldmia r0!, {r3, r4}".to_owned());
        }
        let word = 3 + c % 2;
        code.extend(load(x, c));
        code.push(format!("rev16 r5, r{word}"));
        code.push(format!("muls r{word}, r2, r{word}"));
        code.push(format!("adds r6, r6, r{word}"));
        code.extend(lines(&[
            "muls r5, r2, r5",
            "adds r7, r7, r5",
            "add r12, r2",
        ]));
    }
    code.extend(lines(&[
        "adds r1, #4",
        "cmp r1, lr",
        "blo 2b",
        // 128·Σx, then R - 2^8·A and A - 2^8·R without it.
        "mov r2, r12",
        "lsls r2, r2, #7",
        "lsls r3, r6, #8",
        "lsls r4, r7, #8",
        "subs r7, r7, r3",
        "subs r7, r7, r2",
        "subs r6, r6, r4",
        "subs r6, r6, r2",
    ]));
    for (d, low, high) in [("r7", "r9", "r11"), ("r6", "r8", "r10")] {
        code.push(format!("sxth r3, {d}"));
        code.push(format!("add {low}, r3"));
        code.push(format!("subs {d}, {d}, r3"));
        code.push("lsls r3, r3, #16".to_owned());
        code.push(format!("adds {d}, {d}, r3"));
        code.push(format!("asrs {d}, {d}, #16"));
        code.push(format!("add {high}, {d}"));
    }
    code.extend(lines(&[
        "ldmia r0!, {r3}",
        "cmp r3, #0",
        "bne 1b",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
    ]));
    code.extend(leave(u));
    code
}

/// Four rows a word.
fn chunks(out: &mut String, name: &str, u: &Use) {
    c_comment(
        out,
        [
            "Sums of four rows, whose weights + 128 are the bytes of a word. With A = sum of word * x",
            "and R the same with the bytes of each half swapped, R - 2^8 A - 128 sum(x) =",
            "S1 - 2^16 S1 + 2^16 S3 modulo 2^32, and likewise A - 2^8 R for S0 and S2: exact where these",
            "fit 16 bits, which is proved for every chunk of columns. A chunk's length stands before it,",
            "with bit 16 where its columns are the last four once more.",
        ],
    );
    line!(out, "{GUARD}");
    assembly(out, &head(name, u, true), &chunks_assembly(u));
    line!(out, "#else");
    out.push_str(&head(name, u, false));
    line!(
        out,
        "    int32_t s[4];\n    for (size_t r = 0; r < 4; ++r) {{\n        s[r] = b[r];\n    }}"
    );
    line!(
        out,
        "    (void)cols;\n    size_t k = 0;\n    uint32_t n = *w;"
    );
    line!(out, "    while (n != 0U) {{");
    line!(out, "        k -= (size_t)(n >> 16) * 4U;\n        ++w;");
    line!(out, "        for (n &= 0xffffU; n > 0U; --n) {{");
    line!(out, "            for (size_t r = 0; r < 4; ++r) {{");
    line!(
        out,
        "                const int32_t u = (int32_t)((*w >> (8 * r)) & 255U);"
    );
    line!(out, "                s[r] += (u - 128) * (int32_t)x[k];");
    line!(
        out,
        "            }}\n            ++k;\n            ++w;\n        }}"
    );
    line!(out, "        n = *w;\n    }}");
    store(out, u, "w + 1");
}

/// Three rows as four, of which the last does not exist.
fn three(out: &mut String, name: &str, u: &Use) {
    let whole = Use { rows: 4, ..*u }.name();
    out.push_str(&head(name, u, false));
    line!(out, "    int32_t s[4] = {{0}};\n    uint8_t v[4] = {{0}};");
    line!(
        out,
        "    w = {name}_{whole}(w, b, x, cols, a != NULL ? s : NULL, v, shift);"
    );
    line!(out, "    for (size_t r = 0; r < 3; ++r) {{");
    line!(out, "        if (a != NULL) {{\n            a[r] = s[r];");
    line!(
        out,
        "        }}\n        if (y != NULL) {{\n            y[r] = v[r];\n        }}\n    }}"
    );
    line!(out, "    return w;\n}}\n");
}
