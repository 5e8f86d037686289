//! Mantissas of constants: from float32 weights and a format to integers.

use crate::annotate::{Annotation, Program};
use crate::network::{Constant, ValueId};
use crate::types::Format;
use ceg4n_base::Exact;
use std::sync::Arc;

/// The mantissas and the per-channel formats of an annotated constant; rows are indices of the
/// first dimension. `None` without a format.
pub(crate) fn constant_mantissas(
    program: &Program,
    v: ValueId,
) -> Option<(Arc<[i32]>, Vec<Format>)> {
    let value = program.network.value(v);
    let constant = program.network.constant(v)?;
    let Some(Annotation::Fixed { format, mantissas }) = program.annotations.get(v) else {
        return None;
    };
    let rows = value.shape.0.first().copied().unwrap_or(1).max(1);
    let formats: Vec<Format> = (0..rows).filter_map(|j| format.channel(j)).collect();
    let mantissas = match mantissas {
        Some(m) => m.clone(),
        None => match &constant.wide {
            None => quantize_tensor(&formats, &constant.data)?.into(),
            Some(_) => quantize_wide(&formats, constant)?.into(),
        },
    };
    Some((mantissas, formats))
}

/// The mantissas of wide numbers, of enclosed ones those of their middle.
fn quantize_wide(formats: &[Format], c: &Constant) -> Option<Vec<i32>> {
    let last = formats.len().checked_sub(1)?;
    let per_row = (c.data.len() / formats.len()).max(1);
    let one = |i: usize| {
        let m = formats[(i / per_row).min(last)].quantize(&c.center(i));
        // Only an unsigned 32-bit format exceeds the type, and the checker refuses it.
        i32::try_from(m).unwrap_or(i32::MAX)
    };
    Some((0..c.data.len()).map(one).collect())
}

/// The mantissas of a tensor, row-major: row `j` of `formats.len()` equal rows has `formats[j]`.
/// `None` without formats.
pub fn quantize_tensor(formats: &[Format], data: &[f32]) -> Option<Vec<i32>> {
    let last = formats.len().checked_sub(1)?;
    let per_row = (data.len() / formats.len()).max(1);
    let mut out = Vec::with_capacity(data.len());
    for (j, row) in data.chunks(per_row).enumerate() {
        let format = formats[j.min(last)];
        if format.multiplier() == 1 {
            let q = Quantizer::new(format);
            out.extend(row.iter().map(|w| q.quantize(*w)));
        } else {
            out.extend(row.iter().map(|w| quantize_multiplied(format, *w)));
        }
    }
    Some(out)
}

/// [`Format::quantize`] for a float32; 0 for one that is not finite.
pub fn quantize_f32(format: Format, w: f32) -> i32 {
    match format.multiplier() {
        1 => Quantizer::new(format).quantize(w),
        _ => quantize_multiplied(format, w),
    }
}

/// [`quantize_f32`] under a multiplier. The quotient is rounded, so it decides only away from the
/// midpoints; the rest is left to exact arithmetic.
fn quantize_multiplied(format: Format, w: f32) -> i32 {
    let scaled = f64::from(w) * 2f64.powi(format.frac()) / f64::from(format.multiplier());
    let sum = scaled + 0.5;
    let near = (sum - sum.round()).abs();
    // The product is exact: `|F| <= 256`. The quotient and the sum, below 2^21, are off by at most
    // 2^-33 each.
    let m = if scaled.abs() < 2f64.powi(20) && near > 2f64.powi(-30) {
        (sum.floor() as i64).clamp(format.min(), format.max())
    } else {
        Exact::from_f32(w).map_or(0, |x| format.quantize(&x))
    };
    // Only an unsigned 32-bit format exceeds the type, and the checker refuses it on constants.
    i32::try_from(m).unwrap_or(i32::MAX)
}

/// A format as what rounding needs of it. The loop over a row has no branch and no call, so it
/// becomes vector code on every host.
struct Quantizer {
    /// `2^F`.
    scale: f64,
    /// The ends of the range. Only an unsigned 32-bit format exceeds the type, and the checker
    /// refuses it on constants.
    lo: f64,
    hi: f64,
}

