//! AVR: side conditions of sums of few bytes.

use super::{Layer, Unmet};

/// What both forms ask of a layer.
fn bytes_only(layer: &Layer<'_>) -> Result<(), Unmet> {
    let w = layer.weights();
    if w.signed_width() > 8 {
        return Err(Unmet(format!("weights need {} bits", w.signed_width())));
    }
    if layer.operand_bits > 8 {
        return Err(Unmet(format!("operands of {} bits", layer.operand_bits)));
    }
    // A counter of 16 bits; and 32 bits hold all partial sums of raised operands.
    if layer.cols == 0 || layer.cols > i16::MAX as usize {
        return Err(Unmet(format!("{} columns", layer.cols)));
    }
    Ok(())
}

/// Sums that wrap at 2^16 are exact if the whole sum fits 16 bits.
pub(super) fn short(layer: &Layer<'_>) -> Result<(String, i64), Unmet> {
    bytes_only(layer)?;
    fit(layer, 16)
}

/// Sums of products of unsigned bytes, `Σ (w+128)·x - 128·Σx`, that wrap at 2^24 are exact if the
/// whole sum fits 24 bits.
pub(super) fn bytes(layer: &Layer<'_>) -> Result<(String, i64), Unmet> {
    bytes_only(layer)?;
    fit(layer, 24)
}

/// Every row's sum, with its bias, fits so many bits; how much may be added.
fn fit(layer: &Layer<'_>, bits: u8) -> Result<(String, i64), Unmet> {
    let sums = layer.all_sums();
    if sums.signed_width() > bits {
        return Err(Unmet(format!(
            "sums in [{}, {}] exceed {bits} bits",
            sums.lo, sums.hi
        )));
    }
    let reason = format!("sums modulo 2^{bits}, proved in [{}, {}]", sums.lo, sums.hi);
    Ok((reason, (1 << (bits - 1)) - 1 - sums.hi))
}
