//! The values of nodes whose operands are constants, and of shape arithmetic.

use super::arithmetic::{self, Fold, folded, permuted};
use super::attribute::{attribute, constant_value, int_attribute, ints_attribute};
use super::graph::Node;
use super::lower::Lowering;
use super::moves::permutation;
use super::nodes::{Outcome, axis_of, unsupported, wrong};
use super::operators::OpKind;
use super::proto::data_type;
use super::tensor::{self, Data, Tensor};
use ceg4n_base::Diagnostic;
use ceg4n_ir::{Op, Shape};

type Folded = Result<Tensor, Diagnostic>;

impl<'a> Lowering<'a> {
    /// The value of a node whose operands are constants, or only asked for their dimensions.
    pub(super) fn folded(&mut self, node: &Node<'a>) -> Folded {
        match node.kind {
            OpKind::Constant => constant_value(node.proto, self.graph.store),
            OpKind::Identity | OpKind::Dropout => Ok(self.constant_operand(node, 0)?.clone()),
            OpKind::Flatten | OpKind::Reshape | OpKind::Squeeze | OpKind::Unsqueeze => {
                let t = self.constant_operand(node, 0)?.clone();
                let dims = self.moved_dims(node, &t.dims)?;
                Ok(Tensor { dims, ..t })
            }
            OpKind::Expand => self.expanded(node),
            OpKind::Transpose => {
                let t = self.constant_operand(node, 0)?;
                let perm = permutation(node, t.dims.len())?;
                let dims = perm.iter().map(|p| t.dims[*p]).collect();
                let index = permuted(&t.dims, &perm);
                let data = t.data.picked(&index);
                self.spend(index.len())?;
                Ok(Tensor { dims, data })
            }
            OpKind::Shape | OpKind::Size => self.dimensions(node),
            OpKind::ConstantOfShape => self.constant_of_shape(node),
            OpKind::Cast => self.cast_constant(node),
            OpKind::Concat => self.concatenated(node),
            OpKind::Gather => self.gathered(node),
            OpKind::Slice => self.sliced(node),
            OpKind::Range => self.range(node),
            OpKind::ReduceProd => self.product(node),
            OpKind::Where => self.chosen(node),
            OpKind::Neg => {
                let t = self.constant_operand(node, 0)?.clone();
                let data = match &t.data {
                    Data::Int(d, kind) => {
                        let values: Option<Vec<i64>> = d.iter().map(|v| v.checked_neg()).collect();
                        let values = values.ok_or_else(|| wrong("an integer leaves its range"))?;
                        Data::Int(values.into(), *kind)
                    }
                    data => arithmetic::map(data, |v| Some(-v))?,
                };
                Ok(Tensor { data, ..t })
            }
            OpKind::Add => self.fold(node, Fold::Add),
            OpKind::Sub => self.fold(node, Fold::Sub),
            OpKind::Mul => self.fold(node, Fold::Mul),
            OpKind::Div => self.fold(node, Fold::Div),
            OpKind::Equal => self.fold(node, Fold::Equal),
            OpKind::Max => self.fold(node, Fold::Max),
            OpKind::Min => self.fold(node, Fold::Min),
            OpKind::QuantizeLinear => self.quantized_constant(node),
            OpKind::DequantizeLinear => self.dequantized_constant(node),
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
            | OpKind::Tanh => Err(unsupported(format!(
                "{} of constants only is not supported",
                node.proto.op_type
            ))),
        }
    }

    pub(super) fn constant_operand(
        &self,
        node: &Node<'a>,
        i: usize,
    ) -> Result<&Tensor, Diagnostic> {
        node.input(i)
            .and_then(|n| self.constants.get(n))
            .ok_or_else(|| wrong(format!("operand {i} is no constant")))
    }

    fn fold(&mut self, node: &Node<'a>, op: Fold) -> Folded {
        if node.proto.input.len() != 2 {
            let text = format!("{} of constants only", node.proto.op_type);
            return Err(unsupported(format!("{text} is not supported but for two")));
        }
        let (a, b) = (
            self.constant_operand(node, 0)?,
            self.constant_operand(node, 1)?,
        );
        let dims = arithmetic::common_dims(&a.dims, &b.dims)
            .filter(|d| tensor::checked_len(d).is_some())
            .ok_or_else(|| {
                wrong(format!(
                    "constants of dimensions {:?} and {:?} do not fit",
                    a.dims, b.dims
                ))
            })?;
        let (a, b) = (a.clone(), b.clone());
        self.spend(dims.iter().product())?;
        folded(op, dims, &a, &b)
    }

