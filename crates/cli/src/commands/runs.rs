//! `runs`, `diff`, and `compile --resume`.

use super::{Done, json};
use crate::args::{Cli, Command, CompileArgs, DiffArgs, Format, RunsArgs};
use crate::console::Console;
use crate::{render, translate};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_driver::options::CompileOptions;
use ceg4n_driver::resume::{Last, last};
use ceg4n_driver::runs::{diff as compare, list};
use ceg4n_report::Report;
use clap::parser::ValueSource;
use clap::{CommandFactory, Parser};
use std::io;
use std::path::{Path, PathBuf};

pub(super) fn runs(args: &RunsArgs, console: &Console<'_>) -> Done {
    let listings = list(&args.folder)?;
    let text = match args.format.format {
        Format::Json => json(&listings)?,
        Format::Text => render::runs(&listings, console.manners.table()),
    };
    Ok((text, 0))
}

pub(super) fn diff(args: &DiffArgs, console: &Console<'_>) -> Done {
    let found = compare(&args.a, &args.b)?;
    let text = match args.format.format {
        Format::Json => json(&found)?,
        Format::Text => render::difference(&found, args.all, console.manners.table()),
    };
    Ok((text, 0))
}

/// What `compile --resume DIR` does.
pub(super) enum Resumed {
    /// The run has its result.
    Finished(Box<Report>),
    /// It goes on under these options.
    Going(Box<CompileOptions>),
}

/// Options that may be given anew when a run goes on: none of them changes a result that no limit cut
/// short.
const ANEW: [&str; 8] = [
    "resume",
    "time_limit",
    "jobs",
    "progress",
    "format",
    "color",
    "quiet",
    "verbose",
];

/// Reads the run to go on with.
pub(super) fn resume(
    folder: &Path,
    args: &CompileArgs,
    console: &mut Console<'_>,
) -> Result<Resumed, Diagnostics> {
    only_anew(&args.typed)?;
    let run = match last(folder)? {
        Last::Finished(report) => return Ok(Resumed::Finished(report)),
        Last::Unfinished(run) => run,
    };
    let parsed = Cli::try_parse_from(&run.arguments);
    let Some(Command::Compile(old)) = parsed.ok().and_then(|c| c.command) else {
        let text = format!(
            "run {} was not begun from a command line of compile",
            run.id
        );
        return Err(Diagnostic::error(codes::STORE, text)
            .help("go on with it where it was begun")
            .into());
    };
    let folder = &return_to(&run.working_folder, folder, console)?;
    let mut options = translate::compile(&old)?;
    let new = translate::compile(args)?.budget;
    if args.budget.time_limit.is_some() {
        options.budget.time_limit = new.time_limit;
    }
    if args.budget.jobs.is_some() {
        options.budget.jobs = new.jobs;
    }
    options.output = Some(folder.to_owned());
    options.command_line = run.arguments;
    options.store.resume = Some(run.id);
    Ok(Resumed::Going(Box::new(options)))
}

/// Goes to the folder in which a run began, where its relative paths start; returns the run's output
/// folder as seen from there. A folder that is there no more was moved, perhaps with all files: then
/// they are looked for here, and whether they are the same is told by their hashes.
fn return_to(
    place: &Path,
    output: &Path,
    console: &mut Console<'_>,
) -> Result<PathBuf, Diagnostic> {
    let cannot = |what: &str, path: &Path, e: &io::Error| {
        let text = format!("cannot {what} {}: {e}", path.display());
        Diagnostic::error(codes::FILE_READ, text)
            .help("make the folders of the run readable, or begin a new run without --resume")
    };
    let here = std::env::current_dir().map_err(|e| cannot("find", Path::new("."), &e))?;
    if here == place || !place.is_dir() {
        return Ok(output.to_owned());
    }
    let seen = std::fs::canonicalize(output).map_err(|e| cannot("find", output, &e))?;
    std::env::set_current_dir(place).map_err(|e| cannot("go to", place, &e))?;
    console.remark(&format!(
        "goes on in {}, where the run began",
        place.display()
    ));
    Ok(seen)
}

/// Refuses options that belong to the run's beginning.
fn only_anew(words: &[String]) -> Result<(), Diagnostics> {
    let Ok(matches) = Cli::command().try_get_matches_from(words) else {
        return Ok(());
    };
    let Some((_, given)) = matches.subcommand() else {
        return Ok(());
    };
    let mut errors = Diagnostics::default();
    for id in given.ids() {
        let name = id.as_str();
        let typed = given.try_contains_id(name).is_ok()
            && given.value_source(name) == Some(ValueSource::CommandLine);
        // Groups have the names of types.
        let is_option = name.starts_with(|c: char| c.is_ascii_lowercase());
        if typed && is_option && !ANEW.contains(&name) {
            let text = match name {
                "net" => "--resume takes the network from the run's store".to_owned(),
                _ => format!(
                    "--{} belongs to the beginning of a run: --resume takes it from the store",
                    name.replace('_', "-")
                ),
            };
            errors.push(Diagnostic::error(codes::USAGE, text).help(
                "leave it out, or begin a new run without --resume; \
                 only --time-limit, --jobs, --progress and --format may be given anew",
            ));
        }
    }
    errors.or(())
}
