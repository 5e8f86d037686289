//! `fold-affine`: normalization, and divisions, as weights.

mod behind;

use crate::pass::{Keeps, Pass};
use crate::tensors::transposed;
use ceg4n_base::{Diagnostics, Exact, elementary};
use ceg4n_ir::{
    Anchor, Comments, Constant, Module, Network, NetworkBuilder, Op, Shape, ValueId, Wide,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Sums, products and quotients with constants in front of a layer, or behind it, become part of its
/// weights and bias; a division that is left, by anything but a power of two, a product with the inverse. Where
/// the new constants are no sum of two float64 they are enclosed
/// ([`ceg4n_ir::ENCLOSED_LOG2`]).
///
/// A module with versions stays as it is: their formats speak of its values.
pub(crate) struct FoldAffine;

impl Pass for FoldAffine {
    fn name(&self) -> &'static str {
        "fold-affine"
    }

    fn description(&self) -> &'static str {
        "make products, and sums and quotients beside them, part of the weights of the layer behind or in front of them, and other quotients products"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        // Of a network without versions there is no kernel to keep.
        Keeps {
            reference: false,
            kernels: true,
        }
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        if !module.versions.is_empty() {
            return Ok(module.clone());
        }
        // First: what stands in front of no layer, and would become a product.
        in_front(&behind::behind(module)?)
    }
}

/// The module with what stands in front of layers in their weights.
fn in_front(module: &Module) -> Result<Module, Diagnostics> {
    let net = &module.network;
    let folds = folds(net);
    let gone: BTreeSet<ValueId> = folds.values().flat_map(|f| f.gone.clone()).collect();
    let mut build = Build {
        net,
        builder: NetworkBuilder::new(net.name()),
        ids: BTreeMap::new(),
    };
    for (v, value) in net.values().iter() {
        if gone.contains(&v) {
            continue;
        }
        match folds.get(&v) {
            Some(fold) => build.folded(v, fold),
            None => build.kept(v),
        }
        debug_assert!(build.ids.contains_key(&v), "%{} has an image", value.name);
    }
    let output = build.ids.get(&net.output()).copied();
    let Some(output) = output else {
        return Ok(module.clone());
    };
    let comments = comments(module, &build.ids);
    Ok(Module {
        network: Arc::new(build.builder.finish(output)?),
        versions: Vec::new(),
        regions: module.regions.clone(),
        requirements: module.requirements.clone(),
        comments,
    })
}

/// `scale·x + shift`, element by element of what a layer reads.
struct Fold {
    /// What the layer reads instead.
    base: ValueId,
    /// Values that go: between the base and the layer.
    gone: Vec<ValueId>,
    /// Of those the ones that move data stay, in order.
    moves: Vec<ValueId>,
    scale: Vec<Exact>,
    shift: Vec<Exact>,
}

/// Layers by value that take in what is in front of them.
fn folds(net: &Network) -> BTreeMap<ValueId, Fold> {
    let mut users: BTreeMap<ValueId, usize> = BTreeMap::from([(net.output(), 1)]);
    for o in net.values().values().flat_map(|v| v.op.operands()) {
        *users.entry(o).or_insert(0) += 1;
    }
    let layer = |v: ValueId| {
        let (Op::Dense { x, .. } | Op::Conv { x, .. }) = &net.value(v).op else {
            return None;
        };
        let fold = fold(net, *x, &users)?;
        fits(net, v, &fold).then_some((v, fold))
    };
    net.values().keys().filter_map(layer).collect()
}

