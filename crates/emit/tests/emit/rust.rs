//! Emitted Rust compiles without a warning on random programs and returns what they mean, with
//! overflow checks on.

use crate::common::speed;
use crate::common::{
    Case, channel_cases, dag_cases, exhaustive_cases, folder, graph_case, random_cases, run, tiny,
    tool, vectors, wide_constant, write,
};
use ceg4n_emit::emit_rust;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::process::Command;

/// Every crate is a module of one program; its self-test's text is a module beside it.
#[test]
fn random_programs_return_what_they_mean() {
    let dir = folder();
    let mut cases = random_cases(11, 120, 40);
    cases.extend(dag_cases(17, 120, 25));
    cases.push(graph_case(25));
    cases.push(wide_constant());
    cases.extend(exhaustive_cases());
    cases.extend(channel_cases());
    let mut unit = String::from("#![deny(warnings)]\n#![allow(dead_code, unused_attributes)]\n");
    for case in &cases {
        let n = &case.name;
        write(&emit_rust(&case.input()).unwrap(), &dir.path().join(n));
        writeln!(unit, "#[path = \"{n}/rust/src/lib.rs\"]\nmod {n};").unwrap();
        let test = dir.path().join(n).join("rust/tests/selftest.rs");
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
    let main = dir.path().join("batch.rs");
    std::fs::write(&main, unit).unwrap();
    let exe = dir.path().join("batch");
    run(Command::new(tool("RUSTC", "rustc"))
        .args([
            "--edition",
            "2024",
            "--test",
            "-C",
            "debug-assertions=on",
            "-o",
        ])
        .arg(&exe)
        .arg(&main));
    let out = run(&mut Command::new(&exe));
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains(&format!("{} passed", cases.len())), "{text}");
}

/// The crate as a user gets it: cargo builds it and runs its self-test; a wrong one fails.
#[test]
fn cargo_builds_the_crate_and_runs_its_selftest() {
    let program = tiny();
    let vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(2), 30);
    let mut case = Case {
        name: "Tiny".to_owned(),
        program,
        vectors,
        options: speed(),
    };
    for (wrong, want) in [(0, true), (1, false)] {
        case.vectors[7].output[0] += wrong;
        let dir = folder();
        write(&emit_rust(&case.input()).unwrap(), dir.path());
        let out = Command::new(tool("CARGO", "cargo"))
            .current_dir(dir.path().join("rust"))
            .args(["test", "--offline", "--target-dir", "target"])
            .env("RUSTFLAGS", "-D warnings")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert_eq!(
            out.status.success(),
            want,
            "{text}{}",
            String::from_utf8_lossy(&out.stderr)
        );
        assert_eq!(text.contains("vector \"7\" %d"), !want, "{text}");
    }
}
