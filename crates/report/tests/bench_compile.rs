//! `bench compile`: its schema and structs hold together, and presets are compared at the same
//! guarantee only.

mod validator;

use ceg4n_base::ContentHash;
use ceg4n_report::{
    BENCH_SCHEMA, BenchNetwork, COMPILE_BENCH_SCHEMA, COMPILE_BENCH_SCHEMA_VERSION, CompileBench,
    CompileRow, CompileSum, Cost, RowAccuracy, RowStatus, SCHEMA, Skipped, compile_cases,
    compile_sums,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use validator::Validator;

fn cost(value: u64) -> Cost {
    Cost {
        metric: "weight-bits".to_owned(),
        value,
        weights_bits: value - 8,
        biases_bits: 8,
        ceg4n_bits: value,
        flash_bytes: 10,
        ram_bytes: 4,
    }
}

/// A proved row of a network whose family is what stands before the underscore.
fn row(network: &str, ball_size: &str, preset: &str, value: u64) -> CompileRow {
    let text = format!("{network} {ball_size}");
    CompileRow {
        key: ContentHash::of(format!("{text} {preset}").as_bytes()),
        question: ContentHash::of(text.as_bytes()),
        network: network.to_owned(),
        family: network.split('_').next().unwrap_or_default().to_owned(),
        ball_size: Some(ball_size.to_owned()),
        preset: preset.to_owned(),
        requirement: "top1".to_owned(),
        margin: Some("0.5".to_owned()),
        status: RowStatus::Proved,
        reason: None,
        regions: 3,
        proved: 2,
        proved_margin: 1,
        vacuous: 0,
        refuted: 0,
        unknown: 0,
        weight_bits: vec![2, 4],
        activations: vec!["u8q8".to_owned(), "u6q3".to_owned()],
        cost: Some(cost(value)),
        accuracy: None,
        iterations: 4,
        candidates: 50,
        set_aside: 0,
        clock_limited: false,
        time_limit: Some(20.0),
        jobs: 2,
        seconds: 1.5,
        build: Some(ContentHash::of(b"build")),
    }
}

fn with(status: RowStatus, row: CompileRow) -> CompileRow {
    let (proved, vacuous) = match status {
        RowStatus::Proved => (2, 0),
        RowStatus::Vacuous => (1, 1),
        RowStatus::Refuted | RowStatus::Unknown | RowStatus::Failed => (1, 0),
    };
    CompileRow {
        status,
        reason: Some("a reason".to_owned()),
        proved,
        vacuous,
        unknown: 2 - proved - vacuous,
        ..row
    }
}

fn measured(reference: f64, kernel: f64, row: CompileRow) -> CompileRow {
    let accuracy = RowAccuracy {
        split: "test".to_owned(),
        samples: 1000,
        reference: Some(reference),
        kernel: Some(kernel),
        agreement: 0.98,
        agreement_lower: 0.97,
    };
    CompileRow {
        accuracy: Some(accuracy),
        ..row
    }
}

fn rows() -> Vec<CompileRow> {
    vec![
        row("a_1", "0.1", "uniform-min", 100),
        measured(0.9, 0.895, row("a_1", "0.1", "auto", 60)),
        // Here another preset is cheaper, and one has no guarantee.
        row("a_1", "0.2", "uniform-min", 100),
        row("a_1", "0.2", "ceg4n", 70),
        with(RowStatus::Unknown, row("a_1", "0.2", "gpfq", 20)),
        measured(0.9, 0.91, row("a_1", "0.2", "auto", 80)),
        // Vacuous for all: the same guarantee.
        with(RowStatus::Vacuous, row("b_1", "0.1", "uniform-min", 40)),
        with(RowStatus::Vacuous, row("b_1", "0.1", "auto", 30)),
        // The automatic preset has no guarantee, another has.
        row("b_1", "0.3", "uniform-min", 50),
        with(RowStatus::Refuted, row("b_1", "0.3", "auto", 10)),
    ]
}

fn full() -> CompileBench {
    let rows = rows();
    let cases = compile_cases(&rows);
    CompileBench {
        schema_version: COMPILE_BENCH_SCHEMA_VERSION,
        tool_version: "0.1.0".to_owned(),
        command: "bench compile".to_owned(),
        optimized: true,
        networks: vec![BenchNetwork {
            name: "a_1".to_owned(),
            family: "a".to_owned(),
            sha256: ContentHash::of(b"file"),
            inputs: 4,
            outputs: 3,
            parameters: 40,
        }],
        skipped: vec![Skipped {
            name: "other".to_owned(),
            reason: "it has no region".to_owned(),
        }],
        sums: compile_sums(&rows, &cases),
        cases,
        rows,
        computed: 7,
        reused: 3,
        interrupted: false,
        seconds: 1.5,
    }
}

#[test]
fn what_is_written_is_valid_and_reads_back() {
    let bench = full();
    let v: Value = serde_json::from_str(&bench.to_json()).expect("JSON");
    let errors = Validator::new(COMPILE_BENCH_SCHEMA).errors(&v);
    assert_eq!(errors, Vec::<String>::new());
    let back: CompileBench = serde_json::from_value(v).expect("reads back");
    assert_eq!(back, bench);
}

#[test]
fn presets_are_compared_at_the_same_guarantee() {
    let cases = compile_cases(&rows());
    let told: Vec<_> = cases
        .iter()
        .map(|c| {
            let radius = c.ball_size.as_deref().unwrap_or_default();
            (c.network.as_str(), radius, c.auto, c.uniform_min)
        })
        .collect();
    let expected = [
        ("a_1", "0.1", Some(60), Some(100)),
        ("a_1", "0.2", Some(80), Some(100)),
        ("b_1", "0.1", Some(30), Some(40)),
        ("b_1", "0.3", None, Some(50)),
    ];
    assert_eq!(told, expected);
    let ratios: Vec<Option<f64>> = cases.iter().map(|c| c.ratio).collect();
    assert_eq!(ratios, [Some(0.6), Some(0.8), Some(0.75), None]);
    let cheaper: Vec<Vec<String>> = cases.into_iter().map(|c| c.cheaper).collect();
    // Cheaper without the guarantee does not count.
    let expected: [&[&str]; 4] = [&[], &["ceg4n"], &[], &["uniform-min"]];
    assert_eq!(cheaper, expected);
}

#[test]
fn another_question_is_another_case() {
    let mut rows = vec![
        row("a_1", "0.1", "auto", 60),
        row("a_1", "0.1", "uniform-min", 50),
    ];
    rows[1].question = ContentHash::of(b"with a demand on data");
    let cases = compile_cases(&rows);
    assert_eq!(cases.len(), 2);
    assert!(
        cases
            .iter()
            .all(|c| c.ratio.is_none() && c.cheaper.is_empty())
    );
}

#[test]
fn sums_are_by_family_and_preset() {
    let bench = full();
    let of = |family: &str, preset: &str| -> CompileSum {
        let own = |s: &&CompileSum| s.family == family && s.preset == preset;
        bench.sums.iter().find(own).expect("a sum").clone()
    };
    let all = of("all", "auto");
    let statuses = [
        all.proved,
        all.vacuous,
        all.refuted,
        all.unknown,
        all.failed,
    ];
    assert_eq!((all.rows, statuses), (4, [2, 1, 1, 0, 0]));
    assert_eq!(all.compared, 3, "a refuted row is in no comparison");
    // The savings are 0.4, 0.25 and 0.2.
    assert_eq!(all.median_saving, Some(0.25));
    let near = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-9);
    assert!(near(all.accuracy_lost, 0.005), "the most of all rows");
    assert_eq!(all.seconds, 6.0);
    assert!(near(of("a", "auto").median_saving, 0.3));
    assert_eq!(of("a", "ceg4n").cheaper_than_auto, 1);
    assert_eq!(of("b", "uniform-min").cheaper_than_auto, 1);
    assert_eq!(of("a", "uniform-min").cheaper_than_auto, 0);
    assert_eq!(of("a", "gpfq").median_saving, None);
    let names: Vec<&str> = bench.sums.iter().map(|s| s.family.as_str()).collect();
    assert!(names.is_sorted_by_key(|n| ["a", "b", "all"].iter().position(|x| x == n)));
}

