//! The conversions of emitted Rust are the definitions: inputs from float32 and float64 at every
//! midpoint and its neighbours and over all exponents, and the reals that integers stand for.

use crate::common::{Case, folder, format, run, speed, tool, write};
use ceg4n_base::Exact;
use ceg4n_emit::emit_rust;
use ceg4n_ir::{Checked, Format, NetworkBuilder, Op, Program, Shape, check};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// One input that goes to the output as it is.
fn wire(f: Format) -> Checked<Program> {
    let mut b = NetworkBuilder::new("wire");
    let x = b.push("x", Op::Input, Some(Shape::vector(1)), None);
    let y = b.push("y", Op::Identity { x }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    check(Program::reference(net).patch().format(x, f).finish()).unwrap()
}

/// Formats of every storage type, with points anywhere.
fn formats() -> Vec<Format> {
    let mut out = Vec::new();
    for (width, fracs) in [
        (1, &[0, 3][..]),
        (4, &[-3, 1]),
        (8, &[-256, -127, -9, 0, 6, 8, 126, 127, 149, 157, 256]),
        (16, &[-100, 0, 8, 150]),
        (31, &[0, 40]),
        (32, &[-256, -2, 0, 31, 256]),
    ] {
        for signed in [false, true] {
            let all = fracs.iter().map(|f| Format::new(signed, width, *f));
            out.extend(all.map(Option::unwrap));
        }
    }
    out
}

/// Midpoints between mantissas and mantissas with neighbours, every exponent, what is no number,
/// and anything.
fn points(f: Format, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut out = vec![f64::NAN, f64::INFINITY, 0.0, 5e-324, f64::MAX, 0.1];
    let all = f.min() - 2..=f.max() + 2;
    let some: Vec<i64> = match f.width() {
        ..=8 => all.collect(),
        _ => (0..150).map(|_| rng.random_range(all.clone())).collect(),
    };
    for m in some.into_iter().chain([f.min(), f.max()]) {
        for twice in [2 * m, 2 * m + 1] {
            let x = twice as f64 * 2f64.powi(-f.frac() - 1);
            let single = x as f32;
            out.extend([x, x.next_up(), x.next_down()]);
            out.extend([single, single.next_up(), single.next_down()].map(f64::from));
        }
    }
    for exponent in 0..2047u64 {
        let fraction = rng.random_range(0..1u64 << 52);
        out.extend([0, fraction].map(|low| f64::from_bits(exponent << 52 | low)));
    }
    out.extend((0..100).map(|_| f64::from_bits(rng.random())));
    let negative: Vec<f64> = out.iter().map(|x| -x).collect();
    out.extend(negative);
    out
}

/// The definition.
fn expected(f: Format, x: f64) -> i64 {
    match Exact::from_f64(x) {
        Some(x) => f.quantize(&x),
        None if x.is_nan() => 0,
        None if x > 0.0 => f.max(),
        None => f.min(),
    }
}

/// A program that reads floats as 16 hexadecimal digits after a kernel's number, and writes what
/// they become from float64 and from float32, and what the former stands for, as input and output.
fn build(cases: &[Case], dir: &Path) -> std::path::PathBuf {
    let mut unit = String::from("#![allow(dead_code)]\n");
    for case in cases {
        let n = &case.name;
        write(&emit_rust(&case.input()).unwrap(), &dir.join(n));
        writeln!(unit, "#[path = \"{n}/rust/src/lib.rs\"]\nmod {n};").unwrap();
    }
    unit.push_str("fn main() {\n    for line in std::io::stdin().lines() {\n        let line = line.unwrap();\n        let (k, bits) = line.split_once(' ').unwrap();\n        let x = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());\n        match k {\n");
    for case in cases {
        let n = &case.name;
        writeln!(unit, "            \"{n}\" => {{ let m = {n}::In::from_f64(x); let y = {n}::Out(m.0.into()); println!(\"{{}} {{}} {{}} {{}} {{}}\", m.0, {n}::In::from_f32(x as f32).0, m.to_f64().to_bits(), y.to_f64().to_bits(), m.to_f32().to_bits()); }}").unwrap();
    }
    unit.push_str("            _ => unreachable!(),\n        }\n    }\n}\n");
    let main = dir.join("floats.rs");
    std::fs::write(&main, unit).unwrap();
    let exe = dir.join("floats");
    run(Command::new(tool("RUSTC", "rustc"))
        .args(["--edition", "2021", "-C", "debug-assertions=on"])
        .args(["--cfg", "feature=\"float\"", "-o"])
        .arg(&exe)
        .arg(&main));
    exe
}

#[test]
fn rust_conversions_are_the_definitions() {
    let dir = folder();
    let formats = formats();
    let mut rng = ChaCha8Rng::seed_from_u64(29);
    let (mut cases, mut input, mut asked) = (Vec::new(), String::new(), Vec::new());
    for (i, f) in formats.iter().enumerate() {
        let name = format!("k{i}");
        for x in points(*f, &mut rng) {
            writeln!(input, "{name} {:016x}", x.to_bits()).unwrap();
            asked.push((*f, x));
        }
        cases.push(Case {
            name,
            program: wire(*f),
            vectors: vec![],
            options: speed(),
        });
    }
    let exe = build(&cases, dir.path());
    let file = dir.path().join("input");
    std::fs::write(&file, input).unwrap();
    let out = run(Command::new(exe).stdin(std::fs::File::open(file).unwrap()));
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(text.lines().count(), asked.len());
    for (line, (f, x)) in text.lines().zip(asked) {
        let m = expected(f, x);
        let value = m as f64 * 2f64.powi(-f.frac());
        let want = [
            m.to_string(),
            expected(f, f64::from(x as f32)).to_string(),
            value.to_bits().to_string(),
            value.to_bits().to_string(),
            (value as f32).to_bits().to_string(),
        ];
        assert_eq!(line, want.join(" "), "{f} of {x:e}");
    }
}

/// Without the feature nothing is a float.
#[test]
fn a_feature_leaves_the_conversions_out() {
    let dir = folder();
    let case = Case {
        name: "net".to_owned(),
        program: wire(format("s8q4")),
        vectors: vec![],
        options: speed(),
    };
    let files = emit_rust(&case.input()).unwrap();
    for f in files.iter().filter(|f| f.path.ends_with(".rs")) {
        let text = String::from_utf8(f.content.clone()).unwrap();
        let float = f.path.ends_with("float.rs");
        assert_eq!(text.contains("f32"), float, "{}", f.path);
    }
    write(&files, dir.path());
    let lib = dir.path().join("rust/src/lib.rs");
    let build = |cfg: &[&str]| {
        run(Command::new(tool("RUSTC", "rustc"))
            .args(["--edition", "2021", "--crate-type", "lib", "-D", "warnings"])
            .args(cfg)
            .args(["--emit=metadata", "-o"])
            .arg(dir.path().join("net.rmeta"))
            .arg(&lib));
    };
    build(&[]);
    build(&["--cfg", "feature=\"float\""]);
}
