//! Elementwise functions that are not piecewise linear: sigmoid, tanh, sign, and a kernel's tables;
//! their enclosures and the lines below and above them.
//!
//! No library function is trusted: `exp` has its own error bound, and everything else follows
//! from it by rounded arithmetic. Sigmoid and tanh are convex below zero, concave above, and odd
//! about their middle, so that a line's distance from them has few places where it can be least.

use super::relax::Line;
use crate::float::{Bound, down, up};
use ceg4n_ir::Unary;
use std::sync::Arc;

/// A smooth S-shaped function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// `1/(1 + e^-x)`.
    Sigmoid,
    /// `(e^x - e^-x)/(e^x + e^-x)`.
    Tanh,
}

impl From<ceg4n_ir::Curve> for Curve {
    fn from(c: ceg4n_ir::Curve) -> Self {
        match c {
            ceg4n_ir::Curve::Sigmoid => Self::Sigmoid,
            ceg4n_ir::Curve::Tanh => Self::Tanh,
        }
    }
}

/// A function of one variable.
#[derive(Clone, Debug)]
pub enum Function {
    /// A smooth one.
    Curve(Curve),
    /// One that is bounded by its image alone.
    Unary(Unary),
    /// A step function.
    Table(Table),
}

/// A kernel's table in real units: `entries[i]` at `(first + i)·step`. What lies outside counts as
/// the nearest end, what lies between as one of its neighbours.
#[derive(Clone, Debug)]
pub struct Table {
    entries: Arc<[f64]>,
    first: f64,
    step: f64,
    rising: bool,
    /// A curve, and at most how far any entry is from it at its place.
    near: Option<(Curve, f64)>,
}

/// A line not above and one not below a function: slope and constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lines {
    /// Below.
    pub low: Line,
    /// Above.
    pub high: Line,
}

/// Bounds the error of [`Curve::near`].
const ERROR: f64 = 1.0 / (1u64 << 41) as f64;
/// Halvings when a tangent is sought.
const HALVINGS: usize = 30;

/// `e^x` for `-700 ≤ x ≤ 0`, with a relative error of at most 2^-46.
///
/// With `x = k·ln 2 + r`, `|r| ≤ 0.36`: `k·HIGH` is exact (`HIGH` has 20 low bits of zero and
/// `|k| < 2^11`), its subtraction is rounded by at most 2^-55 for each of two steps, `k·LOW` by
/// 2^-75, and `HIGH + LOW` misses `ln 2` by less than 2^-85: together `r` is off by less than 2^-53.
/// The series up to `r^13/13!` leaves less than 2^-57, and Horner's rule is off by less than 2^-49:
/// each of its steps has at most three roundings of numbers below 1.5, and what came before counts
/// at most `|r|` of itself. The power of two is exact.
fn exp(x: f64) -> f64 {
    // ln 2 to 32 bits, and what is left of it to 53.
    const HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
    const LOW: f64 = f64::from_bits(0x3DEA_39EF_3579_3C76);
    let k = (x / (HIGH + LOW)).round();
    let r = (x - k * HIGH) - k * LOW;
    let mut sum = 1.0;
    for i in (1..=13).rev() {
        sum = 1.0 + r / f64::from(i) * sum;
    }
    sum * 2f64.powi(k as i32)
}

impl Curve {
    /// The value up to [`ERROR`]; within the function's range.
    ///
    /// With `E = e^-|x|·(1 + t)`, `|t| ≤ 2^-46`, both `E/(1 + E)` and `1/(1 + E)` are off by less
    /// than 2^-47 and two roundings; beyond 700 `E` is below 2^-1000. Tanh is `2·sigmoid(2x) - 1`.
    fn near(self, x: f64) -> f64 {
        let sigmoid = |x: f64| {
            let e = if x.abs() > 700.0 { 0.0 } else { exp(-x.abs()) };
            if x < 0.0 {
                e / (1.0 + e)
            } else {
                1.0 / (1.0 + e)
            }
        };
        match self {
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => 2.0 * sigmoid(2.0 * x) - 1.0,
        }
    }

    fn range(self) -> Bound {
        match self {
            Self::Sigmoid => Bound::new(0.0, 1.0),
            Self::Tanh => Bound::new(-1.0, 1.0),
        }
    }

    /// An enclosure of the value at a number, which may be infinite.
    pub fn at(self, x: f64) -> Bound {
        if x.is_nan() {
            return self.range();
        }
        let v = self.near(x);
        Bound::new(v - ERROR, v + ERROR).meet(self.range())
    }

