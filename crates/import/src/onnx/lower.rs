//! Building the network: names, shapes without batch, constants in the forms that the IR wants.
//! What each operator becomes is in [`super::nodes`] and the files that it names.

use super::declared::{Dim, declared};
use super::graph::{Graph, Node};
use super::notes::{check_ending, notes};
use super::proto::{ValueInfoProto, data_type};
use super::tensor::{self, Data, Tensor};
use super::{Imported, Place};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Constant, NetworkBuilder, Op, Shape, ValueId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Elements of an activation beyond this are refused.
const MAX_ACTIVATION: usize = 1 << 24;

/// Translates an ordered graph.
pub(super) fn lower(graph: &Graph<'_>, name: &str, place: &Place) -> Result<Imported, Diagnostics> {
    let mut this = Lowering::new(graph, name);
    this.input().map_err(|d| Diagnostics::from(place.file(d)))?;
    let mut errors = Diagnostics::default();
    // Constants first, as far as they can be: a layer looks ahead for its bias.
    let (constant, others): (Vec<&Node<'_>>, Vec<&Node<'_>>) =
        graph.nodes.iter().partition(|n| n.constant && !n.late);
    for node in constant.into_iter().chain(others) {
        if this.activations.contains_key(node.output()) {
            continue;
        }
        // After an error what depends on it is passed over in silence.
        let ready = (0..node.proto.input.len())
            .filter_map(|i| node.input(i))
            .all(|n| this.activations.contains_key(n) || this.constants.contains_key(n));
        if ready && let Err(d) = this.node(node) {
            errors.push(place.at_node(node.index, node.proto, d));
        }
    }
    if errors.has_errors() {
        return Err(errors);
    }
    let Some(output) = this.activations.get(graph.ending.output).cloned() else {
        let d = place.graph("the output does not depend on the input");
        return Err(d.into());
    };
    check_ending(graph, &output.dims, place)?;
    let mut all = notes(graph, &output.dims, place);
    all.extend(this.notes.iter().cloned().map(|d| place.file(d)));
    let id = this.integers(&output);
    let network = this.builder.finish(id).map_err(|e| {
        let at_file = |d: Diagnostic| place.file(d);
        Diagnostics(e.0.into_iter().map(at_file).collect())
    })?;
    Ok(Imported {
        network,
        notes: all,
    })
}

/// The integers that a tensor of the model holds: the network's value is `scale·(q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quant {
    /// Positive and finite.
    pub(super) scale: f32,
    /// The integer that stands for 0.
    pub(super) zero_point: i32,
    /// The integers' type, one of [`data_type`].
    pub(super) kind: i32,
}

/// A computed value.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    /// In the IR.
    pub(super) id: ValueId,
    /// Its ONNX dimensions, the batch among them.
    pub(super) dims: Vec<usize>,
    /// What the model's tensor holds, if these are integers.
    pub(super) quant: Option<Quant>,
}

/// The form in which a constant is used; a constant used in two forms becomes two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// A matrix `[outputs, inputs]`: transposed or not, times a factor (its bits).
    Weight(bool, u32),
    /// A vector of a length, one element being repeated, times a factor (its bits).
    Bias(usize, u32),
    /// With a shape of the IR.
    Shaped(Vec<usize>),
}

