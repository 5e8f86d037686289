//! Cortex-M4: side conditions of multiplications of two 16-bit halves.
//!
//! `SMLAD` adds two products of 16-bit halves to a sum modulo 2^32. A half that holds the weights
//! of several rows as the digits of a number gives a weighted sum of these rows' sums; sums of the
//! lower digits alone are subtracted from it, and a shift right gives the sum of the next row. The
//! differences are exact modulo 2^32, so a row's sum is exact if the shift's result has bits enough
//! for it.

use super::{Form, Layer, Unmet};
use crate::dsp::{Unit, placed};
use ceg4n_ir::Interval;

/// Columns of a turn; the loops make at least one.
const TURN: usize = 4;

/// Two columns a multiplication, a weight in each half.
pub(super) fn dual(layer: &Layer<'_>, bits: u8) -> Result<(String, i64), Unmet> {
    halves(layer)?;
    weights(layer, bits)?;
    let (sums, width) = (layer.all_sums(), layer.width);
    Ok((
        format!("two columns a multiplication, sums in {width} bits"),
        room(sums, 31),
    ))
}

/// Two rows in a half.
pub(super) fn pair(layer: &Layer<'_>) -> Result<(String, i64), Unmet> {
    halves(layer)?;
    weights(layer, 8)?;
    rows(layer, 2)?;
    for (unit, row) in placed(Form::Pair, layer.rows, layer.cols) {
        if unit != Unit::Two {
            continue;
        }
        let two = &layer.weight[row * layer.cols..][..2 * layer.cols];
        let (first, second) = two.split_at(layer.cols);
        if first
            .iter()
            .zip(second)
            .any(|(w0, w1)| 256 * w1 + w0 < -(1 << 15))
        {
            let text = format!(
                "256 times a weight of row {} plus one of row {row} < -2^15",
                row + 1
            );
            return Err(Unmet(text));
        }
    }
    digits(layer, Form::Pair, "two")
}

/// Four rows in a half; two rows that are left in a byte.
pub(super) fn quad(layer: &Layer<'_>) -> Result<(String, i64), Unmet> {
    halves(layer)?;
    weights(layer, 4)?;
    rows(layer, 4)?;
    digits(layer, Form::Quad, "four")
}

/// Demands that the sum of each row fits the bits that are left of it; tells what may still be added.
fn digits(layer: &Layer<'_>, form: Form, rows: &str) -> Result<(String, i64), Unmet> {
    let mut parts = Vec::new();
    let mut room = i64::MAX;
    let placed = placed(form, layer.rows, layer.cols);
    for digit in [8, 4, 12] {
        let with_digit = placed.iter().flat_map(|(unit, row)| {
            let own = unit.digits().iter().zip(row + 1..);
            own.filter(|(d, _)| **d == digit).map(|(_, row)| row)
        });
        let sums = with_digit.map(|row| layer.sums[row]);
        let Some(sums) = sums.reduce(Interval::hull) else {
            continue;
        };
        let limit = 31 - digit;
        room = room.min(within(sums, limit)?);
        parts.push(format!("within 2^{limit}: [{}, {}]", sums.lo, sums.hi));
    }
    let parts = parts.join(", ");
    Ok((format!("{rows} rows a multiplication, sums {parts}"), room))
}

/// Operands are halves, sums are words, and the loop has a turn to make.
fn halves(layer: &Layer<'_>) -> Result<(), Unmet> {
    let x = layer.operand;
    if layer.operand_bits > 16 || x.lo < i16::MIN.into() || x.hi > i16::MAX.into() {
        let text = format!("operands in [{}, {}] are no 16-bit halves", x.lo, x.hi);
        return Err(Unmet(text));
    }
    if layer.width > 32 {
        return Err(Unmet(format!("sums need {} bits", layer.width)));
    }
    if layer.weight.len() != layer.rows * layer.cols || layer.sums.len() != layer.rows {
        return Err(Unmet("weights or sums are missing".to_owned()));
    }
    if layer.cols + 1 < TURN || layer.rows == 0 {
        return Err(Unmet(format!("{} columns are too few", layer.cols)));
    }
    Ok(())
}

fn weights(layer: &Layer<'_>, bits: u8) -> Result<(), Unmet> {
    let width = layer.weights().signed_width();
    if width > bits {
        return Err(Unmet(format!("weights of {width} bits, not {bits}")));
    }
    Ok(())
}

fn rows(layer: &Layer<'_>, least: usize) -> Result<(), Unmet> {
    if layer.rows < least {
        return Err(Unmet(format!("{} rows are too few", layer.rows)));
    }
    Ok(())
}

/// Demands `-2^bits <= sum < 2^bits`; gives what may still be added.
fn within(sums: Interval, bits: u8) -> Result<i64, Unmet> {
    let limit = 1i64 << bits;
    if sums.lo < -limit || sums.hi >= limit {
        return Err(Unmet(format!(
            "sums in [{}, {}] are not within 2^{bits}",
            sums.lo, sums.hi
        )));
    }
    Ok(room(sums, bits))
}

/// What may be added to sums below `2^bits`.
fn room(sums: Interval, bits: u8) -> i64 {
    (1i64 << bits) - 1 - sums.hi
}
