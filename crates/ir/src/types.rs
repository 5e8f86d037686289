//! Formats, roundings and shapes: the types of the IR.

use ceg4n_base::Exact;
use num_traits::ToPrimitive;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Fraction bits beyond these limits are refused; then every mantissa is exact as an `f64`.
pub const FRAC_LIMIT: i32 = 256;

/// Multipliers of a [`Format`] are below this.
pub const MULTIPLIER_LIMIT: u16 = 1 << 15;

/// A fixed-point format `sWqF` or `uWqF`: mantissa `m` stands for `m·2^-F`. With a multiplier,
/// `sWqF*M`, it stands for `m·M·2^-F`; only constants have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    signed: bool,
    width: u8,
    frac: i32,
    multiplier: u16,
}

impl Format {
    /// 32-bit integers.
    pub const S32: Self = Self {
        signed: true,
        width: 32,
        frac: 0,
        multiplier: 1,
    };

    /// The format with multiplier 1; `None` unless `1 ≤ width ≤ 32` and `|frac| ≤ 256`.
    pub fn new(signed: bool, width: u8, frac: i32) -> Option<Self> {
        ((1..=32).contains(&width) && frac.abs() <= FRAC_LIMIT).then_some(Self {
            signed,
            width,
            frac,
            multiplier: 1,
        })
    }

    /// The same format with the multiplier `M`; `None` unless `1 ≤ M < 2^15`.
    pub fn with_multiplier(self, multiplier: u16) -> Option<Self> {
        (1..MULTIPLIER_LIMIT)
            .contains(&multiplier)
            .then_some(Self { multiplier, ..self })
    }

    /// Two's complement or unsigned.
    pub fn signed(self) -> bool {
        self.signed
    }

    /// Bits in total, 1 to 32.
    pub fn width(self) -> u8 {
        self.width
    }

    /// Fraction bits `F`; may be negative or larger than the width.
    pub fn frac(self) -> i32 {
        self.frac
    }

    /// The multiplier `M` of the scale, `1 ≤ M < 2^15`; 1 if none is written.
    pub fn multiplier(self) -> u16 {
        self.multiplier
    }

    /// Least mantissa.
    pub fn min(self) -> i64 {
        if self.signed {
            -(1 << (self.width - 1))
        } else {
            0
        }
    }

    /// Greatest mantissa.
    pub fn max(self) -> i64 {
        if self.signed {
            (1 << (self.width - 1)) - 1
        } else {
            (1 << self.width) - 1
        }
    }

    /// The mantissa of a real value: `sat(floor(x·2^F/M + 1/2))`, whatever the rounding option.
    /// Monotone in `x`.
    pub fn quantize(self, x: &Exact) -> i64 {
        let mut scaled = x.shifted(i64::from(self.frac));
        if self.multiplier != 1 {
            let m = Exact::from(i64::from(self.multiplier));
            // A multiplier is positive.
            scaled = scaled.checked_div(&m).unwrap_or(scaled);
        }
        let floor = (&scaled + &Exact::dyadic(1, -1)).floor();
        match floor.to_i64() {
            Some(m) => m.clamp(self.min(), self.max()),
            None if x.signum() < 0 => self.min(),
            None => self.max(),
        }
    }

    /// [`Self::quantize`] of a finite float64, without exact arithmetic unless there is a multiplier;
    /// 0 for NaN.
    ///
    /// Why it is the same: `y = x·2^F` is exact unless it overflows, where it saturates as it
    /// should, or has less than `2^-1022`, where any such `y` rounds to 0. `y - floor(y)` is exact
    /// for `y ≥ 0`, for `y ≤ -1`, and for `-1 < y ≤ -1/2` (Sterbenz); above it lies in `(1/2, 1]`
    /// and rounding to nearest keeps it there. Mantissas have at most 32 bits.
    pub fn quantize_f64(self, x: f64) -> i64 {
        if self.multiplier != 1 {
            return Exact::from_f64(x).map_or(0, |x| self.quantize(&x));
        }
        let y = x * 2f64.powi(self.frac);
        let floor = y.floor();
        let up = f64::from(u8::from(y - floor >= 0.5));
        (floor + up).clamp(self.min() as f64, self.max() as f64) as i64
    }

    /// The value that a mantissa stands for.
    pub fn value(self, mantissa: i64) -> Exact {
        let m = i128::from(mantissa) * i128::from(self.multiplier);
        Exact::dyadic(m, -i64::from(self.frac))
    }

    /// True if the mantissa lies in the range.
    pub fn contains(self, mantissa: i64) -> bool {
        (self.min()..=self.max()).contains(&mantissa)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}q{}",
            if self.signed { 's' } else { 'u' },
            self.width,
            self.frac
        )?;
        match self.multiplier {
            1 => Ok(()),
            m => write!(f, "*{m}"),
        }
    }
}

