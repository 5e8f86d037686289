//! What the evaluator is measured against: programs in C, compiled with `gcc -O3 -march=native`,
//! that time themselves on the samples.

use crate::{Outcome, PASSES, SAMPLES};
use ceg4n_emit::{Claim, EmitInfo, EmitInput, EmitOptions, emit_c};
use ceg4n_ir::{Checked, Kernel, KernelOp, Program};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that prints its time.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    exe: PathBuf,
    samples: PathBuf,
}

/// The programs, and the folder that they lie in.
pub(crate) struct Rivals {
    pub(crate) list: Vec<Rival>,
    _folder: tempfile::TempDir,
}

impl Rival {
    /// Microseconds a sample, and the hash of the outputs.
    pub(crate) fn run(&self) -> Outcome<(f64, u64)> {
        let out = Command::new(&self.exe).arg(&self.samples).output()?;
        let text = String::from_utf8(out.stdout)?;
        let (time, hash) = text.trim().split_once(' ').ok_or("no time was printed")?;
        Ok((time.parse()?, u64::from_str_radix(hash, 16)?))
    }
}

/// Compiles the emitted C, and plain loops over 16-bit integers. `None` without gcc.
pub(crate) fn build(program: &Checked<Program>, inputs: &[i64]) -> Outcome<Option<Rivals>> {
    if Command::new("gcc").arg("--version").output().is_err() {
        return Ok(None);
    }
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    let samples = dir.join("samples.bin");
    let bytes: Vec<u8> = inputs.iter().flat_map(|m| m.to_le_bytes()).collect();
    std::fs::write(&samples, bytes)?;
    let kernel = program.kernel().ok_or("no kernel")?;
    let claim = Claim::Unverified {
        reason: "a benchmark".to_owned(),
    };
    let emitted = emit_c(&EmitInput {
        program,
        name: "kernel",
        claim,
        vectors: &[],
        info: EmitInfo::default(),
        options: EmitOptions::default(),
    })?;
    let mut sources = vec![];
    for file in emitted {
        let path = dir.join(&file.path);
        std::fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        std::fs::write(&path, &file.content)?;
        if file.path.ends_with(".c") && !file.path.ends_with("_selftest.c") {
            sources.push(path);
        }
    }
    sources.push(dir.join("c/time.c"));
    let head = "#include \"kernel.h\"\ntypedef kernel_in_t in_t;\ntypedef kernel_out_t out_t;\n\
                static kernel_scratch scratch;\n\
                static void infer(const in_t *in, out_t *out) { kernel_infer(in, out, &scratch); }\n";
    std::fs::write(dir.join("c/time.c"), harness(kernel, head))?;
    std::fs::write(dir.join("plain.c"), harness(kernel, &plain(kernel)?))?;
    let rival = |name, exe: &str, sources: &[PathBuf]| -> Outcome<Rival> {
        let exe = dir.join(exe);
        compile(&exe, sources)?;
        let samples = samples.clone();
        Ok(Rival { name, exe, samples })
    };
    let list = vec![
        rival("the emitted C", "emitted", &sources)?,
        rival("plain 16-bit loops in C", "plain", &[dir.join("plain.c")])?,
    ];
    let _folder = folder;
    Ok(Some(Rivals { list, _folder }))
}

fn compile(exe: &Path, sources: &[PathBuf]) -> Outcome<()> {
    let flags = [
        "-std=c99",
        "-D_POSIX_C_SOURCE=199309L",
        "-O3",
        "-march=native",
    ];
    let mut gcc = Command::new("gcc");
    let out = gcc.args(flags).arg("-o").arg(exe).args(sources).output()?;
    if out.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&out.stderr).into_owned().into())
}

