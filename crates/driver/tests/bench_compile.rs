//! `bench compile` on the shipped networks: rows that are stored, taken from the store and
//! computed anew, presets at one question, data by the networks that they fit, interruption.

#[path = "../../report/tests/validator/mod.rs"]
mod validator;

use ceg4n_driver::bench::compile::{BenchData, CompileBenchOptions, bench_compile};
use ceg4n_driver::options::{Boundary, Demand, LabelSource, Preset};
use ceg4n_driver::{Cancel, Event, Progress, Quiet, Stage};
use ceg4n_ir::Property;
use ceg4n_report::{COMPILE_BENCH_SCHEMA, CompileBench, CompileRow, RowStatus};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use validator::Validator;

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

/// Networks of the repository under fast presets.
fn shipped(networks: &[&str]) -> CompileBenchOptions {
    let mut options = CompileBenchOptions::new(tests_folder());
    options.networks = networks.iter().map(|n| (*n).to_owned()).collect();
    options.presets = vec![Preset::UniformMin, Preset::Ceg4n];
    options.compile.budget.jobs = 2;
    options
}

fn run(options: &CompileBenchOptions) -> CompileBench {
    let bench = bench_compile(options, &Quiet, &Cancel::default())
        .unwrap_or_else(|f| panic!("{}: {f}", options.folder.display()));
    valid(&bench);
    bench
}

fn valid(bench: &CompileBench) {
    let json = serde_json::to_value(bench).expect("a bench is JSON");
    let schema = Validator::new(COMPILE_BENCH_SCHEMA);
    assert!(schema.is_valid(&json), "{:?}", schema.errors(&json));
}

fn names(bench: &CompileBench) -> Vec<(&str, &str)> {
    let rows = bench.rows.iter();
    rows.map(|r| (r.network.as_str(), r.preset.as_str()))
        .collect()
}

/// A row without what differs between two runs of it.
fn answer(row: &CompileRow) -> CompileRow {
    CompileRow {
        seconds: 0.0,
        ..row.clone()
    }
}

#[test]
fn rows_are_stored_and_taken_from_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = shipped(&["tiny"]);
    options.output = Some(folder.path().join("store"));
    let first = run(&options);
    assert_eq!(names(&first), [("tiny", "uniform-min"), ("tiny", "ceg4n")]);
    assert_eq!((first.computed, first.reused), (2, 0));
    assert!(first.rows.iter().all(|r| r.status == RowStatus::Proved));
    let store = folder.path().join("store");
    let text = std::fs::read_to_string(store.join("bench.json")).expect("the table");
    assert_eq!(text, first.to_json());
    assert!(store.join("tiny/all/ceg4n/report.json").is_file());

    // The same rows again, and one more: it joins those of the store.
    options.presets.push(Preset::Gpfq);
    let second = run(&options);
    assert_eq!((second.computed, second.reused), (1, 2));
    assert_eq!(second.rows[..2], first.rows);
    // Those that were not asked for are in the table too.
    options.presets = vec![Preset::Gpfq];
    let third = run(&options);
    assert_eq!((third.computed, third.reused), (0, 1));
    assert_eq!(third.rows.len(), 3);
    // One by one anew.
    options.rerun = true;
    let fourth = run(&options);
    assert_eq!((fourth.computed, fourth.reused), (1, 0));
    let gpfq = |b: &CompileBench| {
        let row = b.rows.iter().find(|r| r.preset == "gpfq");
        answer(row.expect("a row"))
    };
    assert_eq!(gpfq(&fourth), gpfq(&second), "deterministic");
}

#[test]
fn what_decides_a_row_decides_its_place_in_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = shipped(&["tiny"]);
    options.presets = vec![Preset::UniformMin];
    options.output = Some(folder.path().to_owned());
    let first = run(&options).rows[0].clone();
    // Another limit may give another row, at the same question.
    options.compile.budget.time_limit = Some(Duration::from_secs(60));
    let limited = run(&options);
    assert_eq!((limited.computed, limited.rows.len()), (1, 1));
    let limited = limited.rows[0].clone();
    assert_ne!(limited.key, first.key);
    assert_eq!(limited.question, first.question);
    assert_eq!(limited.time_limit, Some(60.0));
    // Another requirement is another question.
    let eps = Property::Eps("0.1".parse().expect("a number"));
    options.requirements = vec![("t*".to_owned(), Demand::Property(eps))];
    let asked = run(&options).rows[0].clone();
    assert_ne!(asked.question, first.question);
    assert_eq!(asked.requirement, "eps 0.1");
    options.requirements.clear();
    options.compile.boundary = Some(Boundary::Refute);
    let strict = run(&options).rows[0].clone();
    assert_ne!(strict.question, first.question);
    assert_eq!(strict.margin, None);
}

