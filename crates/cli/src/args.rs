//! What can be typed: the commands and their options, as clap sees them.
//!
//! Values stay texts here; [`crate::translate`] gives them types, so that several mistakes are
//! reported at once and under diagnostic codes. Options and commands that are planned but not
//! built are recognised and refused, never ignored; they are hidden from the help.

mod bench_compile;
mod global;
mod query;
mod reduce;
mod report;
mod rules;
mod runs;
mod scalar;

pub use bench_compile::{BenchCompileArgs, BenchDataArgs, TableFormat};
pub use global::{ColorWhen, CompletionsArgs, DoctorArgs, EXIT_CODES, GlobalArgs, ManArgs};
pub use query::{BenchInstancesArgs, QueryArgs, SupportsArgs};
pub use reduce::ReduceArgs;
pub use report::ReportArgs;
pub use rules::RulesArgs;
pub use runs::{DiffArgs, RunsArgs};
pub use scalar::ScalarArgs;

use crate::translate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Compiles a neural network to fixed-point code that is proved to give the same answers.
#[derive(Parser, Debug)]
#[command(name = "ceg4nc", arg_required_else_help = true)]
#[command(after_help = global::after_help())]
pub struct Cli {
    /// Print the name of the program
    #[arg(long, exclusive = true)]
    pub name: bool,
    /// Print its version
    #[arg(long, short = 'V', exclusive = true)]
    pub version: bool,
    /// How the call speaks.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Search formats, verify them and write the kernel: the whole loop
    Compile(Box<CompileArgs>),
    /// Parse and type-check, print a summary
    Check(CheckArgs),
    /// Turn an ONNX model into a .nnir file
    Import(ImportArgs),
    /// Run named passes and print the IR
    Opt(OptArgs),
    /// Decide the requirements of an annotated network, or a VNN-LIB query
    Verify(Box<VerifyArgs>),
    /// Evaluate reference and kernel on inputs
    Run(RunArgs),
    /// Print a region's question as an SMT-LIB 2 script
    Smt(SmtArgs),
    /// Measure on a folder of networks and regions
    Bench(BenchArgs),
    /// Tell why a compile ended as it did, from its output folder
    Explain(ExplainArgs),
    /// Write the page of a report again
    Report(ReportArgs),
    /// Check that everything needed works, and list the optional programs found
    Doctor(DoctorArgs),
    /// Print a script that completes commands and options in a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for every command
    Man(ManArgs),
    /// Prove the rewrite rules
    Rules(RulesArgs),
    /// Make a network that a command fails on small
    Reduce(Box<ReduceArgs>),
    /// List the runs of an output folder
    Runs(RunsArgs),
    /// Compare two results: formats, cost, verdicts
    Diff(DiffArgs),
    /// List what queries and networks a solver of VNN-LIB queries supports
    Supports(SupportsArgs),
}

impl Command {
    /// Keeps the words of the command line where a report states them; the program's own path is
    /// no part of what was asked.
    pub(crate) fn set_typed(&mut self, args: &[OsString]) {
        if let Self::Compile(compile) = self {
            let words = args
                .iter()
                .skip(1)
                .map(|a| a.to_string_lossy().into_owned());
            compile.typed = std::iter::once("ceg4nc".to_owned()).chain(words).collect();
        }
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people; numbers are shortened.
    #[default]
    Text,
    /// For programs; numbers are exact decimals in strings.
    Json,
}

/// How progress is shown on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressWhen {
    /// A line that is redrawn on a terminal, a line every few seconds elsewhere.
    #[default]
    Auto,
    /// Not at all.
    Never,
    /// A JSON object for each event.
    Json,
}

