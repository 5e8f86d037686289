//! The lower confidence limit of a binomial proportion (Clopper and Pearson, "The use of
//! confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26, 1934).
//!
//! The limit is the least `p` under which `k` or more successes of `n` are not rarer than `alpha`.
//! It is found by bisection on an upper bound of the tail's probability, so that what is returned
//! is never above the exact limit.

/// What `1 - alpha` is of every limit in a report: one-sided, "at least so much".
pub const CONFIDENCE: f64 = 0.95;

/// The one-sided lower limit for `k` successes of `n` with confidence [`CONFIDENCE`], rounded
/// down to six digits.
pub fn agreement_lower(k: u64, n: u64) -> f64 {
    // 1 - 0.95 is a little above 1/20, which would not be outward.
    let exact = lower_limit(k, n, 0.05);
    (exact * 1e6).floor() / 1e6
}

/// A number not above the one-sided Clopper-Pearson lower limit for `k` successes of `n` at
/// `0 < alpha < 1`, and close to it; 0 for none.
pub fn lower_limit(k: u64, n: u64, alpha: f64) -> f64 {
    if k == 0 || k > n {
        return 0.0;
    }
    let choose = ln_choose(n, k);
    let wanted = alpha.ln() - 1e-12;
    let (mut lo, mut hi) = (0.0, k as f64 / n as f64);
    // Halved until neighbours: far fewer steps than bits.
    for _ in 0..100 {
        let p = lo + (hi - lo) / 2.0;
        if p <= lo || p >= hi {
            break;
        }
        if ln_tail(k, n, p, choose) <= wanted {
            lo = p;
        } else {
            hi = p;
        }
    }
    lo
}

/// Bounds the error of a logarithm: four units in the last place, of the result.
const LN_ERROR: f64 = 4.0;

/// `ln C(n, k)`, and a bound of its error.
fn ln_choose(n: u64, k: u64) -> (f64, f64) {
    let m = k.min(n - k);
    let sum: f64 = (1..=m).map(|j| ((n - m + j) as f64 / j as f64).ln()).sum();
    // Per term: the quotient's rounding moves its logarithm by a unit, the logarithm's own error
    // (a u64 has a logarithm below 45), and the rounding of the sum.
    let error = m as f64 * (1.0 + LN_ERROR * 45.0 + sum) * f64::EPSILON;
    (sum, error)
}

/// At least `ln P(X ≥ k)` for `X` binomial with `n` and `0 < p < k/n`.
fn ln_tail(k: u64, n: u64, p: f64, (choose, choose_error): (f64, f64)) -> f64 {
    let successes = k as f64 * p.ln();
    let failures = (n - k) as f64 * (-p).ln_1p();
    let first = choose + successes + failures;
    let magnitude = choose - successes - failures;
    let odds = p / (1.0 - p);
    let (mut sum, mut term, mut count) = (1.0, 1.0, 1.0);
    let mut i = k;
    while i < n {
        // Below 1 and falling: p is below k/n.
        let ratio = (n - i) as f64 / (i + 1) as f64 * odds;
        term *= ratio;
        sum += term;
        count += 1.0;
        i += 1;
        if term < sum * f64::EPSILON && ratio < 0.99 {
            // What is left out is less than a geometric series.
            sum += term * ratio / (1.0 - ratio);
            break;
        }
    }
    // Each term carries the roundings of the ratios before it, five a ratio, and its addition's.
    let error = choose_error + ((LN_ERROR + 3.0) * magnitude + 6.0 * count + 6.0) * f64::EPSILON;
    first + sum.ln() + error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantile `alpha` of the beta distribution with parameters `k` and `n - k + 1`.
    #[test]
    fn limits_of_tables() {
        for (k, n, alpha, want) in [
            // Closed forms: alpha^(1/n), and 1 - (1 - alpha)^(1/n) for one success.
            (10, 10, 0.05, 0.05f64.powf(0.1)),
            (300, 300, 0.05, 0.05f64.powf(1.0 / 300.0)),
            (1, 10, 0.05, 1.0 - 0.95f64.powf(0.1)),
            (1, 10_000, 0.05, -(0.95f64.ln() / 1e4).exp_m1()),
            // Tables of the two-sided 95 % interval.
            (9, 10, 0.025, 0.5549839),
            (8, 10, 0.025, 0.4439045),
            (10, 20, 0.025, 0.2719578),
            (5, 10, 0.025, 0.1870860),
        ] {
            let found = lower_limit(k, n, alpha);
            assert!((found - want).abs() < 1e-7, "{k} of {n}: {found} {want}");
        }
    }

    /// By the definition: at the limit the tail has the probability alpha.
    #[test]
    fn the_tail_at_the_limit_is_alpha() {
        for (k, n) in [(3u64, 7u64), (1, 1), (40, 41), (25, 60), (59, 60)] {
            let p = lower_limit(k, n, 0.05);
            let mut tail = 0.0;
            for i in k..=n {
                let choose = (0..i).fold(1.0, |c, j| c * (n - j) as f64 / (j + 1) as f64);
                tail += choose * p.powi(i as i32) * (1.0 - p).powi((n - i) as i32);
            }
            assert!((tail - 0.05).abs() < 1e-9, "{k} of {n}: {tail}");
        }
    }

    #[test]
    fn limits_lie_below_and_grow_with_the_sample() {
        assert_eq!(lower_limit(0, 10, 0.05), 0.0);
        assert_eq!(agreement_lower(0, 0), 0.0);
        let mut before = 0.0;
        for n in [1, 10, 100, 10_000, 1_000_000, 10_000_000] {
            let all = agreement_lower(n, n);
            assert!(before < all && all < 1.0, "{n}: {all}");
            before = all;
            let most = n - n / 10;
            let limit = agreement_lower(most, n);
            assert!(limit <= most as f64 / n as f64 && limit <= all);
        }
        // Normal approximation, where it is good.
        let (n, p) = (1_000_000.0f64, 0.9f64);
        let near = p - 1.6448536 * (p * (1.0 - p) / n).sqrt();
        assert!((agreement_lower(900_000, 1_000_000) - near).abs() < 2e-6);
    }
}