/// The state of the translation.
pub(super) struct Lowering<'a> {
    pub(super) graph: &'a Graph<'a>,
    pub(super) builder: NetworkBuilder,
    /// Constants so far, by ONNX name.
    pub(super) constants: BTreeMap<&'a str, Tensor>,
    /// Computed values so far, by ONNX name.
    pub(super) activations: BTreeMap<&'a str, Activation>,
    /// What the user should know.
    pub(super) notes: Vec<Diagnostic>,
    forms: BTreeMap<(&'a str, Form), ValueId>,
    /// True while the first step of [`Self::followed`] is made: what follows its node is not what
    /// follows that step.
    pub(super) inside: bool,
    /// Constants whose own name is given.
    named: BTreeSet<&'a str>,
    /// The IR names of ONNX values, unique.
    names: BTreeMap<&'a str, String>,
    taken: BTreeSet<String>,
    /// The last node that uses a value as an operand.
    users: BTreeMap<&'a str, Node<'a>>,
    /// Elements of constants that are not in the file and may still be made.
    budget: usize,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph<'a>, name: &str) -> Self {
        let constants = graph.initializers.clone();
        let stored: usize = constants.values().map(Tensor::len).sum();
        let mut this = Self {
            graph,
            builder: NetworkBuilder::new(name),
            constants,
            activations: BTreeMap::new(),
            notes: Vec::new(),
            forms: BTreeMap::new(),
            inside: false,
            named: BTreeSet::new(),
            names: BTreeMap::new(),
            taken: BTreeSet::new(),
            users: BTreeMap::new(),
            budget: 2 * stored + (1 << 25),
        };
        for node in &graph.nodes {
            let operands = node.proto.input.iter();
            this.users.extend(operands.map(|n| (n.as_str(), *node)));
        }
        let operands = graph.nodes.iter().flat_map(|n| &n.proto.input);
        let results = graph.nodes.iter().flat_map(|n| &n.proto.output);
        for name in operands.chain(results).chain([&graph.input.name]) {
            if !name.is_empty() && !this.names.contains_key(name.as_str()) {
                let unique = this.fresh(name);
                this.names.insert(name, unique);
            }
        }
        this
    }

    /// A name that no value has: `wanted`, without control characters, with a number if need be.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let clean: String = wanted
            .chars()
            .map(|c| if c.is_control() { '_' } else { c })
            .collect();
        let mut name = clean.clone();
        let mut k = 1;
        while !self.taken.insert(name.clone()) {
            name = format!("{clean}_{k}");
            k += 1;
        }
        name
    }

    /// The IR name of an ONNX value.
    pub(super) fn name(&self, onnx: &str) -> String {
        self.names
            .get(onnx)
            .cloned()
            .unwrap_or_else(|| onnx.to_owned())
    }

    /// Defines a node's result in two steps: `make` defines the first as if it were the result,
    /// `then` the result from it.
    pub(super) fn followed(
        &mut self,
        node: &Node<'a>,
        make: impl FnOnce(&mut Self, &Node<'a>) -> Result<(), Diagnostic>,
        then: impl FnOnce(&mut Self, Activation) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let onnx = node.output();
        let own = self.name(onnx);
        let inner = self.fresh(&format!("{own}.product"));
        self.names.insert(onnx, inner);
        self.inside = true;
        let made = make(self, node);
        self.inside = false;
        self.names.insert(onnx, own);
        made?;
        let first = self.activations.remove(onnx);
        let first = first
            .ok_or_else(|| Diagnostic::error(codes::ONNX_GRAPH, "the first step has no result"))?;
        then(self, first)
    }

    /// The node that alone uses a value, which is not the output either.
    pub(super) fn sole_user(&self, name: &str) -> Option<Node<'a>> {
        let alone = self.graph.uses.get(name) == Some(&1);
        let user = self.users.get(name).copied();
        user.filter(|u| alone && !u.constant)
    }

    /// The type of the input: what integers stand for, or nothing for real numbers.
    fn input_type(&mut self, info: &ValueInfoProto) -> Result<Option<Quant>, Diagnostic> {
        let fail = |m: &str| {
            let text = format!("the input \"{}\" {m}", info.name);
            Diagnostic::error(codes::ONNX_GRAPH, text)
        };
        let elem = info
            .r#type
            .as_ref()
            .and_then(|t| t.tensor_type.as_ref())
            .map(|t| t.elem_type)
            .ok_or_else(|| fail("is no tensor"))?;
        let integers = data_type::limits(elem).is_some() || elem == data_type::INT64;
        if !data_type::is_float(elem) && !integers {
            return Err(Diagnostic::error(
                codes::ONNX_DTYPE,
                format!(
                    "the input \"{}\" has elements of type {}",
                    info.name,
                    data_type::name(elem)
                ),
            )
            .help("export the model with a float (32 bits) input"));
        }
        let quant = integers.then_some(Quant {
            scale: 1.0,
            zero_point: 0,
            kind: elem,
        });
        if integers {
            self.notes.push(Diagnostic::note(
                codes::ONNX_NOTE,
                format!(
                    "the input \"{}\" is of type {}: the network takes these integers as real numbers",
                    info.name,
                    data_type::name(elem)
                ),
            ));
        }
        Ok(quant)
    }

    fn input(&mut self) -> Result<(), Diagnostic> {
        let info: &'a ValueInfoProto = self.graph.input;
        let fail = |m: &str| {
            let text = format!("the input \"{}\" {m}", info.name);
            Diagnostic::error(codes::ONNX_GRAPH, text)
        };
        let quant = self.input_type(info)?;
        let declared = declared(info).ok_or_else(|| {
            fail("has no shape").help("export the model with a fixed input shape")
        })?;
        let mut dims = Vec::with_capacity(declared.len());
        for (i, d) in declared.iter().enumerate() {
            let size = match d {
                // A symbolic batch, or one that an old exporter wrote as -1.
                Dim::Symbol(_) | Dim::Size(-1) if i == 0 => 1,
                Dim::Symbol(name) => {
                    return Err(
                        fail(&format!("has no size in dimension {i} ({name:?})")).help(
                            "only the leading dimension may be symbolic; export with fixed sizes",
                        ),
                    );
                }
                Dim::Size(n) => usize::try_from(*n)
                    .ok()
                    .filter(|n| *n > 0)
                    .ok_or_else(|| fail(&format!("has size {n} in dimension {i}")))?,
            };
            dims.push(size);
        }
        check_size(&dims)?;
        let name = self.name(&info.name);
        let id = self
            .builder
            .push(name, Op::Input, Some(ir_shape(&dims)), None);
        let input = Activation { id, dims, quant };
        self.activations.insert(&info.name, input);
        Ok(())
    }

    /// Adds a computed value under the ONNX name of a node's result. `op` gives `given`, ONNX
    /// dimensions; if the IR's shape for the result's dimensions `dims` is another one, a reshape
    /// follows.
    pub(super) fn define(
        &mut self,
        node: &Node<'a>,
        op: Op,
        given: Shape,
        dims: Vec<usize>,
    ) -> Result<(), Diagnostic> {
        self.define_as(node, op, given, dims, None)
    }

    /// The same for a tensor of integers.
    pub(super) fn define_as(
        &mut self,
        node: &Node<'a>,
        op: Op,
        given: Shape,
        dims: Vec<usize>,
        quant: Option<Quant>,
    ) -> Result<(), Diagnostic> {
        check_size(&dims)?;
        let output = node.output();
        let name = self.name(output);
        let want = ir_shape(&dims);
        let id = if given == want {
            self.builder.push(name, op, Some(want), None)
        } else {
            let x = self.push(&format!("{name}.flat"), op, Some(given));
            self.builder.push(name, Op::Reshape { x }, Some(want), None)
        };
        self.activations
            .insert(output, Activation { id, dims, quant });
        Ok(())
    }

    /// Adds a value under a name like `wanted`; `shape` as for [`NetworkBuilder::push`].
    pub(super) fn push(&mut self, wanted: &str, op: Op, shape: Option<Shape>) -> ValueId {
        let name = self.fresh(wanted);
        self.builder.push(name, op, shape, None)
    }

    /// The value as a vector of its elements.
    pub(super) fn vector(&mut self, x: &Activation) -> ValueId {
        let value = &self.builder.values()[x.id];
        if value.shape.0.len() == 1 {
            return x.id;
        }
        let wanted = format!("{}.flat", value.name);
        self.push(&wanted, Op::Flatten { x: x.id }, None)
    }

    /// The value under another shape of as many elements.
    pub(super) fn shaped(&mut self, x: ValueId, dims: &[usize]) -> ValueId {
        let value = &self.builder.values()[x];
        if value.shape.0 == dims {
            return x;
        }
        let wanted = format!("{}.shaped", value.name);
        self.push(&wanted, Op::Reshape { x }, Some(Shape(dims.to_vec())))
    }

    /// The integers of a tensor, `x/scale + zero_point`; of other values these themselves.
    pub(super) fn integers(&mut self, x: &Activation) -> ValueId {
        let Some(q) = x.quant else { return x.id };
        let name = self.builder.values()[x.id].name.clone();
        let mut id = x.id;
        if q.scale != 1.0 {
            let c = self.scalar(&format!("{name}.scale"), q.scale);
            id = self.push(&format!("{name}.steps"), Op::Div { x: id, c }, None);
        }
        if q.zero_point != 0 {
            // Of at most 16 bits.
            let c = self.scalar(&format!("{name}.zero_point"), q.zero_point as f32);
            id = self.push(&format!("{name}.integer"), Op::Add { x: id, c }, None);
        }
        id
    }

    /// A constant of one element.
    pub(super) fn scalar(&mut self, wanted: &str, value: f32) -> ValueId {
        self.push(wanted, Op::Const(Constant::inline([value])), None)
    }

    /// A constant under a name like `wanted`.
    pub(super) fn fresh_constant(
        &mut self,
        wanted: &str,
        shape: Shape,
        data: &Data,
    ) -> Result<ValueId, Diagnostic> {
        let op = Op::Const(ir_constant(wanted, data)?);
        Ok(self.push(wanted, op, Some(shape)))
    }

    /// The real elements of a constant, of which there is at least one, and its dimensions.
    pub(super) fn reals(&self, name: &str) -> Result<(Vec<usize>, Data), Diagnostic> {
        let integer = || {
            let text = format!(
                "constant \"{name}\" has elements of an integer type where float is needed"
            );
            Diagnostic::error(codes::ONNX_DTYPE, text)
        };
        let t = self.constants.get(name).ok_or_else(integer)?;
        match &t.data {
            Data::Int(..) => Err(integer()),
            data if data.len() == 0 => Err(Diagnostic::error(
                codes::ONNX_GRAPH,
                format!("constant \"{name}\" is empty"),
            )),
            data => Ok((t.dims.clone(), data.clone())),
        }
    }

    /// The one float32 of a constant.
    pub(super) fn one_float(&self, name: &str) -> Result<f32, Diagnostic> {
        match self.reals(name)?.1 {
            Data::Float(d) if d.len() == 1 => Ok(d[0]),
            Data::Float(_) | Data::Wide(_) | Data::Int(..) => Err(Diagnostic::error(
                codes::ONNX_GRAPH,
                format!("constant \"{name}\" is not one float32"),
            )),
        }
    }

    /// The integer elements of a constant.
    pub(super) fn ints(&self, name: &str) -> Result<Arc<[i64]>, Diagnostic> {
        match self.constants.get(name) {
            Some(Tensor {
                data: Data::Int(d, _),
                ..
            }) => Ok(d.clone()),
            _ => Err(Diagnostic::error(
                codes::ONNX_DTYPE,
                format!("constant \"{name}\" has elements of type float where int64 is needed"),
            )),
        }
    }

    /// Takes elements that the file does not hold from what import may make.
    pub(super) fn spend(&mut self, elements: usize) -> Result<(), Diagnostic> {
        self.budget = self.budget.checked_sub(elements).ok_or_else(|| {
            Diagnostic::error(
                codes::ONNX_GRAPH,
                "the constants become too large when they are spread over their operands",
            )
        })?;
        Ok(())
    }

    /// Adds a constant to the network in a form, or finds it there; `data` are its elements then.
    pub(super) fn constant(
        &mut self,
        name: &'a str,
        form: Form,
        shape: Shape,
        data: &Data,
    ) -> Result<ValueId, Diagnostic> {
        let key = (name, form);
        if let Some(id) = self.forms.get(&key) {
            return Ok(*id);
        }
        let id = self.own_constant(name, shape, data)?;
        self.forms.insert(key, id);
        Ok(id)
    }

    /// Adds a constant made of an ONNX constant: under its name, the next ones with a number.
    pub(super) fn own_constant(
        &mut self,
        name: &'a str,
        shape: Shape,
        data: &Data,
    ) -> Result<ValueId, Diagnostic> {
        let op = Op::Const(ir_constant(name, data)?);
        let own = self.name(name);
        let ir_name = match self.named.insert(name) {
            true => own,
            false => self.fresh(&own),
        };
        Ok(self.builder.push(ir_name, op, Some(shape), None))
    }
}