/// `--format`.
#[derive(Args, Debug)]
pub struct FormatArgs {
    /// How results are printed; json numbers are exact
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Regions and requirement.
#[derive(Args, Debug, Default)]
pub struct QuestionArgs {
    /// A JSON list of regions {id, lower_bounds, upper_bounds, x?}, a VNN-LIB file, or a data set
    /// (.csv, .npy, .npz, idx, .safetensors, a folder of images) with --radius; replaces the
    /// regions of the network's file
    #[arg(long, value_name = "FILE")]
    pub regions: Vec<PathBuf>,
    /// Around each row of a data set: how far every input may move
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    pub radius: Option<String>,
    /// Cut the regions of a data set to this range
    #[arg(long, value_name = "LO:HI", allow_hyphen_values = true)]
    pub clip: Option<String>,
    /// Only these rows of a data set, counted from 0, without row B
    #[arg(long, value_name = "A..B")]
    pub rows: Option<String>,
    /// Of these rows at most so many, evenly chosen
    #[arg(long, value_name = "N")]
    pub samples: Option<String>,
    /// Only rows that the network gives the class of their label in --region-labels
    #[arg(long)]
    pub only_correct: bool,
    /// The classes of the rows of a data set in --regions: a file, column:NAME of a csv file, or
    /// `folders` for images in one folder per class
    #[arg(long, value_name = "FILE")]
    pub region_labels: Option<String>,
    /// The range that stored bytes 0 to 255 stand for: 0:1, 0:255 or -1:1
    #[arg(long, value_name = "LO:HI", allow_hyphen_values = true)]
    pub pixels: Option<String>,
    /// Keep only the regions of this radius
    #[arg(long, value_name = "R")]
    pub ball_size: Vec<String>,
    /// Keep only the region with this id
    #[arg(long, value_name = "ID")]
    pub region: Vec<String>,
    /// What must hold: top1, top1:margin=M, topk=K, eps=E or spec=FILE.vnnlib; replaces the file's
    /// requirements
    #[arg(long, value_name = "PROPERTY")]
    pub require: Option<String>,
    /// Which inputs of a region count: real or grid:FORMAT
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// The arithmetic of the reference: real or f32
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    pub reference: Option<String>,
}

/// Limits, seed and solver.
#[derive(Args, Debug, Default)]
pub struct BudgetArgs {
    /// A factor on the counted budgets, which decide results
    #[arg(long, value_name = "N")]
    pub effort: Option<String>,
    /// Seconds for the whole command; a limit that is hit is reported
    #[arg(long, value_name = "S")]
    pub time_limit: Option<String>,
    /// Seconds for each region
    #[arg(long, value_name = "S")]
    pub region_time_limit: Option<String>,
    /// MiB that the program may use while it decides, and a solver process
    #[arg(long, value_name = "MIB")]
    pub memory_limit: Option<String>,
    /// Threads; no result depends on it
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<String>,
    /// Of everything random
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// The solver of leaves.
    #[arg(long, value_name = "SOLVER", help = translate::solver_help())]
    pub solver: Option<String>,
    /// How progress is shown on standard error
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub progress: ProgressWhen,
}

/// Data and demands on them.
#[derive(Args, Debug, Default)]
pub struct DataArgs {
    /// Inputs to measure on: .csv, .npy, .npz:ARRAY, idx, .safetensors:TENSOR or a folder of images
    #[arg(long, value_name = "FILE")]
    pub data: Option<String>,
    /// Their classes, counted from 0: a file, column:NAME of a csv file of data (a name, a number
    /// from 0, or `last`), or `folders` for images in one folder per class
    #[arg(long, value_name = "FILE")]
    pub labels: Option<String>,
    /// Which rows of the data are for calibration, counted from 0, without row B
    #[arg(long, value_name = "A..B")]
    pub data_rows: Option<String>,
    /// Inputs of a test; nothing is fitted to them
    #[arg(long, value_name = "FILE")]
    pub test_data: Option<String>,
    /// Their classes
    #[arg(long, value_name = "FILE")]
    pub test_labels: Option<String>,
    /// Which rows are for the test: of --test-data, or of --data
    #[arg(long, value_name = "A..B")]
    pub test_rows: Option<String>,
    /// Share of the test rows (without a test, of all) that the kernel must get right: 0.95 or 95%
    #[arg(long, value_name = "A")]
    pub min_accuracy: Option<String>,
    /// How much less than the network it may get right: 0.005 or 0.5% of the rows
    #[arg(long, value_name = "D")]
    pub max_accuracy_drop: Option<String>,
    /// Share of the rows on which it must have the network's class
    #[arg(long, value_name = "A")]
    pub min_agreement: Option<String>,
}

/// Where the reference changes class.
#[derive(Args, Debug, Default)]
pub struct BoundaryArgs {
    /// Under top1, where the reference itself changes class: margin or refute
    #[arg(long, value_name = "RULE")]
    pub boundary: Option<String>,
    /// The margin asked for there
    #[arg(long, value_name = "M")]
    pub boundary_margin: Option<String>,
}

/// `compile`.
#[derive(Args, Debug)]
pub struct CompileArgs {
    /// A .nnir or .onnx file
    #[arg(required_unless_present = "resume")]
    pub net: Option<PathBuf>,
    /// Go on with the last run of this output folder, which was interrupted or killed
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// Keep no run.sqlite in the output folder: the run cannot go on if it is interrupted
    #[arg(long)]
    pub no_store: bool,
    /// The folder to write, NAME.ceg4n by default
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Regions and requirement.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// Where the reference changes class.
    #[command(flatten)]
    pub boundary: BoundaryArgs,
    /// Data and demands on them.
    #[command(flatten)]
    pub data: DataArgs,
    /// half-up, half-even or floor
    #[arg(long, value_name = "RULE")]
    pub rounding: Option<String>,
    /// auto, uniform:W:A, uniform8, uniform-min, gpfq or ceg4n
    #[arg(long, value_name = "PRESET")]
    pub preset: Option<String>,
    /// auto, greedy, exact or nsga2
    #[arg(long, value_name = "STRATEGY")]
    pub strategy: Option<String>,
    /// What is made small: weight-bits, flash, bitops or cycles
    #[arg(long, value_name = "COST")]
    pub cost: Option<String>,
    /// What shares a scale: tensor or channel
    #[arg(long, value_name = "WHAT")]
    pub granularity: Option<String>,
    /// Look for a front of cost against accuracy; writes pareto.svg
    #[arg(long)]
    pub pareto: bool,
    /// Weight widths of the search, within 2..16
    #[arg(long, value_name = "MIN..MAX")]
    pub weight_bits: Option<String>,
    /// Activation widths of the search, within 4..24
    #[arg(long, value_name = "MIN..MAX")]
    pub activation_bits: Option<String>,
    /// The backends.
    #[arg(long, value_name = "LIST", value_delimiter = ',', help = translate::emit_help())]
    pub emit: Vec<String>,
    /// The prefix of C and Rust names
    #[arg(long, value_name = "P")]
    pub prefix: Option<String>,
    /// The processor: generic, cortex-m0, cortex-m4, avr
    #[arg(long, value_name = "T")]
    pub target: Option<String>,
    /// What the kernel's loops are made for: auto, size, speed, unrolled
    #[arg(long, value_name = "FORM")]
    pub kernel: Option<String>,
    /// The most bytes of flash that the C kernel may take
    #[arg(long, value_name = "B")]
    pub max_flash: Option<String>,
    /// The most bytes of memory that the C kernel may take
    #[arg(long, value_name = "B")]
    pub max_ram: Option<String>,
    /// Write ACSL contracts into the C
    #[arg(long)]
    pub acsl: bool,
    /// Write the kernel without rewriting it, to see what that is worth
    #[arg(long)]
    pub no_rewrite: bool,
    /// Start from this version of the file
    #[arg(long, value_name = "K")]
    pub ir_version: Option<String>,
    /// Limits, seed and solver.
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
    /// The words that were typed, for the report and the store.
    #[arg(skip)]
    pub typed: Vec<String>,
}

/// `verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// An annotated .nnir file, or a VNN-LIB query (.vnnlib, .vnnlib.gz)
    pub net: PathBuf,
    /// Of a query.
    #[command(flatten)]
    pub query: QueryArgs,
    /// Regions and requirement.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// Where the reference changes class.
    #[command(flatten)]
    pub boundary: BoundaryArgs,
    /// Data and demands on them.
    #[command(flatten)]
    pub data: DataArgs,
    /// half-up, half-even or floor; overrides the version's
    #[arg(long, value_name = "RULE")]
    pub rounding: Option<String>,
    /// The version to decide, the last one by default
    #[arg(long, value_name = "K")]
    pub ir_version: Option<String>,
    /// Another network as the reference
    #[arg(long, value_name = "REF")]
    pub against: Option<PathBuf>,
    /// Limits, seed and solver.
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// A .nnir or .onnx file
    pub net: PathBuf,
    /// Regions and requirement.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// `import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The ONNX model
    pub net: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "NET.nnir")]
    pub output: PathBuf,
    /// Regions and requirement.
    #[command(flatten)]
    pub question: QuestionArgs,
}