/// `1.5·2^52`: adding it to an `f64` below `2^51` rounds it to an integer, which the low bits of
/// the sum then are, in two's complement.
const INTEGERS: f64 = 6_755_399_441_055_744.0;

impl Quantizer {
    fn new(format: Format) -> Self {
        Self {
            scale: 2f64.powi(format.frac()),
            lo: format.min() as f64,
            hi: format.max().min(i64::from(i32::MAX)) as f64,
        }
    }

    /// `clamp(floor(w·2^F + 1/2))`, exact.
    ///
    /// The product is exact: `|F| <= 256` keeps a float32 within the normal `f64`s. Of the sum:
    /// a float32 of magnitude `2^-29` to `2^51` is a multiple of `2^-52` with 24 bits, so that 53
    /// bits hold the sum with 1/2; a smaller one gives a sum near 1/2, whose floor is 0 either
    /// way; a larger one ends at the clamp either way. The clamp's ends are integers, so it may
    /// come before the floor.
    #[inline]
    fn quantize(&self, w: f32) -> i32 {
        let x = f64::from(w) * self.scale + 0.5;
        let x = if w.is_finite() { x } else { 0.0 };
        // No operand is NaN; one vector instruction each.
        let x = if x > self.lo { x } else { self.lo };
        let x = if x < self.hi { x } else { self.hi };
        let shifted = x + INTEGERS;
        let nearest = shifted - INTEGERS;
        // Never wraps: `nearest > x >= lo` only for an integer above `lo`.
        (shifted.to_bits() as i32).wrapping_sub(i32::from(nearest > x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expected(format: Format, w: f32) -> i32 {
        let m = Exact::from_f32(w).map_or(0, |x| format.quantize(&x));
        i32::try_from(m).unwrap_or(i32::MAX)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Every bit pattern, so every exponent; and values near the ties of the format.
        #[test]
        fn quantizing_is_exact(
            bits: u32,
            near in -70_000i32..70_000,
            ulps in -2i32..=2,
            signed: bool,
            width in 1u8..=32,
            frac in -256i32..=256,
        ) {
            let format = Format::new(signed, width, frac).expect("within the limits");
            let any = f32::from_bits(bits);
            prop_assert_eq!(quantize_f32(format, any), expected(format, any));
            // A half-integer multiple of the step, or a neighbour of it.
            let tie = (f64::from(near) / 2.0 * 2f64.powi(-frac)) as f32;
            let tie = f32::from_bits(tie.to_bits().wrapping_add_signed(ulps));
            prop_assert_eq!(quantize_f32(format, tie), expected(format, tie), "{} {}", format, tie);
        }
    }

    #[test]
    fn every_small_format_is_exact_near_its_steps() {
        for width in [1, 2, 3, 8, 31, 32] {
            for frac in [-3, 0, 1, 7, 24, 40] {
                let format = Format::new(true, width, frac).expect("within the limits");
                for halves in -600i32..=600 {
                    let w = (f64::from(halves) / 2.0 * 2f64.powi(-frac)) as f32;
                    for w in [w.next_down(), w, w.next_up()] {
                        assert_eq!(quantize_f32(format, w), expected(format, w), "{format} {w}");
                    }
                }
                for w in [
                    f32::NAN,
                    f32::INFINITY,
                    f32::NEG_INFINITY,
                    f32::MAX,
                    f32::MIN,
                    -0.0,
                ] {
                    assert_eq!(quantize_f32(format, w), expected(format, w), "{format} {w}");
                }
            }
        }
    }

    #[test]
    fn rows_have_their_own_formats() {
        let f = |text: &str| text.parse::<Format>().expect("a format");
        let formats = [f("s8q0"), f("s8q2")];
        let got = quantize_tensor(&formats, &[1.4, -1.5, 1.4, -1.5]);
        assert_eq!(got, Some(vec![1, -1, 6, -6]));
        assert_eq!(quantize_tensor(&[], &[1.0]), None);
    }
}
