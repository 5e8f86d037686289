//! What is known of the elements of a kernel's nodes: which are constant, which equal another one,
//! which are read.

use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::kernel::multiplier;
use ceg4n_ir::{FILL, Interval, Kernel, KernelNode, KernelOp, NodeId};
use std::collections::HashMap;

/// Of every node, by element.
pub(super) struct Elements {
    /// The first element of the node that always has the same value at the same scale.
    same: SecondaryMap<NodeId, Vec<usize>>,
    /// The element is read, itself or for those that equal it.
    pub(super) read: SecondaryMap<NodeId, Vec<bool>>,
    /// The element is read at its own place, though it equals an earlier one.
    apart: SecondaryMap<NodeId, Vec<bool>>,
}

/// What an element is computed from; elements of equal keys are equal.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Row(&'a [i32], i64),
    /// An operand's element, another one's, and constants.
    Of(usize, usize, [i64; 2]),
    Filled,
}

impl Elements {
    pub(super) fn of(kernel: &Kernel) -> Self {
        let mut this = Self {
            same: SecondaryMap::new(),
            read: SecondaryMap::new(),
            apart: SecondaryMap::new(),
        };
        for (n, node) in kernel.nodes.iter() {
            this.same[n] = this.equal(node);
            this.read[n] = vec![false; node.len];
            this.apart[n] = vec![false; node.len];
        }
        this.read_all(kernel.output);
        this.read_all(kernel.input);
        let mut nodes: Vec<NodeId> = kernel.nodes.keys().collect();
        nodes.reverse();
        // What is marked only grows; at the end every mark agrees with all others.
        let mut marks = 0;
        loop {
            for n in &nodes {
                if this.read[*n].contains(&true) {
                    this.mark_operands(kernel, *n);
                }
            }
            let now = this.marks();
            if now == marks {
                return this;
            }
            marks = now;
        }
    }

    fn marks(&self) -> usize {
        let of = |map: &SecondaryMap<NodeId, Vec<bool>>| -> usize {
            let each = map.values().map(|v| v.iter().filter(|m| **m).count());
            each.sum()
        };
        of(&self.read) + of(&self.apart)
    }

    /// The only value of an element.
    pub(super) fn constant(node: &KernelNode, j: usize) -> Option<i64> {
        let Interval { lo, hi } = node.range[j];
        (lo == hi).then_some(lo)
    }

    /// The element that stands for an element of a node.
    pub(super) fn kept(&self, n: NodeId, j: usize) -> usize {
        match self.apart[n][j] {
            true => j,
            false => self.same[n][j],
        }
    }

