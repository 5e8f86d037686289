//! Guided rounding as a quantizer.

use super::{Examples, Goal, Guided, Latents, RegionAim};
use crate::assignment::Assignment;
use crate::model::Model;
use crate::quantizer::Quantizer;
use ceg4n_base::Diagnostics;
use ceg4n_ir::Annotations;
use std::sync::Arc;

/// Another quantizer's formats with mantissas guided by examples and regions.
pub struct GuidedQuantizer {
    /// Chooses the formats.
    pub start: Arc<dyn Quantizer>,
    /// How mantissas are sought.
    pub guided: Guided,
    /// Multiplies the budgets.
    pub effort: u32,
    /// Points to be right at.
    pub examples: Arc<Examples>,
    /// Boxes to be right on.
    pub regions: Arc<[RegionAim]>,
}

impl Quantizer for GuidedQuantizer {
    fn name(&self) -> String {
        format!(
            "guided rounding by {} examples and {} regions, from: {}",
            self.examples.len(),
            self.regions.len(),
            self.start.name()
        )
    }

    fn is_pure(&self) -> bool {
        false
    }

    fn annotate(
        &self,
        model: &Model,
        a: &Assignment,
        version: u32,
    ) -> Result<Annotations, Diagnostics> {
        let start = self.start.annotate(model, a, version)?;
        let goal = Goal {
            examples: &self.examples,
            regions: &self.regions,
        };
        let outcome =
            self.guided
                .improve(model, &start, &Latents::new(), goal, self.effort, &|| false);
        Ok(outcome.annotations)
    }
}
