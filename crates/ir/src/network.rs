//! Networks: operators over tensors in static single assignment, without formats.

use crate::types::Shape;
use ceg4n_base::entity::{PrimaryMap, entity_impl};
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Hasher, Span, codes};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value of a [`Network`]; values are stored in topological order.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ValueId(u32);
entity_impl!(ValueId, "v");

/// Where a constant's data came from, so that printing keeps it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written out in the text.
    Inline,
    /// A tensor of a `.safetensors` file, by a path relative to the `.nnir` file.
    File {
        /// The file.
        path: String,
        /// The tensor's name in it.
        tensor: String,
    },
}

/// The data of a constant: float32, each an exact dyadic number; row-major.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Elements, as many as the value's shape has.
    pub data: Arc<[f32]>,
    /// Where they are kept.
    pub origin: Origin,
}

/// An operator. Operands are earlier values.
#[derive(Clone, Debug)]
pub enum Op {
    /// The network's input; there is one.
    Input,
    /// A constant.
    Const(Constant),
    /// `y[j] = Σ_k x[k]·w[j,k] + b[j]`; `x: [n]`, `weight: [m,n]`, `bias: [m]`.
    Dense {
        /// A vector.
        x: ValueId,
        /// A constant matrix.
        weight: ValueId,
        /// A constant vector.
        bias: Option<ValueId>,
    },
    /// `x + c`, `c` a constant with as many elements as `x`, or one.
    Add {
        /// Any tensor.
        x: ValueId,
        /// The constant.
        c: ValueId,
    },
    /// `x - c`, `c` as for `Add`.
    Sub {
        /// Any tensor.
        x: ValueId,
        /// The constant.
        c: ValueId,
    },
    /// `x / c`, `c` as for `Add`, without zeros.
    Div {
        /// Any tensor.
        x: ValueId,
        /// The constant.
        c: ValueId,
    },
    /// `max(0, x)`.
    Relu {
        /// Any tensor.
        x: ValueId,
    },
    /// The same elements under another shape.
    Reshape {
        /// Any tensor.
        x: ValueId,
    },
    /// The same elements as a vector.
    Flatten {
        /// Any tensor.
        x: ValueId,
    },
    /// The operand itself.
    Identity {
        /// Any tensor.
        x: ValueId,
    },
}

impl Op {
    /// The name in `.nnir`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Const(_) => "const",
            Self::Dense { .. } => "dense",
            Self::Add { .. } => "add",
            Self::Sub { .. } => "sub",
            Self::Div { .. } => "div",
            Self::Relu { .. } => "relu",
            Self::Reshape { .. } => "reshape",
            Self::Flatten { .. } => "flatten",
            Self::Identity { .. } => "identity",
        }
    }

    /// Its operands in the order of the text.
    pub fn operands(&self) -> Vec<ValueId> {
        match self {
            Self::Input | Self::Const(_) => vec![],
            Self::Dense { x, weight, bias } => [Some(*x), Some(*weight), *bias]
                .into_iter()
                .flatten()
                .collect(),
            Self::Add { x, c } | Self::Sub { x, c } | Self::Div { x, c } => vec![*x, *c],
            Self::Relu { x } | Self::Reshape { x } | Self::Flatten { x } | Self::Identity { x } => {
                vec![*x]
            }
        }
    }
}

/// One value: an operator's result.
#[derive(Clone, Debug)]
pub struct Value {
    /// Unique in its network, without `%`.
    pub name: String,
    /// What computes it.
    pub op: Op,
    /// Its dimensions.
    pub shape: Shape,
    /// Where it was written, if it was.
    pub span: Option<Span>,
}

/// A well-formed network: operands precede users, shapes fit, one input, an output that is no
/// constant. Only [`NetworkBuilder::finish`] makes one.
#[derive(Clone, Debug)]
pub struct Network {
    name: String,
    values: PrimaryMap<ValueId, Value>,
    names: BTreeMap<String, ValueId>,
    input: ValueId,
    output: ValueId,
    hash: ContentHash,
}