/// The IR's constant.
fn ir_constant(name: &str, data: &Data) -> Result<Constant, Diagnostic> {
    match data {
        Data::Float(d) => Ok(Constant::inline(d.clone())),
        Data::Wide(w) => Constant::wide((**w).clone()).ok_or_else(|| {
            let text = format!("constant \"{name}\" is not finite or beyond the range of float32");
            Diagnostic::error(codes::NUMBER, text)
        }),
        Data::Int(..) => Err(Diagnostic::error(
            codes::ONNX_DTYPE,
            format!("constant \"{name}\" holds integers where real numbers are needed"),
        )),
    }
}

fn check_size(dims: &[usize]) -> Result<(), Diagnostic> {
    match tensor::checked_len(dims) {
        Some(1..=MAX_ACTIVATION) => Ok(()),
        _ => Err(Diagnostic::error(
            codes::ONNX_GRAPH,
            format!("a tensor of dimensions {dims:?} is empty or too large"),
        )
        .help(format!("tensors have at most {MAX_ACTIVATION} elements"))),
    }
}

/// The IR's shape: without the batch, which is a leading one of several dimensions.
pub(super) fn ir_shape(dims: &[usize]) -> Shape {
    match dims {
        [] => Shape::vector(1),
        [1, rest @ ..] if !rest.is_empty() => Shape(rest.to_vec()),
        _ => Shape(dims.to_vec()),
    }
}
