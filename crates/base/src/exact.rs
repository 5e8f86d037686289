//! Exact rational numbers for the reference semantics.
//!
//! A value is `num / den · 2^exp` with an odd `den`. Nearly every number of a network is dyadic
//! (`den = 1`); decimals of regions bring a common odd denominator that stays the same through a
//! whole evaluation. So sums and products need no gcd, unlike a general rational type.

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Mul, Neg, Sub};
use std::str::FromStr;

/// Exponents of decimals and shifts beyond this are refused: no number of a network needs them,
/// and a text could otherwise ask for gigabytes.
const MAX_EXPONENT: i64 = 100_000;

/// An exact rational number.
#[derive(Clone, Debug)]
pub struct Exact {
    num: BigInt,
    /// Odd and positive.
    den: BigInt,
    exp: i64,
}

impl Exact {
    /// Zero.
    pub fn zero() -> Self {
        Self::from(0)
    }

    /// `mantissa · 2^exp`.
    pub fn dyadic(mantissa: impl Into<BigInt>, exp: i64) -> Self {
        Self {
            num: mantissa.into(),
            den: BigInt::one(),
            exp,
        }
        .trimmed()
    }

    /// `num / den`; `None` if `den` is zero.
    pub fn ratio(num: impl Into<BigInt>, den: impl Into<BigInt>) -> Option<Self> {
        let (mut num, mut den) = (num.into(), den.into());
        if den.is_zero() {
            return None;
        }
        if den.is_negative() {
            num = -num;
            den = -den;
        }
        let twos = den.trailing_zeros().unwrap_or(0);
        Some(
            Self {
                num,
                den: den >> twos,
                exp: -(twos as i64),
            }
            .reduced(),
        )
    }

    /// The value of a finite float; `None` for NaN and infinities.
    pub fn from_f64(v: f64) -> Option<Self> {
        if !v.is_finite() {
            return None;
        }
        let bits = v.to_bits();
        let raw_exp = (bits >> 52 & 0x7ff) as i64;
        let fraction = (bits & ((1 << 52) - 1)) as i64;
        let (m, e) = if raw_exp == 0 {
            (fraction, -1074)
        } else {
            (fraction | 1 << 52, raw_exp - 1075)
        };
        // Short mantissas here, where they are cheap.
        let t = if m == 0 { 0 } else { m.trailing_zeros() };
        let (m, exp) = (m >> t, if m == 0 { 0 } else { e + i64::from(t) });
        Some(Self {
            num: BigInt::from(if v.is_sign_negative() { -m } else { m }),
            den: BigInt::one(),
            exp,
        })
    }

    /// The value of a finite float; `None` for NaN and infinities.
    pub fn from_f32(v: f32) -> Option<Self> {
        Self::from_f64(f64::from(v))
    }

    /// A nearby float, for display, sampling and guidance; never for a proof. Off by a few ulp
    /// where numerator and denominator exceed 53 bits; infinite beyond the range.
    pub fn to_f64(&self) -> f64 {
        let (lo, _) = self.enclosure();
        lo
    }

    /// Floats `lo ≤ self ≤ hi` that are equal or close neighbours.
    pub fn enclosure(&self) -> (f64, f64) {
        if self.num.is_zero() {
            return (0.0, 0.0);
        }
        // A quotient of at least 64 bits, floored: q ≤ |num|/den·2^shift < q + 1.
        let want = 64 + self.den.bits() as i64 - self.num.bits() as i64;
        let shift = want.max(0);
        let (q, r) = (self.num.abs() << shift as u64).div_rem(&self.den);
        let exp = self.exp - shift;
        let cut = (q.bits() as i64 - 53).max(0);
        let top = &q >> cut as u64;
        let inexact = !r.is_zero() || (&top << cut as u64) != q;
        let m = top.to_u64().unwrap_or(u64::MAX);
        let (mut lo, mut hi) = scale_outward(m, exp + cut);
        if inexact {
            let (_, up) = scale_outward(m + 1, exp + cut);
            hi = up;
        }
        if self.num.is_negative() {
            (lo, hi) = (-hi, -lo);
        }
        (lo, hi)
    }

    /// `self · 2^k`.
    pub fn shifted(&self, k: i64) -> Self {
        Self {
            num: self.num.clone(),
            den: self.den.clone(),
            exp: self.exp + k,
        }
    }

    /// `floor(self)`.
    pub fn floor(&self) -> BigInt {
        if self.exp >= 0 {
            (&self.num << self.exp as u64).div_floor(&self.den)
        } else {
            let den = &self.den << self.exp.unsigned_abs();
            self.num.div_floor(&den)
        }
    }

