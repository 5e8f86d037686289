//! Cortex-M0: bytes `w + 128` of several rows side by side.

use super::{Laid, tiles};
use crate::elem::Elem;
use ceg4n_ir::Interval;
use ceg4n_target::{Chunk, Form, QUARTERS_COLUMNS, QUARTERS_ROWS, quarters_chunks};
use std::ops::Range;

/// Words of four bytes, the low byte first. A tile is a byte for every column and row, the rows of
/// a column side by side. In [`Form::Quarters`] a tile of four rows is a sequence of chunks, each
/// behind a word with its number of columns, with bit 16 where these are the last four once more;
/// then a word 0. Three rows that are left are such a tile too.
pub(super) fn lay_out(
    form: Form,
    weight: &[i64],
    bias: Option<&[i64]>,
    rows: usize,
    operand: Interval,
) -> Laid {
    let cols = weight.len() / rows.max(1);
    // Mantissas of layers are 32-bit integers.
    let narrow: Vec<i32> = weight.iter().map(|w| *w as i32).collect();
    let mut all: Vec<&[i32]> = narrow.chunks(cols.max(1)).collect();
    let zeros = vec![0; cols];
    let mut starts = bias.map_or_else(|| vec![0; rows], <[i64]>::to_vec);
    let sizes: &[usize] = match form {
        Form::Quarters => &[QUARTERS_ROWS, 3, 2, 1],
        _ => &[4, 2, 1],
    };
    let tiles = tiles(rows, sizes);
    if tiles.iter().any(|t| t.rows == 3) {
        all.push(&zeros);
        starts.push(0);
    }
    let mut words = Vec::new();
    let mut rest = &all[..];
    for tile in &tiles {
        for _ in 0..tile.count {
            let stored = if tile.rows == 3 { 4 } else { tile.rows };
            let (own, others) = rest.split_at(stored);
            rest = others;
            let whole = cols.next_multiple_of(QUARTERS_COLUMNS);
            if form != Form::Quarters || stored != QUARTERS_ROWS {
                words.extend(bytes(own, 0..whole, &(0..cols)));
                continue;
            }
            let mut done = 0;
            for Chunk { columns, kept } in quarters_chunks(own, operand) {
                let again = i64::from(columns.start < done) << 16;
                done = columns.end;
                words.push(columns.len() as i64 | again);
                words.extend(bytes(own, columns, &kept));
            }
            words.push(0);
        }
    }
    Laid {
        weight: words,
        ty: Elem::U32,
        bias: Some((starts, Elem::I32)),
        tiles,
        columns: QUARTERS_COLUMNS,
    }
}

/// The words of some rows in some columns, with the weights of those that are kept.
fn bytes(rows: &[&[i32]], columns: Range<usize>, kept: &Range<usize>) -> Vec<i64> {
    let one = |r: &&[i32], c: usize| match r.get(c) {
        Some(w) if kept.contains(&c) => i64::from(*w) + 128,
        Some(_) | None => 128,
    };
    let all = columns.flat_map(|c| rows.iter().map(move |r| one(r, c)));
    let all: Vec<i64> = all.collect();
    all.chunks(4)
        .map(|b| b.iter().rev().fold(0, |word, byte| word << 8 | byte))
        .collect()
}