/// Every field of every object, by the pointer of the object.
fn fields(v: &Value, at: &str, out: &mut Vec<(String, String)>) {
    match v {
        Value::Object(m) => {
            for (k, v) in m {
                out.push((at.to_owned(), k.clone()));
                fields(v, &format!("{at}/{k}"), out);
            }
        }
        Value::Array(a) => {
            for (i, v) in a.iter().enumerate() {
                fields(v, &format!("{at}/{i}"), out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn other_fields_are_refused() {
    let validator = Validator::new(COMPILE_BENCH_SCHEMA);
    let v = serde_json::to_value(full()).expect("JSON");
    let mut all = Vec::new();
    fields(&v, "", &mut all);
    for (p, key) in all {
        let mut renamed = v.clone();
        let object = renamed.pointer_mut(&p).and_then(Value::as_object_mut);
        let object = object.unwrap_or_else(|| panic!("{p} is an object"));
        let old = object.remove(&key).unwrap_or_default();
        object.insert(format!("{key}_"), old);
        assert!(!validator.is_valid(&renamed), "{p}/{key} renamed");
        let read: Result<CompileBench, _> = serde_json::from_value(renamed);
        assert!(read.is_err(), "{p}/{key} renamed is not read");
    }
}

/// The names below `properties` of each definition.
fn stated(schema: &Value) -> BTreeSet<String> {
    let definitions = schema["$defs"].as_object().expect("definitions").values();
    let objects = definitions.chain([schema]);
    let properties = objects.filter_map(|d| d["properties"].as_object());
    properties.flat_map(|p| p.keys().cloned()).collect()
}

#[test]
fn schema_and_structs_name_the_same_fields() {
    let schema: Value = serde_json::from_str(COMPILE_BENCH_SCHEMA).expect("the schema is JSON");
    let v = serde_json::to_value(full()).expect("JSON");
    let mut all = Vec::new();
    fields(&v, "", &mut all);
    let written: BTreeSet<String> = all.into_iter().map(|f| f.1).collect();
    assert_eq!(stated(&schema), written);
}

#[test]
fn the_schemas_say_the_same_of_what_they_share() {
    let read = |text: &str| -> Value { serde_json::from_str(text).expect("the schema is JSON") };
    let (own, bench, report) = (read(COMPILE_BENCH_SCHEMA), read(BENCH_SCHEMA), read(SCHEMA));
    for name in ["hash", "exact", "count", "bits", "cost"] {
        assert_eq!(own["$defs"][name], report["$defs"][name], "{name}");
    }
    for name in ["network", "skipped"] {
        assert_eq!(own["$defs"][name], bench["$defs"][name], "{name}");
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let validator = Validator::new(COMPILE_BENCH_SCHEMA);
    let v = serde_json::to_value(full()).expect("JSON");
    for (p, bad) in [
        ("/schema_version", json!(2)),
        ("/command", json!("bench verify")),
        ("/rows/0/status", json!("good")),
        ("/rows/0/vacuous", json!(1)),
        ("/rows/0/refuted", json!(1)),
        ("/rows/0/preset", json!("best")),
        ("/rows/0/ball_size", json!("wide")),
        ("/rows/4/status", json!("proved")),
        ("/rows/1/accuracy/kernel", json!(1.5)),
        ("/rows/1/accuracy/split", json!("train")),
        ("/cases/0/ratio", json!(-1)),
        ("/sums/0/median_saving", json!(2)),
        ("/rows/0/cost/metric", json!("bytes")),
    ] {
        let mut changed = v.clone();
        *changed.pointer_mut(p).expect("a pointer into it") = bad.clone();
        assert!(!validator.is_valid(&changed), "{bad} at {p}");
    }
}
