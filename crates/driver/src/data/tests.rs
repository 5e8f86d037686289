//! Data, measured on networks small enough to count by hand or exactly.

mod options;
mod racing;
mod regions;

use super::*;
use crate::load::{Loaded, load};
use crate::options::{DataOptions, LoadOptions};
use ceg4n_base::Exact;
use ceg4n_import::{DataSet, DataSource, LabelSource, Values};
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Program, check};
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_verify::{Precision, Reference};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/networks")
        .join(name)
}

fn loaded(net: PathBuf) -> Loaded {
    load(&LoadOptions {
        net,
        ..LoadOptions::default()
    })
    .unwrap_or_else(|f| panic!("{f}"))
}

fn reference(l: &Loaded) -> Reference {
    Reference::new(&check(l.module.reference()).expect("a checked network"))
}

fn kernel(l: &Loaded) -> (Checked<Program>, Evaluator) {
    let program = check(l.version(None, None).expect("a version")).expect("a checked version");
    let evaluator = Evaluator::new(&program, &CodeCache::new()).expect("native code");
    (program, evaluator)
}

/// Rows of a data set without a file.
fn set(columns: usize, list: &[f64]) -> DataSet {
    let mut inputs = Values::default();
    list.iter().for_each(|v| inputs.push(*v));
    DataSet {
        name: "rows".to_owned(),
        rows: 0..list.len() / columns,
        columns,
        inputs,
        labels: None,
    }
}

/// A split with given classes, for counting.
fn split(reference: &[u32], labels: Option<&[u32]>) -> Split {
    let zeros = vec![0.0; reference.len()];
    Split {
        kind: SplitKind::Test,
        set: DataSet {
            labels: labels.map(<[u32]>::to_vec),
            rows: 10..10 + reference.len(),
            ..set(1, &zeros)
        },
        reference: reference.to_vec(),
    }
}

fn random_rows(columns: usize, rows: usize, seed: u64) -> DataSet {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let list: Vec<f64> = (0..rows * columns)
        .map(|_| rng.random::<f64>() * 1.2)
        .collect();
    set(columns, &list)
}

fn exact_row(data: &DataSet, row: usize) -> Vec<Exact> {
    let mut x = Vec::new();
    data.copy(row..row + 1, &mut x);
    x.iter()
        .map(|v| Exact::from_f64(*v).expect("finite"))
        .collect()
}

/// `y0 = x0 + 1000·x2 - 1000·x3` and `y1 = x1`: leads far below the rounding errors of a float
/// evaluation, and a tie.
const CLOSE: &str = "nnir 1;
network @close {
  %x = input : tensor<4>;
  %w = const [[1, 0, 1000, -1000], [0, 1, 0, 0]] : tensor<2x4>;
  %y = dense %x, %w : tensor<2>;
  output %y;
}
";

#[test]
fn close_leads_are_told_exactly_and_ties_are_the_first_class() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("close.nnir");
    std::fs::write(&path, CLOSE).unwrap();
    let reference = reference(&loaded(path));
    let above = 1f64.next_up();
    let third = 1.0 / 3.0;
    let rows = [
        [1.0, 1.0, third, third],
        [1.0, above, third, third],
        [above, 1.0, third, third],
        [1.0, 0.5, third, third],
        [0.5, 1.0, third, third],
        [third, third, -third, -third],
        [0.0, 5e-324, 1e300, 1e300],
        [5e-324, 0.0, 1e300, 1e300],
    ];
    let data = set(4, rows.as_flattened());
    let want = [0, 1, 0, 0, 1, 0, 1, 0];
    assert_eq!(reference_classes(&reference, &data, 1).unwrap(), want);
    // Classes are those of exact arithmetic whatever verdicts speak of.
    let single = reference.with_precision(Precision::Float32);
    assert_eq!(reference_classes(&single, &data, 3).unwrap(), want);
}

#[test]
fn classes_are_those_of_the_interpreters() {
    for (name, inputs) in [("tiny.nnir", 2), ("digits.nnir", 64)] {
        let l = loaded(shipped(name));
        let reference = reference(&l);
        let data = random_rows(inputs, 300, 7);
        let found = reference_classes(&reference, &data, 2).unwrap();
        assert_eq!(found, reference_classes(&reference, &data, 1).unwrap());
        for row in (0..300).step_by(11) {
            let y = reference.outputs(&exact_row(&data, row)).unwrap();
            assert_eq!(argmax(&y), Some(found[row] as usize), "{name} row {row}");
        }
    }
}

#[test]
fn a_fixed_point_reference_has_classes_too() {
    let l = loaded(shipped("tiny.nnir"));
    let (program, evaluator) = kernel(&l);
    // Coarse outputs tie often; there the first class counts on both sides.
    let data = random_rows(2, 1000, 3);
    let classes = kernel_classes(&evaluator, &data, 1).unwrap();
    assert_eq!(
        reference_classes(&Reference::new(&program), &data, 2).unwrap(),
        classes
    );
    assert_eq!(kernel_classes(&evaluator, &data, 3).unwrap(), classes);
    let format = evaluator.kernel().input_format;
    let mut mantissas = Vec::new();
    quantized(&data, 5..9, format, &mut mantissas);
    for (row, m) in (5..9).zip(mantissas.chunks_exact(2)) {
        let x = exact_row(&data, row);
        assert_eq!(m, evaluator.kernel().quantize_input(&x));
        let y = ceg4n_eval::kernel_outputs(evaluator.kernel(), m).unwrap();
        assert_eq!(argmax(&y), Some(classes[row] as usize));
    }
    // Rows of another length are no panic.
    assert!(kernel_classes(&evaluator, &random_rows(3, 4, 0), 1).is_err());
    assert!(reference_classes(&Reference::new(&program), &random_rows(3, 4, 0), 1).is_err());
}

