//! `opt --print scalar`.

use crate::args::ScalarArgs;
use crate::translate;
use ceg4n_driver::scalar::{ScalarOptions, scalar};
use ceg4n_driver::{Failure, Loaded};

/// The graph, after its sizes where they are asked for.
pub(super) fn print(loaded: Loaded, args: &ScalarArgs, stats: bool) -> Result<String, Failure> {
    let cost = translate::cost_model(args.cost.as_deref())?;
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
