//! Cortex-M0: side conditions of loops over few registers.
//!
//! A word `u0 + 2^8·u1 + 2^16·u2 + 2^24·u3` holds the weights of four rows as `u = w + 128`. With
//! it and with the word whose neighbouring bytes are swapped, two multiplications give four
//! products. The sums over some columns are, modulo 2^32,
//!
//! ```text
//! A = S0 + 2^8·S1 + 2^16·S2 + 2^24·S3
//! R = S1 + 2^8·S0 + 2^16·S3 + 2^24·S2
//! R - 2^8·A = S1 - 2^16·S1 + 2^16·S3        A - 2^8·R = S0 - 2^16·S0 + 2^16·S2
//! ```
//!
//! and as `u` and `w` differ by 128 in every row, the right sides hold for the sums of `w·x` once
//! `128·Σx` is taken off them. Their low halves are the odd and even sum of the lower two rows if
//! these fit 16 bits; what is left is those of the upper two. So the columns of four rows are
//! walked in chunks whose sums fit 16 bits whatever the operand is.

use super::{Layer, Unmet};
use ceg4n_ir::Interval;

/// Columns that the loops take at a time; the operand is padded with zeros to a multiple.
pub const QUARTERS_COLUMNS: usize = 4;

/// Rows whose weights share a word.
pub const QUARTERS_ROWS: usize = 4;

/// Columns beyond which one more chunk is no longer repaid.
const LEAST_CHUNK: usize = 6;

/// Lengths of chunks of columns in each of which the sum `Σ w·x` of every row fits 16 bits for
/// all operands in `operand`; multiples of [`QUARTERS_COLUMNS`] that together cover the rows.
/// `None` if even the shortest chunk may exceed 16 bits.
pub fn quarters_chunks(rows: &[&[i32]], operand: Interval) -> Option<Vec<usize>> {
    let cols = rows.iter().map(|r| r.len()).max()?;
    let groups = cols.div_ceil(QUARTERS_COLUMNS);
    let mut chunks = Vec::new();
    let mut sums = vec![Interval::new(0, 0); rows.len()];
    let mut length = 0;
    for g in 0..groups {
        let columns = g * QUARTERS_COLUMNS..(g + 1) * QUARTERS_COLUMNS;
        let own: Vec<Interval> = rows
            .iter()
            .map(|r| {
                products(
                    r.get(columns.start..columns.end.min(r.len()))
                        .unwrap_or(&[]),
                    operand,
                )
            })
            .collect();
        let both: Vec<Interval> = sums.iter().zip(&own).map(|(a, b)| sum(*a, *b)).collect();
        if both.iter().all(fits) {
            sums = both;
        } else if own.iter().all(fits) && length > 0 {
            chunks.push(length);
            length = 0;
            sums = own;
        } else {
            return None;
        }
        length += QUARTERS_COLUMNS;
    }
    chunks.push(length);
    Some(chunks)
}

fn sum(a: Interval, b: Interval) -> Interval {
    Interval::new(a.lo + b.lo, a.hi + b.hi)
}

fn products(weights: &[i32], x: Interval) -> Interval {
    let one = |w: &i32| {
        let (a, b) = (i64::from(*w) * x.lo, i64::from(*w) * x.hi);
        Interval::new(a.min(b), a.max(b))
    };
    weights.iter().map(one).fold(Interval::new(0, 0), sum)
}

fn fits(r: &Interval) -> bool {
    r.lo >= i64::from(i16::MIN) && r.hi <= i64::from(i16::MAX)
}

/// Bytes `w + 128` and 32-bit sums: modulo 2^32, `Σ (w+128)·x - 128·Σx` is the sum.
pub(super) fn offset(layer: &Layer<'_>) -> Result<(String, i64), Unmet> {
    let w = layer.weights();
    if w.signed_width() > 8 {
        return Err(Unmet(format!("weights need {} bits", w.signed_width())));
    }
    if layer.operand_bits > 16 {
        return Err(Unmet(format!("operands of {} bits", layer.operand_bits)));
    }
    if layer.width > 32 {
        return Err(Unmet(format!("sums need {} bits", layer.width)));
    }
    let reason = format!("sums modulo 2^32, proved to fit {} bits", layer.width);
    // The plain C beside adds in any order without wrapping.
    let room = (1 << 31) - (1 << (layer.width.max(1) - 1));
    Ok((reason, room))
}

/// Four rows a word, in chunks of columns.
pub(super) fn quarters(layer: &Layer<'_>) -> Result<(String, i64), Unmet> {
    let (_, room) = offset(layer)?;
    if layer.operand_bits > 8 {
        return Err(Unmet(format!("operands of {} bits", layer.operand_bits)));
    }
    if layer.rows < 3 || layer.cols == 0 {
        return Err(Unmet(format!("{} rows of {}", layer.rows, layer.cols)));
    }
    let rows: Vec<&[i32]> = layer.weight.chunks(layer.cols).collect();
    let (mut count, mut groups) = (0, 0);
    for group in rows.chunks(QUARTERS_ROWS).filter(|g| g.len() >= 3) {
        let chunks = quarters_chunks(group, layer.operand)
            .ok_or_else(|| Unmet("sums of 4 columns exceed 16 bits".to_owned()))?;
        count += chunks.len();
        groups += 1;
    }
    if (count - groups) * LEAST_CHUNK > groups * layer.cols {
        return Err(Unmet(format!("{count} chunks in {groups} groups of rows")));
    }
    let reason = match count - groups {
        0 => "four rows a word: |sums of products| < 2^15".to_owned(),
        _ => format!(
            "four rows a word, {count} chunks of columns in {groups} groups of rows: |sums of products| of a chunk < 2^15"
        ),
    };
    Ok((reason, room))
}
