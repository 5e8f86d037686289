//! What an ONNX file says of its inputs and outputs, as queries speak of them; and assignments as
//! ONNX tensors.

use super::declare::ElementType;
use crate::file;
use crate::onnx::proto::{ModelProto, TensorProto, ValueInfoProto};
use ceg4n_base::Diagnostic;
use ceg4n_base::codes;
use prost::Message;
use std::path::Path;

/// An input or output of an ONNX graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its elements; `None` if the file has none or one without a number.
    pub element: Option<ElementType>,
    /// Its dimensions, `None` for a symbolic one; `None` if the file says nothing.
    pub shape: Option<Vec<Option<usize>>>,
}

/// Inputs (without those that are constants) and outputs of an ONNX graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// In the order of the file.
    pub inputs: Vec<Port>,
    /// In the order of the file.
    pub outputs: Vec<Port>,
}

impl Signature {
    /// Of a file's bytes; empty for what is no model, which the importer tells.
    pub fn of(bytes: &[u8]) -> Self {
        let graph = ModelProto::decode(bytes).ok().and_then(|m| m.graph);
        let Some(graph) = graph else {
            return Self::default();
        };
        let constant = |v: &&ValueInfoProto| graph.initializer.iter().any(|t| t.name == v.name);
        Self {
            inputs: (graph.input.iter().filter(|v| !constant(v)))
                .map(port)
                .collect(),
            outputs: graph.output.iter().map(port).collect(),
        }
    }
}

fn port(v: &ValueInfoProto) -> Port {
    let tensor = v.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let size = |d: Option<i64>| d.and_then(|d| usize::try_from(d).ok()).filter(|d| *d > 0);
    Port {
        name: v.name.clone(),
        element: tensor.and_then(|t| element(t.elem_type)),
        shape: tensor
            .and_then(|t| t.shape.as_ref())
            .map(|s| s.dim.iter().map(|d| size(d.dim_value)).collect()),
    }
}

/// The bytes of a file, unpacked where its name ends in `.gz`.
///
/// # Errors
/// [`codes::FILE_READ`].
pub fn bytes_of(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    file::bytes(path)
}

/// The name of a file without folder, `.gz` and extension.
pub fn stem_of(path: &Path) -> String {
    crate::vnnlib::stem(path)
}

/// Numbers of element types in `onnx.proto`.
const NUMBERS: [(i32, ElementType); 22] = [
    (1, ElementType::Float32),
    (2, ElementType::Uint8),
    (3, ElementType::Int8),
    (4, ElementType::Uint16),
    (5, ElementType::Int16),
    (6, ElementType::Int32),
    (7, ElementType::Int64),
    (8, ElementType::String),
    (9, ElementType::Bool),
    (10, ElementType::Float16),
    (11, ElementType::Float64),
    (12, ElementType::Uint32),
    (13, ElementType::Uint64),
    (14, ElementType::Complex64),
    (15, ElementType::Complex128),
    (16, ElementType::Bfloat16),
    (17, ElementType::Float8e4m3fn),
    (18, ElementType::Float8e4m3fnuz),
    (19, ElementType::Float8e5m2),
    (20, ElementType::Float8e5m2fnuz),
    (21, ElementType::Uint4),
    (22, ElementType::Int4),
];

fn element(number: i32) -> Option<ElementType> {
    let found = NUMBERS.iter().find(|(n, _)| *n == number);
    found.map(|(_, e)| *e)
}

/// A tensor as a serialised ONNX `TensorProto`: float32 as such, real numbers as the nearest
/// float64.
///
/// # Errors
/// [`codes::QUERY`] for another type.
pub fn tensor_proto(
    name: &str,
    element: ElementType,
    shape: &[usize],
    values: &[f64],
) -> Result<Vec<u8>, Diagnostic> {
    let (data_type, raw_data) = match element {
        ElementType::Float32 => {
            let bytes = values.iter().flat_map(|v| (*v as f32).to_le_bytes());
            (1, bytes.collect())
        }
        ElementType::Real => {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes());
            (11, bytes.collect())
        }
        other => {
            let message = format!("no tensor of {} can be written", other.name());
            return Err(Diagnostic::error(codes::QUERY, message));
        }
    };
    let dims = shape.iter().map(|d| i64::try_from(*d).unwrap_or(i64::MAX));
    let tensor = TensorProto {
        dims: dims.collect(),
        data_type,
        name: name.to_owned(),
        raw_data,
        ..TensorProto::default()
    };
    Ok(tensor.encode_to_vec())
}
