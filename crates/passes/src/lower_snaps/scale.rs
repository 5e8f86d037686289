//! Integers behind dequantized constants, and scales as `M·2^-s`.

use ceg4n_base::{Exact, elementary};
use ceg4n_ir::{Constant, Format};
use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

/// Weights beyond so many bits are not taken for integers of a scale.
const MOST_WEIGHT_BITS: u8 = 17;

/// The greatest magnitude.
pub(super) fn magnitude(values: &[Exact]) -> Exact {
    let size = |v: &Exact| if v.signum() < 0 { -v } else { v.clone() };
    values.iter().map(size).max().unwrap_or_else(Exact::zero)
}

/// The narrowest format of `frac` fraction bits that holds both values; `None` beyond 32 bits.
pub(super) fn covering(lo: &Exact, hi: &Exact, frac: i32) -> Option<Format> {
    let signed = lo.signum() < 0;
    let fits = |f: &Format| f.value(f.min()) <= *lo && *hi <= f.value(f.max());
    (1..=32)
        .filter_map(|w| Format::new(signed, w, frac))
        .find(fits)
}

/// A positive number as the scale of mantissa 1: `M·2^-F` with `2^14 ≤ M < 2^15`, or a power of
/// two where it is one; and the relative error, which is at most `2^-15`.
pub(super) fn factor(scale: &Exact) -> Option<(Format, Exact)> {
    let k = elementary::ilog2(scale).filter(|_| scale.signum() > 0)?;
    let error = |f: Format| {
        let gap = &f.value(1) - scale;
        gap.checked_div(scale)
    };
    if *scale == Exact::dyadic(1, k) {
        let f = Format::new(true, 2, i32::try_from(-k).ok()?)?;
        return Some((f, Exact::zero()));
    }
    let frac = 14 - k;
    let near = (&scale.shifted(frac) + &Exact::dyadic(1, -1)).floor();
    let (m, frac) = match near.to_u32()? {
        // Rounded up to the next power of two.
        32768 => (16384, frac - 1),
        m => (m, frac),
    };
    let f = Format::new(true, 2, i32::try_from(frac).ok()?)?.with_multiplier(m as u16)?;
    Some((f, error(f)?))
}

/// A layer's constants as integers.
pub(super) struct Integers {
    /// Row-major.
    pub(super) weights: Vec<i32>,
    pub(super) weight_bits: u8,
    /// One per row; empty without a bias.
    pub(super) biases: Vec<i32>,
    pub(super) bias_bits: u8,
    /// Per row: what a weight of 1 stands for.
    pub(super) steps: Vec<Exact>,
    /// Per row: the sum of magnitudes of weights, and the magnitude of the bias.
    pub(super) reach: Vec<(i64, i64)>,
}

/// The integers of which weights are multiples: of one step for all rows if they are small then,
/// else of one per row. Biases are multiples of the step times `unit`, or the nearest to them.
pub(super) fn integers(
    w: &Constant,
    b: Option<&Constant>,
    rows: usize,
    unit: &Exact,
) -> Option<Integers> {
    let cols = w.data.len() / rows.max(1);
    let center = |i: usize| w.center(i);
    let own: Vec<Exact> = (0..rows)
        .map(|j| step((j * cols..(j + 1) * cols).map(center)))
        .collect::<Option<_>>()?;
    let shared = step(own.iter().cloned())?;
    let small = |steps: &[Exact]| {
        let most = |j: usize| {
            let all: Vec<Exact> = (j * cols..(j + 1) * cols).map(center).collect();
            magnitude(&all).checked_div(&steps[j])
        };
        let limit = Exact::from(1i64 << (MOST_WEIGHT_BITS - 1));
        (0..rows).all(|j| most(j).is_some_and(|m| m < limit))
    };
    let all_alike = vec![shared; rows];
    let steps = if small(&all_alike) { all_alike } else { own };
    if !small(&steps) {
        return None;
    }
    let mut out = Integers {
        weights: Vec::with_capacity(w.data.len()),
        weight_bits: 1,
        biases: Vec::new(),
        bias_bits: 1,
        steps,
        reach: Vec::with_capacity(rows),
    };
    for j in 0..rows {
        let mut sum = 0i64;
        for i in j * cols..(j + 1) * cols {
            let m = center(i).checked_div(&out.steps[j])?.floor().to_i32()?;
            sum += i64::from(m).abs();
            out.weight_bits = out.weight_bits.max(bits(m));
            out.weights.push(m);
        }
        let mut bias = 0;
        if let Some(b) = b {
            let steps = b.center(j).checked_div(&(&out.steps[j] * unit))?;
            let near = (&steps + &Exact::dyadic(1, -1)).floor().to_i32()?;
            out.bias_bits = out.bias_bits.max(bits(near));
            out.biases.push(near);
            bias = i64::from(near).abs();
        }
        out.reach.push((sum, bias));
    }
    Some(out)
}

