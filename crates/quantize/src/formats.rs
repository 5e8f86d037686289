//! Formats from values: the largest scale at which nothing clips, or a better one.

use crate::ranges::Range;
use ceg4n_ir::types::FRAC_LIMIT;
use ceg4n_ir::{Format, TensorFormat};

/// Fraction bits of an operand or a weight lie within ±this, so that those of their product are
/// within [`FRAC_LIMIT`] and a bias of that scale has a format.
const OPERAND_FRAC: i32 = FRAC_LIMIT / 2;

/// How many weights share a scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// All of a tensor.
    #[default]
    Tensor,
    /// Those of one output channel.
    Channel,
}

impl std::fmt::Display for Granularity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tensor => "tensor",
            Self::Channel => "channel",
        })
    }
}

/// What the scale of weights is chosen for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RangeChoice {
    /// The largest at which no weight clips.
    MaxAbs,
    /// That one or one of the next two, by least squared error.
    #[default]
    Mse,
    /// The largest at which so many per cent of the weights do not clip.
    Percentile(f64),
}

impl std::fmt::Display for RangeChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MaxAbs => f.write_str("largest magnitude"),
            Self::Mse => f.write_str("of three scales that of least squared error"),
            Self::Percentile(p) => write!(f, "{p} % of the magnitudes"),
        }
    }
}

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

/// The magnitude that is to fit: of all values, or of so many per cent of them.
pub(crate) fn magnitude(data: &[f32], choice: RangeChoice) -> f64 {
    let RangeChoice::Percentile(p) = choice else {
        return data.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
    };
    let mut sizes: Vec<f32> = data.iter().map(|v| v.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    let rank = (p.clamp(0.0, 100.0) / 100.0 * sizes.len() as f64).ceil() as usize;
    sizes.get(rank.max(1) - 1).map_or(0.0, |v| f64::from(*v))
}

/// `Σ (w - ŵ)²` of weights rounded to signed mantissas of `bits` bits, `step` apart.
pub(crate) fn squared_error(data: &[f32], bits: u8, step: f64) -> f64 {
    let half = 2f64.powi(i32::from(bits) - 1);
    data.iter()
        .map(|w| {
            let w = f64::from(*w);
            let q = (w / step + 0.5).floor().clamp(-half, half - 1.0) * step;
            (w - q) * (w - q)
        })
        .sum()
}

/// Power-of-two scale for weights of one scale, by least squared error ([`RangeChoice::Mse`]).
pub fn weight_format(data: &[f32], bits: u8) -> Format {
    scale_format(data, bits, RangeChoice::Mse)
}

/// Power-of-two scale for weights of one scale.
pub fn scale_format(data: &[f32], bits: u8, choice: RangeChoice) -> Format {
    let limit = 2f64.powi(i32::from(bits) - 1) - 1.0;
    let base = frac_for(magnitude(data, choice), limit.max(1.0));
    let last = match choice {
        RangeChoice::MaxAbs | RangeChoice::Percentile(_) => base,
        RangeChoice::Mse => (base + 2).min(OPERAND_FRAC),
    };
    let error = |f: &i32| squared_error(data, bits, 2f64.powi(-f));
    let best = (base..=last)
        .min_by(|a, b| error(a).total_cmp(&error(b)))
        .unwrap_or(base);
    signed(bits, best)
}

/// Formats of a weight of so many output channels, row-major; `of` gives that of the values that
/// share one. A channel of zeros, which fits everywhere, has the finest of the others.
pub(crate) fn per_granularity(
    data: &[f32],
    rows: usize,
    granularity: Granularity,
    of: impl Fn(&[f32]) -> Format,
) -> TensorFormat {
    let cols = data.len() / rows.max(1);
    match granularity {
        Granularity::Channel if cols > 0 => {
            let zero = |row: &[f32]| row.iter().all(|w| *w == 0.0);
            let finest = data
                .chunks_exact(cols)
                .filter(|row| !zero(row))
                .map(&of)
                .max_by_key(|f| f.frac());
            let format = |row: &[f32]| finest.filter(|_| zero(row)).unwrap_or_else(|| of(row));
            TensorFormat::Channels(data.chunks_exact(cols).map(format).collect())
        }
        Granularity::Tensor | Granularity::Channel => of(data).into(),
    }
}

/// The format of an alphabet of `2^bits` mantissas that reaches at least as far as `radius` and
/// less than twice as far. It reaches half a step less than `2^(bits-1)` steps: the mean of both
/// sides.
pub(crate) fn radius_format(radius: f64, bits: u8) -> Format {
    signed(bits, frac_for(radius, 2f64.powi(i32::from(bits) - 1) - 0.5))
}

/// A format for constants that is no finer than `max_frac`.
pub(crate) fn capped_format(data: &[f32], bits: u8, max_frac: i32) -> Format {
    let most = magnitude(data, RangeChoice::MaxAbs);
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
