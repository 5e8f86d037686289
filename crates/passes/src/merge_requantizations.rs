//! `merge-requantizations`: two roundings, one after the other, as one.

use crate::forward::users;
use crate::pass::{Keeps, Pass};
use crate::tensors::{Lowered, lowered};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{
    Annotations, Interval, KernelNode, KernelOp, Module, Network, Op, Program, Rounding, ValueId,
    check,
};

/// Takes the format of a value away whose one user, an operator that moves data or a relu, has a
/// format too, where one requantization gives the same integers: the first one is an exact left
/// shift, or the second one shifts nothing, or the rule is `floor` and the second shifts right; and
/// no value within the type range that the first clamps is left unclamped by the second.
pub(crate) struct MergeRequantizations;

impl Pass for MergeRequantizations {
    fn name(&self) -> &'static str {
        "merge-requantizations"
    }

    fn description(&self) -> &'static str {
        "do two requantizations, one after the other, as one, where every input gives the same integers"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let Some(versions) = lowered(module)? else {
            return Ok(module.clone());
        };
        let mut out = module.clone();
        for (a, version) in out.versions.iter_mut().zip(versions) {
            merge(module, a, version);
        }
        Ok(out)
    }
}

fn merge(module: &Module, a: &mut Annotations, mut version: Lowered) {
    let net = &module.network;
    for v in net.values().keys() {
        let Some(x) = first_of_two(net, v).filter(|x| doubled(&version, *x, v)) else {
            continue;
        };
        let mut next = a.clone();
        next.values.remove(&x);
        // The accumulator may be beyond 64 bits where the stored value was not.
        let checked = check(Program::new(module.network.clone(), next.clone()));
        if let Some(kernel) = checked.ok().as_ref().and_then(|c| c.kernel()) {
            version = Lowered::of(kernel);
            *a = next;
        }
    }
}

/// The operand of a value that passes it on, if nothing else reads it.
fn first_of_two(net: &Network, v: ValueId) -> Option<ValueId> {
    let (Op::Identity { x }
    | Op::Flatten { x }
    | Op::Reshape { x }
    | Op::Transpose { x, .. }
    | Op::Relu { x }) = &net.value(v).op
    else {
        return None;
    };
    (users(net).get(x) == Some(&1) && *x != net.output() && *x != net.input()).then_some(*x)
}

/// A requantization: what it reads and what it gives.
fn requantization(version: &Lowered, v: ValueId) -> Option<(&KernelNode, &KernelNode)> {
    let node = version.last(v)?;
    let KernelOp::Requantize { x, .. } = &node.op else {
        return None;
    };
    Some((&version.kernel.nodes[*x], node))
}

/// True if both values round, and one rounding does the same.
fn doubled(version: &Lowered, x: ValueId, v: ValueId) -> bool {
    let (Some((source, first)), Some((between, second))) =
        (requantization(version, x), requantization(version, v))
    else {
        return false;
    };
    // Which element of the first each of the second is.
    let index: Vec<usize> = match &between.op {
        KernelOp::Gather { index, .. } => index.iter().map(|i| *i as usize).collect(),
        KernelOp::Move { .. } | KernelOp::Relu { .. } => (0..between.len).collect(),
        KernelOp::Input { .. }
        | KernelOp::Dense { .. }
        | KernelOp::AddConst { .. }
        | KernelOp::Conv { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::MulConst { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Clip { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Requantize { .. }
        | KernelOp::Align { .. } => return false,
    };
    let positive = matches!(between.op, KernelOp::Relu { .. });
    index
        .iter()
        .all(|i| one_is_enough(version.kernel.rounding, source, first, second, *i, positive))
}

/// For element `i`: `clamp2(round(clamp1(round(m·2^-s1))·2^-s2)) = clamp2(round(m·2^-(s1+s2)))` for
/// every `m` of the type range (`positive`: that is not negative, as a relu lets no other through;
/// a rounding keeps 0 and does not fall, so the relu may come before it).
fn one_is_enough(
    rule: Rounding,
    source: &KernelNode,
    first: &KernelNode,
    second: &KernelNode,
    i: usize,
    positive: bool,
) -> bool {
    let (Some(f), Some(g)) = (first.format, second.format) else {
        return false;
    };
    let (s1, s2) = (source.frac[i] - f.frac(), f.frac() - g.frac());
    let rounds_once = s1 <= 0 || s2 == 0 || (rule == Rounding::Floor && s2 > 0);
    let small = |s: i32| s.abs() <= 60;
    if !(rounds_once && small(s1) && small(s2)) {
        return false;
    }
    let range = match positive {
        true => Interval::new(source.range[i].lo.max(0), source.range[i].hi.max(0)),
        false => source.range[i],
    };
    let m = i128::from(source.multiplier(i));
    let after = |end: i64| rule.shift(i128::from(end) * m, s1);
    let clamped = |end: i64| rule.shift(i128::from(end), s2);
    let below = after(range.lo) >= i128::from(f.min()) || clamped(f.min()) <= i128::from(g.min());
    let above = after(range.hi) <= i128::from(f.max()) || clamped(f.max()) >= i128::from(g.max());
    below && above
}
