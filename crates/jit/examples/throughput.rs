//! Prints how fast candidates of a 784-50-50-10 network are prepared and evaluated, and how fast
//! a small network sweeps a box.
//!
//! `cargo run -p ceg4n-jit --example throughput`; wall time, best of several rounds.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use ceg4n_base::Diagnostics;
use ceg4n_ir::network::{Constant, Origin};
use ceg4n_ir::{
    Checked, Format, Network, NetworkBuilder, Op, Program, Rounding, Shape, ValueId, check,
};
use ceg4n_jit::{CodeCache, CodeOptions, Evaluator};
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LAYERS: [usize; 4] = [784, 50, 50, 10];
const SMALL: [usize; 3] = [4, 10, 3];
const SAMPLES: usize = 1000;
const ROUNDS: usize = 9;

/// A seeded float in `-1..1`.
fn noise(state: &mut u64) -> f32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn network(layers: &[usize]) -> Result<Network, Diagnostics> {
    let mut net = NetworkBuilder::new("throughput");
    let state = &mut 1;
    let mut constant = |net: &mut NetworkBuilder, name: String, shape: Vec<usize>| {
        let data = (0..shape.iter().product()).map(|_| noise(state)).collect();
        let origin = Origin::Inline;
        net.push(
            name,
            Op::Const(Constant {
                data,
                origin,
                wide: None,
            }),
            Some(Shape(shape)),
            None,
        )
    };
    let mut x = net.push("x", Op::Input, Some(Shape::vector(layers[0])), None);
    for (i, sizes) in layers.windows(2).enumerate() {
        let weight = constant(&mut net, format!("w{i}"), vec![sizes[1], sizes[0]]);
        let bias = Some(constant(&mut net, format!("b{i}"), vec![sizes[1]]));
        x = net.push(format!("d{i}"), Op::Dense { x, weight, bias }, None, None);
        if i + 2 < layers.len() {
            x = net.push(format!("r{i}"), Op::Relu { x }, None, None);
        }
    }
    net.finish(x)
}

/// Constants of `bits` bits, activations of 9.
fn candidate(net: &Arc<Network>, bits: u8) -> Result<Checked<Program>, Box<dyn Error>> {
    let format = |signed, width, frac| Format::new(signed, width, frac).ok_or("a bad format");
    let mut patch = Program::reference(net.clone())
        .patch()
        .rounding(Rounding::HalfUp);
    let constants: Vec<ValueId> = net
        .values()
        .keys()
        .filter(|v| net.constant(*v).is_some())
        .collect();
    for v in constants {
        patch = patch.format(v, format(true, bits, i32::from(bits) - 1)?);
    }
    patch = patch.format(net.input(), format(false, 8, 8)?);
    for (v, value) in net.values().iter() {
        if matches!(value.op, Op::Relu { .. }) {
            patch = patch.format(v, format(false, 9, 3)?);
        }
    }
    let checked = check(patch.finish()).map_err(|e| format!("{e:?}"))?;
    Ok(checked)
}

/// The shortest of several rounds.
fn best<T>(mut f: impl FnMut() -> T) -> (Duration, T) {
    let mut round = || {
        let start = Instant::now();
        let value = f();
        (start.elapsed(), value)
    };
    let mut best = round();
    for _ in 1..ROUNDS {
        let next = round();
        if next.0 < best.0 {
            best = next;
        }
    }
    best
}

fn measure(name: &str, vectors: bool, net: &Arc<Network>) -> Result<(), Box<dyn Error>> {
    let cache = CodeCache::with_options(CodeOptions {
        vectors,
        verify_ir: false,
    });
    let start = Instant::now();
    let checked = candidate(net, 8)?;
    let check_time = start.elapsed();
    let start = Instant::now();
    Evaluator::new(&checked, &cache)?;
    let compile = start.elapsed();
    let (prepare, evaluator) = best(|| Evaluator::new(&checked, &cache));
    let evaluator = evaluator?;
    let state = &mut 7;
    let inputs: Vec<i64> = (0..SAMPLES * evaluator.input_len())
        .map(|_| ((noise(state) + 1.0) * 127.0) as i64)
        .collect();
    let mut outputs = Vec::new();
    let (time, done) = best(|| evaluator.eval_batch(&inputs, SAMPLES, &mut outputs));
    done?;
    let per_sample = time.as_secs_f64() * 1e6 / SAMPLES as f64;
    let candidates = 1.0 / (prepare + time).as_secs_f64();
    println!(
        "{name}: {} functions, compiled and prepared in {compile:.2?}",
        cache.len()
    );
    println!("  check {check_time:.2?}, prepare {prepare:.2?} a candidate");
    println!(
        "  {per_sample:.2} us/sample, {candidates:.0} candidates/s on {SAMPLES} samples (without check)"
    );
    Ok(())
}

/// Every point of a box of 160,000 in a small network.
fn measure_box(name: &str, vectors: bool, net: &Arc<Network>) -> Result<(), Box<dyn Error>> {
    let cache = CodeCache::with_options(CodeOptions {
        vectors,
        verify_ir: false,
    });
    let evaluator = Evaluator::new(&candidate(net, 8)?, &cache)?;
    let (lo, hi) = ([100; 4], [119; 4]);
    let (time, sweep) = best(|| {
        let visit = &mut |_: &[i64], _: &[i64], _| ControlFlow::Continue(());
        evaluator.for_each_in_box(&lo, &hi, u64::MAX, visit)
    });
    println!("{name}, a box of {SMALL:?}: {:?} in {time:.2?}", sweep?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let build = |layers| network(layers).map(Arc::new).map_err(|e| format!("{e:?}"));
    let (net, small) = (build(&LAYERS)?, build(&SMALL)?);
    measure("vectors", true, &net)?;
    measure("scalar", false, &net)?;
    measure_box("vectors", true, &small)?;
    measure_box("scalar", false, &small)?;
    Ok(())
}
