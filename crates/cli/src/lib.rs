//! The command line: parses arguments, calls the driver, renders what it returns. The only crate
//! that prints; as a library, so that tests run it in their process.

pub mod args;
mod commands;
mod console;
mod help;
mod manners;
mod progress;
mod render;
pub mod translate;

pub use console::Console;
pub use manners::Manners;
pub use progress::Screen;

use args::Cli;
use ceg4n_base::{Diagnostic, codes};
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::io::{self, Write};

/// Runs one call with nothing on standard input, no colours and no Ctrl-C; returns the exit code.
/// `args` begins with the program's name.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut (dyn Write + Send),
) -> i32 {
    let mut console = Console {
        out,
        err,
        input: &mut io::empty(),
        err_is_terminal: false,
        colours: false,
        manners: Manners::default(),
        screen: Screen::default(),
        cancel: Default::default(),
    };
    run_on(args, &mut console)
}

/// Runs one call on a console; returns the exit code.
pub fn run_on(args: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> i32 {
    let args: Vec<OsString> = args.into_iter().collect();
    console.manners.color = manners::color_in(&args);
    console.manners.json = manners::json_in(&args);
    if let Some(id) = help::code_in(&args) {
        return help::code(&id, console);
    }
    let cli = match read(&args, console.manners.prose()) {
        Ok(cli) => cli,
        Err(e) => return usage(&e, console),
    };
    console.manners = console.manners.asked(cli.global);
    if cli.global.quiet && cli.global.verbose {
        let text = "--quiet has no effect: --verbose asks for more";
        let error = Diagnostic::error(codes::USAGE, text).help("leave one of the two out");
        return console.fail(&error.into());
    }
    match cli.command {
        Some(mut command) => {
            command.set_typed(&args);
            commands::run(command, console)
        }
        None => about(cli.name, console),
    }
}

/// The call that `args` make; help is at most `width` columns wide.
fn read(args: &[OsString], width: usize) -> Result<Cli, clap::Error> {
    let mut program = Cli::command().term_width(width);
    let found = program.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches(&found).map_err(|e| e.format(&mut program))
}

/// The name, or the version alone, as tools that call solvers expect them.
fn about(name: bool, console: &mut Console<'_>) -> i32 {
    let text = match name {
        true => "ceg4nc\n",
        false => concat!(env!("CARGO_PKG_VERSION"), "\n"),
    };
    let written = console.print(text);
    commands::finish(written, 0, console)
}

/// Help and version are results; anything else is wrong usage.
fn usage(e: &clap::Error, console: &mut Console<'_>) -> i32 {
    let text = e.render();
    let shown = |coloured: bool| match coloured {
        true => text.ansi().to_string(),
        false => text.to_string(),
    };
    if !e.use_stderr() {
        let manners = console.manners;
        let text = shown(manners.colours(manners.out_is_terminal, console.colours));
        let written = console.print(&text);
        return commands::finish(written, 0, console);
    }
    let plain = text.to_string();
    // A call without arguments gets the help instead of an error.
    if !plain.starts_with("error: ") {
        console.say(&shown(console.colours_messages()));
        return 2;
    }
    if console.manners.json {
        let mut lines = plain.trim_start_matches("error: ").lines();
        let mut error = Diagnostic::error(codes::USAGE, lines.next().unwrap_or_default());
        let rest = lines.map(str::trim).filter(|l| !l.is_empty());
        error.help = rest.map(str::to_owned).collect();
        return console.fail(&error.into());
    }
    let code = format!("error[{}]:", codes::USAGE);
    console.say(&shown(console.colours_messages()).replacen("error:", &code, 1));
    2
}
