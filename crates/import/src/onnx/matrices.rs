//! Matrix products, which are dense layers, or convolutions where they work on several rows.

use super::arithmetic::{self, scaled, transposed};
use super::attribute::{float_attribute, floats_attribute, int_attribute, text_attribute};
use super::graph::Node;
use super::layers::{Layer, Param, Product, is_bias};
use super::lower::{Activation, Form, Lowering, ir_shape};
use super::nodes::{Outcome, mismatch, unsupported, wrong};
use super::tensor::Data;
use ceg4n_base::Diagnostic;
use ceg4n_ir::{Op, Shape, Slide, ValueId};

/// A matrix product before it is brought into the form of a layer.
pub(super) struct Matrix<'a> {
    pub(super) x: Activation,
    pub(super) weight: &'a str,
    /// The stored matrix is `[inputs, outputs]`.
    pub(super) transpose: bool,
    pub(super) alpha: f32,
    /// The axis of `x` that is summed over.
    pub(super) axis: usize,
    /// Outputs.
    pub(super) rows: usize,
}

impl<'a> Lowering<'a> {
    pub(super) fn gemm(&mut self, node: &Node<'a>) -> Outcome {
        let right = node.input(1).unwrap_or_default();
        let constant_right = self.constants.contains_key(right);
        let x = self.real(node, usize::from(!constant_right))?;
        let weight = if constant_right {
            right
        } else {
            node.input(0).unwrap_or_default()
        };
        let flag = |name| int_attribute(node.proto, name, 0).map(|v| v != 0);
        let (trans_a, trans_b) = (flag("transA")?, flag("transB")?);
        let alpha = float_attribute(node.proto, "alpha", 1.0)?;
        let beta = float_attribute(node.proto, "beta", 1.0)?;
        let (w_dims, _) = self.reals(weight)?;
        let (&[_, _], &[a, b]) = (&x.dims[..], &w_dims[..]) else {
            return Err(wrong(format!(
                "Gemm needs matrices, not operands of dimensions {:?} and {w_dims:?}",
                x.dims
            )));
        };
        let (trans_x, trans_w) = if constant_right {
            (trans_a, trans_b)
        } else {
            (trans_b, trans_a)
        };
        let x = if trans_x { self.turned(x)? } else { x };
        // x·W sums over the last axis of x, W·x over the first.
        let axis = usize::from(constant_right);
        let transpose = constant_right != trans_w;
        let (inputs, rows) = if transpose { (a, b) } else { (b, a) };
        if x.dims[axis] != inputs {
            return Err(mismatch(node, &x.dims, &w_dims));
        }
        let mut dims = x.dims.clone();
        dims[axis] = rows;
        let bias = node.input(2).filter(|_| beta != 0.0);
        let mut summand = None;
        if let Some(c) = bias {
            let (c_dims, data) = self.reals(c)?;
            if arithmetic::broadcast_dims(&dims, &c_dims).as_deref() != Some(&dims[..]) {
                return Err(wrong(format!(
                    "the bias of dimensions {c_dims:?} does not fit the result of dimensions {dims:?}"
                )));
            }
            // Not one element for each output: a sum behind the product.
            if !is_bias(&dims, &c_dims, axis) {
                let c = scaled(&data, beta)?;
                let shape = arithmetic::constant_shape(&dims, &c_dims);
                summand = Some((node.input(2).unwrap_or_default(), shape, c));
            }
        }
        let matrix = Matrix {
            x,
            weight,
            transpose,
            alpha,
            axis,
            rows,
        };
        let Some((name, shape, data)) = summand else {
            return self.matrix(node, matrix, bias.map(|c| (c, beta)));
        };
        let c = self.own_constant(name, shape, &data)?;
        let made = |this: &mut Self, inner: &Node<'a>| this.matrix(inner, matrix, None);
        self.followed(node, made, |this, x| {
            let given = ir_shape(&x.dims);
            this.define(node, Op::Add { x: x.id, c }, given, x.dims)
        })
    }

    pub(super) fn matmul(&mut self, node: &Node<'a>) -> Outcome {
        let (left, right) = (
            node.input(0).unwrap_or_default(),
            node.input(1).unwrap_or_default(),
        );
        let constant_right = self.constants.contains_key(right);
        let x = self.real(node, usize::from(!constant_right))?;
        let weight = if constant_right { right } else { left };
        let (w_dims, _) = self.reals(weight)?;
        // A vector is a matrix of one column, or of one row on the left.
        let (a, b) = match &w_dims[..] {
            [n] if constant_right => (*n, 1),
            [n] => (1, *n),
            [ones @ .., a, b] if ones.iter().all(|d| *d == 1) => (*a, *b),
            _ => {
                return Err(wrong(format!(
                    "MatMul needs a constant matrix, not one of dimensions {w_dims:?}"
                )));
            }
        };
        let (cols, rows) = if constant_right { (a, b) } else { (b, a) };
        // The axis of `x` that is summed over: the last, or for W·x the last but one.
        let axis = match x.dims.len() {
            0 => None,
            1 => Some(0),
            n if constant_right => Some(n - 1),
            n => Some(n - 2),
        };
        let Some(axis) = axis.filter(|i| x.dims[*i] == cols) else {
            return Err(mismatch(node, &x.dims, &w_dims));
        };
        let matrix = Matrix {
            x,
            weight,
            transpose: constant_right,
            alpha: 1.0,
            axis,
            rows,
        };
        self.matrix(node, matrix, None)
    }