/// What stands in front of `x` and is used there alone, if products or quotients are among it.
fn fold(net: &Network, x: ValueId, users: &BTreeMap<ValueId, usize>) -> Option<Fold> {
    let mut chain = Vec::new();
    let mut base = x;
    while users.get(&base) == Some(&1) {
        let (Op::Add { x, .. }
        | Op::Sub { x, .. }
        | Op::Mul { x, .. }
        | Op::Div { x, .. }
        | Op::Reshape { x }
        | Op::Flatten { x }
        | Op::Identity { x }
        | Op::Transpose { x, .. }) = &net.value(base).op
        else {
            break;
        };
        chain.push(base);
        base = *x;
    }
    // What moves data before the first sum or product stays the base.
    while chain.last().is_some_and(|v| is_move(net, *v)) {
        base = chain.pop()?;
    }
    let needed = |v: &ValueId| matches!(net.value(*v).op, Op::Mul { .. }) || inexact(net, *v);
    if !chain.iter().any(needed) {
        return None;
    }
    chain.reverse();
    let n = net.value(base).shape.len();
    let (one, zero) = (Exact::from(1i64), Exact::zero());
    let mut fold = Fold {
        base,
        moves: chain.iter().copied().filter(|v| is_move(net, *v)).collect(),
        scale: vec![one; n],
        shift: vec![zero; n],
        gone: Vec::new(),
    };
    for v in &chain {
        fold.step(net, *v)?;
    }
    fold.gone = chain;
    Some(fold)
}

fn is_move(net: &Network, v: ValueId) -> bool {
    matches!(
        net.value(v).op,
        Op::Reshape { .. } | Op::Flatten { .. } | Op::Identity { .. } | Op::Transpose { .. }
    )
}

/// True for a division that no shift does.
fn inexact(net: &Network, v: ValueId) -> bool {
    let Op::Div { c, .. } = &net.value(v).op else {
        return false;
    };
    let Some(data) = net.constant(*c).map(|c| &c.data) else {
        return false;
    };
    // A float32 with no bit behind the first one.
    let power = |d: &f32| *d > 0.0 && d.is_normal() && d.to_bits() & 0x7f_ffff == 0;
    !data.iter().all(|d| power(d) && *d == data[0])
}

impl Fold {
    /// Takes in one more value; `None` where a constant is not exact.
    fn step(&mut self, net: &Network, v: ValueId) -> Option<()> {
        let constant = |c: &ValueId| {
            let data = net.constant(*c).filter(|c| !c.enclosed())?;
            let index = net.value(*c).shape.spread_over(&net.value(v).shape);
            Some(
                index
                    .into_iter()
                    .map(|i| data.center(i))
                    .collect::<Vec<_>>(),
            )
        };
        match &net.value(v).op {
            Op::Add { c, .. } => {
                let c = constant(c)?;
                self.shift
                    .iter_mut()
                    .zip(&c)
                    .for_each(|(s, c)| *s = &*s + c);
            }
            Op::Sub { c, .. } => {
                let c = constant(c)?;
                self.shift
                    .iter_mut()
                    .zip(&c)
                    .for_each(|(s, c)| *s = &*s - c);
            }
            Op::Mul { c, .. } => {
                let c = constant(c)?;
                for part in [&mut self.scale, &mut self.shift] {
                    part.iter_mut().zip(&c).for_each(|(s, c)| *s = &*s * c);
                }
            }
            Op::Div { c, .. } => {
                let c = constant(c)?;
                for part in [&mut self.scale, &mut self.shift] {
                    for (s, c) in part.iter_mut().zip(&c) {
                        *s = s.checked_div(c)?;
                    }
                }
            }
            Op::Transpose { x, perm } => {
                let from = &net.value(*x).shape;
                let order = transposed(from, perm);
                for part in [&mut self.scale, &mut self.shift] {
                    *part = order.iter().map(|i| part[*i].clone()).collect();
                }
            }
            // The chain holds none but those above and moves that keep the order.
            Op::Input
            | Op::Const(_)
            | Op::Dense { .. }
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
            | Op::Pad { .. }
            | Op::Relu { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Unary { .. }
            | Op::Curve { .. }
            | Op::Snap { .. }
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Identity { .. } => {}
        }
        Some(())
    }
}

/// True if the layer can take it in: a convolution needs one scale and shift per channel, and no
/// padding beside a shift.
fn fits(net: &Network, v: ValueId, fold: &Fold) -> bool {
    let value = net.value(v);
    let (Op::Dense { weight, bias, .. } | Op::Conv { weight, bias, .. }) = &value.op else {
        return false;
    };
    let constants = [Some(*weight), *bias];
    let exact = |c: &ValueId| net.constant(*c).is_some_and(|c| !c.enclosed());
    if !constants.iter().flatten().all(exact) {
        return false;
    }
    let Op::Conv { slide, .. } = &value.op else {
        return true;
    };
    let Some(conv) = net.conv(v) else {
        return false;
    };
    let plane = conv.window.plane();
    let one = |part: &[Exact]| part.chunks(plane).all(|p| p.iter().all(|e| *e == p[0]));
    let padded = slide.before.iter().chain(&slide.after).any(|p| *p > 0);
    let shifted = fold.shift.iter().any(|s| !s.is_zero());
    one(&fold.scale) && one(&fold.shift) && !(padded && shifted)
}

struct Build<'a> {
    net: &'a Network,
    builder: NetworkBuilder,
    ids: BTreeMap<ValueId, ValueId>,
}

