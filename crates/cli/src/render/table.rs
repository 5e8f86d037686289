//! Columns of text.

use std::fmt::Write;

/// Rows with left-aligned columns, two blanks between them, indented; no blanks at line ends.
pub(super) fn table(rows: &[Vec<String>], indent: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        rows.iter()
            .filter_map(|r| r.get(c))
            .map(|t| t.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (text, width) in row.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "{text:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Rows with right-aligned columns, but for the first `left` ones and those beyond the first row's.
/// No blanks at line ends.
pub(super) fn numbers(rows: &[Vec<String>], indent: usize, left: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        let cells = rows.iter().filter_map(|r| r.get(c));
        cells.map(|t| t.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    // What has no head is a note.
    let heads = rows.first().map_or(0, Vec::len);
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (c, (text, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string does not fail.
            let _ = if c < left || c >= heads {
                write!(line, "{text:width$}  ")
            } else {
                write!(line, "{text:>width$}  ")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let text = table(&[row("a", "x"), row("long", "")], 1);
        assert_eq!(text, " a     x\n long\n");
        let text = numbers(&[row("a", "12"), row("long", "3")], 1, 1);
        assert_eq!(text, " a     12\n long   3\n");
    }
}