    /// `self / other`; `None` if `other` is zero.
    pub fn checked_div(&self, other: &Self) -> Option<Self> {
        if other.num.is_zero() {
            return None;
        }
        let inverse = Self::ratio(other.den.clone(), other.num.clone())?.shifted(-other.exp);
        Some((self * &inverse).reduced())
    }

    /// -1, 0 or 1.
    pub fn signum(&self) -> i32 {
        match self.num.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        }
    }

    /// True if the value is zero.
    pub fn is_zero(&self) -> bool {
        self.num.is_zero()
    }

    /// The value if it is `m·2^exp`: mantissa (odd or zero) and exponent.
    pub fn as_dyadic(&self) -> Option<(BigInt, i64)> {
        let r = self.clone().reduced();
        r.den.is_one().then_some((r.num, r.exp))
    }

    /// `Σ a·b` over the terms; in machine integers where factors and sums fit.
    pub fn dot(terms: &[(Self, Self)]) -> Self {
        let mut rest = Self::zero();
        // Products of one denominator each; a network has few.
        let mut groups: Vec<(BigInt, Vec<(i128, i64)>)> = Vec::new();
        for (a, b) in terms {
            let (Some(m), Some(n)) = (a.num.to_i64(), b.num.to_i64()) else {
                rest = &rest + &(a * b);
                continue;
            };
            let product = (i128::from(m) * i128::from(n), a.exp + b.exp);
            let den = match (a.den.is_one(), b.den.is_one()) {
                (true, _) => &b.den,
                (false, true) => &a.den,
                (false, false) => {
                    rest = &rest + &(a * b);
                    continue;
                }
            };
            match groups.iter_mut().find(|g| g.0 == *den) {
                Some(g) => g.1.push(product),
                None => groups.push((den.clone(), vec![product])),
            }
        }
        for (den, products) in groups {
            let sum = dyadic_sum(&products);
            let sum = Self { den, ..sum };
            rest = &rest + &sum;
        }
        rest
    }

    /// The larger of two.
    pub fn max(self, other: Self) -> Self {
        if self >= other { self } else { other }
    }

    /// The smaller of two.
    pub fn min(self, other: Self) -> Self {
        if self <= other { self } else { other }
    }

    /// The mean of two values.
    pub fn midpoint(&self, other: &Self) -> Self {
        (self + other).shifted(-1)
    }

    /// Numerator and denominator in lowest terms.
    pub fn to_ratio(&self) -> (BigInt, BigInt) {
        let r = self.clone().reduced();
        if r.exp >= 0 {
            (r.num << r.exp as u64, r.den)
        } else {
            (r.num, r.den << r.exp.unsigned_abs())
        }
    }

    /// Drops trailing zero bits of the numerator, so that mantissas stay short.
    fn trimmed(mut self) -> Self {
        match self.num.trailing_zeros() {
            None => self.exp = 0,
            Some(0) => {}
            Some(t) => {
                self.num >>= t;
                self.exp += t as i64;
            }
        }
        self
    }

    fn reduced(self) -> Self {
        let mut r = self.trimmed();
        if !r.den.is_one() {
            let g = r.num.gcd(&r.den);
            if !g.is_one() {
                r.num /= &g;
                r.den /= &g;
            }
        }
        r
    }
}

/// Floats around `m · 2^e`, `m < 2^54`, equal where it is a float.
fn scale_outward(m: u64, e: i64) -> (f64, f64) {
    if m == 0 {
        return (0.0, 0.0);
    }
    let top = i64::from(64 - m.leading_zeros()) + e;
    if top > 1024 {
        return (f64::MAX, f64::INFINITY);
    }
    if top < -1080 {
        return (0.0, f64::from_bits(1));
    }
    // Bits below 2^-1074 fall off; those of m beyond 53 do not occur except for m = 2^53.
    let lost = (-1074 - e).max(0);
    let kept = if lost > 63 { 0 } else { m >> lost };
    let exact = lost == 0 || (lost <= 63 && kept << lost == m);
    let exp = e + lost;
    // Two steps keep the powers of two normal.
    let half = exp / 2;
    let lo = kept as f64 * 2f64.powi(half as i32) * 2f64.powi((exp - half) as i32);
    (lo, if exact { lo } else { lo.next_up() })
}

impl From<i64> for Exact {
    fn from(v: i64) -> Self {
        Self::dyadic(v, 0)
    }
}

impl From<i32> for Exact {
    fn from(v: i32) -> Self {
        Self::from(i64::from(v))
    }
}

