//! The side conditions of the Cortex-M4's forms against the instructions themselves, executed here:
//! every licensed layer is exact, and what lies just outside a condition does go wrong.

use ceg4n_ir::Interval;
use ceg4n_target::{Form, Layer};

/// Two halves of a word as signed numbers.
fn halves(word: u32) -> [i32; 2] {
    [
        i32::from(word as u16 as i16),
        i32::from((word >> 16) as u16 as i16),
    ]
}

/// `SMLAD`: the sum and two products, modulo 2^32.
fn smlad(k: u32, x: u32, sum: u32) -> u32 {
    let ([k0, k1], [x0, x1]) = (halves(k), halves(x));
    let product = |k: i32, x: i32| k.wrapping_mul(x) as u32;
    sum.wrapping_add(product(k0, x0))
        .wrapping_add(product(k1, x1))
}

/// `SXTB16`: the low byte of each half, with its sign.
fn sxtb16(k: u32) -> u32 {
    let low = |k: u32| u32::from(i16::from(k as u8 as i8) as u16);
    low(k) | (low(k >> 16) << 16)
}

fn word([low, high]: [i32; 2]) -> u32 {
    u32::from(low as u16) | (u32::from(high as u16) << 16)
}

/// Two rows: weights and operands of pairs of columns, starts. What the loop stores.
fn pair(weights: &[[[i32; 2]; 2]], x: &[[i32; 2]], starts: [i32; 2]) -> [i32; 2] {
    let mut even = starts[0] as u32;
    let mut both = even.wrapping_add((starts[1] as u32) << 8);
    for ([e, o], x) in weights.iter().zip(x) {
        let k = word([256 * o[0] + e[0], 256 * o[1] + e[1]]);
        both = smlad(k, word(*x), both);
        even = smlad(sxtb16(k), word(*x), even);
    }
    [even as i32, (both.wrapping_sub(even) as i32) >> 8]
}

/// Four rows: weights of pairs of columns, operands, starts. What the loop stores.
fn quad(weights: &[[[i32; 2]; 4]], x: &[[i32; 2]], starts: [i32; 4]) -> [i32; 4] {
    let total: i32 = x.iter().flatten().fold(0i32, |s, x| s.wrapping_add(*x));
    let eight = (total as u32).wrapping_mul(8);
    let own = |r: usize| (starts[r] as u32).wrapping_sub(if r < 3 { eight } else { 0 });
    let mut t = [own(0); 4];
    for (r, shift) in [(1, 4), (2, 8), (3, 12)] {
        t[r] = t[r - 1].wrapping_add(own(r) << shift);
    }
    for (w, x) in weights.iter().zip(x) {
        let half =
            |c: usize| 4096 * w[3][c] + 256 * (w[2][c] + 8) + 16 * (w[1][c] + 8) + (w[0][c] + 8);
        let (k, x) = (word([half(0), half(1)]), word(*x));
        for (r, mask) in [
            (3, 0xffff_ffff),
            (2, 0x0fff_0fff),
            (1, 0x00ff_00ff),
            (0, 0x000f_000f),
        ] {
            t[r] = smlad(k & mask, x, t[r]);
        }
    }
    let digit = |r: usize, shift: u8| (t[r].wrapping_sub(t[r - 1]) as i32) >> shift;
    [t[0] as i32, digit(1, 4), digit(2, 8), digit(3, 12)]
}

/// The sums of some rows as they should be.
fn sums(weights: &[i32], x: &[i32], starts: &[i32]) -> Vec<i64> {
    let row = |(r, s): (usize, &i32)| {
        let w = &weights[r * x.len()..][..x.len()];
        let products = w.iter().zip(x).map(|(w, x)| i64::from(*w) * i64::from(*x));
        products.sum::<i64>() + i64::from(*s)
    };
    starts.iter().enumerate().map(row).collect()
}

/// A layer whose sums are exactly known.
fn layer<'a>(weight: &'a [i32], cols: usize, sums: &'a [Interval]) -> Layer<'a> {
    let most = sums.iter().fold(Interval::new(0, 0), |r, s| r.hull(*s));
    Layer {
        weight,
        rows: weight.len() / cols,
        cols,
        operand: Interval::new(-32_768, 32_767),
        operand_bits: 16,
        operand_signed: true,
        sums,
        width: most.signed_width(),
    }
}

fn points(sums: &[i64]) -> Vec<Interval> {
    sums.iter().map(|s| Interval::new(*s, *s)).collect()
}

/// Operands at which products are extreme.
const EXTREME: [i32; 7] = [-32_768, -128, -1, 0, 1, 255, 32_767];

