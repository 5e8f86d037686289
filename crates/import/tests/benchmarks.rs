//! The CEG4N and VNN-COMP networks, reached by the environment variable `CEG4N_BENCHMARKS`.
//!
//! Without it the tests say that they were skipped; with `CEG4N_REQUIRE_TOOLS=1` they fail then.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ceg4n_base::{Exact, Sources};
use ceg4n_import::{
    Balls, Choice, DataRequest, DataSource, FileKind, import_onnx_file, regions_from_data,
    regions_from_file, vnnlib,
};
use ceg4n_ir::Network;
use evaluate::evaluate;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[path = "../src/onnx/tests/evaluate.rs"]
mod evaluate;

fn benchmarks() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("CEG4N_BENCHMARKS") {
        return Some(dir.into());
    }
    let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
    assert!(!required, "CEG4N_BENCHMARKS is not set");
    // Past the test harness, which shows nothing of tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED: CEG4N_BENCHMARKS is not set");
    None
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    out.sort();
    assert!(!out.is_empty(), "no .{extension} in {}", dir.display());
    out
}

fn import(path: &Path) -> Network {
    let imported = import_onnx_file(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(imported.notes.is_empty(), "{:?}", imported.notes);
    imported.network
}

/// The largest `|y - want| / max |want|` over the regions of a file, and how many regions.
fn worst_difference(network: Network, regions: &Path) -> (f64, usize) {
    let network = Arc::new(network);
    let entries = regions_from_file(regions).unwrap();
    let mut worst = 0f64;
    for entry in &entries {
        entry.region.check(network.input_len()).unwrap();
        let center = entry.region.center();
        assert!(entry.region.contains(&center), "{}", entry.region.id);
        let x: Vec<f64> = center.iter().map(|v| v.to_f64()).collect();
        let y = evaluate(&network, &x);
        let want = entry.y.as_ref().unwrap();
        assert_eq!(y.len(), want.len());
        let scale = want.iter().fold(0f64, |m, v| m.max(v.abs()));
        for (y, want) in y.iter().zip(want) {
            worst = worst.max((y - want).abs() / scale);
        }
    }
    (worst, entries.len())
}

#[test]
fn every_ceg4n_network_imports_and_computes_what_its_authors_got() {
    let Some(dir) = benchmarks() else { return };
    let mut compared = 0;
    for path in files(&dir.join("ceg4n/networks"), "onnx") {
        let network = import(&path);
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(network.name(), stem);
        let regions = dir.join(format!("ceg4n/regions/{stem}.json"));
        if !regions.exists() {
            assert_eq!(stem, "mnist-net_256x2", "no regions");
            continue;
        }
        let (worst, count) = worst_difference(network, &regions);
        println!("{stem}: {count} regions, worst relative difference {worst:.2e}");
        assert!(worst < 1e-4, "{stem}: {worst}");
        compared += count;
    }
    assert!(compared > 400, "{compared}");
}

#[test]
fn the_eran_network_with_preprocessing_imports() {
    let Some(dir) = benchmarks() else { return };
    let network = import(&dir.join("vnncomp/eran/mnist_relu_9_200.onnx"));
    assert_eq!((network.input_len(), network.output_len()), (784, 10));
    assert_eq!(network.weight_layers().len(), 9);
    let names: Vec<_> = network.values().values().map(|v| v.op.name()).collect();
    assert!(
        names.contains(&"sub") && names.contains(&"div"),
        "{names:?}"
    );
}

/// Convolutions, pools, transposes and padding stay what they are.
#[test]
fn convolutional_networks_import() {
    let Some(dir) = benchmarks() else { return };
    let cases: [(&str, usize, &[&str]); 5] = [
        (
            "marabou-cifar10/cifar10_small",
            3072,
            &["transpose", "conv"],
        ),
        ("oval21/cifar_base_kw", 3072, &["conv"]),
        ("oval21/cifar_deep_kw", 3072, &["conv"]),
        ("verivital/Convnet_avgpool", 784, &["conv", "average_pool"]),
        ("verivital/Convnet_maxpool", 784, &["conv", "max_pool"]),
    ];
    for (file, inputs, want) in cases {
        let network = import(&dir.join(format!("vnncomp/{file}.onnx")));
        let names: Vec<&str> = network.values().values().map(|v| v.op.name()).collect();
        assert!(want.iter().all(|w| names.contains(w)), "{file}: {names:?}");
        assert_eq!(
            (network.input_len(), network.output_len()),
            (inputs, 10),
            "{file}"
        );
        let x: Vec<f64> = (0..inputs).map(|i| (i % 17) as f64 / 17.0).collect();
        let y = evaluate(&Arc::new(network), &x);
        assert!(
            y.iter().all(|v| v.is_finite()) && y.iter().any(|v| *v != y[0]),
            "{file}: {y:?}"
        );
    }
}

/// All queries under a folder.
fn queries(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            queries(&path, out);
        } else if FileKind::of(&path) == Some(FileKind::Vnnlib) {
            out.push(path);
        }
    }
}

