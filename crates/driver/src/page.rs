//! `report`: the page of a report that was written before.

use crate::Failure;
use crate::output::list_in_manifest;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_report::{Report, html};
use std::path::{Path, PathBuf};

/// The page's name beside a report.
const PAGE: &str = "report.html";

/// What is to be shown.
#[derive(Clone, Debug, Default)]
pub struct PageOptions {
    /// An output folder of `compile`, or a `report.json`.
    pub report: PathBuf,
    /// The file to write; `report.html` beside the report if absent.
    pub output: Option<PathBuf>,
}

/// The page of a report, as text.
///
/// # Errors
/// [`codes::FILE_READ`] for what is no report.
pub fn page(report: &Path) -> Result<String, Failure> {
    let file = json_of(report);
    let unreadable = |why: String| {
        let text = format!("cannot read {}: {why}", file.display());
        Diagnostic::error(codes::FILE_READ, text)
            .help("give the folder that `ceg4nc compile` wrote, or its report.json")
    };
    let text = std::fs::read_to_string(&file).map_err(|e| unreadable(e.to_string()))?;
    let report: Report =
        serde_json::from_str(&text).map_err(|e| unreadable(format!("no report: {e}")))?;
    Ok(html(&report))
}

/// Writes the page of a report; returns its place.
///
/// # Errors
/// As [`page`]; [`codes::FILE_WRITE`] where the page cannot be written, which then leaves what stood
/// there as it was.
pub fn write(options: &PageOptions) -> Result<PathBuf, Failure> {
    let text = page(&options.report)?;
    let beside = || json_of(&options.report).with_file_name(PAGE);
    let place = options.output.clone().unwrap_or_else(beside);
    let cannot = |e: std::io::Error| {
        let text = format!("cannot write {}: {e}", place.display());
        Diagnostic::error(codes::FILE_WRITE, text).help("choose another file with -o")
    };
    // Beside its place and then renamed, so that a page is whole or is not there.
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let partial = place.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let written = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, &place));
    if let Err(e) = written {
        let _ = std::fs::remove_file(&partial);
        return Err(cannot(e).into());
    }
    if options.output.is_none() {
        // A later run may replace the folder, this page with it.
        list_in_manifest(place.parent().unwrap_or(Path::new("")), PAGE)?;
    }
    Ok(place)
}

fn json_of(report: &Path) -> PathBuf {
    match report.is_dir() {
        true => report.join("report.json"),
        false => report.to_owned(),
    }
}
