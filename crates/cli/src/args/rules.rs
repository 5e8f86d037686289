//! The options of `rules`.

use super::{FormatArgs, ProgressWhen};
use clap::Args;
use std::path::PathBuf;

/// `rules`.
#[derive(Args, Debug)]
pub struct RulesArgs {
    /// Only the rules with these names
    #[arg(value_name = "RULE")]
    pub names: Vec<String>,
    /// A folder of rule files instead of the shipped ones
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// List the rules and prove nothing
    #[arg(long)]
    pub list: bool,
    /// A factor on the counted budgets
    #[arg(long, value_name = "N")]
    pub effort: Option<String>,
    /// Threads; no result depends on it
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<String>,
    /// embedded, z3, cvc5, bitwuzla, or the path of an SMT-LIB 2 program
    #[arg(long, value_name = "SOLVER")]
    pub solver: Option<String>,
    /// Simplify this expression instead: what becomes of it, and which rules that takes
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true, conflicts_with_all = ["list", "effort", "jobs", "solver"])]
    pub simplify: Option<String>,
    /// The range of a variable of --simplify: x=-8..7, both ends included, x=-8..4 step 4, or
    /// p=truth
    #[arg(
        long,
        value_name = "RANGE",
        requires = "simplify",
        allow_hyphen_values = true
    )]
    pub range: Vec<String>,
    /// What decides between equal expressions: smt, cycles:TARGET, flash:TARGET
    #[arg(long, value_name = "MODEL", requires = "simplify")]
    pub cost: Option<String>,
    /// How progress is shown on standard error
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub progress: ProgressWhen,
    /// How results are printed.
    #[command(flatten)]
    pub format: FormatArgs,
}
