//! `opt --print scalar`.

use crate::args::ScalarArgs;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_driver::scalar::{CostModel, ScalarOptions, scalar};
use ceg4n_driver::{Failure, Loaded};

/// The graph, after its sizes where they are asked for.
pub(super) fn print(loaded: Loaded, args: &ScalarArgs, stats: bool) -> Result<String, Failure> {
    let Some(cost) = CostModel::from_name(&args.cost) else {
        let text = format!("there is no cost model `{}`", args.cost);
        let help = "smt, cycles:TARGET or flash:TARGET; targets are those of compile --target";
        return Err(Diagnostic::error(codes::USAGE, text).help(help).into());
    };
    let options = ScalarOptions {
        cost,
        rewrite: !args.no_rewrite,
    };
    match scalar(&loaded, &options) {
        Ok((text, sizes)) if stats => Ok(sizes + &text),
        Ok((text, _)) => Ok(text),
        Err(e) => Err(loaded.fail(e)),
    }
}
