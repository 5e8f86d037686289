//! Operators that move elements: other shapes, other orders, padding, concatenation.

use super::arithmetic::constant_shape;
use super::attribute::{attribute, float_attribute, int_attribute, ints_attribute, text_attribute};
use super::folding::joined;
use super::graph::Node;
use super::lower::{Activation, Lowering, ir_shape};
use super::nodes::{Outcome, axis_of, wrong};
use super::operators::OpKind;
use super::tensor::{self, Tensor};
use ceg4n_base::{Diagnostic, codes};
use ceg4n_ir::{Op, Shape};
use std::sync::Arc;

impl<'a> Lowering<'a> {
    /// Defines the elements of `x` under dimensions `dims`.
    pub(super) fn moved(
        &mut self,
        node: &Node<'a>,
        op: Op,
        x: &Activation,
        dims: Vec<usize>,
    ) -> Outcome {
        let given = ir_shape(&dims);
        self.define_as(node, op, given, dims, x.quant)
    }

    /// Flatten, Reshape, Squeeze, Unsqueeze and Expand.
    pub(super) fn reshape(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let dims = self.moved_dims(node, &x.dims)?;
        let op = if node.kind == OpKind::Flatten && ir_shape(&dims).0.len() == 1 {
            Op::Flatten { x: x.id }
        } else {
            Op::Reshape { x: x.id }
        };
        self.moved(node, op, &x, dims)
    }

