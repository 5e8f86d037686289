//! VNN-LIB queries: `verify QUERY`, `supports`, `bench instances`.
//!
//! What a query's `verify` writes to standard output is the standard's: the answer, and behind
//! `sat` the assignment. Everything else goes to standard error.

use super::{Done, json};
use crate::args::{BenchInstancesArgs, Format, SupportsArgs, VerifyArgs};
use crate::console::Console;
use crate::{render, translate};
use ceg4n_base::{Diagnostic, Diagnostics, Sources, codes};
use ceg4n_driver::query::{Answer, Assignment, Sampled, Solved};
use serde::Serialize;
use std::path::Path;

/// A result for programs.
#[derive(Serialize)]
struct Found<'a> {
    answer: Answer,
    assignment: &'a Option<Assignment>,
    reason: &'a Option<String>,
    seconds: f64,
    boxes: u64,
    sampled: &'a Option<Sampled>,
}

pub(super) fn verify(args: &VerifyArgs, console: &mut Console<'_>) -> Done {
    let (options, folder) = translate::query(args)?;
    let when = args.budget.progress;
    let solved = console.watch(when, |p, c| ceg4n_driver::query::solve(&options, p, c))?;
    console.show(&solved.warnings, &Sources::default());
    console.show(&remarks(&solved), &Sources::default());
    if let (Some(folder), Some(a)) = (&folder, &solved.assignment) {
        write(folder, a)?;
    }
    let text = match args.format.format {
        Format::Json => json(&Found {
            answer: solved.answer,
            assignment: &solved.assignment,
            reason: &solved.reason,
            seconds: solved.seconds,
            boxes: solved.boxes,
            sampled: &solved.sampled,
        })?,
        Format::Text => {
            let printed = solved.assignment.as_ref().filter(|_| folder.is_none());
            let values = printed.map_or_else(String::new, Assignment::to_text);
            format!("{}\n{values}", solved.answer.name())
        }
    };
    let broken = solved.sampled.as_ref().is_some_and(|s| s.satisfying > 0);
    let code = match solved.answer {
        _ if broken => 1,
        Answer::Unsat => 0,
        Answer::Sat => 10,
        Answer::Unknown | Answer::TimedOut => 20,
    };
    Ok((text, code))
}

/// What is said besides the answer.
fn remarks(solved: &Solved) -> Diagnostics {
    let mut all = Diagnostics::default();
    if let Some(reason) = &solved.reason {
        all.push(Diagnostic::warning(codes::UNDECIDED, reason.clone()));
    }
    if let Some(s) = solved.sampled.as_ref().filter(|s| s.satisfying > 0) {
        let message = format!(
            "{} of {} random points satisfy the query",
            s.satisfying, s.points
        );
        all.push(Diagnostic::error(codes::INTERNAL, message));
    }
    all
}

fn write(folder: &Path, a: &Assignment) -> Result<(), Diagnostic> {
    let unwritten = |path: &Path, e: &std::io::Error| {
        let text = format!("cannot write {}: {e}", path.display());
        Diagnostic::error(codes::FILE_WRITE, text)
    };
    std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, &e))?;
    for (name, bytes) in a.to_tensors()? {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|e| unwritten(&path, &e))?;
    }
    Ok(())
}

pub(super) fn supports(args: &SupportsArgs) -> Done {
    let capability = translate::capability(args)?;
    let items = ceg4n_driver::query::supports(capability).unwrap_or_default();
    let lines: String = items.iter().map(|i| format!("{i}\n")).collect();
    Ok((lines, 0))
}

pub(super) fn bench_instances(args: &BenchInstancesArgs, console: &mut Console<'_>) -> Done {
    let options = translate::instances(args)?;
    let when = args.budget.progress;
    let run = ceg4n_driver::query::instances::instances;
    let found = console.watch(when, |p, c| run(&options, p, c))?;
    let text = match args.format.format {
        Format::Json => json(&found)?,
        Format::Text => render::instances(&found, console.manners.table()),
    };
    let code = match (found.counts.defects, found.interrupted) {
        (0, false) => 0,
        (0, true) => 20,
        (_, _) => 1,
    };
    Ok((text, code))
}
