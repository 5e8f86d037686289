//! The generated parser, and its errors in human words.

use ceg4n_base::suggest;
use ceg4n_base::{Diagnostic, SourceId, Span, codes};
use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::{Pair, Pairs};

/// pest's derive makes items without documentation; they stay in this module.
mod generated {
    #[derive(pest_derive::Parser)]
    #[grammar = "../../grammar/nnir.pest"]
    pub(super) struct NnirParser;
}
use generated::NnirParser;
pub(crate) use generated::Rule;

/// Where a part of a text stands: in `source` from byte `base` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) source: SourceId,
    pub(crate) base: usize,
}

impl Place {
    /// A byte range of the part as a span of the source.
    pub(crate) fn span(self, range: std::ops::Range<usize>) -> Span {
        Span::new(self.source, self.base + range.start..self.base + range.end)
    }

    /// Where a pair stands.
    pub(crate) fn of(self, pair: &Pair<'_, Rule>) -> Span {
        let s = pair.as_span();
        self.span(s.start()..s.end())
    }
}

/// A text that does not follow the grammar.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// Byte in the parsed part.
    pub(crate) at: usize,
    /// What could stand there, in human words.
    pub(crate) expected: Vec<&'static str>,
}

/// Parses a part of a text by one rule.
pub(crate) fn parse(rule: Rule, text: &str) -> Result<Pairs<'_, Rule>, SyntaxError> {
    NnirParser::parse(rule, text).map_err(|e| {
        let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = e.location;
        let mut expected: Vec<_> = match &e.variant {
            ErrorVariant::ParsingError { positives, .. } => {
                let mut rules = positives.clone();
                rules.sort_unstable();
                rules.dedup();
                rules.iter().flat_map(|r| phrases(*r)).copied().collect()
            }
            ErrorVariant::CustomError { .. } => Vec::new(),
        };
        let mut seen = std::collections::BTreeSet::new();
        expected.retain(|p| seen.insert(*p));
        SyntaxError { at, expected }
    })
}

impl SyntaxError {
    /// The diagnostic, with the caret on the offending word.
    pub(crate) fn diagnostic(&self, text: &str, place: Place) -> Diagnostic {
        let rest = text.get(self.at..).unwrap_or("");
        let found = found(rest);
        let message = match self.expected.split_last() {
            None => "the statement does not follow the grammar".to_owned(),
            Some((only, [])) => format!("expected {only}"),
            Some((last, others)) => format!("expected {} or {last}", others.join(", ")),
        };
        let label = if found.is_empty() {
            "the statement ends here".to_owned()
        } else {
            format!("unexpected `{found}`")
        };
        // At the end of a piece the caret stands behind its last word, not on the next line.
        let at = if found.is_empty() {
            text[..self.at.min(text.len())].trim_end().len()
        } else {
            self.at
        };
        let d = Diagnostic::error(codes::SYNTAX, message)
            .at(Some(place.span(at..at + found.len())), label);
        let keywords = self
            .expected
            .iter()
            .filter_map(|p| p.strip_prefix('`')?.strip_suffix('`'))
            .filter(|k| k.starts_with(|c: char| c.is_ascii_alphabetic()));
        match suggest::nearest(found, keywords) {
            Some(k) => d.help(format!("did you mean `{k}`?")),
            None => d,
        }
    }
}

/// The word, name or sign that a text starts with; empty at its end.
fn found(rest: &str) -> &str {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let sigil = rest.strip_prefix(['%', '@']).unwrap_or(rest);
    let len = rest.len() - sigil.len() + sigil.find(|c| !word(c)).unwrap_or(sigil.len());
    let len = match rest.chars().next() {
        Some(c) if len == 0 => c.len_utf8(),
        _ => len,
    };
    let cut = rest[..len].char_indices().nth(40).map_or(len, |(i, _)| i);
    rest[..cut].trim_end()
}