    /// For each element the first equal one.
    fn equal(&self, node: &KernelNode) -> Vec<usize> {
        let mut known: HashMap<(Key<'_>, i32, u16), usize> = HashMap::new();
        let all = (0..node.len).map(|j| match self.key(node, j) {
            None => j,
            Some(key) => *known
                .entry((key, node.frac[j], node.multiplier(j)))
                .or_insert(j),
        });
        all.collect()
    }

    fn key<'a>(&self, node: &'a KernelNode, j: usize) -> Option<Key<'a>> {
        let of = |x: &NodeId, c: [i64; 2]| Some(Key::Of(self.same[*x][j], 0, c));
        match &node.op {
            KernelOp::Dense {
                weight, bias, cols, ..
            } => {
                let row = &weight[j * cols..(j + 1) * cols];
                Some(Key::Row(row, bias.as_ref().map_or(0, |b| b[j])))
            }
            KernelOp::AddConst { x, c } => of(x, [c[j], 0]),
            KernelOp::MulConst { x, c } => of(x, [factor(node, c, j).into(), 0]),
            KernelOp::Clip { x, lo, hi } => of(x, [lo[j], hi[j]]),
            KernelOp::Requantize {
                x,
                multiplier: m,
                shift,
                ..
            } => of(x, [multiplier(m.as_deref(), j).into(), shift[j].into()]),
            KernelOp::Align { x, shift } => of(x, [shift[j].into(), 0]),
            KernelOp::Relu { x }
            | KernelOp::LeakyRelu { x, .. }
            | KernelOp::Unary { x, .. }
            | KernelOp::Table { x, .. }
            | KernelOp::Move { x } => of(x, [0, 0]),
            KernelOp::Sum { x, y } => Some(Key::Of(self.same[*x][j], self.same[*y][j], [0, 0])),
            KernelOp::Gather { x, index, .. } => match index[j] {
                FILL => Some(Key::Filled),
                i => Some(Key::Of(self.same[*x][i as usize], 0, [0, 0])),
            },
            KernelOp::Input { .. }
            | KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::Concat { .. } => None,
        }
    }

    /// Every element of a node, each at its place.
    fn read_all(&mut self, n: NodeId) {
        for j in 0..self.read[n].len() {
            self.read_place(n, j);
        }
    }

    /// An element at its own place.
    fn read_place(&mut self, n: NodeId, j: usize) {
        self.read[n][j] = true;
        self.apart[n][j] |= self.same[n][j] != j;
    }

    fn mark_operands(&mut self, kernel: &Kernel, n: NodeId) {
        let node = &kernel.nodes[n];
        let live: Vec<usize> = (0..node.len).filter(|j| self.read[n][*j]).collect();
        match &node.op {
            KernelOp::Input { .. } => {}
            KernelOp::Dense {
                x, weight, cols, ..
            } => self.mark_columns(&kernel.nodes[*x], *x, weight, *cols, &live),
            KernelOp::Gather { x, index, .. } => {
                let places = live.iter().map(|j| index[*j]).filter(|i| *i != FILL);
                let places: Vec<usize> = places.map(|i| self.kept(*x, i as usize)).collect();
                places.iter().for_each(|i| self.read[*x][*i] = true);
                // A vector has at least one element.
                if places.is_empty() {
                    self.read_place(*x, 0);
                }
            }
            KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::Concat { .. } => {
                self.read_all(n);
                for x in node.op.operands() {
                    self.read_all(x);
                }
            }
            KernelOp::AddConst { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. }
            | KernelOp::Move { .. } => {
                // Operand and result keep the same elements.
                for x in node.op.operands() {
                    live.iter().for_each(|j| self.read_place(x, *j));
                    for j in 0..node.len {
                        if self.read[x][j] {
                            self.read_place(n, j);
                        }
                    }
                }
            }
        }
    }

    /// The columns of a dense layer's live rows.
    fn mark_columns(
        &mut self,
        operand: &KernelNode,
        x: NodeId,
        weight: &[i32],
        cols: usize,
        rows: &[usize],
    ) {
        let bits = weight
            .iter()
            .map(|w| width(i64::from(*w)))
            .max()
            .unwrap_or(1);
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); cols];
        for k in (0..cols).filter(|k| Self::constant(operand, *k).is_none()) {
            groups[self.kept(x, k)].push(k);
        }
        let at = |j: usize, k: usize| i64::from(weight[j * cols + k]);
        let mut none = true;
        for (first, group) in groups.iter().enumerate() {
            let sum = |j: &usize| group.iter().map(|k| at(*j, *k)).sum::<i64>();
            if rows.iter().all(|j| width(sum(j)) <= bits) {
                if rows.iter().any(|j| sum(j) != 0) {
                    self.read[x][first] = true;
                    none = false;
                }
                continue;
            }
            for k in group
                .iter()
                .filter(|k| rows.iter().any(|j| at(*j, **k) != 0))
            {
                self.read_place(x, *k);
                none = false;
            }
        }
        if none && !self.read[x].contains(&true) {
            self.read_place(x, 0);
        }
    }
}

/// The factor of element `j`.
pub(super) fn factor(node: &KernelNode, c: &[i32], j: usize) -> i32 {
    c[j / (node.len / c.len().max(1)).max(1)]
}

fn width(v: i64) -> u8 {
    Interval::new(v, v).signed_width()
}