    /// LinearRegressor of the classical operators: a dense layer.
    pub(super) fn linear_regressor(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let post = text_attribute(node.proto, "post_transform");
        let targets = usize::try_from(int_attribute(node.proto, "targets", 1)?).unwrap_or(0);
        let cols = x.dims.last().copied().unwrap_or(0);
        let weights = floats_attribute(node.proto, "coefficients").unwrap_or(&[]);
        let biases = floats_attribute(node.proto, "intercepts").unwrap_or(&[]);
        let fits = x.dims.iter().product::<usize>() == cols
            && targets.checked_mul(cols) == Some(weights.len())
            && matches!(biases.len(), n if n == 0 || n == targets)
            && matches!(post.as_str(), "" | "NONE");
        if !fits || targets == 0 {
            return Err(unsupported("LinearRegressor of this form is not supported")
                .help("write the linear model as MatMul and Add"));
        }
        let name = self.name(node.output());
        let shape = Shape(vec![targets, cols]);
        let data = Data::Float(weights.into());
        let weight = self.fresh_constant(&format!("{name}.coefficients"), shape, &data)?;
        let bias = if biases.is_empty() {
            None
        } else {
            let data = Data::Float(biases.into());
            let wanted = format!("{name}.intercepts");
            Some(self.fresh_constant(&wanted, Shape::vector(targets), &data)?)
        };
        let x = self.vector(&x);
        let op = Op::Dense { x, weight, bias };
        self.define(node, op, Shape::vector(targets), vec![1, targets])
    }

    /// A matrix with its dimensions exchanged.
    fn turned(&mut self, x: Activation) -> Result<Activation, Diagnostic> {
        let (rows, cols) = (x.dims[0], x.dims[1]);
        let dims = vec![cols, rows];
        if rows == 1 || cols == 1 {
            return Ok(Activation { dims, ..x });
        }
        let name = self.builder.values()[x.id].name.clone();
        let op = Op::Transpose {
            x: x.id,
            perm: vec![1, 0],
        };
        let id = self.push(&format!("{name}.turned"), op, None);
        Ok(Activation {
            id,
            dims,
            quant: None,
        })
    }

    /// A matrix product of constants of the model.
    fn matrix(&mut self, node: &Node<'a>, m: Matrix<'a>, bias: Option<(&'a str, f32)>) -> Outcome {
        let (_, data) = self.reals(m.weight)?;
        let form = Form::Weight(m.transpose, m.alpha.to_bits());
        let bias = bias.map(|(c, beta)| self.bias(c, beta, m.rows));
        self.matrix_of(node, m, &data, Some(form), bias.transpose()?)
    }

    /// A matrix product: a dense layer, or for several rows a convolution with filters of extent 1.
    /// `data` are the elements of the weight as stored, `form` whether others may share them.
    pub(super) fn matrix_of(
        &mut self,
        node: &Node<'a>,
        m: Matrix<'a>,
        data: &Data,
        form: Option<Form>,
        bias: Option<Param<'a>>,
    ) -> Outcome {
        let dims = m.x.dims.clone();
        let (rows, cols) = (m.rows, dims[m.axis]);
        let (before, after): (usize, usize) = (
            dims[..m.axis].iter().product(),
            dims[m.axis + 1..].iter().product(),
        );
        if m.transpose || m.alpha != 1.0 {
            self.spend(data.len())?;
        }
        let data = scaled(data, m.alpha)?;
        let weight = Param {
            name: m.weight,
            form,
            data: match m.transpose {
                true => transposed(&data, cols, rows),
                false => data,
            },
        };
        let mut out = dims;
        out[m.axis] = rows;
        let positions = before * after;
        let mut layer = Layer {
            x: m.x.id,
            product: Product::Dense,
            weight,
            weight_shape: Shape(vec![rows, cols]),
            bias,
            given: Shape::vector(rows),
            moved: None,
            dims: out,
            channel: m.axis,
        };
        if positions == 1 {
            layer.x = self.vector(&m.x);
            return self.layer(node, layer);
        }
        layer.x = self.channels_first(m.x.id, [before, cols, after]);
        layer.product = Product::Conv {
            slide: Slide::dense(1),
            groups: 1,
        };
        layer.weight_shape = Shape(vec![rows, cols, 1]);
        // The same elements as a matrix are another constant.
        layer.weight.form = None;
        layer.given = Shape(vec![rows, positions]);
        if before > 1 {
            layer.moved = Some(match after {
                1 => (vec![rows, before], vec![1, 0]),
                _ => (vec![rows, before, after], vec![1, 0, 2]),
            });
        }
        self.layer(node, layer)
    }

    /// `[before, channels, after]` as `[channels, before·after]`.
    fn channels_first(&mut self, x: ValueId, [before, channels, after]: [usize; 3]) -> ValueId {
        let mut id = x;
        if before > 1 {
            let name = self.builder.values()[x].name.clone();
            let (dims, perm) = if after == 1 {
                (vec![before, channels], vec![1, 0])
            } else {
                (vec![before, channels, after], vec![1, 0, 2])
            };
            let x = self.shaped(id, &dims);
            id = self.push(&format!("{name}.turned"), Op::Transpose { x, perm }, None);
        }
        self.shaped(id, &[channels, before * after])
    }
}
