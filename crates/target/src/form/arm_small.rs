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
use std::ops::Range;

/// Columns that the loops take at a time; the operand is padded with zeros to a multiple.
pub const QUARTERS_COLUMNS: usize = 4;

/// Rows whose weights share a word.
pub const QUARTERS_ROWS: usize = 4;

/// What a chunk costs, in instructions; what a group of four columns costs in chunks and by bytes.
const CHUNK_COST: [usize; 3] = [36, 33, 59];

/// Some columns of four rows, and those of them whose weights count here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Multiples of [`QUARTERS_COLUMNS`]; what starts before the end of the chunk before it is
    /// walked once more.
    pub columns: Range<usize>,
    /// Weights of other columns are those of another chunk.
    pub kept: Range<usize>,
}

/// Chunks that together cover all columns of some rows, such that in each chunk the sum `Σ w·x` of
/// every row fits 16 bits for all operands in `operand`: operands of a byte, weights of one. Four
/// columns that do not fit together are walked several times.
pub fn quarters_chunks(rows: &[&[i32]], operand: Interval) -> Vec<Chunk> {
    let cols = rows.iter().map(|r| r.len()).max().unwrap_or(0);
    let fit = |columns: &Range<usize>| {
        let own = |r: &&[i32]| products(r.get(columns.clone()).unwrap_or(&[]), operand);
        rows.iter().all(|r| fits(&own(r)))
    };
    let mut chunks: Vec<Chunk> = Vec::new();
    // Nothing joins columns that are walked several times.
    let mut is_open = false;
    for from in (0..cols).step_by(QUARTERS_COLUMNS) {
        let end = cols.min(from + QUARTERS_COLUMNS);
        if let Some(last) = chunks.last_mut().filter(|_| is_open) {
            let longer = last.kept.start..end;
            if fit(&longer) {
                last.columns.end += QUARTERS_COLUMNS;
                last.kept = longer;
                continue;
            }
        }
        let columns = from..from + QUARTERS_COLUMNS;
        is_open = fit(&(from..end));
        let mut at = from;
        while at < end {
            // One column always fits.
            let most = (at + 1..=end).rev().find(|e| fit(&(at..*e)));
            let kept = at..most.unwrap_or(at + 1);
            at = kept.end;
            let columns = columns.clone();
            chunks.push(Chunk { columns, kept });
        }
    }
    chunks
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
    // The length of a chunk is a number of 16 bits.
    let longest = usize::from(u16::MAX) / QUARTERS_COLUMNS * QUARTERS_COLUMNS;
    if layer.rows < 3 || layer.cols == 0 || layer.cols > longest {
        return Err(Unmet(format!("{} rows of {}", layer.rows, layer.cols)));
    }
    let rows: Vec<&[i32]> = layer.weight.chunks(layer.cols).collect();
    let (mut count, mut groups, mut walked) = (0, 0, 0);
    for group in rows.chunks(QUARTERS_ROWS).filter(|g| g.len() >= 3) {
        let chunks = quarters_chunks(group, layer.operand);
        walked += chunks.iter().map(|c| c.columns.len()).sum::<usize>();
        count += chunks.len();
        groups += 1;
    }
    let [chunk, four, four_bytes] = CHUNK_COST;
    let cost = count * chunk + walked / QUARTERS_COLUMNS * four;
    if cost >= groups * layer.cols.div_ceil(QUARTERS_COLUMNS) * four_bytes {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk's length shares a word with another number.
    #[test]
    fn chunks_are_no_longer_than_their_length_can_tell() {
        for (cols, works) in [(65_532, true), (65_533, false), (65_536, false)] {
            let layer = Layer {
                weight: &vec![0; 4 * cols],
                rows: 4,
                cols,
                operand: Interval::new(0, 255),
                operand_bits: 8,
                operand_signed: false,
                sums: &[Interval::new(0, 0); 4],
                width: 1,
            };
            assert_eq!(quarters(&layer).is_ok(), works, "{cols}");
        }
    }
}
