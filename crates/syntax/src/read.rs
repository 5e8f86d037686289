//! From pairs of the grammar to syntax trees. An error is kept and the statement dropped.

pub(crate) mod format;
pub(crate) mod list;
pub(crate) mod network;
pub(crate) mod number;
pub(crate) mod require;

use crate::ast::{Data, List, Name};
use crate::grammar::{Place, Rule, parts};
use ceg4n_base::codes::Code;
use ceg4n_base::{Diagnostic, Exact, Span, codes};
use list::Element;
use pest::iterators::Pair;

/// Reads one piece of a text.
#[derive(Debug)]
pub(crate) struct Reader<'e> {
    /// Where the piece stands.
    pub(crate) place: Place,
    /// What is wrong so far.
    pub(crate) errors: &'e mut Vec<Diagnostic>,
}

/// A part that the grammar promises.
pub(crate) fn next<'t>(parts: &mut impl Iterator<Item = Pair<'t, Rule>>) -> Pair<'t, Rule> {
    parts.next().expect("the grammar has this part")
}

impl Reader<'_> {
    /// Keeps an error at a pair.
    fn fail<T>(
        &mut self,
        code: Code,
        at: &Pair<'_, Rule>,
        message: impl Into<String>,
        label: &str,
    ) -> Option<T> {
        let span = self.place.of(at);
        self.errors
            .push(Diagnostic::error(code, message).at(Some(span), label));
        None
    }

    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        self.place.of(pair)
    }

    /// The name in `network @name {`.
    pub(crate) fn network_name(&mut self, pair: Pair<'_, Rule>) -> Option<Name> {
        self.name(next(&mut parts(pair)))
    }

    /// `%name`, `@name` or a quoted text.
    pub(crate) fn name(&mut self, pair: Pair<'_, Rule>) -> Option<Name> {
        let span = self.span(&pair);
        let text = match pair.as_rule() {
            Rule::string => self.string(pair)?,
            Rule::value_name | Rule::network_name => {
                let inner = next(&mut pair.into_inner());
                match inner.as_rule() {
                    Rule::string => self.string(inner)?,
                    _ => inner.as_str().to_owned(),
                }
            }
            _ => pair.as_str().to_owned(),
        };
        Some(Name { text, span })
    }

    fn string(&mut self, pair: Pair<'_, Rule>) -> Option<String> {
        let mut out = String::new();
        for part in pair.into_inner() {
            if part.as_rule() == Rule::literal {
                out.push_str(part.as_str());
                continue;
            }
            let escape = next(&mut part.clone().into_inner());
            let c = match (escape.as_rule(), escape.as_str()) {
                (Rule::code_point, hex) => {
                    u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)
                }
                (_, "n") => Some('\n'),
                (_, "r") => Some('\r'),
                (_, "t") => Some('\t'),
                (_, sign) => sign.chars().next(),
            };
            match c {
                Some(c) => out.push(c),
                None => {
                    return self.fail(codes::SYNTAX, &part, "this escape is no character", "");
                }
            }
        }
        Some(out)
    }

    /// A number of the exact kind.
    fn exact(&mut self, pair: &Pair<'_, Rule>) -> Option<Exact> {
        match number::exact(pair.as_str()) {
            Ok(v) => Some(v),
            Err(message) => self.fail(codes::NUMBER, pair, message, "not this number"),
        }
    }

    fn exact_list(&mut self, pair: Pair<'_, Rule>) -> Option<List<Exact>> {
        list::read(self, pair)
    }

    /// `file("path", "tensor")` or numbers.
    fn data<T: Element>(&mut self, pair: Pair<'_, Rule>) -> Option<Data<T>> {
        if pair.as_rule() != Rule::file {
            return list::read(self, pair).map(Data::Inline);
        }
        let mut inner = parts(pair);
        let path = self.name(next(&mut inner))?;
        let tensor = self.name(next(&mut inner))?;
        Some(Data::File { path, tensor })
    }
}
