//! Models that are quantized already. A tensor of integers `q` is the IR's tensor of the numbers
//! `scale·(q - zero_point)` that they stand for, so that QuantizeLinear is the rounding
//! [`Op::Snap`], DequantizeLinear is nothing, and the operators on integers are those on real
//! numbers with a rounding behind.

use super::arithmetic::{constant_shape, exactly};
use super::attribute::{float_attribute, int_attribute};
use super::elementwise::enlarged;
use super::graph::Node;
use super::layers::Param;
use super::lower::{Activation, Lowering, Quant, ir_shape};
use super::matrices::Matrix;
use super::nodes::{Outcome, mismatch, unsupported, wrong};
use super::operators::OpKind;
use super::proto::data_type;
use super::tensor::{Data, Tensor};
use ceg4n_base::{Diagnostic, Exact};
use ceg4n_ir::{Curve, Op, Shape, ValueId};

impl<'a> Lowering<'a> {
    /// The scale and zero point among the operands of a node.
    fn quant(
        &self,
        node: &Node<'a>,
        scale: usize,
        zero_point: usize,
        default: i32,
    ) -> Result<Quant, Diagnostic> {
        let scale = self.one_float(node.input(scale).unwrap_or_default())?;
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(wrong(format!("a quantization has the scale {scale}")));
        }
        let (zero_point, kind) = match node.input(zero_point).and_then(|n| self.constants.get(n)) {
            None => (0, default),
            Some(Tensor {
                data: Data::Int(d, kind),
                ..
            }) => match d[..] {
                [z] => (z, *kind),
                _ => return Err(wrong("a quantization has several zero points")),
            },
            Some(_) => {
                return Err(
                    unsupported("a zero point that is no integer is not supported")
                        .help("quantize to int8, uint8, int16 or uint16"),
                );
            }
        };
        let (lo, hi) = data_type::limits(kind).ok_or_else(|| {
            unsupported(format!(
                "quantization to {} is not supported",
                data_type::name(kind)
            ))
        })?;
        let zero_point = i32::try_from(zero_point)
            .ok()
            .filter(|z| (lo..=hi).contains(z))
            .ok_or_else(|| wrong("a zero point is beyond its type"))?;
        Ok(Quant {
            scale,
            zero_point,
            kind,
        })
    }

    /// The type that a QuantizeLinear without zero point gives.
    pub(super) fn default_kind(node: &Node<'_>) -> Result<i32, Diagnostic> {
        if int_attribute(node.proto, "block_size", 0)? != 0 {
            return Err(unsupported("quantization by blocks is not supported")
                .help("quantize whole tensors, weights also by channels"));
        }
        let stated = int_attribute(node.proto, "output_dtype", 0)?;
        Ok(match i32::try_from(stated) {
            Ok(0) | Err(_) => data_type::UINT8,
            Ok(kind) => kind,
        })
    }

    pub(super) fn quantize(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let default = Self::default_kind(node)?;
        let scales = self.reals(node.input(1).unwrap_or_default())?.1;
        if scales.len() != 1 {
            return Err(unsupported(
                "QuantizeLinear of computed values by channels is not supported",
            )
            .help("quantize activations with one scale"));
        }
        let q = self.quant(node, 1, 2, default)?;
        let op = snap(x.id, q)?;
        let given = ir_shape(&x.dims);
        self.define_as(node, op, given, x.dims, Some(q))
    }

    pub(super) fn dequantize(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let Some(own) = x.quant else {
            return Err(wrong("DequantizeLinear of real numbers"));
        };
        Self::default_kind(node)?;
        let id = self.dequantized(node, &x, own, [1, 2])?;
        let given = ir_shape(&x.dims);
        self.define(node, Op::Identity { x: id }, given, x.dims)
    }

    /// The numbers that integers stand for under the scale and zero point that a node gives.
    fn dequantized(
        &mut self,
        node: &Node<'a>,
        x: &Activation,
        own: Quant,
        [scale, zero_point]: [usize; 2],
    ) -> Result<ValueId, Diagnostic> {
        let q = self.quant(node, scale, zero_point, own.kind)?;
        if q == own {
            return Ok(x.id);
        }
        if own.scale != 1.0 || q.kind != own.kind {
            return Err(unsupported(
                "reading integers under another scale than they were written with is not supported",
            )
            .help(
                "give DequantizeLinear the scale and zero point of the QuantizeLinear before it",
            ));
        }
        // The integers themselves, shifted by their zero point.
        let name = self.name(node.output());
        let mut id = x.id;
        let shift = i64::from(own.zero_point) - i64::from(q.zero_point);
        if shift != 0 {
            let data = exactly(vec![Exact::from(shift)])?;
            let c = self.fresh_constant(&format!("{name}.shift"), Shape::vector(1), &data)?;
            id = self.push(&format!("{name}.shifted"), Op::Add { x: id, c }, None);
        }
        if q.scale != 1.0 {
            let c = self.scalar(&format!("{name}.scale"), q.scale);
            id = self.push(&format!("{name}.scaled"), Op::Mul { x: id, c }, None);
        }
        Ok(id)
    }

    /// An operand of an operator on integers as the numbers that it stands for; its scale and zero
    /// point are the operands behind it.
    fn dequantized_operand(
        &mut self,
        node: &Node<'a>,
        i: usize,
        places: [usize; 2],
    ) -> Result<Activation, Diagnostic> {
        let x = self.operand(node, i)?;
        let own = x
            .quant
            .ok_or_else(|| wrong(format!("operand {i} holds no integers")))?;
        let id = self.dequantized(node, &x, own, places)?;
        Ok(Activation {
            id,
            dims: x.dims,
            quant: None,
        })
    }

    /// QLinearConv: x, its scale and zero point, w, …, those of y, and a bias of the scale
    /// `x_scale·w_scale`.
    pub(super) fn quantized_conv(&mut self, node: &Node<'a>) -> Outcome {
        let out = self.quant(node, 6, 7, data_type::UINT8)?;
        let x = self.dequantized_operand(node, 0, [1, 2])?;
        let w = self.dequantized_weight(node, 3, [4, 5])?;
        let filters = w.dims.first().copied().unwrap_or(0);
        let bias = match node.input(8) {
            None => None,
            Some(name) => Some(self.quantized_bias(node, name, filters, [1, 4])?),
        };
        let weight = Param {
            name: node.input(3).unwrap_or_default(),
            form: None,
            data: w.data,
        };
        self.with_rounding(node, out, |this, inner| {
            this.convolution(inner, &x, weight, &w.dims, bias)
        })
    }

    /// QLinearMatMul: a, its scale and zero point, b, …, those of y.
    pub(super) fn quantized_matmul(&mut self, node: &Node<'a>) -> Outcome {
        let out = self.quant(node, 6, 7, data_type::UINT8)?;
        let right = self
            .constants
            .contains_key(node.input(3).unwrap_or_default());
        if !right {
            return Err(unsupported(
                "QLinearMatMul without a constant right operand is not supported",
            ));
        }
        let x = self.dequantized_operand(node, 0, [1, 2])?;
        let w = self.dequantized_weight(node, 3, [4, 5])?;
        self.quantized_product(node, out, x, w, true, None)
    }

    /// QGemm: a, its scale and zero point, b, …, a bias or nothing, the scale and zero point of y.
    pub(super) fn quantized_gemm(&mut self, node: &Node<'a>) -> Outcome {
        let alpha = float_attribute(node.proto, "alpha", 1.0)?;
        let trans_a = int_attribute(node.proto, "transA", 0)? != 0;
        if alpha != 1.0 || trans_a || node.input(7).is_none() {
            return Err(unsupported(
                "QGemm with alpha, transA or a result of real numbers is not supported",
            ));
        }
        let out = self.quant(node, 7, 8, data_type::UINT8)?;
        let x = self.dequantized_operand(node, 0, [1, 2])?;
        let w = self.dequantized_weight(node, 3, [4, 5])?;
        let transpose = int_attribute(node.proto, "transB", 0)? == 0;
        let rows = w.dims.get(usize::from(transpose)).copied().unwrap_or(0);
        let bias = match node.input(6) {
            None => None,
            Some(name) => Some(self.quantized_bias(node, name, rows, [1, 4])?),
        };
        self.quantized_product(node, out, x, w, transpose, bias)
    }

    fn quantized_product(
        &mut self,
        node: &Node<'a>,
        out: Quant,
        x: Activation,
        w: Tensor,
        transpose: bool,
        bias: Option<Param<'a>>,
    ) -> Outcome {
        let &[a, b] = &w.dims[..] else {
            return Err(mismatch(node, &x.dims, &w.dims));
        };
        let (cols, rows) = if transpose { (a, b) } else { (b, a) };
        if x.dims.last() != Some(&cols) {
            return Err(mismatch(node, &x.dims, &w.dims));
        }
        let axis = x.dims.len() - 1;
        let weight = node.input(3).unwrap_or_default();
        self.with_rounding(node, out, |this, inner| {
            let matrix = Matrix {
                x,
                weight,
                transpose,
                alpha: 1.0,
                axis,
                rows,
            };
            this.matrix_of(inner, matrix, &w.data, None, bias)
        })
    }

    /// QLinearAdd: a, its scale and zero point, b, …, those of y; one of the two may be a constant.
    pub(super) fn quantized_add(&mut self, node: &Node<'a>) -> Outcome {
        let out = self.quant(node, 6, 7, data_type::UINT8)?;
        let (a, b) = ((0, [1, 2]), (3, [4, 5]));
        let constant = |i: usize| {
            node.input(i)
                .is_some_and(|n| self.constants.contains_key(n))
        };
        let (own, other) = if constant(0) { (b, a) } else { (a, b) };
        let given_constant = constant(other.0);
        let x = self.dequantized_operand(node, own.0, own.1)?;
        let given = ir_shape(&x.dims);
        if given_constant {
            let t = self.dequantized_weight(node, other.0, other.1)?;
            let dims = enlarged(&x.dims, &t.dims)?;
            let shape = constant_shape(&dims, &t.dims);
            let c = self.own_constant(node.input(other.0).unwrap_or_default(), shape, &t.data)?;
            return self.with_rounding(node, out, |this, inner| {
                this.define(inner, Op::Add { x: x.id, c }, given, dims)
            });
        }
        let y = self.dequantized_operand(node, other.0, other.1)?;
        if x.dims != y.dims {
            return Err(wrong(format!(
                "QLinearAdd of dimensions {:?} and {:?}",
                x.dims, y.dims
            )));
        }
        self.with_rounding(node, out, |this, inner| {
            this.define(inner, Op::Sum { x: x.id, y: y.id }, given, x.dims)
        })
    }

    /// QLinearConcat: the scale and zero point of y, then operands, each with its own.
    pub(super) fn quantized_concat(&mut self, node: &Node<'a>) -> Outcome {
        let out = self.quant(node, 0, 1, data_type::UINT8)?;
        let operands = (2..node.proto.input.len()).step_by(3);
        let xs: Vec<Activation> = operands
            .map(|i| self.dequantized_operand(node, i, [i + 1, i + 2]))
            .collect::<Result<_, _>>()?;
        let axis = int_attribute(node.proto, "axis", 0)?;
        self.with_rounding(node, out, |this, inner| {
            this.concatenation(inner, &xs, axis)
        })
    }

    /// Functions of x, its scale and zero point, those of y.
    pub(super) fn quantized_unary(&mut self, node: &Node<'a>) -> Outcome {
        let out = self.quant(node, 3, 4, data_type::UINT8)?;
        let x = self.dequantized_operand(node, 0, [1, 2])?;
        let alpha = float_attribute(node.proto, "alpha", 0.01)?;
        let last = int_attribute(node.proto, "channels_last", 0)? != 0;
        self.with_rounding(node, out, |this, inner| match inner.kind {
            OpKind::QLinearGlobalAveragePool if last => Err(unsupported(
                "QLinearGlobalAveragePool with the channels last is not supported",
            )),
            OpKind::QLinearGlobalAveragePool => this.global(inner, x, true),
            OpKind::QLinearLeakyRelu => {
                let slope = Data::Float([alpha].into());
                this.two_slopes(inner, x, &slope, Shape::vector(1))
            }
            _ => {
                let given = ir_shape(&x.dims);
                let curve = Curve::Sigmoid;
                this.define(inner, Op::Curve { x: x.id, curve }, given, x.dims)
            }
        })
    }

    /// Defines a node's result as the rounding of what `make` defines as that result.
    fn with_rounding(
        &mut self,
        node: &Node<'a>,
        out: Quant,
        make: impl FnOnce(&mut Self, &Node<'a>) -> Outcome,
    ) -> Outcome {
        self.followed(node, make, |this, x| {
            let op = snap(x.id, out)?;
            let given = ir_shape(&x.dims);
            this.define_as(node, op, given, x.dims, Some(out))
        })
    }
}

fn snap(x: ValueId, q: Quant) -> Result<Op, Diagnostic> {
    let limits = data_type::limits(q.kind).filter(|_| q.kind != data_type::INT32);
    let (lo, hi) = limits.ok_or_else(|| {
        unsupported(format!(
            "quantization to {} is not supported",
            data_type::name(q.kind)
        ))
        .help("int8, uint8, int16 and uint16 are")
    })?;
    Ok(Op::Snap {
        x,
        scale: q.scale,
        zero_point: q.zero_point,
        lo,
        hi,
    })
}
