//! The operators of the importer and how many operands each needs.

use super::proto::NodeProto;
use ceg4n_ir::Unary;

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpKind {
    /// Elementwise sum of two.
    Add,
    /// Mean of windows.
    AveragePool,
    /// Affine per channel.
    BatchNormalization,
    /// Another element type.
    Cast,
    /// Between two ends.
    Clip,
    /// One after the other along an axis.
    Concat,
    /// A constant.
    Constant,
    /// A constant of a given shape.
    ConstantOfShape,
    /// A convolution.
    Conv,
    /// From integers to the numbers that they stand for.
    DequantizeLinear,
    /// Elementwise quotient.
    Div,
    /// Nothing, in inference.
    Dropout,
    /// 1 where two constants are equal.
    Equal,
    /// Broadcast to given dimensions.
    Expand,
    /// To two dimensions.
    Flatten,
    /// Elements of a constant.
    Gather,
    /// A matrix product with scale factors and a bias.
    Gemm,
    /// Mean over all positions.
    GlobalAveragePool,
    /// Maximum over all positions.
    GlobalMaxPool,
    /// An affine function between 0 and 1.
    HardSigmoid,
    /// Nothing.
    Identity,
    /// Two slopes.
    LeakyRelu,
    /// A linear model.
    LinearRegressor,
    /// A matrix product.
    MatMul,
    /// Elementwise maximum.
    Max,
    /// Maximum of windows.
    MaxPool,
    /// Elementwise minimum.
    Min,
    /// Elementwise product.
    Mul,
    /// `-x`.
    Neg,
    /// Elements around a tensor.
    Pad,
    /// Two slopes, the lower given by a constant.
    PRelu,
    /// Sum of quantized tensors.
    QLinearAdd,
    /// Quantized tensors one after the other.
    QLinearConcat,
    /// Mean over all positions of a quantized tensor.
    QLinearGlobalAveragePool,
    /// Two slopes, of a quantized tensor.
    QLinearLeakyRelu,
    /// The sigmoid function of a quantized tensor.
    QLinearSigmoid,
    /// A convolution of quantized tensors.
    QLinearConv,
    /// A matrix product of quantized tensors.
    QLinearMatMul,
    /// A matrix product of quantized tensors with a bias.
    QGemm,
    /// To integers.
    QuantizeLinear,
    /// Integers from a start to a limit.
    Range,
    /// Maximum over axes.
    ReduceMax,
    /// Mean over axes.
    ReduceMean,
    /// Product over axes, of constants.
    ReduceProd,
    /// Sum over axes.
    ReduceSum,
    /// `max(0, x)`.
    Relu,
    /// To given dimensions.
    Reshape,
    /// `(x - offset)·scale`.
    Scaler,
    /// The dimensions of a value.
    Shape,
    /// `1/(1 + e^-x)`.
    Sigmoid,
    /// The number of elements of a value.
    Size,
    /// Part of a constant.
    Slice,
    /// A function of each element.
    Unary(Unary),
    /// Without dimensions of size 1.
    Squeeze,
    /// Elementwise difference.
    Sub,
    /// Elementwise sum of several.
    Sum,
    /// Hyperbolic tangent.
    Tanh,
    /// Another order of dimensions.
    Transpose,
    /// With more dimensions of size 1.
    Unsqueeze,
    /// Elements of either of two constants.
    Where,
}

/// The operator set of the format itself.
pub(super) const STANDARD: &str = "ai.onnx";
/// The one of classical models.
const CLASSICAL: &str = "ai.onnx.ml";
/// The one of a runtime that quantizes.
const RUNTIME: &str = "com.microsoft";

