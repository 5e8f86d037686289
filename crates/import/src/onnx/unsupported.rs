//! What cannot be imported, and what comes closest to it.

use super::Place;
use super::graph::Node;
use super::operators::{self, OpKind};
use super::proto::NodeProto;
use ceg4n_base::{Diagnostic, codes};
use std::collections::BTreeSet;

/// The diagnostic about a node; `form` is what of a known operator is not supported.
pub(super) fn operator(place: &Place, index: usize, node: &NodeProto, form: &str) -> Diagnostic {
    let text = format!(
        "operator {} (domain {}){form} is not supported",
        node.op_type,
        operators::domain(node)
    );
    let d = place.coded(codes::ONNX_UNSUPPORTED, index, node, text);
    match alternative(&node.op_type) {
        Some(help) => d.help(help),
        None => d,
    }
}

/// The last word of a list of unsupported operators.
pub(super) fn supported_operators() -> String {
    format!(
        "supported are {}, and at the end Softmax, LogSoftmax and ArgMax",
        operators::names()
    )
}

/// The nearest supported way to say what an operator says.
fn alternative(op: &str) -> Option<&'static str> {
    Some(match op {
        "Elu" | "Selu" | "Celu" | "Softplus" | "Softsign" | "Gelu" | "Mish" | "Swish"
        | "HardSwish" | "ThresholdedRelu" | "Shrink" | "Erf" | "Exp" | "Log" | "Pow" | "Sqrt"
        | "Reciprocal" | "Sin" | "Cos" => {
            "the nearest activations are Relu, LeakyRelu, PRelu, Clip, HardSigmoid, Sigmoid and Tanh"
        }
        "Softmax" | "LogSoftmax" | "ArgMax" | "Hardmax" | "ZipMap" => {
            "it can stand at the end alone, over all outputs, where it is cut off"
        }
        "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "LRN"
        | "MeanVarianceNormalization"
        | "Normalizer" => "the nearest is BatchNormalization, whose factors are constants",
        "ConvTranspose" | "Resize" | "Upsample" | "DepthToSpace" | "MaxUnpool" => {
            "no operator enlarges a tensor; the nearest are Conv and Pad"
        }
        "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear"
        | "DynamicQuantizeLSTM"
        | "DynamicQuantizeMatMul"
        | "MatMulIntegerToFloat" => {
            "quantize with fixed scales (static quantization): QuantizeLinear and DequantizeLinear"
        }
        "LSTM" | "GRU" | "RNN" | "Loop" | "Scan" | "If" => {
            "unroll the model into a fixed sequence of operators before export"
        }
        "Slice" | "Split" | "Gather" | "GatherElements" | "GatherND" | "TopK" | "Compress"
        | "NonZero" => {
            "parts of computed values cannot be taken; a Conv or MatMul with weights 0 and 1 can pick them"
        }
        "Attention" | "MultiHeadAttention" | "Einsum" => {
            "products of computed values cannot be imported; MatMul and Gemm take constant weights"
        }
        "LinearClassifier" => "write the linear model as MatMul and Add",
        "Mean" => "the nearest are Sum, and Mul by a constant",
        "ReduceMin" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" | "ReduceLogSumExp"
        | "LpPool" | "GlobalLpPool" => {
            "the nearest are ReduceMax, ReduceMean, ReduceSum, MaxPool and AveragePool"
        }
        "MatMul" | "Gemm" | "Mul" => {
            "one operand of a product is a constant; the nearest of two computed ones is Add"
        }
        "Div" => "divide by a constant",
        "TreeEnsembleClassifier"
        | "TreeEnsembleRegressor"
        | "TreeEnsemble"
        | "SVMClassifier"
        | "SVMRegressor" => "networks are imported, of the classical models the linear ones alone",
        "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Not"
        | "Where" | "Xor" => "the nearest are Sign, Max, Min and Clip",
        "Floor" | "Ceil" | "Round" | "Mod" => {
            "rounding is imported as QuantizeLinear with DequantizeLinear"
        }
        "BitLinear" | "MatMulNBits" => {
            "dequantize the weights: DequantizeLinear of a constant is one"
        }
        _ => return None,
    })
}

