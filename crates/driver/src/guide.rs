//! Guided rounding of candidates.

use crate::engine::Engine;
use crate::plan::Plan;
use ceg4n_ir::{Checked, Program};
use ceg4n_refine::Attempt;
use std::marker::PhantomData;

/// Guided rounding on the regions, counterexamples and data of a run.
pub(crate) struct Guide<'a> {
    plan: PhantomData<&'a Plan>,
}

impl<'a> Guide<'a> {
    pub(crate) fn new(_: &'a Plan, _: &Engine<'_>) -> Self {
        Self { plan: PhantomData }
    }
}

impl ceg4n_refine::Guide for Guide<'_> {
    fn improve(&mut self, _: &Attempt<'_>) -> Option<Checked<Program>> {
        None
    }
}
