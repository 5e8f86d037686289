//! What `opt --print scalar` takes.

use clap::Args;

/// How the expression graph of a kernel is made.
#[derive(Args, Debug)]
pub struct ScalarArgs {
    /// What decides between equal expressions of --print scalar: smt, cycles:TARGET, flash:TARGET
    #[arg(long, value_name = "MODEL")]
    pub cost: Option<String>,
    /// Print the graph as lowered, without the rules
    #[arg(long)]
    pub no_rewrite: bool,
}
