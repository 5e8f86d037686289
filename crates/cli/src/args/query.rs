//! What belongs to VNN-LIB queries, as clap sees it.

use super::{BudgetArgs, FormatArgs};
use clap::{ArgGroup, Args};
use std::path::PathBuf;

/// What `verify` is told about a query.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Options of a VNN-LIB query")]
pub struct QueryArgs {
    /// The file (.onnx, .onnx.gz or .nnir) of a network that the query declares
    #[arg(long, value_name = "NAME=FILE")]
    pub network: Vec<String>,
    /// Seconds that the work may take
    #[arg(long, value_name = "S")]
    pub timeout: Option<String>,
    /// Write a satisfying assignment into this folder, as an ONNX tensor NAME.pb per variable,
    /// instead of printing it
    #[arg(long, value_name = "DIR")]
    pub serialise_assignments: Option<PathBuf>,
    /// declared: float32 networks in single precision; real: all in exact arithmetic
    #[arg(long, value_name = "KIND")]
    pub arithmetic: Option<String>,
    /// Attack an unsat answer with so many random points
    #[arg(long, value_name = "N")]
    pub check_samples: Option<String>,
}

/// `bench instances`.
#[derive(Args, Debug)]
pub struct BenchInstancesArgs {
    /// A file of lines `net.onnx,query.vnnlib,seconds` or
    /// `"[('f', 'a.onnx'), ('g', 'b.onnx')]",query.vnnlib,seconds`
    pub list: PathBuf,
    /// Write the table as instances.json and every assignment into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// declared: float32 networks in single precision; real: all in exact arithmetic
    #[arg(long, value_name = "KIND")]
    pub arithmetic: Option<String>,
    /// Attack every unsat answer with so many random points
    #[arg(long, value_name = "N")]
    pub check_samples: Option<String>,
    /// Limits, seed and solver; --time-limit is the most seconds of a row.
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// `supports`: one capability of the VNN-LIB standard.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("capability").required(true).args([
    "onnx_opset_versions", "onnx_element_types", "onnx_operators", "onnx_operators_unsat_proofs",
    "vnnlib_versions", "hidden_node_theories", "multiple_input_output_theories",
    "multiple_network_theories", "multiple_node_comparison_theories",
    "arithmetic_complexity_theories", "optimised_disjunctive_reasoning", "serialise_assignments",
    "unsat_proofs",
]))]
pub struct SupportsArgs {
    /// The least and the greatest ONNX operator set version
    #[arg(long)]
    pub onnx_opset_versions: bool,
    /// Element types of tensors
    #[arg(long)]
    pub onnx_element_types: bool,
    /// ONNX operators
    #[arg(long)]
    pub onnx_operators: bool,
    /// ONNX operators for which proofs of unsat are written
    #[arg(long)]
    pub onnx_operators_unsat_proofs: bool,
    /// The least and the greatest version of queries
    #[arg(long)]
    pub vnnlib_versions: bool,
    /// Are values of inner nodes supported
    #[arg(long)]
    pub hidden_node_theories: bool,
    /// Are several inputs and outputs of a network supported
    #[arg(long, alias = "multiple-inputs-output-theories")]
    pub multiple_input_output_theories: bool,
    /// Are several networks supported
    #[arg(long)]
    pub multiple_network_theories: bool,
    /// Are comparisons between nodes of a network supported
    #[arg(long)]
    pub multiple_node_comparison_theories: bool,
    /// How complex constraints may be
    #[arg(long)]
    pub arithmetic_complexity_theories: bool,
    /// Are disjunctions more than a disjunctive normal form
    #[arg(long)]
    pub optimised_disjunctive_reasoning: bool,
    /// Are assignments written as ONNX tensors
    #[arg(long)]
    pub serialise_assignments: bool,
    /// Are proofs of unsat written
    #[arg(long)]
    pub unsat_proofs: bool,
}
