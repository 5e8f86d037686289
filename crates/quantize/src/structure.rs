//! What of a network has bits to choose: layers with weights, stored activations, constants that
//! are added or multiplied.

use ceg4n_ir::{Network, Op, TABLE_BITS, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// One layer with weights: dense, or a convolution.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The layer's value.
    pub value: ValueId,
    /// Its weight.
    pub weight: ValueId,
    /// Its bias.
    pub bias: Option<ValueId>,
    /// The value whose format is the operand's (of several the first): behind what moves data.
    pub operand: ValueId,
    /// Output channels.
    pub rows: usize,
    /// Weights of one output channel.
    pub cols: usize,
    /// Number of weights.
    pub weights: usize,
    /// Number of biases.
    pub biases: usize,
    /// Multiplications.
    pub macs: usize,
    /// True if each weight is used at many positions.
    pub convolution: bool,
}

/// The layers in order.
pub(crate) fn layers(network: &Network) -> Vec<Layer> {
    let len = |v: ValueId| network.value(v).shape.len();
    let layer = |(value, v): (ValueId, &ceg4n_ir::Value)| {
        let (Op::Dense { x, weight, bias }
        | Op::Conv {
            x, weight, bias, ..
        }) = &v.op
        else {
            return None;
        };
        let rows = network.value(*weight).shape.0.first().copied().unwrap_or(0);
        Some(Layer {
            value,
            weight: *weight,
            bias: *bias,
            operand: origins(network, *x).first().copied().unwrap_or(*x),
            rows,
            cols: len(*weight) / rows.max(1),
            weights: len(*weight),
            biases: bias.map_or(0, len),
            macs: network.conv(value).map_or(len(*weight), |c| c.macs()),
            convolution: matches!(v.op, Op::Conv { .. }),
        })
    };
    network.values().iter().filter_map(layer).collect()
}

/// The values whose formats are that of `v`: behind what moves data or picks elements.
fn origins(network: &Network, v: ValueId) -> Vec<ValueId> {
    match &network.value(v).op {
        Op::Reshape { x }
        | Op::Flatten { x }
        | Op::Identity { x }
        | Op::Transpose { x, .. }
        | Op::Pad { x, .. }
        | Op::MaxPool { x, .. } => origins(network, *x),
        Op::Concat { xs, .. } => {
            let mut all = Vec::new();
            for o in xs.iter().flat_map(|x| origins(network, *x)) {
                if !all.contains(&o) {
                    all.push(o);
                }
            }
            all
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Conv { .. }
        | Op::AveragePool { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Relu { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Snap { .. } => vec![v],
    }
}

/// The activations that a kernel stores, and which of them share a format.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    /// The input first, then in the order of the operators that need them.
    pub tensors: Vec<ValueId>,
    /// By tensor: the least index of those it shares a format with.
    group: Vec<usize>,
    /// By tensor: most bits.
    most: Vec<u8>,
}

impl Stored {
    pub(crate) fn new(network: &Network) -> Self {
        let mut this = Self::default();
        this.need(network.input());
        for (v, value) in network.values().iter() {
            match &value.op {
                Op::Dense { x, .. }
                | Op::Conv { x, .. }
                | Op::Mul { x, .. }
                | Op::MaxPool { x, .. } => this.tie(&origins(network, *x)),
                Op::AveragePool { x, .. } => {
                    this.tie(&origins(network, *x));
                    this.need(v);
                }
                Op::Curve { x, .. } => {
                    let operands = origins(network, *x);
                    this.tie(&operands);
                    for o in operands {
                        let i = this.need(o);
                        this.most[i] = this.most[i].min(TABLE_BITS);
                    }
                    this.need(v);
                }
                Op::Sum { x, y } => {
                    this.tie(&[origins(network, *x), origins(network, *y)].concat());
                }
                Op::Concat { .. } => this.tie(&origins(network, v)),
                Op::Input
                | Op::Const(_)
                | Op::Add { .. }
                | Op::Sub { .. }
                | Op::Div { .. }
                | Op::Pad { .. }
                | Op::Transpose { .. }
                | Op::Relu { .. }
                | Op::Clip { .. }
                | Op::LeakyRelu { .. }
                | Op::Unary { .. }
                | Op::Snap { .. }
                | Op::Reshape { .. }
                | Op::Flatten { .. }
                | Op::Identity { .. } => {}
            }
        }
        this
    }

    /// The tensor's index; it is added if it is new.
    fn need(&mut self, v: ValueId) -> usize {
        if let Some(i) = self.index(v) {
            return i;
        }
        self.group.push(self.tensors.len());
        self.most.push(u8::MAX);
        self.tensors.push(v);
        self.tensors.len() - 1
    }

    /// Gives values one format.
    fn tie(&mut self, values: &[ValueId]) {
        let all: Vec<usize> = values.iter().map(|v| self.need(*v)).collect();
        let groups: BTreeSet<usize> = all.iter().map(|i| self.group[*i]).collect();
        if let Some(least) = groups.first() {
            for g in &mut self.group {
                if groups.contains(g) {
                    *g = *least;
                }
            }
        }
    }

    /// Where a value stands among the tensors.
    pub(crate) fn index(&self, v: ValueId) -> Option<usize> {
        self.tensors.iter().position(|t| *t == v)
    }

    /// The tensors that share a format with tensor `i`, itself among them.
    pub(crate) fn tied(&self, i: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.tensors.len()).filter(move |k| self.group[*k] == self.group[i])
    }

    /// The bits of tensor `i` where each tensor asks for some: the most that its group asks for
    /// and its operators take.
    pub(crate) fn bits(&self, i: usize, asked: &[u8]) -> u8 {
        let most = self.tied(i).map(|k| self.most[k]).min().unwrap_or(u8::MAX);
        let wanted = self.tied(i).filter_map(|k| asked.get(k)).max();
        wanted.copied().unwrap_or(1).min(most)
    }
}

/// In how many places each constant is used.
pub(crate) fn users(network: &Network) -> BTreeMap<ValueId, usize> {
    let mut users = BTreeMap::new();
    for value in network.values().values() {
        let constant = |o: &ValueId| network.constant(*o).is_some();
        for c in value.op.operands().into_iter().filter(constant) {
            *users.entry(c).or_insert(0) += 1;
        }
    }
    users
}

/// Constants that are added or subtracted.
pub(crate) fn summands(network: &Network) -> BTreeSet<ValueId> {
    constants(network, |op| {
        let (Op::Add { c, .. } | Op::Sub { c, .. }) = op else {
            return None;
        };
        Some(*c)
    })
}

/// Constants that values are multiplied by.
pub(crate) fn factors(network: &Network) -> BTreeSet<ValueId> {
    constants(network, |op| {
        let Op::Mul { c, .. } = op else { return None };
        Some(*c)
    })
}

fn constants(network: &Network, of: impl Fn(&Op) -> Option<ValueId>) -> BTreeSet<ValueId> {
    network
        .values()
        .values()
        .filter_map(|v| of(&v.op))
        .collect()
}

/// Elements of constants.
pub(crate) fn elements(network: &Network, constants: &BTreeSet<ValueId>) -> u64 {
    let len = |v: &ValueId| network.value(*v).shape.len() as u64;
    constants.iter().map(len).sum()
}
