//! Round to nearest.

use crate::assignment::Assignment;
use crate::calibration::Calibration;
use crate::formats::{Granularity, RangeChoice, per_granularity, scale_format};
use crate::layerwise::{correct_bias, run};
use crate::model::Model;
use crate::quantizer::Quantizer;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Annotations, ValueId};
use std::sync::Arc;

/// Every weight to the nearest mantissa of a power-of-two scale. By default one scale per tensor,
/// the largest that does not clip, or one of the next two if its squared error is smaller, and no
/// bias correction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nearest {
    /// What shares a scale.
    pub granularity: Granularity,
    /// What the scale is chosen for.
    pub range: RangeChoice,
    /// Samples over which biases take over the mean error of their neuron, layer by layer.
    pub correct_biases: Option<Arc<Calibration>>,
}

impl Nearest {
    pub(crate) fn weight(&self, model: &Model, notes: &mut Annotations, weight: ValueId, bits: u8) {
        let data = model.data(weight);
        let rows = model.network().value(weight).shape.0.first().copied();
        let of = |w: &[f32]| scale_format(w, bits, self.range);
        let format = per_granularity(data, rows.unwrap_or(1), self.granularity, of);
        model.set(notes, weight, format, None);
    }
}

impl Quantizer for Nearest {
    fn name(&self) -> String {
        let mut name = format!(
            "nearest, power-of-two scales per {} (weights: {})",
            self.granularity, self.range
        );
        if let Some(samples) = &self.correct_biases {
            name += &format!(", biases corrected over {samples}");
        }
        name
    }

    fn annotate(
        &self,
        model: &Model,
        a: &Assignment,
        version: u32,
    ) -> Result<Annotations, Diagnostics> {
        let mut notes = model.activations(a, version);
        for (weight, bits) in model.weight_bits(a) {
            self.weight(model, &mut notes, weight, bits);
        }
        if let Some(calibration) = &self.correct_biases {
            run(model, calibration, a, &mut notes, &mut |layer, x, notes| {
                correct_bias(model, a, layer, x, notes)
            })?;
        }
        model.complete(&mut notes, a);
        Ok(notes)
    }
}
