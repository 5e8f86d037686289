//! What both languages print: the kernel as a sequence of fused loops over stored vectors.
//!
//! A stage computes one stored vector element by element: each element starts from a body (an
//! element of an earlier vector, a row of a dense layer, a window) and steps are applied to it.
//! Stages that only move elements have no steps. Stored are the output, what a body reads at more
//! than one place, the second operand of a sum and what is used more than once; everything else
//! stays in a local variable. Constants that repeat along a vector are tables by channel or by
//! position, so that neither code nor tables grow with the number of positions. Every rewriting
//! here (clamps that cannot act, constants of elements that are always zero) rests on type ranges;
//! the input is clamped to its format first, because the type ranges start there.

mod bodies;
mod build;
mod finish;
pub(crate) mod forms;
mod moves;
mod operands;
mod steps;
mod windows;

pub(crate) use build::{Given, plan};
pub(crate) use finish::saturates;
pub(crate) use moves::{Loop, Nest};
pub(crate) use windows::{Axis, Taps, Windows};

use crate::EmitError;
use crate::elem::{Elem, hull};
use crate::straight::Straight;
use ceg4n_ir::{Kernel, NodeId, Unary};
use ceg4n_target::{KernelChoice, License, Machine, Target, Work};
use std::borrow::Cow;

/// A constant array.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// `w0`, `b0`, …; unique.
    pub(crate) name: String,
    pub(crate) ty: Elem,
    pub(crate) data: Data<'a>,
    /// What picks the entry of an element, for constants of steps and biases.
    pub(crate) by: By,
    /// What it holds.
    pub(crate) comment: String,
}

/// Borrowed where the IR has the numbers already.
#[derive(Debug)]
pub(crate) enum Data<'a> {
    Narrow(&'a [i32]),
    Wide(Cow<'a, [i64]>),
}

impl Data<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Narrow(d) => d.len(),
            Self::Wide(d) => d.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        let (narrow, wide): (&[i32], &[i64]) = match self {
            Self::Narrow(d) => (d, &[]),
            Self::Wide(d) => (&[], d),
        };
        narrow
            .iter()
            .map(|v| i64::from(*v))
            .chain(wide.iter().copied())
    }
}

/// Index of a [`Table`] in its plan.
pub(crate) type TableId = usize;

/// Which entry of a table belongs to element `j` of a stage that counts in blocks of
/// [`Stage::inner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Entry `j`.
    Element,
    /// Entry `j / inner`: by channel.
    Block,
    /// Entry `j % inner`: by position.
    Position,
}

/// A constant operand of an elementwise step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    /// The same for every element.
    Uniform(i64),
    /// A table; least and greatest entry.
    Table(TableId, i64, i64),
}

/// What is done to the accumulator, in [`Step::word`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum StepKind {
    Add(Operand),
    /// Adds the element of vector `reads[i]` of the stage.
    AddVector(usize),
    Relu,
    /// `max(acc·2^s, acc)`.
    LeakyRelu(u8),
    Unary(Unary),
    /// `acc·M`.
    Multiply(Operand),
    /// `round(acc·2^-s)`; a shift `≤ 0` is an exact left shift.
    Shift(Operand),
    /// `floor(acc·2^-s)`: a shift whose rounding addend stands in the bias.
    Floor(u32),
    /// Only the sides that can act.
    Clamp {
        lo: Option<i64>,
        hi: Option<i64>,
    },
    /// `max(acc, c)`.
    AtLeast(Operand),
    /// `min(acc, c)`.
    AtMost(Operand),
    /// Entry `acc - least` of a table with a power of two of entries.
    Lookup {
        table: TableId,
        least: i64,
    },
}

