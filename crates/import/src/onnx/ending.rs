//! The end of a graph: which of several outputs is the network's, and what stands behind the
//! network that does not change which output is largest. That is left out, with a note.

use super::Place;
use super::graph::{Producers, single};
use super::operators::domain;
use super::proto::{GraphProto, NodeProto, ValueInfoProto, data_type};
use ceg4n_base::Diagnostics;
use std::collections::BTreeMap;

/// The output and what follows it in the file.
#[derive(Debug)]
pub(crate) struct Ending<'a> {
    /// The name of the value that is the network's output.
    pub(crate) output: &'a str,
    /// Its declaration, if nothing was cut off behind it.
    pub(crate) declared: Option<&'a ValueInfoProto>,
    /// The nodes behind it that were left out, with their places in the file, the last one first.
    pub(crate) cut: Vec<(usize, &'a NodeProto)>,
    /// Other outputs that were left out.
    pub(crate) others: Vec<&'a str>,
}

impl<'a> Ending<'a> {
    /// Finds the end of a graph.
    ///
    /// # Errors
    /// No output, or several of which none is the obvious one.
    pub(crate) fn new(
        proto: &'a GraphProto,
        producers: &Producers<'_>,
        place: &Place,
    ) -> Result<Self, Diagnostics> {
        let all: Vec<&ValueInfoProto> = proto.output.iter().collect();
        let scores: Vec<&ValueInfoProto> = match &all[..] {
            [_, _, ..] => all.iter().copied().filter(|v| !is_label(v)).collect(),
            _ => all.clone(),
        };
        let chosen = single(
            if scores.is_empty() { &all } else { &scores },
            "output",
            place,
        )?;
        let (output, cut) = without_post_processing(proto, producers, &chosen.name);
        let others = all.iter().filter(|v| v.name != chosen.name);
        Ok(Self {
            output,
            declared: cut.is_empty().then_some(chosen),
            cut,
            others: others.map(|v| v.name.as_str()).collect(),
        })
    }
}

/// True for outputs that hold a class, not scores.
fn is_label(v: &ValueInfoProto) -> bool {
    let kind = v.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let kind = kind.map(|t| t.elem_type);
    kind.is_some_and(|t| matches!(t, data_type::INT64 | data_type::INT32 | data_type::STRING))
}

/// What a node at the end does to the scores.
enum Role {
    /// Nothing but their form.
    Form,
    /// Something that keeps which is largest; they are operand `.0`.
    Cut(usize),
}

fn role(node: &NodeProto) -> Option<Role> {
    match (domain(node), node.op_type.as_str()) {
        (_, "Identity" | "Cast" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Dropout") => {
            Some(Role::Form)
        }
        ("ai.onnx", "Softmax" | "LogSoftmax" | "ArgMax" | "Hardmax")
        | ("ai.onnx.ml", "ZipMap" | "LabelEncoder") => Some(Role::Cut(0)),
        ("ai.onnx.ml", "ArrayFeatureExtractor") => Some(Role::Cut(1)),
        _ => None,
    }
}

/// The value before the post-processing that ends in `output`, and its nodes, the last one first.
fn without_post_processing<'a>(
    proto: &'a GraphProto,
    producers: &Producers<'_>,
    output: &'a str,
) -> (&'a str, Vec<(usize, &'a NodeProto)>) {
    let (mut name, mut cut) = (output, vec![]);
    let mut seen = BTreeMap::new();
    // Nodes that only change the form count if more follows before them.
    let (mut probe, mut passed) = (output, vec![]);
    while let Some(&index) = producers.get(probe) {
        let node = &proto.node[index];
        // A cycle is reported elsewhere.
        if seen.insert(index, ()).is_some() {
            break;
        }
        let Some(role) = role(node) else { break };
        let operand = match role {
            Role::Form => 0,
            Role::Cut(operand) => operand,
        };
        let Some(before) = node.input.get(operand).filter(|n| !n.is_empty()) else {
            break;
        };
        passed.push((index, node));
        probe = before;
        if matches!(role, Role::Cut(_)) {
            cut.append(&mut passed);
            name = probe;
        }
    }
    (name, cut)
}
