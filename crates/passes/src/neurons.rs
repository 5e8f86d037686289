//! Neurons between two layers: the rows of one layer, or the filters of a convolution, whose values
//! reach one other layer alone, each by itself.

use crate::draft::Draft;
use crate::forward::users;
use crate::tensors::{gathered, gathered_note, put_constant};
use ceg4n_ir::{Annotation, Constant, Module, Network, Op, Shape, ValueId};

/// Two layers, and the values between them, each of which keeps the neurons apart: the elements of
/// neuron `j` are the `j`-th of equal blocks.
pub(crate) struct Link {
    /// A dense layer, or a convolution without groups.
    pub(crate) from: ValueId,
    /// Its rows or filters.
    pub(crate) count: usize,
    /// What stands between, in order; each is used once, as is `from`.
    pub(crate) path: Vec<ValueId>,
    /// The other layer.
    pub(crate) to: ValueId,
}

/// The weight and the bias of a layer.
pub(crate) fn constants(net: &Network, layer: ValueId) -> Option<(ValueId, Option<ValueId>)> {
    let (Op::Dense { weight, bias, .. } | Op::Conv { weight, bias, .. }) = &net.value(layer).op
    else {
        return None;
    };
    Some((*weight, *bias))
}

impl Link {
    /// The link behind a layer, if there is one.
    pub(crate) fn behind(net: &Network, from: ValueId) -> Option<Self> {
        let grouped = matches!(net.value(from).op, Op::Conv { groups, .. } if groups != 1);
        let (weight, _) = constants(net, from).filter(|_| !grouped)?;
        let count = *net.value(weight).shape.0.first()?;
        let users = users(net);
        let (mut at, mut path) = (from, Vec::new());
        loop {
            if users.get(&at) != Some(&1) || at == net.output() {
                return None;
            }
            let reads = |v: &ValueId| net.value(*v).op.operands().contains(&at);
            let next = net.values().keys().find(reads)?;
            let value = net.value(next);
            let blocks = |s: &Shape| s.0.first().is_some_and(|d| d.is_multiple_of(count));
            if !blocks(&net.value(at).shape) {
                return None;
            }
            match &value.op {
                Op::Dense { .. } | Op::Conv { groups: 1, .. } => {
                    return Some(Self {
                        from,
                        count,
                        path,
                        to: next,
                    });
                }
                Op::Relu { .. }
                | Op::Clip { .. }
                | Op::LeakyRelu { .. }
                | Op::Unary { .. }
                | Op::Curve { .. }
                | Op::Snap { .. }
                | Op::Identity { .. }
                | Op::Flatten { .. }
                | Op::Reshape { .. }
                | Op::Add { .. }
                | Op::Sub { .. }
                | Op::Mul { .. }
                | Op::Div { .. } => {}
                // A pool over positions: planes of one neuron only.
                Op::MaxPool { .. } | Op::AveragePool { .. } => {}
                Op::Pad { before, after, .. } if before[0] == 0 && after[0] == 0 => {}
                Op::Transpose { perm, .. } if perm[0] == 0 => {}
                Op::Conv { .. }
                | Op::Pad { .. }
                | Op::Transpose { .. }
                | Op::Sum { .. }
                | Op::Concat { .. }
                | Op::Input
                | Op::Const(_) => return None,
            }
            if !blocks(&value.shape) {
                return None;
            }
            path.push(next);
            at = next;
        }
    }

    /// The value that `to` reads.
    pub(crate) fn last(&self) -> ValueId {
        self.path.last().copied().unwrap_or(self.from)
    }

    /// For each neuron, which weights of `to` its elements meet, and which element each does (of a
    /// convolution, the neuron's first).
    pub(crate) fn meets(&self, net: &Network) -> Option<Meets> {
        let (weight, _) = constants(net, self.to)?;
        let shape = &net.value(weight).shape;
        let elements = net.value(self.last()).shape.len();
        let rows = *shape.0.first()?;
        let columns = shape.len() / rows;
        let dense = matches!(net.value(self.to).op, Op::Dense { .. });
        Some(Meets {
            rows,
            columns,
            per_neuron: columns / self.count,
            elements: elements / self.count,
            dense,
        })
    }

    /// Takes out all neurons but `keep`, in order: rows of the first layer with what acts on each,
    /// and columns of the second. `None` if a constant's formats do not allow it.
    pub(crate) fn shrink(
        &self,
        module: &Module,
        draft: &mut Draft<'_>,
        keep: &[usize],
    ) -> Option<()> {
        let net = &module.network;
        let (weight, bias) = constants(net, self.from)?;
        let weight = taken(module, draft, self.from, weight, self.count, keep)?;
        let bias = match bias {
            Some(b) => Some(taken(module, draft, self.from, b, self.count, keep)?),
            None => None,
        };
        let shrunk = |s: &Shape| {
            let mut s = s.clone();
            s.0[0] = s.0[0] / self.count * keep.len();
            s
        };
        let from = net.value(self.from);
        let op = with_constants(&from.op, weight, bias);
        draft.set(self.from, op, shrunk(&from.shape));
        for v in &self.path {
            let value = net.value(*v);
            let mut op = value.op.clone();
            if let Op::Add { c, .. } | Op::Sub { c, .. } | Op::Mul { c, .. } | Op::Div { c, .. } =
                &mut op
            {
                *c = self.spread(module, draft, *v, *c, keep)?;
            }
            draft.set(*v, op, shrunk(&value.shape));
        }
        Some(())
    }

