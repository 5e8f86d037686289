//! The graph before its operators count: who defines which name, what leads to the output, in
//! which order, which values are constants, and which operators are not supported.

use super::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use super::tensor::Tensor;
use super::{Place, tensor};
use ceg4n_base::{Diagnostics, codes};
use std::collections::{BTreeMap, BTreeSet};

/// The operators of the importer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpKind {
    /// A matrix product with scale factors and a bias.
    Gemm,
    /// A matrix product.
    MatMul,
    /// Elementwise sum.
    Add,
    /// Elementwise difference.
    Sub,
    /// Elementwise quotient.
    Div,
    /// `max(0, x)`.
    Relu,
    /// To two dimensions.
    Flatten,
    /// To given dimensions.
    Reshape,
    /// Nothing.
    Identity,
    /// Nothing, in inference.
    Dropout,
    /// A constant.
    Constant,
}

impl OpKind {
    /// Every operator and its ONNX name.
    pub(crate) const ALL: [(&'static str, Self); 11] = [
        ("Add", Self::Add),
        ("Constant", Self::Constant),
        ("Div", Self::Div),
        ("Dropout", Self::Dropout),
        ("Flatten", Self::Flatten),
        ("Gemm", Self::Gemm),
        ("Identity", Self::Identity),
        ("MatMul", Self::MatMul),
        ("Relu", Self::Relu),
        ("Reshape", Self::Reshape),
        ("Sub", Self::Sub),
    ];

    fn of(node: &NodeProto) -> Option<Self> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return None;
        }
        Self::ALL
            .iter()
            .find(|(name, _)| *name == node.op_type)
            .map(|(_, kind)| *kind)
    }

    /// Operands that must be there: the first so many.
    fn required(self) -> usize {
        match self {
            Self::Gemm | Self::MatMul | Self::Add | Self::Sub | Self::Div => 2,
            Self::Relu | Self::Flatten | Self::Reshape | Self::Identity | Self::Dropout => 1,
            Self::Constant => 0,
        }
    }
}

/// A node that leads to the output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    /// Its place in the file.
    pub(crate) index: usize,
    /// Its operator.
    pub(crate) kind: OpKind,
    /// The rest.
    pub(crate) proto: &'a NodeProto,
    /// True if all its operands are constants.
    pub(crate) constant: bool,
}

impl<'a> Node<'a> {
    /// The name of operand `i`; `None` if it was left out.
    pub(crate) fn input(&self, i: usize) -> Option<&'a str> {
        let name = self.proto.input.get(i)?.as_str();
        (!name.is_empty()).then_some(name)
    }

    /// The name of its first result. [`Graph::new`] refuses nodes without one.
    pub(crate) fn output(&self) -> &'a str {
        self.proto.output.first().map_or("", String::as_str)
    }
}

/// A graph whose names are consistent and whose operators are supported.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    /// The nodes that lead to the output, operands first, otherwise in file order.
    pub(crate) nodes: Vec<Node<'a>>,
    /// The initializers that they use.
    pub(crate) initializers: BTreeMap<&'a str, Tensor>,
    /// The one input that is no initializer.
    pub(crate) input: &'a ValueInfoProto,
    /// The one output.
    pub(crate) output: &'a ValueInfoProto,
    /// How many live operands use each name; the graph's output counts as one.
    pub(crate) uses: BTreeMap<&'a str, usize>,
    /// Nodes left out because nothing leads from them to the output.
    pub(crate) dead: usize,
}

impl<'a> Graph<'a> {
    /// Reads the names of a graph.
    ///
    /// # Errors
    /// Every unsupported operator, or else every fault of the graph that can be told apart.
    pub(crate) fn new(proto: &'a GraphProto, place: &Place) -> Result<Self, Diagnostics> {
        let mut errors = Diagnostics::default();
        let output = single(&proto.output, "output", place)?;
        let stored = initializers(proto, place, &mut errors);
        let producers = producers(proto, &stored, place, &mut errors);
        let live = live_nodes(proto, &producers, &output.name);
        let input = graph_input(proto, &stored, &live, &output.name, place)?;
        check_names(
            proto,
            &live,
            &producers,
            &stored,
            &input.name,
            place,
            &mut errors,
        );
        if !defined(&output.name, &producers, &stored, &input.name) {
            errors.push(place.graph(format!("nothing defines the output \"{}\"", output.name)));
        }
        let order = order(proto, &live, &producers, place, &mut errors);
        let nodes = supported(proto, &order, &stored, &input.name, place, &mut errors);
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for name in live.iter().flat_map(|i| &proto.node[*i].input) {
            *uses.entry(name).or_default() += 1;
        }
        let mut used = BTreeMap::new();
        for (name, t) in &stored {
            if uses.contains_key(name) && nodes.len() == live.len() {
                match tensor::read(t) {
                    Ok(t) => {
                        used.insert(*name, t);
                    }
                    Err(d) => errors.push(place.file(d)),
                }
            }
        }
        *uses.entry(&output.name).or_default() += 1;
        errors.or(Self {
            nodes,
            initializers: used,
            input,
            output,
            uses,
            dead: proto.node.len() - live.len(),
        })
    }
}