/// Bits of two's complement.
fn bits(m: i32) -> u8 {
    33 - (if m < 0 { !m } else { m }).leading_zeros() as u8
}

/// The greatest number of which all are multiples; 1 if all are zero. `None` for numbers that are
/// not dyadic.
fn step(values: impl Iterator<Item = Exact>) -> Option<Exact> {
    let mut found: Option<(BigInt, i64)> = None;
    for v in values.filter(|v| !v.is_zero()) {
        let (m, e) = v.as_dyadic()?;
        found = Some(match found {
            None => (m.abs(), e),
            Some((g, f)) => {
                let least = e.min(f);
                let wide = |m: BigInt, e: i64| m << (e - least).unsigned_abs();
                (wide(g, f).gcd(&wide(m.abs(), e)), least)
            }
        });
    }
    Some(match found {
        Some((g, e)) if !g.is_zero() => Exact::dyadic(g, e),
        _ => Exact::from(1i64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_near() {
        for text in [
            "1/255",
            "0.1",
            "3",
            "0.25",
            "0.99999999",
            "123456.7",
            "1e-9",
        ] {
            let s: Exact = text.parse().expect("a number");
            let (f, error) = factor(&s).expect("a scale");
            let limit = Exact::dyadic(1, -15);
            assert!(error <= limit && error >= -&limit, "{text}: {f}");
        }
        assert!(factor(&Exact::zero()).is_none());
    }

    #[test]
    fn integers_come_back() {
        // 0.3 as float32 times integers, per row another scale.
        let (s, t) = (f64::from(0.3f32), f64::from(0.07f32));
        let high: Vec<f64> = [3.0, -127.0, 0.0]
            .map(|k| k * s)
            .into_iter()
            .chain([5.0, 100.0, -3.0].map(|k| k * t))
            .collect();
        let w = Constant::wide(ceg4n_ir::Wide::doubles(high)).expect("small");
        let unit = Exact::dyadic(1, -4);
        let bias = [4.0 * s / 16.0, -9.0 * t / 16.0];
        let b = Constant::wide(ceg4n_ir::Wide::doubles(bias.to_vec())).expect("small");
        let found = integers(&w, Some(&b), 2, &unit).expect("integers");
        assert_eq!(found.weights, [3, -127, 0, 5, 100, -3]);
        assert_eq!(found.biases, [4, -9]);
        assert_eq!((found.weight_bits, found.bias_bits), (8, 5));
        assert_eq!(found.reach, [(130, 4), (108, 9)]);
    }

    #[test]
    fn formats_cover() {
        let e = |v: i64| Exact::from(v);
        assert_eq!(
            covering(&e(0), &e(255), 0).map(|f| f.to_string()),
            Some("u8q0".to_owned())
        );
        assert_eq!(
            covering(&e(-128), &e(127), 0).map(|f| f.to_string()),
            Some("s8q0".to_owned())
        );
        assert_eq!(
            covering(&e(-3), &e(252), 0).map(|f| f.to_string()),
            Some("s9q0".to_owned())
        );
    }
}