    /// Shape and Size, also of computed values.
    fn dimensions(&self, node: &Node<'a>) -> Folded {
        let name = node.input(0).unwrap_or_default();
        let dims = match (self.activations.get(name), self.constants.get(name)) {
            (Some(x), _) => &x.dims,
            (None, Some(t)) => &t.dims,
            (None, None) => return Err(wrong("its operand is not known")),
        };
        let sizes: Vec<i64> = dims.iter().map(|d| *d as i64).collect();
        if node.kind == OpKind::Size {
            return Ok(Tensor::int(vec![], [sizes.iter().product()]));
        }
        let rank = sizes.len();
        let bound = |name: &str, default: i64| -> Result<usize, Diagnostic> {
            let at = int_attribute(node.proto, name, default)?;
            let at = if at < 0 {
                at.saturating_add(rank as i64)
            } else {
                at
            };
            Ok(usize::try_from(at).unwrap_or(0).min(rank))
        };
        let (start, end) = (bound("start", 0)?, bound("end", rank as i64)?);
        let part = sizes.get(start..end).unwrap_or_default();
        Ok(Tensor::int(vec![part.len()], part))
    }

    fn constant_of_shape(&mut self, node: &Node<'a>) -> Folded {
        let shape = self.ints(node.input(0).unwrap_or_default())?;
        let dims: Option<Vec<usize>> = shape.iter().map(|d| usize::try_from(*d).ok()).collect();
        let dims = dims.filter(|d| tensor::checked_len(d).is_some());
        let dims = dims.ok_or_else(|| wrong(format!("a constant of dimensions {shape:?}")))?;
        let one = match attribute(node.proto, "value").and_then(|a| a.t.as_ref()) {
            Some(t) => tensor::read(t, self.graph.store)?,
            None => Tensor::float(vec![1], [0.0]),
        };
        if one.len() != 1 {
            return Err(wrong(
                "ConstantOfShape has a value of more than one element",
            ));
        }
        let count = dims.iter().product();
        self.spend(count)?;
        let data = one.data.picked(&vec![0; count]);
        Ok(Tensor { dims, data })
    }

    fn expanded(&mut self, node: &Node<'a>) -> Folded {
        let t = self.constant_operand(node, 0)?.clone();
        let shape = self.ints(node.input(1).unwrap_or_default())?;
        let wanted: Option<Vec<usize>> = shape.iter().map(|d| usize::try_from(*d).ok()).collect();
        let dims = wanted
            .and_then(|w| arithmetic::common_dims(&t.dims, &w))
            .filter(|d| tensor::checked_len(d).is_some())
            .ok_or_else(|| {
                wrong(format!(
                    "dimensions {:?} cannot be expanded to {shape:?}",
                    t.dims
                ))
            })?;
        self.spend(dims.iter().product())?;
        let index = Shape(t.dims.clone()).spread_over(&Shape(dims.clone()));
        let data = t.data.picked(&index);
        Ok(Tensor { dims, data })
    }

    /// Integers to numbers that float32 has, and numbers to numbers.
    fn cast_constant(&mut self, node: &Node<'a>) -> Folded {
        let t = self.constant_operand(node, 0)?.clone();
        let to = i32::try_from(int_attribute(node.proto, "to", 0)?).unwrap_or(0);
        let is_integer = |k: i32| data_type::limits(k).is_some() || k == data_type::INT64;
        let data = match &t.data {
            Data::Int(d, _) if data_type::is_float(to) => {
                let values = d.iter().map(|v| ceg4n_base::Exact::from(*v));
                arithmetic::exactly(values.collect())?
            }
            Data::Int(d, _) if is_integer(to) => {
                let (lo, hi) = data_type::limits(to).unwrap_or((i32::MIN, i32::MAX));
                let fits = to == data_type::INT64
                    || d.iter()
                        .all(|v| (i64::from(lo)..=i64::from(hi)).contains(v));
                if !fits {
                    return Err(wrong("an integer leaves its range"));
                }
                Data::Int(d.clone(), to)
            }
            // A narrower type would round.
            data @ (Data::Float(_) | Data::Wide(_))
                if matches!(to, data_type::FLOAT | data_type::DOUBLE)
                    && (to == data_type::DOUBLE || matches!(data, Data::Float(_))) =>
            {
                data.clone()
            }
            _ => {
                return Err(unsupported(format!(
                    "Cast of a constant to {} is not supported",
                    data_type::name(to)
                )));
            }
        };
        Ok(Tensor { data, ..t })
    }

