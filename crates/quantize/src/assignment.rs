//! How many bits everything has that a kernel stores.

use serde::{Deserialize, Serialize};

/// Bits of every layer's weights and biases, and of every stored activation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Assignment {
    /// Per dense layer, in order.
    pub weights: Vec<u8>,
    /// Per dense layer, in order; that of a layer without a bias counts for nothing.
    pub biases: Vec<u8>,
    /// Per stored activation ([`crate::Model::tensors`]), in order; the first is the input's.
    pub activations: Vec<u8>,
}

impl std::fmt::Display for Assignment {
    /// `weights 2,4 biases 8,8 activations 12`: equal widths of all activations are told once.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |v: &[u8]| {
            let texts: Vec<String> = v.iter().map(ToString::to_string).collect();
            texts.join(",")
        };
        let activations = match &self.activations[..] {
            [first, rest @ ..] if rest.iter().all(|b| b == first) => first.to_string(),
            all => list(all),
        };
        write!(
            f,
            "weights {}, biases {}, activations {activations} bits",
            list(&self.weights),
            list(&self.biases)
        )
    }
}

/// How bias bits follow from weight bits, where a search does not choose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BiasRule {
    /// As many as the weights, and at least so many: biases are few and enter every sum.
    AtLeast(u8),
    /// As many as the weights: what CEG4N does.
    AsWeights,
}

impl BiasRule {
    /// Bits of the bias of a layer with weights of `weights` bits.
    pub fn bits(self, weights: u8) -> u8 {
        match self {
            Self::AtLeast(least) => weights.max(least),
            Self::AsWeights => weights,
        }
    }
}

impl Default for BiasRule {
    fn default() -> Self {
        Self::AtLeast(8)
    }
}
