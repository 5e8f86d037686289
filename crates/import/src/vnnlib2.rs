//! VNN-LIB 2.0 queries: typed tensors of one or several networks, and assertions about them.
//!
//! A query asks for an assignment that satisfies its assertions; `unsat` means that what it
//! forbids happens nowhere. The text becomes declarations and a formula over single elements
//! (this module), whose exact value at an assignment anyone can ask ([`Query::holds`]). What is
//! decided is narrower ([`Query::problem`]): all networks take the same inputs from boxes, and
//! comparisons are linear and speak of inputs or of outputs. Numbers are exact decimals.

mod declare;
mod formula;
mod grammar;
mod instances;
mod model;
mod problem;
mod read;
#[cfg(test)]
mod tests;

pub use declare::{ElementType, NetworkDeclaration, Relation, Tensor};
pub use instances::{Instance, instances, instances_from_file};
pub use model::{Port, Signature, bytes_of, stem_of, tensor_proto};
pub use problem::Problem;

use crate::file;
use ceg4n_base::{Diagnostics, Exact, Sources};
use formula::Formula;
use std::path::Path;

/// A query as it was read.
#[derive(Clone, Debug)]
pub struct Query {
    /// The networks, in the order of the text.
    networks: Vec<NetworkDeclaration>,
    /// What must hold, all of it.
    assertions: Vec<Formula>,
}

/// True if a text is a query of version 2, as far as its first command tells.
pub fn is_version_2(text: &str) -> bool {
    let mut lines = text.lines().map(|l| l.split(';').next().unwrap_or(""));
    let first = lines.find(|l| !l.trim().is_empty()).unwrap_or("");
    let word = first.trim().trim_start_matches('(').trim_start();
    ["vnnlib-version", "declare-network"]
        .iter()
        .any(|k| word.starts_with(k))
        || (first.trim() == "(" && text.contains("declare-network"))
}

/// Reads the text of a query. It is added to `sources` under `name`, which messages show.
///
/// # Errors
/// [`codes::SYNTAX`], [`codes::NUMBER`], [`codes::UNKNOWN_NAME`], [`codes::DUPLICATE_NAME`],
/// [`codes::VERSION`] and [`codes::SHAPE`] for a text that is no VNN-LIB 2.0; [`codes::QUERY`] for
/// products of variables and for sizes beyond any network.
///
/// [`codes::SYNTAX`]: ceg4n_base::codes::SYNTAX
/// [`codes::NUMBER`]: ceg4n_base::codes::NUMBER
/// [`codes::UNKNOWN_NAME`]: ceg4n_base::codes::UNKNOWN_NAME
/// [`codes::DUPLICATE_NAME`]: ceg4n_base::codes::DUPLICATE_NAME
/// [`codes::VERSION`]: ceg4n_base::codes::VERSION
/// [`codes::SHAPE`]: ceg4n_base::codes::SHAPE
/// [`codes::QUERY`]: ceg4n_base::codes::QUERY
pub fn query(sources: &mut Sources, name: &str, text: &str) -> Result<Query, Diagnostics> {
    let source = sources.add(name, text);
    read::query(source, text)
}

/// Reads a query from a file, which may be packed (`.gz`).
///
/// # Errors
/// [`ceg4n_base::codes::FILE_READ`], or as [`query`].
pub fn query_from_file(sources: &mut Sources, path: &Path) -> Result<Query, Diagnostics> {
    let text = file::text(path)?;
    query(sources, &path.display().to_string(), &text)
}

/// The text of a file, unpacked where its name ends in `.gz`: to see which version it is in.
///
/// # Errors
/// [`ceg4n_base::codes::FILE_READ`].
pub fn text_of(path: &Path) -> Result<String, Diagnostics> {
    Ok(file::text(path)?)
}

impl Query {
    /// The networks, in the order of the text.
    pub fn networks(&self) -> &[NetworkDeclaration] {
        &self.networks
    }

    /// All tensors in the order of their declaration, with the index of their network.
    pub fn tensors(&self) -> impl Iterator<Item = (usize, &Tensor)> {
        let networks = self.networks.iter().enumerate();
        networks.flat_map(|(k, n)| n.tensors().map(move |t| (k, t)))
    }

    /// True if an assignment satisfies every assertion, exactly. `values` has the elements of all
    /// [`Self::tensors`] in order, row-major; one that is missing satisfies nothing.
    pub fn holds(&self, values: &[Exact]) -> bool {
        self.assertions.iter().all(|f| f.holds(values))
    }
}
