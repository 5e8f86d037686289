//! Real scales as integer multipliers: `M·2^-k` with 15 bits for `M`.
//!
//! A power of two as the distance of two mantissas wastes up to half of a weight's range. A
//! requantization that multiplies by an integer before it shifts can have any scale, here the one
//! that a range asks for.

use crate::formats::{RangeChoice, magnitude, squared_error};

/// A multiplier is less than `2^MULTIPLIER_BITS`.
pub const MULTIPLIER_BITS: u32 = 15;

/// Steps of the search for a clipping range: fractions of the largest magnitude.
const CLIP_STEPS: u32 = 64;

/// The positive real `multiplier·2^-shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RealScale {
    /// `2^14 ≤ multiplier < 2^15`.
    pub multiplier: u16,
    /// Any sign.
    pub shift: i32,
}

impl RealScale {
    /// The nearest one to a positive number, at most `2^-15` of it away; `None` for a number that
    /// is not positive, not finite or subnormal.
    pub fn nearest(scale: f64) -> Option<Self> {
        if !scale.is_normal() || scale < 0.0 {
            return None;
        }
        // 2^e ≤ scale < 2^(e+1).
        let e = (scale.to_bits() >> 52) as i32 - 1023;
        let bits = MULTIPLIER_BITS as i32;
        let mut shift = bits - 1 - e;
        let mut m = (scale * 2f64.powi(-e) * 2f64.powi(bits - 1)).round();
        if m >= 2f64.powi(bits) {
            m /= 2.0;
            shift -= 1;
        }
        Some(Self {
            multiplier: m as u16,
            shift,
        })
    }

    /// The number that it is, exactly, unless beyond the range of a float.
    pub fn value(self) -> f64 {
        f64::from(self.multiplier) * 2f64.powi(-self.shift)
    }
}

/// The scale of weights, the real value of one mantissa step, for signed mantissas of `bits`
/// bits. Without a weight other than zero it is `None`.
pub fn weight_scale(data: &[f32], bits: u8, choice: RangeChoice) -> Option<RealScale> {
    let limit = (2f64.powi(i32::from(bits) - 1) - 1.0).max(1.0);
    let of = |range: f64| RealScale::nearest(range / limit);
    match choice {
        RangeChoice::MaxAbs | RangeChoice::Percentile(_) => of(magnitude(data, choice)),
        RangeChoice::Mse => {
            let most = magnitude(data, RangeChoice::MaxAbs);
            (1..=CLIP_STEPS)
                .rev()
                .filter_map(|i| of(most * f64::from(i) / f64::from(CLIP_STEPS)))
                .map(|s| (squared_error(data, bits, s.value()), s))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, s)| s)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_scale_is_within_its_last_bit() {
        let mut v = 1.7e-20;
        while v < 1e20 {
            let s = RealScale::nearest(v).unwrap();
            assert!((1 << 14..1 << 15).contains(&s.multiplier), "{s:?}");
            assert!((s.value() - v).abs() <= v * 2f64.powi(-15), "{v} as {s:?}");
            v *= 1.37;
        }
        let s = |v| RealScale::nearest(v).unwrap().value();
        assert_eq!((s(0.25), s(1.0), s(3.0)), (0.25, 1.0, 3.0));
        // Just below a power of two it rounds up to it.
        assert_eq!(s(1.0 - 1e-9), 1.0);
        for v in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-310] {
            assert_eq!(RealScale::nearest(v), None, "{v}");
        }
    }

    #[test]
    fn weight_scales_reach_the_range_and_mse_is_no_worse() {
        let data: Vec<f32> = (0..50)
            .map(|i| ((i * 37 % 50) as f32 - 20.0).powi(3))
            .collect();
        for bits in 2..=8 {
            let limit = 2f64.powi(i32::from(bits) - 1) - 1.0;
            let max = weight_scale(&data, bits, RangeChoice::MaxAbs).unwrap();
            let most = 29f64.powi(3);
            assert!((max.value() * limit / most - 1.0).abs() < 1e-4);
            let mse = weight_scale(&data, bits, RangeChoice::Mse).unwrap();
            let error = |s: RealScale| squared_error(&data, bits, s.value());
            assert!(error(mse) <= error(max), "{bits} bits");
            let clip = weight_scale(&data, bits, RangeChoice::Percentile(50.0)).unwrap();
            assert!(clip.value() < max.value());
        }
        assert_eq!(weight_scale(&[0.0, 0.0], 4, RangeChoice::Mse), None);
        assert_eq!(weight_scale(&[], 4, RangeChoice::MaxAbs), None);
    }

    #[test]
    fn a_real_scale_beats_a_power_of_two() {
        // The largest weight just misses a power of two: half of the mantissas would stay idle.
        let data: Vec<f32> = (0..=100).map(|i| i as f32 / 98.0 - 0.5).collect();
        let real = weight_scale(&data, 4, RangeChoice::Mse).unwrap();
        let power = crate::formats::weight_format(&data, 4);
        let step = 2f64.powi(-power.frac());
        assert!(squared_error(&data, 4, real.value()) < squared_error(&data, 4, step));
    }
}