impl From<BigInt> for Exact {
    fn from(v: BigInt) -> Self {
        Self::dyadic(v, 0)
    }
}

impl Add for &Exact {
    type Output = Exact;
    fn add(self, other: &Exact) -> Exact {
        if self.num.is_zero() {
            return other.clone();
        }
        if other.num.is_zero() {
            return self.clone();
        }
        let exp = self.exp.min(other.exp);
        let align = |v: &Exact| &v.num << (v.exp - exp) as u64;
        let (a, b) = (align(self), align(other));
        if self.den == other.den {
            return Exact {
                num: a + b,
                den: self.den.clone(),
                exp,
            };
        }
        let lcm = self.den.lcm(&other.den);
        let num = a * (&lcm / &self.den) + b * (&lcm / &other.den);
        Exact { num, den: lcm, exp }
    }
}

impl Sub for &Exact {
    type Output = Exact;
    fn sub(self, other: &Exact) -> Exact {
        self + &-other
    }
}

impl Neg for &Exact {
    type Output = Exact;
    fn neg(self) -> Exact {
        Exact {
            num: -&self.num,
            den: self.den.clone(),
            exp: self.exp,
        }
    }
}

impl Mul for &Exact {
    type Output = Exact;
    fn mul(self, other: &Exact) -> Exact {
        let den = match (self.den.is_one(), other.den.is_one()) {
            (true, _) => other.den.clone(),
            (_, true) => self.den.clone(),
            _ => &self.den * &other.den,
        };
        Exact {
            num: &self.num * &other.num,
            den,
            exp: self.exp + other.exp,
        }
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Exact {}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        (self - other).signum().cmp(&0)
    }
}

/// `Σ m·2^e`.
fn dyadic_sum(products: &[(i128, i64)]) -> Exact {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for (m, e) in products.iter().filter(|p| p.0 != 0) {
        let bits = 128 - i64::from(m.unsigned_abs().leading_zeros());
        (low, high) = (low.min(*e), high.max(e + bits));
    }
    if low > high {
        return Exact::zero();
    }
    // Each aligned product is below 2^(high - low), so that the sum of all is below 2^126.
    let count = 64 - i64::from((products.len() as u64).leading_zeros());
    let nonzero = products.iter().filter(|p| p.0 != 0);
    if high - low + count <= 126 {
        return Exact::dyadic(nonzero.map(|(m, e)| m << (e - low)).sum::<i128>(), low);
    }
    nonzero.fold(Exact::zero(), |sum, (m, e)| &sum + &Exact::dyadic(*m, *e))
}

/// A decimal where the value has a finite one (every dyadic has), else `num/den`.
impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (num, den) = self.to_ratio();
        let twos = den.trailing_zeros().unwrap_or(0);
        let mut odd = &den >> twos;
        let mut fives = 0u64;
        let five = BigInt::from(5);
        while (&odd % &five).is_zero() {
            odd /= &five;
            fives += 1;
        }
        if !odd.is_one() {
            return write!(f, "{num}/{den}");
        }
        let places = twos.max(fives);
        let scaled = num.abs()
            * BigInt::from(2).pow((places - twos) as u32)
            * five.pow((places - fives) as u32);
        let digits = scaled.to_string();
        let places = places as usize;
        let digits = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let sign = if num.is_negative() { "-" } else { "" };
        if fraction.is_empty() {
            write!(f, "{sign}{whole}")
        } else {
            write!(f, "{sign}{whole}.{fraction}")
        }
    }
}

/// A text that is no number; the message says what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseExactError(pub String);

impl fmt::Display for ParseExactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseExactError {}

/// Reads `-12.5e-3`, `0x1.8p-3` and `num/den`, exactly.
impl FromStr for Exact {
    type Err = ParseExactError;