    /// The dimensions that an operator of [`Self::reshape`] gives to some of dimensions `x`.
    pub(super) fn moved_dims(
        &self,
        node: &Node<'a>,
        x: &[usize],
    ) -> Result<Vec<usize>, Diagnostic> {
        match node.kind {
            OpKind::Flatten => flattened(node, x),
            OpKind::Squeeze => squeezed(x, self.axes(node)?.as_deref()),
            OpKind::Unsqueeze => unsqueezed(x, self.axes(node)?.as_deref().unwrap_or_default()),
            _ => {
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
        }
    }

    /// The axes of an operator, from its second operand or, in early operator sets, its attribute.
    fn axes(&self, node: &Node<'a>) -> Result<Option<Vec<i64>>, Diagnostic> {
        match node.input(1) {
            Some(name) => Ok(Some(self.ints(name)?.to_vec())),
            None => Ok(ints_attribute(node.proto, "axes").map(<[i64]>::to_vec)),
        }
    }

    pub(super) fn transpose(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let perm = permutation(node, x.dims.len())?;
        let dims: Vec<usize> = perm.iter().map(|p| x.dims[*p]).collect();
        // Where only dimensions of size 1 change places, no element moves.
        let mut large = perm.iter().filter(|p| x.dims[**p] != 1);
        if large.by_ref().is_sorted() {
            return self.moved(node, Op::Reshape { x: x.id }, &x, dims);
        }
        let own = ir_shape(&x.dims).0.len();
        if own < x.dims.len() && perm.first() == Some(&0) {
            let perm: Vec<usize> = perm[1..].iter().map(|p| p - 1).collect();
            let given = Shape(dims[1..].to_vec());
            return self.define_as(node, Op::Transpose { x: x.id, perm }, given, dims, x.quant);
        }
        let id = self.shaped(x.id, &x.dims);
        let given = Shape(dims.clone());
        self.define_as(node, Op::Transpose { x: id, perm }, given, dims, x.quant)
    }

    pub(super) fn pad(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let mode = text_attribute(node.proto, "mode");
        if !matches!(mode.as_str(), "" | "constant") {
            return Err(Diagnostic::error(
                codes::ONNX_UNSUPPORTED,
                format!("Pad with the mode {mode:?} is not supported"),
            )
            .help("the mode constant is"));
        }
        let rank = x.dims.len();
        let stated: Arc<[i64]> = match (node.input(1), ints_attribute(node.proto, "pads")) {
            (Some(name), _) => self.ints(name)?,
            (None, Some(pads)) => pads.into(),
            (None, None) => return Err(wrong("Pad needs pads")),
        };
        let axes: Vec<usize> = match node.input(3) {
            Some(name) => {
                let axes = self.ints(name)?;
                axes.iter()
                    .map(|a| axis_of(*a, rank))
                    .collect::<Result<_, _>>()?
            }
            None => (0..rank).collect(),
        };
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        if stated.len() != 2 * axes.len() {
            return Err(wrong(format!("pads {stated:?} of {} axes", axes.len())));
        }
        for (i, axis) in axes.iter().enumerate() {
            let side = |v: i64| {
                let size = usize::try_from(v).ok().filter(|v| *v <= 1 << 24);
                size.ok_or_else(|| {
                    wrong(format!(
                        "pads {stated:?} take elements away or add too many"
                    ))
                    .help("cropping computed values is not supported")
                })
            };
            before[*axis] = side(stated[i])?;
            after[*axis] = side(stated[i + axes.len()])?;
        }
        let value = match node.input(2) {
            Some(name) if x.quant.is_none() => self.one_float(name)?,
            Some(_) => return Err(wrong("Pad of integers with a value cannot be imported")),
            None => float_attribute(node.proto, "value", 0.0)?,
        };
        self.padded(node, &x, [before, after], value)
    }

    fn padded(
        &mut self,
        node: &Node<'a>,
        x: &Activation,
        [mut before, mut after]: [Vec<usize>; 2],
        value: f32,
    ) -> Outcome {
        let sums = before.iter().zip(&after).map(|(a, b)| a + b);
        let dims: Vec<usize> = x.dims.iter().zip(sums).map(|(d, p)| d + p).collect();
        if dims == x.dims {
            return self.moved(node, Op::Identity { x: x.id }, x, dims);
        }
        if x.quant.is_some_and(|q| q.zero_point != 0) {
            return Err(wrong("Pad of integers cannot be imported")
                .help("pad before QuantizeLinear or after DequantizeLinear"));
        }
        let stripped = ir_shape(&x.dims).0.len() < x.dims.len() && dims[0] == 1;
        let skip = usize::from(stripped);
        let id = self.shaped(x.id, &x.dims[skip..]);
        let op = Op::Pad {
            x: id,
            before: before.split_off(skip),
            after: after.split_off(skip),
            value,
        };
        let given = Shape(dims[skip..].to_vec());
        self.define_as(node, op, given, dims, x.quant)
    }

    pub(super) fn concat(&mut self, node: &Node<'a>) -> Outcome {
        let count = node.proto.input.len();
        let axis = int_attribute(node.proto, "axis", 1)?;
        let mixed = (0..count).any(|i| {
            node.input(i)
                .is_some_and(|n| self.constants.contains_key(n))
        });
        if mixed {
            return self.concatenation_with_constants(node, axis);
        }
        let xs: Vec<Activation> = (0..count)
            .map(|i| self.operand(node, i))
            .collect::<Result<_, _>>()?;
        self.concatenation(node, &xs, axis)
    }

    /// Zeros before and after a tensor along an axis, for the result called `name`.
    fn padded_along(
        &mut self,
        x: Activation,
        axis: usize,
        [before, after]: [usize; 2],
        name: &str,
    ) -> Activation {
        let skip = usize::from(axis > 0 && x.dims[0] == 1);
        let mut dims = x.dims.clone();
        dims[axis] += before + after;
        let side = |n: usize| (skip..dims.len()).map(move |i| if i == axis { n } else { 0 });
        let (before, after) = (side(before).collect(), side(after).collect());
        let op = Op::Pad {
            x: self.shaped(x.id, &x.dims[skip..]),
            before,
            after,
            value: 0.0,
        };
        let id = self.push(&format!("{name}.padded"), op, None);
        Activation {
            id,
            dims,
            quant: None,
        }
    }

    /// The same with constants among the operands: the computed ones with zeros in place of those,
    /// then a sum with the constants between zeros.
    fn concatenation_with_constants(&mut self, node: &Node<'a>, axis: i64) -> Outcome {
        let rank = (0..node.proto.input.len()).find_map(|i| self.operand(node, i).ok());
        let model = rank.ok_or_else(|| wrong("Concat needs operands"))?.dims;
        let axis = axis_of(axis, model.len())?;
        let fits = |d: &[usize]| {
            d.len() == model.len() && (0..d.len()).all(|i| i == axis || d[i] == model[i])
        };
        let (mut xs, mut parts, mut gap): (Vec<(Activation, [usize; 2])>, _, _) =
            (vec![], vec![], 0);
        for i in 0..node.proto.input.len() {
            let name = node.input(i).unwrap_or_default();
            let dims = if let Some(t) = self.constants.get(name) {
                let dims = t.dims.clone();
                gap += dims.get(axis).copied().unwrap_or(0);
                parts.push(Tensor {
                    dims: dims.clone(),
                    data: self.reals(name)?.1,
                });
                dims
            } else {
                let x = self.real(node, i)?;
                let dims = x.dims.clone();
                parts.push(zeros(&dims));
                xs.push((x, [std::mem::take(&mut gap), 0]));
                dims
            };
            if !fits(&dims) {
                return Err(wrong(format!(
                    "Concat along axis {axis} of dimensions {model:?} and {dims:?}"
                )));
            }
        }
        if let Some(last) = xs.last_mut() {
            last.1[1] = gap;
        }
        let name = self.name(node.output());
        let padded: Vec<Activation> = xs
            .into_iter()
            .map(|(x, sides)| self.padded_along(x, axis, sides, &name))
            .collect();
        let mut dims = model.clone();
        dims[axis] = parts.iter().map(|t| t.dims[axis]).sum();
        self.spend(dims.iter().product())?;
        let data = joined(&parts, model[..axis].iter().product())?;
        let shape = constant_shape(&dims, &dims);
        let c = self.fresh_constant(&format!("{name}.constants"), shape, &data)?;
        let made =
            |this: &mut Self, inner: &Node<'a>| this.concatenation(inner, &padded, axis as i64);
        self.followed(node, made, |this, x| {
            let given = ir_shape(&x.dims);
            this.define(node, Op::Add { x: x.id, c }, given, x.dims)
        })
    }

    /// Computed tensors one after the other along an axis.
    pub(super) fn concatenation(
        &mut self,
        node: &Node<'a>,
        xs: &[Activation],
        axis: i64,
    ) -> Outcome {
        let Some(first) = xs.first() else {
            return Err(wrong("Concat needs operands"));
        };
        let quant = first.quant;
        if xs.iter().any(|x| x.quant != quant) {
            return Err(wrong("Concat of tensors quantized in different ways")
                .help("dequantize them before, and quantize the result"));
        }
        let axis = axis_of(axis, first.dims.len())?;
        let mut dims = first.dims.clone();
        dims[axis] = 0;
        for x in xs {
            let others = |d: &[usize]| [&d[..axis], &d[axis + 1..]].concat();
            if x.dims.len() != dims.len() || others(&x.dims) != others(&dims) {
                return Err(wrong(format!(
                    "Concat along axis {axis} of dimensions {:?} and {:?}",
                    first.dims, x.dims
                )));
            }
            dims[axis] += x.dims[axis];
        }
        let stripped = axis > 0 && dims[0] == 1;
        let skip = usize::from(stripped);
        let ids = xs.iter().map(|x| self.shaped(x.id, &x.dims[skip..]));
        let op = Op::Concat {
            xs: ids.collect(),
            axis: axis - skip,
        };
        let given = Shape(dims[skip..].to_vec());
        self.define_as(node, op, given, dims, quant)
    }
}

fn zeros(dims: &[usize]) -> Tensor {
    Tensor::float(dims.to_vec(), vec![0.0; dims.iter().product()])
}

/// The permutation of a Transpose of `rank` dimensions, which are reversed by default.
pub(super) fn permutation(node: &Node<'_>, rank: usize) -> Result<Vec<usize>, Diagnostic> {
    let Some(stated) = ints_attribute(node.proto, "perm") else {
        return Ok((0..rank).rev().collect());
    };
    let perm: Option<Vec<usize>> = stated.iter().map(|p| usize::try_from(*p).ok()).collect();
    let sorted = |p: &Vec<usize>| {
        let mut p = p.clone();
        p.sort_unstable();
        p.into_iter().eq(0..rank)
    };
    perm.filter(sorted)
        .ok_or_else(|| wrong(format!("{stated:?} is no permutation of {rank} dimensions")))
}

fn flattened(node: &Node<'_>, x: &[usize]) -> Result<Vec<usize>, Diagnostic> {
    let axis = int_attribute(node.proto, "axis", 1)?;
    let rank = x.len() as i64;
    let from_start = if axis < 0 {
        axis.saturating_add(rank)
    } else {
        axis
    };
    match usize::try_from(from_start) {
        Ok(i) if i <= x.len() => Ok(vec![x[..i].iter().product(), x[i..].iter().product()]),
        _ => Err(wrong(format!("Flatten at axis {axis} of dimensions {x:?}"))),
    }
}

fn squeezed(x: &[usize], axes: Option<&[i64]>) -> Result<Vec<usize>, Diagnostic> {
    let Some(axes) = axes else {
        return Ok(x.iter().copied().filter(|d| *d != 1).collect());
    };
    let axes: Vec<usize> = axes
        .iter()
        .map(|a| axis_of(*a, x.len()))
        .collect::<Result<_, _>>()?;
    if let Some(a) = axes.iter().find(|a| x[**a] != 1) {
        return Err(wrong(format!("Squeeze of axis {a} of dimensions {x:?}")));
    }
    let kept = x.iter().enumerate().filter(|(i, _)| !axes.contains(i));
    Ok(kept.map(|(_, d)| *d).collect())
}

fn unsqueezed(x: &[usize], axes: &[i64]) -> Result<Vec<usize>, Diagnostic> {
    let rank = x.len() + axes.len();
    let mut axes: Vec<usize> = axes
        .iter()
        .map(|a| axis_of(*a, rank))
        .collect::<Result<_, _>>()?;
    axes.sort_unstable();
    if axes.windows(2).any(|w| w[0] == w[1]) {
        return Err(wrong(format!("Unsqueeze names an axis of {axes:?} twice")));
    }
    let mut old = x.iter().copied();
    let sizes = (0..rank).map(|i| match axes.contains(&i) {
        true => 1,
        false => old.next().unwrap_or(1),
    });
    Ok(sizes.collect())
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
