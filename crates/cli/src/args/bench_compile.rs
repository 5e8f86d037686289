//! `bench compile`, as clap sees it.

use super::{BoundaryArgs, BudgetArgs, QuestionArgs};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How the table is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: everything.
    Json,
    /// The tables of the text as Markdown.
    Markdown,
}

/// `bench compile`.
#[derive(Args, Debug)]
pub struct BenchCompileArgs {
    /// A folder with networks/NAME.onnx (or .nnir) and regions/NAME.json
    pub folder: PathBuf,
    /// The folder of finished rows and their kernels; without it nothing is kept
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Only this network; * stands for anything
    #[arg(long, value_name = "NAME")]
    pub network: Vec<String>,
    /// What is compared: uniform8, uniform-min, gpfq, ceg4n, auto (these unless said) or uniform:W:A
    #[arg(long, value_name = "PRESET")]
    pub preset: Vec<String>,
    /// Compute rows that are stored already
    #[arg(long)]
    pub rerun: bool,
    /// Regions and requirement.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// What must hold of the networks that NAME fits; * stands for anything
    #[arg(long, value_name = "NAME=PROPERTY")]
    pub require_for: Vec<String>,
    /// Where the reference changes class.
    #[command(flatten)]
    pub boundary: BoundaryArgs,
    /// Data and demands on them.
    #[command(flatten)]
    pub data: BenchDataArgs,
    /// half-up, half-even or floor
    #[arg(long, value_name = "RULE")]
    pub rounding: Option<String>,
    /// How auto searches: auto, greedy, exact or nsga2
    #[arg(long, value_name = "STRATEGY")]
    pub strategy: Option<String>,
    /// What is made small: weight-bits, flash, bitops or cycles
    #[arg(long, value_name = "COST")]
    pub cost: Option<String>,
    /// Weight widths of the search, within 2..16
    #[arg(long, value_name = "MIN..MAX")]
    pub weight_bits: Option<String>,
    /// Activation widths of the search, within 4..24
    #[arg(long, value_name = "MIN..MAX")]
    pub activation_bits: Option<String>,
    /// Seconds for each row of the networks that NAME fits; --time-limit is that of all others
    #[arg(long, value_name = "NAME=S")]
    pub time_limit_for: Vec<String>,
    /// Limits of each row, seed and solver.
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: TableFormat,
}

/// Data sets and demands.
#[derive(Args, Debug, Default)]
pub struct BenchDataArgs {
    /// Inputs to measure on; repeat it for networks of other inputs: each set serves those that
    /// it fits
    #[arg(long, value_name = "FILE")]
    pub data: Vec<String>,
    /// The classes of the sets, in the order of --data
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<String>,
    /// Which rows of every set are for calibration, counted from 0, without row B
    #[arg(long, value_name = "A..B")]
    pub data_rows: Option<String>,
    /// Which rows of every set are for the test
    #[arg(long, value_name = "A..B")]
    pub test_rows: Option<String>,
    /// Share of the test rows (without a test, of all) that a kernel must get right: 0.95 or 95%
    #[arg(long, value_name = "A")]
    pub min_accuracy: Option<String>,
    /// How much less than the network it may get right: 0.005 or 0.5% of the rows
    #[arg(long, value_name = "D")]
    pub max_accuracy_drop: Option<String>,
    /// Share of the rows on which it must have the network's class
    #[arg(long, value_name = "A")]
    pub min_agreement: Option<String>,
}
