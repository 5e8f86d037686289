//! Arguments of `runs` and `diff`.

use super::FormatArgs;
use clap::Args;
use std::path::PathBuf;

/// `runs`.
#[derive(Args, Debug)]
pub struct RunsArgs {
    /// An output folder of compile, or a folder that holds such
    pub folder: PathBuf,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// `diff`.
#[derive(Args, Debug)]
pub struct DiffArgs {
    /// An output folder, a report.json, or a run of a folder as DIR#RUN
    pub a: String,
    /// Another one
    pub b: String,
    /// Show what is the same too
    #[arg(long)]
    pub all: bool,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}
