//! The options of `explain`.

use super::{Reader, Refusal, expected, positive, version};
use crate::args::ExplainArgs;
use ceg4n_base::Diagnostics;
use ceg4n_driver::explain::ExplainOptions;
use ceg4n_driver::options::Budget;

/// The options of `explain`.
///
/// # Errors
/// [`ceg4n_base::codes::USAGE`].
pub fn explain(args: &ExplainArgs) -> Result<ExplainOptions, Diagnostics> {
    let mut r = Reader::default();
    for (name, given) in [
        ("version", args.version.is_some()),
        ("counterexample", args.counterexample.is_some()),
    ] {
        r.conflict(
            args.recheck && given,
            name,
            "--recheck looks at all of them",
        );
    }
    let jobs = r.option("jobs", args.jobs.as_deref(), positive);
    let options = ExplainOptions {
        folder: args.folder.clone(),
        version: r.option("version", args.version.as_deref(), version),
        counterexample: r.option("counterexample", args.counterexample.as_deref(), place),
        jobs: jobs.unwrap_or(Budget::default().jobs),
    };
    r.errors.or(options)
}

fn place(text: &str) -> Result<usize, Refusal> {
    text.parse()
        .or_else(|_| expected("the place of a stored point, counted from 0"))
}
