//! Cortex-M4: side conditions of multiplications of two 16-bit halves.
//!
//! `SMLAD` adds two products of 16-bit halves to a sum modulo 2^32. A half that holds the weights
//! of several rows as the digits of a number gives a weighted sum of these rows' sums; sums of the
//! lower digits alone are subtracted from it, and a shift right gives the sum of the next row. The
//! differences are exact modulo 2^32, so a row's sum is exact if the shift's result has bits enough
//! for it.

use super::{Layer, Unmet};
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

/// Rows `2i` and `2i + 1` in a half, `256·odd + even`.
pub(super) fn pair(layer: &Layer<'_>) -> Result<(String, i64), Unmet> {
    halves(layer)?;
    weights(layer, 8)?;
    rows(layer, 2)?;
    for (i, two) in layer.weight.chunks_exact(2 * layer.cols).enumerate() {
        let (even, odd) = two.split_at(layer.cols);
        if even.iter().zip(odd).any(|(e, o)| 256 * o + e < -(1 << 15)) {
            let (even, odd) = (2 * i, 2 * i + 1);
            let text = format!("256 times a weight of row {odd} plus one of row {even} < -2^15");
            return Err(Unmet(text));
        }
    }
    let odd = every(layer.sums, 2, 1);
    let room = within(odd, 23, "odd")?;
    let text = format!(
        "two rows a multiplication: odd rows' sums in [{}, {}], within 2^23",
        odd.lo, odd.hi
    );
    Ok((text, room))
}

/// Rows `4i` to `4i + 3` in a half, `4096·w3 + 256·(w2 + 8) + 16·(w1 + 8) + (w0 + 8)`; two rows
/// that are left are a pair.
pub(super) fn quad(layer: &Layer<'_>) -> Result<(String, i64), Unmet> {
    halves(layer)?;
    weights(layer, 4)?;
    rows(layer, 4)?;
    let (fours, left) = layer.sums.split_at(layer.sums.len() / 4 * 4);
    let fourth = every(fours, 4, 3);
    let rooms = [
        within(every(fours, 4, 1), 27, "second")?,
        within(every(fours, 4, 2), 23, "third")?,
        within(fourth, 19, "fourth")?,
        within(every(left, 4, 1), 23, "odd")?,
    ];
    let text = format!(
        "four rows a multiplication: fourth rows' sums in [{}, {}], within 2^19, third ones' within 2^23, second ones' within 2^27",
        fourth.lo, fourth.hi
    );
    Ok((text, rooms.into_iter().fold(i64::MAX, i64::min)))
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

/// The sums of rows `n·i + k`.
fn every(sums: &[Interval], n: usize, k: usize) -> Interval {
    let some = sums.iter().skip(k).step_by(n).copied();
    some.reduce(Interval::hull).unwrap_or(Interval::new(0, 0))
}

/// Demands `-2^bits <= sum < 2^bits`; gives what may still be added.
fn within(sums: Interval, bits: u8, which: &str) -> Result<i64, Unmet> {
    let limit = 1i64 << bits;
    if sums.lo < -limit || sums.hi >= limit {
        return Err(Unmet(format!(
            "{which} rows' sums in [{}, {}] exceed 2^{bits}",
            sums.lo, sums.hi
        )));
    }
    Ok(room(sums, bits))
}

/// What may be added to sums below `2^bits`.
fn room(sums: Interval, bits: u8) -> i64 {
    (1i64 << bits) - 1 - sums.hi
}