/// Weights of four columns, the first given and the others 0.
fn first_column(rows: &[i32]) -> Vec<i32> {
    rows.iter().flat_map(|w| [*w, 0, 0, 0]).collect()
}

#[test]
fn pairs_of_all_weights_are_exact_or_refused() {
    let mut refused = 0;
    for even in -128..=127 {
        for odd in -128..=127 {
            let weights = first_column(&[even, odd]);
            let mut wrong = false;
            let mut licensed = true;
            for x in EXTREME {
                let true_sums = sums(&weights, &[x, 0, 0, 0], &[0, 0]);
                let ranges = points(&true_sums);
                let form = Form::Pair.license(&layer(&weights, 4, &ranges));
                let w = [[[even, 0], [odd, 0]]];
                let exact = pair(&w, &[[x, 0]], [0, 0]).map(i64::from)[..] == true_sums;
                wrong |= !exact;
                licensed &= form.is_ok();
                assert!(exact || form.is_err(), "{even} {odd} {x}");
            }
            assert_eq!(licensed, !wrong, "{even} {odd}");
            refused += usize::from(!licensed);
        }
    }
    assert_eq!(refused, 128, "-128 above any negative weight");
}

/// Sums around the limit, by the start of the sum: exactly those inside are licensed.
#[test]
fn limits_of_sums_are_tight() {
    for sign in [1i32, -1] {
        for off in -3..=3 {
            let odd = sign * (1 << 23) + off;
            let weights = first_column(&[5, 7]);
            let x = [3, 0, 0, 0];
            let starts = [sign * i32::MAX, odd - 21];
            let starts = [starts[0] - 15 * sign, starts[1]];
            let true_sums = sums(&weights, &x, &starts);
            let ranges = points(&true_sums);
            let license = Form::Pair.license(&layer(&weights, 4, &ranges));
            let got = pair(&[[[5, 0], [7, 0]]], &[[3, 0]], starts).map(i64::from);
            assert_eq!(license.is_ok(), got[..] == true_sums, "pair {odd}");
            if let Ok(l) = license {
                assert_eq!(l.room(), (1 << 23) - 1 - i64::from(odd));
            }
            for (row, bits) in [(1, 27), (2, 23), (3, 19)] {
                let weights = first_column(&[-8, 7, -3, 2]);
                let mut starts = [1 << 30, 5, -9, 17];
                let product = weights[4 * row] * 3;
                starts[row] = sign * (1 << bits) + off - product;
                let true_sums = sums(&weights, &x, &starts);
                let ranges = points(&true_sums);
                let license = Form::Quad.license(&layer(&weights, 4, &ranges));
                let w = [[[-8, 0], [7, 0], [-3, 0], [2, 0]]];
                let got = quad(&w, &[[3, 0]], starts).map(i64::from);
                assert_eq!(license.is_ok(), got[..] == true_sums, "quad {row} {off}");
            }
        }
    }
}

/// Every four weights of four bits, in both halves, with extreme operands.
#[test]
fn quads_of_all_weights_are_exact() {
    for code in 0..1 << 16 {
        let w = [0, 4, 8, 12].map(|at| ((code >> at) & 15) - 8);
        let other = [0, 4, 8, 12].map(|at| (((code ^ 0x5a3c) >> at) & 15) - 8);
        let weights: Vec<i32> = w
            .iter()
            .zip(other)
            .flat_map(|(a, b)| [*a, b, 0, 0])
            .collect();
        let (a, b) = (EXTREME[code as usize % 7], EXTREME[code as usize / 7 % 7]);
        // Fourth sums of larger operands are beyond 2^19.
        let (a, b) = (a.clamp(-20_000, 20_000), b.clamp(-20_000, 20_000));
        let true_sums = sums(&weights, &[a, b, 0, 0], &[1, -2, 3, -4]);
        let ranges = points(&true_sums);
        let form = Form::Quad.license(&layer(&weights, 4, &ranges));
        assert!(form.is_ok(), "{w:?} {a} {b}");
        let columns = [0, 1, 2, 3].map(|r| [w[r], other[r]]);
        let got = quad(&[columns], &[[a, b]], [1, -2, 3, -4]).map(i64::from);
        assert_eq!(got[..], true_sums, "{w:?} {a} {b}");
    }
}

