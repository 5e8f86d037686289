//! Options that every command takes, and the commands about the program itself.

use super::FormatArgs;
use clap::{Args, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Under which heading the help lists them.
const HEADING: &str = "Options of every command";

/// What a call returns, with what it means.
pub const EXIT_CODES: [(u8, &str); 6] = [
    (0, "everything PROVED or done"),
    (10, "REFUTED"),
    (20, "UNKNOWN or limit reached"),
    (2, "wrong usage"),
    (3, "bad input"),
    (1, "a failure of the tool itself"),
];

/// The same as a sentence.
fn exit_codes() -> String {
    let all = EXIT_CODES.map(|(code, meaning)| format!("{code} {meaning}"));
    format!("Exit codes: {}.", all.join(", "))
}

/// What stands below the list of commands.
pub(super) fn after_help() -> String {
    format!(
        "`ceg4nc help E0101` explains the code of a message, with an example.\n\n{}",
        exit_codes()
    )
}

/// When text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Also in files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// How a call speaks.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct GlobalArgs {
    /// No progress, warnings or notes; results and errors remain
    #[arg(long, short, global = true, help_heading = HEADING)]
    pub quiet: bool,
    /// Say on standard error what was chosen and what the call took
    #[arg(long, short, global = true, help_heading = HEADING)]
    pub verbose: bool,
    /// When messages are coloured: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    #[arg(help_heading = HEADING, hide_possible_values = true, hide_default_value = true)]
    pub color: ColorWhen,
}

/// `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell that the script is for
    pub shell: Shell,
}

/// `man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Write a page for every command into this folder instead of printing the main one
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}