    fn concatenated(&mut self, node: &Node<'a>) -> Folded {
        let count = node.proto.input.len();
        let parts: Vec<Tensor> = (0..count)
            .map(|i| self.constant_operand(node, i).cloned())
            .collect::<Result<_, _>>()?;
        let [first, rest @ ..] = &parts[..] else {
            return Err(wrong("Concat needs operands"));
        };
        let axis = axis_of(int_attribute(node.proto, "axis", 0)?, first.dims.len())?;
        let mut dims = first.dims.clone();
        for t in rest {
            let fits = t.dims.len() == dims.len()
                && (0..dims.len()).all(|i| i == axis || t.dims[i] == dims[i]);
            if !fits {
                return Err(wrong("Concat of constants whose dimensions do not fit"));
            }
            dims[axis] += t.dims[axis];
        }
        let outer: usize = dims[..axis].iter().product();
        self.spend(parts.iter().map(Tensor::len).sum())?;
        let data = joined(&parts, outer)?;
        Ok(Tensor { dims, data })
    }

    fn gathered(&mut self, node: &Node<'a>) -> Folded {
        let t = self.constant_operand(node, 0)?.clone();
        let at = self.constant_operand(node, 1)?.clone();
        let wanted = self.ints(node.input(1).unwrap_or_default())?;
        let axis = axis_of(int_attribute(node.proto, "axis", 0)?, t.dims.len())?;
        let wanted: Vec<usize> = wanted
            .iter()
            .map(|i| axis_of(*i, t.dims[axis]))
            .collect::<Result<_, _>>()?;
        let outer: usize = t.dims[..axis].iter().product();
        let inner: usize = t.dims[axis + 1..].iter().product();
        let mut dims = t.dims[..axis].to_vec();
        dims.extend(&at.dims);
        dims.extend(&t.dims[axis + 1..]);
        let count = tensor::checked_len(&dims).ok_or_else(|| wrong("Gather makes too much"))?;
        self.spend(count)?;
        let size = t.dims[axis];
        let mut index = Vec::with_capacity(count);
        for o in 0..outer {
            for i in &wanted {
                index.extend((0..inner).map(|k| (o * size + i) * inner + k));
            }
        }
        let data = t.data.picked(&index);
        Ok(Tensor { dims, data })
    }

