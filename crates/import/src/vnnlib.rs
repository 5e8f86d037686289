//! VNN-LIB 1 queries: boxes of inputs, and what must not happen to the outputs there.
//!
//! A query asks for a point that satisfies it; the property holds if there is none. It may declare
//! `X_i` and `Y_j`, bound single inputs and compare linear terms of outputs, joined by `and` and
//! `or`. Numbers are exact decimals. Multiplied out it is a disjunction of cases, each a box and a
//! conjunction of [`OutputConstraint`]s. Comparisons between inputs, or of inputs with outputs,
//! are refused.
//!
//! [`OutputConstraint`]: ceg4n_ir::OutputConstraint

pub(crate) mod cases;
pub(crate) mod grammar;
pub(crate) mod linear;
pub(crate) mod read;
mod write;

use crate::file;
use cases::Part;
use ceg4n_base::{Diagnostic, Diagnostics, SourceId, Sources, Span, codes};
use ceg4n_ir::{OutputSpec, Region, Selection};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
pub use write::spec_to_text;

/// A query as it was read.
#[derive(Clone, Debug)]
pub struct Query {
    source: SourceId,
    declared: Declared,
    /// Some assertion is about inputs.
    bounds_inputs: bool,
    /// Some assertion is about outputs.
    constrains_outputs: bool,
    /// Boxes that differ.
    parts: Vec<Part>,
}

/// Where variables are declared, by index.
#[derive(Clone, Debug, Default)]
struct Declared {
    inputs: Vec<Span>,
    outputs: Vec<Span>,
}

/// Reads the text of a query. It is added to `sources` under `name`, which messages show.
///
/// # Errors
/// [`codes::SYNTAX`], [`codes::NUMBER`], [`codes::UNKNOWN_NAME`] and [`codes::DUPLICATE_NAME`] for
/// a text that is no VNN-LIB 1, [`codes::QUERY`] for a query beyond what the IR can say,
/// [`codes::REGION`] if no box has a point; [`codes::QUERY`] also for VNN-LIB 2
/// ([`crate::vnnlib2`]).
pub fn query(sources: &mut Sources, name: &str, text: &str) -> Result<Query, Diagnostics> {
    let source = sources.add(name, text);
    read::query(source, text)
}

/// Reads a query from a file, which may be packed (`.gz`).
///
/// # Errors
/// [`codes::FILE_READ`], or as [`query`].
pub fn query_from_file(sources: &mut Sources, path: &Path) -> Result<Query, Diagnostics> {
    let text = file::text(path)?;
    query(sources, &path.display().to_string(), &text)
}

/// The id of a file's region: its name without folder and extensions.
pub fn stem(path: &Path) -> String {
    let name = file::plain_name(path);
    let stem = Path::new(&name).file_stem();
    stem.map_or_else(String::new, |s| s.to_string_lossy().into_owned())
}

impl Query {
    /// Declared inputs.
    pub fn inputs(&self) -> usize {
        self.declared.inputs.len()
    }

    /// Declared outputs.
    pub fn outputs(&self) -> usize {
        self.declared.outputs.len()
    }

    /// True if the query bounds inputs, so that [`Self::regions`] are its own.
    pub fn has_box(&self) -> bool {
        self.bounds_inputs
    }

    /// The boxes as regions: `stem`, or `stem.1`, `stem.2`, … if there are several.
    ///
    /// # Errors
    /// [`codes::REGION`] if an input has no lower or no upper bound, or none is declared.
    pub fn regions(&self, stem: &str) -> Result<Vec<Region>, Diagnostic> {
        if self.inputs() == 0 {
            let d = Diagnostic::error(codes::REGION, "the query declares no input");
            let start = Span::new(self.source, 0..0);
            return Err(d.at(Some(start), "no X_0 is declared"));
        }
        let region = |(k, part): (usize, &Part)| -> Result<Region, Diagnostic> {
            let bounds = part.lower.iter().zip(&part.upper);
            let mut region = Region {
                id: self.id(stem, k),
                lower: Vec::with_capacity(self.inputs()),
                upper: Vec::with_capacity(self.inputs()),
                center: None,
                ball_size: None,
                span: None,
            };
            for (i, (l, u)) in bounds.enumerate() {
                let (Some(l), Some(u)) = (l, u) else {
                    return Err(self.unbounded(i, l.is_none()));
                };
                region.lower.push(l.clone());
                region.upper.push(u.clone());
            }
            Ok(region)
        };
        self.parts.iter().enumerate().map(region).collect()
    }

