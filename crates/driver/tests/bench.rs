//! `bench verify` on the shipped networks and, where they are, on the CEG4N benchmarks: answers
//! that do not depend on threads, presets or the order of work, counts that add up, and the
//! regions in which strict top-1 must never be proved.
//!
//! The benchmarks are reached by `CEG4N_BENCHMARKS`; without it their tests say that they were
//! skipped, and fail with `CEG4N_REQUIRE_TOOLS=1`.

#[path = "../../report/tests/validator/mod.rs"]
mod validator;

use ceg4n_driver::bench::{BenchOptions, BenchPreset, Scales, bench_verify};
use ceg4n_driver::options::Boundary;
use ceg4n_driver::{Cancel, Quiet};
use ceg4n_ir::Property;
use ceg4n_report::{BENCH_SCHEMA, Bench, BenchRegion, Row};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use validator::Validator;

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

fn shipped() -> BenchOptions {
    BenchOptions::new(tests_folder())
}

fn uniform(weight_bits: u8, activation_bits: u8) -> BenchPreset {
    BenchPreset::Uniform {
        weight_bits,
        activation_bits,
    }
}

fn run(options: &BenchOptions) -> Bench {
    let bench = bench_verify(options, &Quiet, &Cancel::default())
        .unwrap_or_else(|f| panic!("{}: {f}", options.folder.display()));
    let json = serde_json::to_value(&bench).expect("a bench is JSON");
    let schema = Validator::new(BENCH_SCHEMA);
    assert!(schema.is_valid(&json), "{:?}", schema.errors(&json));
    for row in bench.tables.iter().flat_map(rows) {
        let parts = row.proved + row.proved_margin + row.refuted + row.vacuous + row.unknown;
        assert_eq!(row.regions, parts, "{row:?}");
    }
    for table in &bench.tables {
        let sum = |rows: &[Row]| rows.iter().map(|r| r.regions + r.equal).sum::<u64>();
        let all = table.total.regions + table.total.equal;
        assert_eq!((sum(&table.rows), sum(&table.families)), (all, all));
    }
    bench
}

fn rows(table: &ceg4n_report::Table) -> Vec<&Row> {
    let lists = [&table.rows, &table.families];
    let all = lists.into_iter().flatten();
    all.chain([&table.total]).collect()
}

/// What must not depend on threads or on the clock.
fn answers(bench: &Bench) -> (Vec<String>, Vec<String>) {
    let labels = bench.labels.iter();
    let regions = bench.regions.iter().map(|r| {
        let r = BenchRegion {
            seconds: 0.0,
            cpu_seconds: 0.0,
            ..r.clone()
        };
        format!("{r:?}")
    });
    let label = |l: &ceg4n_report::BenchLabel| {
        format!("{} {} {} {:?}", l.network, l.id, l.label, l.class_change)
    };
    (labels.map(label).collect(), regions.collect())
}

#[test]
fn answers_do_not_depend_on_threads_or_other_presets() {
    let mut options = shipped();
    options.presets = vec![BenchPreset::Labels, uniform(4, 8), uniform(2, 4)];
    options.budget.jobs = 1;
    let one = run(&options);
    options.budget.jobs = 3;
    assert_eq!(answers(&run(&options)), answers(&one));
    assert_eq!(one.labels.len(), 11);
    assert_eq!(one.regions.len(), 22);
    let total = &one.tables[1].total;
    assert!(total.refuted > 0, "2 bits are too few: {total:?}");

    options.presets = vec![uniform(2, 4)];
    let alone = run(&options);
    assert_eq!(answers(&alone).0, answers(&one).0);
    assert_eq!(answers(&alone).1, answers(&one).1[11..]);
}

#[test]
fn a_region_asked_alone_meets_the_same_kernel() {
    let mut options = shipped();
    options.folder.push("bench/inputs");
    options.presets = vec![uniform(3, 6)];
    let all = run(&options);
    options.load.region_ids = vec!["b".to_owned()];
    let alone = run(&options);
    let picked = |b: &Bench| -> Vec<String> {
        let own = b.regions.iter().filter(|r| r.id == "b");
        own.map(|r| format!("{} {:?} {}", r.network, r.counterexample, r.requirement))
            .collect()
    };
    assert_eq!(alone.regions.len(), 2);
    assert_eq!(picked(&alone), picked(&all));
}

#[test]
fn equal_boxes_get_the_answer_of_the_first() {
    let mut options = shipped();
    options.folder.push("bench/inputs");
    options.presets = vec![uniform(3, 6)];
    options.scales = Scales::Network;
    let each = run(&options);
    options.distinct = true;
    let distinct = run(&options);
    let verdicts = |b: &Bench| -> Vec<(String, String)> {
        let all = b.regions.iter();
        all.map(|r| (r.id.clone(), r.verdict.clone())).collect()
    };
    assert_eq!(verdicts(&each), verdicts(&distinct));
    let equal = |b: &Bench| b.regions.iter().filter(|r| r.equal_to.is_some()).count();
    assert_eq!((equal(&each), equal(&distinct)), (0, 4));
    assert_eq!(distinct.tables[0].total.equal, 4);
}

