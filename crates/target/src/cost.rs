//! What forms cost: bytes of weights, and cycles.

use crate::{KernelChoice, Target};

/// Bytes in which `weights` mantissas of `bits` bits are stored.
pub fn storage_bytes(choice: KernelChoice, weights: u64, bits: u64) -> u64 {
    let whole = match bits {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    };
    match choice {
        KernelChoice::Size if bits <= 16 => (weights * bits).div_ceil(8),
        KernelChoice::Size | KernelChoice::Auto | KernelChoice::Speed | KernelChoice::Unrolled => {
            weights * whole
        }
    }
}

/// A target's costs, in quarters of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycles {
    /// A multiplication with its loads, both operands of 8 bits.
    pub product: u64,
    /// More for an operand wider than 8 bits; twice that beyond 16.
    pub wide: u64,
    /// More where the sum needs 64 bits.
    pub long: u64,
    /// An output element.
    pub output: u64,
}

impl Cycles {
    /// Those of a target.
    pub fn of(target: Target) -> Self {
        match target {
            Target::Generic | Target::CortexM0 | Target::CortexM4 | Target::Avr => Self {
                product: 16,
                wide: 2,
                long: 24,
                output: 48,
            },
        }
    }
}
