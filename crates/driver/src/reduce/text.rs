//! Reduction of a text that need not be a module: it drops blocks and statements, then lines, lists
//! in brackets, words and at last single characters.

use super::session::{Session, Stop};
use std::ops::Range;

/// Texts with more characters than this keep those that no larger part takes with it.
const CHARACTERS: usize = 400;

/// How a text is cut into parts that may go.
type Cut = fn(&str) -> Vec<Range<usize>>;

/// To a fixpoint.
pub(super) fn text(session: &mut Session<'_>) -> Result<(), Stop> {
    const CUTS: [(&str, Cut); 6] = [
        ("blocks", blocks),
        ("statements", statements),
        ("lines", lines),
        ("lists", lists),
        ("words", words),
        ("characters", characters),
    ];
    loop {
        let before = session.runs.steps;
        for (stage, cut) in CUTS {
            session.stage = stage;
            drop_ranges(session, cut)?;
        }
        if session.runs.steps == before {
            return Ok(());
        }
    }
}

/// Drops parts of the text, many neighbours at once first.
fn drop_ranges(session: &mut Session<'_>, cut: Cut) -> Result<(), Stop> {
    let mut size = cut(&session.best.text).len();
    while size > 0 {
        let mut at = 0;
        loop {
            let text = &session.best.text;
            let parts = cut(text);
            if at >= parts.len() {
                break;
            }
            let mut rest = String::with_capacity(text.len());
            let mut end = 0;
            for part in &parts[at..(at + size).min(parts.len())] {
                // A list may stand in another one.
                rest.push_str(&text[end..part.start.max(end)]);
                end = part.end.max(end);
            }
            rest.push_str(&text[end..]);
            if !session.try_text(rest)? {
                at += size;
            }
        }
        size /= 2;
    }
    Ok(())
}

/// A token that matters for cutting, with its place.
enum Token {
    /// `;`, `{`, `}`, `[` or `]` outside of quotes and comments.
    Sign(u8),
    /// Anything else that is no blank.
    Other,
    Blank,
}

/// The text's tokens, each a range that ends where the next one begins. Texts in quotes and
/// comments are one token each; an unclosed quote ends with its line.
fn tokens(text: &str) -> Vec<(Token, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let token = match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && !matches!(bytes[at], b'"' | b'\n') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                Token::Other
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
                Token::Other
            }
            sign @ (b';' | b'{' | b'}' | b'[' | b']') => {
                at += 1;
                Token::Sign(sign)
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                Token::Blank
            }
            _ => {
                at += 1;
                let ends = |b: u8| b.is_ascii_whitespace() || b";{}[],\"/".contains(&b);
                while at < bytes.len() && !ends(bytes[at]) {
                    at += 1;
                }
                Token::Other
            }
        };
        at = at.min(bytes.len());
        while !text.is_char_boundary(at) {
            at += 1;
        }
        found.push((token, start..at));
    }
    found
}

/// Statements and blocks outside of blocks.
fn blocks(text: &str) -> Vec<Range<usize>> {
    ended(text, true)
}

/// Statements and heads of blocks, wherever they stand.
fn statements(text: &str) -> Vec<Range<usize>> {
    ended(text, false)
}

fn ended(text: &str, whole_blocks: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut start, mut depth) = (0, 0usize);
    for (token, range) in tokens(text) {
        let Token::Sign(sign) = token else { continue };
        match sign {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = matches!(sign, b';' | b'{' | b'}');
        if ends && (depth == 0 || !whole_blocks) {
            found.push(start..range.end);
            start = range.end;
        }
    }
    if start < text.len() {
        found.push(start..text.len());
    }
    found
}

fn lines(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            start += line.len();
            start - line.len()..start
        })
        .collect()
}

/// Lists with their brackets, each before those that it holds.
fn lists(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open = Vec::new();
    for (token, range) in tokens(text) {
        match token {
            Token::Sign(b'[') => {
                open.push(found.len());
                found.push(range);
            }
            Token::Sign(b']') => {
                if let Some(k) = open.pop() {
                    found[k].end = range.end;
                }
            }
            Token::Sign(_) | Token::Other | Token::Blank => {}
        }
    }
    found
}

fn words(text: &str) -> Vec<Range<usize>> {
    tokens(text).into_iter().map(|(_, range)| range).collect()
}

fn characters(text: &str) -> Vec<Range<usize>> {
    if text.chars().count() > CHARACTERS {
        return Vec::new();
    }
    text.char_indices()
        .map(|(at, c)| at..at + c.len_utf8())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, cut: Cut) -> Vec<&str> {
        cut(text).into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn texts_are_cut_at_their_ends() {
        let text = "nnir 1; // a; {\nnetwork @n { %\"x;\" = 1; } rest";
        assert_eq!(
            cut(text, blocks),
            ["nnir 1;", " // a; {\nnetwork @n { %\"x;\" = 1; }", " rest"]
        );
        assert_eq!(
            cut(text, statements),
            [
                "nnir 1;",
                " // a; {\nnetwork @n {",
                " %\"x;\" = 1;",
                " }",
                " rest"
            ]
        );
        assert_eq!(
            cut("[[1], [2]] [", lists),
            ["[[1], [2]]", "[1]", "[2]", "["]
        );
        assert_eq!(cut("a\n\nb", lines), ["a\n", "\n", "b"]);
        assert_eq!(cut("a, [1]", words), ["a", ",", " ", "[", "1", "]"]);
    }

    #[test]
    fn every_text_is_covered() {
        for text in ["", "\"", "\"\\", "é\"é\\é", "//", "}{", "\u{feff};é{"] {
            for cut in [blocks as Cut, statements, lines, words, characters] {
                let parts = cut(text);
                let together: String = parts.into_iter().map(|r| &text[r]).collect();
                assert_eq!(together, text);
            }
        }
    }
}