impl Network {
    /// Its name, without `@`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its values in topological order.
    pub fn values(&self) -> &PrimaryMap<ValueId, Value> {
        &self.values
    }

    /// One value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id]
    }

    /// A value by name (without `%`).
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    /// The input.
    pub fn input(&self) -> ValueId {
        self.input
    }

    /// The output.
    pub fn output(&self) -> ValueId {
        self.output
    }

    /// Number of input elements.
    pub fn input_len(&self) -> usize {
        self.value(self.input).shape.len()
    }

    /// Number of output elements.
    pub fn output_len(&self) -> usize {
        self.value(self.output).shape.len()
    }

    /// The constant behind a value, if it is one.
    pub fn constant(&self, id: ValueId) -> Option<&Constant> {
        match &self.values[id].op {
            Op::Const(c) => Some(c),
            _ => None,
        }
    }

    /// Number of constant elements.
    pub fn parameters(&self) -> usize {
        self.values
            .keys()
            .filter_map(|v| self.constant(v))
            .map(|c| c.data.len())
            .sum()
    }

    /// Multiplications of one inference.
    pub fn macs(&self) -> usize {
        self.values
            .values()
            .map(|v| match v.op {
                Op::Dense { weight, .. } => self.values[weight].shape.len(),
                Op::Input
                | Op::Const(_)
                | Op::Add { .. }
                | Op::Sub { .. }
                | Op::Div { .. }
                | Op::Relu { .. }
                | Op::Reshape { .. }
                | Op::Flatten { .. }
                | Op::Identity { .. } => 0,
            })
            .sum()
    }

    /// The dense layers' values in order.
    pub fn dense_layers(&self) -> Vec<ValueId> {
        self.values
            .iter()
            .filter(|(_, v)| matches!(v.op, Op::Dense { .. }))
            .map(|(k, _)| k)
            .collect()
    }

    /// Hash of the structure and the constants; names of values and the network do not count.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// A builder that starts from this network's values (ids stay), to add to them and finish anew.
    pub fn rebuild(&self) -> NetworkBuilder {
        NetworkBuilder {
            name: self.name.clone(),
            values: self.values.clone(),
            names: self.names.clone(),
            errors: Diagnostics::default(),
        }
    }
}

/// Builds a [`Network`]; collects every error instead of stopping at the first.
#[derive(Debug)]
pub struct NetworkBuilder {
    name: String,
    values: PrimaryMap<ValueId, Value>,
    names: BTreeMap<String, ValueId>,
    errors: Diagnostics,
}

