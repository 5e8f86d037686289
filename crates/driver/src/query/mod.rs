//! Deciding VNN-LIB queries as a solver does: `sat` with an assignment, `unsat`, `unknown` or
//! `timed-out`.
//!
//! A query of version 2 declares one or two networks and is decided for the files that it is given
//! for them; one of version 1 takes one file. `unsat` comes from the verifier's proofs on every
//! box, for a single network of a specification about its outputs, for two of a joint one.
//! `sat` comes with an assignment that was replayed exactly and satisfies the text of the query.

mod assignment;
mod bind;
pub mod instances;
mod samples;
mod single;
mod solve;
mod supports;
#[cfg(test)]
mod tests;

pub use assignment::{Assignment, Variable};
pub use samples::Sampled;
pub use supports::{CAPABILITIES, supports};

use crate::failure::Failure;
use crate::options::Budget;
use crate::progress::{Cancel, Progress, told};
use bind::Bound;
use ceg4n_base::{Diagnostic, Diagnostics, Sources};
use ceg4n_import::vnnlib2;
use ceg4n_import::{vnnlib, vnnlib2::ElementType};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// In which arithmetic networks are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// As the query declares them: float32 in single precision, real in exact arithmetic.
    #[default]
    Declared,
    /// Exact arithmetic, whatever is declared; for float32 networks that is another question.
    Real,
}

/// A query, the networks for it, and what the work may cost.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// The query's file.
    pub query: PathBuf,
    /// Names that the query declares, and the files for them. A query of version 1 takes one file
    /// under any name.
    pub networks: Vec<(String, PathBuf)>,
    /// The arithmetic of the networks.
    pub arithmetic: Arithmetic,
    /// Limits, threads and solver. With a time limit the counted budgets grow until it is reached.
    pub budget: Budget,
    /// Attack an `unsat` with so many random points.
    pub samples: u64,
}

impl QueryOptions {
    /// The options of `ceg4nc verify QUERY.vnnlib`.
    pub fn new(query: impl Into<PathBuf>) -> Self {
        Self {
            query: query.into(),
            networks: Vec::new(),
            arithmetic: Arithmetic::Declared,
            budget: Budget::default(),
            samples: 0,
        }
    }
}

/// The answer to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// There is an assignment.
    Sat,
    /// There is none.
    Unsat,
    /// Neither is shown.
    Unknown,
    /// The time limit came first.
    TimedOut,
}

impl Answer {
    /// As the standard has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sat => "sat",
            Self::Unsat => "unsat",
            Self::Unknown => "unknown",
            Self::TimedOut => "timed-out",
        }
    }
}

/// What was found about a query.
#[derive(Clone, Debug)]
pub struct Solved {
    /// The answer.
    pub answer: Answer,
    /// With `sat`: the values of all variables, in the order of their declaration.
    pub assignment: Option<Assignment>,
    /// Without an answer: why.
    pub reason: Option<String>,
    /// Boxes that were looked at.
    pub boxes: u64,
    /// Wall time.
    pub seconds: f64,
    /// With `unsat`: what random points said, if they were asked.
    pub sampled: Option<Sampled>,
    /// What the user should know besides.
    pub warnings: Diagnostics,
}

/// A query of either version.
enum Query {
    One(vnnlib::Query),
    Two(vnnlib2::Query),
}

/// Decides a query.
///
/// # Errors
/// A query or network that cannot be read; files that are missing or too many; shapes and types
/// that do not match; a question that is beyond what is decided, or types for which the analysis
/// would not be sound.
pub fn solve(
    options: &QueryOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Solved, Failure> {
    let status = |done: &Solved| done.answer.name();
    told(progress, ("query", &options.query), status, || {
        solve_quietly(options, progress, cancel)
    })
}

/// The command without its first and last event.
fn solve_quietly(
    options: &QueryOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Solved, Failure> {
    let started = Instant::now();
    let mut sources = Sources::default();
    let read = |sources: &mut Sources| -> Result<Bound, Problem> {
        let query = read(options, sources)?;
        bind::bind(options, query)
    };
    let bound = match read(&mut sources) {
        Ok(bound) => bound,
        Err(Problem::Here(d)) => return Err(Failure::new(d, sources)),
        Err(Problem::There(f)) => return Err(f),
    };
    let run = solve::Run::new(options, &bound, started, progress, cancel);
    let mut solved = run.solve()?;
    solved
        .warnings
        .0
        .splice(0..0, bound.warnings.0.iter().cloned());
    solved.seconds = started.elapsed().as_secs_f64();
    if solved.answer == Answer::Unsat && options.samples > 0 {
        solved.sampled = Some(samples::attack(
            &bound,
            options.samples,
            options.budget.seed,
        )?);
    }
    Ok(solved)
}

/// What is wrong, and in which texts.
enum Problem {
    /// In the query, or on the command line.
    Here(Diagnostics),
    /// In a network's file.
    There(Failure),
}

impl<D: Into<Diagnostics>> From<D> for Problem {
    fn from(d: D) -> Self {
        Self::Here(d.into())
    }
}

fn read(options: &QueryOptions, sources: &mut Sources) -> Result<Query, Diagnostics> {
    let text = vnnlib2::text_of(&options.query)?;
    let name = options.query.display().to_string();
    Ok(if vnnlib2::is_version_2(&text) {
        Query::Two(vnnlib2::query(sources, &name, &text)?)
    } else {
        Query::One(vnnlib::query(sources, &name, &text)?)
    })
}

/// A failure of the tool itself.
fn internal(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(ceg4n_base::codes::INTERNAL, message)
}

/// Types in which queries can be decided.
const ELEMENT_TYPES: [ElementType; 2] = [ElementType::Float32, ElementType::Real];
