//! AVR: bytes of the rows of a tile side by side, column by column.

use super::{Laid, tiles};
use crate::elem::Elem;
use ceg4n_target::Form;

/// Rows of a tile of [`Form::Short`]: two registers each.
const SHORT_ROWS: usize = 10;

/// Rows of a tile of [`Form::Bytes`]: three registers each.
const BYTES_ROWS: usize = 6;

/// Weights as they are for [`Form::Short`], `w + 128` for [`Form::Bytes`]. The loops raise signed
/// operands by 128: `Σ w·x = Σ w·(x+128) - 128·Σw`, whose last term is part of the start.
pub(super) fn lay_out(
    form: Form,
    weight: &[i64],
    bias: Option<&[i64]>,
    rows: usize,
    x: Elem,
) -> Laid {
    let cols = weight.len() / rows.max(1);
    let is_short = form == Form::Short;
    let most = if is_short { SHORT_ROWS } else { BYTES_ROWS };
    let size = tile(rows, most);
    let tiles = tiles(rows, &[size, (rows % size).max(1)]);
    let mut all: Vec<&[i64]> = weight.chunks(cols.max(1)).collect();
    let mut starts = bias.map_or_else(|| vec![0; rows], <[i64]>::to_vec);
    if x.range().0 < 0 {
        for (start, row) in starts.iter_mut().zip(&all) {
            *start -= 128 * row.iter().sum::<i64>();
        }
    }
    let mut bytes = Vec::with_capacity(weight.len());
    let raise = if is_short { 0 } else { 128 };
    for tile in &tiles {
        for own in all
            .drain(..tile.rows * tile.count)
            .as_slice()
            .chunks(tile.rows)
        {
            bytes.extend((0..cols).flat_map(|c| own.iter().map(move |r| r[c] + raise)));
        }
    }
    Laid {
        weight: bytes,
        ty: if is_short { Elem::I8 } else { Elem::U8 },
        bias: Some((starts, Elem::I32)),
        tiles,
        columns: 1,
    }
}

/// Rows of a tile, at most so many: one that leaves none over, unless it is small.
fn tile(rows: usize, most: usize) -> usize {
    let even = (most.div_ceil(2)..=most)
        .rev()
        .find(|n| rows.is_multiple_of(*n));
    even.unwrap_or_else(|| rows.div_ceil(rows.div_ceil(most).max(1)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_leave_few_rows_over() {
        let of = |rows| tile(rows, BYTES_ROWS);
        assert_eq!(
            [1, 3, 5, 6, 7, 10, 25, 50].map(of),
            [1, 3, 5, 6, 4, 5, 5, 5]
        );
    }
}
