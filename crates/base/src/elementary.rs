//! Elementary functions of exact numbers, enclosed between rationals that are as close as asked.

use crate::Exact;
use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

/// A closed interval of exact numbers around one that is not rational.
pub type Enclosure = (Exact, Exact);

/// Beyond this, `e^-x` is enclosed by 0 and a power of two.
const LARGEST: i64 = 4096;

/// `e^x` within a relative error of about `2^-bits`.
pub fn exp(x: &Exact, bits: u32) -> Enclosure {
    let magnitude = if x.signum() < 0 { -x } else { x.clone() };
    let large = magnitude > Exact::from(LARGEST);
    match (large, x.signum() < 0) {
        // e^-4096 < 2^-5900.
        (true, true) => (Exact::zero(), Exact::dyadic(1, -5900)),
        (_, false) => exp_of_positive(x, bits),
        (false, true) => {
            let (lo, hi) = exp_of_positive(&magnitude, bits);
            (inverse(&hi, bits, false), inverse(&lo, bits, true))
        }
    }
}

/// `1/(1 + e^-x)` within a relative error of about `2^-bits`.
pub fn sigmoid(x: &Exact, bits: u32) -> Enclosure {
    let one = Exact::from(1i64);
    if x.signum() >= 0 {
        let (lo, hi) = exp(&-x, bits);
        let (a, b) = (&one + &hi, &one + &lo);
        return (inverse(&a, bits, false), inverse(&b, bits, true));
    }
    // e^x/(1 + e^x), which grows with e^x.
    let (lo, hi) = exp(x, bits);
    let at = |e: &Exact, up: bool| {
        let inverse = inverse(&(&one + e), bits, up);
        e * &inverse
    };
    (at(&lo, false), at(&hi, true))
}

/// `(e^x - e^-x)/(e^x + e^-x)` within an absolute error of about `2^-bits`, and 0 at 0.
pub fn tanh(x: &Exact, bits: u32) -> Enclosure {
    if x.is_zero() {
        return (Exact::zero(), Exact::zero());
    }
    let (lo, hi) = sigmoid(&x.shifted(1), bits + 2);
    let image = |s: Exact| &s.shifted(1) - &Exact::from(1i64);
    (image(lo), image(hi))
}

/// `√x` within a relative error of about `2^-bits`; `None` for a negative number.
pub fn sqrt(x: &Exact, bits: u32) -> Option<Enclosure> {
    if x.signum() < 0 {
        return None;
    }
    if x.is_zero() {
        return Some((Exact::zero(), Exact::zero()));
    }
    let (num, den) = x.to_ratio();
    // floor(√(x·4^k))/2^k, with enough bits in front of the point.
    let size = num.bits() as i64 - den.bits() as i64;
    let k = (i64::from(bits) + 2 - size / 2).max(0);
    let scaled: BigInt = (num << (2 * k).unsigned_abs()) / den;
    let root = scaled.sqrt();
    let exact =
        &(&Exact::from(root.clone()).shifted(-k) * &Exact::from(root.clone()).shifted(-k)) == x;
    let up = if exact {
        root.clone()
    } else {
        root.clone() + 1
    };
    Some((Exact::from(root).shifted(-k), Exact::from(up).shifted(-k)))
}

/// A dyadic number with about `bits` bits, at most (or at least, if `up`) `1/x`, for positive `x`.
fn inverse(x: &Exact, bits: u32, up: bool) -> Exact {
    match Exact::from(1i64).checked_div(x) {
        Some(v) => truncated(&v, bits, up),
        None => Exact::zero(),
    }
}

/// The nearest number below (or above, if `up`) with about `bits` significant bits; the number
/// itself where that is no shorter.
pub fn truncated(x: &Exact, bits: u32, up: bool) -> Exact {
    if x.is_zero() {
        return x.clone();
    }
    let (num, den) = x.to_ratio();
    let size = num.bits() as i64 - den.bits() as i64;
    let k = i64::from(bits) + 1 - size;
    let scaled = x.shifted(k);
    let floor = scaled.floor();
    let exact = Exact::from(floor.clone()) == scaled;
    let rounded = if up && !exact { floor + 1 } else { floor };
    Exact::from(rounded).shifted(-k)
}

/// `e^x` for `x ≥ 0`: a Taylor sum of `x/2^j`, squared `j` times, in fixed point.
fn exp_of_positive(x: &Exact, bits: u32) -> Enclosure {
    let whole = x.floor().bits() as u32;
    let j = whole + 8;
    // Each squaring doubles the relative error and adds a unit.
    let p = u64::from(bits) + 2 * u64::from(j) + 32;
    let one = BigInt::one() << p;
    let z = x.shifted(p as i64 - i64::from(j)).floor();
    let (mut lo, mut hi) = (taylor(&z, &one, p), taylor(&(z + 1), &one, p));
    // The sum stops where terms fall below a unit, of which it drops less than one each; z < 2^-8.
    let slack = BigInt::from(u64::from(bits) + 64);
    hi += slack;
    for _ in 0..j {
        lo = (&lo * &lo) >> p;
        hi = ((&hi * &hi) >> p) + 1;
    }
    (
        Exact::from(lo).shifted(-(p as i64)),
        Exact::from(hi).shifted(-(p as i64)),
    )
}

/// `Σ z^i/i!` at `p` fraction bits, every term rounded down, until a term is 0.
fn taylor(z: &BigInt, one: &BigInt, p: u64) -> BigInt {
    let (mut sum, mut term, mut i) = (one.clone(), one.clone(), 1u32);
    loop {
        term = ((&term * z) >> p) / i;
        if term.is_zero() {
            return sum;
        }
        sum += &term;
        i += 1;
    }
}

