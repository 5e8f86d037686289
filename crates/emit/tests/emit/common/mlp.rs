//! Dense networks of the sizes and formats that decide between the forms of a layer's loops.

use super::{Case, format, numbers, vectors};
use ceg4n_ir::{NetworkBuilder, Op, Program, Shape, ValueId, check};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Sizes from the input on, input and activation formats, bits of weights.
type Recipe = (&'static [usize], &'static str, &'static str, u8);

/// Even and odd sizes, fewer and more rows than a tile; sums within 15, 19, 23 bits and beyond.
const RECIPES: &[Recipe] = &[
    (&[4, 4, 4, 3], "u8q8", "u8q5", 8),
    (&[4, 4, 4, 3], "u8q8", "u8q5", 4),
    (&[16, 21, 13, 5], "u8q8", "u8q5", 8),
    (&[16, 21, 13, 5], "u8q8", "u8q5", 4),
    (&[33, 10, 3], "s8q7", "u8q4", 8),
    (&[12, 9, 4], "u6q6", "u6q3", 3),
    (&[20, 8, 2], "s8q7", "s8q4", 5),
    (&[64, 25, 10], "u8q8", "u8q4", 6),
    (&[9, 6, 4], "s16q12", "s16q10", 8),
    (&[7, 5, 1], "s12q10", "u12q8", 12),
    (&[1, 1, 2], "u8q8", "u8q6", 2),
    (&[5, 6, 7], "u8q8", "u8q5", 7),
    (&[80, 3, 80], "u4q4", "u5q2", 4),
    (&[6, 5, 4], "s20q15", "s20q12", 16),
];

fn constant(b: &mut NetworkBuilder, name: &str, shape: &[usize]) -> ValueId {
    let len: usize = shape.iter().product();
    numbers(b, name, shape, &vec![0.0; len])
}

/// One case a recipe: weights of all sizes up to the ends of their format, some of them zero.
pub(crate) fn mlp_cases(per_program: usize) -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let one = |(i, (sizes, input, hidden, bits)): (usize, &Recipe)| {
        let mut b = NetworkBuilder::new("mlp");
        let mut x = b.push("x", Op::Input, Some(Shape::vector(sizes[0])), None);
        let input_format = format(input);
        let (mut stored, mut constants) = (vec![(x, input_format)], Vec::new());
        let mut frac = input_format.frac();
        for (l, pair) in sizes.windows(2).enumerate() {
            let (cols, rows) = (pair[0], pair[1]);
            let w = constant(&mut b, &format!("w{l}"), &[rows, cols]);
            let bias = constant(&mut b, &format!("b{l}"), &[rows]);
            let most = 1 << (bits - 1);
            let weight = |_| match rng.random_range(0..8) {
                0 => 0,
                1 => -most,
                2 => most - 1,
                _ => rng.random_range(-most..most),
            };
            let m: Vec<i32> = (0..rows * cols).map(weight).collect();
            let wf = ceg4n_ir::Format::new(true, *bits, i32::from(*bits) - 1).unwrap();
            constants.push((w, wf, m));
            let bf = ceg4n_ir::Format::new(true, 8, (frac + wf.frac()).min(7)).unwrap();
            let m = (0..rows).map(|_| rng.random_range(-128..128)).collect();
            constants.push((bias, bf, m));
            let bias = Some(bias);
            x = b.push(
                format!("d{l}"),
                Op::Dense { x, weight: w, bias },
                None,
                None,
            );
            if l + 2 < sizes.len() {
                x = b.push(format!("r{l}"), Op::Relu { x }, None, None);
                let f = format(hidden);
                stored.push((x, f));
                frac = f.frac();
            }
        }
        let net = Arc::new(b.finish(x).unwrap());
        let mut patch = Program::reference(net).patch();
        for (v, f) in stored {
            patch = patch.format(v, f);
        }
        for (v, f, m) in constants {
            patch = patch.mantissas(v, f, m.into());
        }
        let program = check(patch.finish()).unwrap();
        Case {
            name: format!("m{i}"),
            vectors: vectors(&program, &mut rng, per_program),
            program,
            options: super::speed(),
        }
    };
    RECIPES.iter().enumerate().map(one).collect()
}
