//! Emitted code on every input of the small programs: every operator, rounding and format of up to
//! four bits gives what `ir-specs` says, in C and in Rust.

use crate::common::{Case, compilers, folder, run, speed, tool, write};
use ceg4n_emit::{EmitOptions, KernelChoice, TestVector, emit_c, emit_rust};
use ceg4n_eval::small::{Small, few, inputs, outputs, sums};
use std::fmt::Write as _;
use std::process::Command;

/// The small programs with their form: loops made for speed and for size in turn.
fn cases() -> Vec<(Small, Case)> {
    let kernels = [KernelChoice::Speed, KernelChoice::Size];
    let all = few().into_iter().chain(sums());
    all.zip(kernels.into_iter().cycle())
        .map(|(small, kernel)| {
            let k = small.program.kernel().expect("a kernel");
            let input = vec![0; k.input_len()];
            let vector = TestVector {
                output: outputs(k, &input),
                input,
                note: String::new(),
            };
            let case = Case {
                name: small.name.clone(),
                program: small.program.clone(),
                vectors: vec![vector],
                options: EmitOptions { kernel, ..speed() },
            };
            (small, case)
        })
        .collect()
}

/// Holds what a program wrote, 32 bits for each output of each input of each case, against what is
/// meant.
fn compare(cases: &[(Small, Case)], written: &[u8]) {
    let (words, rest) = written.as_chunks::<4>();
    assert!(rest.is_empty());
    let mut found = words.iter().map(|w| i64::from(i32::from_ne_bytes(*w)));
    for (small, _) in cases {
        let kernel = small.program.kernel().expect("a kernel");
        for x in inputs(kernel) {
            for (y, what) in outputs(kernel, &x).into_iter().zip(&small.outputs) {
                let name = &small.name;
                assert_eq!(found.next(), Some(y), "{name} on {x:?}: {what}");
            }
        }
    }
    assert_eq!(found.next(), None);
}

#[test]
fn c_gives_what_is_meant_on_every_input() {
    let dir = folder();
    let cases = cases();
    let mut unit = String::from("#include <stdio.h>\n#include <stdint.h>\n");
    let mut calls = String::new();
    for (small, case) in &cases {
        let n = &case.name;
        write(&emit_c(&case.input()).unwrap(), dir.path());
        let f = small.program.kernel().expect("a kernel").input_format;
        let (lo, hi) = (f.min(), f.max());
        write!(
            unit,
            "#include \"{n}.c\"\n#include \"{n}_weights.c\"\n\
             static void run_{n}(void)\n{{\n    {n}_scratch s;\n    int a, b, j;\n\
             for (a = {lo}; a <= {hi}; a++) for (b = {lo}; b <= {hi}; b++) {{\n\
             {n}_in_t in[2];\n{n}_out_t out[{n}_OUT_SIZE];\n\
             in[0] = ({n}_in_t)a;\nin[1] = ({n}_in_t)b;\n{n}_infer(in, out, &s);\n\
             for (j = 0; j < {n}_OUT_SIZE; j++) {{\n\
             int32_t y = (int32_t)out[j];\n(void)fwrite(&y, sizeof y, 1, stdout);\n}}\n}}\n}}\n"
        )
        .unwrap();
        writeln!(calls, "    run_{n}();").unwrap();
    }
    write!(unit, "int main(void)\n{{\n{calls}    return 0;\n}}\n").unwrap();
    let source = dir.path().join("c/all.c");
    std::fs::write(&source, unit).unwrap();
    for cc in compilers() {
        let exe = dir.path().join("all");
        let flags = ["-std=c99", "-w", "-fsanitize=undefined"];
        let fatal = "-fno-sanitize-recover=all";
        let mut compile = Command::new(&cc);
        run(compile
            .args(flags)
            .arg(fatal)
            .arg("-o")
            .arg(&exe)
            .arg(&source));
        compare(&cases, &run(&mut Command::new(&exe)).stdout);
    }
}

#[test]
fn rust_gives_what_is_meant_on_every_input() {
    let dir = folder();
    let cases = cases();
    let mut unit = String::from("#![allow(warnings)]\nuse std::io::Write;\n");
    let mut calls = String::new();
    for (_, case) in &cases {
        let n = &case.name;
        write(&emit_rust(&case.input()).unwrap(), &dir.path().join(n));
        write!(
            unit,
            "#[path = \"{n}/rust/src/lib.rs\"]\nmod {n};\n\
             fn run_{n}(to: &mut impl Write) {{\n    use {n}::*;\n\
             let mut s = Scratch::new();\n    let mut out: Output = [Out(0); OUT_SIZE];\n\
             for a in In::MIN.0..=In::MAX.0 {{ for b in In::MIN.0..=In::MAX.0 {{\n\
             infer(&[In(a), In(b)], &mut s, &mut out);\n\
             for y in &out {{ to.write_all(&(y.0 as i32).to_ne_bytes()).unwrap(); }}\n}} }}\n}}\n"
        )
        .unwrap();
        writeln!(calls, "    run_{n}(&mut to);").unwrap();
    }
    let open = "let mut to = std::io::BufWriter::new(std::io::stdout().lock());";
    write!(
        unit,
        "fn main() {{\n    {open}\n{calls}    to.flush().unwrap();\n}}\n"
    )
    .unwrap();
    let source = dir.path().join("all.rs");
    std::fs::write(&source, unit).unwrap();
    let exe = dir.path().join("all");
    let options = ["--edition", "2021", "-C", "debug-assertions=on"];
    let mut compile = Command::new(tool("RUSTC", "rustc"));
    run(compile.args(options).arg("-o").arg(&exe).arg(&source));
    compare(&cases, &run(&mut Command::new(&exe)).stdout);
}