#[test]
fn rows_that_change_are_counted_and_some_are_listed() {
    let split = split(&[0, 1, 2, 1], Some(&[0, 1, 1, 1]));
    let found = split.measure(&[0, 2, 1, 1]);
    assert_eq!((found.samples, found.agreeing), (4, 2));
    assert_eq!(found.reference_correct, Some(3));
    assert_eq!(found.kernel_correct, Some(3));
    let rows: Vec<_> = found
        .changed
        .iter()
        .map(|c| (c.row, c.label, c.reference, c.kernel))
        .collect();
    assert_eq!(rows, [(11, Some(1), 1, 2), (12, Some(1), 2, 1)]);
    let report = found.report(&split);
    assert_eq!(
        (report.rows.as_str(), report.split.as_str()),
        ("10..14", "test")
    );
    assert_eq!(report.kernel_accuracy, Some(0.75));
    assert_eq!((report.agreement, report.changed_count), (0.5, 2));
    // Two of four: 1 - (1 - p)^4 - 4p(1 - p)^3 = 0.05.
    assert_eq!(report.agreement_lower, 0.097611);

    let zeros = vec![0; 1000];
    let split = self::split(&zeros, None);
    let found = split.measure(&vec![1; 1000]);
    assert_eq!((found.agreeing, found.changed.len()), (0, MAX_CHANGED));
    assert_eq!(found.kernel_correct, None);
    let report = found.report(&split);
    assert_eq!((report.changed_count, report.agreement_lower), (1000, 0.0));
}

#[test]
fn random_points_are_the_same_for_every_run_and_lie_where_they_should() {
    let l = loaded(shipped("tiny.nnir"));
    let (reference, (_, kernel)) = (reference(&l), kernel(&l));
    let regions = &l.module.regions;
    let run = |seed, jobs| random_agreement(&reference, &kernel, regions, seed, jobs).unwrap();
    let found = run(1, 1);
    assert_eq!(found, run(1, 3));
    let kinds: Vec<_> = found.iter().map(|s| s.kind.as_str()).collect();
    assert_eq!(kinds, ["hull", "mixtures"]);
    for s in &found {
        assert_eq!(s.samples, SAMPLES as u64);
        assert!(
            0.5 < s.lower && s.lower < s.agreement && s.agreement <= 1.0,
            "{s:?}"
        );
    }
    let others: Vec<_> = (2..6).map(|seed| run(seed, 1)).collect();
    assert!(
        others.iter().any(|o| *o != found),
        "a seed changes the points"
    );
    // One centre has no mixtures; no region has nothing.
    let one = random_agreement(&reference, &kernel, &regions[..1], 0, 1).unwrap();
    assert_eq!(one.len(), 1);
    // The left region is proved, so that no point of it can change.
    assert_eq!(one[0].agreement, 1.0);
    assert!(
        random_agreement(&reference, &kernel, &[], 0, 1)
            .unwrap()
            .is_empty()
    );

    let warning = few_regions_warning(3, &found).expect("a warning");
    assert!(
        warning.message.starts_with("3 regions and no data"),
        "{warning}"
    );
    assert!(
        warning.message.contains("mixtures of the regions' centres"),
        "{warning}"
    );
    assert!(few_regions_warning(3, &[]).is_none());
    assert!(few_regions_warning(1000, &found).is_none());
}

#[test]
fn iris_is_divided_and_measured() {
    let l = loaded(shipped("iris.nnir"));
    let reference = reference(&l);
    let data = DataSource::from(shipped("iris.csv").as_path());
    let options = DataOptions {
        data: Some(data),
        labels: Some(LabelSource::Column("class".to_owned())),
        data_rows: Some(0..100),
        test_rows: Some(100..150),
        ..DataOptions::default()
    };
    let data = Data::load(&options, &reference, &[4], 2)
        .unwrap()
        .expect("data");
    assert_eq!(data.deciding().kind, SplitKind::Test);
    let test = data.test.as_ref().expect("a test split");
    assert_eq!((data.calibration.set.len(), test.set.len()), (100, 50));
    // What train.py printed.
    assert_eq!(test.reference_correct(), Some(49));
    assert!(matches!(test.set.inputs, Values::F64(_)));
    let none = Data::load(&DataOptions::default(), &reference, &[4], 1).unwrap();
    assert!(none.is_none());
    // A network of another input.
    let other = self::reference(&loaded(shipped("tiny.nnir")));
    let errors = Data::load(&options, &other, &[2], 1).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("has 4 numbers beside its label, the network 2 inputs"),
        "{errors}"
    );
}
