//! Elementwise operators: arithmetic with constants and of two tensors, piecewise linear
//! activations.

use super::arithmetic;
use super::attribute::{attribute, float_attribute, floats_attribute};
use super::graph::Node;
use super::lower::{Activation, Form, Lowering, ir_shape};
use super::nodes::{Outcome, unsupported, wrong};
use super::operators::OpKind;
use super::tensor::Data;
use ceg4n_base::{Diagnostic, Exact};
use ceg4n_ir::{Op, Shape, ValueId};

impl<'a> Lowering<'a> {
    /// Add, Sub, Mul and Div.
    pub(super) fn arithmetic(&mut self, node: &Node<'a>) -> Outcome {
        if attribute(node.proto, "axis").is_some() {
            return Err(wrong(format!(
                "{} aligns its operands by the attribute axis, which cannot be imported",
                node.proto.op_type
            ))
            .help("convert the model to operator set 7 or later"));
        }
        let (left, right) = (
            node.input(0).unwrap_or_default(),
            node.input(1).unwrap_or_default(),
        );
        let constant_right = self.constants.contains_key(right);
        if !constant_right && !self.constants.contains_key(left) {
            return self.of_two(node);
        }
        let x = self.real(node, usize::from(!constant_right))?;
        let name = if constant_right { right } else { left };
        let (c_dims, data) = self.reals(name)?;
        let dims = enlarged(&x.dims, &c_dims)?;
        let zero = |i: usize| data.exact(i).is_some_and(|v| v.is_zero());
        if node.kind == OpKind::Div && (0..data.len()).any(zero) {
            return Err(wrong(format!("division by zero: \"{name}\" holds a zero")));
        }
        let c = self.broadcast_constant(name, &dims, &c_dims, &data)?;
        let op = match node.kind {
            OpKind::Div => Op::Div { x: x.id, c },
            OpKind::Mul => Op::Mul { x: x.id, c },
            OpKind::Sub if constant_right => Op::Sub { x: x.id, c },
            OpKind::Sub => {
                let name = self.name(node.output());
                let x = self.negated(&name, x.id);
                Op::Add { x, c }
            }
            _ => Op::Add { x: x.id, c },
        };
        let given = ir_shape(&x.dims);
        self.define(node, op, given, dims)
    }

    /// A constant that broadcasts to a tensor of ONNX dimensions `dims`.
    fn broadcast_constant(
        &mut self,
        name: &'a str,
        dims: &[usize],
        c_dims: &[usize],
        data: &Data,
    ) -> Result<ValueId, Diagnostic> {
        let shape = arithmetic::constant_shape(dims, c_dims);
        self.constant(name, Form::Shaped(shape.0.clone()), shape, data)
    }

    /// Add and Sub of two computed operands.
    fn of_two(&mut self, node: &Node<'a>) -> Outcome {
        let (x, y) = (self.real(node, 0)?, self.real(node, 1)?);
        let name = self.name(node.output());
        let y_id = match node.kind {
            OpKind::Sub => self.negated(&name, y.id),
            OpKind::Add => y.id,
            _ => {
                let text = format!("{} of two computed operands", node.proto.op_type);
                return Err(unsupported(format!("{text} is not supported")));
            }
        };
        let dims = self.same_dims(node, &x, &y)?;
        self.sum_of(node, x.id, y_id, dims)
    }

    /// The dimensions of two operands, of which none may be enlarged.
    fn same_dims(
        &self,
        node: &Node<'a>,
        x: &Activation,
        y: &Activation,
    ) -> Result<Vec<usize>, Diagnostic> {
        let dims = arithmetic::broadcast_dims(&x.dims, &y.dims);
        dims.filter(|d| *d == arithmetic::padded(&y.dims, d.len()))
            .ok_or_else(|| {
                wrong(format!(
                    "{} of two computed operands of dimensions {:?} and {:?}",
                    node.proto.op_type, x.dims, y.dims
                ))
                .help("broadcasting may spread a constant, not a computed operand")
            })
    }