    /// The ranges that a Slice takes of dimensions `x`: for each axis start, step and count.
    fn ranges(&self, node: &Node<'a>, x: &[usize]) -> Result<Vec<[i64; 3]>, Diagnostic> {
        let list = |i: usize, name: &str| -> Result<Option<Vec<i64>>, Diagnostic> {
            match node.input(i) {
                Some(operand) => Ok(Some(self.ints(operand)?.to_vec())),
                None => Ok(ints_attribute(node.proto, name).map(<[i64]>::to_vec)),
            }
        };
        let missing = || wrong("Slice needs starts and ends");
        let starts = list(1, "starts")?.ok_or_else(missing)?;
        let ends = list(2, "ends")?.ok_or_else(missing)?;
        let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] || steps.contains(&0) {
            return Err(wrong("the lists of Slice do not fit each other"));
        }
        let mut out: Vec<[i64; 3]> = x.iter().map(|d| [0, 1, *d as i64]).collect();
        for (((start, end), axis), step) in starts.iter().zip(ends).zip(axes).zip(steps) {
            let axis = axis_of(axis, x.len())?;
            let size = x[axis] as i64;
            let from_start = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
            let (lo, hi) = if step > 0 { (0, size) } else { (-1, size - 1) };
            let start = from_start(*start).clamp(lo.max(0), hi.max(0));
            let end = match end {
                // Towards the front, before the first element.
                i64::MIN => lo,
                end => from_start(end).clamp(lo, hi),
            };
            let span = if step > 0 { end - start } else { start - end };
            let width = step.unsigned_abs().min(i64::MAX as u64) as i64;
            let count = span.max(0) / width + i64::from(span > 0 && span % width != 0);
            out[axis] = [start, step, count];
        }
        Ok(out)
    }

    fn sliced(&mut self, node: &Node<'a>) -> Folded {
        let t = self.constant_operand(node, 0)?.clone();
        let ranges = self.ranges(node, &t.dims)?;
        let dims: Vec<usize> = ranges.iter().map(|r| r[2] as usize).collect();
        let mut index = vec![0usize];
        for (d, [start, step, count]) in t.dims.iter().zip(&ranges) {
            let next = index
                .iter()
                .flat_map(|base| (0..*count).map(move |k| base * d + (start + k * step) as usize));
            index = next.collect();
        }
        let data = t.data.picked(&index);
        Ok(Tensor { dims, data })
    }

    /// A Slice of a computed value, which must be all of it.
    pub(super) fn slice(&mut self, node: &Node<'a>) -> Outcome {
        let x = self.operand(node, 0)?;
        let ranges = self.ranges(node, &x.dims)?;
        let whole = |(r, d): (&[i64; 3], &usize)| *r == [0, 1, *d as i64];
        if !ranges.iter().zip(&x.dims).all(whole) {
            return Err(unsupported("Slice of a computed value is not supported").help(
                "parts of computed values cannot be taken; a Conv or MatMul with weights 0 and 1 can pick them",
            ));
        }
        let dims = x.dims.clone();
        self.moved(node, Op::Identity { x: x.id }, &x, dims)
    }

    fn range(&mut self, node: &Node<'a>) -> Folded {
        let one = |i: usize| -> Result<i64, Diagnostic> {
            let d = self.ints(node.input(i).unwrap_or_default())?;
            d.first()
                .copied()
                .ok_or_else(|| wrong("Range of empty constants"))
        };
        let (start, limit, delta) = (one(0)?, one(1)?, one(2)?);
        let mut values = Vec::new();
        let mut at = start;
        while delta != 0 && (if delta > 0 { at < limit } else { at > limit }) {
            if values.len() > 1 << 20 {
                return Err(wrong("Range makes too much"));
            }
            values.push(at);
            at = at.saturating_add(delta);
        }
        Ok(Tensor::int(vec![values.len()], values))
    }

    /// ReduceProd of all integers of a list.
    fn product(&mut self, node: &Node<'a>) -> Folded {
        let values = self.ints(node.input(0).unwrap_or_default())?;
        let product = values.iter().try_fold(1i64, |n, v| n.checked_mul(*v));
        let product = product.ok_or_else(|| wrong("an integer leaves its range"))?;
        let keep = int_attribute(node.proto, "keepdims", 1)? != 0;
        let whole = self.constant_operand(node, 0)?.dims.len() <= 1;
        if !whole {
            return Err(unsupported(
                "ReduceProd of a constant matrix is not supported",
            ));
        }
        Ok(Tensor::int(if keep { vec![1] } else { vec![] }, [product]))
    }

    /// Where, of integers.
    fn chosen(&mut self, node: &Node<'a>) -> Folded {
        let parts: Vec<Tensor> = (0..3)
            .map(|i| self.constant_operand(node, i).cloned())
            .collect::<Result<_, _>>()?;
        let unfit = || wrong("the operands of Where do not fit");
        let dims = arithmetic::common_dims(&parts[0].dims, &parts[1].dims)
            .and_then(|d| arithmetic::common_dims(&d, &parts[2].dims))
            .filter(|d| tensor::checked_len(d).is_some())
            .ok_or_else(unfit)?;
        self.spend(dims.iter().product())?;
        let shape = Shape(dims.clone());
        let index = |t: &Tensor| Shape(t.dims.clone()).spread_over(&shape);
        let (Data::Int(c, _), Data::Int(a, kind), Data::Int(b, _)) =
            (&parts[0].data, &parts[1].data, &parts[2].data)
        else {
            return Err(unsupported(
                "Where of other constants than integers is not supported",
            ));
        };
        let all = index(&parts[0])
            .into_iter()
            .zip(index(&parts[1]))
            .zip(index(&parts[2]));
        let values = all.map(|((i, j), k)| if c[i] != 0 { a[j] } else { b[k] });
        let data = Data::Int(values.collect(), *kind);
        Ok(Tensor { dims, data })
    }
}

/// The elements of tensors of one type, one after the other in each of `outer` equal parts.
pub(super) fn joined(parts: &[Tensor], outer: usize) -> Result<Data, Diagnostic> {
    fn chunks<T: Copy>(all: &[&[T]], outer: usize) -> Vec<T> {
        let part = |o: usize, d: &[T]| {
            let n = d.len() / outer.max(1);
            d[o * n..(o + 1) * n].to_vec()
        };
        (0..outer)
            .flat_map(|o| all.iter().flat_map(move |d| part(o, d)))
            .collect()
    }
    let ints = parts.iter().map(|t| match &t.data {
        Data::Int(d, kind) => Some((&d[..], *kind)),
        Data::Float(_) | Data::Wide(_) => None,
    });
    if let Some(ints) = ints.collect::<Option<Vec<_>>>() {
        let kind = ints.first().map_or(data_type::INT64, |(_, kind)| *kind);
        let all: Vec<&[i64]> = ints.iter().map(|(d, _)| *d).collect();
        return Ok(Data::Int(chunks(&all, outer).into(), kind));
    }
    let floats = parts.iter().map(|t| match &t.data {
        Data::Float(d) => Some(&d[..]),
        Data::Int(..) | Data::Wide(_) => None,
    });
    match floats.collect::<Option<Vec<_>>>() {
        Some(all) => Ok(Data::Float(chunks(&all, outer).into())),
        None => Err(wrong("Concat of constants of different types")),
    }
}
