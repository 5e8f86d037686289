//! Formats from values: the largest scale at which nothing clips, or a better one.

use crate::ranges::Range;
use ceg4n_ir::Format;
use ceg4n_ir::types::FRAC_LIMIT;

/// Fraction bits of an operand or a weight lie within ±this, so that those of their product are
/// within [`FRAC_LIMIT`] and a bias of that scale has a format.
const OPERAND_FRAC: i32 = FRAC_LIMIT / 2;

/// The largest `F` within ±[`OPERAND_FRAC`] with `magnitude·2^F ≤ limit`, or the least if there
/// is none: then values clip.
fn frac_for(magnitude: f64, limit: f64) -> i32 {
    if magnitude <= 0.0 || !magnitude.is_finite() {
        return 0;
    }
    let most = f64::from(OPERAND_FRAC);
    let mut f = (limit / magnitude).log2().floor().clamp(-most, most) as i32;
    while f > -OPERAND_FRAC && magnitude * 2f64.powi(f) > limit {
        f -= 1;
    }
    f
}

fn signed(bits: u8, frac: i32) -> Format {
    let frac = frac.clamp(-FRAC_LIMIT, FRAC_LIMIT);
    // Bits come from ranges within 1..=32.
    Format::new(true, bits.clamp(1, 32), frac).unwrap_or(Format::S32)
}

/// Power-of-two scale for weights: the largest that does not clip, or one of the next two if its
/// squared error is smaller.
pub fn weight_format(data: &[f32], bits: u8) -> Format {
    let most = data.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
    let limit = 2f64.powi(i32::from(bits) - 1) - 1.0;
    let base = frac_for(most, limit.max(1.0));
    let error = |f: i32| {
        let scale = 2f64.powi(f);
        let (lo, hi) = (
            -2f64.powi(i32::from(bits) - 1),
            2f64.powi(i32::from(bits) - 1) - 1.0,
        );
        data.iter()
            .map(|w| {
                let w = f64::from(*w);
                let q = (w * scale + 0.5).floor().clamp(lo, hi) / scale;
                (w - q) * (w - q)
            })
            .sum::<f64>()
    };
    let best = (base..(base + 3).min(OPERAND_FRAC + 1))
        .min_by(|a, b| error(*a).total_cmp(&error(*b)))
        .unwrap_or(base);
    signed(bits, best)
}

/// A format for constants that is no finer than `max_frac`.
pub(crate) fn capped_format(data: &[f32], bits: u8, max_frac: i32) -> Format {
    let most = data.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
    let limit = 2f64.powi(i32::from(bits) - 1) - 1.0;
    let f = if most > 0.0 {
        frac_for(most, limit.max(1.0))
    } else {
        max_frac
    };
    signed(bits, f.min(max_frac))
}

/// A format for values of a range: unsigned where nothing is negative.
pub fn activation_format(r: Range, bits: u8) -> Format {
    let bits = bits.clamp(1, 32);
    if r.lo >= 0.0 {
        let f = frac_for(r.hi, 2f64.powi(i32::from(bits)) - 1.0);
        return Format::new(false, bits, f).unwrap_or(Format::S32);
    }
    let limit = (2f64.powi(i32::from(bits) - 1) - 1.0).max(1.0);
    signed(bits, frac_for(r.hi.abs().max(r.lo.abs()), limit))
}
