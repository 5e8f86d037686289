//! The integer program that a checked fixed-point version means: explicit operators over
//! mantissas, with the type range of every element. Interpreter, JIT, SMT, bounds and emitters
//! start from here.

use crate::network::{Curve, ValueId};
use crate::types::{Format, Rounding};
use crate::window::{Conv, Window};
use crate::{NodeId, Unary};
use ceg4n_base::Exact;
use ceg4n_base::entity::PrimaryMap;
use std::sync::Arc;

/// A closed integer interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Least value.
    pub lo: i64,
    /// Greatest value.
    pub hi: i64,
}

impl Interval {
    /// The interval of the two ends; `lo ≤ hi`.
    pub fn new(lo: i64, hi: i64) -> Self {
        debug_assert!(lo <= hi, "an interval has lo <= hi");
        Self { lo, hi }
    }

    /// Largest magnitude.
    pub fn magnitude(self) -> u64 {
        self.lo.unsigned_abs().max(self.hi.unsigned_abs())
    }

    /// The smallest interval around both.
    pub fn hull(self, other: Self) -> Self {
        Self {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// Bits of a two's complement type that holds it.
    pub fn signed_width(self) -> u8 {
        let bits = |v: i64| 65 - (if v < 0 { !v } else { v }).leading_zeros() as u8;
        bits(self.lo).max(bits(self.hi))
    }
}

/// The index of [`KernelOp::Gather`] that stands for padding.
pub const FILL: u32 = u32::MAX;

/// A table has at most this many entries: operands of 12 bits.
pub const TABLE_BITS: u8 = 12;

/// One operator over integer vectors (mantissas), row-major, shapes flattened.
#[derive(Clone, Debug)]
pub enum KernelOp {
    /// The input: integers of the format.
    Input {
        /// The input's format.
        format: Format,
    },
    /// `acc[j] = Σ_k x[k]·weight[j·cols + k] + bias[j]`, exact.
    Dense {
        /// Operand with `cols` elements.
        x: NodeId,
        /// `rows·cols` mantissas.
        weight: Arc<[i32]>,
        /// `rows` mantissas, already aligned to the accumulator's scale.
        bias: Option<Arc<[i64]>>,
        /// Outputs.
        rows: usize,
        /// Inputs.
        cols: usize,
    },
    /// `x + c`, `c` aligned to the scale of `x` (a subtraction is stored negated).
    AddConst {
        /// Operand.
        x: NodeId,
        /// As many elements as `x`.
        c: Arc<[i64]>,
    },
    /// A convolution, exact; at every position of a result plane the scale is the same.
    Conv {
        /// Operand with `conv.window.input_len()` elements.
        x: NodeId,
        /// `conv.filters·conv.filter_len()` mantissas.
        weight: Arc<[i32]>,
        /// `conv.filters` mantissas, already aligned to the accumulator's scale.
        bias: Option<Arc<[i64]>>,
        /// The geometry.
        conv: Arc<Conv>,
    },
    /// The largest element of each window, channel by channel.
    MaxPool {
        /// Operand with `window.input_len()` elements of one scale.
        x: NodeId,
        /// The geometry; every window has a tap.
        window: Arc<Window>,
    },
    /// The sum of each window, channel by channel, exact. As the mean that an average pool is, the
    /// sum stands for `m·M·2^-F` with `M·2^-F` near `2^-F_x/n` (the node's `multiplier` and
    /// `frac`).
    SumPool {
        /// Operand with `window.input_len()` elements of one scale.
        x: NodeId,
        /// The geometry; every window has a tap.
        window: Arc<Window>,
    },
    /// `y[i] = x[i]·c[i/(len/c.len())]`, exact.
    MulConst {
        /// Operand.
        x: NodeId,
        /// Mantissas; their number divides that of the elements.
        c: Arc<[i32]>,
    },
    /// `x + y`, element by element, exact; both of one scale.
    Sum {
        /// Operand.
        x: NodeId,
        /// As many elements.
        y: NodeId,
    },
    /// For each of `outer` parts: that part of every operand, one operand after the other.
    Concat {
        /// Operands of one format; `outer` divides their lengths.
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
        /// What padding holds.
        fill: i64,
    },
    /// `max(0, x)`.
    Relu {
        /// Operand.
        x: NodeId,
    },
    /// `min(max(x, lo[i]), hi[i])`.
    Clip {
        /// Operand.
        x: NodeId,
        /// One per element; `i64::MIN` where there is none.
        lo: Arc<[i64]>,
        /// One per element, not below `lo`; `i64::MAX` where there is none.
        hi: Arc<[i64]>,
    },
    /// `max(x << shift, x)`: at `shift` more fraction bits the leaky relu of slope `2^-shift`,
    /// exact.
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
    /// `table[x - least]`, where `least` is the least mantissa of the operand's format.
    Table {
        /// Operand, a stored tensor.
        x: NodeId,
        /// The operand's least mantissa.
        least: i64,
        /// One per mantissa of the operand's format.
        table: Arc<[i32]>,
        /// The result's format.
        format: Format,
        /// What the table approximates.
        curve: Curve,
    },
    /// `clamp(round(x·multiplier·2^-shift), lo, hi)`; a shift `≤ 0` is an exact left shift.
    Requantize {
        /// Operand.
        x: NodeId,
        /// One per element, `1 ≤ M < 2^15`: those of the operand; `None` where all are 1.
        multiplier: Option<Arc<[u16]>>,
        /// One per element; within `-63..=63`. A larger right shift was rewritten to the least
        /// one of the same meaning on the range of operand times multiplier.
        shift: Arc<[i32]>,
        /// The target, whose range is the clamp's.
        format: Format,
    },
    /// `x << shift`, exact: brings the output's channels to one scale.
    Align {
        /// Operand.
        x: NodeId,
        /// One per element, not negative.
        shift: Arc<[i32]>,
    },
    /// The same elements.
    Move {
        /// Operand.
        x: NodeId,
    },
}

impl KernelOp {
    /// Its operands.
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Self::Input { .. } => vec![],
            Self::Dense { x, .. }
            | Self::Conv { x, .. }
            | Self::MaxPool { x, .. }
            | Self::SumPool { x, .. }
            | Self::AddConst { x, .. }
            | Self::MulConst { x, .. }
            | Self::Gather { x, .. }
            | Self::Relu { x }
            | Self::Clip { x, .. }
            | Self::LeakyRelu { x, .. }
            | Self::Unary { x, .. }
            | Self::Table { x, .. }
            | Self::Requantize { x, .. }
            | Self::Align { x, .. }
            | Self::Move { x } => vec![*x],
            Self::Sum { x, y } => vec![*x, *y],
            Self::Concat { xs, .. } => xs.clone(),
        }
    }
}

