//! The real-valued lowered program: the reference, also with fixed-point weights.

#[cfg(doc)]
use crate::kernel::FILL;
use crate::network::{Curve, ENCLOSED_LOG2, ValueId};
use crate::window::{Conv, Window};
use crate::{NodeId, Unary};
use ceg4n_base::Exact;
use ceg4n_base::entity::PrimaryMap;
use std::sync::Arc;

/// Real constants. Most are float64 numbers exactly; of the others a rest is kept, and some are
/// only enclosed.
#[derive(Clone, Debug)]
pub struct Reals {
    near: Arc<[f64]>,
    rest: Option<Arc<Rest>>,
}

/// What [`Reals`] are besides their nearest floats.
#[derive(Clone, Debug)]
struct Rest {
    low: Arc<[f64]>,
    enclosed: bool,
}

impl Reals {
    /// Float64 numbers.
    pub fn exact(values: impl Into<Arc<[f64]>>) -> Self {
        Self {
            near: values.into(),
            rest: None,
        }
    }

    /// `near + low`, or within `2^-60` (relative) of it if `enclosed`; `low` is at most half a
    /// unit in the last place of `near` (and as long).
    pub fn wide(near: impl Into<Arc<[f64]>>, low: impl Into<Arc<[f64]>>, enclosed: bool) -> Self {
        let low = low.into();
        let needed = enclosed || low.iter().any(|l| *l != 0.0);
        Self {
            near: near.into(),
            rest: needed.then(|| Arc::new(Rest { low, enclosed })),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.near.len()
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.near.is_empty()
    }

    /// The nearest float64 of each element; the elements themselves if [`Self::is_exact`], and
    /// else within `2^-52·|near|` of them: half a unit in the last place, and `2^-60` of the sum.
    pub fn near(&self) -> &Arc<[f64]> {
        &self.near
    }

    /// True if the elements are float64 numbers.
    pub fn is_exact(&self) -> bool {
        self.rest.is_none()
    }

    /// True if the elements are only enclosed.
    pub fn enclosed(&self) -> bool {
        self.rest.as_ref().is_some_and(|r| r.enclosed)
    }

    /// Element `index[i]` times `sign` (1 or -1) at every `i`.
    #[must_use]
    pub fn spread(&self, index: &[usize], sign: f64) -> Self {
        let pick = |part: &[f64]| -> Arc<[f64]> { index.iter().map(|i| sign * part[*i]).collect() };
        Self {
            near: pick(&self.near),
            rest: self.rest.as_ref().map(|r| {
                Arc::new(Rest {
                    low: pick(&r.low),
                    enclosed: r.enclosed,
                })
            }),
        }
    }

    /// Element `i` exactly, or the middle of its enclosure.
    pub fn center(&self, i: usize) -> Exact {
        let part = |v: f64| Exact::from_f64(v).unwrap_or_else(Exact::zero);
        match &self.rest {
            None => part(self.near[i]),
            Some(r) => &part(self.near[i]) + &part(r.low[i]),
        }
    }

    /// The ends of element `i`'s enclosure; equal if it is known exactly.
    pub fn ends(&self, i: usize) -> (Exact, Exact) {
        let c = self.center(i);
        if !self.enclosed() {
            return (c.clone(), c);
        }
        let e = c.shifted(ENCLOSED_LOG2.into());
        let e = if e.signum() < 0 { -&e } else { e };
        (&c - &e, &c + &e)
    }
}

/// One operator over real vectors; row-major, shapes flattened.
#[derive(Clone, Debug)]
pub enum RealOp {
    /// The input.
    Input,
    /// `y[j] = Σ_k x[k]·weight[j·cols + k] + bias[j]`.
    Dense {
        /// Operand with `cols` elements.
        x: NodeId,
        /// `rows·cols` elements.
        weight: Reals,
        /// `rows` elements.
        bias: Option<Reals>,
        /// Outputs.
        rows: usize,
        /// Inputs.
        cols: usize,
    },
    /// A convolution.
    Conv {
        /// Operand with `conv.window.input_len()` elements.
        x: NodeId,
        /// `conv.filters·conv.filter_len()` elements.
        weight: Reals,
        /// `conv.filters` elements.
        bias: Option<Reals>,
        /// The geometry.
        conv: Arc<Conv>,
    },
    /// The largest element of each window, channel by channel.
    MaxPool {
        /// Operand with `window.input_len()` elements.
        x: NodeId,
        /// The geometry; every window has a tap.
        window: Arc<Window>,
    },
    /// The sum of each window, channel by channel.
    SumPool {
        /// Operand with `window.input_len()` elements.
        x: NodeId,
        /// The geometry; every window has a tap.
        window: Arc<Window>,
    },
    /// `x + c`, one constant per element (a subtraction is stored negated).
    AddConst {
        /// Operand.
        x: NodeId,
        /// As many elements as `x`.
        c: Reals,
    },
    /// `x·c`, one constant per element.
    MulConst {
        /// Operand.
        x: NodeId,
        /// As many elements as `x`.
        c: Reals,
    },
    /// `x / c`, one constant per element, none zero.
    DivConst {
        /// Operand.
        x: NodeId,
        /// As many elements as `x`; exact.
        c: Reals,
    },
    /// `x + y`, element by element.
    Sum {
        /// Operand.
        x: NodeId,
        /// As many elements.
        y: NodeId,
    },
    /// For each of `outer` parts: that part of every operand, one operand after the other.
    Concat {
        /// Operands; `outer` divides their lengths.
        xs: Vec<NodeId>,
        /// Parts.
        outer: usize,
    },
    /// `y[i] = x[index[i]]`, or `fill` where the index is [`FILL`].
    Gather {
        /// Operand.
        x: NodeId,
        /// One per result element.
        index: Arc<[u32]>,
        /// What padding holds; finite.
        fill: f64,
    },
    /// `max(0, x)`.
    Relu {
        /// Any tensor.
        x: NodeId,
    },
    /// `min(max(x, lo), hi)`; an end may be infinite.
    Clip {
        /// Operand.
        x: NodeId,
        /// Lower end.
        lo: f64,
        /// Upper end, not below the lower.
        hi: f64,
    },
    /// `max(x, x·2^-shift)`.
    LeakyRelu {
        /// Operand.
        x: NodeId,
        /// 1 to 30.
        shift: u8,
    },
    /// A function of each element.
    Unary {
        /// Operand.
        x: NodeId,
        /// Which.
        function: Unary,
    },
    /// A smooth activation.
    Curve {
        /// Operand.
        x: NodeId,
        /// Which.
        curve: Curve,
    },
    /// `scale·clamp(half_even(x/scale), lo, hi)`.
    Snap {
        /// Operand.
        x: NodeId,
        /// Positive; a float32 number.
        scale: f64,
        /// Least multiple of the scale; not positive.
        lo: i64,
        /// Greatest multiple; not negative.
        hi: i64,
    },
    /// The same elements.
    Move {
        /// Operand.
        x: NodeId,
    },
}

impl RealOp {
    /// Its operands.
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Self::Input => vec![],
            Self::Dense { x, .. }
            | Self::Conv { x, .. }
            | Self::MaxPool { x, .. }
            | Self::SumPool { x, .. }
            | Self::AddConst { x, .. }
            | Self::MulConst { x, .. }
            | Self::DivConst { x, .. }
            | Self::Gather { x, .. }
            | Self::Relu { x }
            | Self::Clip { x, .. }
            | Self::LeakyRelu { x, .. }
            | Self::Unary { x, .. }
            | Self::Curve { x, .. }
            | Self::Snap { x, .. }
            | Self::Move { x } => vec![*x],
            Self::Sum { x, y } => vec![*x, *y],
            Self::Concat { xs, .. } => xs.clone(),
        }
    }

    /// The same operator on other operands: `f` gives each operand's new id.
    #[must_use]
    pub fn map_operands(&self, mut f: impl FnMut(NodeId) -> NodeId) -> Self {
        let mut op = self.clone();
        match &mut op {
            Self::Input => {}
            Self::Dense { x, .. }
            | Self::Conv { x, .. }
            | Self::MaxPool { x, .. }
            | Self::SumPool { x, .. }
            | Self::AddConst { x, .. }
            | Self::MulConst { x, .. }
            | Self::DivConst { x, .. }
            | Self::Gather { x, .. }
            | Self::Relu { x }
            | Self::Clip { x, .. }
            | Self::LeakyRelu { x, .. }
            | Self::Unary { x, .. }
            | Self::Curve { x, .. }
            | Self::Snap { x, .. }
            | Self::Move { x } => *x = f(*x),
            Self::Sum { x, y } => {
                *x = f(*x);
                *y = f(*y);
            }
            Self::Concat { xs, .. } => xs.iter_mut().for_each(|x| *x = f(*x)),
        }
        op
    }
}

