//! The real-valued lowered program: the reference, also with fixed-point weights.

use crate::NodeId;
use crate::network::ValueId;
use ceg4n_base::entity::PrimaryMap;
use std::sync::Arc;

/// One operator over real vectors; row-major, shapes flattened. Constants are `f64` and exact:
/// every float32 and every mantissa under a legal format is one.
#[derive(Clone, Debug)]
pub enum RealOp {
    /// The input.
    Input,
    /// `y[j] = Σ_k x[k]·weight[j·cols + k] + bias[j]`.
    Dense {
        /// Operand with `cols` elements.
        x: NodeId,
        /// `rows·cols` elements.
        weight: Arc<[f64]>,
        /// `rows` elements.
        bias: Option<Arc<[f64]>>,
        /// Outputs.
        rows: usize,
        /// Inputs.
        cols: usize,
    },
    /// `x + c`, one constant per element (a subtraction is stored negated).
    AddConst {
        /// Operand.
        x: NodeId,
        /// As many elements as `x`.
        c: Arc<[f64]>,
    },
    /// `x / c`, one constant per element, none zero.
    DivConst {
        /// Operand.
        x: NodeId,
        /// As many elements as `x`.
        c: Arc<[f64]>,
    },
    /// `max(0, x)`.
    Relu {
        /// Operand.
        x: NodeId,
    },
    /// The same elements.
    Move {
        /// Operand.
        x: NodeId,
    },
}

/// A node: an operator and its place in the IR.
#[derive(Clone, Debug)]
pub struct RealNode {
    /// The IR value that it computes.
    pub value: ValueId,
    /// How.
    pub op: RealOp,
    /// Number of elements.
    pub len: usize,
}

/// A checked real-valued program: nodes in topological order, the last value wanted is `output`.
#[derive(Clone, Debug)]
pub struct RealProgram {
    /// Nodes; operands precede users.
    pub nodes: PrimaryMap<NodeId, RealNode>,
    /// The input node.
    pub input: NodeId,
    /// The output node.
    pub output: NodeId,
}

impl RealProgram {
    /// Number of inputs.
    pub fn input_len(&self) -> usize {
        self.nodes[self.input].len
    }

    /// Number of outputs.
    pub fn output_len(&self) -> usize {
        self.nodes[self.output].len
    }
}
