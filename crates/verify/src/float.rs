//! Floating point that stays sound: dot products with an a-priori error term, and the helpers
//! that widen a result outward.
//!
//! Model: IEEE 754 double precision, round to nearest, `u = 2^-53`, gradual underflow. For a dot
//! product of `n` terms in any order, `|fl - exact| ≤ γ_n·Σ|w·x| + n·η` with
//! `γ_n = n·u/(1 - n·u)` and `η = 2^-1074` (Higham, Accuracy and Stability of Numerical
//! Algorithms, chapter 3). [`pad`] is at least twice that, computed from the floating-point sum
//! of magnitudes, which itself is low by at most a factor `1 - γ_n`.

/// Bounds the error of a floating-point sum of `n` products whose magnitudes sum (in floating
/// point) to `magnitude`; `slack` counts further roundings inside the terms.
pub fn pad(n: usize, slack: usize, magnitude: f64) -> f64 {
    let n = (n + slack + 4) as f64;
    n * magnitude * 2f64.powi(-52) + n * f64::MIN_POSITIVE
}

/// A number not above `v - pad`; minus infinity where that is undefined.
pub fn down(v: f64, pad: f64) -> f64 {
    let r = (v - pad).next_down();
    if r.is_nan() { f64::NEG_INFINITY } else { r }
}

/// A number not below `v + pad`; infinity where that is undefined.
pub fn up(v: f64, pad: f64) -> f64 {
    let r = (v + pad).next_up();
    if r.is_nan() { f64::INFINITY } else { r }
}

/// True if a bound is at least `least`; an undefined one is not.
pub fn reaches(bound: f64, least: f64) -> bool {
    bound >= least
}

/// A closed interval of reals, ends outward-rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Not above the true lower end.
    pub lo: f64,
    /// Not below the true upper end.
    pub hi: f64,
}

impl Bound {
    /// The interval of two ends.
    pub fn new(lo: f64, hi: f64) -> Self {
        Self { lo, hi }
    }

    /// Largest magnitude; infinite for an undefined end.
    pub fn magnitude(self) -> f64 {
        let m = self.lo.abs().max(self.hi.abs());
        if self.lo.is_nan() || self.hi.is_nan() {
            f64::INFINITY
        } else {
            m
        }
    }

    /// The image under `max(0, .)`.
    pub fn relu(self) -> Self {
        let lo = if self.lo > 0.0 { self.lo } else { 0.0 };
        let hi = if self.hi <= 0.0 { 0.0 } else { self.hi };
        Self {
            lo,
            hi: if hi.is_nan() { f64::INFINITY } else { hi },
        }
    }

    /// `hi - lo`, for guidance only.
    pub fn width(self) -> f64 {
        self.hi - self.lo
    }

    /// The intersection of two enclosures of one value.
    pub fn meet(self, other: Self) -> Self {
        Self {
            lo: self.lo.max(other.lo),
            hi: self.hi.min(other.hi),
        }
    }
}

/// The range of `Σ w·x + constant` over a box, with `slack` roundings inside each `w`.
pub fn affine(
    weights: impl IntoIterator<Item = f64>,
    x: &[Bound],
    constant: f64,
    slack: usize,
) -> Bound {
    let terms = weights.into_iter().zip(x.iter().copied());
    sum_of(terms, x.len(), constant, slack)
}

/// The range of a sum of at most `n` terms `w·x` and a constant, with `slack` roundings inside each
/// `w`.
pub fn sum_of(
    terms: impl IntoIterator<Item = (f64, Bound)>,
    n: usize,
    constant: f64,
    slack: usize,
) -> Bound {
    let (mut lo, mut hi, mut magnitude) = (constant, constant, constant.abs());
    for (w, x) in terms {
        let (a, b) = if w >= 0.0 { (x.lo, x.hi) } else { (x.hi, x.lo) };
        // A weight of zero adds nothing, also where the box is unbounded.
        if w != 0.0 {
            lo += w * a;
            hi += w * b;
            magnitude += w.abs() * x.magnitude();
        }
    }
    let pad = pad(n + 1, slack, magnitude);
    Bound {
        lo: down(lo, pad),
        hi: up(hi, pad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_base::Exact;
    use proptest::prelude::*;

    proptest! {
        /// Wildly scaled terms, cancellation included: the exact sum lies in the enclosure.
        #[test]
        fn affine_encloses_the_exact_sum(
            terms in prop::collection::vec((any::<i32>(), -60i32..60, any::<i32>(), -60i32..60), 1..40),
            cancel: bool,
        ) {
            let scale = |m: i32, e: i32| f64::from(m) * 2f64.powi(e);
            let mut w: Vec<f64> = terms.iter().map(|t| scale(t.0, t.1)).collect();
            let mut x: Vec<f64> = terms.iter().map(|t| scale(t.2, t.3)).collect();
            if cancel {
                let minus: Vec<f64> = w.iter().map(|v| -v).collect();
                w.extend(minus);
                x.extend(x.clone());
                w.push(1.0);
                x.push(2f64.powi(-70));
            }
            let exact = w.iter().zip(&x).fold(Exact::zero(), |s, (a, b)| {
                &s + &(&Exact::from_f64(*a).unwrap() * &Exact::from_f64(*b).unwrap())
            });
            let points: Vec<Bound> = x.iter().map(|v| Bound::new(*v, *v)).collect();
            let b = affine(w, &points, 0.0, 0);
            prop_assert!(Exact::from_f64(b.lo).unwrap() <= exact);
            prop_assert!(exact <= Exact::from_f64(b.hi).unwrap());
        }
    }

    #[test]
    fn undefined_ends_prove_nothing() {
        let b = affine(
            [1.0, 1.0],
            &[
                Bound::new(f64::NEG_INFINITY, 0.0),
                Bound::new(0.0, f64::INFINITY),
            ],
            0.0,
            0,
        );
        assert_eq!((b.lo, b.hi), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(
            Bound::new(f64::NAN, f64::NAN).relu(),
            Bound::new(0.0, f64::INFINITY)
        );
    }
}
