//! Values that are their operand: taken out, where no version rounds there.

use crate::draft::Draft;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{AccAnnotation, Annotation, Module, Network, Op, ValueId};
use std::collections::BTreeMap;

/// Takes out the values for which `operand` names the value that they are equal to (defined
/// before). An annotation moves to the operand if nothing else sees it; a value whose annotation
/// rounds and cannot move stays.
pub(crate) fn forward(
    module: &Module,
    operand: impl Fn(ValueId) -> Option<ValueId>,
) -> Result<Module, Diagnostics> {
    let net = &module.network;
    let users = users(net);
    let mut draft = Draft::new(module);
    let versions = module.versions.len();
    for v in net.values().keys() {
        let Some(x) = operand(v) else {
            continue;
        };
        let target = draft.resolve(x);
        if net.constant(target).is_some() {
            continue;
        }
        // What it is the same as, and so on to `target`; each may have users of its own.
        let alone = std::iter::successors(Some(x), |link| {
            (*link != target).then(|| operand(*link)).flatten()
        })
        .all(|link| users.get(&link) == Some(&1) && net.output() != link);
        let plans: Option<Vec<Plan>> = (0..versions)
            .map(|k| {
                plan(
                    net,
                    [draft.note(k, v), draft.note(k, target)],
                    target,
                    alone,
                )
            })
            .collect();
        let Some(plans) = plans else { continue };
        for (k, plan) in plans.into_iter().enumerate() {
            if plan == Plan::Move {
                draft.move_note(k, v, target);
            }
        }
        draft.replace(v, target);
    }
    draft.finish()
}

/// What becomes of the annotation of a value that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// There is none, or it says again what holds of the operand.
    Forget,
    /// The operand gets it.
    Move,
}

/// What to do with the annotation of a value when `target` takes its place; `None` if it must stay
/// because it requantizes. `notes` are those of both.
fn plan(
    net: &Network,
    notes: [Option<&Annotation>; 2],
    target: ValueId,
    alone: bool,
) -> Option<Plan> {
    match (notes[0], notes[1]) {
        (None, _) => Some(Plan::Forget),
        (Some(Annotation::Fixed { format: f, .. }), Some(Annotation::Fixed { format: g, .. }))
            if f == g =>
        {
            Some(Plan::Forget)
        }
        (Some(Annotation::Acc(_)), Some(Annotation::Acc(_))) => Some(Plan::Forget),
        // A width that the operand's partial sums may exceed is a claim about the value alone.
        (Some(Annotation::Acc(AccAnnotation { width: Some(_) })), _) => None,
        // The target's other users must not see the format.
        (Some(_), None) if alone && !matches!(net.value(target).op, Op::Input) => Some(Plan::Move),
        (Some(_), _) => None,
    }
}

/// How often each value is an operand.
pub(crate) fn users(net: &Network) -> BTreeMap<ValueId, usize> {
    let mut users = BTreeMap::new();
    for operand in net.values().values().flat_map(|v| v.op.operands()) {
        *users.entry(operand).or_insert(0) += 1;
    }
    users
}