/// Sizes from what the files say: boxes, inputs, outputs, cases per box.
#[test]
fn every_competition_query_is_read() {
    let Some(dir) = benchmarks() else { return };
    let mut all = Vec::new();
    queries(&dir.join("vnncomp"), &mut all);
    all.sort();
    for path in &all {
        let mut sources = Sources::default();
        let q = vnnlib::query_from_file(&mut sources, path)
            .unwrap_or_else(|e| panic!("{}", sources.render(&e, false)));
        let stem = vnnlib::stem(path);
        let regions = q.regions(&stem).unwrap();
        let cases = q.spec("q", Some(&regions[0])).cases;
        let shape = (regions.len(), q.inputs(), q.outputs(), cases.len());
        let folder = path.parent().and_then(Path::file_name).unwrap();
        let want = match (folder.to_str().unwrap(), stem.as_str()) {
            ("acasxu", "prop_1" | "prop_2" | "prop_3" | "prop_4") => (1, 5, 5, 1),
            ("acasxu", "prop_6") => (2, 5, 5, 4),
            ("acasxu", "prop_7") => (1, 5, 5, 2),
            ("acasxu", "prop_8") => (1, 5, 5, 3),
            ("acasxu", _) => (1, 5, 5, 4),
            ("mnistfc" | "verivital", _) => (1, 784, 10, 9),
            ("oval21", _) => (1, 3072, 10, 9),
            ("marabou-cifar10", _) => (1, 3072, 10, 1),
            other => panic!("{other:?}"),
        };
        assert_eq!(shape, want, "{}", path.display());
        let again = vnnlib::spec_to_text(&q.spec("q", None));
        let again = vnnlib::query(&mut sources, "again", &again).unwrap();
        assert_eq!(again.spec("q", None), q.spec("q", None));
    }
    assert!(all.len() >= 18, "{}", all.len());
}

/// Ten images at radius .01: the boxes are exact, and the pixels those of the region files.
#[test]
fn images_become_regions() {
    let Some(dir) = benchmarks() else { return };
    let file = dir.join("mnist/t10k-images-idx3-ubyte.gz");
    let exact = |t: &str| t.parse::<Exact>().unwrap();
    let balls = Balls {
        radius: exact("0.01"),
        clip: Some((exact("0"), exact("1"))),
    };
    let regions_of = |rows| {
        let request = DataRequest {
            data: &DataSource::from_path(&file),
            labels: None,
            rows: Some(rows),
            rows_option: "--rows",
            shape: &[784],
            classes: 10,
            pixels: None,
        };
        regions_from_data(&request, &balls, Choice::default()).unwrap()
    };
    let regions = regions_of(0..10);
    let ids: Vec<&str> = regions.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids.join(" "), "0 1 2 3 4 5 6 7 8 9");
    for r in &regions {
        let center = r.center();
        for ((c, l), u) in center.iter().zip(&r.lower).zip(&r.upper) {
            assert_eq!(*l, (c - &exact("0.01")).max(exact("0")));
            assert_eq!(*u, (c + &exact("0.01")).min(exact("1")));
        }
        assert!(center.iter().any(|c| c.signum() > 0));
    }
    let known = regions_from_file(dir.join("ceg4n/regions/mnist_784_10x1.json")).unwrap();
    let centers: Vec<Vec<Exact>> = known.iter().map(|e| e.region.center()).collect();
    // One of the images on which these regions stand is among the first hundred.
    let images = regions_of(0..100);
    let same = |c: &&Vec<Exact>| images.iter().any(|r| r.center() == **c);
    let found = centers.iter().filter(same).count();
    assert_eq!(found, 3, "one image at three radii");
}
