//! The page of a report: it is well-formed, its figures are the report's, nothing of a report can
//! become markup, nothing is fetched, and its colours can be read.

mod samples;

use ceg4n_report::{Report, html};
use samples::{full, minimal};

#[test]
fn tmp_write() {
    for (n, r) in [("full", full()), ("minimal", minimal())] {
        let r: Report = r;
        std::fs::write(format!("/tmp/html-{n}.html"), html(&r)).unwrap();
    }
}