impl Build<'_> {
    fn image(&self, v: ValueId) -> ValueId {
        // Operands precede users, and those that go have users that go.
        self.ids.get(&v).copied().unwrap_or(v)
    }

    /// A value as it is, but for a division.
    fn kept(&mut self, v: ValueId) {
        let value = self.net.value(v);
        let mut op = value.op.map_operands(|o| self.image(o));
        if let Op::Div { x, c } = &value.op
            && inexact(self.net, v)
            && let Some(inverse) = self.inverse(*c)
        {
            let shape = self.net.value(*c).shape.clone();
            let c = self.constant(&format!("{}.inverse", value.name), shape, inverse);
            op = Op::Mul {
                x: self.image(*x),
                c,
            };
        }
        let id = self
            .builder
            .push(&value.name, op, Some(value.shape.clone()), value.span);
        self.ids.insert(v, id);
    }

    /// The inverses of a constant's elements.
    fn inverse(&self, c: ValueId) -> Option<Constant> {
        let c = self.net.constant(c).filter(|c| !c.enclosed())?;
        let one = Exact::from(1i64);
        let all: Option<Vec<Exact>> = (0..c.data.len())
            .map(|i| one.checked_div(&c.center(i)))
            .collect();
        constant(&all?)
    }

    fn constant(&mut self, wanted: &str, shape: Shape, c: Constant) -> ValueId {
        let taken =
            |name: &String| self.net.find(name).is_some() || self.builder.find(name).is_some();
        let name = std::iter::once(wanted.to_owned())
            .chain((2u64..).map(|k| format!("{wanted}.{k}")))
            .find(|n| !taken(n))
            .unwrap_or_else(|| wanted.to_owned());
        self.builder.push(name, Op::Const(c), Some(shape), None)
    }

    /// A layer with what stands in front of it in its weights. As it is if that is beyond float32.
    fn folded(&mut self, v: ValueId, fold: &Fold) {
        let value = self.net.value(v);
        let mut x = self.image(fold.base);
        let made = constants(self.net, v, fold);
        let Some((weight, bias)) = made else {
            fold.gone.iter().for_each(|g| self.kept(*g));
            return self.kept(v);
        };
        for m in &fold.moves {
            let moved = self.net.value(*m);
            let op = moved.op.map_operands(|o| {
                let first = moved.op.activations().first() == Some(&o);
                if first { x } else { o }
            });
            x = self
                .builder
                .push(&moved.name, op, Some(moved.shape.clone()), moved.span);
            self.ids.insert(*m, x);
        }
        let (Op::Dense { weight: old, .. } | Op::Conv { weight: old, .. }) = &value.op else {
            return self.kept(v);
        };
        let shape = self.net.value(*old).shape.clone();
        let rows = shape.0.first().copied().unwrap_or(1);
        let weight = self.constant(&format!("{}.weight", value.name), shape, weight);
        let bias =
            bias.map(|b| self.constant(&format!("{}.bias", value.name), Shape::vector(rows), b));
        let mut op = value.op.clone();
        if let Op::Dense {
            x: a,
            weight: w,
            bias: b,
        }
        | Op::Conv {
            x: a,
            weight: w,
            bias: b,
            ..
        } = &mut op
        {
            (*a, *w, *b) = (x, weight, bias);
        }
        let id = self
            .builder
            .push(&value.name, op, Some(value.shape.clone()), value.span);
        self.ids.insert(v, id);
    }
}

