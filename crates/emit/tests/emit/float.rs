//! Emitted conversions of floats are the definitions: quantization at every midpoint and its
//! neighbours and over all exponents, dequantization to the nearest float, from two compilers at
//! two levels and with relaxed floating point.

use crate::common::speed;
use crate::common::{Case, compilers, constant, folder, format, run, write};
use ceg4n_base::Exact;
use ceg4n_emit::emit_c;
use ceg4n_ir::{Checked, Format, NetworkBuilder, Op, Program, Shape, check};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// The warnings of every emitted file, and levels at which the compilers rewrite floats most.
const WARNINGS: &[&str] = &[
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-pedantic",
    "-Werror",
];
const LEVELS: &[&[&str]] = &[
    &[
        "-O0",
        "-fsanitize=undefined,address",
        "-fno-sanitize-recover=all",
    ],
    &["-O2"],
    &["-O2", "-ffast-math"],
];

/// One input that goes to the output as it is.
fn wire(f: Format) -> Checked<Program> {
    let mut b = NetworkBuilder::new("wire");
    let x = b.push("x", Op::Input, Some(Shape::vector(1)), None);
    let y = b.push("y", Op::Identity { x }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    check(Program::reference(net).patch().format(x, f).finish()).unwrap()
}

/// One input times a weight: outputs of up to 63 bits, `frac` of them behind the point.
fn product(frac: i32) -> Checked<Program> {
    let mut b = NetworkBuilder::new("product");
    let x = b.push("x", Op::Input, Some(Shape::vector(1)), None);
    let weight = constant(&mut b, "w", &[1, 1], 1.0);
    let bias = None;
    let y = b.push("y", Op::Dense { x, weight, bias }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    let patch = Program::reference(net).patch().format(x, format("s32q0"));
    let w = Format::new(true, 31, frac).unwrap();
    check(patch.mantissas(weight, w, [(1 << 30) - 1].into()).finish()).unwrap()
}

fn case(name: String, program: Checked<Program>) -> Case {
    Case {
        name,
        program,
        vectors: vec![],
        options: speed(),
    }
}

/// Every format of up to 8 bits and some wider ones, with points anywhere.
fn formats() -> Vec<Format> {
    let mut out = Vec::new();
    for width in (1..=8).chain([9, 16, 24, 25, 31, 32]) {
        for signed in [false, true] {
            let fracs: &[i32] = if width == 8 {
                &[
                    -256, -127, -120, -104, -9, -1, 0, 1, 4, 7, 8, 9, 24, 100, 126, 127, 149, 150,
                    151, 157, 200, 256,
                ]
            } else {
                &[-100, -2, 0, 3, 8, 31, 149]
            };
            out.extend(
                fracs
                    .iter()
                    .map(|f| Format::new(signed, width, *f).unwrap()),
            );
        }
    }
    out
}

/// The float's neighbour further from zero, or closer to it.
fn beside(x: f32, further: bool) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if further {
        bits.saturating_add(1)
    } else if x == 0.0 {
        bits ^ 0x8000_0000
    } else {
        bits - 1
    })
}

/// Midpoints between mantissas with two neighbours on each side, both ends, every exponent, what
/// is no number, and random floats near the format's values and anywhere.
fn inputs(f: Format, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut out = Vec::new();
    let mut around = |x: f32| {
        let (mut up, mut down) = (x, x);
        out.push(x.to_bits());
        for _ in 0..2 {
            (up, down) = (beside(up, true), beside(down, false));
            out.extend([up.to_bits(), down.to_bits()]);
        }
    };
    let all = f.min() - 2..=f.max() + 2;
    let some: Vec<i64> = if f.width() <= 8 {
        all.collect()
    } else {
        let near = [f.min(), 0, f.max()].into_iter();
        let near = near.flat_map(|m| m - 3..=m + 3);
        let random = (0..150).map(|_| rng.random_range(all.clone()));
        near.chain(random).collect()
    };
    for m in some {
        // (2m + 1)/2^(F+1): beyond 24 bits or the exponents a float beside the midpoint.
        let twice = (2 * m + 1) as f64;
        around((twice * 2f64.powi(-f.frac() - 1)) as f32);
        around((m as f64 * 2f64.powi(-f.frac())) as f32);
    }
    for high in 0..512u32 {
        let random = rng.random_range(0..1 << 23);
        out.extend([0, 1, 0x40_0000, 0x7F_FFFF, random].map(|low| high << 23 | low));
    }
    out.extend((0..50).map(|_| rng.random::<u32>()));
    out
}

