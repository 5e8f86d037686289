//! Dense layers at the edges of what loops may do: sums just inside and just outside limits, extreme
//! weights, odd numbers of rows and columns.

use super::{Case, constant, evaluate, format, speed};
use ceg4n_emit::TestVector;
use ceg4n_ir::{
    Checked, Format, NetworkBuilder, Op, Program, Rounding, Shape, TensorFormat, check,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Inputs' formats: both signs, one and two bytes, also narrower than their type.
const INPUTS: [&str; 8] = [
    "u8q0", "s8q0", "u8q0", "s8q0", "u7q0", "s16q0", "u15q0", "u16q0",
];

/// Limits of sums: a sum is tried at its greatest below and at the limit.
const LIMITS: [u8; 6] = [7, 15, 19, 23, 27, 31];

/// Weights of so many bits: uniform, all at one end, extremes of both signs, or few.
fn weights(rng: &mut ChaCha8Rng, rows: usize, cols: usize, bits: u8) -> Vec<i32> {
    let (lo, hi) = (-(1i32 << (bits - 1)), (1i32 << (bits - 1)) - 1);
    let mut all = Vec::new();
    for _ in 0..rows {
        let style = rng.random_range(0..8);
        for _ in 0..cols {
            all.push(match style {
                0 => lo,
                1 => hi,
                2 => [lo, hi][rng.random_range(0..2)],
                3 => rng.random_range(-1..=1).clamp(lo, hi),
                _ => rng.random_range(lo..=hi),
            });
        }
    }
    if rng.random_bool(0.7) {
        // Without the least value, as symmetric quantization has it.
        all.iter_mut().for_each(|w| *w = (*w).max(-hi));
    }
    all
}

/// The greatest and the least sum of a row's products.
fn ends(row: &[i32], x: Format) -> (i64, i64) {
    let product = |w: &i32, greatest: bool| {
        let (a, b) = (i64::from(*w) * x.min(), i64::from(*w) * x.max());
        if greatest { a.max(b) } else { a.min(b) }
    };
    let sum = |greatest| row.iter().map(|w| product(w, greatest)).sum();
    (sum(true), sum(false))
}

/// Starts of sums: none, small, or such that the greatest or the least sum is next to a limit.
fn starts(rng: &mut ChaCha8Rng, weights: &[i32], cols: usize, x: Format) -> Vec<i32> {
    let style = rng.random_range(0..4);
    let limit = 1i64 << LIMITS[rng.random_range(0..LIMITS.len())];
    let one = |row: &[i32]| -> i64 {
        let (greatest, least) = ends(row, x);
        match style {
            0 => 0,
            1 => rng.random_range(-1000..=1000),
            2 => limit - 1 + rng.random_range(-1..=1i64) - greatest,
            _ => -limit + rng.random_range(-1..=1i64) - least,
        }
    };
    let all = weights.chunks_exact(cols).map(one);
    all.map(|b| i32::try_from(b).unwrap_or(0)).collect()
}

/// One layer, two or four; `None` where the checker refuses it.
fn program(rng: &mut ChaCha8Rng) -> Option<Checked<Program>> {
    let mut x = format(INPUTS[rng.random_range(0..INPUTS.len())]);
    let mut b = NetworkBuilder::new("dense");
    let mut cols = rng.random_range(1..=21);
    if rng.random_bool(0.15) {
        // Rows so long that loops are written out further.
        cols = [128, 130, 132, 135][rng.random_range(0..4)];
    }
    let mut at = b.push("x", Op::Input, Some(Shape::vector(cols)), None);
    let mut patches: Vec<(_, TensorFormat, Option<Arc<[i32]>>)> = vec![(at, x.into(), None)];
    let layers = [1, 1, 2, 2, 4][rng.random_range(0..5)];
    let mut frac = 0;
    for layer in 0..layers {
        let rows = rng.random_range(1..=20usize);
        let bits = [1, 2, 3, 4, 4, 5, 7, 8, 8, 8, 9, 12][rng.random_range(0..12)];
        let w = weights(rng, rows, cols, bits);
        let starts = starts(rng, &w, cols, x);
        let weight = constant(&mut b, &format!("w{layer}"), &[rows, cols], 1.0);
        let own = Format::new(true, bits, 0).unwrap();
        patches.push((weight, own.into(), Some(w.into())));
        let bias = rng.random_bool(0.8).then(|| {
            let bias = constant(&mut b, &format!("b{layer}"), &[rows], 1.0);
            let own = Format::new(true, 32, frac).unwrap();
            patches.push((bias, own.into(), Some(starts.into())));
            bias
        });
        at = b.push(
            format!("d{layer}"),
            Op::Dense {
                x: at,
                weight,
                bias,
            },
            None,
            None,
        );
        let last = layer + 1 == layers;
        if !last && rng.random_bool(0.5) {
            at = b.push(format!("r{layer}"), Op::Relu { x: at }, None, None);
        }
        if !last || rng.random_bool(0.6) {
            let right = rng.random_bool(0.9);
            let shift = rng.random_range(if right { 1..=14 } else { -1..=1 });
            // In deeper ones loops are shared that differ in shifts.
            let signed = rng.random_bool(0.4) && layers < 4;
            let kinds = if layers < 4 { 7 } else { 1 };
            let width = [8, 8, 8, 7, 5, 16, 12][rng.random_range(0..kinds)];
            frac -= shift;
            x = Format::new(signed, width, frac).unwrap();
            patches.push((at, x.into(), None));
        }
        cols = rows;
    }
    let net = Arc::new(b.finish(at).unwrap());
    let rounding = Rounding::ALL[rng.random_range(0..3)];
    let mut patch = Program::reference(net).patch().rounding(rounding);
    for (v, f, m) in patches {
        patch = match m {
            Some(m) => patch.mantissas(v, f, m),
            None => patch.format(v, f),
        };
    }
    check(patch.finish()).ok()
}

/// For some rows of the first layer the inputs that make its sum greatest and least.
fn extreme(program: &Checked<Program>, rows: usize) -> Vec<Vec<i64>> {
    let kernel = program.kernel().unwrap();
    let f = kernel.input_format;
    let weights = kernel.nodes.iter().find_map(|(_, n)| match &n.op {
        ceg4n_ir::KernelOp::Dense { weight, .. } => Some(weight),
        _ => None,
    });
    let weights = weights.unwrap();
    let mut all = Vec::new();
    for row in weights.chunks_exact(kernel.input_len()).take(rows) {
        let to = |up: bool| move |w: &i32| if (*w > 0) == up { f.max() } else { f.min() };
        all.push(row.iter().map(to(true)).collect());
        all.push(row.iter().map(to(false)).collect());
    }
    all
}

/// So many programs with their vectors, in a fixed order.
pub(crate) fn dense_cases(prefix: &str, seed: u64, programs: usize, vectors: usize) -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut cases = Vec::new();
    while cases.len() < programs {
        let Some(program) = program(&mut rng) else {
            continue;
        };
        let mut all = super::vectors(&program, &mut rng, vectors);
        all.extend(extreme(&program, 6).into_iter().map(|input| TestVector {
            output: evaluate(program.program(), &input),
            input,
            note: "extreme".to_owned(),
        }));
        cases.push(Case {
            name: format!("{prefix}{}", cases.len()),
            program,
            vectors: all,
            options: speed(),
        });
    }
    cases
}

