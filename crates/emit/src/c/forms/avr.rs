//! AVR: loops in assembly that read weights from flash, and the plain C beside.
//!
//! Arguments arrive in r24 (w), r22 (b), r20 (x), r18 (cols), r16 (a), r14 (y) and r12 (shift, plus
//! 128 for signed operands), each with the register above it; w is returned in r24. The assembly
//! takes nearly all registers. A weight takes three cycles from flash, two for its product and one
//! for each byte of the sum; the operand is loaded once for the rows of a tile.

use super::Use;
use crate::elem::Elem;
use crate::text::{c_comment, line};
use ceg4n_target::Form;
use std::fmt::Write;

/// The functions of a kernel.
pub(super) fn support(name: &str, uses: &[Use]) -> String {
    let mut out = String::new();
    for u in uses {
        let code = if u.form == Form::Short {
            short(u)
        } else {
            bytes(u)
        };
        c_comment(&mut out, [comment(u)]);
        line!(
            out,
            "#if defined({name}_IN_FLASH) && defined(__AVR_HAVE_MUL__) && defined(__AVR_HAVE_LPMX__)"
        );
        head(&mut out, name, u, "__attribute__((noinline, noclone)) ");
        assembly(&mut out, name, u, &code);
        line!(out, "#else");
        plain(&mut out, name, u);
        line!(out, "#endif\n");
    }
    out
}

fn comment(u: &Use) -> String {
    let rows = match u.rows {
        1 => "The sum of a row".to_owned(),
        n => format!("Sums of {n} rows"),
    };
    match (u.form, u.word) {
        (Form::Short, _) => format!("{rows}, modulo 2^16."),
        (_, Elem::I16) => {
            format!("{rows} of bytes w + 128, modulo 2^24, then divided by 2^8 and rounded down.")
        }
        _ => format!("{rows} of bytes w + 128, modulo 2^24."),
    }
}

/// The type of weights.
fn weight(u: &Use) -> Elem {
    if u.form == Form::Short {
        Elem::I8
    } else {
        Elem::U8
    }
}

