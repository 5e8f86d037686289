//! Which tensors and queries of a module stand in files beside its text, and under which names.

use super::PrintOptions;
use crate::files::{Blob, Blobs, Stored, serialize};
use ceg4n_base::ContentHash;
use ceg4n_import::vnnlib::spec_to_text;
use ceg4n_ir::{
    Annotation, Annotations, Network, Origin, OutputSpec, Property, Requirement, ValueId,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Lists up to this length stay in the text.
const TINY: usize = 16;

/// The versions that are printed.
pub(crate) type Versions<'m> = Vec<&'m Annotations>;

/// A file and a tensor in it.
type Spot = (String, String);

/// Tensors in files.
#[derive(Debug, Default)]
pub(crate) struct Side {
    constants: BTreeMap<ValueId, Spot>,
    mantissas: BTreeMap<(usize, ValueId), Spot>,
    blobs: BTreeMap<String, Blobs>,
    /// New files of queries by what the queries say.
    queries: BTreeMap<ContentHash, String>,
    /// Their texts by file.
    texts: BTreeMap<String, String>,
}

impl Side {
    /// Decides for every constant and every list of mantissas.
    pub(super) fn new(network: &Network, versions: &Versions<'_>, options: &PrintOptions) -> Self {
        let mut side = Self::default();
        let own = side_file(network, options);
        let keeps = |path: &str| {
            let keep = options.keep_files.as_ref();
            keep.is_none_or(|k| k.contains(path))
        };
        let constants = || {
            let ids = network.values().keys();
            ids.filter_map(|id| Some((id, network.constant(id)?)))
        };
        let inline: usize = constants()
            .filter(|(_, c)| c.origin == Origin::Inline)
            .map(|(_, c)| c.data.len())
            .sum();
        for (id, c) in constants() {
            let value = network.value(id);
            let wanted = match &c.origin {
                Origin::File { path, tensor } if keeps(path) => (path.clone(), tensor.clone()),
                Origin::File { .. } => (own.clone(), value.name.clone()),
                Origin::Inline if inline > options.inline_limit && c.data.len() > TINY => {
                    (own.clone(), value.name.clone())
                }
                Origin::Inline => continue,
            };
            let spot = match &c.wide {
                None => side.place(wanted, &value.shape.0, &c.data),
                Some(w) => {
                    let dims: Vec<usize> = std::iter::once(2)
                        .chain(value.shape.0.iter().copied())
                        .collect();
                    side.place(wanted, &dims, &[&w.high[..], &w.low[..]].concat())
                }
            };
            side.constants.insert(id, spot);
        }
        let lists = || {
            versions.iter().enumerate().flat_map(|(i, a)| {
                a.values.iter().filter_map(move |(id, a)| match a {
                    Annotation::Fixed {
                        mantissas: Some(m), ..
                    } => Some((i, *id, m)),
                    Annotation::Fixed { .. } | Annotation::Acc(_) => None,
                })
            })
        };
        let total: usize = lists().map(|(_, _, m)| m.len()).sum();
        for (i, id, m) in lists() {
            let value = network.value(id);
            // Only lists that fit their value are tensors; the checker refuses the others.
            if total > options.inline_limit && m.len() > TINY && m.len() == value.shape.len() {
                let tensor = format!("v{}/{}", versions[i].version, value.name);
                let spot = side.place((own.clone(), tensor), &value.shape.0, m);
                side.mantissas.insert((i, id), spot);
            }
        }
        side
    }

    /// Puts a tensor at the wanted spot, or, where that holds another tensor, beside it.
    fn place<T: Stored>(&mut self, (path, tensor): Spot, dims: &[usize], data: &[T]) -> Spot {
        let blob = Blob::new(dims, data);
        let blobs = self.blobs.entry(path.clone()).or_default();
        let free = |name: &String| blobs.get(name).is_none_or(|b| *b == blob);
        let name = std::iter::once(tensor.clone())
            .chain((2u64..).map(|k| format!("{tensor}.{k}")))
            .find(free)
            .unwrap_or(tensor);
        blobs.insert(name.clone(), blob);
        (path, name)
    }

    /// Gives every query that does not keep its file a new one.
    pub(super) fn add_queries(&mut self, requirements: &[Requirement], options: &PrintOptions) {
        let Some(keep) = &options.keep_files else {
            return;
        };
        for r in requirements {
            let Property::Spec(spec) = &r.property else {
                continue;
            };
            let hash = spec.hash();
            if keep.contains(&spec.path) || self.queries.contains_key(&hash) {
                continue;
            }
            let name = Path::new(&spec.path).file_stem();
            let stem = file_stem(&name.unwrap_or_default().to_string_lossy());
            let mut name = format!("{stem}.vnnlib");
            if options.taken.contains(&name) || self.texts.contains_key(&name) {
                name = format!("{stem}-{}.vnnlib", hash.short());
            }
            self.texts.insert(name.clone(), spec_to_text(spec));
            self.queries.insert(hash, name);
        }
    }

    /// Where a query stands.
    pub(super) fn query<'s>(&'s self, spec: &'s OutputSpec) -> &'s str {
        if self.queries.is_empty() {
            return &spec.path;
        }
        self.queries.get(&spec.hash()).unwrap_or(&spec.path)
    }

    /// The texts of new files of queries.
    pub(crate) fn texts(&self) -> &BTreeMap<String, String> {
        &self.texts
    }

    /// Without the constants.
    pub(super) fn only_versions(mut self) -> Self {
        let needed: Vec<Spot> = self.mantissas.values().cloned().collect();
        self.constants.clear();
        for (path, blobs) in &mut self.blobs {
            blobs.retain(|name, _| needed.iter().any(|(p, t)| p == path && t == name));
        }
        self.blobs.retain(|_, blobs| !blobs.is_empty());
        self
    }

    /// Where a constant stands, if not in the text.
    pub(super) fn constant(&self, id: ValueId) -> Option<(&str, &str)> {
        self.constants.get(&id).map(|(p, t)| (&p[..], &t[..]))
    }

    /// Where the mantissas of a version stand, if not in the text.
    pub(super) fn mantissas(&self, version: usize, id: ValueId) -> Option<(&str, &str)> {
        let spot = self.mantissas.get(&(version, id));
        spot.map(|(p, t)| (&p[..], &t[..]))
    }

    /// The tensors by file.
    pub(crate) fn blobs(&self) -> &BTreeMap<String, Blobs> {
        &self.blobs
    }

    /// The files' bytes.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let tensors = self.blobs.iter().map(|(p, b)| (p.clone(), serialize(b)));
        let texts = self.texts.iter();
        let texts = texts.map(|(p, t)| (p.clone(), t.clone().into_bytes()));
        tensors.chain(texts).collect()
    }
}

/// The file for what moves out of the text.
fn side_file(network: &Network, options: &PrintOptions) -> String {
    if options.side_file.is_empty() {
        format!("{}.safetensors", file_stem(network.name()))
    } else {
        options.side_file.clone()
    }
}

/// A name as a file name.
fn file_stem(name: &str) -> String {
    let safe = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let stem: String = name
        .chars()
        .map(|c| if safe(c) { c } else { '_' })
        .collect();
    if stem.is_empty() {
        "network".to_owned()
    } else {
        stem
    }
}
