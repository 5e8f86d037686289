//! Where intermediate vectors live: as few buffers as are alive at once, by linear scan.

use crate::elem::Elem;
use crate::plan::{Plan, Source};

/// One buffer of the scratch memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// What it holds in turn: a type and the most elements of that type, in order of types.
    pub(crate) views: Vec<(Elem, usize)>,
}

impl Slot {
    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.views
            .iter()
            .map(|(e, n)| e.bytes() * n)
            .max()
            .unwrap_or(0)
    }
}

/// The scratch memory of a plan.
#[derive(Debug)]
pub(crate) struct Slots {
    /// The buffers.
    pub(crate) slots: Vec<Slot>,
    /// By stage, the buffer of its result; `None` for the last stage, which writes the output.
    pub(crate) of_stage: Vec<Option<usize>>,
}

impl Slots {
    /// Bytes of all buffers, without padding.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.iter().map(Slot::bytes).sum()
    }
}

/// Both types may live in one C buffer in turn. Compilers assume that objects of different types
/// do not overlap, also in unions once pointers to members are passed on; character types and
/// the two signs of one size are exempt (C99 6.5p7).
pub(crate) fn may_alias(a: Elem, b: Elem) -> bool {
    a.bytes() == b.bytes() || a.bytes() == 1 || b.bytes() == 1
}

/// Assigns buffers; `share` says which types one buffer may hold in turn.
pub(crate) fn assign(plan: &Plan<'_>, share: fn(Elem, Elem) -> bool) -> Slots {
    let last = plan.stages.len().saturating_sub(1);
    let mut last_use = vec![0; plan.stages.len()];
    for (i, s) in plan.stages.iter().enumerate() {
        for v in &s.reads {
            if let Source::Stage(k) = v.source {
                last_use[k] = i;
            }
        }
    }
    let mut slots: Vec<Slot> = Vec::new();
    let mut busy_until: Vec<usize> = Vec::new();
    let mut of_stage = Vec::with_capacity(plan.stages.len());
    for (i, s) in plan.stages.iter().enumerate() {
        if i == last {
            of_stage.push(None);
            break;
        }
        // A buffer read by stage `i` itself is still in use while the stage writes.
        let free = (0..slots.len())
            .find(|k| busy_until[*k] < i && slots[*k].views.iter().all(|(e, _)| share(*e, s.ty)));
        let k = free.unwrap_or_else(|| {
            slots.push(Slot { views: Vec::new() });
            busy_until.push(0);
            slots.len() - 1
        });
        busy_until[k] = last_use[i];
        let views = &mut slots[k].views;
        match views.iter_mut().find(|(e, _)| *e == s.ty) {
            Some((_, len)) => *len = s.len.max(*len),
            None => views.push((s.ty, s.len)),
        }
        views.sort_unstable();
        of_stage.push(Some(k));
    }
    Slots { slots, of_stage }
}
