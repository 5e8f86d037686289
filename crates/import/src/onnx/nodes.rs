//! Which translation each node gets.

use super::attribute::int_attribute;
use super::graph::Node;
use super::lower::{Activation, Lowering, ir_shape};
use super::operators::OpKind;
use super::proto::data_type;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_ir::{Curve, Op};

/// Of a translation: its result is among the activations.
pub(super) type Outcome = Result<(), Diagnostic>;

/// An inconsistency of the graph.
pub(super) fn wrong(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::ONNX_GRAPH, message)
}

/// Something that is well-formed but not imported.
pub(super) fn unsupported(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::ONNX_UNSUPPORTED, message)
}

/// Operands that do not fit each other.
pub(super) fn mismatch(node: &Node<'_>, x: &[usize], w: &[usize]) -> Diagnostic {
    wrong(format!(
        "{} of an operand of dimensions {x:?} and a weight of dimensions {w:?}",
        node.proto.op_type
    ))
}

/// An axis of `rank` dimensions, a negative one counted from the end.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, Diagnostic> {
    let from_start = if axis < 0 {
        axis.saturating_add(rank as i64)
    } else {
        axis
    };
    usize::try_from(from_start)
        .ok()
        .filter(|a| *a < rank)
        .ok_or_else(|| wrong(format!("there is no axis {axis} among {rank}")))
}

impl<'a> Lowering<'a> {
    /// Translates one node whose operands are known.
    pub(super) fn node(&mut self, node: &Node<'a>) -> Outcome {
        let mut side = node.proto.output.iter().skip(1);
        if let Some(name) = side.find(|n| self.graph.uses.contains_key(n.as_str())) {
            return Err(unsupported(format!(
                "the result \"{name}\" of {} is not supported",
                node.proto.op_type
            )));
        }
        if node.kind == OpKind::Dropout && self.training(node)? {
            return Err(unsupported("Dropout in training mode is not supported")
                .help("export the model for inference"));
        }
        if node.constant {
            let folded = self.folded(node)?;
            self.constants.insert(node.output(), folded);
            return Ok(());
        }
        match node.kind {
            OpKind::Gemm => self.gemm(node),
            OpKind::MatMul => self.matmul(node),
            OpKind::Conv => self.conv(node),
            OpKind::BatchNormalization => self.batch_normalization(node),
            OpKind::LinearRegressor => self.linear_regressor(node),
            OpKind::Scaler => self.scaler(node),
            OpKind::MaxPool | OpKind::AveragePool => self.pool(node),
            OpKind::GlobalAveragePool | OpKind::GlobalMaxPool => self.global_pool(node),
            OpKind::ReduceMax | OpKind::ReduceMean | OpKind::ReduceSum => self.reduce(node),
            OpKind::Add | OpKind::Sub | OpKind::Mul | OpKind::Div => self.arithmetic(node),
            OpKind::Sum => self.sum(node),
            OpKind::Max | OpKind::Min => self.extreme(node),
            OpKind::Relu | OpKind::Unary(_) | OpKind::Sigmoid | OpKind::Tanh => self.unary(node),
            OpKind::Neg => self.neg(node),
            OpKind::Clip => self.clip(node),
            OpKind::LeakyRelu => self.leaky_relu(node),
            OpKind::PRelu => self.prelu(node),
            OpKind::HardSigmoid => self.hard_sigmoid(node),
            OpKind::Identity | OpKind::Dropout => {
                let x = self.operand(node, 0)?;
                let dims = x.dims.clone();
                self.moved(node, Op::Identity { x: x.id }, &x, dims)
            }
            OpKind::Cast => self.cast(node),
            OpKind::Flatten
            | OpKind::Reshape
            | OpKind::Squeeze
            | OpKind::Unsqueeze
            | OpKind::Expand => self.reshape(node),
            OpKind::Transpose => self.transpose(node),
            OpKind::Pad => self.pad(node),
            OpKind::Concat => self.concat(node),
            OpKind::Slice => self.slice(node),
            OpKind::QuantizeLinear => self.quantize(node),
            OpKind::DequantizeLinear => self.dequantize(node),
            OpKind::QLinearConv => self.quantized_conv(node),
            OpKind::QLinearMatMul => self.quantized_matmul(node),
            OpKind::QGemm => self.quantized_gemm(node),
            OpKind::QLinearAdd => self.quantized_add(node),
            OpKind::QLinearConcat => self.quantized_concat(node),
            OpKind::QLinearGlobalAveragePool
            | OpKind::QLinearLeakyRelu
            | OpKind::QLinearSigmoid => self.quantized_unary(node),
            OpKind::Constant
            | OpKind::ConstantOfShape
            | OpKind::Equal
            | OpKind::Gather
            | OpKind::Range
            | OpKind::ReduceProd
            | OpKind::Shape
            | OpKind::Size
            | OpKind::Where => Err(unsupported(format!(
                "{} of a computed operand is not supported",
                node.proto.op_type
            ))),
        }
    }

    /// A computed operand.
    pub(super) fn operand(&self, node: &Node<'a>, i: usize) -> Result<Activation, Diagnostic> {
        let found = node.input(i).and_then(|n| self.activations.get(n));
        found
            .cloned()
            .ok_or_else(|| wrong(format!("operand {i} must be computed from the input")))
    }

    /// A computed operand that holds real numbers.
    pub(super) fn real(&self, node: &Node<'a>, i: usize) -> Result<Activation, Diagnostic> {
        real_numbers(node, self.operand(node, i)?)
    }

    /// Functions of each element.
    fn unary(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let given = ir_shape(&x.dims);
        let id = x.id;
        let op = match node.kind {
            OpKind::Unary(function) => Op::Unary { x: id, function },
            OpKind::Sigmoid => Op::Curve {
                x: id,
                curve: Curve::Sigmoid,
            },
            OpKind::Tanh => Op::Curve {
                x: id,
                curve: Curve::Tanh,
            },
            _ => Op::Relu { x: id },
        };
        self.define(node, op, given, x.dims)
    }

    /// Between types of real numbers nothing happens; integers become real numbers.
    fn cast(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let to = int_attribute(node.proto, "to", 0)?;
        let to = i32::try_from(to).unwrap_or(0);
        if !data_type::is_float(to) {
            let text = format!("Cast of computed values to {}", data_type::name(to));
            return Err(unsupported(format!("{text} is not supported"))
                .help("values can be rounded by QuantizeLinear with DequantizeLinear"));
        }
        let id = self.integers(&x);
        let given = ir_shape(&x.dims);
        self.define(node, Op::Identity { x: id }, given, x.dims)
    }

    fn training(&self, node: &Node<'a>) -> Result<bool, Diagnostic> {
        match node.input(2) {
            Some(name) => Ok(self.ints(name)?.iter().any(|v| *v != 0)),
            None => Ok(false),
        }
    }
}

/// The operand of a node if it holds real numbers.
pub(super) fn real_numbers(node: &Node<'_>, x: Activation) -> Result<Activation, Diagnostic> {
    match x.quant {
        None => Ok(x),
        Some(q) => Err(Diagnostic::error(
            codes::ONNX_DTYPE,
            format!(
                "{} works on elements of type {}",
                node.proto.op_type,
                data_type::name(q.kind)
            ),
        )
        .help("put a DequantizeLinear or a Cast to float before it")),
    }
}