/// A node: an operator and its place in the IR.
#[derive(Clone, Debug)]
pub struct RealNode {
    /// The IR value that it computes.
    pub value: ValueId,
    /// How.
    pub op: RealOp,
    /// Number of elements.
    pub len: usize,
}

/// A checked real-valued program: nodes in topological order, the last value wanted is `output`.
#[derive(Clone, Debug)]
pub struct RealProgram {
    /// Nodes; operands precede users.
    pub nodes: PrimaryMap<NodeId, RealNode>,
    /// The input node.
    pub input: NodeId,
    /// The output node.
    pub output: NodeId,
}

impl RealProgram {
    /// True if it is a function over the rationals: no smooth activation, no enclosed constant.
    pub fn is_exact(&self) -> bool {
        self.nodes.values().all(|n| match &n.op {
            RealOp::Dense { weight, bias, .. } | RealOp::Conv { weight, bias, .. } => {
                !weight.enclosed() && !bias.as_ref().is_some_and(Reals::enclosed)
            }
            RealOp::AddConst { c, .. }
            | RealOp::MulConst { c, .. }
            | RealOp::DivConst { c, .. } => !c.enclosed(),
            RealOp::Curve { .. } => false,
            RealOp::Input
            | RealOp::MaxPool { .. }
            | RealOp::SumPool { .. }
            | RealOp::Sum { .. }
            | RealOp::Concat { .. }
            | RealOp::Gather { .. }
            | RealOp::Relu { .. }
            | RealOp::Clip { .. }
            | RealOp::LeakyRelu { .. }
            | RealOp::Unary { .. }
            | RealOp::Snap { .. }
            | RealOp::Move { .. } => true,
        })
    }

    /// Number of inputs.
    pub fn input_len(&self) -> usize {
        self.nodes[self.input].len
    }

    /// Number of outputs.
    pub fn output_len(&self) -> usize {
        self.nodes[self.output].len
    }
}
