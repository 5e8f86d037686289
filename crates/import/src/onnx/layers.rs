//! Layers with weights: convolutions, and how every layer is built, with the sums and batch normalizations
//! behind them that become part of their weights.

use super::arithmetic::{self, Normalization, channelwise, enclosing, normalization, scaled};
use super::attribute::{attribute, float_attribute, int_attribute, sizes_attribute};
use super::graph::Node;
use super::lower::{Activation, Form, Lowering, ir_shape};
use super::nodes::{Outcome, mismatch, wrong};
use super::operators::OpKind;
use super::tensor::Data;
use super::windows::Sliding;
use ceg4n_base::{Diagnostic, Exact, codes};
use ceg4n_ir::{Op, Shape, Slide, ValueId};

/// A constant operand of a layer, before it is one of the IR.
pub(super) struct Param<'a> {
    /// The ONNX constant that it is made of.
    pub(super) name: &'a str,
    /// In which form; `None` for one that is this layer's alone.
    pub(super) form: Option<Form>,
    /// Its elements in that form.
    pub(super) data: Data,
}

/// What a layer computes with its weight.
pub(super) enum Product {
    /// A vector from a vector.
    Dense,
    /// Channels from channels.
    Conv {
        /// How the filters slide.
        slide: Slide,
        /// Groups of channels.
        groups: usize,
    },
}

/// A layer before it is built.
pub(super) struct Layer<'a> {
    pub(super) x: ValueId,
    pub(super) product: Product,
    pub(super) weight: Param<'a>,
    /// Of the weight in the IR; the first dimension is that of the output channels.
    pub(super) weight_shape: Shape,
    pub(super) bias: Option<Param<'a>>,
    /// The IR's shape of the result.
    pub(super) given: Shape,
    /// If the result is to be moved: reshaped to the first, transposed by the second.
    pub(super) moved: Option<(Vec<usize>, Vec<usize>)>,
    /// ONNX dimensions of the result.
    pub(super) dims: Vec<usize>,
    /// Which of them is that of the output channels.
    pub(super) channel: usize,
}

