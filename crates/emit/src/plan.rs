//! What both languages print: the kernel as a sequence of fused loops over stored vectors.
//!
//! A stage computes one stored vector element by element: it starts from a dense accumulator or
//! from an element of an earlier vector and applies steps to it. Stored are the output, operands
//! of dense layers and what is used more than once; everything else stays in a local variable.
//! Every rewriting here (clamps that cannot act, shifts of elements that are always zero) rests
//! on type ranges; the input is clamped to its format first, because the type ranges start there.

mod build;

pub(crate) use build::plan;

use crate::elem::{Elem, hull};
use ceg4n_ir::Kernel;
use std::borrow::Cow;

/// A constant array.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// `w0`, `b0`, …; unique.
    pub(crate) name: String,
    pub(crate) ty: Elem,
    pub(crate) data: Data<'a>,
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

/// A constant operand of an elementwise step.
#[derive(Debug)]
pub(crate) enum Operand {
    /// The same for every element.
    Uniform(i64),
    /// One per element; least and greatest entry.
    Table(TableId, i64, i64),
}

/// What is done to the accumulator, in [`Step::word`].
#[derive(Debug)]
pub(crate) enum StepKind {
    Add(Operand),
    Relu,
    /// `acc·M`, `M` positive.
    Multiply(Operand),
    /// `round(acc·2^-s)`; a shift `≤ 0` is an exact left shift.
    Shift(Operand),
    /// Only the sides that can act.
    Clamp {
        lo: Option<i64>,
        hi: Option<i64>,
    },
}

impl StepKind {
    fn is_identity(&self) -> bool {
        match self {
            Self::Add(Operand::Uniform(c)) | Self::Shift(Operand::Uniform(c)) => *c == 0,
            Self::Multiply(Operand::Uniform(c)) => *c == 1,
            Self::Clamp { lo, hi } => lo.is_none() && hi.is_none(),
            Self::Add(Operand::Table(..))
            | Self::Multiply(Operand::Table(..))
            | Self::Shift(Operand::Table(..))
            | Self::Relu => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Step {
    /// `I32` or `I64`; holds operand, result and everything between.
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

/// The dense part of a stage.
#[derive(Debug)]
pub(crate) struct Dense {
    pub(crate) weight: TableId,
    pub(crate) bias: Option<TableId>,
    pub(crate) cols: usize,
}

/// One loop.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) source: Source,
    pub(crate) source_ty: Elem,
    pub(crate) dense: Option<Dense>,
    /// The word of the dense accumulator or of the loaded element.
    pub(crate) word: Elem,
    pub(crate) steps: Vec<Step>,
    pub(crate) ty: Elem,
    pub(crate) len: usize,
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
}

impl Plan<'_> {
    /// Bytes of all constant arrays.
    pub(crate) fn constant_bytes(&self) -> usize {
        let bytes = |t: &Table<'_>| t.ty.bytes() * t.data.len();
        self.tables.iter().map(bytes).sum()
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
