//! Prints how fast candidates of a 784-50-50-10 network are evaluated on 1,000 samples: against C
//! that gcc compiled for this machine, and in candidates per second with everything that a new
//! candidate costs.
//!
//! `cargo run -p ceg4n-emit --example candidates`; processor time, of the evaluator
//! and of gcc's programs the best of many passes in turn. Without gcc only the second part runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

mod native;
mod network;

use ceg4n_ir::{Checked, Network, Program, ValueId};
use ceg4n_jit::{CodeCache, Evaluator, PrefixCache, Samples};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const SAMPLES: usize = 1000;

/// Turns of the two sides, and passes over the samples in one turn.
const TURNS: usize = 12;
pub(crate) const PASSES: usize = 8;

/// Candidates of one measurement.
const CANDIDATES: usize = 400;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Processor time of this thread.
fn now() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// FNV-1a over the outputs' bytes, least first.
fn fnv(outputs: &[i64]) -> u64 {
    let bytes = outputs.iter().flat_map(|y| y.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The shortest of [`PASSES`] passes, in microseconds a sample, and the hash of the outputs.
fn pass(evaluator: &Evaluator, samples: &Samples) -> Outcome<(f64, u64)> {
    let mut outputs = Vec::new();
    let mut best = f64::INFINITY;
    for _ in 0..PASSES {
        let start = now();
        evaluator.eval_samples(samples, 0..samples.len(), None, &mut outputs)?;
        best = best.min((now() - start).as_secs_f64());
    }
    Ok((best * 1e6 / samples.len() as f64, fnv(&outputs)))
}

fn against_gcc(program: &Checked<Program>, inputs: &[i64]) -> Outcome<()> {
    let Some(rivals) = native::build(program, inputs)? else {
        println!("SKIPPED: there is no gcc");
        return Ok(());
    };
    let kernel = program.kernel().ok_or("no kernel")?;
    let evaluator = Evaluator::new(program, &CodeCache::new())?;
    let samples = Samples::new(kernel.input_format, kernel.input_len(), inputs)?;
    let mut ours = f64::INFINITY;
    let mut theirs = vec![f64::INFINITY; rivals.list.len()];
    for _ in 0..TURNS {
        let (time, hash) = pass(&evaluator, &samples)?;
        ours = ours.min(time);
        for (best, rival) in theirs.iter_mut().zip(&rivals.list) {
            let (time, found) = rival.run()?;
            if found != hash {
                return Err(format!("{} has other outputs", rival.name).into());
            }
            *best = best.min(time);
        }
    }
    println!(
        "  evaluator: {ours:.3} us/sample, chunks of {}",
        evaluator.chunk()
    );
    for (time, rival) in theirs.iter().zip(&rivals.list) {
        let ratio = ours / time;
        println!(
            "  {}: {time:.3} us/sample, ratio {ratio:.2}; the same outputs",
            rival.name
        );
    }
    Ok(())
}

/// Where the time of a series of candidates went.
#[derive(Default)]
struct Spent {
    check: Duration,
    prepare: Duration,
    evaluate: Duration,
    hash: u64,
}

/// Checks, prepares and evaluates programs one after the other, each made from the one before.
fn series(
    first: &Program,
    samples: &Samples,
    cache: Option<&PrefixCache>,
    next: &mut dyn FnMut(usize, &Program) -> Outcome<Program>,
) -> Outcome<Spent> {
    let code = CodeCache::new();
    let mut spent = Spent::default();
    let mut outputs = Vec::new();
    let mut program = first.clone();
    for i in 0..CANDIDATES {
        let start = now();
        program = next(i, &program)?;
        let checked = network::checked(program.clone())?;
        let ready = now();
        let evaluator = Evaluator::new(&checked, &code)?;
        let prepared = now();
        evaluator.eval_samples(samples, 0..samples.len(), cache, &mut outputs)?;
        spent.check += ready - start;
        spent.prepare += prepared - ready;
        spent.evaluate += now() - prepared;
        spent.hash = spent.hash.rotate_left(1) ^ fnv(&outputs);
    }
    Ok(spent)
}

fn report(name: &str, spent: &Spent) {
    let each = |d: Duration| d.as_secs_f64() * 1e6 / CANDIDATES as f64;
    let total = spent.check + spent.prepare + spent.evaluate;
    println!(
        "  {name}: {:.0} candidates/s (quantize and check {:.0} us, prepare {:.0} us, evaluate {:.0} us)",
        1e6 / each(total),
        each(spent.check),
        each(spent.prepare),
        each(spent.evaluate)
    );
}

fn per_second(net: &Arc<Network>, inputs: &[i64]) -> Outcome<()> {
    let weights = network::weights(net);
    // Explicit mantissas, so that candidates share those of the layers that do not change.
    let first = weights
        .iter()
        .try_fold(network::candidate(net, 8)?, |p, w| {
            network::with_weight(&p, *w, 8, 0)
        })?;
    let checked = network::checked(first.clone())?;
    let kernel = checked.kernel().ok_or("no kernel")?;
    let samples = Samples::new(kernel.input_format, kernel.input_len(), inputs)?;
    let width = |i: usize| 2 + (i * 5 % 7) as u8;
    let everything = &mut |i: usize, p: &Program| {
        weights
            .iter()
            .try_fold(p.clone(), |p, w| network::with_weight(&p, *w, width(i), i))
    };
    report(
        "every layer changes",
        &series(&first, &samples, None, everything)?,
    );
    let one = |i: usize, p: &Program| {
        let mut state = i as u64;
        let layer = (network::noise(&mut state) + 1.0) * 1.5;
        let w: ValueId = weights[(layer as usize).min(weights.len() - 1)];
        network::with_weight(p, w, width(i), i)
    };
    let without = series(&first, &samples, None, &mut { one })?;
    let cache = PrefixCache::new(32 << 20);
    let with = series(&first, &samples, Some(&cache), &mut { one })?;
    if with.hash != without.hash {
        return Err("the cache changed an output".into());
    }
    report("a random layer changes", &without);
    report("the same with a prefix cache", &with);
    let last = |i: usize, p: &Program| {
        let w = weights.last().ok_or("no layer")?;
        network::with_weight(p, *w, width(i), i)
    };
    let cache = PrefixCache::new(32 << 20);
    let with = series(&first, &samples, Some(&cache), &mut { last })?;
    report("the last layer changes, with it", &with);
    Ok(())
}

fn main() -> Outcome<()> {
    let net = Arc::new(network::build()?);
    let state = &mut 7;
    let pixel = |_| ((network::noise(state) + 1.0) * 127.0) as i64;
    let inputs: Vec<i64> = (0..SAMPLES * network::LAYERS[0]).map(pixel).collect();
    for bits in [8, 4] {
        println!("weights of {bits} bits, {SAMPLES} samples:");
        let program = network::checked(network::candidate(&net, bits)?)?;
        against_gcc(&program, &inputs)?;
    }
    println!("{CANDIDATES} candidates, weights of 2 to 8 bits:");
    per_second(&net, &inputs)
}
