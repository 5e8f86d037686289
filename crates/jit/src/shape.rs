//! Operator shapes, the keys of the code cache, and the data layouts that native code reads.

use ceg4n_ir::{Interval, Rounding, Unary};

/// Element type of a buffer or of weights; two's complement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Elem {
    I16,
    I32,
    I64,
}

impl Elem {
    /// The narrowest type that holds the range.
    pub(crate) fn of(range: Interval) -> Self {
        match range.signed_width() {
            0..=16 => Self::I16,
            17..=32 => Self::I32,
            _ => Self::I64,
        }
    }

    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::I16 => 2,
            Self::I32 => 4,
            Self::I64 => 8,
        }
    }
}

/// Buffer rows are padded to a multiple of this many elements, so that vector code may read whole
/// vectors and store whole tiles.
pub(crate) const LANES: usize = 8;

/// Output elements that one vector tile computes.
pub(crate) const TILE: usize = 4;

/// Length of a buffer row in elements.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(LANES)
}

/// What a native function computes before its epilogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Body {
    /// `acc = before(x[j])`.
    Map {
        /// What is done before the epilogue.
        before: Before,
    },
    /// `acc = x[j] + z[j]`.
    Sum {
        /// Type of the second operand.
        z: Elem,
    },
    /// `acc = x[j]`, or `x[j] + z[j]`, over 32 bits with operands of at most 32 bits.
    ElementVector {
        /// Type of the second operand, if there is one.
        z: Option<Elem>,
        /// [`VectorEpilogue::Narrow`] or [`VectorEpilogue::Product`].
        epilogue: VectorEpilogue,
    },
    /// `acc = Σ_k x[k]·w[j·cols + k]` over 64 bits; weights row by row, without padding.
    Dense {
        /// Type of the weights.
        weight: Elem,
    },
    /// The same over 32 bits with 16-bit operands; weights in tiles (see `stage::tiled`).
    DenseVector {
        /// How an output follows from its sum.
        epilogue: VectorEpilogue,
    },
}

/// What [`Body::Map`] does with an element, over 64 bits, before its epilogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Before {
    /// Nothing.
    Nothing,
    /// `x·factor`.
    Scale,
    /// `max(x << factor, x)`.
    Leaky,
    /// A function of the element.
    Unary(Unary),
}

/// The epilogue of [`Body::DenseVector`] and [`Body::ElementVector`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum VectorEpilogue {
    /// On 32-bit vectors; reads [`Quad`]s.
    Narrow,
    /// By the high halves of 64-bit products; reads [`ProductQuad`]s.
    Product,
    /// On single 64-bit integers; reads [`Row`]s.
    Wide,
}

/// The operator shape that one native function serves, whatever the sizes and the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    pub(crate) body: Body,
    pub(crate) x: Elem,
    pub(crate) y: Elem,
    pub(crate) rounding: Rounding,
    /// Some multiplier of a [`Row`] is not 1; false where no rows are read.
    pub(crate) multiplied: bool,
}

/// The epilogue of one output element:
/// `y = clamp(((clamp(acc + bias, floor, ceil)·multiplier << left) + round) >> right, lo, hi)`,
/// where `round` is `addend` for half-up, `addend + (odd & (v >> right))` with the shifted `v` for
/// half-even, and nothing for floor. Native code reads it at fixed offsets.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Of [`Before::Scale`] and [`Before::Leaky`].
    pub(crate) factor: i64,
    pub(crate) bias: i64,
    /// 0 with a relu before the shift, else the least integer.
    pub(crate) floor: i64,
    /// Not below `floor`; the greatest integer without a clip before the shift.
    pub(crate) ceil: i64,
    pub(crate) multiplier: i64,
    pub(crate) left: i64,
    pub(crate) right: i64,
    pub(crate) addend: i64,
    pub(crate) odd: i64,
    pub(crate) lo: i64,
    pub(crate) hi: i64,
}

