//! Operators on single elements, with their slopes.

use ceg4n_ir::{Format, Rounding};

/// Elements that are computed together; every buffer is padded to a multiple.
pub(super) const LANES: usize = 8;

/// `n` rounded up to whole [`LANES`].
pub(super) fn padded(n: usize) -> usize {
    n.div_ceil(LANES) * LANES
}

/// One operator on every element, in real units.
#[derive(Clone, Debug)]
pub(super) enum Each {
    Add(Vec<f32>),
    Scale(Vec<f32>),
    Relu,
    /// `clamp(round(x·scale), lo, hi)·unit`.
    Round {
        scale: Vec<f32>,
        lo: f32,
        hi: f32,
        unit: f32,
        rule: Rounding,
    },
}

impl Each {
    pub(super) fn round(scale: Vec<f32>, format: Format, rule: Rounding) -> Self {
        Self::Round {
            scale,
            lo: format.min() as f32,
            hi: format.max() as f32,
            unit: 2f32.powi(-format.frac()),
            rule,
        }
    }

    /// True if its scales are normal numbers.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Add(c) => c.iter().all(|c| c.is_finite()),
            Self::Scale(by) => by.iter().all(|b| b.is_normal()),
            Self::Relu => true,
            Self::Round { scale, unit, .. } => {
                unit.is_normal() && scale.iter().all(|s| s.is_normal())
            }
        }
    }

    /// Applies it to `x`, and multiplies its derivative into `slope`.
    #[inline(always)]
    pub(super) fn apply(&self, x: &mut [f32], slope: &mut [f32]) {
        match self {
            Self::Add(c) => x.iter_mut().zip(c).for_each(|(x, c)| *x += c),
            Self::Scale(by) => {
                for ((x, s), by) in x.iter_mut().zip(slope).zip(by) {
                    *x *= by;
                    *s *= by;
                }
            }
            Self::Relu => {
                for (x, s) in x.iter_mut().zip(slope) {
                    *s = if *x > 0.0 { *s } else { 0.0 };
                    *x = x.max(0.0);
                }
            }
            Self::Round {
                scale,
                lo,
                hi,
                unit,
                rule,
            } => {
                let ends = (*lo, *hi);
                match rule {
                    Rounding::HalfUp => {
                        rounded(x, slope, scale, ends, *unit, |v| (v + 0.5).floor());
                    }
                    Rounding::HalfEven => {
                        rounded(x, slope, scale, ends, *unit, f32::round_ties_even);
                    }
                    Rounding::Floor => rounded(x, slope, scale, ends, *unit, f32::floor),
                }
            }
        }
    }
}

#[inline(always)]
fn rounded(
    x: &mut [f32],
    slope: &mut [f32],
    scale: &[f32],
    (lo, hi): (f32, f32),
    unit: f32,
    rule: impl Fn(f32) -> f32,
) {
    for ((x, s), by) in x.iter_mut().zip(slope).zip(scale) {
        let v = *x * by;
        let inside = v >= lo - 0.5 && v <= hi + 0.5;
        *s = if inside { *s } else { 0.0 };
        *x = rule(v).max(lo).min(hi) * unit;
    }
}
