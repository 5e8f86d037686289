//! Programs that tests drive.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs a command; panics with its output unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Output {
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

/// The program that an environment variable names, or a default.
pub(crate) fn tool(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from)
}

/// The C compiler and, where it is installed, clang.
pub(crate) fn compilers() -> Vec<PathBuf> {
    let mut all = vec![tool("CC", "cc")];
    if Command::new("clang")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        all.push("clang".into());
    }
    all
}

/// True if a program that a test needs is installed; otherwise says that the test is skipped, or
/// fails under `CEG4N_REQUIRE_TOOLS=1`.
pub(crate) fn available(program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).output();
    if found.is_ok_and(|o| o.status.success()) {
        return true;
    }
    skip(&format!("there is no {program}"));
    false
}

/// Says that a test is skipped, or fails under `CEG4N_REQUIRE_TOOLS=1`.
pub(crate) fn skip(reason: &str) {
    let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
    assert!(!required, "{reason}");
    let test = std::thread::current();
    // Past the test harness, which shows nothing of tests that pass.
    let text = format!("SKIPPED {}: {reason}", test.name().unwrap_or("a test"));
    let _ = writeln!(std::io::stderr(), "{text}");
}