    /// The values over an interval.
    pub fn image(self, b: Bound) -> Bound {
        Bound::new(self.at(b.lo).lo, self.at(b.hi).hi)
    }

    /// The derivative up to `4·ERROR`: `s·(1 - s)` and `1 - t²` move by at most 1 and 2 with
    /// their argument.
    pub fn slope(self, x: f64) -> f64 {
        let v = self.near(x);
        match self {
            Self::Sigmoid => v * (1.0 - v),
            Self::Tanh => (1.0 - v) * (1.0 + v),
        }
    }

    /// Encloses the derivative over an interval: it falls with the distance from zero.
    pub fn slopes(self, b: Bound) -> Bound {
        let far = self.slope(b.lo).min(self.slope(b.hi));
        let near = if b.lo <= 0.0 && b.hi >= 0.0 {
            match self {
                Self::Sigmoid => 0.25,
                Self::Tanh => 1.0,
            }
        } else {
            self.slope(b.lo).max(self.slope(b.hi)) + 4.0 * ERROR
        };
        Bound::new((far - 4.0 * ERROR).max(0.0), near)
    }

    /// Where below zero the derivative is `slope`, about.
    fn foot(self, slope: f64) -> f64 {
        match self {
            Self::Sigmoid => {
                let s = (1.0 - (1.0 - 4.0 * slope).max(0.0).sqrt()) / 2.0;
                (s / (1.0 - s)).ln()
            }
            Self::Tanh => {
                let t = (1.0 - slope).max(0.0).sqrt();
                ((1.0 - t) / (1.0 + t)).ln() / 2.0
            }
        }
    }

    /// The greatest `k` found with `f(z) ≥ slope·z + k` on a finite interval, for any slope.
    ///
    /// Above zero `f(z) - slope·z` is concave, hence least at an end; below zero it is convex,
    /// hence nowhere below any of its tangents. The part's end at zero belongs to both.
    pub fn below(self, slope: f64, b: Bound) -> f64 {
        let size = 2.0 + (1.0 + slope.abs()) * b.magnitude();
        let gap = |z: f64| self.near(z) - slope * z;
        let mut least = gap(b.lo).min(gap(b.hi));
        if b.lo < 0.0 {
            let end = b.hi.min(0.0);
            let at = self.foot(slope);
            let at = if at.is_nan() {
                b.lo
            } else {
                at.clamp(b.lo, end)
            };
            let rise = self.slope(at) - slope;
            // The derivative's own error, over the whole part.
            let lost = (rise.max(0.0) * (at - b.lo)).max(-rise.min(0.0) * (end - at))
                + 5.0 * ERROR * (end - b.lo);
            least = least.min(gap(at) - lost);
        }
        down(least, 2.0 * ERROR + size * 2f64.powi(-48))
    }

    /// `-f(z) = f(-z) - middle`.
    fn middle(self) -> f64 {
        match self {
            Self::Sigmoid => 1.0,
            Self::Tanh => 0.0,
        }
    }

    /// The least `k` found with `f(z) ≤ slope·z + k` on a finite interval.
    pub fn above(self, slope: f64, b: Bound) -> f64 {
        let k = self.below(slope, Bound::new(-b.hi, -b.lo));
        up(self.middle() - k, 0.0)
    }

    /// A good slope for a line below.
    fn low_slope(self, b: Bound) -> f64 {
        let chord = (self.near(b.hi) - self.near(b.lo)) / (b.hi - b.lo);
        if b.hi <= 0.0 {
            return self.slope(b.lo + (b.hi - b.lo) / 2.0);
        }
        if b.lo >= 0.0 || self.slope(b.lo) >= chord {
            return chord;
        }
        // The tangent through the upper end: from its foot on the chord's slope falls below the
        // derivative's.
        let (mut left, mut right) = (b.lo, 0.0);
        for _ in 0..HALVINGS {
            let at = left + (right - left) / 2.0;
            let chord = (self.near(b.hi) - self.near(at)) / (b.hi - at);
            if self.slope(at) < chord {
                left = at;
            } else {
                right = at;
            }
        }
        self.slope(left)
    }

    /// Lines over an interval.
    pub fn lines(self, b: Bound) -> Lines {
        let wide = b.hi - b.lo;
        if !(wide.is_finite() && wide > 1e-9) {
            return flat(self.image(b));
        }
        let low = self.low_slope(b);
        let high = self.low_slope(Bound::new(-b.hi, -b.lo));
        Lines {
            low: (low, self.below(low, b)),
            high: (high, self.above(high, b)),
        }
    }
}