/// The multiplier of a text of digits, if it is one.
fn factor(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let m = text.parse().ok().filter(|_| digits)?;
    (1..MULTIPLIER_LIMIT).contains(&m).then_some(m)
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is no format; write sWqF or uWqF with 1 <= W <= 32 and |F| <= {FRAC_LIMIT}, for instance s8q6"
            )
        };
        let (signed, rest) = match text.as_bytes().first() {
            Some(b's') => (true, &text[1..]),
            Some(b'u') => (false, &text[1..]),
            _ => return Err(bad()),
        };
        let (width, frac) = rest.split_once('q').ok_or_else(bad)?;
        let (frac, multiplier) = match frac.split_once('*') {
            Some((frac, m)) => (frac, Some(m)),
            None => (frac, None),
        };
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(width) || !digits(frac.strip_prefix('-').unwrap_or(frac)) {
            return Err(bad());
        }
        let width = width.parse().map_err(|_| bad())?;
        let frac = frac.parse().map_err(|_| bad())?;
        let plain = Self::new(signed, width, frac).ok_or_else(bad)?;
        let multiplier = match multiplier {
            Some(m) => factor(m).ok_or_else(|| {
                format!(
                    "`*{m}` is no multiplier; write *M with 1 <= M < {MULTIPLIER_LIMIT}, for instance s8q20*23170"
                )
            })?,
            None => 1,
        };
        Ok(Self {
            multiplier,
            ..plain
        })
    }
}

impl Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The format of a tensor: one, or (constants only) one per output channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TensorFormat {
    /// One format for all elements.
    Tensor(Format),
    /// One per index of the first dimension.
    Channels(Arc<[Format]>),
}

impl TensorFormat {
    /// The format of channel `j`; `None` past the end of a per-channel list.
    pub fn channel(&self, j: usize) -> Option<Format> {
        match self {
            Self::Tensor(f) => Some(*f),
            Self::Channels(list) => list.get(j).copied(),
        }
    }

    /// The one format of the tensor, if there is one.
    pub fn single(&self) -> Option<Format> {
        match self {
            Self::Tensor(f) => Some(*f),
            Self::Channels(_) => None,
        }
    }
}

impl From<Format> for TensorFormat {
    fn from(f: Format) -> Self {
        Self::Tensor(f)
    }
}

/// How `requantize` rounds `v = acc·2^-s`; one rule for the whole network.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// `floor(v + 1/2)`.
    #[default]
    HalfUp,
    /// To nearest, ties to even.
    HalfEven,
    /// `floor(v)`.
    Floor,
}

impl Rounding {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::HalfUp, Self::HalfEven, Self::Floor];

    /// The name in `.nnir` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfUp => "half-up",
            Self::HalfEven => "half-even",
            Self::Floor => "floor",
        }
    }

    /// `round(m·2^-s)`, monotone in `m`; `s ≤ 0` is an exact left shift. For ranges: the meaning
    /// itself stands in `ir-specs`, and tests hold both together. `|m|` and the result stay
    /// below `2^126`.
    pub fn shift(self, m: i128, s: i32) -> i128 {
        if s <= 0 {
            return m << s.unsigned_abs().min(126);
        }
        let s = s.min(126);
        match self {
            Self::Floor => m >> s,
            Self::HalfUp => (m + (1 << (s - 1))) >> s,
            Self::HalfEven => (m + (1 << (s - 1)) - 1 + ((m >> s) & 1)) >> s,
        }
    }

    /// The rule of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// Dimensions of a tensor, without batch.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Shape(pub Vec<usize>);

impl Shape {
    /// A vector.
    pub fn vector(n: usize) -> Self {
        Self(vec![n])
    }

    /// Number of elements; `None` on overflow.
    pub fn checked_len(&self) -> Option<usize> {
        self.0.iter().try_fold(1usize, |n, d| n.checked_mul(*d))
    }

    /// Number of elements. Shapes inside a [`crate::Network`] never overflow.
    pub fn len(&self) -> usize {
        self.checked_len().unwrap_or(usize::MAX)
    }

    /// True if a tensor of this shape spreads to `other`: aligned at the last dimension, each
    /// extent is that of `other` or 1, and it has no more dimensions.
    pub fn broadcasts_to(&self, other: &Self) -> bool {
        let fits = |(a, b): (&usize, &usize)| a == b || *a == 1;
        self.0.len() <= other.0.len() && self.0.iter().rev().zip(other.0.iter().rev()).all(fits)
    }

