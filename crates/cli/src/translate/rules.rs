//! The options of `rules`, and cost models.

use super::{Reader, positive};
use crate::args::RulesArgs;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_driver::rules::RulesOptions;
use ceg4n_driver::scalar::CostModel;

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

/// The cost model of a name; that of formulas without one.
///
/// # Errors
/// [`ceg4n_base::codes::USAGE`].
pub fn cost_model(name: Option<&str>) -> Result<CostModel, Diagnostics> {
    let name = name.unwrap_or("smt");
    CostModel::from_name(name).ok_or_else(|| {
        let text = format!("there is no cost model `{name}`");
        let help = "smt, cycles:TARGET or flash:TARGET; targets are those of compile --target";
        Diagnostic::error(codes::USAGE, text).help(help).into()
    })
}