impl StepKind {
    /// The table of constants by element, if it has one.
    pub(crate) fn constants(&self) -> Option<TableId> {
        match self {
            Self::Add(c)
            | Self::Multiply(c)
            | Self::Shift(c)
            | Self::AtLeast(c)
            | Self::AtMost(c) => match c {
                Operand::Uniform(_) => None,
                Operand::Table(t, ..) => Some(*t),
            },
            Self::AddVector(_)
            | Self::Relu
            | Self::LeakyRelu(_)
            | Self::Unary(_)
            | Self::Floor(_)
            | Self::Clamp { .. }
            | Self::Lookup { .. } => None,
        }
    }

    fn is_identity(&self) -> bool {
        match self {
            Self::Add(Operand::Uniform(c)) | Self::Shift(Operand::Uniform(c)) => *c == 0,
            Self::Multiply(Operand::Uniform(c)) => *c == 1,
            Self::Clamp { lo, hi } => lo.is_none() && hi.is_none(),
            Self::Add(Operand::Table(..))
            | Self::Multiply(Operand::Table(..))
            | Self::Shift(Operand::Table(..))
            | Self::AddVector(_)
            | Self::AtLeast(_)
            | Self::AtMost(_)
            | Self::Relu
            | Self::LeakyRelu(_)
            | Self::Unary(_)
            | Self::Floor(_)
            | Self::Lookup { .. } => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Step {
    /// `I32` or `I64`, for some steps `I16`; holds operand, result and everything between.
    pub(crate) word: Elem,
    pub(crate) kind: StepKind,
}

/// Where a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The caller's input.
    Input,
    /// The result of an earlier stage.
    Stage(usize),
}

/// A vector that a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vector {
    pub(crate) source: Source,
    pub(crate) ty: Elem,
}

/// A dense layer: one row per element.
#[derive(Debug)]
pub(crate) struct Dense {
    /// Laid out as the form reads it.
    pub(crate) weight: TableId,
    /// One entry a row; always there in tiles.
    pub(crate) bias: Option<TableId>,
    /// Columns, without padding.
    pub(crate) cols: usize,
    pub(crate) license: License,
    /// Bits that hold every sum, in any order.
    pub(crate) width: u8,
    /// Rows that are computed together, in order; empty for one row after the other.
    pub(crate) tiles: Vec<Tiles>,
    /// Where a layer is larger than an array may be: the further tables.
    pub(crate) pieces: Vec<Piece>,
}

/// A table of weights that follows another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) table: TableId,
    /// Rows of the tiles among which it starts; 1 without tiles.
    pub(crate) rows: usize,
    /// Without tiles the row that it starts with, else how many of these tiles are left there.
    pub(crate) at: usize,
}

/// Equal groups of consecutive rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiles {
    /// Rows of a group.
    pub(crate) rows: usize,
    /// Groups.
    pub(crate) count: usize,
}

/// What an element starts from. Bodies read `reads[0]` unless they say otherwise.
#[derive(Debug)]
pub(crate) enum Body {
    /// The element of the same index.
    Load,
    Dense(Dense),
    /// The window of a convolution or pool.
    Windows(Windows),
    /// Fills the vector, if `fill` says so, then copies nests of elements; without steps.
    Copy {
        fill: Option<i64>,
        nests: Vec<Nest>,
    },
    /// The element that an index table names; beyond the operand's last one the fill.
    Pick {
        index: TableId,
        /// The fill, and the operand's length, which stands for it.
        fill: Option<(i64, usize)>,
    },
}

/// One vector's computation.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What it reads: the body's operands (at least one), then those of the steps.
    pub(crate) reads: Vec<Vector>,
    pub(crate) body: Body,
    /// The word of what the body gives.
    pub(crate) word: Elem,
    pub(crate) steps: Vec<Step>,
    pub(crate) ty: Elem,
    pub(crate) len: usize,
    /// Zeros behind the last element, for loops that read whole groups of columns.
    pub(crate) padding: usize,
    /// Elements of a block, for tables; divides `len`. The result plane of windows.
    pub(crate) inner: usize,
    /// The node that it computes, and those before that no vector holds.
    pub(crate) node: NodeId,
    /// What it does, for comments.
    pub(crate) notes: Vec<String>,
}

