//! Where a graph is cut into expressions: at inputs, list entries and long sums, which are leaves,
//! and at what several expressions share, which is an expression of its own.

use crate::dag::{Dag, DagId, Node};
use ceg4n_base::entity::SecondaryMap;

/// A sum of more terms is a leaf: rules say nothing about its parts.
pub const MOST_TERMS: usize = 8;

/// An expression of more nodes is cut.
const MOST_NODES: u32 = 48;

/// What a node is to the rewriter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing depends on it.
    #[default]
    Unused,
    /// An input, a list entry or a long sum: not looked into.
    Opaque,
    /// The top of an expression.
    Top,
    /// A part of the expression with this top.
    Part(DagId),
}

/// The roles of all nodes.
pub(crate) struct Cut {
    pub(crate) roles: SecondaryMap<DagId, Role>,
    /// How many nodes use a node, roots included.
    pub(crate) users: SecondaryMap<DagId, u32>,
}

impl Cut {
    pub(crate) fn of(dag: &Dag, reachable: &[DagId], roots: &[DagId]) -> Self {
        let mut cut = Self {
            roles: SecondaryMap::new(),
            users: SecondaryMap::new(),
        };
        // Of each node the expression that all of its users so far are parts of.
        let mut wanted: SecondaryMap<DagId, Wanted> = SecondaryMap::new();
        let mut sizes: SecondaryMap<DagId, u32> = SecondaryMap::new();
        for r in roots {
            wanted[*r] = Wanted::Shared;
            cut.users[*r] += 1;
        }
        for id in reachable.iter().rev() {
            let node = dag.node(*id);
            let role = match wanted[*id] {
                _ if is_opaque(node) => Role::Opaque,
                Wanted::By(top) if sizes[top] < MOST_NODES => Role::Part(top),
                Wanted::By(_) | Wanted::Shared | Wanted::Not => Role::Top,
            };
            cut.roles[*id] = role;
            let by = match role {
                Role::Opaque | Role::Unused => Wanted::Shared,
                Role::Top => Wanted::By(*id),
                Role::Part(top) => Wanted::By(top),
            };
            if let Wanted::By(top) = by {
                sizes[top] += 1;
            }
            node.for_each_operand(|o| {
                cut.users[o] += 1;
                wanted[o] = match wanted[o] {
                    Wanted::Not => by,
                    same if same == by => by,
                    _ => Wanted::Shared,
                };
            });
        }
        cut
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wanted {
    #[default]
    Not,
    By(DagId),
    Shared,
}

fn is_opaque(node: &Node) -> bool {
    match node {
        Node::Input(_) | Node::Lookup(..) => true,
        Node::Linear(form) => form.terms.len() > MOST_TERMS,
        Node::Shr(..)
        | Node::Low(..)
        | Node::Min(..)
        | Node::Max(..)
        | Node::Negative(_)
        | Node::Not(_)
        | Node::And(..)
        | Node::Or(..)
        | Node::Select(..) => false,
    }
}