/// How `opt` prints the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Print {
    /// As .nnir.
    #[default]
    Ir,
    /// As a Graphviz graph.
    Dot,
    /// The kernel of the last version as one expression graph, rewritten.
    Scalar,
}

/// `opt`.
#[derive(Args, Debug)]
pub struct OptArgs {
    /// A .nnir or .onnx file
    #[arg(required_unless_present = "list_passes")]
    pub net: Option<PathBuf>,
    /// Passes and pipelines in order: a,b:PARAMETER,c
    #[arg(long, value_name = "LIST")]
    pub passes: Option<String>,
    /// What is printed
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub print: Print,
    /// Print after every pass
    #[arg(long)]
    pub print_after_all: bool,
    /// List the passes and pipelines
    #[arg(long)]
    pub list_passes: bool,
    /// Check every pass's result: by exact evaluation on sample points, and what it keeps of versions by native code and, if they are small, by a solver
    #[arg(long)]
    pub verify_each: bool,
    /// Say what each pass changed: values, parameters, bits, multiply-accumulates
    #[arg(long)]
    pub stats: bool,
    /// Say on standard error how long each pass took
    #[arg(long)]
    pub timing: bool,
    /// Write a .nnir file instead of printing
    #[arg(short, long, value_name = "NET.nnir")]
    pub output: Option<PathBuf>,
    /// Of `--print scalar`.
    #[command(flatten)]
    pub scalar: ScalarArgs,
}

