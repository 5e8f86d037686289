//! What each ONNX operator becomes, and the folding of constants.

use super::attribute::{attribute, constant_value, float_attribute, int_attribute};
use super::graph::{Node, OpKind};
use super::lower::{Activation, Form, Lowering, ir_shape};
use super::tensor::{self, Fold, Tensor};
use ceg4n_base::{Diagnostic, codes};
use ceg4n_ir::{Constant, Op, Origin, Shape, ValueId};
use std::sync::Arc;

type Outcome = Result<(), Diagnostic>;

pub(super) fn wrong(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::ONNX_GRAPH, message)
}

/// A dense layer before it is built.
struct Dense<'a> {
    x: Activation,
    weight: &'a str,
    /// The stored matrix is `[inputs, outputs]`.
    transpose: bool,
    alpha: f32,
    /// The bias and its factor.
    bias: Option<(&'a str, f32)>,
    rows: usize,
    cols: usize,
    /// Of the result.
    dims: Vec<usize>,
}

impl<'a> Lowering<'a> {
    /// Translates one node whose operands are known.
    pub(super) fn node(&mut self, node: &Node<'a>) -> Outcome {
        let side = node.proto.output.iter().skip(1);
        if let Some(name) = side
            .into_iter()
            .find(|n| self.graph.uses.contains_key(n.as_str()))
        {
            return Err(Diagnostic::error(
                codes::ONNX_UNSUPPORTED,
                format!(
                    "the result \"{name}\" of {} is not supported",
                    node.proto.op_type
                ),
            ));
        }
        if node.kind == OpKind::Dropout && self.training(node)? {
            return Err(Diagnostic::error(
                codes::ONNX_UNSUPPORTED,
                "Dropout in training mode is not supported",
            )
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
            OpKind::Add | OpKind::Sub | OpKind::Div => self.elementwise(node),
            OpKind::Relu => {
                let x = self.operand(node, 0)?;
                let shape = ir_shape(&x.dims);
                self.define(node, Op::Relu { x: x.id }, shape, x.dims)
            }
            OpKind::Identity | OpKind::Dropout => {
                let x = self.operand(node, 0)?;
                let shape = ir_shape(&x.dims);
                self.define(node, Op::Identity { x: x.id }, shape, x.dims)
            }
            OpKind::Flatten | OpKind::Reshape => {
                let x = self.operand(node, 0)?;
                let dims = self.moved_dims(node, &x.dims)?;
                let shape = ir_shape(&dims);
                let op = if node.kind == OpKind::Flatten && shape.0.len() == 1 {
                    Op::Flatten { x: x.id }
                } else {
                    Op::Reshape { x: x.id }
                };
                self.define(node, op, shape, dims)
            }
            OpKind::Constant => Err(wrong("a constant with operands")),
        }
    }

    fn operand(&self, node: &Node<'a>, i: usize) -> Result<Activation, Diagnostic> {
        let found = node.input(i).and_then(|n| self.activations.get(n));
        found
            .cloned()
            .ok_or_else(|| wrong(format!("operand {i} must be computed from the input")))
    }

    fn gemm(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let weight = node.input(1).unwrap_or_default();
        if int_attribute(node.proto, "transA", 0)? != 0 {
            return Err(wrong("Gemm with transA = 1 cannot be imported")
                .help("transpose the operand's dimensions before export"));
        }
        let stored_transposed = int_attribute(node.proto, "transB", 0)? != 0;
        let alpha = float_attribute(node.proto, "alpha", 1.0)?;
        let beta = float_attribute(node.proto, "beta", 1.0)?;
        let (w_dims, _) = self.floats(weight)?;
        let (&[batch, cols], &[a, b]) = (&x.dims[..], &w_dims[..]) else {
            return Err(wrong(format!(
                "Gemm needs matrices, not operands of dimensions {:?} and {w_dims:?}",
                x.dims
            )));
        };
        if batch != 1 {
            return Err(fixed_batch(batch));
        }
        let (inputs, rows) = if stored_transposed { (b, a) } else { (a, b) };
        if inputs != cols {
            return Err(mismatch(node, &x.dims, &w_dims));
        }
        let dims = vec![1, rows];
        let bias = node.input(2).filter(|_| beta != 0.0);
        if let Some(c) = bias {
            let (c_dims, _) = self.floats(c)?;
            if tensor::broadcast_dims(&dims, &c_dims) != Some(dims.clone()) {
                return Err(wrong(format!(
                    "the bias of dimensions {c_dims:?} does not fit the result of dimensions {dims:?}"
                )));
            }
        }
        self.dense(
            node,
            Dense {
                x,
                weight,
                transpose: !stored_transposed,
                alpha,
                bias: bias.map(|c| (c, beta)),
                rows,
                cols,
                dims,
            },
        )
    }

    fn matmul(&mut self, node: &Node<'a>) -> Outcome {
        let (left, right) = (
            node.input(0).unwrap_or_default(),
            node.input(1).unwrap_or_default(),
        );
        let right_constant = self.constants.contains_key(right);
        let x = self.operand(node, usize::from(!right_constant))?;
        let weight = if right_constant { right } else { left };
        let (w_dims, _) = self.floats(weight)?;
        let &[a, b] = &w_dims[..] else {
            return Err(wrong(format!(
                "MatMul needs a constant matrix, not one of dimensions {w_dims:?}"
            )));
        };
        let (cols, rows) = if right_constant { (a, b) } else { (b, a) };
        // The axis of `x` that is summed over: the last, or for W·x the last but one.
        let axis = match x.dims.len() {
            0 => None,
            1 => Some(0),
            n if right_constant => Some(n - 1),
            n => Some(n - 2),
        };
        let Some(axis) = axis.filter(|i| x.dims[*i] == cols) else {
            return Err(mismatch(node, &x.dims, &w_dims));
        };
        let others: usize = x.dims.iter().product::<usize>() / cols.max(1);
        if others != 1 {
            return Err(fixed_batch(others));
        }
        let mut dims = x.dims.clone();
        dims[axis] = rows;
        self.dense(
            node,
            Dense {
                x,
                weight,
                transpose: right_constant,
                alpha: 1.0,
                bias: None,
                rows,
                cols,
                dims,
            },
        )
    }

    /// Builds a dense layer; a following sum with a constant vector becomes its bias.
    fn dense(&mut self, node: &Node<'a>, mut d: Dense<'a>) -> Outcome {
        let mut result = *node;
        if d.bias.is_none()
            && let Some((sum, c)) = self.fusible_sum(node, &d.dims)
        {
            d.bias = Some((c, 1.0));
            result = sum;
        }
        let (rows, cols) = (d.rows, d.cols);
        let (_, data) = self.floats(d.weight)?;
        if d.transpose || d.alpha != 1.0 {
            self.spend(data.len())?;
        }
        let form = Form::Weight(d.transpose, d.alpha.to_bits());
        let weight = self.constant(d.weight, form, Shape(vec![rows, cols]), || {
            let data = times(&data, d.alpha, "alpha")?;
            Ok(if d.transpose {
                tensor::transposed(&data, cols, rows).into()
            } else {
                data
            })
        })?;
        let bias = match d.bias {
            None => None,
            Some((c, beta)) => {
                let (_, data) = self.floats(c)?;
                self.spend(rows)?;
                let form = Form::Bias(rows, beta.to_bits());
                Some(self.constant(c, form, Shape::vector(rows), || {
                    let data = times(&data, beta, "beta")?;
                    Ok(if data.len() == 1 {
                        vec![data[0]; rows].into()
                    } else {
                        data
                    })
                })?)
            }
        };
        let x = self.vector(&d.x);
        let op = Op::Dense { x, weight, bias };
        self.define(&result, op, Shape::vector(rows), d.dims)
    }

    /// The sum that alone uses a product of dimensions `dims`, and its constant, if the constant
    /// is a bias: one element for each output, or one for all.
    fn fusible_sum(&self, product: &Node<'a>, dims: &[usize]) -> Option<(Node<'a>, &'a str)> {
        let name = product.output();
        if self.graph.uses.get(name) != Some(&1) {
            return None;
        }
        let sum = self.user(name)?;
        let other = match (sum.input(0)?, sum.input(1)?) {
            (a, b) if a == name => b,
            (a, _) => a,
        };
        let (c_dims, _) = self.floats(other).ok()?;
        let fits = sum.kind == OpKind::Add
            && attribute(sum.proto, "axis").is_none()
            && tensor::broadcast_dims(dims, &c_dims).as_deref() == Some(dims);
        fits.then_some((sum, other))
    }

    fn elementwise(&mut self, node: &Node<'a>) -> Outcome {
        if attribute(node.proto, "axis").is_some() {
            return Err(wrong(format!(
                "{} aligns its operands by the attribute axis, which cannot be imported",
                node.proto.op_type
            ))
            .help("convert the model to operator set 7 or later"));
        }
        let right = node.input(1).unwrap_or_default();
        let constant_right = self.constants.contains_key(right);
        let x = self.operand(node, usize::from(!constant_right))?;
        let name = if constant_right {
            right
        } else {
            node.input(0).unwrap_or_default()
        };
        let (c_dims, data) = self.floats(name)?;
        let Some(dims) = tensor::broadcast_dims(&x.dims, &c_dims) else {
            return Err(wrong(format!(
                "a constant of dimensions {c_dims:?} does not fit an operand of dimensions {:?}",
                x.dims
            ))
            .help("broadcasting may spread the constant, not the computed operand"));
        };
        if node.kind == OpKind::Div && data.contains(&0.0) {
            return Err(wrong(format!("division by zero: \"{name}\" holds a zero")));
        }
        let c = self.spread_constant(name, &c_dims, &data, &x)?;
        let given = ir_shape(&x.dims);
        let op = match node.kind {
            OpKind::Div => Op::Div { x: x.id, c },
            OpKind::Sub if constant_right => Op::Sub { x: x.id, c },
            OpKind::Sub => Op::Add {
                x: self.negated(node, &x),
                c,
            },
            OpKind::Add
            | OpKind::Gemm
            | OpKind::MatMul
            | OpKind::Relu
            | OpKind::Flatten
            | OpKind::Reshape
            | OpKind::Identity
            | OpKind::Dropout
            | OpKind::Constant => Op::Add { x: x.id, c },
        };
        self.define(node, op, given, dims)
    }

    /// A constant operand: one element, or as many as `x` has.
    fn spread_constant(
        &mut self,
        name: &'a str,
        c_dims: &[usize],
        data: &Arc<[f32]>,
        x: &Activation,
    ) -> Result<ValueId, Diagnostic> {
        if data.len() == 1 {
            return self.constant(name, Form::Single, Shape::vector(1), || Ok(data.clone()));
        }
        let size = x.dims.iter().product();
        if data.len() != size {
            self.spend(size)?;
        }
        let form = Form::Spread(x.dims.clone());
        self.constant(name, form, ir_shape(&x.dims), || {
            Ok(if data.len() == size {
                data.clone()
            } else {
                tensor::spread(&x.dims, c_dims, data).into()
            })
        })
    }

    /// `-x`, exactly: `x / -1`.
    fn negated(&mut self, node: &Node<'a>, x: &Activation) -> ValueId {
        let name = self.name(node.output());
        let minus_one = Op::Const(Constant {
            data: Arc::from([-1.0]),
            origin: Origin::Inline,
            wide: None,
        });
        let c_name = self.fresh(&format!("{name}.minus_one"));
        let c = self.builder.push(c_name, minus_one, None, None);
        let wanted = self.fresh(&format!("{name}.negated"));
        self.builder
            .push(wanted, Op::Div { x: x.id, c }, None, None)
    }

    /// The dimensions that a Flatten or Reshape gives.
    fn moved_dims(&self, node: &Node<'a>, x: &[usize]) -> Result<Vec<usize>, Diagnostic> {
        if node.kind == OpKind::Flatten {
            let axis = int_attribute(node.proto, "axis", 1)?;
            let rank = x.len() as i64;
            let from_start = if axis < 0 {
                axis.saturating_add(rank)
            } else {
                axis
            };
            return match usize::try_from(from_start) {
                Ok(i) if i <= x.len() => Ok(vec![x[..i].iter().product(), x[i..].iter().product()]),
                _ => Err(wrong(format!("Flatten at axis {axis} of dimensions {x:?}"))),
            };
        }
        let shape: Arc<[i64]> = match (node.input(1), attribute(node.proto, "shape")) {
            (Some(name), _) => self.ints(name)?,
            // Operator sets before 5.
            (None, Some(a)) => a.ints.as_slice().into(),
            (None, None) => return Err(wrong("Reshape needs a shape")),
        };
        let keep_zero = int_attribute(node.proto, "allowzero", 0)? != 0;
        reshaped(x, &shape, keep_zero).ok_or_else(|| {
            wrong(format!("dimensions {x:?} cannot be reshaped to {shape:?}"))
                .help("a symbolic batch dimension counts as 1")
        })
    }

    fn training(&self, node: &Node<'a>) -> Result<bool, Diagnostic> {
        match node.input(2) {
            Some(name) => Ok(self.ints(name)?.iter().any(|v| *v != 0)),
            None => Ok(false),
        }
    }

    /// The value of a node whose operands are constants.
    fn folded(&mut self, node: &Node<'a>) -> Result<Tensor, Diagnostic> {
        let operand = |i: usize| -> Result<&Tensor, Diagnostic> {
            node.input(i)
                .and_then(|n| self.constants.get(n))
                .ok_or_else(|| wrong(format!("operand {i} is no constant")))
        };
        match node.kind {
            OpKind::Constant => constant_value(node.proto),
            OpKind::Identity | OpKind::Dropout => Ok(operand(0)?.clone()),
            OpKind::Flatten | OpKind::Reshape => {
                let t = operand(0)?.clone();
                let dims = self.moved_dims(node, &t.dims)?;
                Ok(Tensor { dims, ..t })
            }
            OpKind::Add => self.fold(node, Fold::Add),
            OpKind::Sub => self.fold(node, Fold::Sub),
            OpKind::Div => self.fold(node, Fold::Div),
            OpKind::Gemm | OpKind::MatMul | OpKind::Relu => Err(Diagnostic::error(
                codes::ONNX_UNSUPPORTED,
                format!("{} of constants only is not supported", node.proto.op_type),
            )),
        }
    }

    fn fold(&mut self, node: &Node<'a>, op: Fold) -> Result<Tensor, Diagnostic> {
        let (a_dims, a) = self.floats(node.input(0).unwrap_or_default())?;
        let (b_dims, b) = self.floats(node.input(1).unwrap_or_default())?;
        let dims = tensor::broadcast_dims(&a_dims, &b_dims)
            .or_else(|| tensor::broadcast_dims(&b_dims, &a_dims))
            .ok_or_else(|| {
                wrong(format!(
                    "constants of dimensions {a_dims:?} and {b_dims:?} do not fit"
                ))
            })?;
        self.spend(dims.iter().product())?;
        let a = tensor::spread(&dims, &a_dims, &a);
        let b = tensor::spread(&dims, &b_dims, &b);
        let out: Option<Vec<f32>> = a
            .iter()
            .zip(&b)
            .map(|(a, b)| tensor::fold(op, *a, *b))
            .collect();
        let out = out.ok_or_else(|| {
            wrong("a result of arithmetic on constants is no float32")
                .help("fold constants before export (for instance with onnxsim)")
        })?;
        Ok(Tensor::float(dims, out))
    }
}

/// `data·factor` where that is exact.
fn times(data: &Arc<[f32]>, factor: f32, name: &str) -> Result<Arc<[f32]>, Diagnostic> {
    if factor == 1.0 {
        return Ok(data.clone());
    }
    let product = tensor::scaled(data, factor).ok_or_else(|| {
        wrong(format!(
            "{name} = {factor} times the weights is not exact in float32"
        ))
        .help(format!(
            "export the model with {name} = 1, or a power of two"
        ))
    })?;
    Ok(product.into())
}

/// Resolves 0 (keep) and -1 (infer) of an ONNX shape; `None` if the sizes do not fit.
fn reshaped(x: &[usize], shape: &[i64], keep_zero: bool) -> Option<Vec<usize>> {
    let mut free = None;
    let mut dims = Vec::with_capacity(shape.len());
    for (i, d) in shape.iter().enumerate() {
        dims.push(match d {
            -1 if free.replace(i).is_some() => return None,
            -1 => 1,
            0 if !keep_zero => *x.get(i)?,
            d => usize::try_from(*d).ok()?,
        });
    }
    let have = tensor::checked_len(x)?;
    let given = tensor::checked_len(&dims)?;
    if let Some(i) = free {
        if given == 0 {
            return None;
        }
        dims[i] = have / given;
    }
    (tensor::checked_len(&dims)? == have).then_some(dims)
}

fn mismatch(node: &Node<'_>, x: &[usize], w: &[usize]) -> Diagnostic {
    wrong(format!(
        "{} of an operand of dimensions {x:?} and a weight of dimensions {w:?}",
        node.proto.op_type
    ))
}

fn fixed_batch(n: usize) -> Diagnostic {
    wrong(format!("the layer works on {n} rows at once"))
        .help("export the model with a batch size of 1 or a symbolic batch")
}
