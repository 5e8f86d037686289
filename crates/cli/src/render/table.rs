//! Columns of text. Where the width is known, a table fits it: columns of words are wrapped, and
//! if that is not enough the columns stand in several blocks that repeat those that tell rows apart.
//! Numbers are never broken. Without a width every row is one line, so that programs can read it.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets::NOTHING,
};
use std::collections::BTreeSet;

/// Blanks between columns.
const GAP: usize = 2;
/// A column of words is wrapped to no less, unless a third of the width is less.
const WORDS: usize = 14;
/// The same of the first column, which says what a row is about.
const NAMES: usize = 28;

/// Rows with left-aligned columns, two blanks between them, indented; no blanks at line ends.
/// `columns` is the width to fit.
pub(crate) fn table(rows: &[Vec<String>], indent: usize, columns: Option<usize>) -> String {
    let layout = Layout {
        rows,
        indent,
        columns,
        right: |_| false,
    };
    layout.shown()
}

/// Rows with right-aligned columns, but for the first `left` ones and those beyond the first row's.
/// No blanks at line ends. `columns` is the width to fit.
pub(crate) fn numbers(
    rows: &[Vec<String>],
    indent: usize,
    left: usize,
    columns: Option<usize>,
) -> String {
    // What has no head is a note.
    let heads = rows.first().map_or(0, Vec::len);
    let layout = Layout {
        rows,
        indent,
        columns,
        right: |c| c >= left && c < heads,
    };
    layout.shown()
}

/// A table and how it is to be laid out.
struct Layout<'a, F: Fn(usize) -> bool> {
    rows: &'a [Vec<String>],
    indent: usize,
    /// The width to fit.
    columns: Option<usize>,
    /// Whether a column is right-aligned, and so one of numbers.
    right: F,
}

