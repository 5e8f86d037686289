//! AVR: loops in assembly that read weights from flash, and the plain C beside.
//!
//! Arguments arrive in r24 (w), r22 (b), r20 (x), r18 (cols) and r16 (a), each with the register
//! above it; w is returned in r24. The assembly takes nearly all registers. A weight takes
//! three cycles from flash, two for its product and one for each byte of the sum; the operand is
//! loaded once for the rows of a tile.

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
        head(&mut out, name, u, true);
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

/// The head of a function.
fn head(out: &mut String, name: &str, u: &Use, is_asm: bool) {
    let w = weight(u).c();
    let parameters = [
        format!("const {name}_FLASH {w} *w"),
        format!("const {name}_FLASH int32_t *b"),
        format!("const {} *x", u.x.c()),
        "size_t cols".to_owned(),
        format!("{} *a", u.word.c()),
    ];
    let attributes = if is_asm {
        "__attribute__((noinline)) "
    } else {
        ""
    };
    line!(
        out,
        "{attributes}static const {name}_FLASH {w} *{name}_{}({})\n{{",
        u.name(),
        parameters.join(", ")
    );
}

/// A loop.
#[derive(Debug)]
struct Loop {
    /// Registers that it takes besides those of the arguments.
    registers: Vec<u8>,
    code: Vec<String>,
}

/// The body of a function: every argument stays in the register that it arrives in.
fn assembly(out: &mut String, name: &str, u: &Use, body: &Loop) {
    let w = weight(u).c();
    for (ty, to, register, from) in [
        (format!("const {name}_FLASH {w} *"), "r", 24, "w"),
        (format!("const {name}_FLASH int32_t *"), "s", 22, "b"),
        (format!("const {} *", u.x.c()), "t", 20, "x"),
        ("size_t ".to_owned(), "n", 18, "cols"),
        (format!("{} *", u.word.c()), "to", 16, "a"),
    ] {
        line!(
            out,
            "    register {ty}{to} __asm__(\"r{register}\") = {from};"
        );
    }
    line!(out, "    __asm__ volatile(");
    for l in &body.code {
        line!(out, "        \"{l}\\n\"");
    }
    let of = |r: &u8| format!("\"r{r}\"");
    let taken: Vec<String> = body.registers.iter().map(of).collect();
    line!(
        out,
        "        : \"+r\"(r), \"+r\"(s), \"+r\"(t), \"+r\"(n), \"+r\"(to)"
    );
    line!(
        out,
        "        :\n        : {}, \"r0\", \"r26\", \"r27\", \"r30\", \"r31\", \"memory\");",
        taken.join(", ")
    );
    line!(out, "    return r;\n}}");
}

/// The same integers in plain C.
fn plain(out: &mut String, name: &str, u: &Use) {
    head(out, name, u, false);
    let (rows, word) = (u.rows, u.word.c());
    let raised = u.form != Form::Short;
    let w = if raised {
        "((int32_t)w[r] - 128)"
    } else {
        "(int32_t)w[r]"
    };
    let x = if raised && u.x.range().0 < 0 {
        "((int32_t)x[k] + 128)"
    } else {
        "(int32_t)x[k]"
    };
    line!(out, "    int32_t s[{rows}];");
    line!(
        out,
        "    for (size_t r = 0; r < {rows}; ++r) {{\n        s[r] = b[r];\n    }}"
    );
    line!(out, "    for (size_t k = 0; k < cols; ++k) {{");
    line!(out, "        for (size_t r = 0; r < {rows}; ++r) {{");
    line!(out, "            s[r] += {w} * {x};\n        }}");
    line!(out, "        w += {rows};\n    }}");
    let value = match (raised, u.word) {
        (true, Elem::I16) => "s[r] >> 8",
        _ => "s[r]",
    };
    line!(out, "    for (size_t r = 0; r < {rows}; ++r) {{");
    line!(out, "        a[r] = ({word})({value});\n    }}");
    line!(out, "    return w;\n}}");
}

