//! The graph before its operators count: who defines which name, what leads to the output, in
//! which order, which values are constants, and which operators are not supported.

use super::ending::Ending;
use super::external::Store;
use super::operators::OpKind;
use super::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use super::tensor::Tensor;
use super::unsupported::{self, unsupported_form};
use super::{Place, tensor};
use ceg4n_base::Diagnostics;
use std::collections::{BTreeMap, BTreeSet};

/// A node that leads to the output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    /// Its place in the file.
    pub(crate) index: usize,
    /// Its operator.
    pub(crate) kind: OpKind,
    /// The rest.
    pub(crate) proto: &'a NodeProto,
    /// True if its result is a constant.
    pub(crate) constant: bool,
    /// The same if this hangs on the dimensions of a computed value.
    pub(crate) late: bool,
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
    /// The output, and what was left out behind it.
    pub(crate) ending: Ending<'a>,
    /// Where constants outside the model are.
    pub(crate) store: &'a Store,
    /// The version of the standard operator set.
    pub(crate) opset: i64,
    /// How many live operands use each name; the graph's output counts as one.
    pub(crate) uses: BTreeMap<&'a str, usize>,
    /// Nodes from which nothing leads to any output.
    pub(crate) dead: usize,
}

impl<'a> Graph<'a> {
    /// Reads the names of a graph.
    ///
    /// # Errors
    /// Every unsupported operator, or else every fault of the graph that can be told apart.
    pub(crate) fn new(
        proto: &'a GraphProto,
        opset: i64,
        store: &'a Store,
        place: &Place,
    ) -> Result<Self, Diagnostics> {
        let mut errors = Diagnostics::default();
        let stored = initializers(proto, place, &mut errors);
        let producers = producers(proto, &stored, place, &mut errors);
        let ending = Ending::new(proto, &producers, place)?;
        let live = live_nodes(proto, &producers, ending.output);
        let input = graph_input(proto, &stored, &live, ending.output, place)?;
        check_names(
            proto,
            &live,
            &producers,
            &stored,
            &input.name,
            place,
            &mut errors,
        );
        if !defined(ending.output, &producers, &stored, &input.name) {
            let text = format!("nothing defines the output \"{}\"", ending.output);
            errors.push(place.graph(text));
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
                match tensor::read(t, store) {
                    Ok(t) => {
                        used.insert(*name, t);
                    }
                    Err(d) => errors.push(place.file(d)),
                }
            }
        }
        *uses.entry(ending.output).or_default() += 1;
        let leads_out = proto.output.iter().map(|o| o.name.as_str());
        let reached: BTreeSet<usize> = leads_out
            .flat_map(|o| live_nodes(proto, &producers, o))
            .collect();
        errors.or(Self {
            nodes,
            initializers: used,
            input,
            ending,
            store,
            opset,
            uses,
            dead: proto.node.len() - reached.len(),
        })
    }
}

type Initializers<'a> = BTreeMap<&'a str, &'a TensorProto>;
/// The node that computes each name.
pub(super) type Producers<'a> = BTreeMap<&'a str, usize>;

/// The one entry of the graph's inputs or outputs.
pub(super) fn single<'a>(
    list: &[&'a ValueInfoProto],
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
    let used: Vec<_> = free
        .into_iter()
        .filter(|v| read.contains(v.name.as_str()))
        .collect();
    single(&used, "input that is no initializer", place)
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
    let mut refused = BTreeMap::new();
    let mut constants: BTreeSet<&str> = stored.keys().copied().collect();
    let mut late: BTreeSet<&str> = BTreeSet::new();
    let mut computed = BTreeSet::from([input]);
    let mut nodes = Vec::with_capacity(order.len());
    for &index in order {
        let node = &proto.node[index];
        let operands = || {
            node.input
                .iter()
                .map(String::as_str)
                .filter(|n| !n.is_empty())
        };
        let kind = OpKind::of(node);
        let asks = kind.is_some_and(OpKind::asks_for_dimensions);
        let constant = asks || operands().all(|n| constants.contains(n));
        let is_late = constant && (asks || operands().any(|n| late.contains(n)));
        // Not where an operand is missing, which is reported as such.
        let known = operands().all(|n| constants.contains(n) || computed.contains(n));
        let results = node.output.iter().map(String::as_str);
        if is_late {
            late.extend(results.clone());
        }
        if constant {
            constants.extend(results);
        } else {
            computed.extend(results);
        }
        let Some(kind) = kind else {
            refused.insert(index, unsupported::operator(place, index, node, ""));
            continue;
        };
        let found = Node {
            index,
            kind,
            proto: node,
            constant,
            late: is_late,
        };
        if known && let Some(form) = unsupported_form(&found, &computed) {
            refused.insert(index, unsupported::operator(place, index, node, form));
        }
        nodes.push(found);
    }
    if let Some(mut last) = refused.last_entry() {
        last.get_mut().help.push(unsupported::supported_operators());
    }
    errors.0.extend(refused.into_values());
    nodes
}