/// The weight of a layer with a fold in it, and its bias, if it has one then.
fn constants(net: &Network, v: ValueId, fold: &Fold) -> Option<(Constant, Option<Constant>)> {
    let (Op::Dense { weight, bias, .. } | Op::Conv { weight, bias, .. }) = &net.value(v).op else {
        return None;
    };
    let old = net.constant(*weight)?;
    let bias = match bias {
        Some(b) => Some(net.constant(*b)?),
        None => None,
    };
    let rows = net.value(*weight).shape.0.first().copied()?;
    let cols = old.data.len() / rows.max(1);
    // Which element of the operand weight `k` of row `m` meets.
    let conv = net.conv(v);
    let meets = |m: usize, k: usize| match &conv {
        None => k,
        Some(c) => (c.first_channel(m) + k / c.window.size()) * c.window.plane(),
    };
    let mut weights = Vec::with_capacity(old.data.len());
    let mut biases = Vec::with_capacity(rows);
    for m in 0..rows {
        let mut terms = Vec::with_capacity(cols);
        for k in 0..cols {
            let (w, e) = (old.center(m * cols + k), meets(m, k));
            weights.push(&w * &fold.scale[e]);
            terms.push((w, fold.shift[e].clone()));
        }
        let b = bias.map_or_else(Exact::zero, |b| b.center(m));
        biases.push(&b + &Exact::dot(&terms));
    }
    let needed = bias.is_some() || biases.iter().any(|b| !b.is_zero());
    let biases = match needed {
        true => Some(constant(&biases)?),
        false => None,
    };
    Some((constant(&weights)?, biases))
}

/// Exact numbers as a constant: float32 where they are, else wide, enclosed where two float64 do
/// not hold them. `None` beyond the float32 range.
pub(crate) fn constant(values: &[Exact]) -> Option<Constant> {
    let single = |v: &Exact| {
        let near = v.to_f64() as f32;
        (Exact::from_f32(near).as_ref() == Some(v)).then_some(near)
    };
    if let Some(data) = values.iter().map(single).collect::<Option<Vec<f32>>>() {
        return Some(Constant::inline(data));
    }
    let parts: Vec<(f64, f64)> = values
        .iter()
        .map(elementary::split)
        .collect::<Option<_>>()?;
    let exact = |((h, l), v): (&(f64, f64), &Exact)| {
        let part = |p: &f64| Exact::from_f64(*p).unwrap_or_else(Exact::zero);
        &part(h) + &part(l) == *v
    };
    let enclosed = !parts.iter().zip(values).all(exact);
    let (high, low): (Vec<f64>, Vec<f64>) = parts.into_iter().unzip();
    Constant::wide(Wide {
        high: high.into(),
        low: low.into(),
        enclosed,
    })
}

/// Comments of values that go move to the next one that stays.
fn comments(module: &Module, ids: &BTreeMap<ValueId, ValueId>) -> Comments {
    let mut out = Comments::new();
    for (anchor, lines) in &module.comments {
        let anchor = match anchor {
            Anchor::Value(v) => ids
                .range(*v..)
                .next()
                .map_or(Anchor::Output, |(_, id)| Anchor::Value(*id)),
            other => *other,
        };
        out.entry(anchor).or_default().extend(lines.iter().cloned());
    }
    out
}
