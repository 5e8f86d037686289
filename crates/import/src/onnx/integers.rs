//! Constants of integers and the numbers that they stand for.

use super::arithmetic::exactly;
use super::attribute::int_attribute;
use super::graph::Node;
use super::layers::Param;
use super::lower::Lowering;
use super::nodes::{axis_of, unsupported, wrong};
use super::proto::data_type;
use super::tensor::{Data, Tensor, doubles};
use ceg4n_base::elementary::floor_i64;
use ceg4n_base::{Diagnostic, Exact};

impl<'a> Lowering<'a> {
    /// QuantizeLinear of a constant.
    pub(super) fn quantized_constant(&mut self, node: &Node<'a>) -> Result<Tensor, Diagnostic> {
        let t = self.constant_operand(node, 0)?.clone();
        let kind = Self::default_kind(node)?;
        let channels = self.channels(node, &t.dims, [1, 2])?;
        let kind = channels.kind.unwrap_or(kind);
        let (lo, hi) = data_type::limits(kind).ok_or_else(|| {
            unsupported(format!(
                "quantization to {} is not supported",
                data_type::name(kind)
            ))
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
    pub(super) fn dequantized_weight(
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
        let mut near = Vec::with_capacity(q.len());
        for (i, q) in q.iter().enumerate() {
            let steps = q - channels.at(i).1;
            if steps.unsigned_abs() >= 1 << 29 {
                break;
            }
            near.push(steps as f64 * channels.near[channels.of(i)]);
        }
        let data = if near.len() == q.len() && channels.narrow {
            doubles(near.into_iter())
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

    /// A bias of integers with the scale of the products.
    pub(super) fn quantized_bias(
        &mut self,
        node: &Node<'a>,
        name: &'a str,
        count: usize,
        [x_scale, w_scale]: [usize; 2],
    ) -> Result<Param<'a>, Diagnostic> {
        let q = self.ints(name)?;
        if q.len() != count {
            return Err(wrong(format!(
                "a bias of {} elements for {count} outputs",
                q.len()
            )));
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
