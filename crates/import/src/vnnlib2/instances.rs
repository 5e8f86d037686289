//! Lists of instances, as the competition of verifiers writes them: a line per query,
//! `net.onnx,query.vnnlib,seconds` or `"[('f', 'a.onnx'), ('g', 'b.onnx')]",query.vnnlib,seconds`.

use crate::file;
use crate::vnnlib::read::sorted;
use ceg4n_base::{Diagnostic, Diagnostics, SourceId, Sources, Span, codes};
use std::path::{Path, PathBuf};

/// A query about networks, with the seconds that it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Where it stands in the list, from 1.
    pub line: u64,
    /// Files, relative to the list, with the names that the query gives to networks; `None` for
    /// the only one.
    pub networks: Vec<(Option<String>, PathBuf)>,
    /// The query's file, relative to the list.
    pub query: PathBuf,
    /// The limit.
    pub seconds: f64,
}

/// Reads the text of a list. It is added to `sources` under `name`, which messages show.
///
/// # Errors
/// [`codes::SYNTAX`] for a line that is none, as many at once as there are.
pub fn instances(
    sources: &mut Sources,
    name: &str,
    text: &str,
) -> Result<Vec<Instance>, Diagnostics> {
    let source = sources.add(name, text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let (mut list, mut errors) = (Vec::new(), Diagnostics::default());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                let d = Diagnostic::error(codes::SYNTAX, format!("no line of a list: {e}"));
                errors.push(d.at(e.position().map(|p| at(source, text, p)), ""));
                break;
            }
        };
        let place = record.position().map(|p| at(source, text, p));
        match instance(&record) {
            Ok(instance) => list.push(Instance {
                line: place.map_or(0, |p| line_of(text, p)),
                ..instance
            }),
            Err(what) => {
                let d = Diagnostic::error(codes::SYNTAX, format!("expected {what}"));
                errors.push(d.at(place, "in this line"));
            }
        }
    }
    if list.is_empty() && errors.0.is_empty() {
        let d = Diagnostic::error(codes::SYNTAX, "the list has no instance");
        errors.push(d.at(Some(Span::new(source, 0..0)), ""));
    }
    if errors.0.is_empty() {
        Ok(list)
    } else {
        Err(sorted(errors.0))
    }
}

/// Reads a list from a file, which may be packed (`.gz`).
///
/// # Errors
/// [`codes::FILE_READ`], or as [`instances`].
pub fn instances_from_file(
    sources: &mut Sources,
    path: &Path,
) -> Result<Vec<Instance>, Diagnostics> {
    let text = file::text(path)?;
    instances(sources, &path.display().to_string(), &text)
}

fn at(source: SourceId, text: &str, p: &csv::Position) -> Span {
    let start = usize::try_from(p.byte()).map_or(text.len(), |b| b.min(text.len()));
    let rest = text.get(start..).unwrap_or("");
    let skipped = rest.len() - rest.trim_start().len();
    let line = rest.trim_start().lines().next().unwrap_or("");
    Span::new(source, start + skipped..start + skipped + line.len())
}

/// The line that a span starts in, from 1.
fn line_of(text: &str, span: Span) -> u64 {
    let before = text.get(..span.start as usize).unwrap_or("");
    before.bytes().filter(|b| *b == b'\n').count() as u64 + 1
}

fn instance(record: &csv::StringRecord) -> Result<Instance, &'static str> {
    let fields: Vec<&str> = record.iter().collect();
    let [networks, query, seconds] = fields[..] else {
        return Err("three fields: network, query and seconds");
    };
    let seconds: f64 = seconds.parse().unwrap_or(-1.0);
    if !(seconds > 0.0 && seconds.is_finite()) {
        return Err("a positive number of seconds in the last field");
    }
    if query.is_empty() {
        return Err("the path of a query in the second field");
    }
    let networks = match networks.starts_with('[') {
        true => {
            let what = "a list like [('f', 'a.onnx'), ('g', 'b.onnx')] in the first field";
            pairs(networks).ok_or(what)?
        }
        false if networks.is_empty() => return Err("the path of a network in the first field"),
        false => vec![(None, networks.into())],
    };
    Ok(Instance {
        line: 0,
        networks,
        query: query.into(),
        seconds,
    })
}

/// `[('f', 'path'), …]`; `None` for anything else.
fn pairs(text: &str) -> Option<Vec<(Option<String>, PathBuf)>> {
    let mut rest = skip(text, "[")?;
    let mut list = Vec::new();
    loop {
        rest = skip(rest, "(")?;
        let (name, after) = quoted(rest)?;
        let (path, after) = quoted(skip(after, ",")?)?;
        list.push((Some(name.to_owned()), PathBuf::from(path)));
        rest = skip(after, ")")?;
        // One may follow the last pair.
        rest = skip(rest, ",").unwrap_or(rest);
        if let Some(end) = skip(rest, "]") {
            return end.trim().is_empty().then_some(list);
        }
    }
}

fn skip<'t>(text: &'t str, token: &str) -> Option<&'t str> {
    text.trim_start().strip_prefix(token)
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}
