//! The last tier: a solver decides one box of inputs.

use crate::budget::{Effort, Stop};
use ceg4n_ir::{Format, Interval, Kernel, Property, RealProgram};

/// A solver's answer about one box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafAnswer {
    /// No input of the box breaks the property.
    Never,
    /// This one does, says the solver; the caller evaluates it.
    At(Vec<i64>),
    /// Limits, death, or an answer that cannot be read.
    Unknown(String),
}

/// A box of grid points on which reference and kernel meet.
#[derive(Clone, Copy)]
pub struct GridBox<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The reference.
    pub reference: &'a RealProgram,
    /// The grid; integer `g` stands for `g·2^-F`.
    pub grid: Format,
    /// Grid integers per input.
    pub points: &'a [Interval],
    /// What must hold.
    pub property: &'a Property,
}

/// Decides boxes exactly, within limits.
pub trait Leaf: Send {
    /// The solver's name.
    fn name(&self) -> String;

    /// Is there an input of the box on which the kernel's class is not `class`?
    fn leaves_class(
        &mut self,
        kernel: &Kernel,
        input: &[Interval],
        class: usize,
        effort: &Effort,
        stop: &Stop,
    ) -> LeafAnswer;

    /// Is there a point of the grid box on which the kernel breaks the property? The answer's
    /// input is in grid integers. Without an own implementation nothing is known.
    fn breaks_on_grid(&mut self, _: GridBox<'_>, _: &Effort, _: &Stop) -> LeafAnswer {
        LeafAnswer::Unknown("this solver takes no questions about references".into())
    }
}

/// No solver: every box stays open.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLeaf;

impl Leaf for NoLeaf {
    fn name(&self) -> String {
        "none".into()
    }

    fn leaves_class(
        &mut self,
        _: &Kernel,
        _: &[Interval],
        _: usize,
        _: &Effort,
        _: &Stop,
    ) -> LeafAnswer {
        LeafAnswer::Unknown("no solver is configured".into())
    }

    fn breaks_on_grid(&mut self, _: GridBox<'_>, _: &Effort, _: &Stop) -> LeafAnswer {
        LeafAnswer::Unknown("no solver is configured".into())
    }
}
