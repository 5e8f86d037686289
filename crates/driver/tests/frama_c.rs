//! Frama-C Eva excludes every run-time error of the kernels of the CEG4N networks and proves their
//! ACSL contracts, at uniform 8-bit formats, for every input that the storage type holds.
//!
//! Without `CEG4N_BENCHMARKS` or Frama-C the tests say that they were skipped; with
//! `CEG4N_REQUIRE_TOOLS=1` they fail then.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../emit/tests/emit/common/eva.rs"]
mod eva;

use ceg4n_driver::opt::{OptOptions, opt};
use ceg4n_driver::options::LoadOptions;
use ceg4n_emit::{Claim, EmitInfo, EmitInput, EmitOptions, KernelChoice, Target, emit_c};
use ceg4n_ir::check;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

fn skip(name: &str, reason: &str) {
    let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
    assert!(!required, "{reason}");
    // Past the test harness, which shows nothing of tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {reason}");
}

/// How kernels of every network are written; of the small ones besides for every target.
const ANY: &[(Target, KernelChoice)] = &[
    (Target::Generic, KernelChoice::Speed),
    (Target::CortexM4, KernelChoice::Speed),
];
const SMALL: &[(Target, KernelChoice)] = &[
    (Target::Generic, KernelChoice::Auto),
    (Target::Generic, KernelChoice::Size),
    (Target::CortexM0, KernelChoice::Speed),
    (Target::Avr, KernelChoice::Speed),
];

/// Emits the kernels of a network and demands 0 alarms and every part of their contracts.
fn proved(name: &str, ways: &[&[(Target, KernelChoice)]]) {
    let Some(benchmarks) = std::env::var_os("CEG4N_BENCHMARKS").map(PathBuf::from) else {
        return skip(name, "CEG4N_BENCHMARKS is not set");
    };
    let found = Command::new("frama-c").arg("-version").output();
    if !found.is_ok_and(|o| o.status.success()) {
        return skip(name, "there is no frama-c");
    }
    let options = OptOptions {
        load: LoadOptions {
            net: benchmarks.join(format!("ceg4n/networks/{name}.onnx")),
            regions: vec![benchmarks.join(format!("ceg4n/regions/{name}.json"))],
            ..LoadOptions::default()
        },
        passes: "quantize-uniform:8:8".to_owned(),
        verify_each: false,
    };
    let loaded = opt(&options, &mut |_, _| ()).unwrap_or_else(|f| panic!("{name}: {f:?}"));
    let program = check(loaded.version(None, None).unwrap()).unwrap();
    for (target, kernel) in ways.concat() {
        let input = EmitInput {
            program: &program,
            name: "net",
            claim: Claim::Unverified {
                reason: "a test of the code".to_owned(),
            },
            vectors: &[],
            info: EmitInfo::default(),
            options: EmitOptions {
                target,
                kernel,
                acsl: true,
                ..EmitOptions::default()
            },
        };
        let dir = tempfile::tempdir().unwrap();
        for f in emit_c(&input).unwrap() {
            let path = dir.path().join(&f.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &f.content).unwrap();
        }
        let found = eva::analyse(&dir.path().join("c"), "net");
        let what = format!("{name}, {:?}: {found:#?}", input.options);
        assert!(
            found.alarms == 0 && found.open.is_empty(),
            "{what}: {}",
            found.text
        );
        assert!(found.functions >= 80 && found.proved >= 25, "{what}");
    }
}

#[test]
fn iris_4x2() {
    proved("iris_4x2", &[ANY, SMALL]);
}

#[test]
fn seeds_10x1() {
    proved("seeds_10x1", &[ANY, SMALL]);
}

#[test]
fn mnist_64_25x1() {
    proved("mnist_64_25x1", &[ANY, SMALL]);
}

#[test]
fn mnist_784_10x1() {
    proved("mnist_784_10x1", &[ANY]);
}

#[test]
fn acasxu_1_1() {
    proved("ACASXU_run2a_1_1_batch_2000", &[ANY]);
}
