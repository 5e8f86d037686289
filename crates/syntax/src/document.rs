//! From pieces to a syntax tree of the whole text; goes on behind every mistake.

use crate::ast::{Document, FormatBlock, Network, Notes};
use crate::grammar::{self, Place, Rule, SyntaxError, parts};
use crate::pieces::{End, Piece, cut};
use crate::read::{Reader, format, network, next, require};
use ceg4n_base::{Diagnostic, SourceId, Span, codes};
use std::ops::Range;

/// The version of the language that this crate reads and writes.
pub(crate) const LANGUAGE_VERSION: &str = "1";

/// So often reading resumes in one piece after a forgotten `;`: each time costs its length.
const MAX_RESUMES: usize = 20;

/// In which block a piece stands.
#[derive(Clone, Copy, Debug)]
enum Context {
    Top,
    Network(usize),
    Format(usize),
    /// A block whose head cannot be read.
    Unknown,
}

/// Reads a whole text; `None` if it is in another version of the language.
pub(crate) fn read(source: SourceId, text: &str, errors: &mut Vec<Diagnostic>) -> Option<Document> {
    let (pieces, end_notes) = cut(text);
    let mut assembler = Assembler {
        source,
        text,
        errors,
        document: Document {
            end_notes,
            ..Document::default()
        },
        context: Context::Top,
        opened: 0,
        headers: 0,
        seen_other: false,
        foreign: false,
    };
    for piece in pieces {
        match piece {
            Piece::Close { at } => assembler.close(at),
            Piece::Statement { range, end, notes } => assembler.statement(range, end, notes),
        }
        if assembler.foreign {
            return None;
        }
    }
    assembler.end();
    Some(assembler.document)
}

struct Assembler<'t, 'e> {
    source: SourceId,
    text: &'t str,
    errors: &'e mut Vec<Diagnostic>,
    document: Document,
    context: Context,
    /// Where the open block starts.
    opened: usize,
    headers: usize,
    /// A statement came that is no header.
    seen_other: bool,
    /// The text is in another version of the language.
    foreign: bool,
}