/// The lines of slope zero.
fn flat(image: Bound) -> Lines {
    Lines {
        low: (0.0, image.lo),
        high: (0.0, image.hi),
    }
}

impl Table {
    /// `entries[i]` at `(first + i)·step`, `step` a power of two, at least one entry; it should
    /// be near `curve`.
    pub fn new(entries: Arc<[f64]>, first: f64, step: f64, curve: Curve) -> Self {
        let rising = entries.windows(2).all(|w| w[0] <= w[1]);
        let far = entries.iter().enumerate().fold(0.0f64, |m, (i, y)| {
            let v = curve.at((first + i as f64) * step);
            m.max((y - v.lo).max(v.hi - y))
        });
        let far = up(far, 0.0);
        Self {
            entries,
            first,
            step,
            rising,
            // Where it saturates it is no such thing.
            near: (far < 0.1).then_some((curve, far)),
        }
    }

    /// The curve that it is near, and how far any entry is from it.
    pub fn curve(&self) -> Option<(Curve, f64)> {
        self.near
    }

    /// The entries for an interval of operands: index of the first and of the last.
    fn span(&self, b: Bound) -> (usize, usize) {
        let last = self.entries.len() - 1;
        // Casts saturate, and bring an undefined end to 0, which is refused before.
        let index = |v: f64| (v - self.first).clamp(0.0, last as f64) as usize;
        if b.lo.is_nan() || b.hi.is_nan() {
            return (0, last);
        }
        // Quotients by a power of two are exact; what is no multiple belongs to both neighbours.
        let (p, q) = (
            index((b.lo / self.step).floor()),
            index((b.hi / self.step).ceil()),
        );
        (p.min(q), p.max(q))
    }

    fn image(&self, b: Bound) -> Bound {
        let (p, q) = self.span(b);
        if self.rising {
            return Bound::new(self.entries[p], self.entries[q]);
        }
        let part = &self.entries[p..=q];
        let start = Bound::new(f64::INFINITY, f64::NEG_INFINITY);
        part.iter()
            .fold(start, |b, v| Bound::new(b.lo.min(*v), b.hi.max(*v)))
    }

    /// Least and greatest distance of the entries from a line through zero.
    fn gaps(&self, slope: f64, b: Bound) -> Bound {
        let (p, q) = self.span(b);
        let (mut lo, mut hi, mut size) = (f64::INFINITY, f64::NEG_INFINITY, 0.0f64);
        for i in p..=q {
            let (y, z) = (
                self.entries[i],
                slope * ((self.first + i as f64) * self.step),
            );
            lo = lo.min(y - z);
            hi = hi.max(y - z);
            size = size.max(y.abs() + z.abs());
        }
        // Three roundings.
        let p = size * 2f64.powi(-50);
        Bound::new(down(lo, p), up(hi, p))
    }
}

impl Function {
    /// An enclosure of the values over an interval.
    pub fn image(&self, b: Bound) -> Bound {
        match self {
            Self::Curve(c) => c.image(b),
            Self::Unary(f) => unary(*f, b),
            Self::Table(t) => t.image(b),
        }
    }

    /// Lines over an interval. Those of a table hold at the multiples of its step.
    pub fn lines(&self, b: Bound) -> Lines {
        match self {
            Self::Curve(c) => c.lines(b),
            Self::Unary(_) => flat(self.image(b)),
            Self::Table(t) => {
                let image = t.image(b);
                // Beyond the table its ends hold, which no line follows.
                let (first, last) = (
                    t.first * t.step,
                    (t.first + (t.entries.len() - 1) as f64) * t.step,
                );
                let inside = b.lo >= first && b.hi <= last && b.lo < b.hi;
                match t.near {
                    _ if !inside || image.lo == image.hi => flat(image),
                    Some((c, far)) => {
                        let l = c.lines(b);
                        let lines = Lines {
                            low: (l.low.0, down(l.low.1 - far, 0.0)),
                            high: (l.high.0, up(l.high.1 + far, 0.0)),
                        };
                        // On a few steps the entries are nearer than the curve's error.
                        if image.width() <= 2.0 * far {
                            flat(image)
                        } else {
                            lines
                        }
                    }
                    None => {
                        let (p, q) = t.span(b);
                        let run = (q - p) as f64 * t.step;
                        let slope = (t.entries[q] - t.entries[p]) / run;
                        let slope = if slope.is_finite() { slope } else { 0.0 };
                        let gaps = t.gaps(slope, b);
                        Lines {
                            low: (slope, gaps.lo),
                            high: (slope, gaps.hi),
                        }
                    }
                }
            }
        }
    }

