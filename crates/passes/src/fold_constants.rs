//! `fold-constants`: operators with constants that do nothing, or that one constant can do.

use crate::draft::Draft;
use crate::drop_dead_neurons::written;
use crate::fold_affine::constant;
use crate::forward::{forward, users};
use crate::neurons::{constants, with_constants};
use crate::pass::{Keeps, Pass};
use crate::tensors::{Lowered, is_zero, lowered, put_constant};
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::{
    Annotation, Constant, KernelNode, KernelOp, Module, Network, Op, Shape, TensorFormat, ValueId,
};
use std::collections::BTreeMap;

/// Takes out sums with 0, products with 1 and quotients by 1; makes a sum behind a layer part of its
/// bias, and two sums with constants one. The constants must have an exact sum, and a format for it
/// in every version; no version may round between.
pub(crate) struct FoldConstants;

impl Pass for FoldConstants {
    fn name(&self) -> &'static str {
        "fold-constants"
    }

    fn description(&self) -> &'static str {
        "remove sums with 0 and products with 1, add a constant behind a layer to its bias, and consecutive constants to each other"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let Some(versions) = lowered(module)? else {
            return Ok(module.clone());
        };
        let mut now = neutral(module, &versions)?;
        // Each fold takes a sum away.
        for _ in 0..now.network.values().len() {
            let Some(versions) = lowered(&now)? else {
                break;
            };
            let sums = Sums {
                module: &now,
                net: &now.network,
                users: users(&now.network),
                versions: &versions,
            };
            // A declared width may not hold the partial sums of a layer with a larger bias.
            let checked = |v: ValueId| {
                let next = sums.at(v)?.finish().ok()?;
                lowered(&next).is_ok().then_some(next)
            };
            let Some(next) = now.network.values().keys().find_map(checked) else {
                break;
            };
            now = next;
        }
        Ok(now)
    }
}

