//! A run that ends early and goes on from its store ends as one that nothing disturbed, wherever
//! it ended.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ceg4n_driver::compile::{Compilation, compile};
use ceg4n_driver::options::{CompileOptions, Preset, Strategy};
use ceg4n_driver::{Event, Progress, Quiet};
use ceg4n_report::Report;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn network(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/networks")
        .join(name)
}

fn made(options: &CompileOptions) -> Compilation {
    compile(options, &Quiet, &Default::default()).expect("a compilation")
}

/// Every file of an output but the store and the report, whose times differ.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        for entry in std::fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_dir() {
                open.push(path);
            } else if !["run.sqlite", "report.json", "report.html"].contains(&name.as_str()) {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Runs to the end; then, for each of some places, anew up to there and on from its store.
fn goes_on(options: &CompileOptions, places: impl Fn(u64) -> Vec<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let into = |name: &str| CompileOptions {
        output: Some(dir.path().join(name)),
        ..options.clone()
    };
    let whole = made(&into("whole"));
    let steps = ceg4n_store::read_runs(&whole.folder).unwrap()[0].steps;
    assert!(steps > 0, "a search has steps");
    let (report, wanted) = (whole.report.without_times(), files(&whole.folder));
    for k in places(steps) {
        let mut early = into(&format!("at-{k}"));
        early.store.stop_after = Some(k);
        let folder = made(&early).folder;
        let kept = ceg4n_store::read_runs(&folder).unwrap()[0].steps;
        assert_eq!(kept, k.min(steps));
        let mut on = into(&format!("at-{k}"));
        on.store.resume = Some(1);
        on.budget.jobs = 1 + (k % 2) as usize;
        let found = made(&on);
        assert_eq!(
            found.report.without_times(),
            report,
            "after {k} of {steps} steps"
        );
        assert_eq!(files(&found.folder), wanted, "after {k} of {steps} steps");
        let run = &ceg4n_store::read_runs(&folder).unwrap()[0];
        assert_eq!((run.steps, run.resumed), (steps, 1));
    }
}

/// A few places, the ends among them.
fn some(steps: u64) -> Vec<u64> {
    let mut places: BTreeSet<u64> = (0..5).map(|i| steps * i / 4).collect();
    places.insert(1.min(steps));
    places.into_iter().collect()
}

fn tiny() -> CompileOptions {
    CompileOptions::new(network("tiny.nnir"))
}

#[test]
fn a_search_goes_on_at_every_place() {
    goes_on(&tiny(), |steps| (0..=steps).collect());
}

/// Sees at each event what the result costs that stands in the output folder.
struct Watch {
    folder: PathBuf,
    costs: std::sync::Mutex<Vec<Option<u64>>>,
}

impl Progress for Watch {
    fn note(&self, _: &Event) {
        let text = std::fs::read_to_string(self.folder.join("report.json")).unwrap();
        let report: Report = serde_json::from_str(&text).unwrap();
        self.costs
            .lock()
            .unwrap()
            .push(report.cost.map(|c| c.value));
    }
}

#[test]
fn going_on_does_not_bring_earlier_results_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = CompileOptions {
        strategy: Strategy::Greedy,
        output: Some(dir.path().join("out")),
        ..tiny()
    };
    let folder = made(&options).folder;
    options.store.resume = Some(1);
    let watch = Watch {
        folder,
        costs: Default::default(),
    };
    let found = compile(&options, &watch, &Default::default()).expect("a compilation");
    let cost = found.report.cost.map(|c| c.value);
    let seen = watch.costs.into_inner().unwrap();
    assert!(
        seen.len() > 5 && seen.iter().all(|c| *c == cost),
        "{seen:?}"
    );
}

#[test]
fn guided_rounding_goes_on() {
    goes_on(&CompileOptions::new(network("iris.nnir")), some);
}

#[test]
fn every_strategy_goes_on() {
    for strategy in [Strategy::Greedy, Strategy::Exact, Strategy::Nsga2] {
        let options = CompileOptions { strategy, ..tiny() };
        goes_on(&options, some);
    }
}

#[test]
fn presets_go_on() {
    for preset in [Preset::UniformMin, Preset::Gpfq, Preset::Ceg4n] {
        let options = CompileOptions { preset, ..tiny() };
        goes_on(&options, some);
    }
}

