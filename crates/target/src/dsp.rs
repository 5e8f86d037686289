//! Cortex-M4: which rows of a dense layer share words of weights, for the side conditions and for
//! the loops alike.

use crate::Form;

/// Consecutive rows that share words of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A row of bytes.
    Bytes,
    /// A row of 16-bit halves.
    Halves,
    /// Two rows in a half: `256·w1 + w0`.
    Two,
    /// Two rows in a byte: `16·w1 + (w0 + 8)`.
    Nibbles,
    /// Four rows in a half: `4096·w3 + 256·(w2 + 8) + 16·(w1 + 8) + (w0 + 8)`.
    Four,
}

impl Unit {
    /// Rows of a unit.
    pub fn rows(self) -> usize {
        1 + self.digits().len()
    }

    /// Of each row but the first by how many bits its weights are shifted left. The loop's sum of
    /// such a row has as many bits less than a word.
    pub fn digits(self) -> &'static [u8] {
        match self {
            Self::Bytes | Self::Halves => &[],
            Self::Two => &[8],
            Self::Nibbles => &[4],
            Self::Four => &[4, 8, 12],
        }
    }

    /// Rows whose weights are stored plus 8, so that their digit has no sign.
    pub fn offset_rows(self) -> usize {
        match self {
            Self::Bytes | Self::Halves | Self::Two => 0,
            Self::Nibbles => 1,
            Self::Four => 3,
        }
    }

    /// The first unit of a form's tile of so many rows.
    fn first(form: Form, rows: usize) -> Self {
        match form {
            Form::Quad if rows >= 4 => Self::Four,
            Form::Quad if rows >= 2 => Self::Nibbles,
            Form::Pair if rows >= 2 => Self::Two,
            Form::Dual { bits: 16 } => Self::Halves,
            Form::Plain
            | Form::Packed { .. }
            | Form::Dual { .. }
            | Form::Pair
            | Form::Quad
            | Form::Offset
            | Form::Quarters
            | Form::Short
            | Form::Bytes => Self::Bytes,
        }
    }
}

/// The units of a tile, in order.
pub fn units(form: Form, mut rows: usize) -> Vec<Unit> {
    let mut all = Vec::new();
    while rows > 0 {
        let unit = Unit::first(form, rows);
        rows -= unit.rows();
        all.push(unit);
    }
    all
}

/// Equal groups of consecutive rows whose sums stand in registers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Rows of a tile.
    pub rows: usize,
    /// Tiles.
    pub count: usize,
}

/// The tiles of so many rows, in order: as large as the registers allow, and what is left. What
/// costs less goes before: instructions of a turn, and for short rows the code of one more size.
pub fn tiles(form: Form, rows: usize, cols: usize) -> Vec<Group> {
    let most = if form == Form::Quad { 8 } else { 6 };
    // One row costs much less in a tile of seven than alone.
    let (rest, last) = match rows % most {
        1 if most == 6 && rows > most => (7, 7),
        rest => (rest, rest),
    };
    let all = match (most, rows) {
        (6, 8) => vec![(4, 2)],
        (_, 10) if cols < 80 => vec![(5, 2)],
        (8, 10) => vec![(4, 1), (6, 1)],
        _ => vec![(most, (rows - rest) / most), (last, usize::from(last > 0))],
    };
    let all = all.into_iter().filter(|(_, count)| *count > 0);
    all.map(|(rows, count)| Group { rows, count }).collect()
}

/// Every unit of a layer with its first row.
pub fn placed(form: Form, rows: usize, cols: usize) -> Vec<(Unit, usize)> {
    let mut all = Vec::new();
    let mut row = 0;
    for group in tiles(form, rows, cols) {
        for _ in 0..group.count {
            for unit in units(form, group.rows) {
                all.push((unit, row));
                row += unit.rows();
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_all_rows_in_order() {
        let duals = [8, 16].map(|bits| Form::Dual { bits });
        for form in [duals[0], duals[1], Form::Pair, Form::Quad] {
            for rows in 1..100 {
                for cols in [3, 79, 80] {
                    let mut next = 0;
                    for (unit, row) in placed(form, rows, cols) {
                        assert_eq!(row, next);
                        next += unit.rows();
                    }
                    assert_eq!(next, rows, "{form:?} {cols}");
                    for g in tiles(form, rows, cols) {
                        assert!(g.rows <= if form == Form::Quad { 8 } else { 7 });
                    }
                }
            }
        }
    }
}
