//! Models that are quantized already. A tensor of integers `q` is the IR's tensor of the numbers
//! `scale·(q - zero_point)` that they stand for, so that QuantizeLinear is the rounding
//! [`Op::Snap`], DequantizeLinear is nothing, and the operators on integers are those on real
//! numbers with a rounding behind.

use super::arithmetic::exactly;
use super::attribute::int_attribute;
use super::graph::Node;
use super::layers::{Matrix, Param};
use super::lower::{Activation, Lowering, Quant, ir_shape};
use super::nodes::{Outcome, axis_of, unsupported, wrong};
use super::proto::data_type;
use super::tensor::{Data, Tensor};
use ceg4n_base::elementary::floor_i64;
use ceg4n_base::{Diagnostic, Exact};
use ceg4n_ir::{Op, Shape, ValueId};

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
                return Err(unsupported("a zero point that is no integer is not supported")
                    .help("quantize to int8, uint8, int16 or uint16"));
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
    fn default_kind(node: &Node<'_>) -> Result<i32, Diagnostic> {
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
            return Err(
                unsupported("QuantizeLinear of computed values by channels is not supported")
                    .help("quantize activations with one scale"),
            );
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
            .help("give DequantizeLinear the scale and zero point of the QuantizeLinear before it"));
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

    /// QuantizeLinear of a constant.
    pub(super) fn quantized_constant(&mut self, node: &Node<'a>) -> Result<Tensor, Diagnostic> {
        let t = self.constant_operand(node, 0)?.clone();
        let kind = Self::default_kind(node)?;
        let channels = self.channels(node, &t.dims, [1, 2])?;
        let kind = channels.kind.unwrap_or(kind);
        let (lo, hi) = data_type::limits(kind).ok_or_else(|| {
            unsupported(format!("quantization to {} is not supported", data_type::name(kind)))
        })?;
        self.spend(t.len())?;
        let mut out = Vec::with_capacity(t.len());
        for i in 0..t.len() {
            let (scale, zero) = channels.at(i);
            let steps = t.data.exact(i).and_then(|v| v.checked_div(scale));
            let steps = steps.ok_or_else(|| wrong("a constant to quantize is not finite"))?;
            let q = half_even(&steps).saturating_add(zero);
            out.push(q.clamp(lo.into(), hi.into()));
        }
        Ok(Tensor {
            dims: t.dims,
            data: Data::Int(out.into(), kind),
        })
    }

    /// DequantizeLinear of a constant: `(q - zero_point)·scale`, exactly.
    pub(super) fn dequantized_constant(&mut self, node: &Node<'a>) -> Result<Tensor, Diagnostic> {
        Self::default_kind(node)?;
        self.dequantized_weight(node, 0, [1, 2])
    }

    /// The same for operand `i` of a node with the given places of its scale and zero point.
    fn dequantized_weight(
        &mut self,
        node: &Node<'a>,
        i: usize,
        places: [usize; 2],
    ) -> Result<Tensor, Diagnostic> {
        let t = self.constant_operand(node, i)?.clone();
        let Data::Int(q, _) = &t.data else {
            return Err(wrong(format!("operand {i} holds no integers")));
        };
        let channels = self.channels(node, &t.dims, places)?;
        self.spend(2 * q.len())?;
        // 17 + 24 bits fit a float64; others go through exact numbers.
        let mut doubles = Vec::with_capacity(q.len());
        for (i, q) in q.iter().enumerate() {
            let steps = q - channels.at(i).1;
            if steps.unsigned_abs() >= 1 << 29 {
                break;
            }
            doubles.push(steps as f64 * channels.near[channels.of(i)]);
        }
        let data = if doubles.len() == q.len() && channels.narrow {
            super::tensor::doubles(doubles.into_iter())
        } else {
            let values = q.iter().enumerate().map(|(i, q)| {
                let (scale, zero) = channels.at(i);
                &Exact::from(q - zero) * scale
            });
            exactly(values.collect())?
        };
        Ok(Tensor { dims: t.dims, data })
    }

    /// The scales and zero points of a constant of dimensions `dims`.
    fn channels(
        &self,
        node: &Node<'a>,
        dims: &[usize],
        [scale, zero_point]: [usize; 2],
    ) -> Result<Channels, Diagnostic> {
        let (_, data) = self.reals(node.input(scale).unwrap_or_default())?;
        let scales = (0..data.len()).map(|i| data.exact(i).filter(|s| s.signum() > 0));
        let scales: Option<Vec<Exact>> = scales.collect();
        let scales = scales.ok_or_else(|| wrong("a scale is not positive and finite"))?;
        let (zeros, kind) = match node.input(zero_point).and_then(|n| self.constants.get(n)) {
            None => (vec![0; scales.len()], None),
            Some(Tensor {
                data: Data::Int(d, kind),
                ..
            }) if d.len() == scales.len() => (d.to_vec(), Some(*kind)),
            Some(_) => return Err(wrong("the zero points do not fit the scales")),
        };
        let (size, each) = if scales.len() == 1 {
            (1, 1)
        } else {
            let axis = axis_of(self.channel_axis(node)?, dims.len())?;
            (dims[axis], dims[axis + 1..].iter().product())
        };
        if size != scales.len() {
            return Err(wrong(format!(
                "{} scales for {size} channels of dimensions {dims:?}",
                scales.len()
            )));
        }
        Ok(Channels {
            narrow: matches!(data, Data::Float(_)),
            near: scales.iter().map(Exact::to_f64).collect(),
            scales,
            zeros,
            kind,
            each,
        })
    }

    /// The axis of the channels of a quantized constant.
    fn channel_axis(&self, node: &Node<'a>) -> Result<i64, Diagnostic> {
        match node.proto.op_type.as_str() {
            "QLinearConv" => Ok(0),
            "QLinearMatMul" => Ok(-1),
            "QGemm" => Ok(if int_attribute(node.proto, "transB", 0)? == 0 {
                -1
            } else {
                0
            }),
            _ => int_attribute(node.proto, "axis", 1),
        }
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

    /// A bias of integers with the scale of the products.
    fn quantized_bias(
        &mut self,
        node: &Node<'a>,
        name: &'a str,
        count: usize,
        [x_scale, w_scale]: [usize; 2],
    ) -> Result<Param<'a>, Diagnostic> {
        let q = self.ints(name)?;
        if q.len() != count {
            return Err(wrong(format!("a bias of {} elements for {count} outputs", q.len())));
        }
        let x_scale = self.one_float(node.input(x_scale).unwrap_or_default())?;
        let x_scale = Exact::from_f32(x_scale).ok_or_else(|| wrong("a scale is not finite"))?;
        let (_, w_scale) = self.reals(node.input(w_scale).unwrap_or_default())?;
        let mut values = Vec::with_capacity(count);
        for (i, q) in q.iter().enumerate() {
            let scale = w_scale.exact(if w_scale.len() == 1 { 0 } else { i });
            let scale = scale.ok_or_else(|| wrong("a scale is not finite"))?;
            values.push(&(&Exact::from(*q) * &x_scale) * &scale);
        }
        Ok(Param {
            name,
            form: None,
            data: exactly(values)?,
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
        let alpha = super::attribute::float_attribute(node.proto, "alpha", 1.0)?;
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
            return Err(super::nodes::mismatch(node, &x.dims, &w.dims));
        };
        let (cols, rows) = if transpose { (a, b) } else { (b, a) };
        if x.dims.last() != Some(&cols) {
            return Err(super::nodes::mismatch(node, &x.dims, &w.dims));
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

    /// QLinearAdd of two computed tensors.
    pub(super) fn quantized_add(&mut self, node: &Node<'a>) -> Outcome {
        let out = self.quant(node, 6, 7, data_type::UINT8)?;
        let x = self.dequantized_operand(node, 0, [1, 2])?;
        let y = self.dequantized_operand(node, 3, [4, 5])?;
        if x.dims != y.dims {
            return Err(wrong(format!(
                "QLinearAdd of dimensions {:?} and {:?}",
                x.dims, y.dims
            )));
        }
        let given = ir_shape(&x.dims);
        self.with_rounding(node, out, |this, inner| {
            this.define(inner, Op::Sum { x: x.id, y: y.id }, given, x.dims)
        })
    }

    /// Defines a node's result as the rounding of what `make` defines as that result.
    fn with_rounding(
        &mut self,
        node: &Node<'a>,
        out: Quant,
        make: impl FnOnce(&mut Self, &Node<'a>) -> Outcome,
    ) -> Outcome {
        let name = node.output();
        let inner = format!("{}.real", self.name(name));
        let inner = self.fresh(&inner);
        let own = self.rename(name, inner);
        let made = make(self, node);
        self.rename(name, own);
        made?;
        let x = self
            .activations
            .remove(name)
            .ok_or_else(|| wrong("the product has no result"))?;
        let op = snap(x.id, out)?;
        let given = ir_shape(&x.dims);
        self.define_as(node, op, given, x.dims, Some(out))
    }
}

/// The scales and zero points of a constant's elements.
struct Channels {
    scales: Vec<Exact>,
    /// True if the scales are float32 numbers.
    narrow: bool,
    /// Their nearest floats, then they themselves.
    near: Vec<f64>,
    zeros: Vec<i64>,
    /// The type of the zero points.
    kind: Option<i32>,
    /// Neighbouring elements of one channel.
    each: usize,
}

impl Channels {
    /// The channel of element `i`.
    fn of(&self, i: usize) -> usize {
        i / self.each.max(1) % self.scales.len()
    }

    /// The scale and the zero point of element `i`.
    fn at(&self, i: usize) -> (&Exact, i64) {
        let channel = self.of(i);
        (&self.scales[channel], self.zeros[channel])
    }
}

/// The nearest integer, at ties the even one; saturated.
fn half_even(x: &Exact) -> i64 {
    let Some(floor) = floor_i64(x) else {
        return if x.signum() < 0 { i64::MIN } else { i64::MAX };
    };
    let rest = x - &Exact::from(floor);
    let half = Exact::dyadic(1, -1);
    let up = rest > half || (rest == half && floor % 2 != 0);
    floor.saturating_add(i64::from(up))
}

fn snap(x: ValueId, q: Quant) -> Result<Op, Diagnostic> {
    let limits = data_type::limits(q.kind).filter(|_| q.kind != data_type::INT32);
    let (lo, hi) = limits.ok_or_else(|| {
        unsupported(format!("quantization to {} is not supported", data_type::name(q.kind)))
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
