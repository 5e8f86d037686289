//! How a region was divided and how each part was decided: the serialisable heart of evidence.

use crate::bounds::optimise::Optimised;
use crate::bounds::split::Split;
use ceg4n_base::ContentHash;
use serde::{Deserialize, Serialize};

/// One division of a part in two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Along an input at a real number (domain `real`): the first part is the lower one. Where
    /// the number is a rounding midpoint of the kernel's input it belongs to the upper part.
    Real {
        /// The input.
        element: usize,
        /// Where.
        at: f64,
    },
    /// Along an input of the grid (domain `grid`): at most `at`, and above.
    Grid {
        /// The input.
        element: usize,
        /// The largest grid integer of the lower part.
        at: i64,
    },
    /// By the sign of a relu's operand: first not negative, then not positive.
    Relu {
        /// Of the subject where both programs are bounded together.
        of_subject: bool,
        /// Node of the graph.
        node: usize,
        /// Element.
        element: usize,
    },
}

impl Cut {
    /// The two constraints of a cut by sign.
    pub fn signs(node: usize, element: usize) -> [Split; 2] {
        [true, false].map(|active| Split {
            node,
            element,
            active,
        })
    }
}

/// How a part was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closure {
    /// Integer intervals with merged margins.
    Intervals,
    /// Backward bounds with the default slopes.
    Backward,
    /// Backward bounds with these slopes and multipliers.
    Slopes(Box<Slopes>),
    /// Bounds of the difference of both programs.
    Differential,
    /// No point satisfies the constraints of the part.
    Empty,
    /// Every input of the part was evaluated: so many.
    Enumeration(u64),
    /// A solver's proof.
    Solver,
}

/// Optimised slopes of a leaf: one list per relu node, `forms × elements`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slopes {
    /// Lower slopes.
    pub alpha: Vec<Vec<f64>>,
    /// Multipliers of the part's sign constraints.
    pub beta: Vec<Vec<f64>>,
}

impl Slopes {
    /// Those of an optimised bound.
    pub fn of(found: Optimised) -> Box<Self> {
        Box::new(Self {
            alpha: found.guide.alpha,
            beta: found.guide.beta,
        })
    }
}

/// A node of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreeNode {
    /// Not decided.
    Open,
    /// Decided.
    Closed(Closure),
    /// Divided; the indices of both parts.
    Divided(Cut, usize, usize),
}

/// Unfinished work on one question, to go on with: here, later, or elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// What was asked of what, by content; only that question can be gone on with.
    pub question: ContentHash,
    /// The division so far.
    pub tree: Tree,
    /// The largest slack of the decided parts.
    pub slack: f64,
}

/// A region's division; node 0 is all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// All nodes.
    pub nodes: Vec<TreeNode>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![TreeNode::Open],
        }
    }
}

impl Tree {
    /// One part, decided at once.
    pub fn leaf(closure: Closure) -> Self {
        Self {
            nodes: vec![TreeNode::Closed(closure)],
        }
    }

    /// Divides an open node.
    pub fn divide(&mut self, at: usize, cut: Cut) -> [usize; 2] {
        let next = self.nodes.len();
        self.nodes.extend([TreeNode::Open, TreeNode::Open]);
        self.nodes[at] = TreeNode::Divided(cut, next, next + 1);
        [next, next + 1]
    }

    /// True if every part is decided.
    pub fn is_closed(&self) -> bool {
        !self.nodes.contains(&TreeNode::Open)
    }

    /// The closures of all decided parts.
    pub fn closures(&self) -> impl Iterator<Item = &Closure> {
        self.nodes.iter().filter_map(|n| match n {
            TreeNode::Closed(c) => Some(c),
            TreeNode::Open | TreeNode::Divided(..) => None,
        })
    }
}