/// `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// A .nnir or .onnx file
    pub net: PathBuf,
    /// JSON: an array, a list of arrays, or a region file (its centres); - is standard input; or a
    /// data set
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Only these rows of a data set, counted from 0, without row B
    #[arg(long, value_name = "A..B")]
    pub rows: Option<String>,
    /// The range that stored bytes 0 to 255 of a data set stand for: 0:1, 0:255 or -1:1
    #[arg(long, value_name = "LO:HI", allow_hyphen_values = true)]
    pub pixels: Option<String>,
    /// Show the values of every layer
    #[arg(long)]
    pub trace: bool,
    /// half-up, half-even or floor; overrides the version's
    #[arg(long, value_name = "RULE")]
    pub rounding: Option<String>,
    /// The version to run, the last one by default
    #[arg(long, value_name = "K")]
    pub ir_version: Option<String>,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// `smt`.
#[derive(Args, Debug)]
pub struct SmtArgs {
    /// An annotated .nnir file
    pub net: PathBuf,
    /// Regions and requirement.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// half-up, half-even or floor; overrides the version's
    #[arg(long, value_name = "RULE")]
    pub rounding: Option<String>,
    /// The version to ask about, the last one by default
    #[arg(long, value_name = "K")]
    pub ir_version: Option<String>,
    /// lia (QF_LIA, the default) or bv (QF_BV)
    #[arg(long, value_name = "LOGIC")]
    pub logic: Option<String>,
}

/// `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The folder that compile wrote
    pub folder: PathBuf,
    /// Check the optimality statement again, from the stored counterexamples alone
    #[arg(long)]
    pub recheck: bool,
    /// The version whose divergence from the reference is shown; the last refuted one by default
    #[arg(long, value_name = "K")]
    pub version: Option<String>,
    /// The stored point that it is shown on, counted from 0; the one that ended the version by
    /// default
    #[arg(long, value_name = "I")]
    pub counterexample: Option<String>,
    /// Threads; no result depends on it
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<String>,
    /// How the progress of --recheck is shown on standard error
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub progress: ProgressWhen,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// `bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// What is measured
    #[command(subcommand)]
    pub what: BenchCommand,
}

/// What `bench` measures.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// Decide every region of a folder under several presets, in one table
    Verify(Box<BenchVerifyArgs>),
    /// Compile every network of a folder under several presets, in one table
    Compile(Box<BenchCompileArgs>),
    /// Decide every VNN-LIB query of a competition's list, in one table
    Instances(Box<BenchInstancesArgs>),
}

/// `bench verify`.
#[derive(Args, Debug)]
pub struct BenchVerifyArgs {
    /// A folder with networks/NAME.onnx (or .nnir) and regions/NAME.json
    pub folder: PathBuf,
    /// Only this network; * stands for anything
    #[arg(long, value_name = "NAME")]
    pub network: Vec<String>,
    /// What is asked: labels (does the reference keep its class), uniform:W:A (W-bit weights,
    /// A-bit activations) or weights:W (real activations); labels and uniform:8:12 unless said
    #[arg(long, value_name = "PRESET")]
    pub preset: Vec<String>,
    /// Regions and requirement.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// Where the reference changes class.
    #[command(flatten)]
    pub boundary: BoundaryArgs,
    /// half-up, half-even or floor
    #[arg(long, value_name = "RULE")]
    pub rounding: Option<String>,
    /// Which regions choose a kernel's scales and a margin together: those of one radius, or all
    /// of the network
    #[arg(long, value_name = "WHICH")]
    pub scales: Option<String>,
    /// Decide boxes with equal bounds once per network and question
    #[arg(long)]
    pub distinct: bool,
    /// Threads that one region may use, 1 unless said; --jobs says how many regions run at a time
    #[arg(long, value_name = "N")]
    pub region_jobs: Option<String>,
    /// Print a line for every region, not only for the open ones
    #[arg(long)]
    pub each: bool,
    /// Also write a line per network, region and preset
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
    /// Limits, seed and solver.
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}
