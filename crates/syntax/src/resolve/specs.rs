//! The VNN-LIB files that requirements name.

use super::Known;
use crate::ast::Name;
use crate::files::Files;
use ceg4n_base::{Diagnostic, Diagnostics, Sources, codes};
use ceg4n_import::vnnlib::{self, Query};
use ceg4n_ir::Region;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// Reads queries, each once.
pub(super) struct Specs<'a> {
    sources: &'a mut Sources,
    /// The name of the text that refers to them.
    text_name: &'a str,
    files: &'a dyn Files,
    /// `None` for a file with errors.
    read: BTreeMap<String, Option<Rc<Query>>>,
}

impl<'a> Specs<'a> {
    pub(super) fn new(sources: &'a mut Sources, text_name: &'a str, files: &'a dyn Files) -> Self {
        Self {
            sources,
            text_name,
            files,
            read: BTreeMap::new(),
        }
    }

    /// The query at a path, if it can be read and asked of the network.
    pub(super) fn query(
        &mut self,
        path: &Name,
        known: &Known,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<Rc<Query>> {
        if let Some(found) = self.read.get(&path.text) {
            return found.clone();
        }
        let query = self.load(&path.text).and_then(|query| {
            if let (Some(inputs), Some(outputs)) = (known.inputs, known.outputs) {
                query.check(inputs, outputs)?;
            }
            Ok(Rc::new(query))
        });
        let query = query.map_err(|e| {
            errors.extend(e.0.into_iter().map(|d| asked_for(d, path)));
        });
        self.read.insert(path.text.clone(), query.clone().ok());
        query.ok()
    }

    fn load(&mut self, path: &str) -> Result<Query, Diagnostics> {
        let text = self
            .files
            .read(path)
            .and_then(|bytes| ceg4n_import::unpacked(path, bytes))
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".into()))
            .map_err(|e| Diagnostic::error(codes::FILE_READ, format!("cannot read {path}: {e}")))?;
        let name = Path::new(self.text_name).with_file_name(path);
        vnnlib::query(self.sources, &name.display().to_string(), &text)
    }
}

/// The error of a file, with the place that names the file.
fn asked_for(d: Diagnostic, path: &Name) -> Diagnostic {
    match d.location {
        ceg4n_base::Location::Span(_) => d.related(Some(path.span), "asked for here"),
        _ => d.at(Some(path.span), "this file"),
    }
}

/// Adds the boxes of a query to the regions; their ids.
pub(super) fn boxes(
    query: &Query,
    path: &Name,
    regions: &mut Vec<Region>,
    errors: &mut Vec<Diagnostic>,
) -> Vec<String> {
    let list = match query.regions(&vnnlib::stem(Path::new(&path.text))) {
        Ok(list) => list,
        Err(d) => {
            errors.push(asked_for(d, path));
            return Vec::new();
        }
    };
    let mut ids = Vec::new();
    for region in list {
        ids.push(region.id.clone());
        match regions.iter().find(|r| r.id == region.id) {
            // Named twice, or the same box in two files.
            Some(r) if r.hash() == region.hash() => {}
            Some(_) => {
                let message = format!("region \"{}\" comes from two files", region.id);
                let d = Diagnostic::error(codes::DUPLICATE_NAME, message);
                errors.push(
                    d.at(Some(path.span), "the second one")
                        .help("write the regions into this file"),
                );
            }
            None => regions.push(region),
        }
    }
    ids
}
