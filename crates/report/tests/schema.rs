//! `report.schema.json` and the structs hold together: what the structs write is valid, what the
//! schema names they write, and a report with a wrong field is refused.

mod samples;
mod validator;

use ceg4n_report::{Report, SCHEMA, SCHEMA_VERSION};
use samples::{full, minimal};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use validator::Validator;

fn validator() -> Validator {
    Validator::new(SCHEMA)
}

fn value(report: &Report) -> Value {
    serde_json::from_str(&report.to_json()).expect("a report is JSON")
}

/// JSON pointers of everything below a value, itself included.
fn pointers(v: &Value) -> Vec<String> {
    let mut out = vec![String::new()];
    let below = |key: String, v: &Value| {
        pointers(v)
            .into_iter()
            .map(move |p| format!("/{key}{p}"))
            .collect::<Vec<_>>()
    };
    match v {
        Value::Object(m) => out.extend(m.iter().flat_map(|(k, v)| below(k.clone(), v))),
        Value::Array(a) => {
            out.extend(
                a.iter()
                    .enumerate()
                    .flat_map(|(i, v)| below(i.to_string(), v)),
            );
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    out
}

/// A pointer with `*` for places in arrays.
fn field(pointer: &str) -> String {
    let step = |s: &str| match s.parse::<usize>() {
        Ok(_) => "*".to_owned(),
        Err(_) => s.to_owned(),
    };
    pointer.split('/').map(step).collect::<Vec<_>>().join("/")
}

fn changed(v: &Value, pointer: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut out = v.clone();
    change(out.pointer_mut(pointer).expect("a pointer into the report"));
    out
}

fn object<'a>(v: &'a mut Value, what: &str) -> &'a mut Map<String, Value> {
    v.as_object_mut()
        .unwrap_or_else(|| panic!("{what} is an object"))
}

/// Every key of every object: pointer of the object, and key.
fn keys(v: &Value) -> Vec<(String, String)> {
    let of = |p: String| {
        let keys = match v.pointer(&p) {
            Some(Value::Object(m)) => m.keys().cloned().collect(),
            _ => Vec::new(),
        };
        keys.into_iter().map(move |k| (p.clone(), k))
    };
    pointers(v).into_iter().flat_map(of).collect()
}

#[test]
fn full_and_minimal_reports_are_valid() {
    let validator = validator();
    for report in [full(), minimal()] {
        let v = value(&report);
        assert_eq!(validator.errors(&v), Vec::<String>::new());
        assert_eq!(v["schema_version"], SCHEMA_VERSION);
    }
}

#[test]
fn round_trip() {
    for report in [full(), minimal()] {
        let text = report.to_json();
        let back: Report = serde_json::from_str(&text).expect("reads back");
        assert_eq!(back, report);
        assert_eq!(back.to_json(), text);
    }
}

/// The names below `properties` of every object schema, with their documentation.
fn properties(schema: &Value, at: &str, out: &mut BTreeSet<String>) {
    let root: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let resolve = |s: &Value| match s.get("$ref").and_then(Value::as_str) {
        Some(r) => root
            .pointer(r.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{r} exists"))
            .clone(),
        None => s.clone(),
    };
    let schema = resolve(schema);
    if let Some(items) = schema.get("items") {
        properties(items, &format!("{at}/*"), out);
    }
    let Some(Value::Object(fields)) = schema.get("properties") else {
        return;
    };
    assert_eq!(schema["additionalProperties"], json!(false), "at `{at}`");
    for (name, field) in fields {
        let here = format!("{at}/{name}");
        let told = field
            .get("description")
            .or(resolve(field).get("description").cloned().as_ref())
            .and_then(Value::as_str)
            .map_or(0, str::len);
        assert!(told > 5, "{here} is described");
        properties(field, &here, out);
        out.insert(here);
    }
}

#[test]
fn schema_and_structs_name_the_same_fields() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut named = BTreeSet::new();
    properties(&schema, "", &mut named);
    let v = value(&full());
    let written: BTreeSet<String> = keys(&v)
        .iter()
        .map(|(p, k)| field(&format!("{p}/{k}")))
        .collect();
    assert_eq!(named, written);
}

