//! `bench.schema.json` and the structs hold together, and with the schema of reports.

mod validator;

use ceg4n_base::{ContentHash, Exact};
use ceg4n_report::{
    BENCH_SCHEMA, BENCH_SCHEMA_VERSION, Bench, BenchLabel, BenchNetwork, BenchRegion, ClassPoint,
    Counterexample, LabelRow, LabelTable, Open, Row, SCHEMA, Skipped, Table, Times,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use validator::Validator;

fn exact(text: &str) -> Exact {
    text.parse().expect("a number")
}

fn label(id: &str, label: &str) -> BenchLabel {
    BenchLabel {
        network: "iris".to_owned(),
        ball_size: Some("0.01".to_owned()),
        id: id.to_owned(),
        label: label.to_owned(),
        class: (label == "keeps").then_some(2),
        class_change: None,
        equal_to: None,
        clock_limited: false,
        seconds: 0.001,
        cpu_seconds: 0.0005,
    }
}

fn region(id: &str, verdict: &str, method: &str) -> BenchRegion {
    BenchRegion {
        preset: "uniform:8:12".to_owned(),
        network: "iris".to_owned(),
        ball_size: Some("0.01".to_owned()),
        id: id.to_owned(),
        requirement: "top1".to_owned(),
        label: "keeps".to_owned(),
        verdict: verdict.to_owned(),
        method: method.to_owned(),
        vacuous: false,
        vacuous_constant: None,
        margin_proved: None,
        boxes: 3,
        points: 7,
        seconds: 0.25,
        cpu_seconds: 0.125,
        reason: None,
        open: None,
        counterexample: None,
        equal_to: None,
        clock_limited: false,
    }
}

fn labels() -> Vec<BenchLabel> {
    let point = |x: &str, class| ClassPoint {
        x: vec![exact(x)],
        class,
    };
    vec![
        label("1.01", "keeps"),
        BenchLabel {
            class_change: Some(vec![point("0.1", 0), point("1/3", 1)]),
            ..label("2.01", "changes")
        },
        BenchLabel {
            equal_to: Some("1.01".to_owned()),
            ..label("3.01", "keeps")
        },
    ]
}

fn regions() -> Vec<BenchRegion> {
    vec![
        BenchRegion {
            requirement: "top1 margin 0.1".to_owned(),
            label: "changes".to_owned(),
            margin_proved: Some(0.0625),
            vacuous: true,
            vacuous_constant: Some("class 1".to_owned()),
            ..region("1.01", "proved", "differential")
        },
        BenchRegion {
            counterexample: Some(Counterexample {
                x: vec![exact("0.5")],
                reference: vec![exact("2/7")],
                kernel: vec![exact("-0.25")],
            }),
            ..region("2.01", "refuted", "replay")
        },
        BenchRegion {
            reason: Some("the time limit was reached".to_owned()),
            open: Some(Open {
                best: Some(-0.5),
                fraction: 0.25,
                boxes: 9,
            }),
            equal_to: Some("2.01".to_owned()),
            clock_limited: true,
            ..region("3.01", "unknown", "none")
        },
    ]
}

/// With every field.
fn full() -> Bench {
    let label_row = LabelRow {
        name: "iris".to_owned(),
        ball_size: Some("0.01".to_owned()),
        regions: 3,
        times: Times::of(&[(0.5, 0.25)]),
        ..LabelRow::default()
    };
    let row = Row {
        name: "iris".to_owned(),
        ball_size: Some("0.01".to_owned()),
        program: Some(ContentHash::of(b"program")),
        margin: Some("0.1".to_owned()),
        margin_proved: Some(0.0625),
        unsupported: Some("no kernel".to_owned()),
        ..Row::default()
    };
    Bench {
        schema_version: BENCH_SCHEMA_VERSION,
        tool_version: "0.1.0".to_owned(),
        command: "bench verify".to_owned(),
        optimized: true,
        requirement: "top1".to_owned(),
        domain: "real".to_owned(),
        reference: "real".to_owned(),
        boundary: "margin".to_owned(),
        scales: "radius".to_owned(),
        distinct: true,
        effort: 1,
        solver: "embedded".to_owned(),
        jobs: 2,
        region_jobs: 1,
        region_time_limit: Some(1.5),
        time_limit: Some(60.0),
        networks: vec![BenchNetwork {
            name: "iris".to_owned(),
            family: "iris".to_owned(),
            sha256: ContentHash::of(b"file"),
            inputs: 4,
            outputs: 3,
            parameters: 27,
        }],
        skipped: vec![Skipped {
            name: "other".to_owned(),
            reason: "it has no region".to_owned(),
        }],
        labels: labels(),
        label_table: Some(LabelTable {
            rows: vec![label_row.clone()],
            families: vec![label_row.clone()],
            total: label_row,
        }),
        regions: regions(),
        tables: vec![Table {
            preset: "uniform:8:12".to_owned(),
            rows: vec![row.clone()],
            families: vec![row.clone()],
            total: row,
        }],
        seconds: 1.5,
        cpu_seconds: 2.5,
        peak_memory: Some(1 << 20),
        clock_limited: true,
    }
}

fn value() -> Value {
    serde_json::to_value(full()).expect("a bench is JSON")
}

#[test]
fn what_is_written_is_valid_and_reads_back() {
    let v = value();
    assert_eq!(
        Validator::new(BENCH_SCHEMA).errors(&v),
        Vec::<String>::new()
    );
    let back: Bench = serde_json::from_value(v).expect("reads back");
    assert_eq!(back, full());
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
    let (validator, v) = (Validator::new(BENCH_SCHEMA), value());
    let mut all = Vec::new();
    fields(&v, "", &mut all);
    for (p, key) in all {
        let mut renamed = v.clone();
        let object = renamed.pointer_mut(&p).and_then(Value::as_object_mut);
        let object = object.unwrap_or_else(|| panic!("{p} is an object"));
        let old = object.remove(&key).unwrap_or_default();
        object.insert(format!("{key}_"), old);
        assert!(!validator.is_valid(&renamed), "{p}/{key} renamed");
        let read: Result<Bench, _> = serde_json::from_value(renamed);
        assert!(read.is_err(), "{p}/{key} renamed is not read");
    }
}

/// Names below `properties` in a schema, whatever object they are of.
fn named(schema: &Value, out: &mut BTreeSet<String>) {
    let Value::Object(m) = schema else { return };
    if let Some(Value::Object(properties)) = m.get("properties") {
        out.extend(properties.keys().cloned());
    }
    for (k, v) in m {
        // A condition names what is stated elsewhere.
        if k != "allOf" {
            named(v, out);
        }
    }
}

#[test]
fn schema_and_structs_name_the_same_fields() {
    let schema: Value = serde_json::from_str(BENCH_SCHEMA).expect("the schema is JSON");
    let mut stated = BTreeSet::new();
    named(&schema, &mut stated);
    let mut all = Vec::new();
    fields(&value(), "", &mut all);
    let written: BTreeSet<String> = all.into_iter().map(|f| f.1).collect();
    assert_eq!(stated, written);
}

#[test]
fn both_schemas_say_the_same_of_what_they_share() {
    let bench: Value = serde_json::from_str(BENCH_SCHEMA).expect("the schema is JSON");
    let report: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    for name in [
        "hash",
        "exact",
        "point",
        "count",
        "verdict",
        "open",
        "class_point",
    ] {
        assert_eq!(bench["$defs"][name], report["$defs"][name], "{name}");
    }
    assert_eq!(
        bench["$defs"]["counterexample"],
        report["$defs"]["counterexample"]
    );
    let methods = |v: &Value| v["$defs"]["region"]["properties"]["method"]["enum"].clone();
    assert_eq!(methods(&bench), methods(&report));
}

#[test]
fn verdicts_and_what_stands_with_them() {
    let (validator, v) = (Validator::new(BENCH_SCHEMA), value());
    for (p, bad) in [
        ("/schema_version", json!(2)),
        ("/command", json!("verify")),
        ("/requirement", json!("top2")),
        ("/labels/0/label", json!("changes")),
        ("/labels/1/label", json!("keeps")),
        ("/labels/0/label", json!("robust")),
        ("/regions/0/verdict", json!("refuted")),
        ("/regions/0/preset", json!("labels")),
        ("/regions/0/vacuous", json!(false)),
        ("/regions/1/verdict", json!("proved")),
        ("/regions/1/method", json!("none")),
        ("/regions/2/verdict", json!("proved")),
        ("/regions/2/open/fraction", json!(1.5)),
        ("/tables/0/total/times/max_ms", json!(-1)),
    ] {
        let mut changed = v.clone();
        *changed.pointer_mut(p).expect("a pointer into it") = bad.clone();
        assert!(!validator.is_valid(&changed), "{bad} at {p}");
    }
}

#[test]
fn csv_has_a_line_per_answer() {
    let text = full().to_csv();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + labels().len() + regions().len());
    let columns = lines[0].split(',').count();
    for line in &lines {
        assert_eq!(line.split(',').count(), columns, "{line}");
    }
    assert_eq!(
        lines[6],
        "uniform:8:12,iris,0.01,3.01,top1,keeps,unknown,none,false,,3,7,0.25,0.125,-0.5,0.25,9,\
         2.01,the time limit was reached"
    );
}