/// `2^k` with `2^k ≤ |x| < 2^(k+1)`, as its exponent; `None` for 0.
pub fn ilog2(x: &Exact) -> Option<i64> {
    if x.is_zero() {
        return None;
    }
    let (num, den) = x.to_ratio();
    let k = num.bits() as i64 - den.bits() as i64;
    let at_least = |k: i64| {
        let (a, b) = if k >= 0 {
            (num.abs(), den.clone() << k.unsigned_abs())
        } else {
            (num.abs() << k.unsigned_abs(), den.clone())
        };
        a >= b
    };
    Some(if at_least(k) { k } else { k - 1 })
}

/// The nearest float64 and what it leaves, as a second float64 of at most half a unit in its last
/// place; `None` beyond the range. The sum is within `2^-100` of the number, relatively.
pub fn split(x: &Exact) -> Option<(f64, f64)> {
    let high = nearest(x)?;
    let low = nearest(&(x - &Exact::from_f64(high)?))?;
    (high + low == high).then_some((high, low))
}

fn nearest(x: &Exact) -> Option<f64> {
    let (lo, hi) = x.enclosure();
    if !(lo.is_finite() && hi.is_finite()) {
        return None;
    }
    let middle = Exact::from_f64(lo)?.midpoint(&Exact::from_f64(hi)?);
    // At the middle the even one, so that the rest is at most half a unit.
    let even = lo.to_bits() & 1 == 0;
    Some(if *x < middle || (*x == middle && even) {
        lo
    } else {
        hi
    })
}

/// The nearest integer below, if it fits.
pub fn floor_i64(x: &Exact) -> Option<i64> {
    x.floor().to_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(text: &str) -> Exact {
        text.parse().expect("a number")
    }

    fn holds((lo, hi): &Enclosure, below: &str, above: &str, width: i64) {
        assert!(*lo <= e(above) && e(below) <= *hi, "{lo} .. {hi}");
        assert!(
            hi - lo <= Exact::dyadic(1, width),
            "{lo} .. {hi} is too wide"
        );
    }

    #[test]
    fn known_digits() {
        holds(
            &exp(&e("1"), 80),
            "2.718281828459045235360287",
            "2.718281828459045235360288",
            -76,
        );
        holds(
            &exp(&e("-1"), 80),
            "0.367879441171442321595523",
            "0.367879441171442321595524",
            -76,
        );
        holds(
            &sigmoid(&e("0.5"), 80),
            "0.622459331201854564638",
            "0.622459331201854564639",
            -76,
        );
        holds(
            &sigmoid(&e("-20"), 80),
            "0.0000000020611536181902035",
            "0.0000000020611536181902036",
            -100,
        );
        holds(
            &tanh(&e("0.5"), 80),
            "0.462117157260009758",
            "0.462117157260009759",
            -70,
        );
        holds(
            &tanh(&e("-3"), 80),
            "-0.995054753686730452",
            "-0.995054753686730451",
            -70,
        );
        holds(
            &sqrt(&e("2"), 80).expect("positive"),
            "1.414213562373095048801688",
            "1.414213562373095048801689",
            -78,
        );
        assert_eq!(sqrt(&e("0.25"), 10), Some((e("0.5"), e("0.5"))));
        assert_eq!(
            sqrt(&e("1/9"), 60).map(|(a, b)| a <= e("1/3") && e("1/3") <= b),
            Some(true)
        );
        assert_eq!(sqrt(&e("-1"), 10), None);
    }

    #[test]
    fn ends_of_the_range() {
        let (lo, hi) = sigmoid(&e("-100000"), 60);
        assert!(lo.signum() >= 0 && hi < Exact::dyadic(1, -5000));
        let (lo, hi) = sigmoid(&e("100000"), 60);
        assert!(lo < e("1") && hi >= e("1"));
        assert_eq!(exp(&e("0"), 60).0, e("1"));
    }

    #[test]
    fn splits_are_close() {
        for text in ["1/3", "-2/7", "0.1", "3", "1e-30", "123456789/1000003"] {
            let x = e(text);
            let (h, l) = split(&x).expect("within range");
            let sum = &Exact::from_f64(h).expect("finite") + &Exact::from_f64(l).expect("finite");
            let gap = &x - &sum;
            let gap = if gap.signum() < 0 { -&gap } else { gap };
            let magnitude = if x.signum() < 0 { -&x } else { x.clone() };
            assert!(gap <= magnitude.shifted(-100), "{text}");
            assert_eq!(
                h,
                text.split_once('/').map_or_else(
                    || text.parse::<f64>().unwrap(),
                    |(a, b)| a.parse::<f64>().unwrap() / b.parse::<f64>().unwrap()
                )
            );
        }
    }

    proptest::proptest! {
        /// Against floats, whose own error is far below the comparison's.
        #[test]
        fn enclosures_hold(n in -400_000i64..400_000, d in 1i64..10_000) {
            let x = Exact::ratio(n % (20 * d), d).expect("a ratio");
            let near = x.to_f64();
            for ((lo, hi), v) in [(exp(&x, 70), near.exp()), (sigmoid(&x, 70), 1.0 / (1.0 + (-near).exp())), (tanh(&x, 70), near.tanh())] {
                proptest::prop_assert!(lo <= hi);
                let slack = 1e-12 * v.abs().max(1e-12);
                proptest::prop_assert!(lo.to_f64() <= v + slack && v - slack <= hi.to_f64(), "{} {}", lo, v);
            }
        }
    }
}
