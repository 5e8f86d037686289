//! From the syntax tree to a [`Module`]: looks names up and checks what needs the whole text.

mod annotations;
mod network;
mod operators;
mod questions;
mod specs;

pub use operators::{attributes, operators};

use crate::ast::{Data, Document, List, Name, Notes};
use crate::document;
use crate::files::{Cache, Files, Stored};
use ceg4n_base::suggest;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, Location, Sources, codes, elementary};
use ceg4n_ir::{Anchor, Comments, Constant, Module, Origin, Shape, ValueId, Wide};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many diagnostics are returned; the rest is only counted.
const MAX_DIAGNOSTICS: usize = 100;

/// Reads a text. It is added to `sources` under `name`, which messages show; tensors in files
/// and queries in files come from `files`, by paths as the text writes them.
///
/// # Errors
/// Everything that is wrong with the text, in its order: syntax, numbers, names, shapes, formats
/// outside their limits, files, regions without a point, requirements that cannot be asked, and
/// what is wrong with the VNN-LIB files that the text names; their texts are added to `sources`.
/// What only [`ceg4n_ir::check()`] can tell (bias scales, accumulator widths) is left to it.
pub fn parse(
    sources: &mut Sources,
    name: &str,
    text: &str,
    files: &dyn Files,
) -> Result<Module, Diagnostics> {
    let source = sources.add(name, text);
    let mut errors = Vec::new();
    let module = document::read(source, text, &mut errors)
        .and_then(|document| module(document, sources, name, files, &mut errors));
    match module {
        Some(module) if errors.is_empty() => Ok(module),
        _ => Err(sorted(errors)),
    }
}

/// Diagnostics in the order of the text, not too many.
fn sorted(mut errors: Vec<Diagnostic>) -> Diagnostics {
    errors.sort_by_key(|d| match d.location {
        Location::Span(s) => (s.source.0, s.start),
        Location::Place(_) | Location::None => (u32::MAX, u32::MAX),
    });
    if let Some(more) = errors.len().checked_sub(MAX_DIAGNOSTICS).filter(|m| *m > 0) {
        errors.truncate(MAX_DIAGNOSTICS);
        let message = format!("{more} more errors are not shown");
        errors.push(Diagnostic::error(codes::SYNTAX, message));
    }
    Diagnostics(errors)
}

/// What is known of the network's values while the rest is checked.
#[derive(Debug, Default)]
struct Known {
    values: BTreeMap<String, (ValueId, Shape)>,
    /// Names of broken statements: they exist, nothing else is known.
    broken: BTreeSet<String>,
    /// The network is missing or its head broken: every name may exist.
    open: bool,
    inputs: Option<usize>,
    outputs: Option<usize>,
}

impl Known {
    /// A value by name; `Err` if nothing can be said of it because something else is broken.
    fn find(&self, name: &str) -> Result<Option<&(ValueId, Shape)>, ()> {
        match self.values.get(name) {
            None if self.open || self.broken.contains(name) => Err(()),
            found => Ok(found),
        }
    }
}

fn module(
    document: Document,
    sources: &mut Sources,
    text_name: &str,
    files: &dyn Files,
    errors: &mut Vec<Diagnostic>,
) -> Option<Module> {
    let mut cache = Cache::new(files);
    let mut comments = Comments::new();
    comment(&mut comments, Anchor::Header, document.header_notes);
    comment(&mut comments, Anchor::End, document.end_notes);

    let mut networks = document.networks.into_iter();
    let first = networks.next();
    for second in networks {
        let d = Diagnostic::error(codes::STRUCTURE, "a file has one network");
        errors.push(d.at(second.name.map(|n| n.span), "a second network"));
    }
    if first.is_none() && errors.is_empty() {
        let d = Diagnostic::error(codes::STRUCTURE, "the file has no network");
        errors.push(d.help("write network @name { … }"));
    }
    let name = first.as_ref().and_then(|n| n.name.clone());
    let (network, known) = match first {
        Some(ast) => network::resolve(ast, &mut cache, &mut comments, errors),
        None => (
            None,
            Known {
                open: true,
                ..Known::default()
            },
        ),
    };
    let versions = annotations::resolve(
        document.formats,
        name.as_ref(),
        &known,
        &mut cache,
        &mut comments,
        errors,
    );
    let mut regions = questions::regions(document.regions, &known, &mut comments, errors);
    let requirements = questions::requirements(
        document.requires,
        (&mut regions, document.broken_regions),
        &known,
        &mut specs::Specs::new(sources, text_name, files),
        &mut comments,
        errors,
    );
    Some(Module {
        network: Arc::new(network?),
        versions,
        regions,
        requirements,
        comments,
    })
}

fn comment(comments: &mut Comments, anchor: Anchor, notes: Notes) {
    if !notes.is_empty() {
        comments.entry(anchor).or_default().extend(notes);
    }
}

