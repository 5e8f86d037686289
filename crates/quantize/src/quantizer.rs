//! The trait of quantizers.

use crate::assignment::Assignment;
use crate::model::Model;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Annotations, Checked, Program};

/// Makes the annotations of an assignment.
pub trait Quantizer: Send + Sync {
    /// What is told of it where an optimality claim names its search space.
    fn name(&self) -> String;

    /// True if the annotations are a function of the model and the assignment alone, so that an
    /// optimality claim can be made.
    fn is_pure(&self) -> bool {
        true
    }

    /// Formats (and mantissas, where they do not follow from formats) of every stored value.
    ///
    /// # Errors
    /// What the quantizer cannot do with the network.
    fn annotate(
        &self,
        model: &Model,
        a: &Assignment,
        version: u32,
    ) -> Result<Annotations, Diagnostics>;

    /// The program of an assignment, checked.
    ///
    /// # Errors
    /// As [`Self::annotate`]; formats that the checker refuses, for instance accumulators beyond
    /// 64 bits.
    fn program(
        &self,
        model: &Model,
        a: &Assignment,
        version: u32,
    ) -> Result<Checked<Program>, Diagnostics> {
        model.check(self.annotate(model, a, version)?)
    }
}
