//! Conversions from and to floats: integer operations on the bits of a float, and products
//! with powers of two, which round once where they round at all.

// To the nearest float is what the documentation says.
#![allow(clippy::cast_precision_loss)]

use super::super::{Input, Output, IN_SIZE, OUT_SIZE};
use super::{In, Out};

impl In {
    /// `floor(x * 2^8 + 1/2)`, clamped to the format, exactly, for every finite `x`. An infinity
    /// gives the end on its side, a NaN gives 0.
    #[must_use]
    pub fn from_f32(x: f32) -> Self {
        let bits = x.to_bits();
        let negative = bits >> 31 != 0;
        let exponent = (bits >> 23) & 0xff;
        let fraction = bits & ((1_u32 << 23) - 1);
        if exponent == 0xff {
            return match (fraction, negative) {
                (0, false) => Self::MAX,
                (0, true) => Self::MIN,
                _ => Self(0),
            };
        }
        // |x| = a * 2^k, where subnormal numbers have the exponent 1.
        let a = i64::from(fraction) + if exponent == 0 { 0 } else { 1_i64 << 23 };
        let k = if exponent == 0 { 1 } else { exponent.cast_signed() };
        rounded(if negative { -a } else { a }, k - 142)
    }

    /// `floor(x * 2^8 + 1/2)`, clamped to the format, exactly, for every finite `x`. An infinity
    /// gives the end on its side, a NaN gives 0.
    #[must_use]
    pub fn from_f64(x: f64) -> Self {
        let bits = x.to_bits();
        let negative = bits >> 63 != 0;
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1_u64 << 52) - 1);
        if exponent == 0x7ff {
            return match (fraction, negative) {
                (0, false) => Self::MAX,
                (0, true) => Self::MIN,
                _ => Self(0),
            };
        }
        // |x| = a * 2^k, where subnormal numbers have the exponent 1.
        let a = fraction.cast_signed() + if exponent == 0 { 0 } else { 1_i64 << 52 };
        let k = if exponent == 0 { 1 } else { exponent as i32 };
        rounded(if negative { -a } else { a }, k - 1067)
    }

    /// `m * 2^-8`, exactly.
    #[must_use]
    pub fn to_f32(self) -> f32 {
        f32::from(self.0) * f32::from_bits(119 << 23)
    }

    /// `m * 2^-8`, exactly.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        f64::from(self.0) * f64::from_bits(1015 << 52)
    }
}

impl Out {
    /// `m * 2^-7`, exactly.
    #[must_use]
    pub fn to_f32(self) -> f32 {
        (self.0 as f32) * f32::from_bits(120 << 23)
    }

    /// `m * 2^-7`, exactly.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        f64::from(self.0) * f64::from_bits(1016 << 52)
    }
}

/// `floor(m * 2^shift + 1/2)`, clamped to the input's format; `|m| < 2^53`.
fn rounded(m: i64, shift: i32) -> In {
    let wide = match shift {
        // Less than 1/2.
        ..=-63 => 0,
        -62..=-1 => (m + (1_i64 << (-shift - 1))) >> -shift,
        // Beyond every format, unless zero.
        0.. => m.saturating_mul(1_i64 << shift.min(62)),
    };
    In(wide.clamp(-256, 255) as i16)
}

/// Every input of a vector; see [`In::from_f32`].
pub fn quantize(x: &[f32; IN_SIZE], input: &mut Input) {
    for (m, x) in input.iter_mut().zip(x) {
        *m = In::from_f32(*x);
    }
}

/// Every output of a vector; see [`Out::to_f32`].
pub fn dequantize(output: &Output, y: &mut [f32; OUT_SIZE]) {
    for (y, m) in y.iter_mut().zip(output) {
        *y = m.to_f32();
    }
}
