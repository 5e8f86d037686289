//! Cuts a text into pieces: statements, heads of blocks, closing braces; and collects comments.
//!
//! A comment belongs to the statement that it stands before or in, or behind on the same line;
//! before a closing brace to the last statement of the block.

use crate::ast::Notes;
use crate::grammar::{Rule, parse};
use std::ops::Range;

/// How a piece ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Semicolon,
    Brace,
    /// At the end of a line with an unclosed quote, which stands at this byte.
    Quote(usize),
    /// At a closing brace or the end of the text.
    Missing,
}

/// A part of the text.
#[derive(Debug)]
pub(crate) enum Piece {
    Statement {
        range: Range<usize>,
        end: End,
        notes: Notes,
    },
    Close {
        at: usize,
    },
}

/// The pieces of a text, and the comments at its end.
pub(crate) fn cut(text: &str) -> (Vec<Piece>, Notes) {
    let mut pieces = Vec::new();
    let mut pending = Notes::new();
    // The rule matches every text.
    let Ok(pairs) = parse(Rule::pieces, text) else {
        return (pieces, pending);
    };
    for pair in pairs.flat_map(|p| p.into_inner()) {
        let start = pair.as_span().start();
        match pair.as_rule() {
            Rule::note => match pieces.last_mut() {
                Some(Piece::Statement { notes, .. })
                    if pending.is_empty() && !stands_alone(text, start) =>
                {
                    notes.push(note(pair.as_str()));
                }
                _ => pending.push(note(pair.as_str())),
            },
            Rule::close => {
                if let Some(Piece::Statement { notes, .. }) = pieces.last_mut() {
                    notes.append(&mut pending);
                }
                pieces.push(Piece::Close { at: start });
            }
            Rule::piece => {
                let body = pair.as_str().trim_end();
                let mut notes = std::mem::take(&mut pending);
                let mut end = End::Missing;
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::note => notes.push(note(part.as_str())),
                        Rule::terminator if part.as_str() == "{" => end = End::Brace,
                        Rule::terminator => end = End::Semicolon,
                        Rule::unclosed => end = End::Quote(part.as_span().start()),
                        _ => {}
                    }
                }
                pieces.push(Piece::Statement {
                    range: start..start + body.len(),
                    end,
                    notes,
                });
            }
            _ => {}
        }
    }
    (pieces, pending)
}

/// True if only blanks precede byte `at` on its line.
fn stands_alone(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t', '\r']);
    before.is_empty() || before.ends_with('\n')
}

/// A comment's text without `//`, one blank after it and blanks at its end.
fn note(comment: &str) -> String {
    let body = comment.strip_prefix("//").unwrap_or(comment);
    body.strip_prefix(' ').unwrap_or(body).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str) -> Vec<(&str, Notes)> {
        let (pieces, _) = cut(text);
        pieces
            .into_iter()
            .filter_map(|p| match p {
                Piece::Statement { range, notes, .. } => Some((&text[range], notes)),
                Piece::Close { .. } => None,
            })
            .collect()
    }

    #[test]
    fn comments_find_their_statement() {
        let text = "// one\nnnir 1; // two\n// three\na { // four\n b // five\n c; // six; {\n// seven\n} // eight\n";
        let found = statements(text);
        let notes: Vec<_> = found.iter().map(|(_, n)| n.join(",")).collect();
        assert_eq!(notes, ["one,two", "three,four", "five,six; {,seven"]);
        assert_eq!(cut(text).1, ["eight"]);
    }

    #[test]
    fn quotes_hide_ends() {
        let found = statements("a \"x;{}//\\\"\" ; b \"open ; \n c;");
        let texts: Vec<_> = found.iter().map(|(t, _)| *t).collect();
        assert_eq!(texts, ["a \"x;{}//\\\"\" ;", "b \"open ;", "c;"]);
    }

    #[test]
    fn every_text_is_cut_completely() {
        for text in ["", "}", "\"", ";;", "{", "//", "a", "/", "\\", "\u{feff}x;"] {
            let (pieces, _) = cut(text);
            let covered: usize = pieces
                .iter()
                .map(|p| match p {
                    Piece::Statement { range, .. } => range.len(),
                    Piece::Close { .. } => 1,
                })
                .sum();
            assert!(covered == text.len() || text.starts_with("//"), "{text}");
        }
    }
}
