//! Cost models: what a search makes small.

use ceg4n_quantize::{Assignment, Layer, Model};
use ceg4n_target::{Machine, Work};
use serde::{Deserialize, Serialize};

/// A cost model. Costs are functions of the assignment alone and never fall when a width grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// Stored bits of weights, biases and other constants.
    #[default]
    WeightBits,
    /// Bytes of constant arrays: weights as the machine's loops store them, and 4 a bias, which is
    /// stored at the scale of its sum.
    Flash,
    /// Bit operations of one inference: multiplications by weight bits by activation bits.
    Bitops,
    /// Quarters of a machine's instructions or cycles of one inference; see
    /// [`Machine::quarters`].
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

    /// The cost of an assignment on a machine.
    ///
    /// Layers that share a weight have it in the widest format that any of them asks for.
    pub fn of(self, model: &Model, a: &Assignment, machine: Machine) -> u64 {
        let widest = model.weight_bits(a);
        let layers = model.layers().iter().enumerate();
        let of_layer = |(i, l): (usize, &Layer)| {
            let w = widest.get(&l.weight).copied().map_or(0, u64::from);
            self.of_layer(model, l, (i, w), (a, machine))
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
    fn of_layer(
        self,
        model: &Model,
        l: &Layer,
        (i, w): (usize, u64),
        (a, machine): (&Assignment, Machine),
    ) -> u64 {
        let b = bits(&a.biases, i);
        let x = model.tensors().iter().position(|t| *t == l.operand);
        let x = x.map_or(0, |t| bits(&a.activations, t));
        let (weights, biases, macs) = (l.weights as u64, l.biases as u64, l.macs as u64);
        let outputs = model.network().value(l.value).shape.len() as u64;
        match self {
            Self::WeightBits => weights * w + biases * b,
            Self::Flash => machine.weight_bytes(weights, w) + biases * 4,
            Self::Bitops => macs * w * x,
            Self::Cycles => {
                let terms = u64::from(usize::BITS - l.cols.leading_zeros());
                machine.quarters(&Work {
                    products: macs,
                    outputs,
                    weight_bits: w,
                    operand_bits: x,
                    sum_bits: w + x + terms,
                })
            }
        }
    }
}

fn bits(widths: &[u8], i: usize) -> u64 {
    widths.get(i).copied().map_or(0, u64::from)
}
