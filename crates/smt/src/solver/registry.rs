//! Solvers by name: what `--solver` accepts, and what is installed.

use super::Solver;
use super::embedded::{self, EmbeddedSolver};
use super::process::{ProcessSolver, Program, output_of};
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, codes};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A solver that is part of this program.
struct BuiltIn {
    /// What `--solver` calls it.
    name: &'static str,
    /// Its version; `None` if it is not built in.
    version: fn() -> Option<String>,
    /// A fresh one.
    start: fn() -> Box<dyn Solver>,
}

const BUILT_IN: &[BuiltIn] = &[BuiltIn {
    name: "embedded",
    version: embedded::version,
    start: || Box::new(EmbeddedSolver),
}];

/// Programs that are looked for by name, and how to get them.
const PROGRAMS: [(&str, &str); 3] = [
    (
        "z3",
        "install z3 (`apt-get install z3`, `brew install z3`), or use `--solver embedded`",
    ),
    (
        "cvc5",
        "install cvc5 (`apt-get install cvc5`, or a release of its project), or use `--solver embedded`",
    ),
    (
        "bitwuzla",
        "install bitwuzla (a release of its project) on PATH, or use `--solver embedded`",
    ),
];

/// How long a program may take to say its version.
const VERSION_TIME: Duration = Duration::from_secs(5);

/// A solver that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SolverInfo {
    /// What `--solver` calls it.
    pub name: String,
    /// Its executable; `None` for the embedded solver.
    pub path: Option<PathBuf>,
    /// What it says its version is.
    pub version: String,
}

/// The solvers that can be used here: those that were built in, and the known programs found on
/// `PATH`.
pub fn available() -> Vec<SolverInfo> {
    let built_in = BUILT_IN.iter().filter_map(|b| {
        Some(SolverInfo {
            name: b.name.into(),
            path: None,
            version: (b.version)()?,
        })
    });
    let mut found: Vec<SolverInfo> = built_in.collect();
    for (name, _) in PROGRAMS {
        if let Some(path) = on_path(name) {
            let version = version_of(&path);
            found.push(SolverInfo {
                name: name.into(),
                path: Some(path),
                version,
            });
        }
    }
    found
}

/// The solver that the user names: one that is built in, `z3`, `cvc5`, `bitwuzla`, or the path or name of
/// an SMT-LIB 2 program that reads its standard input.
///
/// # Errors
/// If it is not built in or not found, with what to install.
pub fn from_name(name: &str) -> Result<Box<dyn Solver>, Diagnostic> {
    if let Some(solver) = BUILT_IN.iter().find(|b| b.name == name) {
        return match (solver.version)() {
            Some(_) => Ok((solver.start)()),
            None => Err(unusable(format!("the {name} solver is not built in")).help(
                "build with the default features (a C++ compiler is needed), or use `--solver z3`",
            )),
        };
    }
    if let Some((_, help)) = PROGRAMS.iter().find(|(known, _)| *known == name) {
        return match on_path(name) {
            Some(path) => Ok(process(path)),
            None => Err(unusable(format!("`{name}` is not on PATH")).help(*help)),
        };
    }
    program(name).map(process).ok_or_else(|| {
        unusable(format!(
            "`{name}` is no solver and no program that can be run"
        ))
        .help_if(did_you_mean(name, names()))
        .help(format!(
            "use {}, or the path of an SMT-LIB 2 program",
            names()
                .map(|n| format!("`{n}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ))
    })
}

/// The file that [`from_name`] starts for a name; none for a solver that is built in, or that is not
/// here.
pub fn program(name: &str) -> Option<PathBuf> {
    if BUILT_IN.iter().any(|b| b.name == name) {
        return None;
    }
    let path = Path::new(name);
    if path.components().count() > 1 {
        return Some(path.to_path_buf()).filter(|p| is_executable(p));
    }
    on_path(name)
}

/// Every solver that has a name of its own, whether it can be used here or not.
pub fn names() -> impl Iterator<Item = &'static str> {
    let built_in = BUILT_IN.iter().map(|b| b.name);
    built_in.chain(PROGRAMS.iter().map(|(name, _)| *name))
}

fn unusable(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::SOLVER, message)
}

fn process(path: PathBuf) -> Box<dyn Solver> {
    Box::new(ProcessSolver::new(Program::at(path)))
}

fn on_path(name: &str) -> Option<PathBuf> {
    if name.is_empty() {
        return None;
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// The first line of `--version`.
fn version_of(path: &Path) -> String {
    match output_of(path, "--version", VERSION_TIME) {
        Ok(text) => match text.lines().next() {
            Some(line) => line.trim().to_owned(),
            None => "unknown version".into(),
        },
        Err(e) => format!("unusable: {e}"),
    }
}
