//! What queries and networks can be decided, in the words of the standard.

use super::ELEMENT_TYPES;
use ceg4n_import::onnx;

/// The capabilities that can be asked for, as options without their dashes.
pub const CAPABILITIES: [(&str, &str); 13] = [
    (
        "onnx-opset-versions",
        "the least and the greatest operator set version",
    ),
    ("onnx-element-types", "element types of tensors"),
    ("onnx-operators", "operators of networks"),
    (
        "onnx-operators-unsat-proofs",
        "operators that proofs are written for",
    ),
    (
        "vnnlib-versions",
        "the least and the greatest version of queries",
    ),
    ("hidden-node-theories", "NH: no hidden values"),
    (
        "multiple-input-output-theories",
        "SIO: one input and one output",
    ),
    (
        "multiple-network-theories",
        "SNET, MINET: one network, or two on the same inputs",
    ),
    (
        "multiple-node-comparison-theories",
        "SNC: comparisons of values of one node of a network",
    ),
    (
        "arithmetic-complexity-theories",
        "BND, OUTC: boxes of inputs, linear constraints on outputs",
    ),
    (
        "optimised-disjunctive-reasoning",
        "disjunctions are more than a normal form",
    ),
    ("serialise-assignments", "assignments as files"),
    ("unsat-proofs", "proofs of unsat"),
];

/// What is supported of a capability, an item a line; `None` for an unknown one.
pub fn supports(capability: &str) -> Option<Vec<String>> {
    let list = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect();
    Some(match capability {
        "onnx-opset-versions" => {
            let (least, most) = onnx::OPSETS;
            vec![least.to_string(), most.to_string()]
        }
        "onnx-element-types" => ELEMENT_TYPES.iter().map(|t| t.name().to_owned()).collect(),
        "onnx-operators" => onnx::operators().map(str::to_owned).collect(),
        "vnnlib-versions" => list(&["1.0", "2.0"]),
        "hidden-node-theories" => list(&["NH"]),
        "multiple-input-output-theories" => list(&["SIO"]),
        "multiple-network-theories" => list(&["SNET", "MINET"]),
        "multiple-node-comparison-theories" => list(&["SNC"]),
        "arithmetic-complexity-theories" => list(&["BND", "OUTC"]),
        "serialise-assignments" => list(&["true"]),
        "optimised-disjunctive-reasoning" | "unsat-proofs" => list(&["false"]),
        "onnx-operators-unsat-proofs" => Vec::new(),
        _ => return None,
    })
}
