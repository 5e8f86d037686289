//! The generated parser of `grammar/vnnlib.pest`, its errors in human words, and the cut into
//! commands.

use ceg4n_base::{Diagnostic, SourceId, Span, codes};
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::{Pair, Pairs};
use pest::{Parser, RuleType};
use std::ops::Range;

/// pest's derive makes items without documentation; they stay in this module.
mod generated {
    #[derive(pest_derive::Parser)]
    #[grammar = "../../grammar/vnnlib.pest"]
    pub(super) struct VnnlibParser;
}
pub(super) use generated::Rule;
use generated::VnnlibParser;

/// Parentheses may nest this deep: parser and readers recurse once per level. Files of the
/// competitions need six.
pub(super) const MAX_DEPTH: usize = 64;

/// Where a command stands: in `source` from byte `base` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) source: SourceId,
    pub(crate) base: usize,
}

impl Place {
    pub(crate) fn span(self, range: Range<usize>) -> Span {
        Span::new(self.source, self.base + range.start..self.base + range.end)
    }

    /// Where a pair stands.
    pub(crate) fn of<R: RuleType>(self, pair: &Pair<'_, R>) -> Span {
        let s = pair.as_span();
        self.span(s.start()..s.end())
    }
}

/// Cuts a text into its commands, from `(` to the `)` that closes it. What stands outside is an
/// error; so is nesting beyond [`MAX_DEPTH`], which ends the cut. A command that is not closed
/// reaches to the end of the text.
pub(crate) fn commands(
    source: SourceId,
    text: &str,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // The rule matches every text.
    let Ok(tokens) = VnnlibParser::parse(Rule::tokens, text) else {
        return found;
    };
    let mut depth = 0;
    let mut start = 0;
    for token in tokens.flat_map(Pair::into_inner) {
        let (from, to) = (token.as_span().start(), token.as_span().end());
        let mut fail = |message: String, label: &str| {
            let at = Span::new(source, from..to.min(from + 40).max(from));
            errors.push(Diagnostic::error(codes::SYNTAX, message).at(Some(at), label));
        };
        match token.as_rule() {
            Rule::open => {
                if depth == 0 {
                    start = from;
                }
                depth += 1;
                if depth > MAX_DEPTH {
                    fail(
                        format!("parentheses nest deeper than {MAX_DEPTH} levels"),
                        "one level too many",
                    );
                    return Vec::new();
                }
            }
            Rule::close if depth == 0 => {
                fail(
                    "there is nothing to close here".to_owned(),
                    "unexpected `)`",
                );
            }
            Rule::close => {
                depth -= 1;
                if depth == 0 {
                    found.push(start..to);
                }
            }
            Rule::string | Rule::word if depth == 0 => {
                fail(
                    "expected a command like `(assert …)`".to_owned(),
                    "outside of parentheses",
                );
            }
            _ => {}
        }
    }
    if depth > 0 {
        found.push(start..text.len());
    }
    found
}

/// Parses one command, `text` from byte `place.base` of the file on.
pub(super) fn command(text: &str, place: Place) -> Result<Pairs<'_, Rule>, Diagnostic> {
    VnnlibParser::parse(Rule::command, text).map_err(|e| explained(&e, text, place, phrases))
}

/// An error of the parser in words; `phrases` has those for what was expected.
pub(crate) fn explained<R: RuleType>(
    e: &pest::error::Error<R>,
    text: &str,
    place: Place,
    phrases: fn(R) -> &'static [&'static str],
) -> Diagnostic {
    let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = e.location;
    let mut expected: Vec<&str> = match &e.variant {
        ErrorVariant::ParsingError { positives, .. } => {
            let mut rules = positives.clone();
            rules.sort_unstable();
            rules.iter().flat_map(|r| phrases(*r)).copied().collect()
        }
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    expected.dedup();
    diagnostic(text, at, &expected, place)
}

fn diagnostic(text: &str, at: usize, expected: &[&str], place: Place) -> Diagnostic {
    let message = match expected.split_last() {
        None => "the command does not follow VNN-LIB".to_owned(),
        Some((only, [])) => format!("expected {only}"),
        Some((last, others)) => format!("expected {} or {last}", others.join(", ")),
    };
    let found = found(text.get(at..).unwrap_or(""));
    if found.is_empty() {
        // Behind the last word, not on the next line.
        let end = text.trim_end().len();
        let d = Diagnostic::error(codes::SYNTAX, message)
            .at(Some(place.span(end..end)), "the file ends here");
        return d.related(Some(place.span(0..1)), "this `(` is not closed");
    }
    let span = place.span(at..at + found.len());
    Diagnostic::error(codes::SYNTAX, message).at(Some(span), format!("unexpected `{found}`"))
}

/// The word or sign that a text starts with; empty at its end.
fn found(rest: &str) -> &str {
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ';');
    let len = match rest.chars().next() {
        Some(c) if ends(c) => c.len_utf8(),
        _ => rest.find(ends).unwrap_or(rest.len()),
    };
    let cut = rest[..len].char_indices().nth(40).map_or(len, |(i, _)| i);
    &rest[..cut]
}

/// What stands for a rule in "expected …"; nothing for what would only confuse.
fn phrases(rule: Rule) -> &'static [&'static str] {
    match rule {
        Rule::declare_const | Rule::kw_declare_const => &["`declare-const`"],
        Rule::declare_fun | Rule::kw_declare_fun => &["`declare-fun`"],
        Rule::assert | Rule::kw_assert => &["`assert`"],
        Rule::formula => &["a formula like (<= X_0 1)"],
        Rule::conjunction | Rule::kw_and => &["`and`"],
        Rule::disjunction | Rule::kw_or => &["`or`"],
        Rule::comparison | Rule::relation => &["`<=`", "`>=`", "`<`", "`>`", "`=`"],
        Rule::term => &["a number, X_i, Y_j or a sum"],
        Rule::operation | Rule::operator => &["`+`", "`-`", "`*`"],
        Rule::variable => &["a variable like X_0 or Y_0"],
        Rule::number => &["a number"],
        Rule::open => &["`(`"],
        Rule::close => &["`)`"],
        Rule::kw_real => &["`Real`"],
        Rule::EOI => &["the end of the command"],
        Rule::WHITESPACE
        | Rule::COMMENT
        | Rule::tokens
        | Rule::string
        | Rule::word
        | Rule::command
        | Rule::ignored
        | Rule::newer
        | Rule::anything
        | Rule::exponent
        | Rule::word_char
        | Rule::kw_ignored
        | Rule::kw_newer => &[],
    }
}

/// The parts of a pair that are no punctuation and no keyword.
pub(super) fn parts(pair: Pair<'_, Rule>) -> impl Iterator<Item = Pair<'_, Rule>> {
    pair.into_inner().filter(|p| {
        !matches!(
            p.as_rule(),
            Rule::open
                | Rule::close
                | Rule::EOI
                | Rule::kw_declare_const
                | Rule::kw_declare_fun
                | Rule::kw_assert
                | Rule::kw_and
                | Rule::kw_or
                | Rule::kw_real
                | Rule::kw_ignored
                | Rule::kw_newer
        )
    })
}