/// The definition, for every float.
fn expected(f: Format, bits: u32) -> i64 {
    let x = f32::from_bits(bits);
    match Exact::from_f64(f64::from(x)) {
        Some(x) => f.quantize(&x),
        None if x.is_nan() => 0,
        None if x > 0.0 => f.max(),
        None => f.min(),
    }
}

/// A program with every kernel's conversions: for each in turn it reads a count, the bits of floats
/// and their integers, and a count and integers; it writes the bits of what these become.
fn harness(cases: &[Case], dir: &Path) {
    let mut unit = String::from(
        "#include <inttypes.h>\n#include <stdio.h>\n#include <string.h>\n#define NEXT(v) if (fread(&(v), sizeof(v), 1, stdin) != 1) { return 2; }\n",
    );
    for case in cases {
        write(&emit_c(&case.input()).unwrap(), dir);
        unit.push_str(&PART.replace("NAME", &case.name));
    }
    unit.push_str("int main(void)\n{\n");
    for case in cases {
        let n = &case.name;
        writeln!(unit, "    if ({n}_part() != 0) {{ return 1; }}").unwrap();
    }
    unit.push_str("    return 0;\n}\n");
    std::fs::write(dir.join("c/floats.c"), unit).unwrap();
}

const PART: &str = r#"#include "NAME.h"
#include "NAME_float.c"
static int NAME_part(void)
{
    int64_t count, wanted;
    NEXT(count)
    for (int64_t i = 0; i < count; ++i) {
        uint32_t bits;
        float x[1];
        NAME_in_t m[1];
        NEXT(bits)
        NEXT(wanted)
        memcpy(x, &bits, sizeof bits);
        NAME_quantize(x, m);
        if ((int64_t)m[0] != wanted) {
            fprintf(stderr, "NAME: %08" PRIx32 " gives %" PRId64 ", wanted %" PRId64 "\n", bits, (int64_t)m[0], wanted);
            return 1;
        }
    }
    NEXT(count)
    for (int64_t i = 0; i < count; ++i) {
        float y[1];
        NAME_out_t m[1];
        NEXT(wanted)
        m[0] = (NAME_out_t)wanted;
        NAME_dequantize(m, y);
        if (fwrite(y, sizeof y, 1, stdout) != 1) {
            return 2;
        }
    }
    return 0;
}
"#;

/// What the program reads for one kernel.
fn feed(out: &mut Vec<u8>, floats: &[(u32, i64)], integers: &[i64]) {
    out.extend((floats.len() as i64).to_ne_bytes());
    for (bits, m) in floats {
        out.extend(bits.to_ne_bytes());
        out.extend(m.to_ne_bytes());
    }
    out.extend((integers.len() as i64).to_ne_bytes());
    for m in integers {
        out.extend(m.to_ne_bytes());
    }
}

/// Builds and runs the program every way; it writes the same each time.
fn outputs(cases: &[Case], input: &[u8]) -> Vec<f32> {
    let dir = folder();
    harness(cases, dir.path());
    std::fs::write(dir.path().join("input"), input).unwrap();
    let mut all: Vec<Vec<u8>> = Vec::new();
    for cc in compilers() {
        for level in LEVELS {
            let exe = dir.path().join("floats");
            run(Command::new(&cc)
                .args(WARNINGS)
                .args(*level)
                .arg("-o")
                .arg(&exe)
                .arg(dir.path().join("c/floats.c")));
            let from = std::fs::File::open(dir.path().join("input")).unwrap();
            all.push(run(Command::new(&exe).stdin(from)).stdout);
        }
    }
    assert!(all.iter().all(|o| *o == all[0]));
    let floats = all[0].as_chunks::<4>().0.iter();
    floats.map(|b| f32::from_ne_bytes(*b)).collect()
}

/// A float's value; that of infinity is what the next float would be.
fn value(y: f32) -> Exact {
    let next = Exact::dyadic(1, 128);
    match y {
        f32::INFINITY => next,
        f32::NEG_INFINITY => -&next,
        y => Exact::from_f64(f64::from(y)).unwrap(),
    }
}