type Initializers<'a> = BTreeMap<&'a str, &'a TensorProto>;
type Producers<'a> = BTreeMap<&'a str, usize>;

fn single<'a>(
    list: &'a [ValueInfoProto],
    what: &str,
    place: &Place,
) -> Result<&'a ValueInfoProto, Diagnostics> {
    match list {
        [one] => Ok(one),
        _ => {
            let names: Vec<_> = list.iter().map(|v| format!("\"{}\"", v.name)).collect();
            let found = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            let d = place.graph(format!("the graph must have one {what}, it has {found}"));
            Err(d.help(format!("export the model with one {what}")).into())
        }
    }
}

/// The one input that is no initializer: old exporters list constants among the inputs. Inputs
/// that do not lead to the output are passed over if there are several.
fn graph_input<'a>(
    proto: &'a GraphProto,
    stored: &Initializers<'_>,
    live: &BTreeSet<usize>,
    output: &str,
    place: &Place,
) -> Result<&'a ValueInfoProto, Diagnostics> {
    let free: Vec<_> = proto
        .input
        .iter()
        .filter(|v| !stored.contains_key(v.name.as_str()))
        .collect();
    if let [one] = free[..] {
        return Ok(one);
    }
    let read: BTreeSet<&str> = live
        .iter()
        .flat_map(|i| &proto.node[*i].input)
        .map(String::as_str)
        .chain([output])
        .collect();
    let used: Vec<ValueInfoProto> = free
        .iter()
        .filter(|v| read.contains(v.name.as_str()))
        .map(|v| (*v).clone())
        .collect();
    let one = single(&used, "input that is no initializer", place)?;
    free.into_iter()
        .find(|v| v.name == one.name)
        .ok_or_else(|| place.graph("the graph has no input".to_owned()).into())
}

fn initializers<'a>(
    proto: &'a GraphProto,
    place: &Place,
    errors: &mut Diagnostics,
) -> Initializers<'a> {
    let mut stored = Initializers::new();
    for t in &proto.initializer {
        if stored.insert(&t.name, t).is_some() {
            errors.push(place.graph(format!("two initializers are called \"{}\"", t.name)));
        }
    }
    stored
}

fn producers<'a>(
    proto: &'a GraphProto,
    stored: &Initializers<'a>,
    place: &Place,
    errors: &mut Diagnostics,
) -> Producers<'a> {
    let inputs: BTreeSet<&str> = proto.input.iter().map(|v| v.name.as_str()).collect();
    let mut producers = Producers::new();
    for (i, node) in proto.node.iter().enumerate() {
        for name in node.output.iter().filter(|n| !n.is_empty()) {
            let taken = stored.contains_key(name.as_str()) || inputs.contains(name.as_str());
            if producers.insert(name.as_str(), i).is_some() || taken {
                errors.push(place.node(i, node, format!("\"{name}\" is defined twice")));
            }
        }
    }
    producers
}

fn live_nodes(proto: &GraphProto, producers: &Producers<'_>, output: &str) -> BTreeSet<usize> {
    let mut live = BTreeSet::new();
    let mut todo: Vec<usize> = producers.get(output).copied().into_iter().collect();
    while let Some(i) = todo.pop() {
        if live.insert(i) {
            let operands = proto.node[i].input.iter();
            todo.extend(operands.filter_map(|n| producers.get(n.as_str()).copied()));
        }
    }
    live
}

fn defined(name: &str, producers: &Producers<'_>, stored: &Initializers<'_>, input: &str) -> bool {
    name == input || producers.contains_key(name) || stored.contains_key(name)
}

/// Operands that nothing defines, operands left out that the operator needs, missing results.
fn check_names(
    proto: &GraphProto,
    live: &BTreeSet<usize>,
    producers: &Producers<'_>,
    stored: &Initializers<'_>,
    input: &str,
    place: &Place,
    errors: &mut Diagnostics,
) {
    for &i in live {
        let node = &proto.node[i];
        for name in node.input.iter().filter(|n| !n.is_empty()) {
            if !defined(name, producers, stored, input) {
                errors.push(
                    place
                        .node(i, node, format!("nothing defines the operand \"{name}\""))
                        .help("the file lacks an initializer, an input or a node of that name"),
                );
            }
        }
        let required = OpKind::of(node).map_or(0, OpKind::required);
        if (0..required).any(|k| node.input.get(k).is_none_or(String::is_empty)) {
            errors.push(place.node(
                i,
                node,
                format!("{} needs {required} operands", node.op_type),
            ));
        }
        if node.output.first().is_none_or(String::is_empty) {
            errors.push(place.node(i, node, "its first result has no name".to_owned()));
        }
    }
}