/// What of a known operator is not supported, as far as operands being constants decide it.
pub(super) fn unsupported_form(node: &Node<'_>, computed: &BTreeSet<&str>) -> Option<&'static str> {
    if node.constant {
        return (!folds(node.kind)).then_some(" of constants only");
    }
    let computed = |i: usize| node.input(i).is_some_and(|n| computed.contains(n));
    let any = |from: usize| (from..node.proto.input.len()).any(computed);
    let form = match node.kind {
        OpKind::Gemm if computed(2) => " with a computed bias",
        OpKind::Gemm | OpKind::MatMul | OpKind::Mul if computed(0) && computed(1) => {
            " of two computed operands"
        }
        OpKind::Div if computed(1) => " by a computed value",
        OpKind::Reshape | OpKind::Expand if any(1) => " to a computed shape",
        OpKind::Dropout
        | OpKind::Clip
        | OpKind::Pad
        | OpKind::Squeeze
        | OpKind::Unsqueeze
        | OpKind::ReduceMax
        | OpKind::ReduceMean
        | OpKind::ReduceSum
        | OpKind::Slice
            if any(1) =>
        {
            " with computed options"
        }
        OpKind::Conv | OpKind::PRelu | OpKind::BatchNormalization if any(1) => {
            " with computed weights"
        }
        OpKind::QuantizeLinear | OpKind::DequantizeLinear | OpKind::QLinearConv if any(1) => {
            " with computed weights, scales or zero points"
        }
        OpKind::ConstantOfShape
        | OpKind::Equal
        | OpKind::Gather
        | OpKind::Range
        | OpKind::ReduceProd
        | OpKind::Where => " of a computed operand",
        OpKind::Unary(_)
        | OpKind::Add
        | OpKind::AveragePool
        | OpKind::BatchNormalization
        | OpKind::Cast
        | OpKind::Clip
        | OpKind::Concat
        | OpKind::Constant
        | OpKind::Conv
        | OpKind::DequantizeLinear
        | OpKind::Div
        | OpKind::Dropout
        | OpKind::Expand
        | OpKind::Flatten
        | OpKind::Gemm
        | OpKind::GlobalAveragePool
        | OpKind::GlobalMaxPool
        | OpKind::HardSigmoid
        | OpKind::Identity
        | OpKind::LeakyRelu
        | OpKind::LinearRegressor
        | OpKind::MatMul
        | OpKind::Max
        | OpKind::MaxPool
        | OpKind::Min
        | OpKind::Mul
        | OpKind::Neg
        | OpKind::Pad
        | OpKind::PRelu
        | OpKind::QLinearAdd
        | OpKind::QLinearConcat
        | OpKind::QLinearGlobalAveragePool
        | OpKind::QLinearLeakyRelu
        | OpKind::QLinearSigmoid
        | OpKind::QLinearConv
        | OpKind::QLinearMatMul
        | OpKind::QGemm
        | OpKind::QuantizeLinear
        | OpKind::ReduceMax
        | OpKind::ReduceMean
        | OpKind::ReduceSum
        | OpKind::Relu
        | OpKind::Reshape
        | OpKind::Scaler
        | OpKind::Shape
        | OpKind::Sigmoid
        | OpKind::Size
        | OpKind::Slice
        | OpKind::Squeeze
        | OpKind::Sub
        | OpKind::Sum
        | OpKind::Tanh
        | OpKind::Transpose
        | OpKind::Unsqueeze => return None,
    };
    Some(form)
}

/// True for operators whose result import computes where all operands are constants.
fn folds(kind: OpKind) -> bool {
    match kind {
        OpKind::Add
        | OpKind::Cast
        | OpKind::Concat
        | OpKind::Constant
        | OpKind::ConstantOfShape
        | OpKind::DequantizeLinear
        | OpKind::Div
        | OpKind::Dropout
        | OpKind::Equal
        | OpKind::Expand
        | OpKind::Flatten
        | OpKind::Gather
        | OpKind::Identity
        | OpKind::Max
        | OpKind::Min
        | OpKind::Mul
        | OpKind::Neg
        | OpKind::QuantizeLinear
        | OpKind::Range
        | OpKind::ReduceProd
        | OpKind::Reshape
        | OpKind::Shape
        | OpKind::Size
        | OpKind::Slice
        | OpKind::Squeeze
        | OpKind::Sub
        | OpKind::Transpose
        | OpKind::Unsqueeze
        | OpKind::Where => true,
        OpKind::Unary(_)
        | OpKind::AveragePool
        | OpKind::BatchNormalization
        | OpKind::Clip
        | OpKind::Conv
        | OpKind::Gemm
        | OpKind::GlobalAveragePool
        | OpKind::GlobalMaxPool
        | OpKind::HardSigmoid
        | OpKind::LeakyRelu
        | OpKind::LinearRegressor
        | OpKind::MatMul
        | OpKind::MaxPool
        | OpKind::Pad
        | OpKind::PRelu
        | OpKind::QLinearAdd
        | OpKind::QLinearConcat
        | OpKind::QLinearGlobalAveragePool
        | OpKind::QLinearLeakyRelu
        | OpKind::QLinearSigmoid
        | OpKind::QLinearConv
        | OpKind::QLinearMatMul
        | OpKind::QGemm
        | OpKind::ReduceMax
        | OpKind::ReduceMean
        | OpKind::ReduceSum
        | OpKind::Relu
        | OpKind::Scaler
        | OpKind::Sigmoid
        | OpKind::Sum
        | OpKind::Tanh => false,
    }
}
