//! The kernel of the elements that are read.

use super::elements::{Elements, factor};
use super::{Removed, Simplified, is_outward};
use ceg4n_base::entity::{PrimaryMap, SecondaryMap};
use ceg4n_ir::{FILL, Interval, Kernel, KernelNode, KernelOp, NodeId, Rounding};
use std::sync::Arc;

/// The kernel without elements and nodes that nothing reads; `None` if all are read, or if a sum of
/// weights needs more than 32 bits.
pub(super) fn rebuild(old: &Simplified, elements: &Elements) -> Option<Simplified> {
    let kernel = &old.kernel;
    let mut this = Rebuilding {
        kernel,
        elements,
        nodes: PrimaryMap::new(),
        new: SecondaryMap::new(),
        place: SecondaryMap::new(),
    };
    let mut removed = SecondaryMap::new();
    let mut gone = false;
    for (n, node) in kernel.nodes.iter() {
        let kept: Vec<usize> = (0..node.len).filter(|j| elements.read[n][*j]).collect();
        let mut place = vec![usize::MAX; node.len];
        kept.iter().enumerate().for_each(|(at, j)| place[*j] = at);
        this.place[n] = place;
        gone |= kept.len() < node.len;
        if kept.is_empty() {
            continue;
        }
        let made = this.node(n, node, &kept)?;
        gone |= made.1;
        let id = this.nodes.push(made.0);
        this.new[n] = Some(id);
        removed[id] = old.removed[n].and(lost(elements, n, node));
    }
    if !gone {
        return None;
    }
    let kernel = Kernel {
        input: this.new[kernel.input]?,
        output: this.new[kernel.output]?,
        nodes: this.nodes,
        input_format: kernel.input_format,
        output_frac: kernel.output_frac,
        rounding: kernel.rounding,
    };
    Some(Simplified { kernel, removed })
}

fn lost(elements: &Elements, n: NodeId, node: &KernelNode) -> Removed {
    let mut lost = Removed::default();
    for j in (0..node.len).filter(|j| !elements.read[n][*j]) {
        if Elements::constant(node, j).is_some() {
            lost.constant += 1;
        } else if elements.kept(n, j) != j && elements.read[n][elements.kept(n, j)] {
            lost.duplicate += 1;
        } else {
            lost.unread += 1;
        }
    }
    lost
}

struct Rebuilding<'a> {
    kernel: &'a Kernel,
    elements: &'a Elements,
    nodes: PrimaryMap<NodeId, KernelNode>,
    /// Where each node went.
    new: SecondaryMap<NodeId, Option<NodeId>>,
    /// Where each element that is read went.
    place: SecondaryMap<NodeId, Vec<usize>>,
}