    /// A constant that acts on the elements of `v`, without those of the neurons that go.
    fn spread(
        &self,
        module: &Module,
        draft: &mut Draft<'_>,
        v: ValueId,
        c: ValueId,
        keep: &[usize],
    ) -> Option<ValueId> {
        let net = &module.network;
        let (shape, own) = (&net.value(v).shape, &net.value(c).shape);
        if own.len() == 1 {
            return Some(c);
        }
        // A dimension that neurons are not spread over stays as it is.
        let meets = own.spread_over(shape);
        let block = shape.len() / self.count;
        let same = (0..self.count).all(|j| meets[j * block..(j + 1) * block] == meets[..block]);
        if same && own.len() != shape.len() {
            return Some(c);
        }
        if own.0.len() == shape.0.len() && own.0[0] == shape.0[0] {
            return taken(module, draft, v, c, self.count, keep);
        }
        let index: Vec<usize> = keep
            .iter()
            .flat_map(|j| meets[j * block..(j + 1) * block].iter().copied())
            .collect();
        let mut to = shape.clone();
        to.0[0] = to.0[0] / self.count * keep.len();
        let notes: Option<Vec<Option<Annotation>>> = (0..module.versions.len())
            .map(|k| match draft.note(k, c) {
                None => Some(None),
                Some(note) => gathered_note(note, &index, None).map(Some),
            })
            .collect();
        let data = gathered(net.constant(c)?, &index);
        Some(put_constant(draft, net, c, v, data, to, notes?))
    }
}

/// How the neurons of a [`Link`] meet the weights of its second layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meets {
    /// Rows of the second layer.
    pub(crate) rows: usize,
    /// Weights of a row.
    pub(crate) columns: usize,
    /// Of those, the ones of one neuron, which lie next to each other.
    pub(crate) per_neuron: usize,
    /// Elements of one neuron.
    pub(crate) elements: usize,
    /// A dense layer: one weight for each element.
    pub(crate) dense: bool,
}

impl Meets {
    /// The weights of row `i` that neuron `j` meets.
    pub(crate) fn weights(&self, i: usize, j: usize) -> std::ops::Range<usize> {
        let first = i * self.columns + j * self.per_neuron;
        first..first + self.per_neuron
    }

    /// The weights of all rows without those of the neurons that go.
    pub(crate) fn kept(&self, keep: &[usize]) -> Vec<usize> {
        (0..self.rows)
            .flat_map(|i| keep.iter().flat_map(move |j| self.weights(i, *j)))
            .collect()
    }

    /// The shape of the weights that are left.
    pub(crate) fn shape(&self, old: &Shape, neurons: usize, keep: usize) -> Shape {
        let mut shape = old.clone();
        shape.0[1] = shape.0[1] / neurons * keep;
        shape
    }
}

/// Rows (of `count` equal parts) `keep` of a constant.
fn taken(
    module: &Module,
    draft: &mut Draft<'_>,
    user: ValueId,
    c: ValueId,
    count: usize,
    keep: &[usize],
) -> Option<ValueId> {
    let net = &module.network;
    let value = net.value(c);
    let part = value.shape.len() / count;
    let rows = value.shape.0[0] / count;
    let spread = |step: usize| -> Vec<usize> {
        let each = keep.iter().flat_map(|j| j * step..(j + 1) * step);
        each.collect()
    };
    let (index, rows_kept) = (spread(part), spread(rows));
    let mut shape = value.shape.clone();
    shape.0[0] = rows * keep.len();
    let notes: Option<Vec<Option<Annotation>>> = (0..module.versions.len())
        .map(|k| match draft.note(k, c) {
            None => Some(None),
            Some(note) => gathered_note(note, &index, Some(&rows_kept)).map(Some),
        })
        .collect();
    let data: Constant = gathered(net.constant(c)?, &index);
    Some(put_constant(draft, net, c, user, data, shape, notes?))
}

/// A layer with other constants.
pub(crate) fn with_constants(op: &Op, w: ValueId, b: Option<ValueId>) -> Op {
    let mut op = op.clone();
    if let Op::Dense { weight, bias, .. } | Op::Conv { weight, bias, .. } = &mut op {
        (*weight, *bias) = (w, b);
    }
    op
}
