//! ONNX models to networks.
//!
//! The file is decoded (`proto`; data in other files: `external`), its end is found (`ending`), its
//! graph is put in order and every unsupported operator is found (`graph`, `operators`,
//! `unsupported`), then the nodes are translated (`lower`, `nodes`): `layers` with weights and
//! `matrices`, `windows`, `elementwise`, `moves`, `quantized` models with constants of `integers`,
//! and the `folding` of constants. Tensors of
//! the IR have no batch dimension: a leading dimension of one, or a symbolic one, is stripped.
//! Weights stay exactly what they are, and `arithmetic` on constants is exact (`alpha`, `beta`,
//! scales); what is no sum of two float64 (batch normalizations) is enclosed.

mod arithmetic;
mod attribute;
mod declared;
mod elementwise;
mod ending;
mod external;
mod folding;
mod graph;
mod integers;
mod layers;
mod lower;
mod matrices;
mod moves;
mod nodes;
mod notes;
mod operators;
pub mod proto;
mod quantized;
mod tensor;
mod unsupported;
mod windows;

#[cfg(test)]
mod tests;

use ceg4n_base::codes::{self, Code};
use ceg4n_base::suggest::missing_file;
use ceg4n_base::{Diagnostic, Diagnostics};
use ceg4n_ir::Network;
use external::Store;
use prost::Message;
use proto::{ModelProto, NodeProto};
use std::path::Path;

/// The operator set versions in which the imported operators mean what they are taken for.
pub const OPSETS: (u32, u32) = (8, 28);

/// The names of the operators of the standard domain that are imported, sorted.
pub fn operators() -> impl Iterator<Item = &'static str> {
    let standard = |(domain, name, ..): &(_, &'static str, _, _)| {
        (*domain == operators::STANDARD).then_some(*name)
    };
    operators::OpKind::ALL.iter().filter_map(standard)
}

/// What an ONNX model becomes.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network; its values are named as in the model.
    pub network: Network,
    /// Notes and warnings: what was left out or looks odd.
    pub notes: Vec<Diagnostic>,
}

/// Reads an ONNX model; `name` becomes the network's name and stands in the messages.
///
/// # Errors
/// [`codes::ONNX_READ`] for what is no complete model, [`codes::ONNX_UNSUPPORTED`] for every
/// operator that cannot be imported, [`codes::ONNX_DTYPE`] for types that are not supported,
/// [`codes::ONNX_GRAPH`] for an inconsistent graph; as many at once as can be told apart.
pub fn import_onnx(bytes: &[u8], name: &str) -> Result<Imported, Diagnostics> {
    import(bytes, name, &Store::below(None), &Place(name.to_owned()))
}

/// Reads an ONNX file; the network is named after it.
///
/// # Errors
/// [`codes::FILE_READ`], or as [`import_onnx`].
pub fn import_onnx_file(path: impl AsRef<Path>) -> Result<Imported, Diagnostics> {
    let path = path.as_ref();
    let place = Place(path.display().to_string());
    let bytes = std::fs::read(path).map_err(|e| {
        let text = format!("cannot read {}: {e}", place.0);
        Diagnostic::error(codes::FILE_READ, text).help_if(missing_file(path))
    })?;
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let store = Store::below(path.parent());
    import(&bytes, stem.as_deref().unwrap_or("network"), &store, &place)
}

fn import(bytes: &[u8], name: &str, store: &Store, place: &Place) -> Result<Imported, Diagnostics> {
    let unreadable = |m: String| place.file(Diagnostic::error(codes::ONNX_READ, m));
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(
            unreadable("this is a Git LFS pointer, not the model".to_owned())
                .help("fetch the model with git lfs pull")
                .into(),
        );
    }
    let again = "the file may be cut off or no ONNX model: download or export it again";
    let model = ModelProto::decode(bytes).map_err(|e| {
        unreadable(format!(
            "cannot decode {} bytes as an ONNX model: {e}",
            bytes.len()
        ))
        .help(again)
    })?;
    let missing = |what: &str| unreadable(format!("the model has no {what}")).help(again);
    if model.ir_version.is_none_or(|v| v < 1) {
        return Err(missing("IR version").into());
    }
    let graph = model.graph.as_ref().ok_or_else(|| missing("graph"))?;
    let opset = model
        .opset_import
        .iter()
        .find(|o| matches!(o.domain.as_str(), "" | "ai.onnx"));
    if opset.is_none() && model.ir_version.is_some_and(|v| v >= 3) {
        return Err(missing("operator set version").into());
    }
    let opset = opset.map_or(1, |o| o.version);
    let graph = graph::Graph::new(graph, opset, store, place)?;
    lower::lower(&graph, name, place)
}

/// The file that messages speak of.
#[derive(Debug)]
pub(crate) struct Place(String);

impl Place {
    /// Something about the whole graph.
    pub(crate) fn graph(&self, message: impl Into<String>) -> Diagnostic {
        self.file(Diagnostic::error(codes::ONNX_GRAPH, message))
    }

    /// Places a diagnostic in the file, if it has no place.
    pub(crate) fn file(&self, d: Diagnostic) -> Diagnostic {
        d.place(&self.0)
    }

    /// Something about a node; nodes without a name are counted from 0.
    pub(crate) fn node(&self, index: usize, node: &NodeProto, message: String) -> Diagnostic {
        self.coded(codes::ONNX_GRAPH, index, node, message)
    }

    /// The same under another code.
    pub(crate) fn coded(
        &self,
        code: Code,
        index: usize,
        node: &NodeProto,
        message: String,
    ) -> Diagnostic {
        self.at_node(index, node, Diagnostic::error(code, message))
    }

    /// Places a diagnostic at a node.
    pub(crate) fn at_node(&self, index: usize, node: &NodeProto, d: Diagnostic) -> Diagnostic {
        let file = &self.0;
        d.place(if node.name.is_empty() {
            format!("{file}: node {index} ({})", node.op_type)
        } else {
            format!("{file}: node \"{}\"", node.name)
        })
    }
}
