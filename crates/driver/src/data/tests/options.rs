//! Options that do not go together.

use crate::data::Demands;
use crate::options::DataOptions;
use ceg4n_base::codes;
use ceg4n_import::{DataSource, LabelSource};
use std::path::Path;

fn source(path: &str) -> Option<DataSource> {
    Some(DataSource::from_text(path))
}

fn labels(text: &str) -> Option<LabelSource> {
    Some(LabelSource::from_text(text))
}

fn demands(accuracy: &str) -> Demands {
    Demands {
        min_accuracy: Some(accuracy.parse().unwrap()),
        ..Demands::default()
    }
}

/// The messages, all of them about usage.
fn messages(options: &DataOptions) -> Vec<String> {
    let errors = options.check().err().unwrap_or_default();
    assert!(
        errors
            .0
            .iter()
            .all(|d| d.code == codes::USAGE && !d.help.is_empty())
    );
    errors.0.into_iter().map(|d| d.message).collect()
}

#[test]
fn everything_needs_data() {
    let options = DataOptions {
        labels: labels("l.npy"),
        data_rows: Some(0..1),
        test_data: source("t.npy"),
        test_labels: labels("m.npy"),
        test_rows: Some(0..1),
        demands: demands("0.5"),
        ..DataOptions::default()
    };
    let found = messages(&options);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(
        found
            .iter()
            .all(|m| m.ends_with("needs data to be measured on"))
    );
    assert!(messages(&DataOptions::default()).is_empty());
}

#[test]
fn accuracy_needs_labels_of_the_rows_that_decide() {
    let data = DataOptions {
        data: source("d.npy"),
        demands: demands("0.5"),
        ..DataOptions::default()
    };
    assert_eq!(messages(&data), ["--min-accuracy needs labels"]);
    let labelled = DataOptions {
        labels: labels("l.npy"),
        ..data
    };
    assert!(messages(&labelled).is_empty());
    let tested = DataOptions {
        test_data: source("t.npy"),
        ..labelled.clone()
    };
    assert_eq!(messages(&tested), ["--min-accuracy needs labels"]);
    let help = tested.check().unwrap_err().0[0].help[0].clone();
    assert!(help.contains("--test-labels"), "{help}");
    // A column is expected in both files.
    let column = DataOptions {
        labels: labels("column:class"),
        ..tested
    };
    assert!(messages(&column).is_empty());
    let own = DataOptions {
        test_labels: labels("m.npy"),
        ..labelled
    };
    assert_eq!(
        messages(&own),
        ["--test-labels has no effect: there is no --test-data"]
    );
}

#[test]
fn no_row_is_in_both_splits() {
    let with = |data: &str, rows, test: Option<&str>, test_rows| {
        messages(&DataOptions {
            data: source(data),
            data_rows: rows,
            test_data: test.and_then(source),
            test_rows,
            ..DataOptions::default()
        })
    };
    assert!(with("d.npy", Some(0..5), None, Some(5..9)).is_empty());
    assert!(with("d.npy", Some(5..9), None, Some(0..5)).is_empty());
    assert!(with("d.npy", None, Some("e.npy"), None).is_empty());
    assert_eq!(
        with("d.npy", Some(0..6), None, Some(5..9)),
        ["rows 5..6 of d.npy are both in --data-rows and in --test-rows"]
    );
    assert_eq!(
        with("d.npy", None, None, Some(5..9)),
        ["rows 5..9 of d.npy are in --test-rows and, without --data-rows, for calibration too"]
    );
    assert_eq!(
        with("d.npy", Some(0..6), Some("d.npy"), None),
        ["rows 0..6 of d.npy are in --data-rows and, without --test-rows, in the test too"]
    );
    assert_eq!(
        with("d.npy", None, Some("d.npy"), None),
        ["--data and --test-data are both all of d.npy"]
    );
    // One file by two names.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("d.npy"), b"x").unwrap();
    let text = |p: &Path| p.display().to_string();
    let (a, b) = (
        text(&dir.path().join("d.npy")),
        text(&dir.path().join("./d.npy")),
    );
    assert_eq!(with(&a, Some(0..6), Some(&b), Some(3..9)).len(), 1);
    // Tensors of one file are the same rows only by the same name.
    assert!(with("f.safetensors:a", None, Some("f.safetensors:b"), None).is_empty());
    assert_eq!(
        with("f.safetensors:a", None, Some("f.safetensors"), None).len(),
        1
    );
}