fn lines(text: &[&str]) -> Vec<String> {
    text.iter().map(|l| (*l).to_owned()).collect()
}

/// The frame pointer, which compilers do not hand out, is saved here; so is the sums' address.
const ENTER: [&str; 4] = ["push r28", "push r29", "push r16", "push r17"];

/// Stores `bytes` bytes by `store` at the sums' address.
fn leave(store: Vec<String>, bytes: usize) -> Vec<String> {
    let mut code = lines(&["pop r27", "pop r26"]);
    code.extend(store);
    code.push(format!("sbiw r26, {bytes}"));
    code.extend(lines(&[
        "movw r16, r26",
        "pop r29",
        "pop r28",
        "clr r1",
        "movw r24, r30",
    ]));
    code
}

/// Those of some registers that are no arguments' and not the frame pointer.
fn taken(registers: &[u8]) -> Vec<u8> {
    let free = registers.iter().copied();
    free.filter(|r| (2..=15).contains(r)).collect()
}

/// Sums of two bytes.
fn short(u: &Use) -> Loop {
    let registers: Vec<u8> = (2..=19).chain([28, 29]).take(2 * u.rows).collect();
    let rows: Vec<(u8, u8)> = registers.chunks(2).map(|r| (r[0], r[1])).collect();
    let mut code = lines(&ENTER);
    code.extend(lines(&[
        "movw r26, r20",
        "movw r20, r24",
        "movw r24, r18",
        "movw r30, r22",
    ]));
    for (low, high) in &rows {
        code.push(format!("lpm r{low}, Z+"));
        code.push(format!("lpm r{high}, Z+"));
        code.push("adiw r30, 2".to_owned());
    }
    code.extend(lines(&["movw r30, r20", "1:", "ld r22, X+"]));
    let product = if u.x.range().0 < 0 { "muls" } else { "mulsu" };
    for (low, high) in &rows {
        code.push("lpm r23, Z+".to_owned());
        code.push(format!("{product} r23, r22"));
        code.push(format!("add r{low}, r0"));
        code.push(format!("adc r{high}, r1"));
    }
    code.extend(lines(&["sbiw r24, 1", "brne 1b"]));
    let store = registers.iter().map(|r| format!("st X+, r{r}")).collect();
    code.extend(leave(store, 2 * u.rows));
    Loop {
        registers: taken(&registers),
        code,
    }
}

/// Sums of three bytes; the operand's sum in r22, r23, r28, 0 in r20.
fn bytes(u: &Use) -> Loop {
    let registers: Vec<u8> = (2..=19).take(3 * u.rows).collect();
    let rows: Vec<&[u8]> = registers.chunks(3).collect();
    let mut code = lines(&ENTER);
    code.extend(lines(&[
        "movw r26, r20",
        "movw r28, r24",
        "movw r24, r18",
        "movw r30, r22",
    ]));
    for row in &rows {
        code.extend(row.iter().map(|r| format!("lpm r{r}, Z+")));
        code.push("adiw r30, 1".to_owned());
    }
    code.extend(lines(&[
        "movw r30, r28",
        "clr r20",
        "clr r22",
        "clr r23",
        "clr r28",
        "1:",
        "ld r21, X+",
    ]));
    if u.x.range().0 < 0 {
        code.push("subi r21, 0x80".to_owned());
    }
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
    let mut store = Vec::new();
    let high = u.word == Elem::I16;
    for row in &rows {
        store.extend(
            row.iter()
                .skip(usize::from(high))
                .map(|r| format!("st X+, r{r}")),
        );
        if !high {
            store.push(format!("lsl r{}", row[2]));
            store.extend(lines(&["sbc r20, r20", "st X+, r20"]));
        }
    }
    code.extend(leave(store, if high { 2 } else { 4 } * u.rows));
    Loop {
        registers: taken(&registers),
        code,
    }
}
