//! Format blocks: versions of annotations.

use super::{Known, comment, numbers, unknown};
use crate::ast::{Entry, EntryKind, FormatBlock, Name};
use crate::files::Cache;
use ceg4n_base::{Diagnostic, Span, codes};
use ceg4n_ir::{AccAnnotation, Anchor, Annotation, Annotations, Comments};
use std::collections::BTreeMap;

/// Reads every block. `network` is the name of the file's network.
pub(super) fn resolve(
    blocks: Vec<FormatBlock>,
    network: Option<&Name>,
    known: &Known,
    cache: &mut Cache<'_>,
    comments: &mut Comments,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Annotations> {
    let mut seen: BTreeMap<u32, Span> = BTreeMap::new();
    let mut versions = Vec::new();
    for (i, block) in blocks.into_iter().enumerate() {
        comment(comments, Anchor::Format(i), block.notes);
        if let (Some(name), Some(net)) = (&block.network, network)
            && name.text != net.text
        {
            errors.push(unknown("network", name, "@", [net.text.as_str()]));
        }
        if let Some(span) = block.version_span
            && let Some(first) = seen.insert(block.version, span)
        {
            let message = format!("version v{} is defined twice", block.version);
            errors.push(
                Diagnostic::error(codes::DUPLICATE_NAME, message)
                    .at(Some(span), "second definition")
                    .related(Some(first), "first definition"),
            );
        }
        if let [(_, first), .., (_, second)] = &block.roundings[..] {
            let d = Diagnostic::error(codes::DUPLICATE_NAME, "a version has one rounding");
            errors.push(
                d.at(Some(*second), "second rounding")
                    .related(Some(*first), "first rounding"),
            );
        }
        let mut annotations = Annotations {
            version: block.version,
            rounding: block.roundings.first().map(|r| r.0).unwrap_or_default(),
            ..Annotations::default()
        };
        for mut e in block.entries {
            let notes = std::mem::take(&mut e.notes);
            if let Some(id) = entry(e, &mut annotations, known, cache, errors) {
                comment(comments, Anchor::FormatEntry(i, id), notes);
            }
        }
        versions.push(annotations);
    }
    versions
}

fn entry(
    entry: Entry,
    annotations: &mut Annotations,
    known: &Known,
    cache: &mut Cache<'_>,
    errors: &mut Vec<Diagnostic>,
) -> Option<ceg4n_ir::ValueId> {
    let (id, shape) = match known.find(&entry.name.text) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let names = known.values.keys().map(String::as_str);
            errors.push(unknown("value", &entry.name, "%", names));
            return None;
        }
        Err(()) => return None,
    };
    let name = &entry.name.text;
    if let Some(first) = annotations.spans.get(id) {
        let d = Diagnostic::error(
            codes::DUPLICATE_NAME,
            format!("%{name} has a format already"),
        );
        errors.push(
            d.at(Some(entry.name.span), "second entry")
                .related(Some(*first), "first entry"),
        );
        return None;
    }
    let mut span = entry.span;
    let annotation = match entry.kind {
        EntryKind::Acc(width) => Annotation::Acc(AccAnnotation { width }),
        EntryKind::Fixed { format, mantissas } => {
            let mantissas = match mantissas {
                None => None,
                Some(data) => {
                    span = entry.name.span;
                    let what = format!("%{name}");
                    match numbers(data, Some(shape), &what, span, cache) {
                        Ok((_, list)) => Some(list.into()),
                        Err(mut d) => {
                            if d.code == codes::SHAPE {
                                d.code = codes::MANTISSAS;
                            }
                            errors.push(d);
                            return None;
                        }
                    }
                }
            };
            Annotation::Fixed { format, mantissas }
        }
    };
    annotations.values.insert(*id, annotation);
    annotations.spans.insert(*id, span);
    Some(*id)
}
