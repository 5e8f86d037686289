//! `drop-identity`: values that are their operand.

use crate::pass::{Keeps, Pass};
use crate::rebuild::{Rewiring, rebuild};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{AccAnnotation, Annotation, Annotations, Module, Network, Op, ValueId};
use std::collections::BTreeMap;

/// Removes `identity`, and `flatten` and `reshape` to the same shape.
pub(crate) struct DropIdentity;

impl Pass for DropIdentity {
    fn name(&self) -> &'static str {
        "drop-identity"
    }

    fn description(&self) -> &'static str {
        "remove identity, and flatten and reshape that keep the shape; a format moves to the operand"
    }

    fn keeps(&self) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let net = &module.network;
        let users = users(net);
        let mut rewiring = Rewiring {
            moved: vec![BTreeMap::new(); module.versions.len()],
            ..Rewiring::default()
        };
        // Annotations as they are after the moves so far.
        let mut versions = module.versions.clone();
        for (v, value) in net.values().iter() {
            let Some(x) = moves_nothing(net, v, &value.op) else {
                continue;
            };
            let target = rewiring.resolve(x);
            if net.constant(target).is_some() {
                continue;
            }
            let alone = chain(net, x, target)
                .all(|link| users.get(&link) == Some(&1) && net.output() != link);
            let plans: Option<Vec<Plan>> = versions
                .iter()
                .map(|a| plan(net, a, v, target, alone))
                .collect();
            let Some(plans) = plans else { continue };
            rewiring.replaced.insert(v, target);
            for (k, plan) in plans.into_iter().enumerate() {
                let Some(a) = versions[k].values.remove(&v) else {
                    continue;
                };
                if plan == Plan::Move {
                    // What had moved to `v` before moves on with it: `v` is its target.
                    versions[k].values.insert(target, a);
                    rewiring.moved[k].insert(v, target);
                }
            }
        }
        rebuild(module, &rewiring)
    }
}

/// What becomes of the annotation of a value that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// There is none, or it says again what holds of the operand.
    Forget,
    /// The operand gets it.
    Move,
}

/// What to do with the annotation of `v` when `target` takes its place; `None` if `v` must stay
/// because it requantizes.
fn plan(net: &Network, a: &Annotations, v: ValueId, target: ValueId, alone: bool) -> Option<Plan> {
    match (a.get(v), a.get(target)) {
        (None, _) => Some(Plan::Forget),
        (Some(Annotation::Fixed { format: f, .. }), Some(Annotation::Fixed { format: g, .. }))
            if f == g =>
        {
            Some(Plan::Forget)
        }
        (Some(Annotation::Acc(_)), Some(Annotation::Acc(_))) => Some(Plan::Forget),
        // A width that the operand's partial sums may exceed is a claim about `v` alone.
        (Some(Annotation::Acc(AccAnnotation { width: Some(_) })), _) => None,
        // The target's other users must not see the format.
        (Some(_), None) if alone && !matches!(net.value(target).op, Op::Input) => Some(Plan::Move),
        (Some(_), _) => None,
    }
}

/// The operand of an operator that moves data and changes nothing.
fn moves_nothing(net: &Network, v: ValueId, op: &Op) -> Option<ValueId> {
    match op {
        Op::Identity { x } => Some(*x),
        Op::Flatten { x } | Op::Reshape { x } => {
            (net.value(*x).shape == net.value(v).shape).then_some(*x)
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Div { .. }
        | Op::Relu { .. }
        | Op::Conv { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::Mul { .. }
        | Op::Sum { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Transpose { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Snap { .. } => None,
    }
}

/// `x`, what it is the same as, and so on to `target`; none of them is passed over, since each may
/// have users of its own.
fn chain(net: &Network, x: ValueId, target: ValueId) -> impl Iterator<Item = ValueId> {
    std::iter::successors(Some(x), move |v| {
        (*v != target)
            .then(|| moves_nothing(net, *v, &net.value(*v).op))
            .flatten()
    })
}

fn users(net: &Network) -> BTreeMap<ValueId, usize> {
    let mut users = BTreeMap::new();
    for operand in net.values().values().flat_map(|v| v.op.operands()) {
        *users.entry(operand).or_insert(0) += 1;
    }
    users
}