/// Sums next to the ends of 24 bits, shifted right by up to all of them and rounded by every rule.
pub(crate) fn deep_shifts(prefix: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for rounding in Rounding::ALL {
        for shift in 6..=26 {
            let mut b = NetworkBuilder::new("deep");
            let x = b.push("x", Op::Input, Some(Shape::vector(3)), None);
            let weight = constant(&mut b, "w", &[4, 3], 1.0);
            let start = constant(&mut b, "b", &[4], 1.0);
            let bias = Some(start);
            let y = b.push("y", Op::Dense { x, weight, bias }, None, None);
            let net = Arc::new(b.finish(y).unwrap());
            let end = 1_i32 << 23;
            let starts = [
                end - 1 - 3 * 255,
                -end + 4 * 255,
                end - 1 - 255,
                end / 2 + 7,
            ];
            let weights: Vec<i32> = vec![1, 1, 1, -1, -1, -2, 0, 1, 0, 1, -1, 0];
            let whole = |width| Format::new(true, width, 0).unwrap();
            let patch = Program::reference(net).patch().rounding(rounding);
            let patch = patch
                .format(x, format("u8q0"))
                .mantissas(weight, whole(8), weights.into())
                .mantissas(start, whole(32), starts.to_vec().into())
                .format(y, Format::new(false, 8, -shift).unwrap());
            let program = check(patch.finish()).unwrap();
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            cases.push(Case {
                name: format!("{prefix}deep_{}_{shift}", rounding.name().replace('-', "_")),
                vectors: super::vectors(&program, &mut rng, 8),
                program,
                options: speed(),
            });
        }
    }
    cases
}

/// A layer of random bytes, with so many random vectors.
pub(crate) fn wide_dense(name: &str, rows: usize, cols: usize, vectors: usize) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut b = NetworkBuilder::new("wide");
    let x = b.push("x", Op::Input, Some(Shape::vector(cols)), None);
    let weight = constant(&mut b, "w", &[rows, cols], 1.0);
    let bias = None;
    let y = b.push("y", Op::Dense { x, weight, bias }, None, None);
    let net = Arc::new(b.finish(y).unwrap());
    let all: Vec<i32> = (0..rows * cols)
        .map(|_| rng.random_range(-128..=127))
        .collect();
    let patch = Program::reference(net).patch().format(x, format("u8q0"));
    let patch = patch.mantissas(weight, format("s8q0"), all.into());
    let program = check(patch.format(y, format("u8q-10")).finish()).unwrap();
    Case {
        name: name.to_owned(),
        vectors: super::vectors(&program, &mut rng, vectors),
        program,
        options: speed(),
    }
}