impl Stage {
    /// Appends a step unless it does nothing.
    fn push(&mut self, word: Elem, kind: StepKind) {
        if !kind.is_identity() {
            self.steps.push(Step { word, kind });
        }
    }
}

/// The whole kernel. The last stage writes the output.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) stages: Vec<Stage>,
    pub(crate) tables: Vec<Table<'a>>,
    pub(crate) input: Elem,
    pub(crate) output: Elem,
    /// Straight-line code in place of the stages: constants stand in it, but for tables that are
    /// looked up.
    pub(crate) straight: Option<Straight>,
}

impl<'a> Plan<'a> {
    /// The constant arrays that are written.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Table<'a>> {
        let steps = self.stages.iter().flat_map(|s| &s.steps);
        let looked_up = steps.filter_map(|s| {
            if let StepKind::Lookup { table, .. } = s.kind {
                Some(table)
            } else {
                None
            }
        });
        let looked_up: Vec<TableId> = looked_up.collect();
        let tables = self.tables.iter().enumerate();
        tables
            .filter(move |(i, _)| self.straight.is_none() || looked_up.contains(i))
            .map(|(_, t)| t)
    }

    /// About the cycles of dense layers as loops for speed.
    pub(crate) fn loop_cycles(&self, target: Target) -> u64 {
        let kernel = KernelChoice::Speed;
        let machine = Machine { target, kernel };
        let of = |s: &Stage| match &s.body {
            Body::Dense(d) => machine.quarters(&Work {
                products: (s.len * d.cols) as u64,
                outputs: s.len as u64,
                weight_bits: 8 * self.tables[d.weight].ty.bytes() as u64,
                operand_bits: 8 * s.reads[0].ty.bytes() as u64,
                sum_bits: d.width.into(),
            }),
            Body::Load | Body::Windows(_) | Body::Copy { .. } | Body::Pick { .. } => 0,
        };
        self.stages.iter().map(of).sum::<u64>() / 4
    }

    /// Multiplications of dense layers and convolutions, and additions of pools.
    pub(crate) fn products(&self) -> usize {
        let of = |s: &Stage| match &s.body {
            Body::Dense(d) => s.len * d.cols,
            Body::Windows(w) => s.len * w.filter_len(),
            Body::Load | Body::Copy { .. } | Body::Pick { .. } => 0,
        };
        self.stages.iter().map(of).sum()
    }

    /// Bytes of all constant arrays.
    pub(crate) fn constant_bytes(&self) -> usize {
        let bytes = |t: &Table<'_>| t.ty.bytes() * t.data.len();
        self.stored().map(bytes).sum()
    }

    /// Checks that the target's pointers reach every constant.
    pub(crate) fn fits(&self, target: Target) -> Result<(), EmitError> {
        let largest = self.tables.iter().map(|t| {
            let what = format!("the array \"{}\"", t.comment);
            (what, t.ty.bytes() * t.data.len(), target.largest_array())
        });
        let all = ("all constants".to_owned(), self.constant_bytes());
        let total = (all.0, all.1, target.most_constants());
        match largest
            .chain([total])
            .find(|(_, bytes, limit)| bytes > limit)
        {
            None => Ok(()),
            Some((what, bytes, limit)) => Err(EmitError::OutOfReach {
                what,
                bytes,
                limit,
                target,
            }),
        }
    }

    /// The input's format, in words.
    pub(crate) fn input_text(&self) -> String {
        let f = self.kernel.input_format;
        format!(
            "{f}: integer m in [{}, {}] stands for m * 2^{}; other values are clamped",
            f.min(),
            f.max(),
            -f.frac()
        )
    }

    /// The output's scale, in words.
    pub(crate) fn output_text(&self) -> String {
        let r = hull(&self.kernel.nodes[self.kernel.output].range);
        format!(
            "integer m stands for m * 2^{}; proved range [{}, {}]",
            -self.kernel.output_frac, r.lo, r.hi
        )
    }
}
