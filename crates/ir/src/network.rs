//! Networks: operators over tensors in static single assignment, without formats.

mod build;

pub use build::NetworkBuilder;

use crate::types::Shape;
use ceg4n_base::entity::{PrimaryMap, entity_impl};
use ceg4n_base::{ContentHash, Diagnostics, Span};
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

    /// The operand that depends on the input; `None` for the input and constants.
    pub fn activation(&self) -> Option<ValueId> {
        match self {
            Self::Input | Self::Const(_) => None,
            Self::Dense { x, .. }
            | Self::Add { x, .. }
            | Self::Sub { x, .. }
            | Self::Div { x, .. }
            | Self::Relu { x }
            | Self::Reshape { x }
            | Self::Flatten { x }
            | Self::Identity { x } => Some(*x),
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
