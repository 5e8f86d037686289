//! Cost models: what a search makes small.

use ceg4n_quantize::{Assignment, Layer, Model};
use serde::{Deserialize, Serialize};

/// A cost model. Costs are functions of the assignment alone and never fall when a width grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// Stored bits of weights, biases and other constants.
    #[default]
    WeightBits,
    /// Bytes of constant arrays: a weight takes the smallest of 1, 2 and 4 bytes that holds it, a
    /// bias, which is stored at the scale of its sum, 4.
    Flash,
    /// Bit operations of one inference: multiplications by weight bits by activation bits.
    Bitops,
    /// A rough count of processor cycles of one inference on a 32-bit microcontroller without
    /// vector instructions, in quarters of a cycle; see [`Cost::of`].
    Cycles,
}

impl Cost {
    /// Every model.
    pub const ALL: [Self; 4] = [Self::WeightBits, Self::Flash, Self::Bitops, Self::Cycles];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::WeightBits => "weight-bits",
            Self::Flash => "flash",
            Self::Bitops => "bitops",
            Self::Cycles => "cycles",
        }
    }

    /// The model of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The cost of an assignment.
    ///
    /// Cycles: a multiplication takes 4 cycles with its loads, half a cycle more for each operand
    /// wider than 8 bits, one for each wider than 16; 6 more where the sum needs 64 bits. An output
    /// element takes 12.
    ///
    /// Layers that share a weight have it in the widest format that any of them asks for.
    pub fn of(self, model: &Model, a: &Assignment) -> u64 {
        let widest = model.weight_bits(a);
        let layers = model.layers().iter().enumerate();
        let of_layer = |(i, l): (usize, &Layer)| {
            let w = widest.get(&l.weight).copied().map_or(0, u64::from);
            self.of_layer(model, l, (i, w), a)
        };
        let sum: u64 = layers.map(of_layer).sum();
        let others = model.summand_bits();
        match self {
            Self::WeightBits => sum + others,
            Self::Flash => sum + others / 8,
            Self::Bitops | Self::Cycles => sum,
        }
    }

    /// The part of layer `i`, whose weights have `w` bits.
    fn of_layer(self, model: &Model, l: &Layer, (i, w): (usize, u64), a: &Assignment) -> u64 {
        let b = bits(&a.biases, i);
        let x = model.tensors().iter().position(|t| *t == l.operand);
        let x = x.map_or(0, |t| bits(&a.activations, t));
        let (weights, biases, macs) = (l.weights as u64, l.biases as u64, l.macs as u64);
        let outputs = model.network().value(l.value).shape.len() as u64;
        match self {
            Self::WeightBits => weights * w + biases * b,
            Self::Flash => weights * bytes(w) + biases * 4,
            Self::Bitops => macs * w * x,
            Self::Cycles => {
                let wide = |bits: u64| match bytes(bits) {
                    1 => 0,
                    2 => 2,
                    _ => 4,
                };
                let terms = u64::from(usize::BITS - l.cols.leading_zeros());
                let long = if w + x + terms > 32 { 24 } else { 0 };
                macs * (16 + wide(w) + wide(x) + long) + outputs * 48
            }
        }
    }
}

fn bits(widths: &[u8], i: usize) -> u64 {
    widths.get(i).copied().map_or(0, u64::from)
}

/// Bytes of the smallest standard integer type of so many bits.
fn bytes(bits: u64) -> u64 {
    match bits {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}
