//! What else goes when slices of tensors go: a neuron takes its row, its bias and the columns that
//! read it with it, an input its column, a channel its filters.
//!
//! A slice is an index of an axis of a value. Slices that go are propagated between operands and
//! results in both directions until every operator fits again.

use ceg4n_ir::{Network, Op, Shape, Slide, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Slices that go: by value and axis the indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gone(BTreeMap<(ValueId, usize), BTreeSet<usize>>);

impl Gone {
    /// Adds indices of an axis.
    pub(super) fn add(
        &mut self,
        v: ValueId,
        axis: usize,
        indices: impl IntoIterator<Item = usize>,
    ) {
        self.0.entry((v, axis)).or_default().extend(indices);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(BTreeSet::is_empty)
    }

    /// How many indices of an axis go.
    pub(super) fn count(&self, v: ValueId, axis: usize) -> usize {
        self.0.get(&(v, axis)).map_or(0, BTreeSet::len)
    }

    pub(super) fn has(&self, v: ValueId, axis: usize, index: usize) -> bool {
        let set = self.0.get(&(v, axis));
        set.is_some_and(|s| s.contains(&index))
    }

    fn total(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// The shape of what remains.
    pub(super) fn rest(&self, v: ValueId, shape: &Shape) -> Shape {
        let extents = shape.0.iter().enumerate();
        Shape(extents.map(|(a, n)| n - self.count(v, a).min(*n)).collect())
    }

    /// For each element of a tensor, row-major, whether it remains.
    pub(super) fn kept(&self, v: ValueId, shape: &Shape) -> Vec<bool> {
        (0..shape.len())
            .map(|e| (0..shape.0.len()).all(|a| !self.has(v, a, index_of(shape, e, a))))
            .collect()
    }

    /// The elements of a list over the value that remain.
    pub(super) fn select<T: Clone>(&self, v: ValueId, shape: &Shape, list: &[T]) -> Vec<T> {
        let kept = self.kept(v, shape);
        let both = list.iter().zip(kept);
        both.filter(|(_, k)| *k).map(|(e, _)| e.clone()).collect()
    }

    fn link(&mut self, a: (ValueId, usize), b: (ValueId, usize)) {
        self.link_shifted(a, b, 0, usize::MAX);
    }

    /// Index `i` of `a`, below `len`, is index `i + offset` of `b`.
    fn link_shifted(
        &mut self,
        a: (ValueId, usize),
        b: (ValueId, usize),
        offset: usize,
        len: usize,
    ) {
        let of = |gone: &Self, key| gone.0.get(&key).cloned().unwrap_or_default();
        let (ours, theirs) = (of(self, a), of(self, b));
        let there = ours.iter().map(|i| i + offset);
        self.add(b.0, b.1, there);
        let here = theirs.iter().filter_map(|i| i.checked_sub(offset));
        self.add(a.0, a.1, here.filter(|i| *i < len));
    }

    /// Takes indices off the end until `rest` of `extent` remain.
    fn cut(&mut self, v: ValueId, axis: usize, extent: usize, rest: usize) {
        let last: Vec<usize> = (0..extent)
            .rev()
            .filter(|i| !self.has(v, axis, *i))
            .collect();
        let more = last.len().saturating_sub(rest);
        self.add(v, axis, last.into_iter().take(more));
    }
}

/// The index along an axis of element `e`.
fn index_of(shape: &Shape, e: usize, axis: usize) -> usize {
    let inner: usize = shape.0[axis + 1..].iter().product();
    e / inner.max(1) % shape.0[axis].max(1)
}

/// A network whose operators may have been changed, with the shapes from before.
pub(super) struct Wiring<'a> {
    pub(super) network: &'a Network,
    /// The values that stay, in order, each with its operator on operands that stay.
    pub(super) values: Vec<(ValueId, Op)>,
}

impl Wiring<'_> {
    fn shape(&self, v: ValueId) -> &Shape {
        &self.network.value(v).shape
    }

    /// Propagates what goes; `None` if a tensor would have no element left or a window no room.
    pub(super) fn propagate(&self, gone: &mut Gone) -> Option<()> {
        loop {
            let before = gone.total();
            for (v, op) in &self.values {
                self.step(*v, op, gone)?;
            }
            for (v, _) in &self.values {
                let mut axes = self.shape(*v).0.iter().enumerate();
                if axes.any(|(a, n)| gone.count(*v, a) >= *n) {
                    return None;
                }
            }
            if gone.total() == before {
                return Some(());
            }
        }
    }

    fn step(&self, v: ValueId, op: &Op, gone: &mut Gone) -> Option<()> {
        let rank = self.shape(v).0.len();
        let all = |gone: &mut Gone, x: ValueId| (0..rank).for_each(|a| gone.link((x, a), (v, a)));
        match op {
            Op::Input | Op::Const(_) => {}
            Op::Dense { x, weight, bias } => {
                gone.link((*x, 0), (*weight, 1));
                gone.link((*weight, 0), (v, 0));
                if let Some(b) = bias {
                    gone.link((*b, 0), (v, 0));
                }
            }
            Op::Conv {
                x,
                weight,
                bias,
                slide,
                groups,
            } => {
                gone.link((*weight, 0), (v, 0));
                if let Some(b) = bias {
                    gone.link((*b, 0), (v, 0));
                }
                match groups {
                    1 => gone.link((*x, 0), (*weight, 1)),
                    _ => self.whole_groups(v, *x, *groups, gone),
                }
                let extents = &self.shape(*weight).0[2..];
                for (a, n) in extents.iter().enumerate() {
                    let taps = n.checked_sub(gone.count(*weight, 2 + a))?;
                    self.slide(v, *x, a, taps, slide, gone)?;
                }
            }
            Op::MaxPool { x, kernel, slide }
            | Op::AveragePool {
                x, kernel, slide, ..
            } => {
                gone.link((*x, 0), (v, 0));
                for (a, taps) in kernel.iter().enumerate() {
                    self.slide(v, *x, a, *taps, slide, gone)?;
                }
            }
            Op::Add { x, c } | Op::Sub { x, c } | Op::Mul { x, c } | Op::Div { x, c } => {
                all(gone, *x);
                self.constant(*x, *c, gone);
            }
            Op::Sum { x, y } => {
                all(gone, *x);
                all(gone, *y);
            }
            Op::Concat { xs, axis } => {
                let mut offset = 0;
                for x in xs {
                    let len = self.shape(*x).0[*axis];
                    // An operand without a slice left is dropped, and not bound any more.
                    if !all_gone(gone, v, *axis, offset, len) {
                        for a in (0..rank).filter(|a| a != axis) {
                            gone.link((*x, a), (v, a));
                        }
                        gone.link_shifted((*x, *axis), (v, *axis), offset, len);
                    }
                    offset += len;
                }
            }
            Op::Pad { x, before, .. } => {
                for (a, n) in before.iter().enumerate() {
                    gone.link_shifted((*x, a), (v, a), *n, self.shape(*x).0[a]);
                }
            }
            Op::Transpose { x, perm } => {
                for (a, p) in perm.iter().enumerate() {
                    gone.link((*x, *p), (v, a));
                }
            }
            Op::Relu { x }
            | Op::Clip { x, .. }
            | Op::LeakyRelu { x, .. }
            | Op::Unary { x, .. }
            | Op::Curve { x, .. }
            | Op::Snap { x, .. }
            | Op::Identity { x } => all(gone, *x),
            Op::Reshape { x } | Op::Flatten { x } => {
                self.same_elements(*x, v, gone);
                self.same_elements(v, *x, gone);
            }
        }
        Some(())
    }

    /// A group of channels goes with its filters.
    fn whole_groups(&self, v: ValueId, x: ValueId, groups: usize, gone: &mut Gone) {
        let (channels, filters) = (self.shape(x).0[0] / groups, self.shape(v).0[0] / groups);
        for g in 0..groups {
            let sides = [(x, channels), (v, filters)];
            let touched = |(v, n): &(ValueId, usize)| (0..*n).any(|i| gone.has(*v, 0, g * n + i));
            if sides.iter().any(touched) {
                for (v, n) in sides {
                    gone.add(v, 0, g * n..(g + 1) * n);
                }
            }
        }
    }

    /// Positions along spatial axis `a` of a window of `taps` that slides over `x`.
    fn slide(
        &self,
        v: ValueId,
        x: ValueId,
        a: usize,
        taps: usize,
        slide: &Slide,
        gone: &mut Gone,
    ) -> Option<()> {
        let axis = a + 1;
        let (from, to) = (self.shape(x).0[axis], self.shape(v).0[axis]);
        let reach = slide.dilations[a] * taps.checked_sub(1)? + 1;
        let pads = slide.before[a] + slide.after[a];
        let positions = from.checked_sub(gone.count(x, axis))?;
        let wanted = to.checked_sub(gone.count(v, axis)).filter(|n| *n > 0)?;
        let windows = (positions + pads).checked_sub(reach)? / slide.strides[a] + 1;
        if windows > wanted {
            let needed = ((wanted - 1) * slide.strides[a] + reach).saturating_sub(pads);
            gone.cut(x, axis, from, needed.max(1));
        } else if windows < wanted {
            gone.cut(v, axis, to, windows);
        }
        Some(())
    }

    /// A constant that spreads over `x`.
    fn constant(&self, x: ValueId, c: ValueId, gone: &mut Gone) {
        let (xs, cs) = (self.shape(x), self.shape(c));
        if xs != cs && xs.len() == cs.len() && cs.len() > 1 {
            self.same_elements(x, c, gone);
            self.same_elements(c, x, gone);
            return;
        }
        let Some(offset) = xs.0.len().checked_sub(cs.0.len()) else {
            return;
        };
        for (a, n) in cs.0.iter().enumerate() {
            if *n == xs.0[a + offset] && *n > 1 {
                gone.link((x, a + offset), (c, a));
            }
        }
    }

    /// What of `to` goes because it has the same elements, in order, as `from`: the slices along
    /// the first axis on which they are whole slices there too, else, more than that, slices along
    /// the first axis that has several.
    fn same_elements(&self, from: ValueId, to: ValueId, gone: &mut Gone) {
        let (source, target) = (self.shape(from), self.shape(to));
        let lost: Vec<bool> = gone.kept(from, source).into_iter().map(|k| !k).collect();
        if lost.iter().all(|l| !l) || lost.len() != target.len() {
            return;
        }
        let rank = target.0.len();
        let mut counts: Vec<Vec<usize>> = target.0.iter().map(|n| vec![0; *n]).collect();
        for (e, _) in lost.iter().enumerate().filter(|(_, l)| **l) {
            for (a, counts) in counts.iter_mut().enumerate() {
                counts[index_of(target, e, a)] += 1;
            }
        }
        let whole = |a: usize, i: usize| counts[a][i] * target.0[a] == target.len();
        let some = (0..rank).find(|a| target.0[*a] > 1).unwrap_or(0);
        let present = gone.kept(to, target);
        for (e, _) in lost.iter().enumerate().filter(|(e, l)| **l && present[*e]) {
            let axis = (0..rank).find(|a| whole(*a, index_of(target, e, *a)));
            let axis = axis.unwrap_or(some);
            if axis < rank {
                gone.add(to, axis, [index_of(target, e, axis)]);
            }
        }
    }
}