/// The parameters: type, name, the register that it arrives in.
fn parameters(name: &str, u: &Use) -> [(String, &'static str, u8); 7] {
    let w = weight(u).c();
    [
        (format!("const {name}_FLASH {w} *"), "w", 24),
        (format!("const {name}_FLASH int32_t *"), "b", 22),
        ("const uint8_t *".to_owned(), "x", 20),
        ("size_t ".to_owned(), "cols", 18),
        (format!("{} *", u.word.c()), "a", 16),
        ("uint8_t *".to_owned(), "y", 14),
        ("uint8_t ".to_owned(), "shift", 12),
    ]
}

/// The head of a function.
fn head(out: &mut String, name: &str, u: &Use, attributes: &str) {
    let all = parameters(name, u).map(|(ty, p, _)| format!("{ty}{p}"));
    let (w, function) = (weight(u).c(), u.name());
    line!(
        out,
        "{attributes}static const {name}_FLASH {w} *{name}_{function}({})\n{{",
        all.join(", ")
    );
}

/// A loop.
#[derive(Debug)]
struct Loop {
    /// Registers of the sums.
    registers: Vec<u8>,
    code: Vec<String>,
}

/// The body of a function: every argument stays in the register that it arrives in.
fn assembly(out: &mut String, name: &str, u: &Use, body: &Loop) {
    let all = parameters(name, u);
    for (ty, p, r) in &all {
        line!(out, "    register {ty}{p}_ __asm__(\"r{r}\") = {p};");
    }
    line!(out, "    __asm__ volatile(");
    for l in &body.code {
        line!(out, "        \"{l}\\n\"");
    }
    // The frame pointer is saved; the others are arguments'.
    let free = |r: &&u8| (2..=15).contains(*r) && !matches!(**r, 12 | 14 | 15);
    let taken = body.registers.iter().filter(free);
    let taken: Vec<String> = taken.map(|r| format!("\"r{r}\"")).collect();
    let operands = all.map(|(_, p, _)| format!("\"+r\"({p}_)"));
    line!(out, "        : {}", operands.join(", "));
    line!(
        out,
        "        :\n        : {}, \"r0\", \"r26\", \"r27\", \"r30\", \"r31\", \"memory\");",
        taken.join(", ")
    );
    line!(out, "    return w_;\n}}");
}

/// The same integers in plain C.
fn plain(out: &mut String, name: &str, u: &Use) {
    head(out, name, u, "");
    let (rows, word) = (u.rows, u.word.c());
    let w = match u.form {
        Form::Bytes => "((int32_t)w[r] - 128)",
        _ => "(int32_t)w[r]",
    };
    line!(out, "    int32_t s[{rows}];");
    line!(
        out,
        "    for (size_t r = 0; r < {rows}; ++r) {{\n        s[r] = b[r];\n    }}"
    );
    line!(out, "    for (size_t k = 0; k < cols; ++k) {{");
    line!(
        out,
        "        const int32_t v = (int32_t)((uint32_t)x[k] ^ (shift & 128U));"
    );
    line!(out, "        for (size_t r = 0; r < {rows}; ++r) {{");
    line!(out, "            s[r] += {w} * v;\n        }}");
    line!(out, "        w += {rows};\n    }}");
    let high = if drops(u) { " >> 8" } else { "" };
    line!(out, "    for (size_t r = 0; r < {rows}; ++r) {{");
    line!(out, "        if (a != NULL) {{");
    line!(out, "            a[r] = ({word})(s[r]{high});");
    line!(out, "        }}\n        if (y != NULL) {{");
    line!(out, "            const int32_t v = s[r] >> (shift & 31U);");
    line!(
        out,
        "            y[r] = (uint8_t)(v < 0 ? 0 : (v > 255 ? 255 : v));"
    );
    line!(out, "        }}\n    }}\n    return w;\n}}");
}

/// The low byte of a sum is not handed back.
fn drops(u: &Use) -> bool {
    u.form == Form::Bytes && u.word == Elem::I16
}

fn lines(text: &[&str]) -> Vec<String> {
    text.iter().map(|l| (*l).to_owned()).collect()
}

/// The frame pointer, which compilers do not hand out, is saved here; so are arguments in registers
/// of sums.
const ENTER: [&str; 7] = [
    "push r28", "push r29", "push r12", "push r14", "push r15", "push r16", "push r17",
];

/// Stores the sums, or bytes, and restores.
fn leave(u: &Use, rows: &[&[u8]]) -> Vec<String> {
    let mut code = lines(&[
        "movw r24, r30",
        "pop r27",
        "pop r26",
        "pop r31",
        "pop r30",
        "pop r21",
        "sbiw r26, 0",
        "breq 5f",
    ]);
    for r in rows {
        let kept = &r[usize::from(drops(u))..];
        code.extend(kept.iter().map(|r| format!("st X+, r{r}")));
        if kept.len() == 3 {
            code.push(format!("lsl r{}", r[2]));
            code.extend(lines(&["sbc r20, r20", "st X+, r20"]));
        }
    }
    code.push("rjmp 6f".to_owned());
    code.extend(saturate(rows));
    code.extend(lines(&["6:", "pop r29", "pop r28", "clr r1"]));
    code
}

/// Sums shifted right by r21 and saturated, at Z.
fn saturate(rows: &[&[u8]]) -> Vec<String> {
    let mut code = lines(&["5:", "andi r21, 0x1f"]);
    // Whole bytes first.
    code.extend(lines(&["cpi r21, 8", "brlo 7f", "subi r21, 8"]));
    for r in rows {
        code.extend(
            r.windows(2)
                .map(|two| format!("mov r{}, r{}", two[0], two[1])),
        );
        let high = r[r.len() - 1];
        code.push(format!("lsl r{high}"));
        code.push(format!("sbc r{high}, r{high}"));
    }
    code.extend(lines(&["7:", "tst r21", "breq 2f", "3:"]));
    for r in rows {
        code.push(format!("asr r{}", r[r.len() - 1]));
        code.extend(r.iter().rev().skip(1).map(|r| format!("ror r{r}")));
    }
    code.extend(lines(&["dec r21", "brne 3b", "2:"]));
    for r in rows {
        // Beyond a byte the sign decides: 0 or 255.
        let (low, high) = (r[0], r[r.len() - 1]);
        match r {
            [_, _] => code.push(format!("tst r{high}")),
            _ => {
                code.push(format!("mov r0, r{high}"));
                code.push(format!("or r0, r{}", r[1]));
            }
        }
        code.push("breq 4f".to_owned());
        code.push(format!("lsl r{high}"));
        code.push(format!("sbc r{low}, r{low}"));
        code.push(format!("com r{low}"));
        code.push("4:".to_owned());
        code.push(format!("st Z+, r{low}"));
    }
    code
}

/// Sums of two bytes.
fn short(u: &Use) -> Loop {
    let registers: Vec<u8> = (2..=19).chain([28, 29]).take(2 * u.rows).collect();
    let rows: Vec<&[u8]> = registers.chunks(2).collect();
    let mut code = lines(&ENTER);
    code.extend(lines(&[
        "movw r26, r20",
        "movw r20, r24",
        "movw r24, r18",
        "movw r30, r22",
        "mov r22, r12",
        "andi r22, 0x80",
    ]));
    for row in &rows {
        let (low, high) = (row[0], row[1]);
        code.push(format!("lpm r{low}, Z+"));
        code.push(format!("lpm r{high}, Z+"));
        code.push("adiw r30, 2".to_owned());
    }
    // What signed operands are raised by.
    code.extend(lines(&[
        "movw r30, r20",
        "mov r20, r22",
        "1:",
        "ld r22, X+",
        "eor r22, r20",
    ]));
    for row in &rows {
        let (low, high) = (row[0], row[1]);
        code.push("lpm r23, Z+".to_owned());
        code.push("mulsu r23, r22".to_owned());
        code.push(format!("add r{low}, r0"));
        code.push(format!("adc r{high}, r1"));
    }
    code.extend(lines(&["sbiw r24, 1", "brne 1b"]));
    code.extend(leave(u, &rows));
    Loop { registers, code }
}

/// Sums of three bytes; the operand's sum in r22, r23, r28, 0 in r20, what signed operands are
/// raised by in r29.
fn bytes(u: &Use) -> Loop {
    let registers: Vec<u8> = (2..=19).take(3 * u.rows).collect();
    let rows: Vec<&[u8]> = registers.chunks(3).collect();
    let mut code = lines(&ENTER);
    code.extend(lines(&[
        "movw r26, r20",
        "movw r28, r24",
        "movw r24, r18",
        "movw r30, r22",
        "mov r22, r12",
    ]));
    for row in &rows {
        code.extend(row.iter().map(|r| format!("lpm r{r}, Z+")));
        code.push("adiw r30, 1".to_owned());
    }
    code.extend(lines(&[
        "movw r30, r28",
        "mov r29, r22",
        "andi r29, 0x80",
        "clr r20",
        "clr r22",
        "clr r23",
        "clr r28",
        "1:",
        "ld r21, X+",
    ]));
    code.push("eor r21, r29".to_owned());
    code.extend(lines(&["add r22, r21", "adc r23, r20", "adc r28, r20"]));
    for row in &rows {
        code.extend(lines(&["lpm r0, Z+", "mul r0, r21"]));
        for (op, (r, from)) in ["add", "adc", "adc"].iter().zip(row.iter().zip([0, 1, 20])) {
            code.push(format!("{op} r{r}, r{from}"));
        }
    }
    // 128·Σx in r20, r22, r23.
    code.extend(lines(&[
        "sbiw r24, 1",
        "brne 1b",
        "lsr r28",
        "ror r23",
        "ror r22",
        "ror r20",
    ]));
    for row in &rows {
        for (op, (r, from)) in ["sub", "sbc", "sbc"]
            .iter()
            .zip(row.iter().zip([20, 22, 23]))
        {
            code.push(format!("{op} r{r}, r{from}"));
        }
    }
    code.extend(leave(u, &rows));
    Loop { registers, code }
}