impl Assembler<'_, '_> {
    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.source, range)
    }

    fn close(&mut self, at: usize) {
        if let Context::Top = self.context {
            let d = Diagnostic::error(codes::SYNTAX, "there is no block to close here");
            self.errors
                .push(d.at(Some(self.span(at..at + 1)), "unexpected `}`"));
        }
        self.context = Context::Top;
    }

    fn end(&mut self) {
        let here = self.text.trim_end().len();
        if !matches!(self.context, Context::Top) {
            self.unclosed(here..here, "the text ends here");
        }
        if self.headers == 0 {
            let d = Diagnostic::error(codes::SYNTAX, "the file does not start with `nnir 1;`");
            self.errors.push(
                d.at(Some(self.span(0..0)), "")
                    .help("write `nnir 1;` as the first statement"),
            );
        }
    }

    fn unclosed(&mut self, at: Range<usize>, label: &str) {
        let open = self.opened..self.opened + 1;
        let d = Diagnostic::error(codes::SYNTAX, "expected `}`")
            .at(Some(self.span(at)), label)
            .related(Some(self.span(open)), "this block is not closed");
        self.errors.push(d);
    }

    /// Reads a piece, and what follows in it after a forgotten `;`.
    fn statement(&mut self, mut range: Range<usize>, end: End, mut notes: Notes) {
        for resumes in 0.. {
            let Some(rule) = self.rule_for(&range, end) else {
                return;
            };
            let text = &self.text[range.clone()];
            let place = Place {
                source: self.source,
                base: range.start,
            };
            let error = match grammar::parse(rule, text) {
                Ok(mut pairs) => {
                    let notes = std::mem::take(&mut notes);
                    if self.item(next(&mut pairs), place, notes).is_none() {
                        self.broken(text, end);
                    }
                    return;
                }
                Err(error) => error,
            };
            let resume = forgotten_end(&error, text)
                .filter(|_| resumes < MAX_RESUMES && !matches!(end, End::Quote(_)));
            let Some(resume) = resume else {
                self.errors
                    .push(self.syntax_error(&error, text, place, end));
                return self.broken(text, end);
            };
            let before = text[..error.at].trim_end().len();
            let d = Diagnostic::error(codes::SYNTAX, "expected `;`").at(
                Some(place.span(before..before)),
                "the statement is not ended",
            );
            self.errors.push(d);
            self.broken(&text[..resume], End::Semicolon);
            range.start += resume;
        }
    }

    /// The rule for a piece in this context; a new block inside a block closes that. `None` in a
    /// block whose head cannot be read.
    fn rule_for(&mut self, range: &Range<usize>, end: End) -> Option<Rule> {
        let inside = !matches!(self.context, Context::Top);
        if inside && end == End::Brace {
            let word = range.start..range.start + word_len(&self.text[range.clone()]);
            self.unclosed(word, "before this block");
            self.context = Context::Top;
        }
        match self.context {
            Context::Top => {
                self.opened = range.start;
                Some(Rule::item)
            }
            Context::Network(_) => Some(Rule::network_item),
            Context::Format(_) => Some(Rule::format_item),
            Context::Unknown => None,
        }
    }

    fn syntax_error(&self, error: &SyntaxError, text: &str, place: Place, end: End) -> Diagnostic {
        if let End::Quote(at) = end {
            return Diagnostic::error(codes::SYNTAX, "this quote is not closed")
                .at(Some(self.span(at..at + 1)), "opened here");
        }
        error.diagnostic(text, place)
    }

    fn item(
        &mut self,
        pair: pest::iterators::Pair<'_, Rule>,
        place: Place,
        notes: Notes,
    ) -> Option<()> {
        let reader = &mut Reader {
            place,
            errors: self.errors,
        };
        match self.context {
            Context::Network(i) => {
                let net = &mut self.document.networks[i];
                match network::item(reader, pair, notes)? {
                    network::Item::Value(v) => net.values.push(v),
                    network::Item::Output(name, mut notes) => {
                        net.outputs.push(name);
                        net.output_notes.append(&mut notes);
                    }
                }
            }
            Context::Format(i) => {
                let block = &mut self.document.formats[i];
                match format::item(reader, pair, notes)? {
                    format::Item::Entry(e) => block.entries.push(e),
                    format::Item::Rounding(r, span, mut notes) => {
                        block.roundings.push((r, span));
                        block.notes.append(&mut notes);
                    }
                }
            }
            Context::Top | Context::Unknown => {
                return self.top_item(next(&mut parts(pair)), place, notes);
            }
        }
        Some(())
    }

    fn top_item(
        &mut self,
        pair: pest::iterators::Pair<'_, Rule>,
        place: Place,
        notes: Notes,
    ) -> Option<()> {
        if pair.as_rule() == Rule::header {
            return self.header(pair, place, notes);
        }
        self.seen_other = true;
        let reader = &mut Reader {
            place,
            errors: self.errors,
        };
        match pair.as_rule() {
            Rule::network => {
                let name = reader.network_name(pair)?;
                self.document.networks.push(Network {
                    name: Some(name),
                    notes,
                    ..Network::default()
                });
                self.context = Context::Network(self.document.networks.len() - 1);
            }
            Rule::format_block => {
                let block = format::head(reader, pair, notes)?;
                self.document.formats.push(block);
                self.context = Context::Format(self.document.formats.len() - 1);
            }
            Rule::region => {
                let region = require::region(reader, pair, notes)?;
                self.document.regions.push(region);
            }
            Rule::require => {
                let r = require::require(reader, pair, notes)?;
                self.document.requires.push(r);
            }
            _ => {
                let d = Diagnostic::error(codes::NOT_BUILT, "data sets are not built yet");
                self.errors.push(
                    d.at(Some(place.of(&pair)), "a data set")
                        .help("write the regions as boxes or balls"),
                );
            }
        }
        Some(())
    }

    fn header(
        &mut self,
        pair: pest::iterators::Pair<'_, Rule>,
        place: Place,
        mut notes: Notes,
    ) -> Option<()> {
        let span = place.of(&pair);
        let version = next(&mut parts(pair));
        self.document.header_notes.append(&mut notes);
        self.headers += 1;
        if version.as_str() != LANGUAGE_VERSION {
            self.foreign = true;
            let message = format!(
                "this file is in version {} of the language, this tool reads version {LANGUAGE_VERSION}",
                version.as_str()
            );
            let d = Diagnostic::error(codes::VERSION, message);
            self.errors.push(d.at(Some(place.of(&version)), ""));
        } else if self.headers > 1 || self.seen_other {
            let d = Diagnostic::error(codes::SYNTAX, "`nnir 1;` stands at the start, once");
            self.errors.push(d.at(Some(span), "not here"));
        }
        Some(())
    }

    /// Remembers what a broken statement would have defined, so that its users are not reported.
    fn broken(&mut self, text: &str, end: End) {
        match self.context {
            Context::Network(i) => {
                let net = &mut self.document.networks[i];
                net.broken = true;
                net.broken_names.extend(definitions(text));
            }
            Context::Format(_) | Context::Unknown => {}
            Context::Top => {
                self.document.broken_regions |= text.starts_with("region");
                self.seen_other |= !text.starts_with("nnir");
                self.headers += usize::from(text.starts_with("nnir"));
                if end == End::Brace {
                    self.broken_head(text);
                }
            }
        }
    }

    fn broken_head(&mut self, text: &str) {
        self.context = if text.starts_with("network") {
            self.document.networks.push(Network {
                broken: true,
                ..Network::default()
            });
            Context::Network(self.document.networks.len() - 1)
        } else if text.starts_with("format") {
            self.document.formats.push(FormatBlock::default());
            Context::Format(self.document.formats.len() - 1)
        } else {
            Context::Unknown
        };
    }
}

/// Where the next statement starts if the error is a `;` forgotten before it.
fn forgotten_end(error: &SyntaxError, text: &str) -> Option<usize> {
    let rest = text.get(error.at..)?;
    let before = text[..error.at].trim_end_matches([' ', '\t']);
    let starts = rest.starts_with('%')
        || [
            "output", "rounding", "network", "format", "region", "require",
        ]
        .iter()
        .any(|k| rest.starts_with(k));
    (error.at > 0 && starts && before.ends_with('\n') && error.expected.contains(&"`;`"))
        .then_some(error.at)
}

/// Names that stand before a `=`.
fn definitions(text: &str) -> Vec<String> {
    let Ok(pairs) = grammar::parse(Rule::definitions, text) else {
        return Vec::new();
    };
    let mut ignored = Vec::new();
    let mut reader = Reader {
        place: Place {
            source: SourceId(0),
            base: 0,
        },
        errors: &mut ignored,
    };
    pairs
        .flat_map(|p| p.into_inner())
        .filter(|p| p.as_rule() == Rule::definition)
        .filter_map(|p| Some(reader.name(next(&mut p.into_inner()))?.text))
        .collect()
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len())
}
