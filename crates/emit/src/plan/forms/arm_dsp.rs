//! Cortex-M4: weights in the order in which loops over two columns a multiplication read them.
//!
//! A tile's loop makes turns of four columns, whose operands stand in two words of two halves each:
//! first columns `a`, then columns `b`. Bytes are widened in place, which takes every second one, so
//! `a` is columns 0 and 2 and `b` is 1 and 3; of 16-bit operands `a` is 0 and 1, `b` is 2 and 3. The
//! weights of a turn are words: of each [`Unit`] of rows that for `a`, of each that for `b`, then
//! the words of single rows of bytes. Two columns that are left make half a turn with one word a
//! unit.

use super::{Laid, tiles};
use crate::elem::Elem;
use crate::plan::Tiles;
use ceg4n_target::Form;

/// Consecutive rows that share words of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A row of bytes, a word a turn: its bytes 0 and 2 belong to `a`, 1 and 3 to `b`. In half a
    /// turn a word of halves.
    Bytes,
    /// A row of halves.
    Halves,
    /// Two rows in a half: `256·w1 + w0`.
    Two,
    /// Four rows in a half: `4096·w3 + 256·(w2 + 8) + 16·(w1 + 8) + (w0 + 8)`.
    Four,
}

impl Unit {
    /// Rows of a unit.
    pub(crate) fn rows(self) -> usize {
        match self {
            Self::Bytes | Self::Halves => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// A unit of a form's tile of so many rows.
    fn of(form: Form, rows: usize) -> Self {
        match form {
            Form::Quad if rows >= 4 => Self::Four,
            Form::Quad | Form::Pair if rows >= 2 => Self::Two,
            Form::Dual { bits: 16 } => Self::Halves,
            Form::Plain
            | Form::Packed { .. }
            | Form::Dual { .. }
            | Form::Pair
            | Form::Quad
            | Form::Offset
            | Form::Halves
            | Form::Short
            | Form::Bytes => Self::Bytes,
        }
    }
}

/// The units of a tile.
pub(crate) fn units(form: Form, mut rows: usize) -> Vec<Unit> {
    let mut all = Vec::new();
    while rows > 0 {
        let unit = Unit::of(form, rows);
        rows -= unit.rows();
        all.push(unit);
    }
    all
}

/// The tiles of so many rows: as large as the registers allow, and what is left. What costs less
/// goes before: instructions of a turn, and for short rows the code of one more size.
fn split(form: Form, rows: usize, cols: usize) -> Vec<Tiles> {
    let one = |rows| Tiles { rows, count: 1 };
    let most = if form == Form::Quad { 8 } else { 6 };
    match (most, rows) {
        (8, 10) => return vec![one(4), one(6)],
        (6, 8) => return tiles(rows, &[4]),
        (6, 10) if cols < 80 => return tiles(rows, &[5]),
        _ => {}
    }
    let rest = rows % most;
    // One row costs much less in a tile of seven than alone.
    if most == 6 && rest == 1 && rows > most {
        let mut all = tiles(rows - 7, &[most]);
        all.push(one(7));
        return all;
    }
    let mut all = tiles(rows - rest, &[most]);
    all.extend(tiles(rest, &[rest.max(1)]));
    all
}

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
            Unit::Four => 4096 * w(3) + 256 * (w(2) + 8) + 16 * (w(1) + 8) + w(0) + 8,
        };
        half & 0xffff
    }

    /// The word of a unit in two columns.
    fn word(&self, unit: Unit, row: usize, [first, second]: [usize; 2]) -> i64 {
        self.half(unit, row, first) | (self.half(unit, row, second) << 16)
    }

    /// The word of a row of bytes in a turn.
    fn bytes(&self, row: usize, [a, b]: [[usize; 2]; 2]) -> i64 {
        let byte = |col| self.at(row, col) & 0xff;
        byte(a[0]) | (byte(b[0]) << 8) | (byte(a[1]) << 16) | (byte(b[1]) << 24)
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
    let tiles = split(form, rows, cols);
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
            let whole = placed.iter().filter(|(u, _)| *u != Unit::Bytes);
            words.extend(whole.map(|(u, r)| source.word(*u, *r, columns)));
        }
        let bytes = placed.iter().filter(|(u, _)| *u == Unit::Bytes);
        words.extend(bytes.map(|(_, r)| source.bytes(*r, turn)));
    }
}