    /// For each element of a tensor of shape `other`, row-major, the element of this one that it
    /// meets: by its index where both have as many elements, the one element where there is one,
    /// else by [`Self::broadcasts_to`].
    pub fn spread_over(&self, other: &Self) -> Vec<usize> {
        let (own, len) = (self.len(), other.len());
        if own == len {
            return (0..len).collect();
        }
        if own == 1 {
            return vec![0; len];
        }
        let mut steps = vec![0; other.0.len()];
        let mut step = 1;
        for (i, d) in self.0.iter().rev().enumerate() {
            let at = other.0.len() - 1 - i;
            steps[at] = if *d == 1 { 0 } else { step };
            step *= d;
        }
        let mut out = vec![0];
        for (d, step) in other.0.iter().zip(steps) {
            out = out
                .iter()
                .flat_map(|base| (0..*d).map(move |i| base + i * step))
                .collect();
        }
        out
    }

    /// True if a dimension is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&dims.join("x"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_print_and_parse() {
        for text in [
            "s8q6",
            "u1q0",
            "s32q-4",
            "u5q40",
            "s4q17*23170",
            "s8q-3*32767",
        ] {
            assert_eq!(text.parse::<Format>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "s0q1",
            "s33q1",
            "x8q1",
            "s8",
            "s8q",
            "s8q257",
            "s+8q1",
            "s8q--1",
            "s8q1*",
            "s8q1*0",
            "s8q1*32768",
            "s8q1*65537",
            "s8q1*-3",
            "s8q1*3*5",
        ] {
            assert!(text.parse::<Format>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_multiplier_of_one_is_none() {
        let f: Format = "s8q6*1".parse().unwrap();
        assert_eq!((f.to_string(), f.multiplier()), ("s8q6".to_owned(), 1));
        assert_eq!(Some(f), Format::new(true, 8, 6));
    }

    #[test]
    fn multiplied_scales_round_half_up() {
        let f: Format = "s4q1*3".parse().unwrap();
        // Steps of 3/2: the midpoints are odd multiples of 3/4.
        let q = |t: &str| f.quantize(&t.parse().unwrap());
        assert_eq!(q("0.75"), 1);
        assert_eq!(q("-0.75"), 0);
        assert_eq!(q("-0.76"), -1);
        assert_eq!(q("100"), 7);
        assert_eq!(f.value(-5), "-7.5".parse().unwrap());
    }

    #[test]
    fn quantize_rounds_half_up_and_saturates() {
        let f: Format = "s4q1".parse().unwrap();
        let q = |t: &str| f.quantize(&t.parse().unwrap());
        assert_eq!(q("0.25"), 1);
        assert_eq!(q("-0.25"), 0);
        assert_eq!(q("-0.26"), -1);
        assert_eq!(q("3.4"), 7);
        assert_eq!(q("1e30"), 7);
        assert_eq!(q("-1e30"), -8);
        assert_eq!(
            "u4q1".parse::<Format>().unwrap().quantize(&Exact::from(-3)),
            0
        );
    }

    /// Midpoints of two mantissas are where the two roundings could part.
    #[test]
    fn floats_are_quantized_as_exact_numbers_are() {
        let formats: Vec<Format> = [
            "s8q6", "u8q8", "s2q-3", "u1q0", "s32q-256", "u32q256", "s32q40",
        ]
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
        let same = |f: Format, x: f64| {
            let want = f.quantize(&Exact::from_f64(x).unwrap());
            assert_eq!(f.quantize_f64(x), want, "{f} of {x:e}");
        };
        for f in &formats {
            for m in [f.min(), f.min() + 1, -2, -1, 0, 1, 2, f.max() - 1, f.max()] {
                let middle = (m as f64 + 0.5) * 2f64.powi(-f.frac());
                for x in [middle, middle.next_up(), middle.next_down()] {
                    same(*f, x);
                    same(*f, -x);
                }
            }
            for x in [
                0.0,
                -0.0,
                5e-324,
                f64::MIN_POSITIVE,
                f64::MAX,
                1e-300,
                0.1,
                1.0 / 3.0,
            ] {
                same(*f, x);
                same(*f, -x);
            }
        }
        assert_eq!(formats[0].quantize_f64(f64::NAN), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_float_is_quantized_as_its_exact_number(
            bits: u64,
            mantissa in -300i64..300,
            ulps in -3i64..3,
            signed: bool,
            width in 1u8..=32,
            frac in -FRAC_LIMIT..=FRAC_LIMIT,
        ) {
            let f = Format::new(signed, width, frac).unwrap();
            let near = (mantissa as f64 / 2.0) * 2f64.powi(-frac);
            let near = f64::from_bits(near.to_bits().wrapping_add_signed(ulps));
            for x in [f64::from_bits(bits), near] {
                if let Some(exact) = Exact::from_f64(x) {
                    proptest::prop_assert_eq!(f.quantize_f64(x), f.quantize(&exact), "{} of {:e}", f, x);
                }
            }
        }
    }
}