/// The module without operators that are their operand.
fn neutral(module: &Module, versions: &[Lowered]) -> Result<Module, Diagnostics> {
    let net = &module.network;
    forward(module, |v| {
        let each = |c: &ValueId, value: f32| {
            let c = net.constant(*c).filter(|c| !c.enclosed());
            c.is_some_and(|c| {
                (0..c.data.len()).all(|i| match value {
                    0.0 => is_zero(c, i),
                    _ => c.wide.is_none() && c.data[i] == value,
                })
            })
        };
        let x = match &net.value(v).op {
            Op::Add { x, c } | Op::Sub { x, c } => each(c, 0.0).then_some(*x),
            Op::Mul { x, c } | Op::Div { x, c } => each(c, 1.0).then_some(*x),
            Op::Input
            | Op::Const(_)
            | Op::Dense { .. }
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
            | Op::Pad { .. }
            | Op::Transpose { .. }
            | Op::Relu { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Unary { .. }
            | Op::Curve { .. }
            | Op::Snap { .. }
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Identity { .. } => None,
        };
        x.filter(|_| versions.iter().all(|k| neutral_in(k, v)))
    })
}

/// True if a version's operator does nothing either; of a product also that its result is stored, or
/// its integers are those of the operand.
fn neutral_in(version: &Lowered, v: ValueId) -> bool {
    let (Some(node), Some(last)) = (version.first(v), version.last(v)) else {
        return false;
    };
    match &node.op {
        KernelOp::AddConst { c, .. } => c.iter().all(|c| *c == 0),
        KernelOp::MulConst { x, c } => {
            let operand = &version.kernel.nodes[*x];
            let one = |j: usize| {
                let up = node.frac[j] - operand.frac[j];
                let m = c[j / (node.len / c.len())];
                let factor = node.multiplier(j) == 1 && operand.multiplier(j) == 1;
                factor && (0..31).contains(&up) && m == 1 << up
            };
            let same = node.frac == operand.frac || last.format.is_some();
            same && (0..node.len).all(one)
        }
        KernelOp::Move { x } => node.frac == version.kernel.nodes[*x].frac,
        KernelOp::Input { .. }
        | KernelOp::Dense { .. }
        | KernelOp::Conv { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Relu { .. }
        | KernelOp::Clip { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Requantize { .. }
        | KernelOp::Align { .. } => false,
    }
}

struct Sums<'m> {
    module: &'m Module,
    net: &'m Network,
    users: BTreeMap<ValueId, usize>,
    versions: &'m [Lowered],
}

/// `x + c` or `x - c`.
fn sum(op: &Op) -> Option<(ValueId, ValueId, i64)> {
    if let Op::Add { x, c } = op {
        return Some((*x, *c, 1));
    }
    let Op::Sub { x, c } = op else {
        return None;
    };
    Some((*x, *c, -1))
}

impl<'m> Sums<'m> {
    /// The draft without the sum `v`, which goes into what it adds to.
    fn at(&self, v: ValueId) -> Option<Draft<'m>> {
        let (x, c, sign) = sum(&self.net.value(v).op)?;
        let alone = self.users.get(&x) == Some(&1) && x != self.net.output();
        // A version that stores the first sum rounds it, or at least says that it is stored.
        let noted = self.module.versions.iter().any(|a| a.get(x).is_some());
        if !alone || noted {
            return None;
        }
        if constants(self.net, x).is_some() {
            return self.in_bias(v, x, c, sign);
        }
        self.in_sum(v, x, c, sign)
    }

    /// The elements of a constant as exact numbers.
    fn exact(&self, c: ValueId) -> Option<Vec<Exact>> {
        let c: &Constant = self.net.constant(c).filter(|c| !c.enclosed())?;
        Some((0..c.data.len()).map(|i| c.center(i)).collect())
    }

    fn in_bias(&self, v: ValueId, layer: ValueId, c: ValueId, sign: i64) -> Option<Draft<'m>> {
        let net = self.net;
        let (weight, bias) = constants(net, layer)?;
        let rows = *net.value(weight).shape.0.first()?;
        let meets = net.value(c).shape.spread_over(&net.value(v).shape);
        let plane = meets.len() / rows;
        let per_row = meets.chunks(plane).all(|p| p.iter().all(|i| *i == p[0]));
        if !per_row {
            return None;
        }
        let added = self.exact(c)?;
        let old = match bias {
            Some(b) => self.exact(b)?,
            None => vec![Exact::zero(); rows],
        };
        let sign = Exact::from(sign);
        let sums: Vec<Exact> = (0..rows)
            .map(|j| &old[j] + &(&added[meets[j * plane]] * &sign))
            .collect();
        let data = constant(&sums).filter(|c| !c.enclosed())?;
        let mut draft = Draft::new(self.module);
        let mut notes = Vec::with_capacity(self.versions.len());
        for (k, version) in self.versions.iter().enumerate() {
            let (first, second) = (version.last(layer)?, version.first(v)?);
            let both = added_to(first, second)?;
            let aligned: Vec<i128> = (0..rows).map(|j| both[j * plane]).collect();
            let scale = |j: usize| (first.frac[j * plane], first.multiplier(j * plane));
            let format = bias.and_then(|b| draft.note(k, b)).cloned();
            notes.push(Some(written(&aligned, &scale, format.as_ref())?));
        }
        let shape = Shape::vector(rows);
        let new = match bias {
            Some(b) => put_constant(&mut draft, net, b, layer, data, shape, notes),
            None => {
                let name = format!("{}.bias", net.value(layer).name);
                let id = draft.insert(layer, &name, Op::Const(data), shape);
                for (k, note) in notes.into_iter().enumerate() {
                    draft.annotate(k, id, note);
                }
                id
            }
        };
        let value = net.value(layer);
        let op = with_constants(&value.op, weight, Some(new));
        draft.set(layer, op, value.shape.clone());
        self.without(draft, v, layer)
    }

    fn in_sum(&self, v: ValueId, x: ValueId, c: ValueId, sign: i64) -> Option<Draft<'m>> {
        let net = self.net;
        let (base, inner, inner_sign) = sum(&net.value(x).op)?;
        let (a, b) = (net.value(inner), net.value(c));
        if a.shape != b.shape {
            return None;
        }
        let (first, second) = (self.exact(inner)?, self.exact(c)?);
        let signs = [Exact::from(inner_sign), Exact::from(sign)];
        let sums: Vec<Exact> = first
            .iter()
            .zip(&second)
            .map(|(a, b)| &(a * &signs[0]) + &(b * &signs[1]))
            .collect();
        let data = constant(&sums).filter(|c| !c.enclosed())?;
        let meets = a.shape.spread_over(&net.value(v).shape);
        // An element of the tensor that each element of the constant meets.
        let mut place = vec![0; a.shape.len()];
        meets.iter().enumerate().for_each(|(e, i)| place[*i] = e);
        let mut notes = Vec::with_capacity(self.versions.len());
        for version in self.versions {
            let (one, two) = (version.last(x)?, version.first(v)?);
            let both = added_to(one, two)?;
            let scale = |i: usize| (one.frac[place[i]], one.multiplier(place[i]));
            let alike = |(e, i): (usize, &usize)| (one.frac[e], one.multiplier(e)) == scale(*i);
            if !meets.iter().enumerate().all(alike) {
                return None;
            }
            let aligned: Vec<i128> = place.iter().map(|e| both[*e]).collect();
            let note = written(&aligned, &scale, None)?;
            let rows = a.shape.0.len() == 1;
            let single = matches!(
                &note,
                Annotation::Fixed {
                    format: TensorFormat::Tensor(_),
                    ..
                }
            );
            if !(rows || single) {
                return None;
            }
            notes.push(Some(note));
        }
        let mut draft = Draft::new(self.module);
        let new = put_constant(&mut draft, net, inner, x, data, a.shape.clone(), notes);
        draft.set(x, Op::Add { x: base, c: new }, net.value(x).shape.clone());
        self.without(draft, v, x)
    }

    /// The sum `v` goes; `x` has its value now, and its annotations.
    fn without(&self, mut draft: Draft<'m>, v: ValueId, x: ValueId) -> Option<Draft<'m>> {
        for k in 0..self.versions.len() {
            draft.move_note(k, v, x);
        }
        draft.replace(v, x);
        Some(draft)
    }
}

/// The constants that two nodes add to the same elements, summed: a layer's bias or a sum, and a sum.
fn added_to(first: &KernelNode, second: &KernelNode) -> Option<Vec<i128>> {
    let KernelOp::AddConst { c, .. } = &second.op else {
        return None;
    };
    let own = |j: usize| -> Option<i128> {
        match &first.op {
            KernelOp::AddConst { c, .. } => Some(c[j].into()),
            KernelOp::Dense { bias, rows, .. } => Some(
                bias.as_ref()
                    .map_or(0, |b| b[j / (first.len / rows)].into()),
            ),
            KernelOp::Conv { bias, conv, .. } => {
                let row = j / conv.window.windows();
                Some(bias.as_ref().map_or(0, |b| b[row].into()))
            }
            KernelOp::Input { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. }
            | KernelOp::Move { .. } => None,
        }
    };
    let each = c.iter().enumerate();
    each.map(|(j, c)| Some(own(j)? + i128::from(*c))).collect()
}
