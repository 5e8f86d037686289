//! Accuracy on the MNIST test set, for the networks of the benchmarks.
//!
//! The benchmarks are reached by `CEG4N_BENCHMARKS`; without it the test says that it was skipped,
//! and fails under `CEG4N_REQUIRE_TOOLS=1`.

use ceg4n_driver::data::{Data, kernel_classes, reference_classes};
use ceg4n_driver::load::load;
use ceg4n_driver::opt::{OptOptions, opt};
use ceg4n_driver::options::{DataOptions, DataSource, LabelSource, LoadOptions};
use ceg4n_import::Values;
use ceg4n_ir::check;
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_verify::Reference;
use std::io::Write;
use std::path::{Path, PathBuf};

fn benchmarks(name: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("CEG4N_BENCHMARKS").map(PathBuf::from);
    if dir.is_none() {
        let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
        assert!(!required, "CEG4N_BENCHMARKS is not set");
        // Not through the macro, whose output a passing test keeps to itself.
        let text = format!("SKIPPED {name}: CEG4N_BENCHMARKS is not set\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    dir
}

fn digits(mnist: &Path, images: &str) -> DataOptions {
    DataOptions {
        data: Some(DataSource::from(mnist.join(images).as_path())),
        labels: Some(LabelSource::File(
            mnist.join("t10k-labels-idx1-ubyte.gz").as_path().into(),
        )),
        ..DataOptions::default()
    }
}

/// Rows of the test set that each network has right, as onnxruntime has it; kernels of 8 and 12
/// bits stay close to that.
#[test]
fn accuracy_on_mnist_is_that_of_the_networks() {
    let Some(dir) = benchmarks("accuracy_on_mnist_is_that_of_the_networks") else {
        return;
    };
    let small = "t10k-images-8x8-idx3-ubyte.gz";
    let large = "t10k-images-idx3-ubyte.gz";
    for (name, images, right) in [
        ("mnist_64_10x1", small, 7904),
        ("mnist_64_10x2", small, 5664),
        ("mnist_64_25x1", small, 8342),
        ("mnist_64_25x2", small, 7946),
        ("mnist_784_10x1", large, 9026),
        ("mnist_784_10x2", large, 9020),
        ("mnist_784_25x1", large, 9194),
        ("mnist_784_25x2", large, 9174),
    ] {
        let options = OptOptions {
            load: LoadOptions {
                net: dir.join(format!("ceg4n/networks/{name}.onnx")),
                regions: vec![dir.join(format!("ceg4n/regions/{name}.json"))],
                ball_sizes: vec!["0.01".parse().unwrap()],
                ..LoadOptions::default()
            },
            passes: "quantize-uniform:8:12".to_owned(),
            verify_each: false,
        };
        let net = opt(&options, &mut |_, _| {}).unwrap_or_else(|f| panic!("{name}: {f}"));
        let reference = Reference::new(&check(net.module.reference()).expect("checked"));
        let data = Data::load(
            &digits(&dir.join("mnist"), images),
            &reference,
            net.shape(),
            2,
        );
        let data = data
            .unwrap_or_else(|e| panic!("{name}: {e}"))
            .expect("data");
        let split = data.deciding();
        assert_eq!(split.reference_correct(), Some(right), "{name}");
        // A pixel divided by 255 is no more than a float32.
        assert!(matches!(split.set.inputs, Values::F32(_)));
        assert_eq!(
            split.reference,
            reference_classes(&reference, &split.set, 1).unwrap()
        );

        let program = net.version(None, None).expect("a version");
        let program = check(program).expect("checked");
        let kernel = Evaluator::new(&program, &CodeCache::new()).expect("native code");
        let found = split.of_kernel(&kernel, 2).expect("counts");
        assert!(found.agreeing > 9600, "{name}: {}", found.agreeing);
        let classes = kernel_classes(&kernel, &split.set, 1).unwrap();
        assert_eq!(found, split.measure(&classes));
    }
}

/// What `--data` reads is what `--regions` makes boxes around.
#[test]
fn rows_are_the_centres_of_the_regions_made_of_them() {
    let net = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks/tiny.nnir");
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/check/inputs/points.csv");
    let loaded = load(&LoadOptions {
        net,
        regions: vec![rows.clone()],
        radius: Some("0".parse().unwrap()),
        require: Some(ceg4n_ir::Property::Top1.into()),
        ..LoadOptions::default()
    })
    .expect("regions");
    let reference = Reference::new(&check(loaded.module.reference()).expect("checked"));
    let options = DataOptions {
        data: Some(DataSource::from(rows.as_path())),
        ..DataOptions::default()
    };
    let data = Data::load(&options, &reference, loaded.shape(), 1)
        .expect("rows")
        .expect("data");
    let set = &data.calibration.set;
    assert_eq!(set.len(), loaded.module.regions.len());
    for (i, region) in loaded.module.regions.iter().enumerate() {
        let mut x = Vec::new();
        set.copy(i..i + 1, &mut x);
        let exact: Vec<_> = x
            .iter()
            .filter_map(|v| ceg4n_base::Exact::from_f64(*v))
            .collect();
        assert_eq!(exact, region.center());
    }
}