#[test]
fn presets_are_asked_the_same() {
    let mut options = shipped(&["tiny", "iris"]);
    options.presets.push(Preset::Auto);
    options.time_limits = vec![("iris".to_owned(), Duration::from_secs(30))];
    options.compile.budget.time_limit = Some(Duration::from_secs(20));
    let bench = run(&options);
    assert_eq!(bench.cases.len(), 2);
    for case in &bench.cases {
        let own = bench.rows.iter().filter(|r| r.network == case.network);
        let own: Vec<&CompileRow> = own.collect();
        assert_eq!(own.len(), 3);
        for r in &own {
            assert_eq!((r.question, &r.margin), (case.question, &own[0].margin));
            let limit = if r.network == "tiny" { 20.0 } else { 30.0 };
            assert_eq!(r.time_limit, Some(limit));
            let parts = r.proved + r.proved_margin + r.vacuous + r.refuted + r.unknown;
            assert_eq!(r.regions, parts, "{r:?}");
        }
        assert_eq!(case.cheaper, Vec::<String>::new(), "{}", case.network);
        assert!(case.ratio.is_some_and(|r| r < 0.75), "{case:?}");
    }
    // iris.onnx has no regions.
    assert_eq!(bench.skipped.len(), 1);
}

#[test]
fn data_serve_the_networks_that_they_fit() {
    let mut options = shipped(&["tiny", "iris"]);
    options.presets = vec![Preset::UniformMin];
    let path = tests_folder().join("networks/iris.csv");
    let data = |file: &Path| BenchData {
        data: file.into(),
        labels: Some(LabelSource::from_text("column:last")),
    };
    options.data = vec![data(&path)];
    options.compile.data.test_rows = Some(0..50);
    options.compile.data.data_rows = Some(50..150);
    options.compile.data.demands.max_accuracy_drop = Some("0.5".parse().expect("a number"));
    let bench = run(&options);
    let of = |name: &str| bench.rows.iter().find(|r| r.network == name);
    assert_eq!(of("tiny").and_then(|r| r.accuracy.clone()), None);
    let iris = of("iris.nnir").and_then(|r| r.accuracy.clone());
    let iris = iris.expect("iris rows fit iris");
    assert_eq!((iris.split.as_str(), iris.samples), ("test", 50));
    assert!(iris.lost().is_some());
    // A set that fits nothing is a mistake.
    options.networks = vec!["tiny".to_owned()];
    let failure = bench_compile(&options, &Quiet, &Cancel::default()).expect_err("no use");
    assert!(failure.to_string().contains("fits no network"), "{failure}");
}

#[test]
fn a_row_that_fails_is_a_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = shipped(&["tiny"]);
    options.presets = vec![Preset::UniformMin, Preset::Gpfq];
    options.output = Some(folder.path().to_owned());
    // A folder that is not the tool's stands where the first row writes.
    let place = folder.path().join("tiny/all/uniform-min");
    std::fs::create_dir_all(&place).expect("a folder");
    std::fs::write(place.join("mine.txt"), "x").expect("a file");
    let bench = run(&options);
    let statuses: Vec<RowStatus> = bench.rows.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [RowStatus::Failed, RowStatus::Proved]);
    let reason = bench.rows[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("no output folder"), "{reason}");
    assert_eq!(bench.rows[0].unknown, bench.rows[0].regions);
    assert!(place.join("mine.txt").is_file());
}

/// Cancels when so many rows have begun.
struct Impatient {
    cancel: Cancel,
    rows: AtomicUsize,
    most: usize,
}

impl Progress for Impatient {
    fn note(&self, event: &Event) {
        if let Event::Stage {
            stage: Stage::Row, ..
        } = event
        {
            let begun = self.rows.fetch_add(1, Ordering::Relaxed) + 1;
            self.cancel.store(begun > self.most, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_interrupted_run_keeps_its_finished_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = shipped(&["tiny"]);
    options.presets = vec![Preset::UniformMin, Preset::Auto, Preset::Gpfq];
    options.output = Some(folder.path().to_owned());
    let impatient = Impatient {
        cancel: Cancel::default(),
        rows: AtomicUsize::new(0),
        most: 1,
    };
    let bench = bench_compile(&options, &impatient, &impatient.cancel)
        .unwrap_or_else(|f| panic!("tiny: {f}"));
    valid(&bench);
    assert!(bench.interrupted);
    assert_eq!(names(&bench), [("tiny", "uniform-min")]);
    let bench = run(&options);
    assert!(!bench.interrupted);
    assert_eq!((bench.computed, bench.reused), (2, 1));
}

#[test]
fn patterns_that_fit_nothing_are_refused() {
    let mut options = shipped(&["tiny"]);
    options.time_limits = vec![("iris".to_owned(), Duration::from_secs(1))];
    let failure = bench_compile(&options, &Quiet, &Cancel::default()).expect_err("a mistake");
    assert_eq!(failure.exit_code(), 2);
    assert!(
        failure.to_string().contains("--time-limit-for iris"),
        "{failure}"
    );
}
