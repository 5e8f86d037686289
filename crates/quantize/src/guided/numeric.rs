//! Exponential and logarithm from IEEE operations alone: the same bits on every machine, which a
//! platform's mathematics library does not promise.

use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

/// `e^x` for `x ≤ 0`, within a few units in the last place; 0 far below.
pub(super) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    // To nearest; the cast cuts towards 0.
    let n = (x * LOG2_E - 0.5) as i64;
    let r = x - n as f64 * LN_2;
    // |r| ≤ 0.35: the 13th term is below 2^-53.
    let series = (1..=13u8)
        .rev()
        .fold(1.0, |sum, k| 1.0 + r * sum / f64::from(k));
    series * f64::from_bits(((n + 1023) as u64) << 52)
}

/// The natural logarithm of a normal positive number.
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut m = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if m > SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh t with |t| ≤ 0.172.
    let t = (m - 1.0) / (m + 1.0);
    let series = (0..=10u8)
        .rev()
        .fold(0.0, |sum, k| 1.0 / f64::from(2 * k + 1) + t * t * sum);
    2.0 * t * series + exponent as f64 * LN_2
}

#[cfg(test)]
mod tests {
    use super::{exp, ln};

    #[test]
    fn both_are_near_the_library() {
        for i in 0..=4000 {
            let x = f64::from(i) * -0.02;
            assert!((exp(x) - x.exp()).abs() <= 1e-14 * x.exp(), "{x}");
            let y = 1.0 + f64::from(i) * 0.01;
            assert!((ln(y) - y.ln()).abs() <= 1e-14 * y.ln().max(1.0), "{y}");
        }
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }
}
