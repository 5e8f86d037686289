//! `--progress json`: a JSON object a line.

use ceg4n_driver::Live;
use serde::Serialize;
use std::time::Duration;

/// What is told by the clock, between the events of the command.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Clocked {
    /// Numbers that changed since they were told last.
    Live {
        /// Boxes open in the regions being decided.
        open_boxes: u64,
        /// Boxes looked at so far.
        boxes: u64,
        /// Candidates evaluated on points so far.
        candidates: u64,
        /// Cheaper assignments gone through so far.
        assignments: u64,
    },
    /// The command was asked to stop and will, with what it has.
    Stopping,
}

impl Clocked {
    pub(crate) fn counts(live: &Live) -> Self {
        Self::Live {
            open_boxes: live.open_boxes(),
            boxes: live.boxes(),
            candidates: live.candidates(),
            assignments: live.assignments(),
        }
    }
}

/// An event, and the seconds since the display began.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(flatten)]
    event: &'a T,
    seconds: f64,
}

/// The line of an event, with its end.
pub(crate) fn line(event: &impl Serialize, now: Duration) -> String {
    let seconds = (now.as_secs_f64() * 1e3).round() / 1e3;
    let line = serde_json::to_string(&Line { event, seconds });
    // Events are flat objects with text keys, which can always be written.
    line.map_or(String::new(), |l| l + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clock_tells_is_documented() {
        let page = include_str!("../../../../book/src/progress.md");
        let time = Duration::from_micros(1_234_567);
        let live = line(&Clocked::counts(&Live::default()), time);
        let counts = r#""open_boxes":0,"boxes":0,"candidates":0,"assignments":0"#;
        let written = format!(r#"{{"event":"live",{counts},"seconds":1.235}}"#);
        assert_eq!(live, written + "\n");
        assert!(page.contains("| `live` | `open_boxes`, `boxes`, `candidates`, `assignments` |"));
        let stopping = line(&Clocked::Stopping, time);
        assert_eq!(stopping, "{\"event\":\"stopping\",\"seconds\":1.235}\n");
        assert!(page.contains("| `stopping` | |"));
    }
}
