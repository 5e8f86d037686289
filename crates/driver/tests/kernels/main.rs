//! From a network to kernels that run: `compile` proves and emits, a C and a Rust compiler build
//! what was emitted, and every output is compared with the interpreter's.
//!
//! `CEG4N_KERNEL_INPUTS` sets the number of random inputs per network. The CEG4N networks are
//! reached by `CEG4N_BENCHMARKS`; without it their tests say that they were skipped, and fail
//! with `CEG4N_REQUIRE_TOOLS=1`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod folder;
mod harness;
mod inputs;

use ceg4n_driver::compile::compile;
use ceg4n_driver::load::load;
use ceg4n_driver::options::{CompileOptions, LoadOptions, Preset, VerifyOptions};
use ceg4n_driver::verify::verify;
use ceg4n_driver::{Cancel, Quiet};
use ceg4n_ir::{Checked, Program, Property, Region, Rounding, check};
use ceg4n_report::{Report, Status};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Random inputs per network, unless the environment says otherwise.
const INPUTS: usize = 2_000;

/// A network that the repository ships, as it is asked for in its file.
fn shipped(name: &str) -> CompileOptions {
    let file = format!("../../tests/networks/{name}.nnir");
    CompileOptions::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
}

/// A CEG4N network with its regions of radius 0.01 under strict top-1.
fn benchmark(name: &str) -> Option<CompileOptions> {
    let Some(dir) = std::env::var_os("CEG4N_BENCHMARKS").map(PathBuf::from) else {
        let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
        assert!(!required, "CEG4N_BENCHMARKS is not set");
        // Past the test harness, which shows nothing of tests that pass.
        let text = format!("SKIPPED {name}: CEG4N_BENCHMARKS is not set");
        let _ = writeln!(std::io::stderr(), "{text}");
        return None;
    };
    let mut options = CompileOptions::new(dir.join(format!("ceg4n/networks/{name}.onnx")));
    options.load.regions = vec![dir.join(format!("ceg4n/regions/{name}.json"))];
    options.load.ball_sizes = vec!["0.01".parse().unwrap()];
    options.load.require = Some(Property::Top1.into());
    Some(options)
}

fn run_compile(options: &CompileOptions, jobs: usize, output: &Path) -> Report {
    let mut options = options.clone();
    options.output = Some(output.to_owned());
    options.budget.jobs = jobs;
    let done = compile(&options, &Quiet, &Cancel::default());
    let done = done.unwrap_or_else(|f| panic!("{}: {f:?}", options.load.net.display()));
    assert_eq!(done.folder, output);
    assert_eq!(done.report.status, Status::Proved, "{:?}", done.report);
    done.report
}

/// The program of the final file, and its regions.
fn reload(file: &Path) -> (Checked<Program>, Vec<Region>) {
    let loaded = load(&LoadOptions {
        net: file.to_owned(),
        ..LoadOptions::default()
    });
    let loaded = loaded.unwrap_or_else(|f| panic!("{}: {f:?}", file.display()));
    let program = check(loaded.version(None, None).unwrap()).unwrap();
    (program, loaded.module.regions)
}

/// Asks `verify` what the final file asks: the same program, proved again, region by region.
fn proved_again(file: &Path, report: &Report) {
    let again = verify(&VerifyOptions::new(file), &Quiet, &Cancel::default());
    let again = again
        .unwrap_or_else(|f| panic!("{}: {f:?}", file.display()))
        .report;
    assert_eq!(again.status, Status::Proved, "{again:?}");
    assert_eq!(again.program, report.program);
    let verdicts = |r: &Report| -> Vec<_> {
        let region =
            |x: &ceg4n_report::Region| (x.id.clone(), x.requirement.clone(), x.verdict.clone());
        r.regions.iter().map(region).collect()
    };
    assert_eq!(verdicts(&again), verdicts(report));
}

/// Compiles a network with one and with two threads, checks the folder, proves the final file
/// again, and runs the kernels. Returns the number of stored counterexamples.
fn whole(options: &CompileOptions) -> usize {
    let name = options.load.net.file_stem().unwrap().to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let mut clock = Instant::now();
    let mut lap = || {
        std::mem::replace(&mut clock, Instant::now())
            .elapsed()
            .as_secs_f64()
    };
    let mut log = String::new();

    let report = run_compile(options, 1, &one);
    write!(log, "compile {:.2} s", lap()).unwrap();
    let again = run_compile(options, 2, &two);
    write!(log, ", with 2 threads {:.2} s", lap()).unwrap();
    assert_eq!(report.clone().without_times(), again.without_times());
    folder::same(&one, &two);
    let counterexamples = folder::complete(&one, name, &report);

    let last = one.join(format!("{name}.final.nnir"));
    proved_again(&last, &report);
    write!(log, ", verify {:.2} s", lap()).unwrap();

    let (program, regions) = reload(&last);
    assert_eq!(Some(program.hash()), report.program);
    let kernel = program.kernel().unwrap();
    let count = std::env::var("CEG4N_KERNEL_INPUTS").map_or(INPUTS, |n| {
        n.parse().expect("CEG4N_KERNEL_INPUTS is a number")
    });
    let inputs = inputs::random(kernel, &regions, count);
    lap();
    let built = harness::build(&one, name);
    write!(log, ", build {:.2} s", lap()).unwrap();
    let vectors = built.selftests();
    // Three a region, each counterexample, the two ends of the format, random ones.
    assert_eq!(vectors, 3 * regions.len() + counterexamples + 2 + 32);
    lap();
    let c = built.c(&inputs, kernel.output_len());
    let rust = built.rust(&inputs, kernel.output_len());
    write!(log, ", kernels {:.2} s", lap()).unwrap();
    let (differences, first) = inputs::differences(kernel, &inputs, &[("C", &c), ("Rust", &rust)]);
    write!(log, ", interpreter {:.2} s", lap()).unwrap();
    let _ = writeln!(
        std::io::stderr(),
        "{name} ({}, {}): {vectors} self-test vectors ({counterexamples} counterexamples), {count} random inputs ({} outside the format), {differences} differences; {log}",
        kernel.input_format,
        kernel.rounding.name(),
        inputs::outside(kernel, &inputs)
    );
    assert_eq!(differences, 0, "{first:?}");
    counterexamples
}

#[test]
fn tiny() {
    assert!(whole(&shipped("tiny")) > 0);
}

#[test]
fn iris() {
    whole(&shipped("iris"));
}

/// Formats that leave room in their storage types, under the roundings that are no default.
#[test]
fn iris_in_odd_formats() {
    for rounding in [Rounding::HalfEven, Rounding::Floor] {
        let mut options = shipped("iris");
        options.rounding = Some(rounding);
        options.preset = Preset::Uniform {
            weight_bits: 7,
            activation_bits: 10,
        };
        whole(&options);
    }
}

#[test]
fn digits() {
    whole(&shipped("digits"));
}

#[test]
fn iris_3x2() {
    if let Some(options) = benchmark("iris_3x2") {
        whole(&options);
    }
}

#[test]
fn iris_4x2() {
    if let Some(options) = benchmark("iris_4x2") {
        whole(&options);
    }
}

#[test]
fn seeds_2x1() {
    if let Some(options) = benchmark("seeds_2x1") {
        whole(&options);
    }
}

#[test]
fn seeds_4x1() {
    if let Some(options) = benchmark("seeds_4x1") {
        whole(&options);
    }
}
