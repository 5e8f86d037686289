//! From kernel to kernel: without elements that no output depends on, that are constant or that
//! equal another one.
//!
//! The new kernel gives the same integers for every input of the input's format; inputs and outputs
//! keep their number and order. What is known of elements are the type ranges, never those of a
//! box. A constant element joins the biases of the layers that read it; of equal elements one is
//! left, with the sum of their weights, where the layer's weights need no more bits for that.
//! Convolutions, pools and concatenations keep all their elements.

mod elements;
mod merge;
mod rebuild;

use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{Kernel, KernelOp, NodeId};

/// Rounds after which nothing more is looked for; each makes the kernel smaller.
const ROUNDS: usize = 8;

/// A kernel with fewer elements.
#[derive(Clone, Debug)]
pub struct Simplified {
    /// The kernel.
    pub kernel: Kernel,
    /// What its nodes lost, by node of the new kernel.
    pub removed: SecondaryMap<NodeId, Removed>,
}

/// How many elements a node lost, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// They have one value.
    pub constant: usize,
    /// They equal another one.
    pub duplicate: usize,
    /// Nothing reads them.
    pub unread: usize,
    /// Added constants or requantizations became part of this node.
    pub merged: usize,
}

impl Removed {
    /// True if nothing was removed.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn and(self, other: Self) -> Self {
        Self {
            constant: self.constant + other.constant,
            duplicate: self.duplicate + other.duplicate,
            unread: self.unread + other.unread,
            merged: self.merged + other.merged,
        }
    }
}

/// The kernel with what can be removed gone; `None` if nothing can.
pub fn simplify(kernel: &Kernel) -> Option<Simplified> {
    let mut now = Simplified {
        kernel: kernel.clone(),
        removed: SecondaryMap::new(),
    };
    let mut changed = merge::merge(&mut now);
    for _ in 0..ROUNDS {
        let facts = elements::Elements::of(&now.kernel);
        let Some(next) = rebuild::rebuild(&now, &facts) else {
            break;
        };
        now = next;
        changed = true;
    }
    changed.then_some(now)
}

/// True for the output and the nodes whose elements it only hands on: their types are the
/// caller's.
fn is_outward(kernel: &Kernel, n: NodeId) -> bool {
    let mut at = kernel.output;
    loop {
        if at == n {
            return true;
        }
        match &kernel.nodes[at].op {
            KernelOp::Move { x } | KernelOp::Gather { x, .. } => at = *x,
            KernelOp::Input { .. }
            | KernelOp::Dense { .. }
            | KernelOp::AddConst { .. }
            | KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. } => return false,
        }
    }
}
