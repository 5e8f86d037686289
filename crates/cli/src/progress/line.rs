//! Progress as text: the parts of a line, and the line of an event.

use crate::render::count;
use ceg4n_driver::Event;
use std::time::Duration;

/// How much a part matters; where there is little room the last ones go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Stage,
    Time,
    Pieces,
    Best,
    Iteration,
    Title,
    Left,
    Points,
    Boxes,
    Tried,
    Formats,
}

/// A part of a line.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) rank: Rank,
    pub(crate) text: String,
}

/// The line with all its parts.
pub(crate) fn whole(parts: Vec<Part>) -> String {
    let mut line = String::new();
    for part in parts {
        // The time belongs to the stage.
        let gap = match part.rank {
            _ if line.is_empty() => "",
            Rank::Time => " ",
            _ => ", ",
        };
        line.push_str(gap);
        line.push_str(&part.text);
    }
    line
}

/// What the line says but for the time that passes.
pub(crate) fn without_time(parts: &[Part]) -> String {
    let timeless = |p: &&Part| !matches!(p.rank, Rank::Time | Rank::Left);
    whole(parts.iter().filter(timeless).cloned().collect())
}

/// The line in so many columns: the parts that matter least are left out.
pub(crate) fn fit(mut parts: Vec<Part>, columns: usize) -> String {
    loop {
        let line = whole(parts.clone());
        if line.chars().count() <= columns {
            return line;
        }
        let last = parts.iter().enumerate().max_by_key(|(_, p)| p.rank);
        match last.map(|(i, _)| i) {
            Some(i) if parts.len() > 1 => drop(parts.remove(i)),
            _ => return line.chars().take(columns).collect(),
        }
    }
}

/// A time as minutes and seconds, with hours where there are any.
pub(crate) fn clock(time: Duration) -> String {
    let s = time.as_secs();
    let (hours, minutes, seconds) = (s / 3600, s / 60 % 60, s % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A number in groups of three digits.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// What `--verbose` says of an event.
pub(crate) fn of_event(event: &Event) -> Option<String> {
    let told = match event {
        Event::Started { .. } | Event::Finished { .. } => return None,
        Event::Stage { stage, detail, of } => {
            let n = of.map_or(String::new(), |n| format!(" ({n})"));
            format!("{}: {detail}{n}", stage.name())
        }
        Event::Loaded {
            name,
            inputs,
            outputs,
            parameters,
            regions,
        } => format!(
            "@{name}: {}, {}, {}, {}",
            count(*inputs, "input"),
            count(*outputs, "output"),
            count(*parameters, "parameter"),
            count(*regions, "region")
        ),
        Event::Labelled {
            id,
            label,
            done,
            of,
        } => {
            format!("  [{done}/{of}] {id:?} {label}")
        }
        Event::Guided {
            formats,
            round,
            before,
            after,
            held,
            of,
            moved,
        } => format!(
            "guided: {formats}, round {round}: objective {before:.4} to {after:.4}, {held} of {of} regions hold at the worst points, {moved} mantissas moved"
        ),
        Event::Candidate {
            version,
            formats,
            guided,
            cost,
        } => {
            let guided = if *guided { ", guided" } else { "" };
            format!("candidate v{version}: {formats}{guided}, cost {cost}")
        }
        Event::Region {
            id,
            requirement,
            verdict,
            method,
            reason,
            done,
            of,
        } => {
            let why = method.as_deref().or(reason.as_deref());
            let why = why.map_or(String::new(), |w| format!(" ({w})"));
            format!("  [{done}/{of}] {id:?} {verdict}: {requirement}{why}")
        }
        Event::Iteration {
            version,
            ended,
            candidates,
            counterexamples,
            best,
            best_cost,
        } => {
            let best = best.zip(*best_cost);
            let best = best.map_or(String::new(), |(v, c)| format!("; best v{v}, cost {c}"));
            let tried = usize::try_from(*candidates).unwrap_or(usize::MAX);
            let tried = count(tried, "candidate");
            let points = count(*counterexamples, "counterexample");
            format!("v{version} {ended}: {tried}, {points}{best}")
        }
        Event::Rule {
            name,
            verdict,
            done,
            of,
        } => format!("  [{done}/{of}] {name} {verdict}"),
        Event::Row {
            name,
            result,
            done,
            of,
        } => format!("[{done}/{of}] {name}: {result}"),
        Event::Reduced { what, bytes, runs } => format!("{what}: {bytes} bytes after {runs} runs"),
        Event::Note { text } => text.clone(),
        Event::Written { path, complete } => {
            let so_far = if *complete { "" } else { ", the best so far" };
            format!("written to {path}{so_far}")
        }
    };
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(rank: Rank, text: &str) -> Part {
        Part {
            rank,
            text: text.to_owned(),
        }
    }

    fn parts() -> Vec<Part> {
        vec![
            part(Rank::Stage, "search"),
            part(Rank::Time, "0:12"),
            part(Rank::Iteration, "v7"),
            part(Rank::Formats, "w 4,4 b 8,8 a 6,6"),
            part(Rank::Pieces, "12 of 150"),
            part(Rank::Best, "best cost 320"),
        ]
    }

    #[test]
    fn what_matters_least_gives_way() {
        let line = whole(parts());
        assert_eq!(
            line,
            "search 0:12, v7, w 4,4 b 8,8 a 6,6, 12 of 150, best cost 320"
        );
        assert_eq!(fit(parts(), line.len()), line);
        assert_eq!(
            fit(parts(), 50),
            "search 0:12, v7, 12 of 150, best cost 320"
        );
        assert_eq!(fit(parts(), 37), "search 0:12, 12 of 150, best cost 320");
        assert_eq!(fit(parts(), 11), "search 0:12");
        assert_eq!(fit(parts(), 3), "sea");
        assert_eq!(fit(parts(), 0), "");
        assert_eq!(fit(Vec::new(), 10), "");
    }

    #[test]
    fn times_and_numbers_are_easy_to_read() {
        let clocks = [0, 59, 61, 3599, 3600, 90_061].map(|s| clock(Duration::from_secs(s)));
        assert_eq!(
            clocks,
            ["0:00", "0:59", "1:01", "59:59", "1:00:00", "25:01:01"]
        );
        let numbers = [0, 999, 1000, 12_345_678].map(thousands);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345,678"]);
    }
}