#[test]
fn weights_alone_make_a_real_valued_program() {
    let mut options = shipped();
    options.presets = vec![BenchPreset::Weights(8), BenchPreset::Weights(2)];
    let bench = run(&options);
    assert_eq!(bench.regions.len(), 22);
    let [eight, two] = [&bench.tables[0].total, &bench.tables[1].total];
    assert!(eight.proved + eight.proved_margin > two.proved + two.proved_margin);
    assert!(two.refuted > 0, "2 bits are too few: {two:?}");
    let programs = |t: usize| bench.tables[t].rows.iter().map(|r| r.program);
    assert!(
        programs(0)
            .zip(programs(1))
            .all(|(a, b)| a.is_some() && a != b)
    );
}

#[test]
fn an_interrupted_bench_ends_with_what_it_has() {
    let cancel = Cancel::default();
    cancel.store(true, Ordering::Relaxed);
    let bench = bench_verify(&shipped(), &Quiet, &cancel).expect("a result");
    assert!(bench.clock_limited);
    assert_eq!(bench.tables[0].total.unknown, 11);
    let told = |r: &BenchRegion| r.reason.as_deref() == Some("the run was interrupted");
    assert!(bench.regions.iter().all(told));
}

#[test]
fn a_vacuous_tolerance_never_counts_as_proved() {
    let mut options = shipped();
    options.networks = vec!["tiny".to_owned()];
    options.load.require = Some(Property::Eps("100".parse().expect("a number")).into());
    let bench = run(&options);
    let total = &bench.tables[0].total;
    assert_eq!((total.vacuous, total.proved), (3, 0));
    assert!(bench.labels.is_empty() == bench.label_table.is_none());
}

/// Some networks of the benchmarks; `None`, said aloud, where there are none.
fn benchmarks(name: &str, networks: &[&str]) -> Option<BenchOptions> {
    let Some(dir) = std::env::var_os("CEG4N_BENCHMARKS").map(PathBuf::from) else {
        let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
        assert!(!required, "CEG4N_BENCHMARKS is not set");
        // Not through the macro, whose output a passing test keeps to itself.
        let text = format!("SKIPPED {name}: CEG4N_BENCHMARKS is not set\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
        return None;
    };
    let mut options = BenchOptions::new(dir.join("ceg4n"));
    options.networks = networks.iter().map(|n| (*n).to_owned()).collect();
    Some(options)
}

/// Regions in which the reference itself changes class, though other tools accept a kernel of
/// few bits there or call it equivalent.
const TRAPS: [(&str, &str); 3] = [
    ("iris_10x2", "2.05"),
    ("seeds_10x1", "1.03"),
    ("mnist_784_10x1", "6.03"),
];

#[test]
fn strict_top1_is_never_proved_where_the_reference_changes_class() {
    let networks = TRAPS.map(|t| t.0);
    let Some(mut options) = benchmarks("traps", &networks) else {
        return;
    };
    options.load.region_ids = TRAPS.map(|t| t.1.to_owned()).to_vec();
    options.presets = vec![uniform(4, 12), uniform(8, 12), uniform(16, 16)];
    options.boundary = Boundary::Refute;
    let bench = run(&options);
    for (network, id) in TRAPS {
        let here = |n: &str, i: &str| n == network && i == id;
        let label = bench.labels.iter().find(|l| here(&l.network, &l.id));
        assert_eq!(
            label.map(|l| l.label.as_str()),
            Some("changes"),
            "{network}"
        );
        let own: Vec<_> = bench
            .regions
            .iter()
            .filter(|r| here(&r.network, &r.id))
            .collect();
        assert_eq!(own.len(), 3);
        assert!(own.iter().all(|r| r.verdict != "proved"), "{network} {id}");
    }
}

#[test]
fn labels_of_the_small_networks_are_those_measured_elsewhere() {
    let Some(mut options) = benchmarks("labels", &["iris_*", "seeds_*"]) else {
        return;
    };
    options.presets = vec![BenchPreset::Labels];
    let bench = run(&options);
    let families = bench.label_table.map(|t| t.families).unwrap_or_default();
    let counts: Vec<_> = families
        .iter()
        .map(|f| (f.name.as_str(), f.keeps, f.changes, f.undecided))
        .collect();
    assert_eq!(counts, [("iris", 24, 3, 0), ("seeds", 27, 9, 0)]);
}
