//! The command line: parses arguments, calls the driver, renders what it returns. The only crate
//! that prints; as a library, so that tests run it in their process.

pub mod args;
mod commands;
mod console;
mod render;
pub mod translate;

pub use console::{Console, Lines};

use args::Cli;
use clap::Parser;
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
        cancel: Default::default(),
    };
    run_on(args, &mut console)
}

/// Runs one call on a console; returns the exit code.
pub fn run_on(args: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> i32 {
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(cli) => match cli.command {
            Some(mut command) => {
                command.set_typed(&args);
                commands::run(command, console)
            }
            None => about(cli.name, console),
        },
        Err(e) => usage(&e, console),
    }
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
    if e.use_stderr() {
        let text = if console.colours && console.err_is_terminal {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        // There is no other place to complain.
        let _ = console.err.write_all(text.as_bytes());
        return 2;
    }
    let written = console.print(&text.to_string());
    commands::finish(written, 0, console)
}
