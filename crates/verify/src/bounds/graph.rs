//! One view of both kinds of program for bounds: operators over real values, in real units.
//!
//! A kernel's mantissa `m` at scale `F` with multiplier `M` is the real `m·M·2^-F`; rounding is an
//! error of at most a unit, clamping a piecewise-linear function. What the weights and constants of
//! either program stand for is an `f64` exactly, but for what [`Constant::error`] and
//! [`Linear::slack`] keep.
//!
//! A program is a chain even where it branches: each node's values are those of *all* tensors that
//! later nodes still need, one after the other. Linear maps copy what they do not change, and
//! elementwise operators act on a range and leave the rest alone.

use super::curve::Function;
use crate::float::Bound;
use ceg4n_ir::{Format, NodeId, Rounding};
use std::ops::Range;
use std::sync::Arc;

pub use super::linear::{Constant, Linear};

/// An operator; its operand is the node before it. Lists have an entry for each element of
/// [`Node::on`].
#[derive(Clone, Debug)]
pub enum Op {
    /// The input.
    Input,
    /// `y = W·x + b`.
    Linear(Arc<Linear>),
    /// `y_i = x_i·c_i·(1 + t)` with `|t| ≤ slack·2^-52`.
    Scale {
        /// One factor per element.
        by: Arc<[f64]>,
        /// Roundings inside a factor.
        slack: usize,
    },
    /// `y_i = x_i + c_i`.
    Shift(Arc<Constant>),
    /// `max(0, x)`.
    Relu,
    /// `y_i` is `x_i` rounded to a multiple of a unit.
    Round(Arc<[Step]>),
    /// `clamp(x, lo, hi)`.
    Clamp {
        /// Least value.
        lo: f64,
        /// Greatest value.
        hi: f64,
    },
    /// A function of one variable that is not piecewise linear, or has many pieces.
    Curve(Arc<Function>),
    /// `y_i` differs from `x_i`, computed by the linear or elementwise operator before it, by the
    /// rounding errors of a float32 evaluation in any order.
    Float32 {
        /// Terms that are summed for one element.
        terms: usize,
    },
}

/// How one element is rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The result is a multiple of it.
    pub unit: f64,
    /// Encloses result minus operand.
    pub error: Bound,
    /// Which multiple.
    pub rounding: Rounding,
}

impl Step {
    /// Rounding of multiples of `2^-from` to multiples of `2^-to`; no error where none is lost.
    /// Values of a scale with a multiplier are among those of the scale without it.
    pub fn fixed(rounding: Rounding, from: i32, to: i32) -> Self {
        let fine = unit(from);
        let coarse = unit(to);
        let error = if to >= from {
            Bound::new(0.0, 0.0)
        } else {
            match rounding {
                // Differences of powers of two: exact, or rounded to the larger one.
                Rounding::HalfUp => Bound::new(-(coarse / 2.0 - fine).max(0.0), coarse / 2.0),
                Rounding::HalfEven => Bound::new(-coarse / 2.0, coarse / 2.0),
                Rounding::Floor => Bound::new(-coarse, 0.0),
            }
        };
        Self {
            unit: coarse,
            error,
            rounding,
        }
    }

    /// Rounding of any real to the nearest multiple of any positive unit, ties to even.
    pub fn nearest(unit: f64) -> Self {
        Self {
            unit,
            error: Bound::new(-unit / 2.0, unit / 2.0),
            rounding: Rounding::HalfEven,
        }
    }

    /// True if nothing is lost.
    pub fn is_exact(&self) -> bool {
        self.error.lo == 0.0 && self.error.hi == 0.0
    }

    /// The image of an interval: rounding is monotone, and the error is bounded.
    pub fn image(&self, b: Bound) -> Bound {
        if self.is_exact() {
            return b;
        }
        if self.unit.to_bits() << 12 != 0 {
            return self.rough_image(b);
        }
        let near = |v: f64| {
            let scaled = v / self.unit;
            // A quotient that underflows keeps its sign.
            let scaled = if scaled == 0.0 && v != 0.0 {
                f64::MIN_POSITIVE.copysign(v)
            } else {
                scaled
            };
            // Below 2^52 floor and fraction are exact; half-even's ties may go either way here.
            if scaled.abs() < 2f64.powi(51) {
                let floor = scaled.floor();
                Some((floor * self.unit, scaled - floor))
            } else {
                None
            }
        };
        let lo = match (near(b.lo), self.rounding) {
            (Some((floor, part)), Rounding::HalfUp) if part >= 0.5 => floor + self.unit,
            (Some((floor, part)), Rounding::HalfEven) if part > 0.5 => floor + self.unit,
            (Some((floor, _)), _) => floor,
            (None, _) => crate::float::down(b.lo + self.error.lo, 0.0),
        };
        let hi = match (near(b.hi), self.rounding) {
            (Some((floor, _)), Rounding::Floor) => floor,
            (Some((floor, part)), Rounding::HalfUp | Rounding::HalfEven) if part < 0.5 => floor,
            (Some((floor, _)), Rounding::HalfUp | Rounding::HalfEven) => floor + self.unit,
            (None, _) => crate::float::up(b.hi + self.error.hi, 0.0),
        };
        Bound::new(lo, hi)
    }

