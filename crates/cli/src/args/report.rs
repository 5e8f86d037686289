//! The options of `report`.

use clap::Args;
use std::path::PathBuf;

/// `report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// The folder that `compile` wrote, or its report.json
    #[arg(value_name = "DIR")]
    pub report: PathBuf,
    /// The file to write, `-` for standard output; report.html beside the report by default
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
