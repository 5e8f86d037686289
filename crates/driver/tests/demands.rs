//! What `compile` says of programs under demands on data: nothing is refuted for rows that cannot
//! decide a demand, and no statement is made of a kernel that misses one.

use ceg4n_driver::compile::compile;
use ceg4n_driver::data::Demands;
use ceg4n_driver::options::{
    CompileOptions, DataOptions, DataSource, LabelSource, Preset, Strategy,
};
use ceg4n_driver::{Cancel, Quiet};
use ceg4n_report::{Report, Status};
use std::ops::RangeInclusive;
use std::path::Path;

/// The shipped network of two inputs, with the whole space of these widths.
fn tiny(weights: RangeInclusive<u8>, activations: u8) -> CompileOptions {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks");
    let mut options = CompileOptions::new(root.join("tiny.nnir"));
    options.strategy = Strategy::Exact;
    options.weight_bits = weights;
    options.activation_bits = Some(activations..=activations);
    options
}

fn all_right() -> Demands {
    Demands {
        min_accuracy: Some("1".parse().expect("a number")),
        ..Demands::default()
    }
}

fn file(folder: &Path, name: &str, text: &str) -> DataSource {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    DataSource::from(path.as_path())
}

fn compiled(options: &CompileOptions, folder: &Path) -> Report {
    let mut options = options.clone();
    options.output = Some(folder.join("out"));
    compile(&options, &Quiet, &Cancel::default())
        .unwrap_or_else(|f| panic!("{f:?}"))
        .report
}

#[test]
fn rows_without_labels_refute_no_accuracy() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let mut options = tiny(2..=12, 12);
    options.data = DataOptions {
        data: Some(file(dir, "calibration.csv", "a,b\n0.9,0.1\n0.2,0.8\n")),
        test_data: Some(file(dir, "test.csv", "a,b,side\n0.8,0.2,0\n0.1,0.7,1\n")),
        test_labels: Some(LabelSource::Column("side".to_owned())),
        demands: all_right(),
        ..DataOptions::default()
    };
    let report = compiled(&options, dir);
    assert_eq!(report.status, Status::Proved, "{:?}", report.reason);
    let claim = report.loop_.and_then(|l| l.optimality).expect("a claim");
    assert_eq!(claim.missed_demand, 0, "{}", claim.statement);
}

#[test]
fn no_statement_is_made_of_a_kernel_that_misses_a_demand() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    // The first formats that are tried are one alone here, and every label is wrong.
    let mut options = tiny(7..=8, 12);
    options.data = DataOptions {
        data: Some(file(dir, "wrong.csv", "a,b,side\n0.8,0.2,1\n0.1,0.7,0\n")),
        labels: Some(LabelSource::Column("side".to_owned())),
        demands: all_right(),
        ..DataOptions::default()
    };
    let report = compiled(&options, dir);
    assert_eq!(report.status, Status::Refuted);
    assert_eq!(report.program, None, "a kernel that misses a demand");
    assert_eq!(report.loop_.and_then(|l| l.optimality), None);
}

/// A format that was asked for is shown with what it misses, and is not called verified.
#[test]
fn a_kernel_that_misses_a_demand_is_not_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let mut options = tiny(8..=8, 12);
    options.preset = Preset::Uniform {
        weight_bits: 8,
        activation_bits: 12,
    };
    options.data = DataOptions {
        data: Some(file(dir, "wrong.csv", "a,b,side\n0.8,0.2,1\n0.1,0.7,0\n")),
        labels: Some(LabelSource::Column("side".to_owned())),
        demands: all_right(),
        ..DataOptions::default()
    };
    let report = compiled(&options, dir);
    assert_eq!(report.status, Status::Refuted);
    assert!(report.regions.iter().all(|r| r.verdict == "proved"));
    for name in ["out/tiny.final.nnir", "out/c/tiny.h"] {
        let text = std::fs::read_to_string(dir.join(name)).expect("a file");
        assert!(
            text.contains("NOT VERIFIED: --min-accuracy"),
            "{name}: {text}"
        );
    }
}

/// The calibration rows sift candidates, but what is asked for is asked on the test rows.
#[test]
fn what_the_calibration_rows_turn_away_is_not_refuted() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let mut options = tiny(7..=8, 12);
    options.data = DataOptions {
        data: Some(file(dir, "wrong.csv", "a,b,side\n0.8,0.2,1\n0.1,0.7,0\n")),
        labels: Some(LabelSource::Column("side".to_owned())),
        test_data: Some(file(dir, "test.csv", "a,b,side\n0.8,0.2,0\n0.1,0.7,1\n")),
        demands: all_right(),
        ..DataOptions::default()
    };
    let report = compiled(&options, dir);
    assert_eq!(report.status, Status::Unknown, "{:?}", report.reason);
}