impl Rebuilding<'_> {
    /// The node of the kept elements; true if it reads fewer columns.
    fn node(&self, n: NodeId, node: &KernelNode, kept: &[usize]) -> Option<(KernelNode, bool)> {
        if let KernelOp::Dense { .. } = node.op {
            return self.dense(n, node, kept);
        }
        let mut op = self.renamed(&node.op)?;
        if let (KernelOp::Gather { index, .. }, KernelOp::Gather { x, .. }) = (&mut op, &node.op) {
            *index = kept.iter().map(|j| self.moved(*x, index[*j])).collect();
        } else if kept.len() < node.len {
            pick_constants(&mut op, node, kept);
        }
        let mut made = self.picked(node, op, kept);
        if !is_outward(self.kernel, n) {
            self.tighten(&mut made);
        }
        Some((made, false))
    }

    /// The operator over the new nodes.
    fn renamed(&self, op: &KernelOp) -> Option<KernelOp> {
        let mut op = op.clone();
        match &mut op {
            KernelOp::Input { .. } => {}
            KernelOp::Sum { x, y } => (*x, *y) = (self.new[*x]?, self.new[*y]?),
            KernelOp::Concat { xs, .. } => {
                for x in xs {
                    *x = self.new[*x]?;
                }
            }
            KernelOp::Dense { x, .. }
            | KernelOp::AddConst { x, .. }
            | KernelOp::Conv { x, .. }
            | KernelOp::MaxPool { x, .. }
            | KernelOp::SumPool { x, .. }
            | KernelOp::MulConst { x, .. }
            | KernelOp::Gather { x, .. }
            | KernelOp::Relu { x }
            | KernelOp::Clip { x, .. }
            | KernelOp::LeakyRelu { x, .. }
            | KernelOp::Unary { x, .. }
            | KernelOp::Table { x, .. }
            | KernelOp::Requantize { x, .. }
            | KernelOp::Align { x, .. }
            | KernelOp::Move { x } => *x = self.new[*x]?,
        }
        Some(op)
    }

    /// The node of the same elements with another operator.
    fn picked(&self, node: &KernelNode, op: KernelOp, kept: &[usize]) -> KernelNode {
        KernelNode {
            value: node.value,
            op,
            len: kept.len(),
            frac: picked(&node.frac, kept),
            multiplier: node.multiplier.as_ref().map(|m| picked(m, kept)),
            format: node.format,
            range: picked(&node.range, kept),
            width: node.width,
        }
    }

    /// A place of a moved element.
    fn moved(&self, x: NodeId, i: u32) -> u32 {
        match i {
            FILL => FILL,
            i => self.place[x][self.elements.kept(x, i as usize)] as u32,
        }
    }

    fn dense(&self, n: NodeId, node: &KernelNode, kept: &[usize]) -> Option<(KernelNode, bool)> {
        let KernelOp::Dense {
            x,
            weight,
            bias,
            cols,
            ..
        } = &node.op
        else {
            return None;
        };
        let old = &self.kernel.nodes[*x];
        let operand = &self.nodes[self.new[*x]?];
        let mut weights: Vec<i32> = Vec::with_capacity(kept.len() * operand.len);
        let mut biases = Vec::with_capacity(kept.len());
        let mut ranges = Vec::with_capacity(kept.len());
        let mut most = 0i128;
        for j in kept {
            let mut row = vec![0i64; operand.len];
            let mut b = i128::from(bias.as_ref().map_or(0, |b| b[*j]));
            for (k, w) in weight[j * cols..(j + 1) * cols].iter().enumerate() {
                if let Some(c) = Elements::constant(old, k) {
                    b += i128::from(*w) * i128::from(c);
                } else if *w != 0 {
                    let at = self.place[*x][self.elements.kept(*x, k)];
                    // Columns that cancel each other out in every row have no place.
                    if let Some(sum) = row.get_mut(at) {
                        *sum += i64::from(*w);
                    }
                }
            }
            let (lo, hi, magnitude) = sums(&row, b, operand);
            most = most.max(magnitude);
            ranges.push((lo, hi));
            biases.push(i64::try_from(b).ok()?);
            for w in row {
                weights.push(i32::try_from(w).ok()?);
            }
        }
        let (cols, fewer) = (operand.len, operand.len < *cols);
        let with_bias = bias.is_some() || biases.iter().any(|b| *b != 0);
        let changed = fewer || *weights != **weight && kept.len() == node.len;
        let op = KernelOp::Dense {
            x: self.new[*x]?,
            weight: weights.into(),
            bias: with_bias.then(|| biases.into()),
            rows: kept.len(),
            cols,
        };
        let mut made = self.picked(node, op, kept);
        if !is_outward(self.kernel, n) {
            made.range = inside(&made.range, ranges.into_iter());
            let hull = made.range.iter().copied().reduce(Interval::hull)?;
            let bits = 129 - most.leading_zeros();
            let bits = u8::try_from(bits)
                .unwrap_or(u8::MAX)
                .max(hull.signed_width());
            made.width = made.width.min(bits);
        }
        Some((made, changed))
    }

    /// Ranges that follow from tighter ones of operands.
    fn tighten(&self, node: &mut KernelNode) {
        let of = |x: &NodeId| self.nodes[*x].range.clone();
        let wide = |v: i64| i128::from(v);
        let rounding: Rounding = self.kernel.rounding;
        let ranges: Vec<(i128, i128)> = match &node.op {
            KernelOp::Relu { x } => {
                let of = of(x);
                of.iter()
                    .map(|r| (wide(r.lo.max(0)), wide(r.hi.max(0))))
                    .collect()
            }
            KernelOp::Move { x } => of(x).iter().map(|r| (wide(r.lo), wide(r.hi))).collect(),
            KernelOp::AddConst { x, c } => {
                let sum =
                    |(r, c): (&Interval, &i64)| (wide(r.lo) + wide(*c), wide(r.hi) + wide(*c));
                of(x).iter().zip(c.iter()).map(sum).collect()
            }
            KernelOp::Requantize {
                x,
                multiplier: m,
                shift,
                format,
            } => {
                let (least, most) = (wide(format.min()), wide(format.max()));
                let end = |v: i64, j: usize| {
                    let m = ceg4n_ir::kernel::multiplier(m.as_deref(), j);
                    let y = rounding.shift(wide(v) * i128::from(m), shift[j]);
                    y.clamp(least, most)
                };
                let of = of(x);
                let each = of.iter().enumerate();
                each.map(|(j, r)| (end(r.lo, j), end(r.hi, j))).collect()
            }
            KernelOp::Input { .. }
            | KernelOp::Dense { .. }
            | KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Align { .. } => return,
        };
        node.range = inside(&node.range, ranges.into_iter());
    }
}

