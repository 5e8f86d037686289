//! What planning needs to know of a kernel's nodes: their types, users and preferred orders.

use crate::shape::Elem;
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{Interval, Kernel, KernelOp, NodeId};

/// The narrowest type of a node's elements.
pub(super) fn elem(kernel: &Kernel, id: NodeId) -> Elem {
    let hull = kernel.nodes[id].range.iter().copied();
    hull.reduce(Interval::hull).map_or(Elem::I64, Elem::of)
}

/// The narrowest type of sums that are added up in precompiled code.
pub(super) fn sum_elem(width: u8) -> Elem {
    match width {
        0..=32 => Elem::I32,
        _ => Elem::I64,
    }
}

/// The node whose elements a chain of moves passes on.
pub(super) fn root(kernel: &Kernel, mut id: NodeId) -> NodeId {
    while let KernelOp::Move { x } = kernel.nodes[id].op {
        id = x;
    }
    id
}

/// How many live nodes use each node, moves looked through; the program's result counts as a use.
/// A live move has the count 1, a dead node 0.
pub(super) fn live_users(kernel: &Kernel) -> SecondaryMap<NodeId, usize> {
    let mut users: SecondaryMap<NodeId, usize> = SecondaryMap::new();
    let count = |users: &mut SecondaryMap<NodeId, usize>, id: NodeId| {
        let mut id = id;
        while let KernelOp::Move { x } = kernel.nodes[id].op {
            users[id] = 1;
            id = x;
        }
        users[id] += 1;
    };
    count(&mut users, kernel.output);
    for (id, node) in kernel.nodes.iter().rev() {
        if users[id] > 0 && !matches!(node.op, KernelOp::Move { .. }) {
            for x in node.op.operands() {
                count(&mut users, x);
            }
        }
    }
    users
}

/// For each node the channels and positions of a window that slides over it or over what is
/// computed from it element by element.
pub(super) fn wanted_planes(kernel: &Kernel) -> SecondaryMap<NodeId, Option<(usize, usize)>> {
    let mut wanted: SecondaryMap<NodeId, Option<(usize, usize)>> = SecondaryMap::new();
    for (id, node) in kernel.nodes.iter().rev() {
        let planes = match &node.op {
            KernelOp::Conv { conv, .. } => Some((conv.window.channels, conv.window.plane())),
            KernelOp::MaxPool { window, .. } | KernelOp::SumPool { window, .. } => {
                Some((window.channels, window.plane()))
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
            | KernelOp::Move { .. } => wanted[id],
            KernelOp::Input { .. }
            | KernelOp::Dense { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. } => None,
        };
        for x in node.op.operands() {
            wanted[x] = wanted[x].or(planes);
        }
    }
    wanted
}
