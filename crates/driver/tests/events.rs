//! The events: their form as JSON, the page that documents them, and their order.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ceg4n_driver::{Event, Stage};
use std::path::Path;

/// An event of each kind, one after the other; the match fails to compile when one is missing.
fn after(event: &Event) -> Option<Event> {
    let text = || "x".to_owned();
    let (done, of) = (1, 2);
    Some(match event {
        Event::Started { .. } => Event::Stage {
            stage: Stage::Label,
            detail: text(),
            of: None,
        },
        Event::Stage { .. } => Event::Loaded {
            name: text(),
            inputs: 1,
            outputs: 1,
            parameters: 1,
            regions: 1,
        },
        Event::Loaded { .. } => Event::Labelled {
            id: text(),
            label: "keeps",
            done,
            of,
        },
        Event::Labelled { .. } => Event::Guided {
            formats: text(),
            round: 1,
            before: f64::INFINITY,
            after: 0.5,
            held: 1,
            of,
            moved: 1,
        },
        Event::Guided { .. } => Event::Candidate {
            version: 1,
            formats: text(),
            guided: false,
            cost: 1,
        },
        Event::Candidate { .. } => Event::Region {
            id: text(),
            requirement: text(),
            verdict: "proved",
            method: None,
            reason: None,
            done,
            of,
        },
        Event::Region { .. } => Event::Iteration {
            version: 1,
            ended: "proved",
            candidates: 1,
            counterexamples: 1,
            best: None,
            best_cost: None,
        },
        Event::Iteration { .. } => Event::Rule {
            name: text(),
            verdict: "proved",
            done,
            of,
        },
        Event::Rule { .. } => Event::Row {
            name: text(),
            result: text(),
            done,
            of,
        },
        Event::Row { .. } => Event::Reduced {
            what: "neurons",
            bytes: 1,
            runs: 1,
        },
        Event::Reduced { .. } => Event::Note { text: text() },
        Event::Note { .. } => Event::Written {
            path: text(),
            complete: true,
        },
        Event::Written { .. } => Event::Finished {
            command: "compile",
            status: "proved",
        },
        Event::Finished { .. } => return None,
    })
}

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join("book/src/progress.md")).unwrap()
}

/// The names and fields of the first table whose rows begin with `` | `name` | ``, by name.
fn documented(page: &str) -> Vec<(String, Vec<String>)> {
    let events = page.split("## Events").nth(1).unwrap();
    let table = events.split("Two more").next().unwrap();
    let words = |cell: &str| -> Vec<String> {
        let odd = cell.split('`').skip(1).step_by(2);
        odd.map(str::to_owned).collect()
    };
    let rows = table.lines().filter(|l| l.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (words(cells[1]).concat(), words(cells[2]))
    })
    .collect()
}

#[test]
fn every_event_is_documented_with_its_fields() {
    let mut event = Some(Event::Started {
        command: "compile",
        subject: "x".to_owned(),
        schema_version: 1,
    });
    let mut found = Vec::new();
    while let Some(e) = event {
        let text = serde_json::to_string(&e).unwrap();
        assert!(
            text.starts_with(&format!("{{\"event\":\"{}\"", e.name())),
            "{text}"
        );
        // Keys in the order in which they are written: values here hold no `":`.
        let keys = text.split("\":").filter_map(|t| t.rsplit('"').next());
        let mut keys: Vec<String> = keys.map(str::to_owned).collect();
        keys.pop();
        assert_eq!(keys.remove(0), "event");
        found.push((e.name().to_owned(), keys));
        event = after(&e);
    }
    assert_eq!(found, documented(&page()));
}

#[test]
fn every_stage_is_documented() {
    let page = page();
    let row = page.lines().find(|l| l.starts_with("| `stage` |")).unwrap();
    for stage in Stage::ALL {
        let name = stage.name();
        assert_eq!(serde_json::to_value(stage).unwrap(), name);
        assert!(row.contains(&format!("`{name}`")), "{name}");
    }
}
