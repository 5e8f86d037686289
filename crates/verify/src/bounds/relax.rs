//! Lines below and above the piecewise-linear operators, for backward bounds (DeepPoly: Singh et
//! al. 2019; CROWN: Zhang et al. 2018), safe in floating point.
//!
//! Each function replaces `c·f(z)` by `c'·z + k` with `c·f(z) ≥ c'·z + k` for every `z` of an
//! interval. Slopes are chosen so that a rounding of the slope keeps the line on its side; the
//! constant's roundings are charged.

use super::curve::Lines;
use crate::float::{Bound, down, pad};

/// A line: coefficient and constant.
pub type Line = (f64, f64);

/// For `max(0, z)`; `alpha` in `[0, 1]` is the slope of the lower line where the operand's sign
/// is open, by default that of the smaller gap.
pub fn relu(c: f64, z: Bound, alpha: Option<f64>) -> Line {
    if c == 0.0 || z.hi <= 0.0 {
        return (0.0, 0.0);
    }
    if z.lo >= 0.0 {
        return (c, 0.0);
    }
    if c > 0.0 {
        let slope = match alpha {
            Some(a) => a.clamp(0.0, 1.0),
            None => f64::from(u8::from(z.hi >= -z.lo)),
        };
        // Rounded, the product is still a slope between 0 and 1 times c.
        let c2 = c * slope;
        return (if c2.is_finite() { c2 } else { 0.0 }, 0.0);
    }
    // A line through (lo, 0) with a slope at least hi/(hi - lo) lies above. The factor leaves
    // room for the roundings of the quotient and of the product.
    let slope = (z.hi / (z.hi - z.lo)) * (1.0 + 16.0 * f64::EPSILON);
    let steep = c * slope;
    if slope.is_normal() && steep < -1e-280 && steep.is_finite() {
        let lift = steep * z.lo;
        (steep, down(-lift, pad(1, 0, lift.abs())))
    } else {
        // Degenerate scales: the largest value of the relu instead.
        let most = c * z.hi;
        (0.0, down(most, pad(1, 0, most.abs())))
    }
}

/// For a function between two lines.
pub fn lines(c: f64, z: Bound, of: &Lines) -> Line {
    if c == 0.0 {
        return (0.0, 0.0);
    }
    let (slope, constant) = if c > 0.0 { of.low } else { of.high };
    let (a, k) = (c * slope, c * constant);
    // A slope's product is rounded, over the interval; or it underflows.
    let lost = pad(1, 0, a.abs()) * z.magnitude() + pad(1, 0, k.abs());
    let lost = if slope == 0.0 {
        pad(1, 0, k.abs())
    } else {
        lost + f64::MIN_POSITIVE * z.magnitude()
    };
    (a, down(k, lost))
}

/// For `clamp(z, lo, hi)`.
pub fn clamp(c: f64, z: Bound, lo: f64, hi: f64) -> Line {
    if c == 0.0 {
        return (0.0, 0.0);
    }
    if z.lo >= lo && z.hi <= hi {
        return (c, 0.0);
    }
    let constant = |v: f64| {
        let k = c * v;
        (0.0, down(k, pad(1, 0, k.abs())))
    };
    if z.hi <= lo {
        return constant(lo);
    }
    if z.lo >= hi {
        return constant(hi);
    }
    if c > 0.0 {
        lower_line(c, z, lo, hi).unwrap_or_else(|| constant(lo.max(z.lo).min(hi)))
    } else {
        // c·clamp(z; lo, hi) = (-c)·clamp(-z; -hi, -lo).
        let mirrored = Bound::new(-z.hi, -z.lo);
        match lower_line(-c, mirrored, -hi, -lo) {
            Some((c2, k)) => (-c2, k),
            None => constant(hi.min(z.hi).max(lo)),
        }
    }
}

/// `c·clamp(z) ≥ c'·z + k` for `c > 0`: below the identity's kink at `lo` and the chord to
/// `z.hi`. `None` at degenerate scales.
fn lower_line(c: f64, z: Bound, lo: f64, hi: f64) -> Option<Line> {
    if z.hi <= hi {
        // Convex there, max(z, lo): tangents; that of the smaller gap.
        let steep = z.hi - lo >= lo - z.lo;
        return steep.then_some((c, 0.0));
    }
    // From the foot (lo, or the interval's end) to (z.hi, hi): any slope not above the chord's
    // through the foot stays below.
    let foot = lo.max(z.lo);
    let slope = ((hi - foot) / (z.hi - foot)) * (1.0 - 16.0 * f64::EPSILON);
    let c2 = c * slope;
    let usable = slope.is_normal() && slope < 1.0 && c2 > 1e-280 && c2.is_finite();
    if !usable {
        return None;
    }
    // The value at the foot, less the slope times the foot.
    let (a, b) = (c * foot, c2 * foot);
    let k = down(a - b, pad(2, 0, a.abs() + b.abs()));
    Some((c2, k))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_base::Exact;
    use proptest::prelude::*;

    fn exact(v: f64) -> Exact {
        Exact::from_f64(v).unwrap()
    }

    fn holds(line: Line, c: f64, z: f64, f: f64) -> bool {
        let left = &exact(c) * &exact(f);
        let right = &(&exact(line.0) * &exact(z)) + &exact(line.1);
        left >= right
    }

    fn number() -> impl Strategy<Value = f64> {
        (any::<i32>(), -40i32..40).prop_map(|(m, e)| f64::from(m) * 2f64.powi(e - 31))
    }

    proptest! {
        #[test]
        fn lines_stay_on_their_side(
            c in number(), a in number(), b in number(), t in 0.0f64..=1.0,
            p in number(), q in number(), alpha in proptest::option::of(0.0f64..=1.0),
        ) {
            let z = Bound::new(a.min(b), a.max(b));
            let (lo, hi) = (p.min(q), p.max(q));
            let inside = (z.lo + t * (z.hi - z.lo)).clamp(z.lo, z.hi);
            let line = relu(c, z, alpha);
            for v in [z.lo, z.hi, inside, 0f64.clamp(z.lo, z.hi)] {
                prop_assert!(holds(line, c, v, v.max(0.0)), "relu {line:?} at {v}");
            }
            let line = clamp(c, z, lo, hi);
            for v in [z.lo, z.hi, inside, lo.clamp(z.lo, z.hi), hi.clamp(z.lo, z.hi)] {
                prop_assert!(holds(line, c, v, v.clamp(lo, hi)), "clamp {line:?} at {v}");
            }
        }
    }
}