impl Row {
    /// `y = acc`.
    pub(crate) const IDENTITY: Self = Self {
        factor: 1,
        bias: 0,
        floor: i64::MIN,
        ceil: i64::MAX,
        multiplier: 1,
        left: 0,
        right: 0,
        addend: 0,
        odd: 0,
        lo: i64::MIN,
        hi: i64::MAX,
    };

    /// Sets the shift `round(v·2^-shift)`; `shift` in `-63..=63`.
    pub(crate) fn set_shift(&mut self, shift: i32, rounding: Rounding) {
        self.left = i64::from((-shift).max(0));
        self.right = i64::from(shift.max(0));
        let half = if shift > 0 { 1i64 << (shift - 1) } else { 0 };
        (self.addend, self.odd) = match rounding {
            Rounding::HalfUp => (half, 0),
            Rounding::HalfEven if shift > 0 => (half - 1, 1),
            Rounding::HalfEven | Rounding::Floor => (0, 0),
        };
    }

    /// A clip of the sum.
    pub(crate) fn clip_sum(&mut self, lo: i64, hi: i64) {
        self.floor = self.floor.clamp(lo, hi);
        self.ceil = self.ceil.clamp(lo, hi);
    }

    /// A clip of the result.
    pub(crate) fn clip_result(&mut self, lo: i64, hi: i64) {
        self.lo = self.lo.clamp(lo, hi);
        self.hi = self.hi.clamp(lo, hi);
    }
}

/// The epilogues of [`TILE`] neighbouring outputs that share their shifts, over 32 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quad {
    pub(crate) bias: [i32; TILE],
    pub(crate) floor: [i32; TILE],
    pub(crate) ceil: [i32; TILE],
    pub(crate) addend: [i32; TILE],
    pub(crate) odd: [i32; TILE],
    pub(crate) lo: [i32; TILE],
    pub(crate) hi: [i32; TILE],
    pub(crate) left: i32,
    pub(crate) right: i32,
}

/// The epilogues of [`TILE`] neighbouring outputs with shifts of their own:
/// `y = clamp((clamp(acc + bias, floor, ceil)·factor + round) >> 32, lo, hi)` with 64-bit products,
/// where `factor` is `multiplier << (32 - right)`, so that rounding and shift are the same for all.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProductQuad {
    pub(crate) bias: [i32; TILE],
    pub(crate) floor: [i32; TILE],
    pub(crate) ceil: [i32; TILE],
    pub(crate) factor: [i32; TILE],
    pub(crate) lo: [i32; TILE],
    pub(crate) hi: [i32; TILE],
}

/// The argument of a native function; it reads it at fixed offsets.
#[repr(C)]
pub(crate) struct Args {
    /// `n` rows of `x_stride` bytes.
    pub(crate) x: *const u8,
    /// `n` rows of `z_stride` bytes; read by sums alone.
    pub(crate) z: *const u8,
    /// `n` rows of `y_stride` bytes.
    pub(crate) y: *mut u8,
    /// Weights in the layout of the [`Body`]; read by the dense bodies alone.
    pub(crate) weight: *const u8,
    /// [`Row`]s, [`Quad`]s or [`ProductQuad`]s.
    pub(crate) epilogue: *const u8,
    pub(crate) n: usize,
    /// Input elements; a multiple of [`LANES`] for [`Body::DenseVector`], and those of a segment.
    pub(crate) cols: usize,
    /// Of [`Body::DenseVector`]: so many segments of inputs, one after the other in the weights.
    pub(crate) segments: usize,
    /// Bytes from one segment of the inputs to the next.
    pub(crate) segment: usize,
    /// Output elements; a multiple of [`TILE`] for vector code.
    pub(crate) rows: usize,
    pub(crate) x_stride: usize,
    pub(crate) z_stride: usize,
    pub(crate) y_stride: usize,
}