    /// One slope and an enclosure of what a line of it through zero misses, over an interval.
    pub fn strip(&self, b: Bound) -> (f64, Bound) {
        let flat = (0.0, self.image(b));
        if !(b.hi - b.lo).is_finite() || b.lo >= b.hi {
            return flat;
        }
        let of = |c: Curve, far: f64| {
            let slope = c.slope(b.lo).min(c.slope(b.hi));
            let strip = Bound::new(
                down(c.below(slope, b) - far, 0.0),
                up(c.above(slope, b) + far, 0.0),
            );
            (slope, strip)
        };
        let found = match self {
            Self::Unary(_) => flat,
            Self::Curve(c) => of(*c, 0.0),
            Self::Table(t) => {
                let lines = self.lines(b);
                match t.near {
                    Some((c, far)) if lines.low.0 != 0.0 => of(c, far),
                    Some(_) => flat,
                    None => (lines.low.0, Bound::new(lines.low.1, lines.high.1)),
                }
            }
        };
        if found.1.width() < flat.1.width() {
            found
        } else {
            flat
        }
    }

    /// The curve that the function is or is near to, and how far it may be from it.
    pub fn curve(&self) -> Option<(Curve, f64)> {
        match self {
            Self::Curve(c) => Some((*c, 0.0)),
            Self::Unary(_) => None,
            Self::Table(t) => t.near,
        }
    }

    /// The value at a number in plain floating point, for guidance.
    pub fn value(&self, x: f64) -> f64 {
        match self {
            Self::Curve(c) => c.near(x),
            Self::Unary(f) => f.real(x),
            Self::Table(_) => self.image(Bound::new(x, x)).lo,
        }
    }
}