/// `y` is the float nearest to `m·2^-frac`; of two the one whose last bit is 0.
fn assert_nearest(y: f32, m: i64, frac: i32) {
    let exact = Exact::dyadic(i128::from(m), -i64::from(frac));
    let distance = |y: f32| {
        let d = &value(y) - &exact;
        if d.signum() < 0 { -&d } else { d }
    };
    let own = distance(y);
    for further in [false, true] {
        if y.is_infinite() && further {
            continue;
        }
        let other = distance(beside(y, further));
        let even = y.to_bits().is_multiple_of(2);
        assert!(own < other || (own == other && even), "{m}*2^-{frac}: {y}");
    }
    assert!(y.is_sign_negative() == (m < 0), "{m}*2^-{frac}: {y}");
}

#[test]
fn quantization_is_the_definition_at_every_midpoint() {
    let formats = formats();
    let mut rng = ChaCha8Rng::seed_from_u64(19);
    let (mut input, mut cases, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for (i, f) in formats.iter().enumerate() {
        cases.push(case(format!("k{i}"), wire(*f)));
        let floats = inputs(*f, &mut rng);
        let floats: Vec<(u32, i64)> = floats.iter().map(|b| (*b, expected(*f, *b))).collect();
        // Outputs have the input's type: all of few bits, some of more.
        let integers: Vec<i64> = if f.width() <= 8 {
            (f.min()..=f.max()).collect()
        } else {
            let near = [f.min(), f.min() + 1, -1, 0, 1, f.max() - 1, f.max()];
            let random = (0..200).map(|_| rng.random_range(f.min()..=f.max()));
            let near = near.into_iter().filter(|m| f.contains(*m));
            near.chain(random).collect()
        };
        feed(&mut input, &floats, &integers);
        points.extend(integers.iter().map(|m| (*m, f.frac())));
    }
    let got = outputs(&cases, &input);
    assert_eq!(got.len(), points.len());
    for (y, (m, frac)) in got.into_iter().zip(points) {
        assert_nearest(y, m, frac);
    }
}

#[test]
fn dequantization_of_wide_outputs_is_to_the_nearest_float() {
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let (mut input, mut cases, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for (i, frac) in [
        -256, -104, -90, -66, -65, -64, 0, 7, 120, 140, 149, 160, 190, 212, 213, 256,
    ]
    .into_iter()
    .enumerate()
    {
        cases.push(case(format!("k{i}"), product(frac)));
        let mut integers = vec![0, i64::MIN, i64::MIN + 1, i64::MAX];
        for bits in 0..63 {
            // Ties of every length and their neighbours, beside even and odd floats.
            let top = 1i64 << bits;
            let tie = if bits >= 24 { top >> 24 } else { 0 };
            for base in [top, top + 2 * tie, top + (top - 1) / 2] {
                let some = [-1, 0, 1].map(|d| base.wrapping_add(tie).wrapping_add(d));
                integers.extend(some);
                integers.extend(some.map(i64::wrapping_neg));
            }
            integers.push(top + rng.random_range(0..top));
        }
        feed(&mut input, &[], &integers);
        points.extend(integers.iter().map(|m| (*m, frac)));
    }
    let got = outputs(&cases, &input);
    assert_eq!(got.len(), points.len());
    for (y, (m, frac)) in got.into_iter().zip(points) {
        assert_nearest(y, m, frac);
    }
}

/// The macro leaves neither the declarations nor the code.
#[test]
fn a_macro_leaves_the_conversions_out() {
    let dir = folder();
    write(
        &emit_c(&case("net".to_owned(), wire(format("s8q4"))).input()).unwrap(),
        dir.path(),
    );
    let c = dir.path().join("c");
    let names = |flags: &[&str]| {
        run(Command::new(crate::common::tool("CC", "cc"))
            .current_dir(&c)
            .args(WARNINGS)
            .args(flags)
            .args(["-O2", "-c", "-o", "net.o", "net_float.c"]));
        let out = run(Command::new("nm").current_dir(&c).arg("net.o"));
        String::from_utf8(out.stdout).unwrap()
    };
    let with = names(&[]);
    assert!(
        with.contains("T net_quantize\n") && with.contains("T net_dequantize\n"),
        "{with}"
    );
    assert_eq!(with.matches(" U ").count(), 0, "{with}");
    assert_eq!(names(&["-Dnet_NO_FLOAT"]), "");
}
