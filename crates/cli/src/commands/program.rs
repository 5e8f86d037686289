//! The commands about the program itself: `doctor`, `completions` and `man`.

use super::{Done, json};
use crate::args::{Cli, CompletionsArgs, DoctorArgs, EXIT_CODES, Format, ManArgs};
use crate::console::Console;
use crate::render;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_driver::Failure;
use clap::CommandFactory;
use clap::builder::Resettable;
use std::fmt::Display;
use std::path::Path;

/// What the program takes from the environment.
const ENVIRONMENT: [(&str, &str); 3] = [
    (
        "NO_COLOR",
        "if it is set and not empty, nothing is coloured unless --color asks for it",
    ),
    (
        "COLUMNS",
        "the width that help and tables fit, also in files and pipes",
    ),
    ("PATH", "where solvers are looked for"),
];

/// `doctor`: the exit code says whether everything is there that the product needs.
pub(super) fn doctor(args: &DoctorArgs, console: &Console<'_>) -> Done {
    let report = ceg4n_driver::doctor::doctor();
    let text = match args.format.format {
        Format::Json => json(&report)?,
        Format::Text => render::doctor(&report, console),
    };
    Ok((text, if report.ready { 0 } else { 1 }))
}

/// `completions`.
pub(super) fn completions(args: &CompletionsArgs) -> Done {
    let mut script = Vec::new();
    let mut program = Cli::command();
    clap_complete::generate(args.shell, &mut program, "ceg4nc", &mut script);
    Ok((text(script), 0))
}

/// `man`.
pub(super) fn man(args: &ManArgs) -> Done {
    // The pages name the subcommands; one on `help` would say nothing.
    let program = Cli::command().disable_help_subcommand(true);
    // Exit codes have a section of their own there.
    let mut program = program.after_help(Resettable::Reset);
    program.build();
    let mut main = page(program.clone())?;
    main.1.push_str(&sections());
    let Some(folder) = &args.output else {
        return Ok((main.1, 0));
    };
    let mut pages = vec![main];
    own_pages(&program, &mut pages)?;
    let at = |path: &Path, e: &dyn Display| {
        let text = format!("cannot write {}: {e}", path.display());
        Failure::from(Diagnostic::error(codes::FILE_WRITE, text))
    };
    std::fs::create_dir_all(folder).map_err(|e| at(folder, &e))?;
    for (name, text) in &pages {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| at(&path, &e))?;
    }
    let count = render::count(pages.len(), "page");
    Ok((format!("{count} written to {}\n", folder.display()), 0))
}

/// A page for each command below one that is not hidden.
fn own_pages(command: &clap::Command, pages: &mut Vec<(String, String)>) -> Result<(), Failure> {
    for own in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        pages.push(page(own.clone())?);
        own_pages(own, pages)?;
    }
    Ok(())
}

/// What the main page says besides commands and options.
fn sections() -> String {
    let mut out = String::from(".SH \"EXIT STATUS\"\n");
    let mut codes = EXIT_CODES;
    codes.sort_unstable();
    let codes = codes.map(|(code, meaning)| (code.to_string(), meaning));
    let item = |(name, text): &(String, &str)| format!(".TP\n\\fB{name}\\fR\n{text}\n");
    out.extend(codes.iter().map(item));
    out.push_str(".SH ENVIRONMENT\n");
    let variables = ENVIRONMENT.map(|(name, text)| (name.to_owned(), text));
    out.extend(variables.iter().map(item));
    out
}

/// The file name and the text of a command's page.
fn page(command: clap::Command) -> Result<(String, String), Failure> {
    let version = concat!("ceg4nc ", env!("CARGO_PKG_VERSION"));
    let man = clap_mangen::Man::new(command).source(version);
    let mut bytes = Vec::new();
    man.render(&mut bytes).map_err(|e| {
        let text = format!("a page cannot be made: {e}");
        Diagnostic::error(codes::INTERNAL, text)
    })?;
    // Synopses have too few gaps to be spread over the whole width.
    let (start, rest) = text(bytes)
        .split_once("\n.SH ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap_or_default();
    Ok((man.get_filename(), format!("{start}\n.ad l\n.SH {rest}")))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