impl OpKind {
    /// Every operator: its domain, its name there, and how many operands must be there.
    pub(crate) const ALL: &'static [(&'static str, &'static str, Self, usize)] = &[
        (STANDARD, "Abs", Self::Unary(Unary::Abs), 1),
        (STANDARD, "Add", Self::Add, 2),
        (STANDARD, "AveragePool", Self::AveragePool, 1),
        (STANDARD, "BatchNormalization", Self::BatchNormalization, 5),
        (STANDARD, "Cast", Self::Cast, 1),
        (STANDARD, "Clip", Self::Clip, 1),
        (STANDARD, "Concat", Self::Concat, 1),
        (STANDARD, "Constant", Self::Constant, 0),
        (STANDARD, "ConstantOfShape", Self::ConstantOfShape, 1),
        (STANDARD, "Conv", Self::Conv, 2),
        (STANDARD, "DequantizeLinear", Self::DequantizeLinear, 2),
        (STANDARD, "Div", Self::Div, 2),
        (STANDARD, "Dropout", Self::Dropout, 1),
        (STANDARD, "Equal", Self::Equal, 2),
        (STANDARD, "Expand", Self::Expand, 2),
        (STANDARD, "Flatten", Self::Flatten, 1),
        (STANDARD, "Gather", Self::Gather, 2),
        (STANDARD, "Gemm", Self::Gemm, 2),
        (STANDARD, "GlobalAveragePool", Self::GlobalAveragePool, 1),
        (STANDARD, "GlobalMaxPool", Self::GlobalMaxPool, 1),
        (STANDARD, "HardSigmoid", Self::HardSigmoid, 1),
        (STANDARD, "Identity", Self::Identity, 1),
        (STANDARD, "LeakyRelu", Self::LeakyRelu, 1),
        (STANDARD, "MatMul", Self::MatMul, 2),
        (STANDARD, "Max", Self::Max, 1),
        (STANDARD, "MaxPool", Self::MaxPool, 1),
        (STANDARD, "Min", Self::Min, 1),
        (STANDARD, "Mul", Self::Mul, 2),
        (STANDARD, "Neg", Self::Neg, 1),
        (STANDARD, "PRelu", Self::PRelu, 2),
        (STANDARD, "Pad", Self::Pad, 1),
        (STANDARD, "QLinearConv", Self::QLinearConv, 8),
        (STANDARD, "QLinearMatMul", Self::QLinearMatMul, 8),
        (STANDARD, "QuantizeLinear", Self::QuantizeLinear, 2),
        (STANDARD, "Range", Self::Range, 3),
        (STANDARD, "ReduceMax", Self::ReduceMax, 1),
        (STANDARD, "ReduceMean", Self::ReduceMean, 1),
        (STANDARD, "ReduceProd", Self::ReduceProd, 1),
        (STANDARD, "ReduceSum", Self::ReduceSum, 1),
        (STANDARD, "Relu", Self::Relu, 1),
        (STANDARD, "Reshape", Self::Reshape, 1),
        (STANDARD, "Shape", Self::Shape, 1),
        (STANDARD, "Sigmoid", Self::Sigmoid, 1),
        (STANDARD, "Sign", Self::Unary(Unary::Sign), 1),
        (STANDARD, "Size", Self::Size, 1),
        (STANDARD, "Slice", Self::Slice, 1),
        (STANDARD, "Squeeze", Self::Squeeze, 1),
        (STANDARD, "Sub", Self::Sub, 2),
        (STANDARD, "Sum", Self::Sum, 1),
        (STANDARD, "Tanh", Self::Tanh, 1),
        (STANDARD, "Transpose", Self::Transpose, 1),
        (STANDARD, "Unsqueeze", Self::Unsqueeze, 1),
        (STANDARD, "Where", Self::Where, 3),
        (CLASSICAL, "LinearRegressor", Self::LinearRegressor, 1),
        (CLASSICAL, "Scaler", Self::Scaler, 1),
        (RUNTIME, "DequantizeLinear", Self::DequantizeLinear, 2),
        (RUNTIME, "QGemm", Self::QGemm, 6),
        (RUNTIME, "QLinearAdd", Self::QLinearAdd, 7),
        (RUNTIME, "QLinearConcat", Self::QLinearConcat, 5),
        (
            RUNTIME,
            "QLinearGlobalAveragePool",
            Self::QLinearGlobalAveragePool,
            5,
        ),
        (RUNTIME, "QLinearLeakyRelu", Self::QLinearLeakyRelu, 5),
        (RUNTIME, "QLinearSigmoid", Self::QLinearSigmoid, 5),
        (RUNTIME, "QuantizeLinear", Self::QuantizeLinear, 2),
    ];

    /// The operator of a node.
    pub(crate) fn of(node: &NodeProto) -> Option<Self> {
        let domain = domain(node);
        Self::ALL
            .iter()
            .find(|(d, name, ..)| *d == domain && *name == node.op_type)
            .map(|(_, _, kind, _)| *kind)
    }

    /// Operands that must be there: the first so many.
    pub(crate) fn required(self) -> usize {
        let entry = Self::ALL.iter().find(|(_, _, kind, _)| *kind == self);
        entry.map_or(0, |(.., n)| *n)
    }

    /// True if the result is a constant although the operand may be computed.
    pub(crate) fn asks_for_dimensions(self) -> bool {
        matches!(self, Self::Shape | Self::Size)
    }
}

/// The domain of a node's operator; the standard one may be left out.
pub(crate) fn domain(node: &NodeProto) -> &str {
    if node.domain.is_empty() {
        STANDARD
    } else {
        &node.domain
    }
}

/// The names of all operators, for messages.
pub(crate) fn names() -> String {
    let mut names: Vec<&str> = OpKind::ALL.iter().map(|(_, name, ..)| *name).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