impl<F: Fn(usize) -> bool> Layout<'_, F> {
    fn shown(&self) -> String {
        let widths = self.widths();
        let Some(columns) = self.columns else {
            return self.block(&widths, &(0..widths.len()).collect::<Vec<_>>());
        };
        let keys = self.keys(&widths, columns);
        let mut blocks: Vec<Vec<usize>> = Vec::new();
        for c in 0..widths.len() {
            match blocks.last_mut() {
                Some(block) if self.least(&widths, block, Some(c)) <= columns => block.push(c),
                // A block of keys alone says nothing.
                Some(block) if block.len() <= keys => block.push(c),
                Some(_) => blocks.push((0..keys).chain([c]).collect()),
                None => blocks.push(vec![c]),
            }
        }
        let blocks: Vec<_> = blocks.iter().map(|b| self.block(&widths, b)).collect();
        blocks.join("\n")
    }

    /// How many of the first columns every block repeats: as many columns of words as tell the rows
    /// apart, if they leave half of the width to others, else the first one.
    fn keys(&self, widths: &[usize], columns: usize) -> usize {
        let words = (0..widths.len()).take_while(|c| !(self.right)(*c)).count();
        let tell_apart = |keys: usize| {
            let starts = self.rows.iter().map(|r| &r[..keys.min(r.len())]);
            starts.collect::<BTreeSet<_>>().len() == self.rows.len()
        };
        let found = (1..=words).find(|keys| tell_apart(*keys)).unwrap_or(1);
        let block: Vec<usize> = (0..found).collect();
        match self.least(widths, &block, None) <= columns / 2 {
            true => found,
            false => 1,
        }
    }

    /// The widths of the columns as they are.
    fn widths(&self) -> Vec<usize> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            let cells = self.rows.iter().filter_map(|r| r.get(c));
            cells.map(|t| textwrap::core::display_width(t)).max()
        };
        (0..count).map(|c| width(c).unwrap_or(0)).collect()
    }

    /// The least width of a column.
    fn narrowest(&self, widths: &[usize], c: usize) -> usize {
        match (self.right)(c) {
            true => widths[c],
            false => {
                let least = if c == 0 { NAMES } else { WORDS };
                // On a narrow terminal two columns must fit beside each other.
                let third = self.columns.map_or(least, |all| all / 3);
                let half = self.columns.map_or(usize::MAX, |all| all / 2);
                let word = Some(self.longest_word(c)).filter(|w| *w <= half);
                widths[c].min(least).min(third).max(word.unwrap_or(0))
            }
        }
    }

    /// The width of the longest word of a column.
    fn longest_word(&self, c: usize) -> usize {
        let cells = self.rows.iter().filter_map(|r| r.get(c));
        let words = cells.flat_map(|t| t.split_whitespace());
        words.map(textwrap::core::display_width).max().unwrap_or(0)
    }

    /// The least width of these columns and one more.
    fn least(&self, widths: &[usize], block: &[usize], more: Option<usize>) -> usize {
        let all = block.iter().copied().chain(more);
        let all = all.map(|c| self.narrowest(widths, c) + GAP);
        (self.indent + all.sum::<usize>()).saturating_sub(GAP)
    }

    /// Some of the columns beside each other.
    fn block(&self, widths: &[usize], block: &[usize]) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        for row in self.rows {
            table.add_row(block.iter().map(|c| {
                let text = row.get(*c).map_or("", String::as_str);
                Cell::new(text).set_alignment(match (self.right)(*c) {
                    true => CellAlignment::Right,
                    false => CellAlignment::Left,
                })
            }));
        }
        let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        for (at, c) in block.iter().enumerate() {
            let indent = if at == 0 { self.indent } else { 0 };
            // No gap behind the last column: it may take the whole line.
            let gap = if at + 1 == block.len() { 0 } else { GAP };
            if let Some(column) = table.column_mut(at) {
                column.set_padding((short(indent), short(gap)));
                let padded = |width: usize| Width::Fixed(short(indent + width + gap));
                let least = self.narrowest(widths, *c);
                column.set_constraint(match least == widths[*c] {
                    true => ColumnConstraint::ContentWidth,
                    false => ColumnConstraint::LowerBoundary(padded(least)),
                });
            }
        }
        if let Some(columns) = self.columns {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(short(columns));
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if self.rows.is_empty() || block.is_empty() {
            text.clear();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|t| (*t).to_owned()).collect()
    }

    #[test]
    fn columns_are_aligned() {
        let text = table(&[row(&["a", "x"]), row(&["long", ""])], 1, None);
        assert_eq!(text, " a     x\n long\n");
        let rows = [row(&["a", "12"]), row(&["long", "3"])];
        assert_eq!(numbers(&rows, 1, 1, None), " a     12\n long   3\n");
        assert_eq!(numbers(&rows, 1, 1, Some(40)), " a     12\n long   3\n");
        assert_eq!(table(&[], 2, None), "");
        // What has no head is a note, and cells keep their blanks.
        let rows = [row(&["n", "s"]), row(&["a", "  1.5", "so"])];
        assert_eq!(numbers(&rows, 0, 1, None), "n      s\na    1.5  so\n");
    }

    #[test]
    fn a_word_that_fits_beside_others_is_never_broken() {
        let time = "2026-11-27T19:26:33Z";
        let rows = [
            row(&["run", "begun", "state", "command"]),
            row(&["1", time, "killed", "some words that take many lines or so"]),
        ];
        for columns in [40, 50, 60] {
            let text = table(&rows, 2, Some(columns));
            assert!(text.contains(time), "{text}");
            assert!(text.lines().all(|l| l.len() <= columns), "{text}");
        }
    }

    #[test]
    fn words_are_wrapped_and_numbers_are_not() {
        let rows = [
            row(&["name", "count"]),
            row(&["first", "1234567", "some words that take a line or two"]),
            row(&["second", "1", "short"]),
        ];
        let text = numbers(&rows, 2, 1, Some(40));
        assert!(text.lines().all(|l| l.chars().count() <= 40), "{text}");
        assert!(
            text.contains("1234567") && text.contains("  second        1"),
            "{text}"
        );
        let words = text
            .split_whitespace()
            .filter(|w| w.chars().all(char::is_alphabetic));
        assert_eq!(words.count(), 2 + 1 + 8 + 2, "{text}");
        // Without a width nothing is wrapped.
        assert_eq!(numbers(&rows, 2, 1, None).lines().count(), 3);
    }

    #[test]
    fn columns_that_do_not_fit_stand_in_blocks_under_the_first_one() {
        let heads: Vec<String> = (0..9).map(|i| format!("head{i}")).collect();
        let cells: Vec<String> = (0..9).map(|i| format!("{i}.000")).collect();
        let text = numbers(&[heads, cells], 2, 1, Some(30));
        assert!(text.lines().all(|l| l.chars().count() <= 30), "{text}");
        let blocks: Vec<_> = text.split("\n\n").collect();
        assert!(blocks.len() > 1 && blocks.iter().all(|b| b.starts_with("  head0")));
        for i in 1..9 {
            assert_eq!(text.matches(&format!("{i}.000")).count(), 1, "{text}");
        }
    }

    #[test]
    fn blocks_repeat_what_tells_rows_apart() {
        let rows = [
            row(&["net", "radius", "count", "seconds", "boxes"]),
            row(&["a", "0.1", "1", "2", "3"]),
            row(&["a", "0.2", "4", "5", "6"]),
        ];
        let text = numbers(&rows, 0, 2, Some(24));
        assert_eq!(
            text,
            "net  radius  count\n\
             a    0.1         1\n\
             a    0.2         4\n\
             \n\
             net  radius  seconds\n\
             a    0.1           2\n\
             a    0.2           5\n\
             \n\
             net  radius  boxes\n\
             a    0.1         3\n\
             a    0.2         6\n"
        );
    }
}