    fn sum_of(&mut self, node: &Node<'a>, x: ValueId, y: ValueId, dims: Vec<usize>) -> Outcome {
        let given = ir_shape(&dims);
        let (x, y) = (self.shaped(x, &given.0), self.shaped(y, &given.0));
        self.define(node, Op::Sum { x, y }, given, dims)
    }

    /// Sum, of any number of operands: the computed ones, then the constants.
    pub(super) fn sum(&mut self, node: &Node<'a>) -> Outcome {
        let all: Vec<&'a str> = (0..node.proto.input.len())
            .filter_map(|i| node.input(i))
            .collect();
        let name = self.name(node.output());
        let mut result: Option<Activation> = None;
        for i in 0..node.proto.input.len() {
            let computed = node
                .input(i)
                .is_some_and(|n| self.activations.contains_key(n));
            if !computed {
                continue;
            }
            let y = self.real(node, i)?;
            result = Some(match result {
                None => y,
                Some(x) => {
                    let dims = self.same_dims(node, &x, &y)?;
                    let shape = ir_shape(&dims);
                    let (a, b) = (self.shaped(x.id, &shape.0), self.shaped(y.id, &shape.0));
                    let id = self.push(&format!("{name}.sum"), Op::Sum { x: a, y: b }, None);
                    Activation {
                        id,
                        dims,
                        quant: None,
                    }
                }
            });
        }
        let mut x = result.ok_or_else(|| wrong("Sum needs operands"))?;
        for c in all {
            if !self.constants.contains_key(c) {
                continue;
            }
            let (c_dims, data) = self.reals(c)?;
            let dims = enlarged(&x.dims, &c_dims)?;
            let c = self.broadcast_constant(c, &dims, &c_dims, &data)?;
            let id = self.push(&format!("{name}.sum"), Op::Add { x: x.id, c }, None);
            x = Activation {
                id,
                dims,
                quant: None,
            };
        }
        let id = self.shaped(x.id, &ir_shape(&x.dims).0);
        self.defined(node, Op::Identity { x: id }, x.dims)
    }

    /// Defines a node's result of the same dimensions as its operand's.
    fn defined(&mut self, node: &Node<'a>, op: Op, dims: Vec<usize>) -> Outcome {
        let given = ir_shape(&dims);
        self.define(node, op, given, dims)
    }

    /// Max and Min: of a tensor and a constant of one value an end, of two tensors
    /// `y + relu(x - y)` and `y - relu(y - x)`.
    pub(super) fn extreme(&mut self, node: &Node<'a>) -> Outcome {
        let max = node.kind == OpKind::Max;
        let operands: Vec<&'a str> = (0..node.proto.input.len())
            .filter_map(|i| node.input(i))
            .collect();
        let &[a, b] = &operands[..] else {
            let x = self.real(node, 0)?;
            return match operands.len() {
                1 => self.defined(node, Op::Identity { x: x.id }, x.dims),
                n => Err(unsupported(format!(
                    "{} of {n} operands is not supported",
                    node.proto.op_type
                ))
                .help("apply it to two at a time")),
            };
        };
        let constant = [a, b].into_iter().find(|n| self.constants.contains_key(*n));
        let Some(name) = constant else {
            let (x, y) = (self.real(node, 0)?, self.real(node, 1)?);
            let dims = self.same_dims(node, &x, &y)?;
            let shape = ir_shape(&dims);
            let (x, y) = (self.shaped(x.id, &shape.0), self.shaped(y.id, &shape.0));
            let result = self.name(node.output());
            let (plus, minus) = if max { (x, y) } else { (y, x) };
            let minus = self.negated(&result, minus);
            let gap = self.push(
                &format!("{result}.gap"),
                Op::Sum { x: plus, y: minus },
                None,
            );
            let mut part = self.push(&format!("{result}.excess"), Op::Relu { x: gap }, None);
            if !max {
                part = self.negated(&result, part);
            }
            return self.sum_of(node, y, part, dims);
        };
        let x = self.real(node, usize::from(name == a))?;
        let (c_dims, data) = self.reals(name)?;
        let dims = enlarged(&x.dims, &c_dims)?;
        let Some(end) = uniform(&data) else {
            let c = self.broadcast_constant(name, &dims, &c_dims, &data)?;
            return self.extreme_of_constant(node, &x, c, dims);
        };
        let op = match (max, end == 0.0) {
            (true, true) => Op::Relu { x: x.id },
            (true, false) => clip_op(x.id, Some(end), None),
            (false, _) => clip_op(x.id, None, Some(end)),
        };
        let given = ir_shape(&x.dims);
        self.define(node, op, given, dims)
    }