/// What may be absent whatever the verdicts are.
const OPTIONAL: [&str; 59] = [
    "/accuracy/changed/*/label",
    "/accuracy/kernel_accuracy",
    "/accuracy/reference_accuracy",
    "/agreement_samples",
    "/calibration_accuracy",
    "/calibration_accuracy/changed/*/label",
    "/calibration_accuracy/kernel_accuracy",
    "/calibration_accuracy/reference_accuracy",
    "/demands",
    "/demands/max_accuracy_drop",
    "/demands/min_accuracy",
    "/demands/min_agreement",
    "/demands/missed",
    "/cost",
    "/layers/*/activation/clamp_inactive",
    "/loop",
    "/loop/certificate",
    "/loop/optimality",
    "/loop/optimality/not_tried_from",
    "/pareto",
    "/regions/*/margin_proved",
    "/regions/*/open",
    "/regions/*/open/best",
    "/divergence",
    "/divergence/counterexample",
    "/divergence/ended",
    "/divergence/first",
    "/divergence/kernel_class",
    "/divergence/layers/*/slack",
    "/divergence/layers/*/type",
    "/divergence/lost_at",
    "/divergence/reference_class",
    "/images",
    "/images/centers/*/class",
    "/layers/*/activation/bits",
    "/layers/*/activation/holds",
    "/layers/*/activation/regions",
    "/layers/*/activation/types",
    "/layers/*/activation/value",
    "/layers/*/bias",
    "/layers/*/bias/holds",
    "/layers/*/bias/values",
    "/layers/*/weight/holds",
    "/layers/*/weight/values",
    "/loop/start_points",
    "/loop/versions",
    "/loop/versions/*/counterexample",
    "/loop/versions/*/reason",
    "/loop/versions/*/region",
    "/network/input",
    "/network/output",
    "/regions/*/lower",
    "/regions/*/upper",
    "/run",
    "/run/command_line",
    "/run/memory_limit",
    "/run/region_time_limit",
    "/run/time_limit",
    "/targets",
];

#[test]
fn a_missing_field_is_refused() {
    let (validator, v) = (validator(), value(&full()));
    let mut optional = BTreeSet::new();
    for (p, key) in keys(&v) {
        let without = changed(&v, &p, |o| {
            object(o, &p).remove(&key);
        });
        if validator.is_valid(&without) {
            optional.insert(field(&format!("{p}/{key}")));
            let read: Result<Report, _> = serde_json::from_value(without);
            assert!(read.is_ok(), "{p}/{key}: valid, so it can be read");
        }
    }
    let stated: BTreeSet<String> = OPTIONAL.iter().map(|s| (*s).to_owned()).collect();
    assert_eq!(optional, stated);
}

#[test]
fn an_extra_or_renamed_field_is_refused() {
    let (validator, v) = (validator(), value(&full()));
    for (p, key) in keys(&v) {
        let renamed = changed(&v, &p, |o| {
            let old = object(o, &p).remove(&key).unwrap_or_default();
            object(o, &p).insert(format!("{key}_"), old);
        });
        let extra = changed(&v, &p, |o| {
            object(o, &p).insert("extra".to_owned(), json!(1));
        });
        for (what, bad) in [("renamed", renamed), ("extra", extra)] {
            assert!(!validator.is_valid(&bad), "{what} at {p}/{key}");
            let read: Result<Report, _> = serde_json::from_value(bad);
            assert!(read.is_err(), "{what} at {p}/{key} is not read");
        }
    }
}

#[test]
fn an_ill_typed_value_is_refused() {
    let (validator, v) = (validator(), value(&full()));
    let others = [
        json!(null),
        json!(true),
        json!(-1.5),
        json!("?!"),
        json!([]),
        json!({}),
    ];
    for p in pointers(&v) {
        let old = v.pointer(&p).expect("a pointer into the report");
        for other in &others {
            let kind = |v: &Value| match v {
                Value::Null => 0,
                Value::Bool(_) => 1,
                // A number of another kind is another type: nothing here is negative and broken.
                Value::Number(_) => 2,
                Value::String(_) => 3,
                Value::Array(_) => 4,
                Value::Object(_) => 5,
            };
            let absent_program = p == "/program" && other.is_null();
            // A bound may be negative and broken.
            let signed = ["/best", "/least", "/greatest"];
            let element = p.starts_with("/images/centers/0/x/");
            let bound = signed.iter().any(|s| p.ends_with(s)) || element;
            let bound = bound && other.is_number();
            if (kind(old) == kind(other) && !other.is_number()) || absent_program || bound {
                continue;
            }
            let bad = changed(&v, &p, |o| *o = other.clone());
            assert!(!validator.is_valid(&bad), "{other} at `{p}`");
        }
    }
}

