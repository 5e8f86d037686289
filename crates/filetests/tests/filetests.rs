//! Runs every test file of `tests/` and the tutorial, each as a test of its own.
//!
//! Called under the name `ceg4nc` this program is the command line: so the tutorial's shell finds
//! the tool that was just built.

#![cfg_attr(test, expect(clippy::print_stderr, reason = "a test runner reports"))]

use ceg4n_filetests::{Case, Outcome, blocks, find, follow, strays};
use libtest_mimic::{Arguments, Failed, Trial};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().map(PathBuf::from);
    if called
        .as_deref()
        .and_then(Path::file_name)
        .is_some_and(|n| n == "ceg4nc")
    {
        return command_line();
    }
    match trials() {
        Ok(trials) => libtest_mimic::run(&Arguments::from_args(), trials).exit_code(),
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn command_line() -> ExitCode {
    let code = ceg4nc::run(std::env::args_os(), &mut io::stdout(), &mut io::stderr());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The working directory becomes the repository's, before any thread starts: outputs show paths
/// from there.
fn trials() -> io::Result<Vec<Trial>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::set_current_dir(root)?;
    let bless = std::env::var_os("BLESS").is_some_and(|v| v == "1");
    let part = std::env::var("FILETEST").unwrap_or_default();
    let folder = Path::new("tests");
    let mut trials: Vec<Trial> = find(folder)?
        .into_iter()
        .filter(|c| c.path.contains(&part))
        .map(|c| Trial::test(c.path.clone(), move || report(&c, bless)))
        .collect();
    if trials.is_empty() && part.is_empty() {
        let text = "there are no test files below tests/";
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    trials.push(Trial::test(
        "every expectation has its test",
        move || match strays(folder)?.as_slice() {
            [] => Ok(()),
            list => Err(Failed::from(list.join(", "))),
        },
    ));
    let tutorial = Path::new("book/src/tutorial.md");
    if tutorial.is_file() {
        trials.push(Trial::test("tutorial", move || follow_page(tutorial)));
    }
    Ok(trials)
}

fn report(case: &Case, bless: bool) -> Result<(), Failed> {
    match case.run(bless) {
        Outcome::Passed => Ok(()),
        Outcome::Blessed(attention) => {
            eprintln!("blessed {}", case.expectation().display());
            for line in attention {
                eprintln!("LOOK at {}: {line}", case.expectation().display());
            }
            Ok(())
        }
        Outcome::Failed(why) => Err(why.into()),
    }
}

fn follow_page(page: &Path) -> Result<(), Failed> {
    let blocks = blocks(&std::fs::read_to_string(page)?);
    if blocks.is_empty() {
        return Err("the tutorial has no commands".into());
    }
    let tools = tempfile::tempdir()?;
    let tool = tools.path().join("ceg4nc");
    std::os::unix::fs::symlink(std::env::current_exe()?, tool)?;
    follow(&blocks, Path::new("tests/networks"), tools.path())?;
    Ok(())
}
