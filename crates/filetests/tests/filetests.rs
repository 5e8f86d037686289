//! Runs every test file of `tests/` and the tutorial, each as a test of its own.
//!
//! Called under the name `ceg4nc` this program is the command line: so the tutorial's shell finds
//! the tool that was just built.

#![cfg_attr(test, expect(clippy::print_stderr, reason = "a test runner reports"))]

use ceg4n_base::codes::{self, Code};
use ceg4n_filetests::{Case, Outcome, blocks, files, find, follow, strays};
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
    for code in codes::ALL.iter().filter(|c| c.id.contains(&part)) {
        let name = format!("explanation of {}", code.id);
        trials.push(Trial::test(name, || explained(*code)));
    }
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

/// A code has an example that leads to it: its commands print what its page shows, the code among
/// it. The example sees a copy of `tests/networks` and the files of the page.
fn explained(code: Code) -> Result<(), Failed> {
    let blocks = blocks(code.explanation);
    let shown = format!("[{}]", code.id);
    let triggers = blocks.iter().any(|b| b.output.contains(&shown));
    if WITHOUT_EXAMPLE.contains(&code) {
        return match blocks.is_empty() {
            true => Ok(()),
            false => Err("it has an example now: take it from the list of those without".into()),
        };
    }
    if !triggers {
        return Err(format!("no command of its example shows {shown}").into());
    }
    let folder = tempfile::tempdir()?;
    for entry in std::fs::read_dir("tests/networks")? {
        let path = entry?.path();
        std::fs::copy(
            &path,
            folder.path().join(path.file_name().unwrap_or_default()),
        )?;
    }
    for (name, text) in files(code.explanation) {
        std::fs::write(folder.path().join(name), text)?;
    }
    follow(&blocks, folder.path(), tool()?.path())?;
    Ok(())
}

/// Codes that nothing a user can do leads to, as far as is known.
const WITHOUT_EXAMPLE: [Code; 1] = [codes::INTERNAL];

/// A folder with the command line.
fn tool() -> io::Result<tempfile::TempDir> {
    let tools = tempfile::tempdir()?;
    let tool = tools.path().join("ceg4nc");
    std::os::unix::fs::symlink(std::env::current_exe()?, tool)?;
    Ok(tools)
}

fn follow_page(page: &Path) -> Result<(), Failed> {
    let blocks = blocks(&std::fs::read_to_string(page)?);
    if blocks.is_empty() {
        return Err("the tutorial has no commands".into());
    }
    follow(&blocks, Path::new("tests/networks"), tool()?.path())?;
    Ok(())
}
