//! The options of `rules`.

use super::{Reader, positive};
use crate::args::RulesArgs;
use ceg4n_base::Diagnostics;
use ceg4n_driver::rules::RulesOptions;

/// The options of `rules`.
///
/// # Errors
/// [`ceg4n_base::codes::USAGE`].
pub fn rules(args: &RulesArgs) -> Result<RulesOptions, Diagnostics> {
    let mut r = Reader::default();
    for (name, given) in [
        ("effort", args.effort.is_some()),
        ("jobs", args.jobs.is_some()),
        ("solver", args.solver.is_some()),
    ] {
        r.conflict(args.list && given, name, "--list proves nothing");
    }
    let default = RulesOptions::default();
    let options = RulesOptions {
        folder: args.rules.clone(),
        names: args.names.clone(),
        effort: r
            .option("effort", args.effort.as_deref(), positive)
            .unwrap_or(default.effort),
        jobs: r
            .option("jobs", args.jobs.as_deref(), positive)
            .unwrap_or(default.jobs),
        solver: args.solver.clone().unwrap_or(default.solver),
    };
    r.errors.or(options)
}