    /// The id of a box.
    fn id(&self, stem: &str, k: usize) -> String {
        match self.parts.len() {
            1 => stem.to_owned(),
            _ => format!("{stem}.{}", k + 1),
        }
    }

    fn unbounded(&self, i: usize, below: bool) -> Diagnostic {
        let side = if below { "lower" } else { "upper" };
        Diagnostic::error(codes::REGION, format!("X_{i} has no {side} bound"))
            .at(self.declared.inputs.get(i).copied(), "declared here")
    }

    /// What must not happen on a region: if it is one that [`Self::regions`] makes of the file at
    /// `path`, by id and bounds, the cases of that box, else all cases. Boxes may overlap: a region
    /// that only happens to have the bounds of one box may lie in others too.
    pub fn spec(&self, path: &str, region: Option<&Region>) -> OutputSpec {
        let stem = stem(Path::new(path));
        let own = region.and_then(|r| {
            let mut parts = self.parts.iter().enumerate();
            parts.find(|(k, p)| self.id(&stem, *k) == r.id && p.is_box_of(r))
        });
        let parts = own.map_or(&self.parts[..], |(_, p)| std::slice::from_ref(p));
        let of = |cases| OutputSpec {
            path: path.to_owned(),
            outputs: self.outputs(),
            cases,
        };
        // Boxes often share their cases.
        let mut seen = BTreeSet::new();
        let cases = parts.iter().flat_map(|p| &p.cases);
        of(cases
            .filter(|case| seen.insert(of(vec![(*case).clone()]).hash()))
            .cloned()
            .collect())
    }

    /// The query as requirements on the selected ones of `regions`: one, or, where its boxes have
    /// different cases, one for each.
    pub fn on_regions(
        &self,
        path: &str,
        selection: &Selection,
        regions: &[Region],
    ) -> Vec<(Arc<OutputSpec>, Selection)> {
        let whole = self.spec(path, None);
        let mut found: Vec<(OutputSpec, Vec<String>)> = Vec::new();
        let chosen = |r: &&Region| match selection {
            Selection::All => true,
            Selection::Ids(ids) => ids.contains(&r.id),
        };
        for r in regions.iter().filter(chosen) {
            let spec = self.spec(path, Some(r));
            match found.iter_mut().find(|(s, _)| *s == spec) {
                Some((_, ids)) => ids.push(r.id.clone()),
                None => found.push((spec, vec![r.id.clone()])),
            }
        }
        if let [(only, _)] = &found[..] {
            return vec![(Arc::new(only.clone()), selection.clone())];
        }
        if found.is_empty() {
            return vec![(Arc::new(whole), selection.clone())];
        }
        let list = found.into_iter();
        list.map(|(s, ids)| (Arc::new(s), Selection::Ids(ids)))
            .collect()
    }

    /// Refuses a query that cannot be asked of outputs of a network of this size. A query without
    /// inputs fits every input.
    ///
    /// # Errors
    /// [`codes::REQUIREMENT`].
    pub fn check(&self, inputs: usize, outputs: usize) -> Result<(), Diagnostic> {
        let fail = |message: String, at: Option<&Span>, label: &str| {
            let start = Span::new(self.source, 0..0);
            let d = Diagnostic::error(codes::REQUIREMENT, message);
            Err(d.at(Some(at.copied().unwrap_or(start)), label))
        };
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        if !self.constrains_outputs {
            let message = "the query says nothing about outputs".to_owned();
            return fail(message, None, "no comparison of outputs");
        }
        if self.parts.is_empty() {
            let message = "no case of the query can be satisfied".to_owned();
            return fail(message, None, "it asks for nothing");
        }
        let both = [
            (self.inputs(), inputs, "input", &self.declared.inputs),
            (self.outputs(), outputs, "output", &self.declared.outputs),
        ];
        for (own, network, what, spans) in both {
            if own != network && !(what == "input" && own == 0) {
                let own = count(own, what);
                let message = format!("the query has {own}, the network {network}");
                return fail(message, spans.last(), "the last one declared");
            }
        }
        Ok(())
    }
}

impl Part {
    fn is_box_of(&self, r: &Region) -> bool {
        let same = |own: &[Option<ceg4n_base::Exact>], bounds: &[ceg4n_base::Exact]| {
            own.len() == bounds.len() && own.iter().zip(bounds).all(|(o, b)| o.as_ref() == Some(b))
        };
        same(&self.lower, &r.lower) && same(&self.upper, &r.upper)
    }
}

#[cfg(test)]
mod tests;
