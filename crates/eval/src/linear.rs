//! Dense layers and convolutions of the reference, exactly and between bounds, without the
//! interpreter: the same values, fast enough for real networks.
//!
//! Tests hold both against the interpreter, which says what the layers mean.

use crate::weighted::{Layer, Limbs, magnitudes, passes, sums};
use ceg4n_base::Exact;
use ceg4n_base::elementary::{Enclosure, ilog2};
use ceg4n_ir::network::ENCLOSED_LOG2;
use ceg4n_ir::real::Reals;
use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed};

/// A layer's sums and biases at exact operands; weights and biases are known exactly.
pub(crate) fn exact(
    layer: Layer<'_>,
    x: &[Exact],
    weight: &Reals,
    bias: Option<&Reals>,
) -> Vec<Exact> {
    let (values, exp, den) = common(x);
    let x = Limbs::new(&values, layer);
    let inverse = Exact::ratio(1, den).unwrap_or_else(|| Exact::from(1i64));
    let sums = sums(layer, &passes(weight), &x, &x);
    let result = sums.into_iter().enumerate().map(|(j, (sum, unit))| {
        let sum = &Exact::dyadic(sum, unit + exp) * &inverse;
        match bias {
            Some(b) => &sum + &b.center(layer.channel(j)),
            None => sum,
        }
    });
    result.collect()
}

/// Integers, a power of two and an odd denominator: element `i` is `v[i]·2^exp/den`.
fn common(x: &[Exact]) -> (Vec<BigInt>, i64, BigInt) {
    let mut parts = Vec::with_capacity(x.len());
    let (mut exp, mut den) = (i64::MAX, BigInt::one());
    for v in x {
        let part = match v.as_dyadic() {
            Some((m, e)) => (m, e, BigInt::one()),
            None => {
                let (m, d) = v.to_ratio();
                let twos = d.trailing_zeros().unwrap_or(0);
                (m, -(twos as i64), d >> twos)
            }
        };
        if part.0 != BigInt::ZERO {
            exp = exp.min(part.1);
            if part.2 != den {
                den = den.lcm(&part.2);
            }
        }
        parts.push(part);
    }
    let scaled = |(m, e, d): (BigInt, i64, BigInt)| {
        if m == BigInt::ZERO {
            return m;
        }
        let m = if d == den { m } else { m * (&den / &d) };
        m << (e - exp).unsigned_abs()
    };
    let values = parts.into_iter().map(scaled).collect();
    let exp = if exp == i64::MAX { 0 } else { exp };
    (values, exp, den)
}

/// A layer's sums and biases between bounds: the operands are rounded outward to `bits` bits in
/// front of the last place of the largest one.
pub(crate) fn enclosed(
    layer: Layer<'_>,
    x: &[Enclosure],
    weight: &Reals,
    bias: Option<&Reals>,
    bits: u32,
) -> Vec<Enclosure> {
    let ends = x.iter().flat_map(|(lo, hi)| [lo, hi]);
    let exp = ends
        .filter_map(ilog2)
        .max()
        .map_or(0, |t| t + 1 - i64::from(bits));
    let below = |v: &Exact| v.shifted(-exp).floor();
    let lows: Vec<BigInt> = x.iter().map(|(lo, _)| below(lo)).collect();
    let highs: Vec<BigInt> = x.iter().map(|(_, hi)| -below(&-hi)).collect();
    let (lo, hi) = Limbs::ends(&lows, &highs, layer);
    let passes = passes(weight);
    let lower = sums(layer, &passes, &lo, &hi);
    let upper = sums(layer, &passes, &hi, &lo);
    let errors = weight
        .enclosed()
        .then(|| weight_errors(layer, &lows, &highs, weight))
        .flatten();
    let result = lower.into_iter().zip(upper).enumerate();
    let result = result.map(|(j, (lower, upper))| {
        let value = |(sum, unit): (BigInt, i64)| Exact::dyadic(sum, unit + exp);
        let (mut lo, mut hi) = (value(lower), value(upper));
        if let Some(b) = bias {
            let (a, b) = b.ends(layer.channel(j));
            (lo, hi) = (&lo + &a, &hi + &b);
        }
        if let Some(errors) = &errors {
            let e = errors[j].shifted(exp);
            (lo, hi) = (&lo - &e, &hi + &e);
        }
        (lo, hi)
    });
    result.collect()
}

/// What weights known within `2^-60` of themselves move each sum by, at most, in units of the
/// operands: `2^-60·Σ|w|·|x|`.
fn weight_errors(
    layer: Layer<'_>,
    lows: &[BigInt],
    highs: &[BigInt],
    weight: &Reals,
) -> Option<Vec<Exact>> {
    let pass = magnitudes(weight)?;
    let sizes: Vec<BigInt> = lows
        .iter()
        .zip(highs)
        .map(|(lo, hi)| lo.abs().max(hi.abs()))
        .collect();
    let sizes = Limbs::new(&sizes, layer);
    let sums = sums(layer, &[pass], &sizes, &sizes).into_iter();
    let error = |(sum, unit)| Exact::dyadic(sum, unit + i64::from(ENCLOSED_LOG2));
    Some(sums.map(error).collect())
}
