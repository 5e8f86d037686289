//! Builds emitted kernels and runs them: their self-tests, and a program per language that maps
//! a file of inputs to a file of outputs. Both files are rows of native 64-bit integers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The flags under which emitted C must compile; any undefined behaviour ends the program.
const C_FLAGS: &[&str] = &[
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
    "-fsanitize=undefined",
    "-fno-sanitize-recover=undefined",
    "-O1",
];

/// Overflow ends the program.
const RUST_FLAGS: &[&str] = &[
    "--edition=2021",
    "-Dwarnings",
    "-Cdebug-assertions=on",
    "-Copt-level=1",
];

/// The scratch memory starts with a pattern: its content must not matter.
const C_MAIN: &str = r#"#include "NAME.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static NAME_scratch scratch;
    FILE *from = argc == 3 ? fopen(argv[1], "rb") : NULL;
    FILE *to = argc == 3 ? fopen(argv[2], "wb") : NULL;
    int64_t row[NAME_IN_SIZE];
    if (from == NULL || to == NULL) {
        return 2;
    }
    memset(&scratch, 0xA5, sizeof scratch);
    while (fread(row, sizeof row, 1, from) == 1) {
        NAME_in_t in[NAME_IN_SIZE];
        NAME_out_t out[NAME_OUT_SIZE];
        for (size_t j = 0; j < NAME_IN_SIZE; ++j) {
            in[j] = (NAME_in_t)row[j];
            if ((int64_t)in[j] != row[j]) {
                return 3;
            }
        }
        NAME_infer(in, out, &scratch);
        for (size_t j = 0; j < NAME_OUT_SIZE; ++j) {
            const int64_t wide = (int64_t)out[j];
            if (fwrite(&wide, sizeof wide, 1, to) != 1) {
                return 4;
            }
        }
    }
    return fclose(to) == 0 ? 0 : 5;
}
"#;

const RUST_MAIN: &str = r#"use std::io::Write;

fn main() {
    let paths: Vec<String> = std::env::args().collect();
    let bytes = std::fs::read(&paths[1]).unwrap();
    let mut to = std::io::BufWriter::new(std::fs::File::create(&paths[2]).unwrap());
    let mut scratch = NAME::Scratch::new();
    for row in bytes.chunks_exact(8 * NAME::IN_SIZE) {
        let mut input: NAME::Input = [NAME::In(0); NAME::IN_SIZE];
        let mut output: NAME::Output = [NAME::Out(0); NAME::OUT_SIZE];
        for (to, from) in input.iter_mut().zip(row.chunks_exact(8)) {
            to.0 = i64::from_ne_bytes(from.try_into().unwrap()).try_into().unwrap();
        }
        NAME::infer(&input, &mut scratch, &mut output);
        for v in output {
            to.write_all(&i64::from(v.0).to_ne_bytes()).unwrap();
        }
    }
    to.flush().unwrap();
}
"#;

/// Compiled kernels of one output folder.
pub(crate) struct Built {
    name: String,
    dir: tempfile::TempDir,
}

/// The program that an environment variable names, or a default.
fn tool(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from)
}

/// Runs a command; panics with its output unless it succeeds.
fn run(command: &mut Command) -> Output {
    let out = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        out.status.success(),
        "{command:?}: {}\n{}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

/// Compiles `c/` and `rust/` of an output folder, warnings being errors.
pub(crate) fn build(folder: &Path, name: &str) -> Built {
    let dir = tempfile::tempdir().unwrap();
    let at = |file: &str| dir.path().join(file);
    let c = folder.join("c");
    std::fs::write(at("main.c"), C_MAIN.replace("NAME", name)).unwrap();
    let selftest = c.join(format!("{name}_selftest.c"));
    for (main, exe) in [(at("main.c"), "c"), (selftest, "c_selftest")] {
        run(Command::new(tool("CC", "cc"))
            .args(C_FLAGS)
            .arg("-I")
            .arg(&c)
            .arg("-o")
            .arg(at(exe))
            .arg(main)
            .arg(c.join(format!("{name}.c")))
            .arg(c.join(format!("{name}_weights.c"))));
    }
    let rustc = || {
        let mut command = Command::new(tool("RUSTC", "rustc"));
        command.args(RUST_FLAGS);
        command
    };
    let library = at(&format!("lib{name}.rlib"));
    run(rustc()
        .args(["--crate-type=rlib", "--crate-name", name, "-o"])
        .arg(&library)
        .arg(folder.join("rust/src/lib.rs")));
    std::fs::write(at("main.rs"), RUST_MAIN.replace("NAME", name)).unwrap();
    let mut external = std::ffi::OsString::from(format!("{name}="));
    external.push(&library);
    let with = |command: &mut Command, main: PathBuf, exe: &str| {
        command.arg("--extern").arg(&external);
        run(command.arg("-o").arg(at(exe)).arg(main));
    };
    with(&mut rustc(), at("main.rs"), "rust");
    let selftest = folder.join("rust/tests/selftest.rs");
    with(rustc().arg("--test"), selftest, "rust_selftest");
    Built {
        name: name.to_owned(),
        dir,
    }
}

impl Built {
    /// Runs the emitted self-tests; the number of vectors.
    pub(crate) fn selftests(&self) -> usize {
        let out = run(&mut Command::new(self.dir.path().join("rust_selftest")));
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(text.contains("1 passed"), "{text}");
        let out = run(&mut Command::new(self.dir.path().join("c_selftest")));
        let text = String::from_utf8(out.stdout).unwrap();
        let count = text
            .strip_prefix(&format!("{}: ", self.name))
            .and_then(|t| t.strip_suffix(" vectors pass\n"));
        count.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
    }

    /// The outputs of the C kernel.
    pub(crate) fn c(&self, inputs: &[Vec<i64>], outputs: usize) -> Vec<Vec<i64>> {
        self.outputs("c", inputs, outputs)
    }

    /// The outputs of the Rust kernel.
    pub(crate) fn rust(&self, inputs: &[Vec<i64>], outputs: usize) -> Vec<Vec<i64>> {
        self.outputs("rust", inputs, outputs)
    }

    fn outputs(&self, exe: &str, inputs: &[Vec<i64>], outputs: usize) -> Vec<Vec<i64>> {
        let at = |file: &str| self.dir.path().join(file);
        let bytes: Vec<u8> = inputs
            .iter()
            .flatten()
            .flat_map(|m| m.to_ne_bytes())
            .collect();
        std::fs::write(at("inputs"), bytes).unwrap();
        run(Command::new(at(exe)).arg(at("inputs")).arg(at("outputs")));
        let bytes = std::fs::read(at("outputs")).unwrap();
        let integers: Vec<i64> = bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| i64::from_ne_bytes(*b))
            .collect();
        assert_eq!(integers.len(), inputs.len() * outputs);
        integers
            .chunks_exact(outputs)
            .map(<[i64]>::to_vec)
            .collect()
    }
}
