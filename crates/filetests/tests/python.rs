//! What Python has to do with: the recipes of the book, and comparisons with the tools that models
//! come from.
//!
//! These tests need an interpreter with the packages of `tests/python/requirements.txt`: the one in
//! the environment variable `CEG4N_PYTHON`, or `python3`. Without one they say that they were
//! skipped; with `CEG4N_REQUIRE_TOOLS=1` they fail then.
//!
//! Called under the name `ceg4nc` this program is the command line, as in `filetests.rs`.

#![cfg_attr(test, expect(clippy::print_stderr, reason = "a test runner reports"))]

use ceg4n_filetests::{blocks, files, follow, matches};
use libtest_mimic::{Arguments, Failed, Trial};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use tempfile::TempDir;

/// What an interpreter must be able to do.
const IMPORTS: &str = "import numpy, onnx, onnxruntime, sklearn, skl2onnx";

fn main() -> ExitCode {
    let called = std::env::args_os().next().map(PathBuf::from);
    if called
        .as_deref()
        .and_then(Path::file_name)
        .is_some_and(|n| n == "ceg4nc")
    {
        let code = ceg4nc::run(std::env::args_os(), &mut io::stdout(), &mut io::stderr());
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    let trials = vec![
        Trial::test("recipes of the book", || {
            with_python(|tools| follow_page(Path::new("book/src/python.md"), tools))
        }),
        Trial::test("from scikit-learn to a Cortex-M4", || {
            with_programs(&["arm-none-eabi-gcc", "qemu-system-arm", "cc"], || {
                with_python(|tools| follow_page(Path::new("book/src/cortex-m4.md"), tools))
            })
        }),
        Trial::test("tests of operators", || with_python(operators)),
        Trial::test("models of scikit-learn", || with_python(classical)),
        Trial::test("emitted models", || with_python(compiled)),
        Trial::test("networks of the benchmarks", || with_python(benchmarks)),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match std::env::set_current_dir(root) {
        Ok(()) => libtest_mimic::run(&Arguments::from_args(), trials).exit_code(),
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a test with a folder that has `python3` and `ceg4nc`, or says why not.
fn with_python(test: impl FnOnce(&Path) -> Result<(), Failed>) -> Result<(), Failed> {
    let named = std::env::var_os("CEG4N_PYTHON");
    let python = named.unwrap_or_else(|| OsString::from("python3"));
    let fits = Command::new(&python)
        .args(["-c", IMPORTS])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !fits.is_ok_and(|s| s.success()) {
        let text = format!(
            "{} has not all of tests/python/requirements.txt; name an interpreter that has in CEG4N_PYTHON",
            python.display()
        );
        let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
        if required {
            return Err(text.into());
        }
        eprintln!("skipped: {text}");
        return Ok(());
    }
    let tools = tools(&python)?;
    test(tools.path())
}

/// Runs a test that needs these programs too, or says which is missing.
fn with_programs(
    programs: &[&str],
    test: impl FnOnce() -> Result<(), Failed>,
) -> Result<(), Failed> {
    let runs = |program: &&&str| {
        Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let Some(missing) = programs.iter().find(|p| !runs(p)) else {
        return test();
    };
    if std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1") {
        return Err(format!("{missing} is not installed").into());
    }
    eprintln!("skipped: {missing} is not installed");
    Ok(())
}

/// A folder with both programs.
fn tools(python: &OsString) -> io::Result<TempDir> {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let tools = tempfile::tempdir()?;
    symlink(std::env::current_exe()?, tools.path().join("ceg4nc"))?;
    // No link: an interpreter finds its packages by where it is called.
    let shim = tools.path().join("python3");
    let quoted = python.to_string_lossy().replace('\'', r"'\''");
    std::fs::write(&shim, format!("#!/bin/sh\nexec '{quoted}' \"$@\"\n"))?;
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755))?;
    Ok(tools)
}

fn follow_page(page: &Path, tools: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(page)?;
    let folder = tempfile::tempdir()?;
    let files = files(&text);
    if files.is_empty() {
        return Err("the page has no files".into());
    }
    for (name, file) in files {
        std::fs::write(folder.path().join(name), file)?;
    }
    follow(&blocks(&text), folder.path(), tools)?;
    Ok(())
}

/// What a script of `tests/python` prints, and whether it went well.
fn script(tools: &Path, name: &str, arguments: &[&Path]) -> Result<(String, bool), Failed> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.to_owned()).chain(std::env::split_paths(&path));
    let run = Command::new(tools.join("python3"))
        .arg(Path::new("tests/python").join(name))
        .args(arguments)
        .env("PATH", std::env::join_paths(folders)?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()?;
    let errors = String::from_utf8_lossy(&run.stderr);
    let mut text = String::from_utf8_lossy(&run.stdout).into_owned();
    if !run.status.success() {
        text.push_str(&errors);
    }
    Ok((text, run.status.success()))
}

/// No test of an operator fails; under the version of `onnx` that the expectation was made with, as
/// many pass as then.
fn operators(tools: &Path) -> Result<(), Failed> {
    let file = Path::new("tests/python/conformance.txt");
    let (found, good) = script(tools, "conformance.py", &[])?;
    if !good {
        return Err(found.into());
    }
    if std::env::var_os("BLESS").is_some_and(|v| v == "1") {
        std::fs::write(file, found)?;
        eprintln!("blessed {}", file.display());
        return Ok(());
    }
    let wanted = std::fs::read_to_string(file)?;
    if found.lines().next() != wanted.lines().next() {
        eprintln!("{} is of another version; no test fails", file.display());
        return Ok(());
    }
    matches(&wanted, &found)?;
    Ok(())
}

/// The reference of every model of scikit-learn agrees with the model.
fn classical(tools: &Path) -> Result<(), Failed> {
    let (found, good) = script(tools, "classical.py", &[])?;
    if good { Ok(()) } else { Err(found.into()) }
}

/// Emitted models give the kernel's integers in onnxruntime.
fn compiled(tools: &Path) -> Result<(), Failed> {
    let (found, good) = script(tools, "compiled.py", &[])?;
    if good { Ok(()) } else { Err(found.into()) }
}

/// The reference of every network of the benchmarks agrees with onnxruntime.
fn benchmarks(tools: &Path) -> Result<(), Failed> {
    let Some(folder) = std::env::var_os("CEG4N_BENCHMARKS") else {
        if std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1") {
            return Err("CEG4N_BENCHMARKS is not set".into());
        }
        eprintln!("skipped: CEG4N_BENCHMARKS is not set");
        return Ok(());
    };
    let (found, good) = script(tools, "benchmarks.py", &[Path::new(&folder)])?;
    if good { Ok(()) } else { Err(found.into()) }
}