/// Two rows in bytes: weights and operands of pairs of columns, starts. What the loop stores.
fn nibbles(weights: &[[[i32; 2]; 2]], x: &[[i32; 2]], starts: [i32; 2]) -> [i32; 2] {
    let total: i32 = x.iter().flatten().fold(0i32, |s, x| s.wrapping_add(*x));
    let mut low = (starts[0] as u32).wrapping_sub((total as u32).wrapping_mul(8));
    let mut both = low.wrapping_add((starts[1] as u32) << 4);
    for (w, x) in weights.iter().zip(x) {
        let byte = |c: usize| 16 * w[1][c] + w[0][c] + 8;
        let k = sxtb16(word([byte(0), byte(1)]));
        both = smlad(k, word(*x), both);
        low = smlad(k & 0x000f_000f, word(*x), low);
    }
    [low as i32, (both.wrapping_sub(low) as i32) >> 4]
}

/// The two rows that are left of a layer of six.
#[test]
fn nibbles_of_all_weights_are_exact_up_to_their_limit() {
    let zeros = [0; 16];
    let license = |rows: &[i32], true_sums: &[i64]| {
        let weights: Vec<i32> = zeros.iter().chain(rows).copied().collect();
        let all: Vec<i64> = [0; 4].iter().chain(true_sums).copied().collect();
        let ranges = points(&all);
        Form::Quad.license(&layer(&weights, 4, &ranges)).is_ok()
    };
    for first in -8..=7 {
        for second in -8..=7 {
            let weights = first_column(&[first, second]);
            for x in EXTREME {
                let true_sums = sums(&weights, &[x, 0, 0, 0], &[7, -5]);
                let got = nibbles(&[[[first, 0], [second, 0]]], &[[x, 0]], [7, -5]);
                assert_eq!(got.map(i64::from)[..], true_sums, "{first} {second} {x}");
                assert!(license(&weights, &true_sums));
            }
            for sum in [1 << 27, -(1 << 27)] {
                for off in -2..=2 {
                    let starts = [i32::MAX - 200, sum + off - 3 * second];
                    let true_sums = sums(&weights, &[3, 0, 0, 0], &starts);
                    let got = nibbles(&[[[first, 0], [second, 0]]], &[[3, 0]], starts);
                    let exact = got.map(i64::from)[..] == true_sums;
                    assert_eq!(license(&weights, &true_sums), exact, "{sum} {off}");
                }
            }
        }
    }
}

/// Which rows have a limit follows from the tiles: two of five rows here, each with a row alone.
#[test]
fn limits_are_those_of_the_rows_that_share_words() {
    let weights = vec![1; 10 * 4];
    for row in 0..10 {
        let mut all = [0i64; 10];
        all[row] = 1 << 23;
        let ranges = points(&all);
        let ok = Form::Pair.license(&layer(&weights, 4, &ranges)).is_ok();
        assert_eq!(ok, ![1, 3, 6, 8].contains(&row), "{row}");
        all[row] = 1 << 19;
        let ranges = points(&all);
        let ok = Form::Quad.license(&layer(&weights, 4, &ranges)).is_ok();
        assert_eq!(ok, ![3, 8].contains(&row), "{row}");
        let mut weights = weights.clone();
        weights[4 * row] = -128;
        let below = row.checked_sub(1).map(|r| 4 * r);
        if let Some(below) = below {
            weights[below] = -1;
        }
        let ranges = points(&[0; 10]);
        let ok = Form::Pair.license(&layer(&weights, 4, &ranges)).is_ok();
        assert_eq!(ok, ![1, 3, 6, 8].contains(&row), "{row}");
    }
}

#[test]
fn operands_weights_and_shapes_are_checked() {
    let good = points(&[0; 4]);
    let weights = vec![1; 16];
    let forms = [
        Form::Dual { bits: 8 },
        Form::Dual { bits: 16 },
        Form::Pair,
        Form::Quad,
    ];
    for form in forms {
        assert!(form.license(&layer(&weights, 4, &good)).is_ok());
        let mut unsigned = layer(&weights, 4, &good);
        unsigned.operand = Interval::new(0, 32_768);
        assert!(form.license(&unsigned).is_err(), "{form:?}");
        let mut long = layer(&weights, 4, &good);
        long.operand_bits = 32;
        assert!(form.license(&long).is_err(), "{form:?}");
        let mut wide = layer(&weights, 4, &good);
        wide.width = 33;
        assert!(form.license(&wide).is_err(), "{form:?}");
        assert!(
            form.license(&layer(&weights[..8], 2, &good)).is_err(),
            "{form:?}"
        );
    }
    for (weight, fit) in [
        (8, [true, true, true, false]),
        (-8, [true, true, true, true]),
        (128, [false, true, false, false]),
        (-129, [false, true, false, false]),
        (32_768, [false; 4]),
    ] {
        let mut weights = weights.clone();
        weights[5] = weight;
        let all = forms.map(|f| f.license(&layer(&weights, 4, &good)).is_ok());
        assert_eq!(all, fit, "{weight}");
    }
}
