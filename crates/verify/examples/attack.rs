//! What the attack finds on the CEG4N networks, and how long it takes: `CEG4N_BENCHMARKS=DIR
//! cargo run -p ceg4n-verify --example attack -- labels` counts the regions in which the reference
//! changes its class.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

use ceg4n_import::{import_onnx_file, regions_from_file};
use ceg4n_ir::{Domain, Format, Program, Region, check};
use ceg4n_verify::attack::class_change;
use ceg4n_verify::space::Space;
use ceg4n_verify::{Effort, Reference, Stop};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

const NETWORKS: [&str; 15] = [
    "iris_3x2",
    "iris_4x2",
    "iris_10x2",
    "seeds_2x1",
    "seeds_4x1",
    "seeds_6x1",
    "seeds_10x1",
    "mnist_64_10x1",
    "mnist_64_25x1",
    "mnist_64_10x2",
    "mnist_64_25x2",
    "mnist_784_10x1",
    "mnist_784_25x1",
    "mnist_784_10x2",
    "mnist_784_25x2",
];

fn load(dir: &Path, name: &str) -> Result<(Reference, Vec<Region>), String> {
    let file = dir.join(format!("ceg4n/networks/{name}.onnx"));
    let imported = import_onnx_file(file).map_err(|d| format!("{d:?}"))?;
    let program = check(Program::reference(Arc::new(imported.network)));
    let program = program.map_err(|d| format!("{d:?}"))?;
    let regions = regions_from_file(dir.join(format!("ceg4n/regions/{name}.json")));
    let regions = regions.map_err(|d| format!("{d:?}"))?;
    let regions = regions.into_iter().map(|e| e.region).collect();
    Ok((Reference::new(&program), regions))
}

fn main() -> Result<(), String> {
    let dir = std::env::var_os("CEG4N_BENCHMARKS").ok_or("CEG4N_BENCHMARKS is not set")?;
    let dir = PathBuf::from(dir);
    let mut all = (0, 0, 0.0);
    for name in NETWORKS {
        let (reference, regions) = load(&dir, name)?;
        if name.starts_with("mnist_784_25x2") {
            let r = &regions[0];
            let space = Space::new(r, Domain::Real, Format::S32);
            let c = Instant::now();
            let x = r.center();
            println!("center {:?}", c.elapsed());
            let c = Instant::now();
            let s = ceg4n_verify::attack::seeds(&space, &x, 12);
            println!("seeds {:?}", c.elapsed());
            let c = Instant::now();
            let _ = ceg4n_verify::attack::generator(&space, 1);
            println!("generator {:?}", c.elapsed());
            let c = Instant::now();
            let x = space.snap(&s[0]).unwrap();
            println!("snap {:?}", c.elapsed());
            let c = Instant::now();
            let _ = reference.outputs(&x);
            println!("outputs {:?}", c.elapsed());
            let mut b = reference.net().batch(16);
            let flat = vec![0.5; 16 * 784];
            let c = Instant::now();
            let _ = b.forward(&flat);
            println!("forward16 {:?}", c.elapsed());
            let f = vec![0.5; 160];
            let mut g = vec![0.5; 784 * 16];
            let c = Instant::now();
            let _ = b.backward(&f, &mut g);
            println!("backward16 {:?}", c.elapsed());
        }
        for size in ["0.01", "0.03", "0.05"] {
            let (mut changes, mut times) = (0, Vec::new());
            let size = size.parse().ok();
            for r in regions.iter().filter(|r| r.ball_size == size) {
                let space = Space::new(r, Domain::Real, Format::S32);
                let clock = Instant::now();
                let found = class_change(
                    &reference,
                    &space,
                    &r.center(),
                    &Effort::default(),
                    &Stop::default(),
                );
                times.push((clock.elapsed().as_secs_f64() * 1e3, found.change.is_some()));
                changes += usize::from(found.change.is_some());
            }
            let of = |c: bool| {
                let mut t: Vec<f64> = times.iter().filter(|t| t.1 == c).map(|t| t.0).collect();
                t.sort_by(f64::total_cmp);
                (
                    t.get(t.len() / 2).copied().unwrap_or(0.0),
                    t.last().copied().unwrap_or(0.0),
                )
            };
            let sum: f64 = times.iter().map(|t| t.0).sum();
            let (c, k) = (of(true), of(false));
            println!(
                "{name:<16} {:<5} {changes:>3} of {:>3} change, {sum:8.1} ms; median/max ms: change {:.2}/{:.2}, none {:.2}/{:.2}",
                size.map_or(String::new(), |s: ceg4n_base::Exact| s.to_string()),
                times.len(),
                c.0,
                c.1,
                k.0,
                k.1
            );
            all = (all.0 + changes, all.1 + times.len(), all.2 + sum);
        }
    }
    println!("together: {} of {} change, {:.0} ms", all.0, all.1, all.2);
    Ok(())
}
