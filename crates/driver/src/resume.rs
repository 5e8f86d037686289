//! Finding the run of an output folder that can go on.

use crate::record::told;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_report::Report;
use ceg4n_store::{FILE, RunRow, RunState, read_runs};
use std::path::Path;

/// What the last run of a folder is.
#[derive(Debug)]
pub enum Last {
    /// It has its result.
    Finished(Box<Report>),
    /// It can go on: [`crate::options::StoreOptions::resume`] takes its number.
    Unfinished(Box<RunRow>),
}

/// The last run of an output folder.
///
/// # Errors
/// No store, one that cannot be read, or no run in it.
pub fn last(folder: &Path) -> Result<Last, Diagnostic> {
    crate::replace::recover(folder);
    if !folder.join(FILE).is_file() {
        let text = format!(
            "{} has no {FILE}: there is no run to go on with",
            folder.display()
        );
        return Err(Diagnostic::error(codes::STORE, text)
            .help("give the output folder of a run of `ceg4nc compile`"));
    }
    let runs = read_runs(folder).map_err(|e| told(&e))?;
    let Some(run) = runs.into_iter().next_back() else {
        let text = format!("{} holds no run", folder.join(FILE).display());
        return Err(Diagnostic::error(codes::STORE, text).help("begin one without --resume"));
    };
    let report = match (run.state, &run.report) {
        (RunState::Finished, Some(text)) => serde_json::from_str(text).ok(),
        _ => None,
    };
    Ok(match report {
        Some(report) => Last::Finished(Box::new(report)),
        None => Last::Unfinished(Box::new(run)),
    })
}
