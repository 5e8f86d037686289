//! `NAME_selftest.c`: vectors whose outputs are known, as a program of a computer and as functions
//! for a microcontroller's own program.
//!
//! Vectors stand in flash and are copied before use, because a pointer to flash is no pointer to
//! RAM on AVR. There only the first ones are compiled where all would not fit what such a pointer
//! reaches.

use crate::EmitInput;
use crate::plan::Plan;
use crate::text::{c_comment, c_integer, integers, line, string};
use ceg4n_target::Target;
use std::fmt::Write;

/// Bytes of vectors that AVR gets at most.
const AVR_BYTES: usize = 16_384;

/// The whole file.
pub(super) fn source(input: &EmitInput<'_>, plan: &Plan<'_>) -> String {
    let name = input.name;
    let mut out = String::new();
    c_comment(
        &mut out,
        [
            format!(
                "{name}_selftest.c: runs the kernel {name} on vectors whose outputs are known."
            ),
            "Exit status 0: all as expected; 1: a mismatch, which is printed.".to_owned(),
            format!(
                "With {name}_SELFTEST_NO_MAIN defined there is no program and no <stdio.h>, only the"
            ),
            "functions below; declare them where they are called.".to_owned(),
        ],
    );
    line!(out, "#include \"{name}.h\"\n");
    line!(
        out,
        "#ifndef {name}_SELFTEST_NO_MAIN\n#include <stdio.h>\n#endif\n"
    );
    let n = input.vectors.len();
    let each = plan.kernel.input_len() * plan.input.bytes()
        + plan.kernel.output_len() * plan.output.bytes();
    // What pointers into flash reach beside the kernel's constants.
    let left = Target::Avr.most_constants();
    let left = left.saturating_sub(plan.constant_bytes()).min(AVR_BYTES);
    let some = (left / each.max(1)).clamp(1, n.max(1));
    count(&mut out, name, n, some);
    if n == 0 {
        out.push_str(&EMPTY.replace("NAME", name));
        return out;
    }
    let flash = |what: &str| format!("{name}_FLASH {name}_{what}");
    vectors(&mut out, input, some, (&flash("in_t"), "inputs", "IN_SIZE"));
    vectors(
        &mut out,
        input,
        some,
        (&flash("out_t"), "outputs", "OUT_SIZE"),
    );
    line!(out, "#ifndef {name}_SELFTEST_NO_MAIN");
    line!(
        out,
        "static const char *const {name}_notes[{name}_SELFTEST_COUNT] = {{"
    );
    list(&mut out, name, n, some, |out, v| {
        line!(out, "    \"{}\",", string(&input.vectors[v].note));
    });
    line!(out, "}};\n#endif\n");
    out.push_str(&FUNCTIONS.replace("NAME", name));
    out.push_str(&PROGRAM.replace("NAME", name));
    out
}

/// Defines the number of vectors.
fn count(out: &mut String, name: &str, n: usize, some: usize) {
    let all = format!("#define {name}_SELFTEST_COUNT {n}ul");
    if n <= some {
        line!(out, "{all}\n");
        return;
    }
    c_comment(
        out,
        ["On AVR only so many of the vectors as pointers into flash reach beside the kernel."],
    );
    line!(
        out,
        "#if defined(__AVR__)\n#define {name}_SELFTEST_COUNT {some}ul\n#else\n{all}\n#endif\n"
    );
}

/// Writes `n` entries, all but the first `some` behind a condition.
fn list(
    out: &mut String,
    name: &str,
    n: usize,
    some: usize,
    mut entry: impl FnMut(&mut String, usize),
) {
    for v in 0..n {
        if v == some {
            line!(out, "#if {name}_SELFTEST_COUNT > {some}ul");
        }
        entry(out, v);
    }
    if n > some {
        line!(out, "#endif");
    }
}

