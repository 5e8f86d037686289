//! Format blocks: heads and entries.

use super::{Reader, next};
use crate::ast::{Entry, EntryKind, FormatBlock, Notes};
use crate::grammar::{Rule, parts};
use ceg4n_base::suggest;
use ceg4n_base::{Diagnostic, Span, codes};
use ceg4n_ir::{Format, Rounding, TensorFormat};
use pest::iterators::Pair;

/// A statement of a format block.
pub(crate) enum Item {
    Entry(Entry),
    Rounding(Rounding, Span, Notes),
}

/// Reads `format @name vN {`.
pub(crate) fn head(
    reader: &mut Reader<'_>,
    pair: Pair<'_, Rule>,
    notes: Notes,
) -> Option<FormatBlock> {
    let mut inner = parts(pair);
    let network = next(&mut inner);
    if network.as_rule() == Rule::network_hash {
        let message = "formats of a network in another file are not built yet";
        return reader.fail(codes::NOT_BUILT, &network, message, "a network by hash");
    }
    let network = reader.name(network)?;
    let version = next(&mut inner);
    let Ok(number) = version.as_str()[1..].parse() else {
        return reader.fail(codes::NUMBER, &version, "this version is too large", "");
    };
    Some(FormatBlock {
        network: Some(network),
        version: number,
        version_span: Some(reader.span(&version)),
        notes,
        ..FormatBlock::default()
    })
}

/// Reads `format_item`.
pub(crate) fn item(reader: &mut Reader<'_>, pair: Pair<'_, Rule>, notes: Notes) -> Option<Item> {
    let statement = next(&mut parts(pair));
    let span = reader.span(&statement);
    let is_rounding = statement.as_rule() == Rule::rounding;
    let mut inner = parts(statement);
    if is_rounding {
        let name = next(&mut inner);
        return rounding(reader, &name).map(|r| Item::Rounding(r, span, notes));
    }
    let name = reader.name(next(&mut inner))?;
    let annotation = next(&mut inner);
    let kind = match annotation.as_rule() {
        Rule::accumulator => match parts(annotation).next() {
            None => EntryKind::Acc(None),
            Some(width) => EntryKind::Acc(Some(accumulator_width(reader, &width)?)),
        },
        rule => {
            let format = if rule == Rule::channels {
                let list: Option<Vec<Format>> =
                    parts(annotation).map(|p| format(reader, &p)).collect();
                list.map(|l| TensorFormat::Channels(l.into()))
            } else {
                format(reader, &annotation).map(TensorFormat::Tensor)
            };
            let mantissas = match inner.next() {
                Some(pair) => Some(reader.data(next(&mut parts(pair)))?),
                None => None,
            };
            EntryKind::Fixed {
                format: format?,
                mantissas,
            }
        }
    };
    Some(Item::Entry(Entry {
        name,
        kind,
        span,
        notes,
    }))
}

/// A format word; others are explained.
pub(crate) fn format(reader: &mut Reader<'_>, pair: &Pair<'_, Rule>) -> Option<Format> {
    match pair.as_str().parse() {
        Ok(f) => Some(f),
        Err(message) => {
            let d = Diagnostic::error(codes::FORMAT, message)
                .at(Some(reader.span(pair)), "expected a format like s8q6");
            reader.errors.push(if pair.as_str() == "real" {
                d.help("a value without an entry is real: leave it out")
            } else {
                d
            });
            None
        }
    }
}

fn rounding(reader: &mut Reader<'_>, pair: &Pair<'_, Rule>) -> Option<Rounding> {
    let found = Rounding::from_name(pair.as_str());
    if found.is_none() {
        let names: Vec<_> = Rounding::ALL.iter().map(|r| r.name()).collect();
        let message = format!("`{}` is no rounding", pair.as_str());
        let d = Diagnostic::error(codes::SYNTAX, message)
            .at(Some(reader.span(pair)), "expected a rounding like half-up")
            .help(match suggest::nearest(pair.as_str(), names.clone()) {
                Some(n) => format!("did you mean `{n}`?"),
                None => format!("the roundings are {}", names.join(", ")),
            });
        reader.errors.push(d);
    }
    found
}

fn accumulator_width(reader: &mut Reader<'_>, pair: &Pair<'_, Rule>) -> Option<u8> {
    let width = pair.as_str().strip_prefix('s');
    let width = width.and_then(|w| w.parse().ok());
    match width {
        Some(w @ 1..=64) => Some(w),
        _ => reader.fail(
            codes::FORMAT,
            pair,
            format!(
                "`{}` is no accumulator width; write s1 to s64",
                pair.as_str()
            ),
            "expected a width like s18",
        ),
    }
}