/// A node: an operator, its place in the IR, and what is known of its elements.
#[derive(Clone, Debug)]
pub struct KernelNode {
    /// The IR value that it helps to compute.
    pub value: ValueId,
    /// How.
    pub op: KernelOp,
    /// Number of elements.
    pub len: usize,
    /// Element `j` stands for `m·multiplier[j]·2^-frac[j]`; length `len`.
    pub frac: Arc<[i32]>,
    /// One per element, `1 ≤ M < 2^15`; `None` where all are 1, as in every stored tensor and in
    /// the output. Accumulators have those of their weights.
    pub multiplier: Option<Arc<[u16]>>,
    /// The format, if the node is a stored tensor and no accumulator.
    pub format: Option<Format>,
    /// Type range per element: over every value of the input's format.
    pub range: Arc<[Interval]>,
    /// Bits of a two's complement register that holds every partial sum in any order, the
    /// product with a multiplier, the rounding addend and the result of a left shift; at most 64.
    pub width: u8,
}

impl KernelNode {
    /// The multiplier of element `j`.
    pub fn multiplier(&self, j: usize) -> u16 {
        multiplier(self.multiplier.as_deref(), j)
    }
}

/// Entry `j` of optional multipliers: 1 where there are none.
pub fn multiplier(multipliers: Option<&[u16]>, j: usize) -> u16 {
    multipliers.map_or(1, |m| m[j])
}

/// A checked fixed-point program.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Nodes; operands precede users.
    pub nodes: PrimaryMap<NodeId, KernelNode>,
    /// The input node.
    pub input: NodeId,
    /// The output node.
    pub output: NodeId,
    /// Input format.
    pub input_format: Format,
    /// Fraction bits of every output.
    pub output_frac: i32,
    /// The rounding of every [`KernelOp::Requantize`].
    pub rounding: Rounding,
}

impl Kernel {
    /// Number of inputs.
    pub fn input_len(&self) -> usize {
        self.nodes[self.input].len
    }

    /// Number of outputs.
    pub fn output_len(&self) -> usize {
        self.nodes[self.output].len
    }

    /// The kernel's input mantissas for a real point.
    pub fn quantize_input(&self, x: &[Exact]) -> Vec<i64> {
        x.iter().map(|v| self.input_format.quantize(v)).collect()
    }

    /// The output's format; `None` for an accumulator.
    pub fn output_format(&self) -> Option<Format> {
        self.nodes[self.output].format
    }

    /// The real values that output mantissas stand for.
    pub fn output_values(&self, y: &[i64]) -> Vec<Exact> {
        y.iter()
            .map(|m| Exact::dyadic(*m, -i64::from(self.output_frac)))
            .collect()
    }
}

/// The kernel's class: lowest index among the maxima; `None` for an empty slice.
pub fn argmax<T: PartialOrd>(outputs: &[T]) -> Option<usize> {
    let mut best = None;
    for (i, v) in outputs.iter().enumerate() {
        if best.is_none_or(|b: usize| *v > outputs[b]) {
            best = Some(i);
        }
    }
    best
}