#[test]
fn values_out_of_their_sets_are_refused() {
    let (validator, v) = (validator(), value(&full()));
    let cases = [
        ("/schema_version", json!(SCHEMA_VERSION + 1)),
        ("/command", json!("run")),
        ("/status", json!("Proved")),
        ("/domain", json!("integers")),
        ("/domain", json!("grid 8")),
        ("/network/sha256", json!("ab".repeat(31))),
        ("/network/sha256", json!("AB".repeat(32))),
        ("/regions/0/verdict", json!("verified")),
        ("/regions/0/method", json!("guess")),
        ("/regions/0/requirement", json!("top2")),
        ("/regions/1/counterexample/x/0", json!("0.1e3")),
        ("/regions/1/counterexample/x/0", json!("01")),
        ("/regions/1/counterexample/x/0", json!("1/0")),
        ("/regions/1/counterexample/x/0", json!(".5")),
        ("/regions/1/counterexample/x", json!([])),
        ("/layers/0/weight/bits", json!(33)),
        ("/layers/0/weight/type", json!("[s4q2]x")),
        ("/layers/0/activation/type", json!("real")),
        ("/layers/0/accumulator/type", json!("s65")),
        ("/cost/metric", json!("beauty")),
        ("/accuracy/split", json!("train")),
        ("/accuracy/rows", json!("10-14")),
        ("/accuracy/agreement", json!(1.5)),
        ("/demands/min_accuracy", json!("90%")),
        ("/agreement_samples/0/kind", json!("noise")),
        ("/agreement_samples", json!([])),
        ("/seconds/total", json!(-0.5)),
        ("/seed", json!(-1)),
    ];
    for (p, bad) in cases {
        let v = changed(&v, p, |o| *o = bad.clone());
        assert!(!validator.is_valid(&v), "{bad} at {p}");
    }
}

#[test]
fn verdicts_and_what_stands_with_them() {
    let (validator, v) = (validator(), value(&full()));
    // The region that is proved, refuted and open, in this order.
    let cases = [
        ("/status", json!("proved")),
        ("/command", json!("verify")),
        ("/regions/0/verdict", json!("refuted")),
        ("/regions/0/verdict", json!("unknown")),
        ("/regions/0/method", json!("replay")),
        ("/regions/0/method", json!("none")),
        ("/regions/1/verdict", json!("proved")),
        ("/regions/1/verdict", json!("unknown")),
        ("/regions/2/verdict", json!("proved")),
        ("/regions/2/method", json!("smt")),
        ("/regions/0/reference_changes_class", json!(false)),
        ("/regions/0/vacuous", json!(false)),
        // Both splits have their place.
        ("/accuracy/split", json!("calibration")),
        ("/calibration_accuracy/split", json!("test")),
    ];
    for (p, bad) in cases {
        let v = changed(&v, p, |o| *o = bad.clone());
        assert!(!validator.is_valid(&v), "{bad} at {p}");
    }
    let proved = value(&minimal());
    for bad in [
        json!({"reason": "none"}),
        json!({"program": null}),
        json!({"regions": []}),
    ] {
        let mut v = proved.clone();
        object(&mut v, "a report").extend(bad.as_object().cloned().unwrap_or_default());
        assert!(!validator.is_valid(&v), "{bad} in a proved report");
    }
    let missed = changed(&proved, "", |r| {
        for key in ["accuracy", "demands"] {
            object(r, "a report").insert(key.to_owned(), v[key].clone());
        }
    });
    assert!(!validator.is_valid(&missed), "a demand that is missed");
    let met = changed(&missed, "/demands", |d| {
        object(d, "demands").remove("missed");
    });
    assert!(validator.is_valid(&met), "{:?}", validator.errors(&met));
    let unmeasured = changed(&met, "", |r| {
        object(r, "a report").remove("accuracy");
    });
    assert!(!validator.is_valid(&unmeasured), "demands without data");
    let vacuous = changed(&proved, "/regions/0", |r| {
        object(r, "a region").insert("vacuous".to_owned(), json!(true));
        object(r, "a region").insert("vacuous_constant".to_owned(), json!("class 0"));
    });
    assert!(
        !validator.is_valid(&vacuous),
        "a vacuous region never counts"
    );
}

#[test]
fn exact_numbers_match_their_pattern() {
    let validator = validator();
    for text in [
        "0", "-1/3", "0x1p-40", "-2.50", "1e20", "3/7", "1/2", "-0.0625",
    ] {
        let exact: ceg4n_base::Exact = text.parse().expect("a number");
        let mut report = full();
        if let Some(c) = &mut report.regions[1].counterexample {
            c.x[0] = exact.clone();
        }
        assert!(
            validator.is_valid(&value(&report)),
            "{text} is written as {exact}"
        );
    }
}