/// The image of an interval under a function that is linear or constant on either side of 0.
fn unary(f: Unary, b: Bound) -> Bound {
    // An end that is not known counts as unbounded.
    let lo = if b.lo.is_nan() {
        f64::NEG_INFINITY
    } else {
        b.lo
    };
    let hi = if b.hi.is_nan() { f64::INFINITY } else { b.hi };
    let near = [-f64::MIN_POSITIVE, 0.0, f64::MIN_POSITIVE].map(|v| v.max(lo).min(hi));
    let values = [lo, hi].into_iter().chain(near).map(|v| f.real(v));
    values.fold(Bound::new(f64::INFINITY, f64::NEG_INFINITY), |b, v| {
        Bound::new(b.lo.min(v), b.hi.max(v))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_base::Exact;
    use proptest::prelude::*;

    fn exact(v: f64) -> Exact {
        Exact::from_f64(v).unwrap()
    }

    /// `e^x` for `x ≤ 0` as `1/e^-x`, by a series whose remainder is below its last term.
    fn exp_between(x: f64) -> (Exact, Exact) {
        // e^y = (e^(y/2^s))^(2^s) with y/2^s below a half.
        let (mut y, mut squarings) = (-x, 0);
        while y > 0.5 {
            y /= 2.0;
            squarings += 1;
        }
        let y = exact(y);
        let (mut term, mut sum) = (Exact::from(num_bigint::BigInt::from(1)), Exact::zero());
        for i in 1..24i64 {
            sum = &sum + &term;
            term = &(&term * &y) * &Exact::ratio(1, num_bigint::BigInt::from(i)).unwrap();
        }
        let (mut lo, mut hi) = (sum.clone(), &sum + &term.shifted(1));
        for _ in 0..squarings {
            // Kept to 160 bits, outward.
            let cut = |v: Exact, by: i64| {
                let m = v.shifted(160).floor() + by;
                Exact::from(m).shifted(-160)
            };
            lo = cut(&lo * &lo, 0);
            hi = cut(&hi * &hi, 1);
        }
        (lo, hi)
    }

    /// `e^-x` times the value is within the claimed error of one.
    #[test]
    fn exponentials_are_within_their_error() {
        for i in 0..4000 {
            let x = -f64::from(i) * 0.1731 / (1.0 + f64::from(i % 7) * 9.3);
            if x < -700.0 {
                continue;
            }
            let v = exact(exp(x));
            let (lo, hi) = exp_between(x);
            let one = Exact::from(num_bigint::BigInt::from(1));
            let error = exact(2f64.powi(-46));
            assert!(&v * &hi <= &one + &error.shifted(-1), "{x}");
            assert!(&v * &lo >= &one - &error.shifted(-1), "{x}");
        }
    }

    #[test]
    fn curves_are_near_the_library() {
        for i in -4000..4000 {
            let x = f64::from(i) * 0.01;
            let s = 1.0 / (1.0 + (-x).exp());
            assert!((Curve::Sigmoid.near(x) - s).abs() < ERROR / 100.0, "{x}");
            assert!(
                (Curve::Tanh.near(x) - x.tanh()).abs() < ERROR / 100.0,
                "{x}"
            );
            let d = (Curve::Tanh.slope(x) - (1.0 - x.tanh().powi(2))).abs();
            assert!(d < ERROR, "{x}");
        }
        let all = Bound::new(f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!(Curve::Tanh.image(all), Bound::new(-1.0, 1.0));
    }

    fn holds(f: &Function, b: Bound, z: f64, y: f64) -> Result<(), TestCaseError> {
        let image = f.image(b);
        prop_assert!(
            image.lo <= y + 1e-15 && y <= image.hi + 1e-15,
            "{image:?} {y}"
        );
        let l = f.lines(b);
        let (low, high) = (l.low.0 * z + l.low.1, l.high.0 * z + l.high.1);
        let hair = 1e-14 * (1.0 + z.abs());
        prop_assert!(low <= y + hair, "{l:?} below at {z}: {low} {y} on {b:?}");
        prop_assert!(high >= y - hair, "{l:?} above at {z}: {high} {y} on {b:?}");
        let (slope, strip) = f.strip(b);
        let rest = y - slope * z;
        prop_assert!(
            strip.lo <= rest + hair && rest <= strip.hi + hair,
            "{strip:?} {rest}"
        );
        Ok(())
    }

    fn table(entries: Vec<f64>, first: f64, step: f64, curve: Curve) -> Function {
        Function::Table(Table::new(entries.into(), first, step, curve))
    }

    proptest! {
        #[test]
        fn lines_stay_on_their_side(
            tanh: bool, a in -12.0f64..12.0, w in 0.0f64..1.0, e in -12i32..5, t in 0.0f64..=1.0,
        ) {
            let b = Bound::new(a, a + w * 2f64.powi(e));
            let z = (b.lo + t * (b.hi - b.lo)).clamp(b.lo, b.hi);
            let (c, f): (_, fn(f64) -> f64) = if tanh {
                (Curve::Tanh, f64::tanh)
            } else {
                (Curve::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()))
            };
            let of = Function::Curve(c);
            for v in [z, b.lo, b.hi, 0f64.clamp(b.lo, b.hi)] {
                holds(&of, b, v, f(v))?;
            }
            let s = c.slopes(b);
            let d = c.slope(z);
            prop_assert!(s.lo <= d && d <= s.hi, "{s:?} {d}");
        }

        #[test]
        fn lines_of_tables_hold_at_every_entry(
            kind in 0u8..4, seed in 0u32..1000, p in 0usize..256, q in 0usize..256, off in -0.4f64..0.4,
        ) {
            let (first, step) = (-128.0, 2f64.powi(-4));
            let entry = |i: usize| {
                let x = (first + i as f64) * step;
                match kind {
                    0 => (1.0 / (1.0 + (-x).exp()) * 128.0).round() / 128.0,
                    1 => (x.tanh() * 16.0).floor() / 16.0,
                    2 => f64::from((i as u32 * 7919 + seed) % 101) / 16.0,
                    _ => f64::from(u8::from(i > p)),
                }
            };
            let entries: Vec<f64> = (0..256).map(entry).collect();
            let curve = if kind == 1 { Curve::Tanh } else { Curve::Sigmoid };
            let f = table(entries.clone(), first, step, curve);
            if kind < 2 {
                prop_assert!(f.curve().is_some());
            }
            let at = |i: usize| (first + i as f64) * step;
            let (p, q) = (p.min(q), p.max(q));
            let b = Bound::new(at(p) - off.abs() * step, at(q) + off.abs() * step);
            for (i, y) in entries.iter().enumerate().take(q + 1).skip(p) {
                holds(&f, b, at(i), *y)?;
            }
        }
    }
}
