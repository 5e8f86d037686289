//! Statements on one line where they fit, else with their lists broken into lines.

/// A part of a statement.
pub(super) enum Part {
    Text(String),
    /// Items, row-major, nested by dimensions. More than four are written flat, as the grammar
    /// nests no deeper.
    List(Vec<usize>, Vec<String>),
}

impl Part {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list under a shape that the items fit.
    pub(super) fn list(dims: &[usize], items: Vec<String>) -> Self {
        if dims.len() > 4 {
            Self::List(vec![items.len()], items)
        } else {
            Self::List(dims.to_vec(), items)
        }
    }
}

/// Appends a statement, indented and with its line end.
pub(super) fn statement(out: &mut String, indent: usize, columns: usize, parts: &[Part]) {
    let room = columns.saturating_sub(indent);
    let fits = parts.iter().map(flat_width).sum::<usize>() <= room;
    pad(out, indent);
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::List(dims, items) if fits => flat(out, dims, items),
            Part::List(dims, items) => broken(out, indent, columns, dims, items),
        }
    }
    out.push('\n');
}

fn pad(out: &mut String, n: usize) {
    out.extend(std::iter::repeat_n(' ', n));
}

fn flat_width(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.chars().count(),
        Part::List(dims, items) => list_width(dims, items),
    }
}

/// Columns of a list on one line.
fn list_width(dims: &[usize], items: &[String]) -> usize {
    // Every level of brackets adds two columns to each of its lists.
    let mut lists = 1;
    let mut brackets = 0;
    for d in dims {
        brackets += 2 * lists;
        lists *= d;
    }
    let words: usize = items.iter().map(String::len).sum();
    words + 2 * items.len().saturating_sub(1) + brackets
}

fn flat(out: &mut String, dims: &[usize], items: &[String]) {
    let Some((_, inner)) = dims.split_first() else {
        return items.iter().for_each(|i| out.push_str(i));
    };
    out.push('[');
    for (k, row) in rows(dims, items).enumerate() {
        if k > 0 {
            out.push_str(", ");
        }
        flat(out, inner, row);
    }
    out.push(']');
}

/// The items of each index of the first dimension.
fn rows<'i>(dims: &[usize], items: &'i [String]) -> std::slice::Chunks<'i, String> {
    let per_row = items.len() / dims.first().copied().unwrap_or(1).max(1);
    items.chunks(per_row.max(1))
}

/// A list whose rows stand on their own lines; numbers fill the lines.
fn broken(out: &mut String, indent: usize, columns: usize, dims: &[usize], items: &[String]) {
    let Some((_, inner)) = dims.split_first() else {
        return flat(out, dims, items);
    };
    let deeper = indent + 2;
    out.push('[');
    if inner.is_empty() {
        fill(out, deeper, columns, items);
    } else {
        for (k, row) in rows(dims, items).enumerate() {
            out.push_str(if k > 0 { ",\n" } else { "\n" });
            pad(out, deeper);
            // One column stays for the comma.
            if deeper + list_width(inner, row) < columns {
                flat(out, inner, row);
            } else {
                broken(out, deeper, columns, inner, row);
            }
        }
    }
    out.push('\n');
    pad(out, indent);
    out.push(']');
}

fn fill(out: &mut String, indent: usize, columns: usize, items: &[String]) {
    let mut column = usize::MAX;
    for (k, item) in items.iter().enumerate() {
        let comma = usize::from(k + 1 < items.len());
        if column.saturating_add(1 + item.len() + comma) > columns {
            out.push('\n');
            pad(out, indent);
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(item);
        column += item.len();
        if comma == 1 {
            out.push(',');
            column += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(columns: usize, dims: &[usize]) -> String {
        let n = dims.iter().product::<usize>();
        let items = (0..n).map(|i| i.to_string()).collect();
        let mut out = String::new();
        let parts = [Part::text("x = "), Part::list(dims, items), Part::text(";")];
        statement(&mut out, 2, columns, &parts);
        out
    }

    #[test]
    fn breaks_only_what_does_not_fit() {
        assert_eq!(show(80, &[2, 2]), "  x = [[0, 1], [2, 3]];\n");
        assert_eq!(show(23, &[2, 2]), "  x = [[0, 1], [2, 3]];\n");
        assert_eq!(
            show(22, &[2, 2]),
            "  x = [\n    [0, 1],\n    [2, 3]\n  ];\n"
        );
        assert_eq!(
            show(12, &[2, 3]),
            "  x = [\n    [\n      0, 1,\n      2\n    ],\n    [\n      3, 4,\n      5\n    ]\n  ];\n"
        );
        assert_eq!(show(80, &[]), "  x = 0;\n");
        assert_eq!(show(80, &[1, 2, 1, 1, 1]), "  x = [0, 1];\n");
    }

    #[test]
    fn no_line_is_too_long() {
        for columns in 20..60 {
            let text = show(columns, &[3, 17]);
            assert!(
                text.lines().all(|l| l.len() <= columns),
                "{columns}\n{text}"
            );
        }
    }
}
