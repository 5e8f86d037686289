//! Text that is safe inside comments, strings and Markdown, and long integer lists.

use std::fmt::Write;

/// Appends formatted text and a line feed.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => {
        writeln!($out, $($arg)*).expect("writing to a string succeeds")
    };
}
pub(crate) use line;

/// Lines of code under an indent that follows its blocks.
#[derive(Debug, Default)]
pub(crate) struct Code {
    text: String,
    depth: usize,
}

impl Code {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        for _ in 0..self.depth {
            self.text.push_str("    ");
        }
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Adds a line that opens a block.
    pub(crate) fn open(&mut self, line: impl AsRef<str>) {
        self.line(line);
        self.depth += 1;
    }

    /// Closes so many blocks.
    pub(crate) fn close(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.depth = self.depth.saturating_sub(1);
            self.line("}");
        }
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Marks of a constant in a function's text: before its type, its value and its end.
const HOLE: [char; 3] = ['\u{1}', '\u{2}', '\u{3}'];

/// A constant that becomes a parameter where functions differ in nothing else.
pub(crate) fn hole(ty: &str, value: impl std::fmt::Display) -> String {
    let [start, middle, end] = HOLE;
    format!("{start}{ty}{middle}{value}{end}")
}

/// A text cut at its holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// One more than holes.
    pub(crate) texts: Vec<String>,
    /// Type and value.
    pub(crate) holes: Vec<(String, String)>,
}

impl Template {
    /// Of a text with marks.
    pub(crate) fn new(text: &str) -> Self {
        let [start, middle, end] = HOLE;
        let mut parts = text.split(start);
        let mut texts = vec![parts.next().unwrap_or_default().to_owned()];
        let mut holes = Vec::new();
        for part in parts {
            let (hole, text) = part.split_once(end).unwrap_or((part, ""));
            let (ty, value) = hole.split_once(middle).unwrap_or((hole, ""));
            holes.push((ty.to_owned(), value.to_owned()));
            texts.push(text.to_owned());
        }
        Self { texts, holes }
    }

    /// The text with something in each hole.
    pub(crate) fn fill(&self, value: impl Fn(usize) -> String) -> String {
        let mut out = String::new();
        for (i, text) in self.texts.iter().enumerate() {
            out.push_str(text);
            if i < self.holes.len() {
                out.push_str(&value(i));
            }
        }
        out
    }
}

/// One line of printable ASCII that neither ends a C comment nor opens one and holds no
/// trigraph and no backquote (a Markdown fence). Names and notes come from the user.
pub(crate) fn comment(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '`' => line.push('\''),
            ' '..='~' => {
                let before = line.chars().next_back();
                if matches!(
                    (before, c),
                    (Some('*'), '/') | (Some('/'), '*') | (Some('?'), '?')
                ) {
                    line.push(' ');
                }
                line.push(c);
            }
            _ if c.is_whitespace() => line.push(' '),
            _ => line.extend(c.escape_default()),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// The body of a string literal, the same in C and Rust; cut to what every compiler takes.
pub(crate) fn string(text: &str) -> String {
    let mut line = String::new();
    for c in comment(text).chars().take(200) {
        if matches!(c, '"' | '\\') {
            line.push('\\');
        }
        line.push(c);
    }
    line
}

/// A C block comment.
pub(crate) fn c_comment<S: AsRef<str>>(out: &mut String, lines: impl IntoIterator<Item = S>) {
    let lines: Vec<String> = lines.into_iter().map(|l| comment(l.as_ref())).collect();
    if let [line] = &lines[..] {
        line!(out, "/* {line} */");
        return;
    }
    for (i, text) in lines.iter().enumerate() {
        let start = if i == 0 { "/* " } else { " * " };
        line!(out, "{}", format!("{start}{text}").trim_end());
    }
    out.push_str(" */\n");
}

/// Lines behind a marker like `//`.
pub(crate) fn marked<S: AsRef<str>>(
    out: &mut String,
    marker: &str,
    lines: impl IntoIterator<Item = S>,
) {
    for line in lines {
        let text = format!("{marker} {}", comment(line.as_ref()));
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

/// Integers with commas, in lines of at most about 96 characters behind an indent. Linear time.
pub(crate) fn integers(
    out: &mut String,
    indent: &str,
    values: impl Iterator<Item = i64>,
    literal: impl Fn(&mut String, i64),
) {
    let mut column = usize::MAX;
    for v in values {
        if column > 90 {
            if column != usize::MAX {
                out.push('\n');
            }
            out.push_str(indent);
            column = indent.len();
        } else {
            out.push(' ');
            column += 1;
        }
        let before = out.len();
        literal(out, v);
        out.push(',');
        column += out.len() - before;
    }
    out.push('\n');
}

/// A decimal that is a valid C99 initialiser: the least `int64_t` has no literal of its own.
pub(crate) fn c_integer(out: &mut String, v: i64) {
    if v == i64::MIN {
        out.push_str("(-9223372036854775807 - 1)");
    } else {
        decimal(out, v);
    }
}

/// A decimal.
pub(crate) fn decimal(out: &mut String, v: i64) {
    write!(out, "{v}").expect("writing to a string succeeds");
}

/// A decimal with its digits in groups of three from ten thousand on, as Rust is written.
pub(crate) fn grouped(v: i64) -> String {
    let digits = v.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && digits.len() > 4 && (digits.len() - i).is_multiple_of(3) {
            out.push('_');
        }
        out.push(d);
    }
    if v < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stay_closed() {
        assert_eq!(comment("a */ b /* c ??/"), "a * / b / * c ? ?/");
        assert_eq!(comment("x\ny\u{202e}é"), "x y\\u{202e}\\u{e9}");
        assert_eq!(string("\"a\\n\" ??("), "\\\"a\\\\n\\\" ? ?(");
    }

    #[test]
    fn templates_are_cut_at_holes() {
        let text = format!("a[{}] + {};", hole("size_t", 3), hole("int32_t", "-1"));
        let t = Template::new(&text);
        assert_eq!(t.texts, ["a[", "] + ", ";"]);
        assert_eq!(t.fill(|i| t.holes[i].1.clone()), "a[3] + -1;");
        assert_eq!(t.holes[0].0, "size_t");
    }

    #[test]
    fn digits_are_grouped() {
        let all = [0, -1234, 12345, -1_000_000, i64::MIN];
        let want = [
            "0",
            "-1234",
            "12_345",
            "-1_000_000",
            "-9_223_372_036_854_775_808",
        ];
        assert_eq!(all.map(grouped), want);
    }

    #[test]
    fn lists_wrap() {
        let mut out = String::new();
        integers(&mut out, "  ", 0..100, decimal);
        assert!(out.lines().all(|l| l.len() < 100 && l.starts_with("  ")));
        assert_eq!(out.matches(',').count(), 100);
        out.clear();
        c_integer(&mut out, i64::MIN);
        assert_eq!(out, "(-9223372036854775807 - 1)");
    }
}
