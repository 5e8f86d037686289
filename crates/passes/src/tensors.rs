//! Constants and annotations element by element: where moves take elements, and parts of constants.

use crate::draft::Draft;
use crate::forward::users;
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::{
    Annotation, Constant, Kernel, Module, Network, NodeId, Op, Program, Shape, TensorFormat,
    ValueId, Wide, check,
};
use ceg4n_ir::{KernelNode, KernelOp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// For each element of a transposition, row-major, its place in the operand.
pub(crate) fn transposed(from: &Shape, perm: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; from.0.len()];
    for i in (1..steps.len()).rev() {
        steps[i - 1] = steps[i] * from.0[i];
    }
    let mut out = vec![0];
    for p in perm {
        let step = steps[*p];
        let all = out
            .iter()
            .flat_map(|b| (0..from.0[*p]).map(move |i| b + i * step));
        out = all.collect();
    }
    out
}

/// For each element of a padded tensor of shape `to`, row-major, its place in the operand; `None`
/// for padding.
pub(crate) fn padded(from: &Shape, before: &[usize], to: &Shape) -> Vec<Option<usize>> {
    let mut out = vec![Some(0)];
    for (d, extent) in from.0.iter().enumerate() {
        let (first, extent) = (before[d], *extent);
        let all = out.iter().flat_map(|base: &Option<usize>| {
            (0..to.0[d]).map(move |i| {
                let i = i.checked_sub(first).filter(|i| *i < extent)?;
                Some((*base)? * extent + i)
            })
        });
        out = all.collect();
    }
    out
}

/// True if element `i` is 0, exactly.
pub(crate) fn is_zero(c: &Constant, i: usize) -> bool {
    let rest = |w: &Arc<Wide>| w.high[i] == 0.0 && w.low[i] == 0.0;
    c.data[i] == 0.0 && c.wide.as_ref().is_none_or(rest)
}

/// The constant of elements `index` of another.
pub(crate) fn gathered(c: &Constant, index: &[usize]) -> Constant {
    let Some(w) = &c.wide else {
        let data: Vec<f32> = index.iter().map(|i| c.data[*i]).collect();
        return Constant::inline(data);
    };
    let wide = Wide {
        high: index.iter().map(|i| w.high[*i]).collect(),
        low: index.iter().map(|i| w.low[*i]).collect(),
        enclosed: w.enclosed,
    };
    // Elements of a constant are within the float32 range.
    let data: Vec<f32> = index.iter().map(|i| c.data[*i]).collect();
    Constant::wide(wide).unwrap_or_else(|| Constant::inline(data))
}

/// The annotation of a constant of elements `index` of another. Formats per channel are those of
/// `rows`; `None` if it has such formats and there are no rows.
pub(crate) fn gathered_note(
    note: &Annotation,
    index: &[usize],
    rows: Option<&[usize]>,
) -> Option<Annotation> {
    let Annotation::Fixed { format, mantissas } = note else {
        return Some(note.clone());
    };
    let format = match format {
        TensorFormat::Tensor(f) => TensorFormat::Tensor(*f),
        TensorFormat::Channels(_) => {
            let list: Option<Vec<_>> = rows?.iter().map(|r| format.channel(*r)).collect();
            TensorFormat::Channels(list?.into())
        }
    };
    let taken = |m: &Arc<[i32]>| index.iter().map(|i| m[*i]).collect();
    Some(Annotation::Fixed {
        format,
        mantissas: mantissas.as_ref().map(taken),
    })
}

/// Writes a constant with its annotation in every version: in the place of `old`, if that has no
/// other user, else as a new value before `user`. Returns its id.
pub(crate) fn put_constant(
    draft: &mut Draft<'_>,
    net: &Network,
    old: ValueId,
    user: ValueId,
    constant: Constant,
    shape: Shape,
    notes: Vec<Option<Annotation>>,
) -> ValueId {
    let alone = users(net).get(&old) == Some(&1);
    let op = Op::Const(constant);
    let id = match alone {
        true => {
            draft.set(old, op, shape);
            old
        }
        false => draft.insert(user, &net.value(old).name, op, shape),
    };
    for (k, note) in notes.into_iter().enumerate() {
        draft.annotate(k, id, note);
    }
    id
}

/// A version's integer program with its nodes by the value that they help to compute.
pub(crate) struct Lowered {
    pub(crate) kernel: Arc<Kernel>,
    nodes: BTreeMap<ValueId, Vec<NodeId>>,
}

impl Lowered {
    pub(crate) fn of(kernel: &Arc<Kernel>) -> Self {
        let mut nodes: BTreeMap<ValueId, Vec<NodeId>> = BTreeMap::new();
        for (n, node) in kernel.nodes.iter() {
            // The alignment of outputs is no part of a value that others may use.
            if !matches!(node.op, KernelOp::Align { .. }) {
                nodes.entry(node.value).or_default().push(n);
            }
        }
        Self {
            kernel: kernel.clone(),
            nodes,
        }
    }

    /// The node whose elements are the value's.
    pub(crate) fn last(&self, v: ValueId) -> Option<&KernelNode> {
        let n = self.nodes.get(&v)?.last()?;
        self.kernel.nodes.get(*n)
    }

    /// The node before the value's annotation counts.
    pub(crate) fn first(&self, v: ValueId) -> Option<&KernelNode> {
        let n = self.nodes.get(&v)?.first()?;
        self.kernel.nodes.get(*n)
    }

    /// Every node of a value.
    pub(crate) fn all(&self, v: ValueId) -> impl Iterator<Item = &KernelNode> {
        let list = self.nodes.get(&v).into_iter().flatten();
        list.filter_map(|n| self.kernel.nodes.get(*n))
    }

    /// True if the value's annotation is a requantization.
    pub(crate) fn rounds(&self, v: ValueId) -> bool {
        self.all(v)
            .any(|n| matches!(n.op, KernelOp::Requantize { .. }))
    }
}

/// The integer programs of a module's versions; `None` if one of them has real activations.
///
/// # Errors
/// Those of the checker.
pub(crate) fn lowered(module: &Module) -> Result<Option<Vec<Lowered>>, Diagnostics> {
    let mut all = Vec::with_capacity(module.versions.len());
    for a in &module.versions {
        let checked = check(Program::new(module.network.clone(), a.clone()))?;
        match checked.kernel() {
            Some(kernel) => all.push(Lowered::of(kernel)),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// A mantissa as the exact number that it stands for.
pub(crate) fn real_value(node: &KernelNode, j: usize, mantissa: i64) -> Exact {
    let m = i128::from(mantissa) * i128::from(node.multiplier(j));
    Exact::dyadic(m, -i64::from(node.frac[j]))
}
