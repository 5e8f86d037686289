//! Cost models: what a search makes small.

use ceg4n_quantize::{Assignment, Model};
use serde::{Deserialize, Serialize};

/// A cost model. Costs are functions of the assignment alone and never fall when a width grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// Stored bits of weights, biases and other constants.
    #[default]
    WeightBits,
}

impl Cost {
    /// The cost of an assignment.
    pub fn of(self, model: &Model, a: &Assignment) -> u64 {
        match self {
            Self::WeightBits => weight_bits(model, a),
        }
    }
}

fn weight_bits(model: &Model, a: &Assignment) -> u64 {
    let widths = a.weights.iter().zip(&a.biases);
    let layers = model.layers().iter().zip(widths);
    let bits = layers.map(|(l, (w, b))| {
        l.weights as u64 * u64::from(*w) + l.biases as u64 * u64::from(*b)
    });
    bits.sum::<u64>() + model.summand_bits()
}