    fn from_str(text: &str) -> Result<Self, ParseExactError> {
        let bad = || {
            ParseExactError(format!(
                "`{text}` is not a number like -1.5e-3, 0x1.8p-3 or 1/3"
            ))
        };
        if let Some((n, d)) = text.split_once('/') {
            let num = BigInt::from_str(n).map_err(|_| bad())?;
            let den = BigInt::from_str(d).map_err(|_| bad())?;
            return Self::ratio(num, den).ok_or_else(bad);
        }
        let (negative, body) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let hex = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X"));
        let (digits, marker, radix) = match hex {
            Some(h) => (h, ['p', 'P'], 16),
            None => (body, ['e', 'E'], 10),
        };
        let (mantissa, exp) = match digits.split_once(marker) {
            Some((m, e)) => (m, i64::from_str(e).map_err(|_| bad())?),
            None => (digits, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.chars().all(|c| c.is_digit(radix)) {
            return Err(bad());
        }
        if exp.abs() > MAX_EXPONENT {
            return Err(ParseExactError(format!(
                "the exponent of `{text}` is too large"
            )));
        }
        let m = BigInt::parse_bytes(all.as_bytes(), radix).ok_or_else(bad)?;
        let m = if negative { -m } else { m };
        let places = fraction.len() as i64;
        if radix == 16 {
            return Ok(Self::dyadic(m, exp - 4 * places));
        }
        let ten_exp = exp - places;
        let power = BigInt::from(10).pow(ten_exp.unsigned_abs() as u32);
        if ten_exp >= 0 {
            Ok(Self::from(m * power))
        } else {
            Self::ratio(m, power).ok_or_else(bad)
        }
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn e(text: &str) -> Exact {
        text.parse().unwrap()
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(&e("0.1") + &e("0.2"), e("0.3"));
        assert_eq!(e("0x1.8p-3"), e("0.1875"));
        assert_eq!(e("-1.5e2"), Exact::from(-150));
        assert_eq!(e("1/3").to_string(), "1/3");
        assert_eq!(e("-0.125").to_string(), "-0.125");
        assert_eq!(e("2500").to_string(), "2500");
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in [
            "",
            "-",
            ".",
            "1e",
            "0x",
            "nan",
            "inf",
            "1/0",
            "1e999999999",
            "1_0",
        ] {
            assert!(text.parse::<Exact>().is_err(), "{text}");
        }
    }

    #[test]
    fn floor_rounds_down() {
        assert_eq!(e("-0.5").floor(), BigInt::from(-1));
        assert_eq!(e("7/3").floor(), BigInt::from(2));
        assert_eq!(e("-4").floor(), BigInt::from(-4));
    }

    #[test]
    fn enclosure_at_the_ends_of_the_float_range() {
        let tiny = Exact::dyadic(1, -1074);
        assert_eq!(tiny.enclosure(), (f64::from_bits(1), f64::from_bits(1)));
        assert_eq!(tiny.shifted(-1).enclosure(), (0.0, f64::from_bits(1)));
        let huge = Exact::dyadic(1, 1024);
        assert_eq!(huge.enclosure(), (f64::MAX, f64::INFINITY));
        assert_eq!((-&huge).enclosure(), (f64::NEG_INFINITY, f64::MIN));
    }

    proptest! {
        #[test]
        fn dot_is_the_sum_of_products(
            terms in prop::collection::vec((any::<i64>(), -90i64..90, any::<i32>(), -90i64..90, 1i64..4), 0..12),
            near: bool,
        ) {
            let number = |m: i64, e: i64, d: i64| {
                let e = if near { e / 8 } else { e };
                let d = if near { 1 } else { d };
                Exact::ratio(m, d).unwrap().shifted(e)
            };
            let terms: Vec<(Exact, Exact)> = terms
                .into_iter()
                .map(|(a, e, b, f, d)| (number(a, e, 1), number(b.into(), f, d)))
                .collect();
            let sum = terms.iter().fold(Exact::zero(), |s, (a, b)| &s + &(a * b));
            prop_assert_eq!(Exact::dot(&terms), sum);
        }

        #[test]
        fn floats_survive(bits: u64) {
            let v = f64::from_bits(bits);
            prop_assume!(v.is_finite());
            let x = Exact::from_f64(v).unwrap();
            prop_assert_eq!(x.enclosure(), (v, v));
            prop_assert_eq!(x.to_string().parse::<Exact>().unwrap(), x);
        }

        #[test]
        fn enclosure_holds(n in -1_000_000_000_000i64..1_000_000_000_000, d in 1i64..1_000_000_007, k in -60i64..60) {
            let x = Exact::ratio(n, d).unwrap().shifted(k);
            let (lo, hi) = x.enclosure();
            prop_assert!(Exact::from_f64(lo).unwrap() <= x && x <= Exact::from_f64(hi).unwrap());
            prop_assert!(hi <= lo.next_up());
        }

        #[test]
        fn field_laws(a in -1000i64..1000, b in 1i64..1000, c in -1000i64..1000, d in 1i64..1000) {
            let (x, y) = (Exact::ratio(a, b).unwrap(), Exact::ratio(c, d).unwrap());
            prop_assert_eq!(&(&x + &y) - &y, x.clone());
            prop_assert_eq!(x.cmp(&y), (a * d).cmp(&(c * b)));
            if c != 0 {
                prop_assert_eq!(&x.checked_div(&y).unwrap() * &y, x);
            }
        }
    }
}
