//! The last tier: a solver decides one box of inputs.

use crate::budget::{Effort, Stop};
use crate::subject::Subject;
use ceg4n_ir::Interval;

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

/// Decides boxes exactly, within limits.
pub trait Leaf: Send {
    /// The solver's name.
    fn name(&self) -> String;

    /// Is there an input of the box on which the kernel's class is not `class`?
    fn leaves_class(
        &mut self,
        subject: &Subject,
        input: &[Interval],
        class: usize,
        effort: &Effort,
        stop: &Stop,
    ) -> LeafAnswer;
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
        _: &Subject,
        _: &[Interval],
        _: usize,
        _: &Effort,
        _: &Stop,
    ) -> LeafAnswer {
        LeafAnswer::Unknown("no solver is configured".into())
    }
}