    /// Max, `relu(x - c) + c`, and Min, `c - relu(c - x)`, of a tensor and a constant.
    fn extreme_of_constant(
        &mut self,
        node: &Node<'a>,
        x: &Activation,
        c: ValueId,
        dims: Vec<usize>,
    ) -> Outcome {
        let name = self.name(node.output());
        let mut gap = self.push(&format!("{name}.gap"), Op::Sub { x: x.id, c }, None);
        if node.kind == OpKind::Min {
            gap = self.negated(&name, gap);
        }
        let mut part = self.push(&format!("{name}.excess"), Op::Relu { x: gap }, None);
        if node.kind == OpKind::Min {
            part = self.negated(&name, part);
        }
        let given = ir_shape(&x.dims);
        self.define(node, Op::Add { x: part, c }, given, dims)
    }

    pub(super) fn clip(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let end = |i: usize, name: &str| -> Result<Option<f32>, Diagnostic> {
            match (node.input(i), attribute(node.proto, name)) {
                (Some(operand), _) => self.one_float(operand).map(Some),
                (None, Some(a)) => Ok(a.f),
                (None, None) => Ok(None),
            }
        };
        let (lo, hi) = (end(1, "min")?, end(2, "max")?);
        if [lo, hi].into_iter().flatten().any(f32::is_nan) {
            return Err(wrong("an end of Clip is no number"));
        }
        // The ends of the type itself are how exporters say that there is none.
        let lo = lo.filter(|v| *v > f32::MIN);
        let hi = hi.filter(|v| *v < f32::MAX);
        let op = match (lo, hi) {
            (Some(0.0), None) => Op::Relu { x: x.id },
            (lo, hi) => clip_op(x.id, lo, hi),
        };
        if let Some((lo, hi)) = lo.zip(hi).filter(|(lo, hi)| lo > hi) {
            return Err(wrong(format!("Clip between {lo} and {hi}")));
        }
        self.defined(node, op, x.dims)
    }

    pub(super) fn neg(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let name = self.name(node.output());
        let c = self.scalar(&format!("{name}.minus_one"), -1.0);
        self.defined(node, Op::Mul { x: x.id, c }, x.dims)
    }

    /// `-x`, for the result called `name`.
    fn negated(&mut self, name: &str, x: ValueId) -> ValueId {
        let c = self.scalar(&format!("{name}.minus_one"), -1.0);
        self.push(&format!("{name}.negated"), Op::Mul { x, c }, None)
    }

    pub(super) fn leaky_relu(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let alpha = float_attribute(node.proto, "alpha", 0.01)?;
        self.two_slopes(node, x, &Data::Float([alpha].into()), Shape::vector(1))
    }

    pub(super) fn prelu(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let (dims, data) = self.reals(node.input(1).unwrap_or_default())?;
        if arithmetic::broadcast_dims(&x.dims, &dims).as_deref() != Some(&x.dims[..]) {
            return Err(wrong(format!(
                "slopes of dimensions {dims:?} do not fit dimensions {:?}",
                x.dims
            )));
        }
        let shape = arithmetic::constant_shape(&x.dims, &dims);
        self.two_slopes(node, x, &data, shape)
    }

