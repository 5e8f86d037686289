//! What belongs to `reduce`, as clap sees it.

use super::{FormatArgs, ProgressWhen};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// `reduce`.
#[derive(Args, Debug)]
#[command(
    override_usage = "ceg4nc reduce [OPTIONS] <NET> -- <PROGRAM> [ARGUMENT]...",
    after_help = "A candidate is interesting if the program ends with 0 on it, unless --expect-exit, \
    --expect-signal or --expect-text say otherwise. For instance, a file that makes verify fail:\n\n  \
    ceg4nc reduce net.nnir --expect-exit 1 -- ceg4nc verify"
)]
pub struct ReduceArgs {
    /// A .nnir or .onnx file
    pub net: PathBuf,
    /// The file to write, NET.reduced.nnir by default
    #[arg(short, long, value_name = "OUT.nnir", conflicts_with = "in_place")]
    pub output: Option<PathBuf>,
    /// Write the result over the input
    #[arg(long)]
    pub in_place: bool,
    /// Interesting is what makes the program end with this code
    #[arg(long, value_name = "N")]
    pub expect_exit: Option<String>,
    /// Interesting is what makes a signal end the program: SEGV, ABRT, a number, or any
    #[arg(long, value_name = "S")]
    pub expect_signal: Option<String>,
    /// Interesting is what makes the program's output or messages contain this text
    #[arg(long, value_name = "TEXT")]
    pub expect_text: Option<String>,
    /// Seconds for each run, 60 unless said; a run that takes longer is not interesting
    #[arg(long, value_name = "S")]
    pub timeout: Option<String>,
    /// Runs at most, 100000 unless said; the best result so far is written then
    #[arg(long, value_name = "N")]
    pub limit: Option<String>,
    /// How progress is shown on standard error
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub progress: ProgressWhen,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
    /// The program, and its arguments; {} in them stands for the candidate's path, which else
    /// comes last
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,
}
