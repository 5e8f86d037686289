//! Where intermediate vectors live: buffers that vectors share whose lifetimes do not meet.

use crate::elem::Elem;
use crate::plan::{Plan, Source};

/// One buffer of the scratch memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// What it holds in turn: a type and the most elements of that type, in order of types.
    pub(crate) views: Vec<(Elem, usize)>,
}

impl Slot {
    /// Makes room for so many elements.
    fn hold(&mut self, ty: Elem, len: usize) {
        match self.views.iter_mut().find(|(e, _)| *e == ty) {
            Some((_, most)) => *most = len.max(*most),
            None => self.views.push((ty, len)),
        }
        self.views.sort_unstable();
    }

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

/// Assigns buffers; `share` says which types one buffer may hold in turn. Of three orders and
/// choices the one that takes the fewest bytes; the first of equals.
///
/// Largest first is greedy by size for shared objects (Pisarchyk and Lee, "Efficient Memory
/// Management for Deep Neural Net Inference", 2020).
pub(crate) fn assign(plan: &Plan<'_>, share: fn(Elem, Elem) -> bool) -> Slots {
    let vectors = lifetimes(plan);
    let in_time: Vec<usize> = (0..vectors.len()).collect();
    let mut by_size = in_time.clone();
    by_size.sort_by_key(|i| std::cmp::Reverse(vectors[*i].bytes()));
    let orders = [
        (&in_time, Choice::First),
        (&in_time, Choice::LeastGrowth),
        (&by_size, Choice::LeastGrowth),
    ];
    let all = orders.map(|(order, choice)| place(&vectors, order, choice, share));
    let mut best = Slots {
        slots: Vec::new(),
        of_stage: Vec::new(),
    };
    for (i, slots) in all.into_iter().enumerate() {
        if i == 0 || slots.bytes() < best.bytes() {
            best = slots;
        }
    }
    // The last stage writes the output.
    best.of_stage.push(None);
    best
}

/// A stage's result between its stage and the last one that reads it, both included: a stage
/// reads while it writes.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    ty: Elem,
    len: usize,
    from: usize,
    to: usize,
}

impl Lifetime {
    fn bytes(&self) -> usize {
        self.ty.bytes() * self.len
    }

    fn meets(&self, other: &Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// Of every stage but the last.
fn lifetimes(plan: &Plan<'_>) -> Vec<Lifetime> {
    let last = plan.stages.len().saturating_sub(1);
    let mut vectors: Vec<Lifetime> = plan.stages[..last]
        .iter()
        .enumerate()
        .map(|(i, s)| Lifetime {
            ty: s.ty,
            len: s.len + s.padding,
            from: i,
            to: i,
        })
        .collect();
    for (i, s) in plan.stages.iter().enumerate() {
        for v in &s.reads {
            if let Source::Stage(k) = v.source {
                vectors[k].to = i;
            }
        }
    }
    vectors
}

/// Which of the free buffers a vector takes.
#[derive(Clone, Copy, Debug)]
enum Choice {
    /// The first.
    First,
    /// The one that grows least, or a new one if it would grow as much.
    LeastGrowth,
}

fn place(
    vectors: &[Lifetime],
    order: &[usize],
    choice: Choice,
    share: fn(Elem, Elem) -> bool,
) -> Slots {
    let mut slots: Vec<Slot> = Vec::new();
    let mut tenants: Vec<Vec<usize>> = Vec::new();
    let mut of_stage = vec![None; vectors.len()];
    for i in order {
        let v = &vectors[*i];
        let is_free = |k: &usize| {
            slots[*k].views.iter().all(|(e, _)| share(*e, v.ty))
                && tenants[*k].iter().all(|t| !vectors[*t].meets(v))
        };
        let mut free = (0..slots.len()).filter(is_free);
        let growth = |k: &usize| v.bytes().saturating_sub(slots[*k].bytes());
        let found = match choice {
            Choice::First => free.next(),
            Choice::LeastGrowth => free.min_by_key(growth).filter(|k| growth(k) < v.bytes()),
        };
        let k = found.unwrap_or_else(|| {
            slots.push(Slot { views: Vec::new() });
            tenants.push(Vec::new());
            slots.len() - 1
        });
        tenants[k].push(*i);
        slots[k].hold(v.ty, v.len);
        of_stage[*i] = Some(k);
    }
    Slots { slots, of_stage }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(len: usize, from: usize, to: usize) -> Lifetime {
        let ty = Elem::I8;
        Lifetime { ty, len, from, to }
    }

    fn bytes(vectors: &[Lifetime], order: &[usize], choice: Choice) -> usize {
        let slots = place(vectors, order, choice, |a, b| a == b);
        for (i, a) in vectors.iter().enumerate() {
            for (k, b) in vectors.iter().enumerate().take(i) {
                assert!(!a.meets(b) || slots.of_stage[i] != slots.of_stage[k]);
            }
        }
        slots.bytes()
    }

    /// By the first free buffer, a large vector makes a small buffer grow while a large one is
    /// free.
    #[test]
    fn large_vectors_share_large_buffers() {
        let vectors = [
            vector(10, 0, 3),
            vector(100, 1, 2),
            vector(9, 2, 3),
            vector(100, 4, 5),
            vector(8, 5, 6),
        ];
        let in_time = [0, 1, 2, 3, 4];
        assert_eq!(bytes(&vectors, &in_time, Choice::First), 209);
        assert_eq!(bytes(&vectors, &in_time, Choice::LeastGrowth), 119);
        assert_eq!(bytes(&vectors, &[1, 3, 0, 2, 4], Choice::LeastGrowth), 119);
    }
}
