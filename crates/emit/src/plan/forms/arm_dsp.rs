//! Cortex-M4: weights in the order in which loops over two columns a multiplication read them.
//!
//! A tile's loop makes turns of four columns, whose operands stand in two words of two halves each:
//! first columns `a`, then columns `b`. Bytes are widened in place, which takes every second one, so
//! `a` is columns 0 and 2 and `b` is 1 and 3; of 16-bit operands `a` is 0 and 1, `b` is 2 and 3. The
//! weights of a turn are words: of each [`Unit`] of rows that for `a`, of each that for `b`, then
//! the words of units of bytes, whose bytes 0 and 2 belong to `a`, 1 and 3 to `b`. Two columns that
//! are left make half a turn with one word of halves a unit.

use super::Laid;
use crate::elem::Elem;
use crate::plan::Tiles;
use ceg4n_target::Form;
use ceg4n_target::dsp::{self, Unit, units};

/// The rows of weights from the tile at hand on, and the columns of a turn.
struct Source<'a> {
    weight: &'a [i64],
    cols: usize,
}

impl Source<'_> {
    /// A weight; 0 in the columns of the padding.
    fn at(&self, row: usize, col: usize) -> i64 {
        if col < self.cols {
            self.weight[row * self.cols + col]
        } else {
            0
        }
    }

    /// The half of a unit in a column, modulo 2^16.
    fn half(&self, unit: Unit, row: usize, col: usize) -> i64 {
        let w = |k| self.at(row + k, col);
        let half = match unit {
            Unit::Bytes | Unit::Halves => w(0),
            Unit::Two => 256 * w(1) + w(0),
            Unit::Nibbles => 16 * w(1) + w(0) + 8,
            Unit::Four => 4096 * w(3) + 256 * (w(2) + 8) + 16 * (w(1) + 8) + w(0) + 8,
        };
        half & 0xffff
    }

    /// The word of a unit in two columns.
    fn word(&self, unit: Unit, row: usize, [first, second]: [usize; 2]) -> i64 {
        self.half(unit, row, first) | (self.half(unit, row, second) << 16)
    }

    /// The word of a unit of bytes in a turn.
    fn bytes(&self, unit: Unit, row: usize, [a, b]: [[usize; 2]; 2]) -> i64 {
        let byte = |col| self.half(unit, row, col) & 0xff;
        byte(a[0]) | (byte(b[0]) << 8) | (byte(a[1]) << 16) | (byte(b[1]) << 24)
    }
}

/// True if a unit's words of a turn hold bytes.
pub(crate) fn is_bytes(unit: Unit) -> bool {
    match unit {
        Unit::Bytes | Unit::Nibbles => true,
        Unit::Halves | Unit::Two | Unit::Four => false,
    }
}

/// Weights and biases of a layer for one of the forms here.
pub(super) fn lay_out(
    form: Form,
    weight: &[i64],
    bias: Option<&[i64]>,
    rows: usize,
    x: Elem,
) -> Laid {
    let cols = weight.len() / rows.max(1);
    let source = Source { weight, cols };
    let groups = dsp::tiles(form, rows, cols);
    let tiles: Vec<Tiles> = groups
        .into_iter()
        .map(|g| Tiles {
            rows: g.rows,
            count: g.count,
        })
        .collect();
    let mut words = Vec::new();
    let mut row = 0;
    for t in &tiles {
        let units = units(form, t.rows);
        for _ in 0..t.count {
            tile(&mut words, &source, &units, row, x);
            row += t.rows;
        }
    }
    Laid {
        weight: words,
        ty: Elem::U32,
        bias: Some((bias.map_or(vec![0; rows], <[i64]>::to_vec), Elem::I32)),
        tiles,
        columns: 2,
    }
}

/// Appends the words of a tile from a row on.
fn tile(words: &mut Vec<i64>, source: &Source<'_>, units: &[Unit], row: usize, x: Elem) {
    let first = |k: usize| row + units[..k].iter().map(|u| u.rows()).sum::<usize>();
    let placed: Vec<(Unit, usize)> = units
        .iter()
        .copied()
        .enumerate()
        .map(|(k, u)| (u, first(k)))
        .collect();
    let even = source.cols.next_multiple_of(2);
    for col in (0..even).step_by(4) {
        if even - col == 2 {
            words.extend(
                placed
                    .iter()
                    .map(|(u, r)| source.word(*u, *r, [col, col + 1])),
            );
            return;
        }
        let turn = if x.bytes() == 1 {
            [[col, col + 2], [col + 1, col + 3]]
        } else {
            [[col, col + 1], [col + 2, col + 3]]
        };
        for columns in turn {
            let whole = placed.iter().filter(|(u, _)| !is_bytes(*u));
            words.extend(whole.map(|(u, r)| source.word(*u, *r, columns)));
        }
        let bytes = placed.iter().filter(|(u, _)| is_bytes(*u));
        words.extend(bytes.map(|(u, r)| source.bytes(*u, *r, turn)));
    }
}
