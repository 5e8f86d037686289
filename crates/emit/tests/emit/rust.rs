//! Emitted Rust compiles without a warning on random programs and returns what they mean, with
//! overflow checks on.

use crate::common::speed;
use crate::common::{
    Case, bound_below_zero, channel_cases, dag_cases, exhaustive_cases, folder, graph_case,
    random_cases, run, tiny, tool, vectors, wide_constant, write,
};
use ceg4n_emit::{KernelChoice, emit_rust};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// So many random programs of either kind, and those of the lists.
fn cases(random: usize) -> Vec<Case> {
    let mut cases = random_cases(11, random, 40);
    cases.extend(dag_cases(17, random, 25));
    cases.push(graph_case(25));
    cases.push(wide_constant());
    cases.push(bound_below_zero());
    cases.extend(exhaustive_cases());
    cases.extend(channel_cases());
    // Every other one with weights as small as they can be.
    for case in cases.iter_mut().step_by(2) {
        case.options.kernel = KernelChoice::Size;
    }
    cases
}

/// One program of every crate as a module, with its self-test's text as a module beside it; its
/// path.
fn batch(cases: &[Case], dir: &Path) -> PathBuf {
    let mut unit = String::from(
        "#![deny(warnings)]\n#![allow(dead_code, unused_attributes, unused_imports)]\n",
    );
    for case in cases {
        let n = &case.name;
        write(&emit_rust(&case.input()).unwrap(), &dir.join(n));
        writeln!(unit, "#[path = \"{n}/rust/src/lib.rs\"]\nmod {n};").unwrap();
        let test = dir.join(n).join("rust/tests/selftest.rs");
        let text = std::fs::read_to_string(&test).unwrap();
        std::fs::write(
            &test,
            text.replace(&format!("use {n}::"), &format!("use crate::{n}::")),
        )
        .unwrap();
        writeln!(
            unit,
            "#[path = \"{n}/rust/tests/selftest.rs\"]\nmod {n}_selftest;"
        )
        .unwrap();
    }
    let main = dir.join("batch.rs");
    std::fs::write(&main, unit).unwrap();
    main
}

/// The options of the compiler for a batch.
const OPTIONS: &[&str] = &[
    "--edition",
    "2021",
    "--test",
    "--cfg",
    "feature=\"float\"",
    "-C",
    "debug-assertions=on",
];

#[test]
fn random_programs_return_what_they_mean() {
    let dir = folder();
    let cases = cases(120);
    let main = batch(&cases, dir.path());
    let library = |case: &Case| dir.path().join(&case.name).join("rust/src/lib.rs");
    let texts: String = cases
        .iter()
        .map(|c| std::fs::read_to_string(library(c)).unwrap())
        .collect();
    // Weights without gaps, of dense layers and of convolutions; taps one by one and in steps.
    for what in [
        "while have < ",
        "acc += packed::<",
        ".enumerate() {",
        ".step_by(2)",
    ] {
        assert!(texts.contains(what), "{what} does not occur");
    }
    let exe = dir.path().join("batch");
    run(Command::new(tool("RUSTC", "rustc"))
        .args(OPTIONS)
        .arg("-o")
        .arg(&exe)
        .arg(&main));
    let out = run(&mut Command::new(&exe));
    let text = String::from_utf8(out.stdout).unwrap();
    let tests = 2 * cases.len();
    assert!(text.contains(&format!("{tests} passed")), "{text}");
}

/// A program of the toolchain that a user may not have; `None` then, or a failure if tools are
/// required.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn optional(variable: &str, default: &str) -> Option<PathBuf> {
    let named = tool(variable, default);
    let there = Command::new(&named).arg("--version").output();
    if there.is_ok_and(|o| o.status.success()) {
        return Some(named);
    }
    let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
    assert!(!required, "there is no {default}");
    eprintln!("skipped: there is no {default}");
    None
}

#[test]
fn clippy_has_nothing_to_say_of_random_programs() {
    let Some(clippy) = optional("CLIPPY_DRIVER", "clippy-driver") else {
        return;
    };
    let dir = folder();
    let main = batch(&cases(60), dir.path());
    run(Command::new(clippy)
        .args(OPTIONS)
        .args(["-W", "clippy::all", "-W", "clippy::pedantic"])
        .args(["--emit=metadata", "-o"])
        .arg(dir.path().join("batch.rmeta"))
        .arg(&main));
}

/// Runs cargo in an emitted crate; its output, and whether it went well.
fn cargo(krate: &Path, arguments: &[&str]) -> (String, bool) {
    let out = Command::new(tool("CARGO", "cargo"))
        .current_dir(krate)
        .args(arguments)
        .env("CARGO_TARGET_DIR", "target")
        .env("RUSTFLAGS", "-D warnings")
        .env("RUSTDOCFLAGS", "-D warnings")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    (
        text + &String::from_utf8_lossy(&out.stderr),
        out.status.success(),
    )
}

/// The crate as a user gets it: cargo builds it and runs its self-test and its example, with the
/// conversions of floats and without, and clippy and rustdoc accept it; a wrong self-test fails.
#[test]
fn cargo_builds_the_crate_and_runs_its_selftest() {
    let program = tiny();
    let vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(2), 30);
    let tiny = Case {
        name: "Tiny".to_owned(),
        program,
        vectors,
        options: speed(),
    };
    let clippy = optional("CLIPPY_DRIVER", "clippy-driver");
    let pedantic = &["-D", "warnings", "-W", "clippy::pedantic"][..];
    for case in [&tiny, &graph_case(5)] {
        let dir = folder();
        write(&emit_rust(&case.input()).unwrap(), dir.path());
        let krate = dir.path().join("rust");
        let good = |arguments: &[&str], count: usize| {
            let (text, good) = cargo(&krate, arguments);
            assert!(good, "{arguments:?}: {text}");
            let passed = text.matches(" ... ok\n").count();
            assert_eq!(passed, count, "{arguments:?}: {text}");
        };
        good(&["test", "--offline"], 3);
        good(&["test", "--offline", "--no-default-features"], 2);
        good(&["doc", "--offline"], 0);
        if clippy.is_some() {
            let all = ["clippy", "--offline", "--all-targets", "--"];
            good(&[&all, pedantic].concat(), 0);
            let bare = ["clippy", "--offline", "--no-default-features", "--"];
            good(&[&bare, pedantic].concat(), 0);
        }
    }
    let mut wrong = tiny;
    wrong.vectors[7].output[0] += 1;
    let dir = folder();
    write(&emit_rust(&wrong.input()).unwrap(), dir.path());
    let (text, good) = cargo(&dir.path().join("rust"), &["test", "--offline"]);
    assert!(!good && text.contains("vector \"7\" %d"), "{text}");
}