fn all_gone(gone: &Gone, v: ValueId, axis: usize, start: usize, len: usize) -> bool {
    (start..start + len).all(|i| gone.has(v, axis, i))
}

/// The operator on what remains of its operands.
pub(super) fn fitted(network: &Network, v: ValueId, op: &Op, gone: &Gone) -> Op {
    let mut op = op.clone();
    match &mut op {
        Op::Conv { x, groups, .. } => {
            let channels = network.value(*x).shape.0[0];
            let per_group = (channels / *groups).max(1);
            if *groups > 1 {
                *groups = (*groups - (gone.count(*x, 0) / per_group).min(*groups)).max(1);
            }
        }
        Op::Pad {
            x, before, after, ..
        } => {
            for a in 0..before.len() {
                let end = before[a] + network.value(*x).shape.0[a];
                let lost =
                    |range: std::ops::Range<usize>| range.filter(|i| gone.has(v, a, *i)).count();
                let (front, back) = (lost(0..before[a]), lost(end..end + after[a]));
                before[a] -= front;
                after[a] -= back;
            }
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Transpose { .. }
        | Op::Relu { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Snap { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => {}
        Op::Concat { xs, axis } => {
            let mut offset = 0;
            xs.retain(|x| {
                let len = network.value(*x).shape.0[*axis];
                let start = offset;
                offset += len;
                !all_gone(gone, v, *axis, start, len)
            });
        }
    }
    op
}
