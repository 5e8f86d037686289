//! `report`: the page of a report that was written before.

use super::Done;
use crate::args::ReportArgs;
use ceg4n_driver::page::{PageOptions, page, write};

pub(super) fn report(args: &ReportArgs) -> Done {
    if args.output.as_ref().is_some_and(|o| o.as_os_str() == "-") {
        return Ok((page(&args.report)?, 0));
    }
    let place = write(&PageOptions {
        report: args.report.clone(),
        output: args.output.clone(),
    })?;
    Ok((format!("written to {}\n", place.display()), 0))
}