    /// As [`Self::image`], to the nearest multiple of a unit that is no power of two: the quotient
    /// is rounded, so ends within a hair of a tie go outward.
    fn rough_image(&self, b: Bound) -> Bound {
        let hair = |q: f64| q.abs() * 2f64.powi(-51) + f64::MIN_POSITIVE;
        let (p, q) = (b.lo / self.unit, b.hi / self.unit);
        let plain = Bound::new(
            crate::float::down(b.lo + self.error.lo, 0.0),
            crate::float::up(b.hi + self.error.hi, 0.0),
        );
        // A tie may go either way; the product is rounded once, and zero is exact.
        let end = |m: f64, out: fn(f64) -> f64| {
            let v = m * self.unit;
            if m == 0.0 { 0.0 } else { out(v) }
        };
        if p.abs() < 2f64.powi(50) && q.abs() < 2f64.powi(50) {
            let lo = end((p - hair(p) - 0.5).ceil(), f64::next_down);
            let hi = end((q + hair(q) + 0.5).floor(), f64::next_up);
            Bound::new(lo, hi).meet(plain)
        } else {
            plain
        }
    }
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes from the node before it.
    pub op: Op,
    /// Number of elements.
    pub len: usize,
    /// The elements that an elementwise operator acts on; the others are those of the node before.
    pub on: Range<usize>,
    /// The nodes of the program whose values stand here for the first time, each with its first
    /// element; of a kernel their mantissas in real units.
    pub of: Vec<(NodeId, usize)>,
    /// Powers of two whose multiples the elements take, 0 where none is known; or empty.
    pub units: Vec<f64>,
}

impl Node {
    /// A node whose operator acts on every element.
    pub fn new(op: Op, len: usize) -> Self {
        Self {
            op,
            len,
            on: 0..len,
            of: Vec::new(),
            units: Vec::new(),
        }
    }

    /// The index into the operator's lists for an element that it acts on.
    pub fn slot(&self, i: usize) -> Option<usize> {
        self.on.contains(&i).then(|| i - self.on.start)
    }
}

/// What a kernel's graph starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Mantissas of the input format (in real units).
    Mantissas,
    /// Real points, which the kernel rounds and clamps first.
    Reals,
}

/// A program as a chain of nodes, from the input to the output.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Nodes in order; the first is [`Op::Input`].
    pub nodes: Vec<Node>,
}

/// Layers of more elements are wide.
const WIDE: usize = 1024;

/// `2^-frac`; the checker bounds the exponents.
pub fn unit(frac: i32) -> f64 {
    2f64.powi(-frac)
}

/// The clamp to a format's values.
pub(super) fn clamp(format: Format) -> Op {
    let u = unit(format.frac());
    Op::Clamp {
        lo: format.min() as f64 * u,
        hi: format.max() as f64 * u,
    }
}

impl Graph {
    /// Number of inputs.
    pub fn input_len(&self) -> usize {
        self.nodes.first().map_or(0, |n| n.len)
    }

    /// Number of outputs.
    pub fn output_len(&self) -> usize {
        self.nodes.last().map_or(0, |n| n.len)
    }

    /// The node that clamps the rounded input of a kernel that starts from reals.
    pub fn input_clamp(&self) -> Option<usize> {
        let rounded = matches!(self.nodes.get(1)?.op, Op::Round(_));
        (rounded && matches!(self.nodes.get(2)?.op, Op::Clamp { .. })).then_some(2)
    }

    /// True if some layer is so wide that bounds of all its elements cost seconds.
    pub fn is_wide(&self) -> bool {
        let rows = |n: &Node| match &n.op {
            Op::Linear(map) => map.rows,
            Op::Input
            | Op::Scale { .. }
            | Op::Shift(_)
            | Op::Relu
            | Op::Round(_)
            | Op::Clamp { .. }
            | Op::Curve(_)
            | Op::Float32 { .. } => 0,
        };
        self.nodes.iter().any(|n| rows(n) > WIDE)
    }

    /// Index of the output.
    pub fn output(&self) -> usize {
        self.nodes.len() - 1
    }
}