impl<'a> Lowering<'a> {
    /// A bias of `rows` elements: a constant times a factor, one element being repeated.
    pub(super) fn bias(
        &mut self,
        name: &'a str,
        beta: f32,
        rows: usize,
    ) -> Result<Param<'a>, Diagnostic> {
        let (_, data) = self.reals(name)?;
        self.spend(rows)?;
        let data = scaled(&data, beta)?;
        Ok(Param {
            name,
            form: Some(Form::Bias(rows, beta.to_bits())),
            data: match data.len() {
                1 => data.picked(&vec![0; rows]),
                _ => data,
            },
        })
    }

    pub(super) fn conv(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let name = node.input(1).unwrap_or_default();
        let (w_dims, data) = self.reals(name)?;
        let weight = Param {
            name,
            form: Some(Form::Shaped(w_dims.clone())),
            data,
        };
        let bias = match node.input(2) {
            None => None,
            Some(b) => {
                let (dims, _) = self.reals(b)?;
                if dims != w_dims[..w_dims.len().min(1)] {
                    return Err(wrong(format!(
                        "the bias of dimensions {dims:?} does not fit filters of dimensions {w_dims:?}"
                    )));
                }
                Some(self.bias(b, 1.0, dims[0])?)
            }
        };
        self.convolution(node, &x, weight, &w_dims, bias)
    }

    /// A convolution whose attributes are those of `node`.
    pub(super) fn convolution(
        &mut self,
        node: &Node<'a>,
        x: &Activation,
        weight: Param<'a>,
        w_dims: &[usize],
        bias: Option<Param<'a>>,
    ) -> Outcome {
        let &[1, channels, ref extents @ ..] = &x.dims[..] else {
            return Err(wrong(format!(
                "Conv works on one sample of channels and positions, not on dimensions {:?}",
                x.dims
            ))
            .help("export the model with a batch size of 1 or a symbolic batch"));
        };
        let [filters, depth, kernel @ ..] = w_dims else {
            return Err(mismatch(node, &x.dims, w_dims));
        };
        let stated = sizes_attribute(node.proto, "kernel_shape")?;
        if stated.is_some_and(|k| k != kernel) {
            return Err(wrong(format!(
                "kernel_shape is another one than that of the filters, {kernel:?}"
            )));
        }
        let groups = usize::try_from(int_attribute(node.proto, "group", 1)?).unwrap_or(0);
        let fits = groups > 0 && channels % groups == 0 && filters % groups == 0;
        if !fits || channels / groups != *depth {
            return Err(mismatch(node, &x.dims, w_dims).help(format!(
                "the filters see {depth} of {channels} channels in {groups} groups"
            )));
        }
        let window = Sliding::new(node, extents, kernel.to_vec())?;
        let mut dims = vec![1, *filters];
        dims.extend(&window.out);
        let layer = Layer {
            x: x.id,
            product: Product::Conv {
                slide: window.slide,
                groups,
            },
            weight,
            weight_shape: Shape(w_dims.to_vec()),
            bias,
            given: Shape(dims[1..].to_vec()),
            moved: None,
            dims,
            channel: 1,
        };
        self.layer(node, layer)
    }

    /// Builds a layer; a following sum with a constant of one element for each channel becomes its
    /// bias, a following batch normalization part of its weights.
    pub(super) fn layer(&mut self, node: &Node<'a>, mut layer: Layer<'a>) -> Outcome {
        let mut result = *node;
        while let Some(user) = self.sole_user(result.output()).filter(|_| !self.inside) {
            let bias = self.following_bias(&user, result.output(), &layer)?;
            if let Some(bias) = bias {
                layer.bias = Some(bias);
            } else if !self.normalized(&user, &mut layer)? {
                break;
            }
            result = user;
        }
        let weight = self.param(layer.weight, layer.weight_shape)?;
        let bias = match layer.bias {
            None => None,
            Some(b) => {
                let shape = Shape::vector(b.data.len());
                Some(self.param(b, shape)?)
            }
        };
        let x = layer.x;
        let op = match layer.product {
            Product::Dense => Op::Dense { x, weight, bias },
            Product::Conv { slide, groups } => Op::Conv {
                x,
                weight,
                bias,
                slide,
                groups,
            },
        };
        let Some((dims, perm)) = layer.moved else {
            return self.define(&result, op, layer.given, layer.dims);
        };
        let name = self.name(result.output());
        let id = self.push(&format!("{name}.channels"), op, Some(layer.given));
        let x = self.shaped(id, &dims);
        let moved = Shape(perm.iter().map(|p| dims[*p]).collect());
        self.define(&result, Op::Transpose { x, perm }, moved, layer.dims)
    }

    fn param(&mut self, p: Param<'a>, shape: Shape) -> Result<ValueId, Diagnostic> {
        match p.form {
            Some(form) => self.constant(p.name, form, shape, &p.data),
            None => self.own_constant(p.name, shape, &p.data),
        }
    }

    /// The bias that a sum after a layer without one is.
    fn following_bias(
        &mut self,
        sum: &Node<'a>,
        product: &str,
        layer: &Layer<'a>,
    ) -> Result<Option<Param<'a>>, Diagnostic> {
        let (Some(a), Some(b)) = (sum.input(0), sum.input(1)) else {
            return Ok(None);
        };
        let other = if a == product { b } else { a };
        let fits = layer.bias.is_none()
            && sum.kind == OpKind::Add
            && attribute(sum.proto, "axis").is_none()
            && self
                .reals(other)
                .is_ok_and(|(dims, _)| is_bias(&layer.dims, &dims, layer.channel));
        let rows = layer.dims[layer.channel];
        fits.then(|| self.bias(other, 1.0, rows)).transpose()
    }

    /// Takes a batch normalization into a layer's weights; false if the node is none, or none that
    /// fits.
    fn normalized(&mut self, user: &Node<'a>, layer: &mut Layer<'a>) -> Result<bool, Diagnostic> {
        let exact = |p: &Param<'a>| !matches!(&p.data, Data::Wide(w) if w.enclosed);
        let fits = user.kind == OpKind::BatchNormalization
            && layer.channel == 1
            && exact(&layer.weight)
            && layer.bias.as_ref().is_none_or(exact);
        if !fits {
            return Ok(false);
        }
        // What is wrong with the node is told when it is its turn.
        let Ok(channels) = self.normalizations(user, layer.dims[1]) else {
            return Ok(false);
        };
        let bias = layer.bias.as_ref().map(|b| &b.data);
        let Ok((scale, offset)) = normalization(&channels, bias) else {
            return Ok(false);
        };
        let (scale, offset) = (enclosing(scale), enclosing(offset));
        self.spend(layer.weight.data.len())?;
        let Ok(data) = channelwise(&layer.weight.data, &scale, channels.len()) else {
            return Ok(false);
        };
        layer.weight.data = data;
        layer.weight.form = None;
        let name = layer.bias.as_ref().map(|b| b.name).or(user.input(2));
        layer.bias = Some(Param {
            name: name.unwrap_or_default(),
            form: None,
            data: offset,
        });
        Ok(true)
    }

    /// The channels of a batch normalization of `count` channels.
    fn normalizations(
        &self,
        node: &Node<'a>,
        count: usize,
    ) -> Result<Vec<Normalization>, Diagnostic> {
        let train = int_attribute(node.proto, "training_mode", 0)? != 0;
        let spatial = int_attribute(node.proto, "spatial", 1)? != 0;
        if train || !spatial {
            let what = if train {
                "in training mode"
            } else {
                "per position"
            };
            return Err(Diagnostic::error(
                codes::ONNX_UNSUPPORTED,
                format!("BatchNormalization {what} is not supported"),
            )
            .help("export the model for inference"));
        }
        let epsilon = Exact::from_f32(float_attribute(node.proto, "epsilon", 1e-5)?);
        let operand = |i: usize| -> Result<Vec<Exact>, Diagnostic> {
            let name = node.input(i).unwrap_or_default();
            let (_, data) = self.reals(name)?;
            let all = (0..data.len()).map(|k| data.exact(k));
            let all: Option<Vec<Exact>> = all.collect();
            all.filter(|all| all.len() == count).ok_or_else(|| {
                wrong(format!(
                    "\"{name}\" does not hold a finite number for each of {count} channels"
                ))
            })
        };
        let [gamma, beta, mean, variance] = [operand(1)?, operand(2)?, operand(3)?, operand(4)?];
        let epsilon = epsilon.unwrap_or_else(Exact::zero);
        let mut channels = Vec::with_capacity(count);
        for (((gamma, beta), mean), variance) in gamma.into_iter().zip(beta).zip(mean).zip(variance)
        {
            let spread = &variance + &epsilon;
            if spread.signum() <= 0 {
                return Err(wrong("a variance and epsilon together are not positive"));
            }
            channels.push(Normalization {
                gamma,
                beta,
                mean,
                spread,
            });
        }
        Ok(channels)
    }

    /// A batch normalization that follows no layer: a factor and an offset for each channel.
    pub(super) fn batch_normalization(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let &[_, channels, ref rest @ ..] = &x.dims[..] else {
            return Err(wrong(format!(
                "BatchNormalization needs channels, not dimensions {:?}",
                x.dims
            )));
        };
        let all = self.normalizations(node, channels)?;
        let (scale, offset) = normalization(&all, None)?;
        let (scale, offset) = (enclosing(scale), enclosing(offset));
        let mut shape = vec![channels];
        shape.extend(rest.iter().map(|_| 1));
        let shape = arithmetic::constant_shape(&x.dims, &shape);
        let (gamma, beta) = (
            node.input(1).unwrap_or_default(),
            node.input(2).unwrap_or_default(),
        );
        let c = self.own_constant(gamma, shape.clone(), &scale)?;
        let name = self.name(node.output());
        let x_scaled = self.push(&format!("{name}.scaled"), Op::Mul { x: x.id, c }, None);
        let c = self.own_constant(beta, shape, &offset)?;
        let given = ir_shape(&x.dims);
        self.define(node, Op::Add { x: x_scaled, c }, given, x.dims)
    }
}

/// True if a constant of dimensions `c` has one element for each entry of the axis `channel` of a
/// tensor of dimensions `dims`, or one for all.
pub(super) fn is_bias(dims: &[usize], c: &[usize], channel: usize) -> bool {
    let fits = arithmetic::broadcast_dims(dims, c).as_deref() == Some(dims);
    let padded = arithmetic::padded(c, dims.len());
    fits && padded
        .iter()
        .enumerate()
        .all(|(i, d)| *d == 1 || i == channel)
}