    /// Slope 1 above 0 and the given ones below: `leaky_relu` for a power of two, else
    /// `slope·x + (1 - slope)·relu(x)`.
    pub(super) fn two_slopes(
        &mut self,
        node: &Node<'a>,
        x: Activation,
        slopes: &Data,
        shape: Shape,
    ) -> Outcome {
        let one = uniform(slopes);
        if one == Some(0.0) {
            return self.defined(node, Op::Relu { x: x.id }, x.dims);
        }
        if one == Some(1.0) {
            return self.defined(node, Op::Identity { x: x.id }, x.dims);
        }
        let shift = (1..=30u8).find(|k| one == Some(2f32.powi(-i32::from(*k))));
        if let Some(shift) = shift {
            return self.defined(node, Op::LeakyRelu { x: x.id, shift }, x.dims);
        }
        let rest = arithmetic::map(slopes, |a| Some(&Exact::from(1i64) - a))?;
        let name = self.name(node.output());
        let c = self.fresh_constant(&format!("{name}.slope"), shape.clone(), slopes)?;
        let line = self.push(&format!("{name}.line"), Op::Mul { x: x.id, c }, None);
        let positive = self.push(&format!("{name}.positive"), Op::Relu { x: x.id }, None);
        let c = self.fresh_constant(&format!("{name}.rest"), shape, &rest)?;
        let bend = self.push(&format!("{name}.bend"), Op::Mul { x: positive, c }, None);
        self.sum_of(node, line, bend, x.dims)
    }

    pub(super) fn hard_sigmoid(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let alpha = float_attribute(node.proto, "alpha", 0.2)?;
        let beta = float_attribute(node.proto, "beta", 0.5)?;
        let name = self.name(node.output());
        let c = self.scalar(&format!("{name}.alpha"), alpha);
        let line = self.push(&format!("{name}.line"), Op::Mul { x: x.id, c }, None);
        let c = self.scalar(&format!("{name}.beta"), beta);
        let line = self.push(&format!("{name}.shifted"), Op::Add { x: line, c }, None);
        self.defined(node, clip_op(line, Some(0.0), Some(1.0)), x.dims)
    }

    /// Scaler of the classical operators: `(x - offset)·scale`.
    pub(super) fn scaler(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.real(node, 0)?;
        let columns = x.dims.last().copied().unwrap_or(1);
        let list = |name: &str, default: f32| -> Result<Vec<f32>, Diagnostic> {
            let given = floats_attribute(node.proto, name).unwrap_or(&[]);
            match given.len() {
                0 => Ok(vec![default]),
                1 => Ok(given.to_vec()),
                n if n == columns => Ok(given.to_vec()),
                n => Err(wrong(format!("{n} values of {name} for {columns} columns"))),
            }
        };
        let (offset, scale) = (list("offset", 0.0)?, list("scale", 1.0)?);
        let name = self.name(node.output());
        let shape = Shape::vector(offset.len());
        let c = self.fresh_constant(
            &format!("{name}.offset"),
            shape,
            &Data::Float(offset.into()),
        )?;
        let centered = self.push(&format!("{name}.centered"), Op::Sub { x: x.id, c }, None);
        let shape = Shape::vector(scale.len());
        let c = self.fresh_constant(&format!("{name}.scale"), shape, &Data::Float(scale.into()))?;
        self.defined(node, Op::Mul { x: centered, c }, x.dims)
    }
}

/// The dimensions of `x` with a constant of dimensions `c`, which does not enlarge it.
pub(super) fn enlarged(x: &[usize], c: &[usize]) -> Result<Vec<usize>, Diagnostic> {
    arithmetic::broadcast_dims(x, c).ok_or_else(|| {
        wrong(format!(
            "a constant of dimensions {c:?} does not fit an operand of dimensions {x:?}"
        ))
        .help("broadcasting may spread the constant, not the computed operand")
    })
}

/// The one float32 that all elements are.
fn uniform(data: &Data) -> Option<f32> {
    let Data::Float(d) = data else { return None };
    let first = *d.first()?;
    d.iter().all(|v| *v == first).then_some(first)
}

fn clip_op(x: ValueId, lo: Option<f32>, hi: Option<f32>) -> Op {
    match (lo, hi) {
        (None, None) => Op::Identity { x },
        (lo, hi) => Op::Clip { x, lo, hi },
    }
}