impl NetworkBuilder {
    /// An empty network.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            values: PrimaryMap::new(),
            names: BTreeMap::new(),
            errors: Diagnostics::default(),
        }
    }

    /// Adds a value and checks it: `shape` is what was declared, `None` takes the computed one.
    /// An error is kept for [`Self::finish`]; the value still gets an id, so that later ones
    /// can be checked too.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        op: Op,
        shape: Option<Shape>,
        span: Option<Span>,
    ) -> ValueId {
        let name = name.into();
        let computed = self.shape_of(&name, &op, shape.as_ref(), span);
        if let (Some(want), Some(have)) = (&shape, &computed)
            && want != have
        {
            self.errors.push(
                Diagnostic::error(
                    codes::SHAPE,
                    format!(
                        "%{name} is declared tensor<{want}> but {} gives tensor<{have}>",
                        op.name()
                    ),
                )
                .at(span, "declared here")
                .help(format!("write tensor<{have}>, or mend the operands")),
            );
        }
        let shape = shape.or(computed).unwrap_or_else(|| Shape::vector(1));
        let id = self.values.push(Value {
            name: name.clone(),
            op,
            shape,
            span,
        });
        if let Some(first) = self.names.insert(name.clone(), id) {
            let before = self.values[first].span;
            self.errors.push(
                Diagnostic::error(codes::DUPLICATE_NAME, format!("%{name} is defined twice"))
                    .at(span, "second definition")
                    .related(before, "first definition"),
            );
        }
        id
    }

    /// A value by name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    /// The values so far.
    pub fn values(&self) -> &PrimaryMap<ValueId, Value> {
        &self.values
    }

    /// Adds an error found by the caller, to be returned with the others.
    pub fn error(&mut self, d: Diagnostic) {
        self.errors.push(d);
    }

    /// Checks the whole and closes it.
    pub fn finish(mut self, output: ValueId) -> Result<Network, Diagnostics> {
        let inputs: Vec<_> = self
            .values
            .iter()
            .filter(|(_, v)| matches!(v.op, Op::Input))
            .map(|(id, _)| id)
            .collect();
        let structure = |m: String| Diagnostic::error(codes::STRUCTURE, m);
        let input = inputs.first().copied();
        if inputs.len() != 1 {
            let second = inputs.get(1).and_then(|i| self.values[*i].span);
            self.errors.push(
                structure(format!(
                    "network @{} has {} inputs",
                    self.name,
                    inputs.len()
                ))
                .at(second, "second input")
                .help("a network has exactly one input"),
            );
        }
        match self.values.get(output) {
            None => self
                .errors
                .push(structure(format!("network @{} has no output", self.name))),
            Some(v) if matches!(v.op, Op::Const(_)) => {
                let d = structure(format!("the output %{} is a constant", v.name)).at(v.span, "");
                self.errors.push(d);
            }
            Some(_) => {}
        }
        let Some(input) = input else {
            return Err(self.errors);
        };
        if self.errors.has_errors() {
            return Err(self.errors);
        }
        let hash = hash_network(&self.values, output);
        Ok(Network {
            name: self.name,
            values: self.values,
            names: self.names,
            input,
            output,
            hash,
        })
    }

    /// The shape that `op` computes; `None` after an error.
    fn shape_of(
        &mut self,
        name: &str,
        op: &Op,
        declared: Option<&Shape>,
        span: Option<Span>,
    ) -> Option<Shape> {
        let fail = |this: &mut Self, message: String, help: &str| {
            let d = Diagnostic::error(codes::SHAPE, message).at(span, "");
            this.errors
                .push(if help.is_empty() { d } else { d.help(help) });
            None
        };
        for operand in op.operands() {
            if self.values.get(operand).is_none() {
                return fail(
                    self,
                    format!("%{name} uses a value that is not defined before it"),
                    "",
                );
            }
        }
        if let Some(shape) = declared
            && (shape.checked_len().is_none_or(|n| n == 0 || n > 1 << 31))
        {
            return fail(
                self,
                format!("%{name}: tensor<{shape}> is empty or too large"),
                "",
            );
        }
        match op {
            Op::Input => match declared {
                Some(s) => Some(s.clone()),
                None => fail(
                    self,
                    format!("the input %{name} needs a shape"),
                    "write : tensor<N>",
                ),
            },
            Op::Const(c) => self.const_shape(name, c, declared, span),
            Op::Dense { x, weight, bias } => {
                self.must_be_constant(name, *weight, "weight", span)?;
                if let Some(b) = bias {
                    self.must_be_constant(name, *b, "bias", span)?;
                }
                let (xs, ws) = (
                    self.values[*x].shape.clone(),
                    self.values[*weight].shape.clone(),
                );
                let (&[n], &[m, k]) = (&xs.0[..], &ws.0[..]) else {
                    return fail(
                        self,
                        format!(
                            "dense %{name} needs a vector and a matrix, not tensor<{xs}> and tensor<{ws}>"
                        ),
                        "flatten the operand first",
                    );
                };
                if n != k {
                    return fail(
                        self,
                        format!(
                            "dense %{name}: the operand has {n} elements, the weight {k} columns"
                        ),
                        "the weight is tensor<OUTPUTSxINPUTS>",
                    );
                }
                if let Some(b) = bias
                    && self.values[*b].shape != Shape::vector(m)
                {
                    let bs = self.values[*b].shape.clone();
                    return fail(
                        self,
                        format!("dense %{name}: the bias is tensor<{bs}>, not tensor<{m}>"),
                        "",
                    );
                }
                Some(Shape::vector(m))
            }
            Op::Add { x, c } | Op::Sub { x, c } | Op::Div { x, c } => {
                self.must_be_constant(name, *c, "second operand", span)?;
                let (xs, cs) = (self.values[*x].shape.clone(), self.values[*c].shape.clone());
                if cs.len() != 1 && cs.len() != xs.len() {
                    return fail(
                        self,
                        format!("%{name}: tensor<{cs}> does not fit tensor<{xs}>"),
                        "",
                    );
                }
                let zero = matches!(op, Op::Div { .. })
                    && matches!(&self.values[*c].op, Op::Const(c) if c.data.contains(&0.0));
                if zero {
                    return fail(self, format!("%{name} divides by zero"), "");
                }
                Some(xs)
            }
            Op::Relu { x } | Op::Identity { x } => Some(self.values[*x].shape.clone()),
            Op::Flatten { x } => Some(Shape::vector(self.values[*x].shape.len())),
            Op::Reshape { x } => {
                let xs = self.values[*x].shape.clone();
                match declared {
                    Some(s) if s.len() == xs.len() => Some(s.clone()),
                    Some(s) => fail(
                        self,
                        format!("%{name}: tensor<{xs}> has not as many elements as tensor<{s}>"),
                        "",
                    ),
                    None => fail(
                        self,
                        format!("reshape %{name} needs a shape"),
                        "write : tensor<…>",
                    ),
                }
            }
        }
    }

    fn const_shape(
        &mut self,
        name: &str,
        c: &Constant,
        declared: Option<&Shape>,
        span: Option<Span>,
    ) -> Option<Shape> {
        let shape = declared
            .cloned()
            .unwrap_or_else(|| Shape::vector(c.data.len()));
        if shape.len() != c.data.len() {
            let d = Diagnostic::error(
                codes::SHAPE,
                format!(
                    "%{name} is declared tensor<{shape}> but has {} elements",
                    c.data.len()
                ),
            );
            self.errors.push(d.at(span, "declared here"));
            return None;
        }
        if let Some(bad) = c.data.iter().find(|v| !v.is_finite()) {
            let d = Diagnostic::error(codes::NUMBER, format!("%{name} holds {bad}")).at(span, "");
            self.errors
                .push(d.help("constants are finite float32 numbers"));
            return None;
        }
        Some(shape)
    }

    fn must_be_constant(
        &mut self,
        name: &str,
        operand: ValueId,
        role: &str,
        span: Option<Span>,
    ) -> Option<()> {
        let v = &self.values[operand];
        if matches!(v.op, Op::Const(_)) {
            return Some(());
        }
        let d = Diagnostic::error(
            codes::NOT_CONSTANT,
            format!("the {role} of %{name} is %{}, which is no constant", v.name),
        );
        self.errors.push(d.at(span, "used here"));
        None
    }
}

fn hash_network(values: &PrimaryMap<ValueId, Value>, output: ValueId) -> ContentHash {
    let mut h = Hasher::new("network");
    for v in values.values() {
        h.str(v.op.name());
        h.int(v.shape.0.len() as i64);
        for d in &v.shape.0 {
            h.int(*d as i64);
        }
        h.int(v.op.operands().len() as i64);
        for o in v.op.operands() {
            h.int(i64::from(o.as_u32()));
        }
        if let Op::Const(c) = &v.op {
            let bytes: Vec<u8> = c
                .data
                .iter()
                .flat_map(|f| f.to_bits().to_le_bytes())
                .collect();
            h.bytes(&bytes);
        }
    }
    h.int(i64::from(output.as_u32()));
    h.finish()
}
