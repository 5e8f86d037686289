//! The generated parser of `grammar/vnnlib2.pest`, and its errors in human words.

use crate::vnnlib::grammar::{Place, explained};
use ceg4n_base::Diagnostic;
use pest::Parser;
use pest::iterators::{Pair, Pairs};

/// pest's derive makes items without documentation; they stay in this module.
mod generated {
    #[derive(pest_derive::Parser)]
    #[grammar = "../../grammar/vnnlib2.pest"]
    pub(super) struct Vnnlib2Parser;
}
pub(super) use generated::Rule;
use generated::Vnnlib2Parser;

/// Parses one command, `text` from byte `place.base` of the file on.
pub(super) fn command(text: &str, place: Place) -> Result<Pairs<'_, Rule>, Diagnostic> {
    Vnnlib2Parser::parse(Rule::command, text).map_err(|e| explained(&e, text, place, phrases))
}

/// What stands for a rule in "expected …"; nothing for what would only confuse.
fn phrases(rule: Rule) -> &'static [&'static str] {
    match rule {
        Rule::version | Rule::kw_version => &["`vnnlib-version`"],
        Rule::version_number => &["a version like <2.0>"],
        Rule::network | Rule::kw_network => &["`declare-network`"],
        Rule::assert | Rule::kw_assert => &["`assert`"],
        Rule::relation => &["(equal-to NETWORK)", "(isomorphic-to NETWORK)"],
        Rule::equal_to | Rule::kw_equal_to => &["`equal-to`"],
        Rule::isomorphic_to | Rule::kw_isomorphic_to => &["`isomorphic-to`"],
        Rule::input => &["(declare-input …)"],
        Rule::hidden => &["(declare-hidden …)"],
        Rule::output => &["(declare-output …)"],
        Rule::kw_input => &["`declare-input`"],
        Rule::kw_hidden => &["`declare-hidden`"],
        Rule::kw_output => &["`declare-output`"],
        Rule::kw_initialized => &["`initialized`"],
        Rule::name => &["a name"],
        Rule::element => &["an element type like float32 or real"],
        Rule::shape | Rule::left => &["a shape like [1,5]"],
        Rule::integer => &["an integer"],
        Rule::node => &["the name of an ONNX node in quotes"],
        Rule::formula => &["a formula like (<= X[0,0] 1.0)"],
        Rule::conjunction | Rule::kw_and => &["`and`"],
        Rule::disjunction | Rule::kw_or => &["`or`"],
        Rule::comparison | Rule::comparator => &["`<=`", "`>=`", "`<`", "`>`", "`==`", "`!=`"],
        Rule::term => &["a number, an element like X[0,0] or a sum"],
        Rule::operation | Rule::operator => &["`+`", "`-`", "`*`"],
        Rule::place => &["an element like X[0,0]"],
        Rule::number => &["a number"],
        Rule::open => &["`(`"],
        Rule::close => &["`)`"],
        Rule::right => &["`]`"],
        Rule::comma => &["`,`"],
        Rule::EOI => &["the end of the command"],
        Rule::WHITESPACE | Rule::COMMENT | Rule::command | Rule::exponent | Rule::word_char => &[],
    }
}

/// The parts of a pair that are no punctuation and no keyword.
pub(super) fn parts(pair: Pair<'_, Rule>) -> impl Iterator<Item = Pair<'_, Rule>> {
    pair.into_inner().filter(|p| {
        !matches!(
            p.as_rule(),
            Rule::open
                | Rule::close
                | Rule::left
                | Rule::right
                | Rule::comma
                | Rule::EOI
                | Rule::kw_version
                | Rule::kw_network
                | Rule::kw_input
                | Rule::kw_hidden
                | Rule::kw_output
                | Rule::kw_equal_to
                | Rule::kw_isomorphic_to
                | Rule::kw_assert
                | Rule::kw_and
                | Rule::kw_or
        )
    })
}