/// An error about a name that is not defined, with the nearest one that is.
fn unknown<'c>(
    what: &str,
    name: &Name,
    sigil: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Diagnostic {
    let d = Diagnostic::error(
        codes::UNKNOWN_NAME,
        format!("there is no {what} {sigil}{}", name.text),
    )
    .at(Some(name.span), "not defined");
    match suggest::nearest(&name.text, candidates) {
        Some(near) => d.help(format!("did you mean {sigil}{near}?")),
        None => d,
    }
}

/// The numbers of a tensor and its shape, which is the declared one where there is one.
fn numbers<T: Stored>(
    data: Data<T>,
    declared: Option<&Shape>,
    what: &str,
    span: ceg4n_base::Span,
    cache: &mut Cache<'_>,
) -> Result<(Shape, Vec<T>), Diagnostic> {
    match data {
        Data::Inline(list) => inline(list, declared, what, span),
        Data::File { path, tensor } => stored(&path, &tensor, declared, what, span, cache),
    }
}

/// A constant beyond float32. In a file it is a float64 tensor with one dimension more, of extent
/// 2: the nearest float64 numbers, then the rests.
fn wide_numbers(
    data: Data<Exact>,
    declared: Option<&Shape>,
    what: &str,
    span: ceg4n_base::Span,
    cache: &mut Cache<'_>,
    enclosed: bool,
) -> Result<(Shape, Constant), Diagnostic> {
    let unfit = |message: String| Diagnostic::error(codes::NUMBER, message).at(Some(span), "");
    let (shape, high, low, origin) = match data {
        Data::Inline(list) => {
            let place = list.span;
            let (shape, values) = inline(list, declared, what, span)?;
            let parts: Option<Vec<(f64, f64)>> = values.iter().map(two_floats).collect();
            let Some(parts) = parts else {
                let message = format!("{what} holds a number that is no sum of two float64");
                return Err(Diagnostic::error(codes::NUMBER, message)
                    .at(Some(place), "")
                    .help("write it as a decimal or hex float of at most 106 bits"));
            };
            let (high, low): (Vec<f64>, Vec<f64>) = parts.into_iter().unzip();
            (shape, high, low, Origin::Inline)
        }
        Data::File { path, tensor } => {
            let both =
                declared.map(|s| Shape(std::iter::once(2).chain(s.0.iter().copied()).collect()));
            let (shape, mut high) =
                stored::<f64>(&path, &tensor, both.as_ref(), what, span, cache)?;
            if shape.0.first() != Some(&2) {
                return Err(unfit(format!(
                    "{what}: the first dimension of \"{}\" is not 2",
                    tensor.text
                )));
            }
            let low = high.split_off(high.len() / 2);
            let origin = Origin::File {
                path: path.text.clone(),
                tensor: tensor.text.clone(),
            };
            (Shape(shape.0[1..].to_vec()), high, low, origin)
        }
    };
    let wide = Wide {
        high: high.into(),
        low: low.into(),
        enclosed,
    };
    match Constant::wide(wide) {
        Some(constant) => Ok((shape, Constant { origin, ..constant })),
        None => Err(unfit(format!(
            "{what} holds a number beyond the float32 range"
        ))),
    }
}

/// A number as the nearest float64 and the rest, if that is another one.
fn two_floats(v: &Exact) -> Option<(f64, f64)> {
    let (high, low) = elementary::split(v)?;
    let sum = &Exact::from_f64(high)? + &Exact::from_f64(low)?;
    (sum == *v).then_some((high, low))
}

fn inline<T>(
    list: List<T>,
    declared: Option<&Shape>,
    what: &str,
    span: ceg4n_base::Span,
) -> Result<(Shape, Vec<T>), Diagnostic> {
    let own = Shape(list.dims);
    // Lists nest to four levels; tensors beyond are written flat.
    let flat =
        |s: &Shape| s.0.len() > 4 && own.0.len() == 1 && s.checked_len() == Some(list.data.len());
    match declared {
        Some(s) if *s != own && !flat(s) => Err(Diagnostic::error(
            codes::SHAPE,
            format!("{what} is tensor<{s}> but its numbers are tensor<{own}>"),
        )
        .at(Some(span), "")
        .related(Some(list.span), format!("tensor<{own}>"))),
        Some(s) => Ok((s.clone(), list.data)),
        None => Ok((own, list.data)),
    }
}

fn stored<T: Stored>(
    path: &Name,
    tensor: &Name,
    declared: Option<&Shape>,
    what: &str,
    span: ceg4n_base::Span,
    cache: &mut Cache<'_>,
) -> Result<(Shape, Vec<T>), Diagnostic> {
    let read = cache
        .tensor::<T>(&path.text, &tensor.text)
        .map_err(|message| {
            Diagnostic::error(codes::FILE_READ, message).at(Some(path.span), "this file")
        })?;
    let own = Shape(read.dims);
    match declared {
        Some(s) if *s != own => Err(Diagnostic::error(
            codes::SHAPE,
            format!(
                "{what} is tensor<{s}> but \"{}\" in {} is tensor<{own}>",
                tensor.text, path.text
            ),
        )
        .at(Some(span), "")),
        _ => Ok((own, read.data)),
    }
}