/// An array of all inputs or all outputs: its type, name and size.
fn vectors(out: &mut String, input: &EmitInput<'_>, some: usize, of: (&str, &str, &str)) {
    let (ty, what, size) = of;
    let name = input.name;
    line!(
        out,
        "static const {ty} {name}_{what}[{name}_SELFTEST_COUNT][{name}_{size}] = {{"
    );
    list(out, name, input.vectors.len(), some, |out, v| {
        let vector = &input.vectors[v];
        let values = match what {
            "inputs" => &vector.input,
            _ => &vector.output,
        };
        line!(out, "    {{");
        integers(out, "        ", values.iter().copied(), c_integer);
        line!(out, "    }},");
    });
    line!(out, "}};\n");
}

/// Without a vector.
const EMPTY: &str = r#"unsigned long NAME_selftest_count(void);
unsigned long NAME_selftest(void);

unsigned long NAME_selftest_count(void)
{
    return NAME_SELFTEST_COUNT;
}

unsigned long NAME_selftest(void)
{
    return 0;
}

#ifndef NAME_SELFTEST_NO_MAIN
int main(void)
{
    puts("NAME: there are no test vectors");
    return 0;
}
#endif
"#;

/// What a user's program calls.
const FUNCTIONS: &str = r#"/* Number of vectors. */
unsigned long NAME_selftest_count(void);
/* Copies the input of a vector. */
void NAME_selftest_input(unsigned long vector, NAME_in_t in[NAME_IN_SIZE]);
/* Copies the outputs that are expected for a vector. */
void NAME_selftest_expected(unsigned long vector, NAME_out_t out[NAME_OUT_SIZE]);
/* Runs the kernel on every vector; returns the number of wrong outputs. */
unsigned long NAME_selftest(void);

unsigned long NAME_selftest_count(void)
{
    return NAME_SELFTEST_COUNT;
}

void NAME_selftest_input(unsigned long vector, NAME_in_t in[NAME_IN_SIZE])
{
    for (size_t i = 0; i < NAME_IN_SIZE; ++i) {
        in[i] = NAME_inputs[vector][i];
    }
}

void NAME_selftest_expected(unsigned long vector, NAME_out_t out[NAME_OUT_SIZE])
{
    for (size_t j = 0; j < NAME_OUT_SIZE; ++j) {
        out[j] = NAME_outputs[vector][j];
    }
}

static NAME_in_t NAME_test_in[NAME_IN_SIZE];
static NAME_out_t NAME_test_out[NAME_OUT_SIZE];
static NAME_out_t NAME_test_expected[NAME_OUT_SIZE];
static NAME_scratch NAME_test_scratch;

/* Runs one vector: its outputs, and those that are expected, stand in the arrays above. */
static void NAME_test(unsigned long vector)
{
    NAME_selftest_input(vector, NAME_test_in);
    NAME_selftest_expected(vector, NAME_test_expected);
    NAME_infer(NAME_test_in, NAME_test_out, &NAME_test_scratch);
}

unsigned long NAME_selftest(void)
{
    unsigned long wrong = 0;
    for (unsigned long v = 0; v < NAME_SELFTEST_COUNT; ++v) {
        NAME_test(v);
        for (size_t j = 0; j < NAME_OUT_SIZE; ++j) {
            if (NAME_test_out[j] != NAME_test_expected[j]) {
                ++wrong;
            }
        }
    }
    return wrong;
}

"#;

/// The program of a computer.
const PROGRAM: &str = r#"#ifndef NAME_SELFTEST_NO_MAIN
int main(void)
{
    int status = 0;
    for (unsigned long v = 0; v < NAME_SELFTEST_COUNT; ++v) {
        NAME_test(v);
        for (size_t j = 0; j < NAME_OUT_SIZE; ++j) {
            if (NAME_test_out[j] != NAME_test_expected[j]) {
                printf("NAME: vector %lu (%s): output %lu is %lld, expected %lld\n",
                       v, NAME_notes[v], (unsigned long)j,
                       (long long)NAME_test_out[j], (long long)NAME_test_expected[j]);
                status = 1;
            }
        }
    }
    if (status == 0) {
        printf("NAME: %lu vectors pass\n", NAME_SELFTEST_COUNT);
    }
    return status;
}
#endif
"#;