/// What stands for a rule in "expected …"; nothing for what would only confuse.
fn phrases(rule: Rule) -> &'static [&'static str] {
    match rule {
        Rule::item => &["`network`", "`format`", "`region`", "`require`"],
        Rule::network | Rule::kw_network => &["`network`"],
        Rule::format_block | Rule::kw_format => &["`format`"],
        Rule::region | Rule::kw_region => &["`region`"],
        Rule::require | Rule::kw_require => &["`require`"],
        Rule::region_box | Rule::kw_box => &["`box`"],
        Rule::region_ball | Rule::kw_ball => &["`ball`"],
        Rule::center | Rule::kw_center => &["`center`"],
        Rule::radius | Rule::kw_radius => &["`radius`"],
        Rule::clip | Rule::kw_clip => &["`clip`"],
        Rule::property => &["`top1`", "`topk`", "`eps`", "`spec`"],
        Rule::top1 | Rule::kw_top1 => &["`top1`"],
        Rule::topk | Rule::kw_topk => &["`topk`"],
        Rule::eps | Rule::kw_eps => &["`eps`"],
        Rule::spec | Rule::kw_spec => &["`spec`"],
        Rule::kw_margin => &["`margin`"],
        Rule::domain | Rule::kw_domain => &["`domain`"],
        Rule::kw_real => &["`real`"],
        Rule::kw_grid => &["`grid`"],
        Rule::selection | Rule::kw_on => &["`on`"],
        Rule::network_item => &["`output`", "a value like %x"],
        Rule::format_item => &["`rounding`", "a value like %x"],
        Rule::output | Rule::kw_output => &["`output`"],
        Rule::value | Rule::entry | Rule::value_name => &["a value like %x"],
        Rule::input | Rule::kw_input => &["`input`"],
        Rule::constant | Rule::wide | Rule::kw_const => &["`const`"],
        Rule::kw_wide => &["`wide`"],
        Rule::kw_enclosed => &["`enclosed`"],
        Rule::attribute | Rule::attribute_name => &["an attribute like stride"],
        Rule::operation | Rule::operator => &["an operator like dense"],
        Rule::shape => &["a shape like tensor<10x4>"],
        Rule::dimension => &["a dimension"],
        Rule::rounding | Rule::kw_rounding => &["`rounding`"],
        Rule::rounding_name => &["a rounding like half-up"],
        Rule::accumulator | Rule::kw_acc => &["`acc`"],
        Rule::acc_width => &["a width like s18"],
        Rule::channels | Rule::kw_channels => &["`channels`"],
        Rule::format => &["a format like s8q6"],
        Rule::mantissas | Rule::kw_mantissas => &["`mantissas`"],
        Rule::file | Rule::kw_file => &["`file`"],
        Rule::counts | Rule::tensor1 | Rule::tensor2 | Rule::tensor3 | Rule::tensor4 => {
            &["a list like [1, 2]"]
        }
        Rule::number => &["a number"],
        Rule::count => &["a version number"],
        Rule::network_name => &["a network like @net"],
        Rule::version => &["a version like v1"],
        Rule::plain_name => &["a name"],
        Rule::string => &["a quoted name"],
        Rule::identifier => &["a name"],
        Rule::literal => &["`\"`"],
        Rule::escape | Rule::short_escape | Rule::code_point => {
            &["an escape like \\\" or \\\\ or \\u{e9}"]
        }
        Rule::semicolon => &["`;`"],
        Rule::colon => &["`:`"],
        Rule::comma => &["`,`"],
        Rule::equals => &["`=`"],
        Rule::brace => &["`{`"],
        Rule::paren => &["`(`"],
        Rule::end_paren => &["`)`"],
        Rule::end_list => &["`,`", "`]`"],
        Rule::EOI => &["the end of the statement"],
        _ => &[],
    }
}

/// Keywords and punctuation: they only shape the tree.
pub(crate) fn is_noise(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::semicolon
            | Rule::colon
            | Rule::comma
            | Rule::equals
            | Rule::brace
            | Rule::paren
            | Rule::end_paren
            | Rule::end_list
            | Rule::kw_nnir
            | Rule::kw_network
            | Rule::kw_format
            | Rule::kw_region
            | Rule::kw_require
            | Rule::kw_data
            | Rule::kw_box
            | Rule::kw_ball
            | Rule::kw_vnnlib
            | Rule::kw_center
            | Rule::kw_radius
            | Rule::kw_clip
            | Rule::kw_top1
            | Rule::kw_margin
            | Rule::kw_topk
            | Rule::kw_eps
            | Rule::kw_spec
            | Rule::kw_domain
            | Rule::kw_real
            | Rule::kw_grid
            | Rule::kw_on
            | Rule::kw_output
            | Rule::kw_input
            | Rule::kw_const
            | Rule::kw_file
            | Rule::kw_rounding
            | Rule::kw_acc
            | Rule::kw_channels
            | Rule::kw_mantissas
            | Rule::EOI
    )
}

/// The meaningful parts of a pair.
pub(crate) fn parts(pair: Pair<'_, Rule>) -> impl Iterator<Item = Pair<'_, Rule>> {
    pair.into_inner().filter(|p| !is_noise(p.as_rule()))
}