/// Topological order of the live nodes; the first in the file goes first.
fn order(
    proto: &GraphProto,
    live: &BTreeSet<usize>,
    producers: &Producers<'_>,
    place: &Place,
    errors: &mut Diagnostics,
) -> Vec<usize> {
    let mut waiting: BTreeMap<usize, usize> = BTreeMap::new();
    let mut users: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &i in live {
        let before: BTreeSet<usize> = proto.node[i]
            .input
            .iter()
            .filter_map(|n| producers.get(n.as_str()).copied())
            .collect();
        waiting.insert(i, before.len());
        for b in before {
            users.entry(b).or_default().push(i);
        }
    }
    let mut ready: BTreeSet<usize> = waiting
        .iter()
        .filter(|(_, n)| **n == 0)
        .map(|(i, _)| *i)
        .collect();
    let mut order = Vec::with_capacity(live.len());
    while let Some(i) = ready.pop_first() {
        waiting.remove(&i);
        order.push(i);
        for user in users.get(&i).into_iter().flatten() {
            if let Some(n) = waiting.get_mut(user) {
                *n -= 1;
                if *n == 0 {
                    ready.insert(*user);
                }
            }
        }
    }
    if let Some(i) = waiting.keys().next() {
        let text = format!("{} nodes wait for each other in a cycle", waiting.len());
        errors.push(place.node(*i, &proto.node[*i], text));
        // Unsupported operators among them are to be listed too.
        order.extend(waiting.keys());
    }
    order
}

/// The nodes with their operators; one diagnostic for every node that cannot be imported.
fn supported<'a>(
    proto: &'a GraphProto,
    order: &[usize],
    stored: &Initializers<'a>,
    input: &'a str,
    place: &Place,
    errors: &mut Diagnostics,
) -> Vec<Node<'a>> {
    let mut unsupported = BTreeMap::new();
    let mut constants: BTreeSet<&str> = stored.keys().copied().collect();
    let mut computed = BTreeSet::from([input]);
    let mut nodes = Vec::with_capacity(order.len());
    for &index in order {
        let node = &proto.node[index];
        let operands = node.input.iter().filter(|n| !n.is_empty());
        let constant = operands.clone().all(|n| constants.contains(n.as_str()));
        // Not where an operand is missing, which is reported as such.
        let known = operands
            .clone()
            .all(|n| constants.contains(n.as_str()) || computed.contains(n.as_str()));
        let results = node.output.iter().map(String::as_str);
        if constant {
            constants.extend(results);
        } else {
            computed.extend(results);
        }
        let domain = if node.domain.is_empty() {
            "ai.onnx"
        } else {
            &node.domain
        };
        let fail = |form: &str| {
            let text = format!(
                "operator {} (domain {domain}){form} is not supported",
                node.op_type
            );
            place.coded(codes::ONNX_UNSUPPORTED, index, node, text)
        };
        let Some(kind) = OpKind::of(node) else {
            unsupported.insert(index, fail(""));
            continue;
        };
        let found = Node {
            index,
            kind,
            proto: node,
            constant,
        };
        if known && let Some(form) = unsupported_form(&found, &computed) {
            unsupported.insert(index, fail(form));
        }
        nodes.push(found);
    }
    if let Some(mut last) = unsupported.last_entry() {
        last.get_mut().help.push(supported_operators());
    }
    errors.0.extend(unsupported.into_values());
    nodes
}

fn supported_operators() -> String {
    let names: Vec<_> = OpKind::ALL.iter().map(|(name, _)| *name).collect();
    format!(
        "supported are {}; of a product, sum, difference or quotient one operand is a constant",
        names.join(", ")
    )
}

/// What of a known operator is not supported, as far as operands being constants decide it.
fn unsupported_form(node: &Node<'_>, computed: &BTreeSet<&str>) -> Option<&'static str> {
    if node.constant {
        return match node.kind {
            OpKind::Gemm | OpKind::MatMul | OpKind::Relu => Some(" of constants only"),
            OpKind::Add
            | OpKind::Sub
            | OpKind::Div
            | OpKind::Flatten
            | OpKind::Reshape
            | OpKind::Identity
            | OpKind::Dropout
            | OpKind::Constant => None,
        };
    }
    let computed = |i: usize| node.input(i).is_some_and(|n| computed.contains(n));
    match node.kind {
        OpKind::Gemm if computed(1) => Some(" with a computed second operand"),
        OpKind::Gemm if computed(2) => Some(" with a computed bias"),
        OpKind::MatMul | OpKind::Add | OpKind::Sub if computed(0) && computed(1) => {
            Some(" of two computed operands")
        }
        OpKind::Div if computed(1) => Some(" by a computed value"),
        OpKind::Reshape if computed(1) => Some(" to a computed shape"),
        OpKind::Dropout if computed(1) || computed(2) => Some(" with computed options"),
        OpKind::Gemm
        | OpKind::MatMul
        | OpKind::Add
        | OpKind::Sub
        | OpKind::Div
        | OpKind::Relu
        | OpKind::Flatten
        | OpKind::Reshape
        | OpKind::Identity
        | OpKind::Dropout
        | OpKind::Constant => None,
    }
}
