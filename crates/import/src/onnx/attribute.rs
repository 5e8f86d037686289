//! Reading the attributes of nodes.

use super::external::Store;
use super::nodes::wrong;
use super::proto::{AttributeProto, NodeProto, attribute_type};
use super::tensor::{self, Tensor};
use ceg4n_base::{Diagnostic, codes};

/// The tensor of a Constant node.
pub(super) fn constant_value(node: &NodeProto, store: &Store) -> Result<Tensor, Diagnostic> {
    let [a] = &node.attribute[..] else {
        return Err(wrong("Constant needs exactly one value"));
    };
    match a.name.as_str() {
        "value" => match &a.t {
            Some(t) => tensor::read(t, store),
            None => Err(wrong("Constant has an empty value")),
        },
        "value_float" => Ok(Tensor::float(
            vec![],
            [float_attribute(node, "value_float", 0.0)?],
        )),
        "value_floats" => Ok(Tensor::float(vec![a.floats.len()], a.floats.as_slice())),
        "value_int" => Ok(Tensor::int(vec![], [int_attribute(node, "value_int", 0)?])),
        "value_ints" => Ok(Tensor::int(vec![a.ints.len()], a.ints.as_slice())),
        other => Err(Diagnostic::error(
            codes::ONNX_DTYPE,
            format!("Constant gives its value as {other}, which is not supported"),
        )),
    }
}

/// An attribute by name.
pub(super) fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

/// A float attribute, or what holds without it. Writers may leave out a zero.
pub(super) fn float_attribute(
    node: &NodeProto,
    name: &str,
    default: f32,
) -> Result<f32, Diagnostic> {
    let Some(a) = attribute(node, name) else {
        return Ok(default);
    };
    let zero = (a.r#type == attribute_type::FLOAT).then_some(0.0);
    a.f.or(zero)
        .filter(|v| v.is_finite())
        .ok_or_else(|| wrong(format!("attribute {name} is no finite float")))
}

/// An integer attribute, or what holds without it.
pub(super) fn int_attribute(node: &NodeProto, name: &str, default: i64) -> Result<i64, Diagnostic> {
    let Some(a) = attribute(node, name) else {
        return Ok(default);
    };
    let zero = (a.r#type == attribute_type::INT).then_some(0);
    a.i.or(zero)
        .ok_or_else(|| wrong(format!("attribute {name} is no integer")))
}

/// A list of integers; `None` without it.
pub(super) fn ints_attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n [i64]> {
    attribute(node, name).map(|a| &a.ints[..])
}

/// A list of floats; `None` without it or with one that is not finite.
pub(super) fn floats_attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n [f32]> {
    let floats = attribute(node, name).map(|a| &a.floats[..])?;
    floats.iter().all(|v| v.is_finite()).then_some(floats)
}

/// A text; empty without it.
pub(super) fn text_attribute(node: &NodeProto, name: &str) -> String {
    let bytes = attribute(node, name).and_then(|a| a.s.as_deref());
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// A list of sizes, each at most `2^24`; `None` without it.
pub(super) fn sizes_attribute(
    node: &NodeProto,
    name: &str,
) -> Result<Option<Vec<usize>>, Diagnostic> {
    let Some(ints) = ints_attribute(node, name) else {
        return Ok(None);
    };
    let sizes = ints.iter().map(|v| {
        let size = usize::try_from(*v).ok();
        size.filter(|v| *v <= 1 << 24)
            .ok_or_else(|| wrong(format!("attribute {name} holds {v}")))
    });
    sizes.collect::<Result<_, _>>().map(Some)
}
