//! What the user is told about a model that was imported.

use super::Place;
use super::attribute::int_attribute;
use super::declared::{agree, declared};
use super::graph::Graph;

use super::proto::NodeProto;
use ceg4n_base::{Diagnostic, Diagnostics, codes};

/// Refuses to cut an operator off that does not work on all outputs at once, the outputs being of
/// ONNX dimensions `dims`.
pub(super) fn check_ending(
    graph: &Graph<'_>,
    dims: &[usize],
    place: &Place,
) -> Result<(), Diagnostics> {
    // The first node that follows the outputs is the last one cut.
    let mut errors = Diagnostics::default();
    for (index, node) in graph.ending.cut.iter().rev() {
        let default = match node.op_type.as_str() {
            "ArgMax" => 0,
            "Softmax" | "LogSoftmax" | "Hardmax" if graph.opset < 13 => 1,
            "Softmax" | "LogSoftmax" | "Hardmax" => -1,
            _ => continue,
        };
        let fail = |d| place.at_node(*index, node, d);
        match int_attribute(node, "axis", default) {
            Err(d) => errors.push(fail(d)),
            Ok(axis) if whole(node, axis, dims, graph.opset) => {}
            Ok(axis) => {
                let text = format!(
                    "operator {} over axis {axis} of dimensions {dims:?} is not supported",
                    node.op_type
                );
                errors.push(fail(Diagnostic::error(codes::ONNX_UNSUPPORTED, text).help(
                    "at the end it is cut off where it works on all outputs at once",
                )));
            }
        }
        break;
    }
    if errors.has_errors() {
        return Err(errors);
    }
    Ok(())
}

/// True if the operator works on all elements at once.
fn whole(node: &NodeProto, axis: i64, dims: &[usize], opset: i64) -> bool {
    let rank = dims.len() as i64;
    let axis = if axis < 0 { axis + rank } else { axis };
    let Ok(axis) = usize::try_from(axis) else {
        return false;
    };
    let all: usize = dims.iter().product();
    // Early operator sets take all axes from this one on.
    if opset < 13 && node.op_type != "ArgMax" {
        return dims
            .get(axis..)
            .is_some_and(|d| d.iter().product::<usize>() == all);
    }
    dims.get(axis) == Some(&all)
}

/// Notes and warnings about a graph whose output has dimensions `dims`.
pub(super) fn notes(graph: &Graph<'_>, dims: &[usize], place: &Place) -> Vec<Diagnostic> {
    let mut notes = Vec::new();
    let end = &graph.ending;
    for (index, node) in end.cut.iter().rev() {
        let meaning = match node.op_type.as_str() {
            "Softmax" | "LogSoftmax" => "which output is largest stays the same",
            "ArgMax" | "Hardmax" => "the outputs are what it chooses the largest of",
            "ZipMap" | "LabelEncoder" | "ArrayFeatureExtractor" => {
                "the outputs are the scores of the classes"
            }
            _ => continue,
        };
        let text = format!("{} at the end was left out: {meaning}", node.op_type);
        let note = Diagnostic::note(codes::ONNX_NOTE, text);
        notes.push(place.at_node(*index, node, note));
    }
    if !end.others.is_empty() {
        let names: Vec<_> = end.others.iter().map(|n| format!("\"{n}\"")).collect();
        let text = format!("of several outputs {} was left out", names.join(", "));
        notes.push(place.file(Diagnostic::note(codes::ONNX_NOTE, text)));
    }
    let warning = |m: String| place.file(Diagnostic::warning(codes::ONNX_NOTE, m));
    if graph.dead > 0 {
        notes.push(warning(format!(
            "{} nodes do not lead to the output and were left out",
            graph.dead
        )));
    }
    if let Some(declared) = end.declared.and_then(declared)
        && !agree(&declared, dims)
    {
        notes.push(warning(format!(
            "the output is declared {declared:?} but has dimensions {dims:?}"
        )));
    }
    notes
}