#[test]
fn another_network_does_not_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let net = dir.path().join("net.nnir");
    std::fs::copy(network("tiny.nnir"), &net).unwrap();
    let mut options = CompileOptions::new(&net);
    options.output = Some(dir.path().join("out"));
    made(&options);
    let text = std::fs::read_to_string(&net).unwrap();
    std::fs::write(&net, format!("{text}\n// edited\n")).unwrap();
    options.store.resume = Some(1);
    let failure = compile(&options, &Quiet, &Default::default()).unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("not those that run 1 began with"),
        "{failure}"
    );
}

#[test]
fn verdicts_of_an_earlier_run_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = tiny();
    options.output = Some(dir.path().join("out"));
    let first = made(&options);
    let second = made(&options);
    // A verdict that was taken has the time that it took when it was found.
    let times =
        |c: &Compilation| -> Vec<f64> { c.report.regions.iter().map(|r| r.seconds).collect() };
    assert_eq!(times(&first), times(&second));
    assert_eq!(first.report.without_times(), second.report.without_times());
}

/// What is done to a store while no run is at work.
const DAMAGES: [&str; 7] = [
    // Answers that are not what was written.
    "UPDATE steps SET answer = answer || ' ' WHERE kind = 'guided' AND seq = (SELECT min(seq) FROM steps WHERE kind = 'guided')",
    "UPDATE steps SET answer = CAST(x'ff00ff' AS TEXT) WHERE seq = (SELECT max(seq) FROM steps WHERE kind = 'guided')",
    // A question that is not what was asked.
    "UPDATE steps SET asked = zeroblob(32) WHERE seq = (SELECT min(seq) FROM steps WHERE kind = 'guided') + 1",
    // A step that is missing.
    "DELETE FROM steps WHERE seq = 1",
    // What guided rounding goes on from is not what its last step left.
    "UPDATE latents SET data = data || ' '",
    "DELETE FROM latents",
    // Verdicts and labels that cannot be read.
    "UPDATE answers SET evidence = CAST(x'ff' AS TEXT)",
];

#[test]
fn damage_within_changes_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let into = |name: &str| CompileOptions {
        output: Some(dir.path().join(name)),
        ..CompileOptions::new(network("iris.nnir"))
    };
    let whole = made(&into("whole"));
    let steps = ceg4n_store::read_runs(&whole.folder).unwrap()[0].steps;
    let (report, wanted) = (whole.report.without_times(), files(&whole.folder));
    for (i, damage) in DAMAGES.into_iter().enumerate() {
        let mut options = into(&format!("damaged-{i}"));
        options.store.stop_after = Some(steps * 3 / 4);
        let folder = made(&options).folder;
        let store = rusqlite::Connection::open(folder.join(ceg4n_store::FILE)).unwrap();
        let changed = store.execute(damage, []).unwrap();
        assert!(changed > 0, "{damage}");
        drop(store);
        options.store.stop_after = None;
        options.store.resume = Some(1);
        let found = made(&options);
        assert_eq!(found.report.without_times(), report, "{damage}");
        assert_eq!(files(&found.folder), wanted, "{damage}");
    }
}

#[test]
fn a_stored_change_of_class_is_evaluated_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = tiny();
    options.output = Some(dir.path().join("out"));
    let first = made(&options);
    // Its points say now that each has the other's class; the row itself is whole.
    let store = rusqlite::Connection::open(first.folder.join(ceg4n_store::FILE)).unwrap();
    let query = "SELECT key, evidence FROM answers WHERE kind = 'label' AND answer = 'changes'";
    let (key, text): (Vec<u8>, String) = store
        .query_row(query, [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    let swapped = text.replace("],0]", "],2]").replace("],1]", "],0]");
    let swapped = swapped.replace("],2]", "],1]");
    assert_ne!(swapped, text);
    let sum = ceg4n_base::ContentHash::of(swapped.as_bytes()).0;
    let change = "UPDATE answers SET evidence = ?, sum = ? WHERE key = ?";
    let changed = store.execute(change, rusqlite::params![swapped, sum, key]);
    assert_eq!(changed.unwrap(), 1);
    drop(store);
    let second = made(&options);
    assert_eq!(first.report.without_times(), second.report.without_times());
}
