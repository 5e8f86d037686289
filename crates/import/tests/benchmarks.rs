//! The CEG4N and VNN-COMP networks, reached by the environment variable `CEG4N_BENCHMARKS`.
//!
//! Without it the tests say that they were skipped; with `CEG4N_REQUIRE_TOOLS=1` they fail then.

use ceg4n_import::{import_onnx_file, regions_from_file};
use ceg4n_ir::{Network, NodeId, Program, RealOp, RealProgram, check};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// The reference in plain `f64`: near enough for a comparison to 1e-4.
fn evaluate(program: &RealProgram, input: &[f64]) -> Vec<f64> {
    let mut values: BTreeMap<NodeId, Vec<f64>> = BTreeMap::new();
    for (id, node) in program.nodes.iter() {
        let y: Vec<f64> = match &node.op {
            RealOp::Input => input.to_vec(),
            RealOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => (0..*rows)
                .map(|j| {
                    let row = &weight[j * cols..(j + 1) * cols];
                    let sum: f64 = row.iter().zip(&values[x]).map(|(w, x)| w * x).sum();
                    sum + bias.as_ref().map_or(0.0, |b| b[j])
                })
                .collect(),
            RealOp::AddConst { x, c } => {
                values[x].iter().zip(c.iter()).map(|(x, c)| x + c).collect()
            }
            RealOp::DivConst { x, c } => {
                values[x].iter().zip(c.iter()).map(|(x, c)| x / c).collect()
            }
            RealOp::Relu { x } => values[x].iter().map(|x| x.max(0.0)).collect(),
            RealOp::Move { x } => values[x].clone(),
        };
        values.insert(id, y);
    }
    values.remove(&program.output).unwrap()
}

/// The largest `|y - want| / max |want|` over the regions of a file, and how many regions.
fn worst_difference(network: Network, regions: &Path) -> (f64, usize) {
    let network = Arc::new(network);
    let checked = check(Program::reference(network.clone())).unwrap();
    let real = checked.real().unwrap();
    let entries = regions_from_file(regions).unwrap();
    let mut worst = 0f64;
    for entry in &entries {
        entry.region.check(network.input_len()).unwrap();
        let center = entry.region.center();
        assert!(entry.region.contains(&center), "{}", entry.region.id);
        let x: Vec<f64> = center.iter().map(|v| v.to_f64()).collect();
        let y = evaluate(real, &x);
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
