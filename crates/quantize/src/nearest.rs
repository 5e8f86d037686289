//! Round to nearest.

use crate::assignment::Assignment;
use crate::formats::weight_format;
use crate::model::Model;
use crate::quantizer::Quantizer;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Annotations, TensorFormat};

/// Every weight to the nearest mantissa of a power-of-two scale per tensor: the largest that does
/// not clip, or one of the next two if its squared error is smaller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nearest;

impl Quantizer for Nearest {
    fn name(&self) -> String {
        "nearest, power-of-two scales per tensor (weights: least squared error of three)".to_owned()
    }

    fn annotate(
        &self,
        model: &Model,
        a: &Assignment,
        version: u32,
    ) -> Result<Annotations, Diagnostics> {
        let mut notes = model.activations(a, version);
        for (weight, bits) in model.weight_bits(a) {
            let format: TensorFormat = weight_format(model.data(weight), bits).into();
            model.set(&mut notes, weight, format, None);
        }
        model.complete(&mut notes, a);
        Ok(notes)
    }
}