/// `main`: reads the samples, runs `infer` on all of them, prints the best time and the hash.
fn harness(kernel: &Kernel, head: &str) -> String {
    let (inputs, outputs) = (kernel.input_len(), kernel.output_len());
    format!(
        "#include <stdint.h>\n#include <stdio.h>\n#include <time.h>\n{head}
static in_t in[{SAMPLES}][{inputs}];
static out_t out[{SAMPLES}][{outputs}];
static double now(void) {{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}}
int main(int argc, char **argv) {{
    FILE *f = argc == 2 ? fopen(argv[1], \"rb\") : NULL;
    double best = 1e30;
    uint64_t hash = 0xcbf29ce484222325u;
    for (int s = 0; s < {SAMPLES}; s++)
        for (int k = 0; k < {inputs}; k++) {{
            int64_t m;
            if (!f || fread(&m, 8, 1, f) != 1) return 1;
            in[s][k] = (in_t)m;
        }}
    for (int pass = 0; pass < {PASSES}; pass++) {{
        double start = now();
        for (int s = 0; s < {SAMPLES}; s++) infer(in[s], out[s]);
        double time = now() - start;
        if (time < best) best = time;
    }}
    for (int s = 0; s < {SAMPLES}; s++)
        for (int j = 0; j < {outputs}; j++)
            for (int b = 0; b < 8; b++)
                hash = (hash ^ ((uint64_t)(int64_t)out[s][j] >> (8 * b) & 255)) * 0x100000001b3u;
    printf(\"%.6f %llx\\n\", best / {SAMPLES}, (unsigned long long)hash);
    return 0;
}}
"
    )
}

/// The kernel as loops over 16-bit weights and activations with 32-bit accumulators, whatever
/// narrower types would do: what the evaluator's vector code computes.
fn plain(kernel: &Kernel) -> Outcome<String> {
    let mut data = String::new();
    let mut body = String::new();
    let mut layer = 0;
    for node in kernel.nodes.values() {
        match &node.op {
            KernelOp::Dense {
                weight,
                bias,
                rows,
                cols,
                ..
            } => {
                layer += 1;
                let weight: Vec<String> = weight.iter().map(ToString::to_string).collect();
                let zeros = vec![0; *rows];
                let bias = bias.as_deref().unwrap_or(&zeros);
                let bias: Vec<String> = bias.iter().map(ToString::to_string).collect();
                writeln!(
                    data,
                    "static const int16_t w{layer}[] = {{{}}};",
                    weight.join(",")
                )?;
                writeln!(
                    data,
                    "static const int32_t b{layer}[] = {{{}}};",
                    bias.join(",")
                )?;
                writeln!(
                    body,
                    "    for (int j = 0; j < {rows}; j++) {{\n        int32_t sum = b{layer}[j];\n        \
                     for (int k = 0; k < {cols}; k++) sum += (int32_t)x{}[k] * w{layer}[j * {cols} + k];\n        \
                     a{layer}[j] = sum;\n    }}",
                    layer - 1
                )?;
                writeln!(data, "static int32_t a{layer}[{rows}];")?;
                writeln!(data, "static int16_t x{layer}[{rows}];")?;
            }
            KernelOp::Requantize { shift, format, .. } => {
                let s = shift
                    .first()
                    .copied()
                    .filter(|s| *s > 0)
                    .ok_or("no right shift")?;
                writeln!(
                    body,
                    "    for (int j = 0; j < {}; j++) {{\n        \
                     int32_t v = (a{layer}[j] + {}) >> {s};\n        \
                     x{layer}[j] = (int16_t)(v < {} ? {} : v > {} ? {} : v);\n    }}",
                    node.len,
                    1i64 << (s - 1),
                    format.min(),
                    format.min(),
                    format.max(),
                    format.max()
                )?;
            }
            // A relu before a requantization to an unsigned format adds nothing.
            KernelOp::Relu { .. } | KernelOp::Input { .. } | KernelOp::Move { .. } => {}
            KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::AddConst { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Align { .. } => {
                return Err("the benchmark's network has no such operator".into());
            }
        }
    }
    Ok(format!(
        "typedef int16_t in_t;\ntypedef int32_t out_t;\n{data}\
         static void infer(const in_t *x0, out_t *out) {{\n{body}    \
         for (int j = 0; j < {}; j++) out[j] = a{layer}[j];\n}}\n",
        kernel.output_len()
    ))
}