/// The constants of the kept elements; windows and concatenations keep all.
fn pick_constants(op: &mut KernelOp, node: &KernelNode, kept: &[usize]) {
    match op {
        KernelOp::AddConst { c, .. } => *c = picked(c, kept),
        KernelOp::MulConst { c, .. } => {
            *c = kept.iter().map(|j| factor(node, c, *j)).collect();
        }
        KernelOp::Clip { lo, hi, .. } => (*lo, *hi) = (picked(lo, kept), picked(hi, kept)),
        KernelOp::Requantize {
            multiplier, shift, ..
        } => {
            *multiplier = multiplier.as_ref().map(|m| picked(m, kept));
            *shift = picked(shift, kept);
        }
        KernelOp::Align { shift, .. } => *shift = picked(shift, kept),
        KernelOp::Input { .. }
        | KernelOp::Dense { .. }
        | KernelOp::Conv { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Relu { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Move { .. } => {}
    }
}

/// What lies in both; both hold of the same values.
fn inside(known: &[Interval], found: impl Iterator<Item = (i128, i128)>) -> Arc<[Interval]> {
    let both = |(r, (lo, hi)): (&Interval, (i128, i128))| {
        let lo = i64::try_from(lo).map_or(r.lo, |lo| lo.max(r.lo));
        let hi = i64::try_from(hi).map_or(r.hi, |hi| hi.min(r.hi));
        if lo <= hi { Interval::new(lo, hi) } else { *r }
    };
    known.iter().zip(found).map(both).collect()
}

/// The range of a row's sums, and what no partial sum exceeds.
fn sums(row: &[i64], bias: i128, operand: &KernelNode) -> (i128, i128, i128) {
    let (mut lo, mut hi, mut most) = (bias, bias, bias.abs());
    for (w, r) in row.iter().zip(operand.range.iter()) {
        let (a, b) = (
            i128::from(*w) * i128::from(r.lo),
            i128::from(*w) * i128::from(r.hi),
        );
        lo += a.min(b);
        hi += a.max(b);
        most += a.abs().max(b.abs());
    }
    (lo, hi, most)
}

fn picked<T: Copy>(list: &[T], kept: &[usize]) -> Arc<[T]> {
    kept.iter().map(|j| list[*j]).collect()
}
