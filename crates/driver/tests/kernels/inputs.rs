//! Random inputs of a kernel, and the interpreter's word on them.

use ceg4n_ir::{Format, Kernel, Region};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Least and greatest value of a format's storage type: 8, 16 or 32 bits of its signedness.
fn storage(f: Format) -> (i64, i64) {
    let bits = f.width().next_power_of_two().max(8);
    if f.signed() {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    }
}

/// `count` inputs from a fixed seed, in turn: over the whole storage type; the limits of type and
/// format mixed with anything; over the format; inside a region.
pub(crate) fn random(kernel: &Kernel, regions: &[Region], count: usize) -> Vec<Vec<i64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let f = kernel.input_format;
    let (lo, hi) = storage(f);
    let boxes: Vec<(Vec<i64>, Vec<i64>)> = regions
        .iter()
        .map(|r| {
            (
                kernel.quantize_input(&r.lower),
                kernel.quantize_input(&r.upper),
            )
        })
        .collect();
    let inputs: Vec<Vec<i64>> = (0..count)
        .map(|i| {
            let inside = &boxes[rng.random_range(0..boxes.len())];
            let element = |j: usize| match i % 4 {
                0 => rng.random_range(lo..=hi),
                1 => match rng.random_range(0..6) {
                    0 => lo,
                    1 => hi,
                    2 => f.min(),
                    3 => f.max(),
                    4 => 0,
                    _ => rng.random_range(lo..=hi),
                },
                2 => rng.random_range(f.min()..=f.max()),
                _ => rng.random_range(inside.0[j]..=inside.1[j]),
            };
            (0..kernel.input_len()).map(element).collect()
        })
        .collect();
    let room = (lo, hi) != (f.min(), f.max());
    assert!(!room || outside(kernel, &inputs) > count / 8);
    inputs
}

/// How many inputs have an element outside the input format.
pub(crate) fn outside(kernel: &Kernel, inputs: &[Vec<i64>]) -> usize {
    let f = kernel.input_format;
    let out = |x: &&Vec<i64>| x.iter().any(|m| !f.contains(*m));
    inputs.iter().filter(out).count()
}

/// Outputs that are not the interpreter's: how many, and the first of each language in words.
///
/// A kernel clamps its input to the format, so the interpreter gets it clamped.
pub(crate) fn differences(
    kernel: &Kernel,
    inputs: &[Vec<i64>],
    got: &[(&str, &[Vec<i64>])],
) -> (usize, Vec<String>) {
    let f = kernel.input_format;
    let mut count = 0;
    let mut first: Vec<Option<String>> = vec![None; got.len()];
    for (i, x) in inputs.iter().enumerate() {
        let clamped: Vec<i64> = x.iter().map(|m| (*m).clamp(f.min(), f.max())).collect();
        let want = ceg4n_eval::kernel_outputs(kernel, &clamped).unwrap();
        for ((language, outputs), first) in got.iter().zip(&mut first) {
            let y = &outputs[i];
            if *y != want {
                count += 1;
                first.get_or_insert_with(|| format!("{language}: {x:?} gives {y:?}, not {want:?}"));
            }
        }
    }
    (count, first.into_iter().flatten().collect())
}
