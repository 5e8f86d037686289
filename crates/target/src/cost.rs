//! What kernels cost on a machine: bytes of weights, and time.

use crate::{KernelChoice, Target};
use serde::{Deserialize, Serialize};

/// A processor and the loops that a kernel takes there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Machine {
    /// The processor.
    pub target: Target,
    /// What the loops are made for.
    pub kernel: KernelChoice,
}

/// One layer, as cost models see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Multiplications of one inference.
    pub products: u64,
    /// Elements that the layer computes.
    pub outputs: u64,
    /// Bits of a weight.
    pub weight_bits: u64,
    /// Bits of an operand.
    pub operand_bits: u64,
    /// Bits that a sum may need.
    pub sum_bits: u64,
}

impl Machine {
    /// Bytes in which `weights` mantissas of `bits` bits are stored.
    pub fn weight_bytes(self, weights: u64, bits: u64) -> u64 {
        match self.kernel {
            // Widths of types are stored as these.
            KernelChoice::Size if bits < 16 => (weights * bits).div_ceil(8),
            KernelChoice::Size
            | KernelChoice::Auto
            | KernelChoice::Speed
            | KernelChoice::Unrolled => match (self.target, bits) {
                // Four rows a halfword.
                (Target::CortexM4, ..=4) => weights.div_ceil(2),
                _ => weights * whole_bytes(bits),
            },
        }
    }

    /// Quarters of an instruction (Cortex-M, as an emulator counts them) or of a cycle (AVR and
    /// others) that a layer takes in one inference. Never falls when a width grows.
    ///
    /// The numbers are fitted to measured kernels; the book's page of kernels has both.
    pub fn quarters(self, work: &Work) -> u64 {
        let rates = Rates::of(self);
        let wide = |bits: u64| u64::from(bits > 8) + u64::from(bits > 16);
        let width = wide(work.weight_bits) + wide(work.operand_bits);
        let long = if work.sum_bits > 32 { rates.long } else { 0 };
        work.products * (rates.product + width * rates.wide + long)
            + work.outputs * rates.output
            + rates.layer
    }
}

/// Quarters of an instruction or cycle.
struct Rates {
    /// A product with its loads, both operands of at most 8 bits. Weights of 3, 5, 6 or 7 bits take
    /// up to twice that to unpack, which is left out: a cost must not fall when a width grows.
    product: u64,
    /// More for each operand wider than 8 bits, and again beyond 16.
    wide: u64,
    /// More where the sum needs 64 bits.
    long: u64,
    /// An output element.
    output: u64,
    /// A layer.
    layer: u64,
}

impl Rates {
    fn of(machine: Machine) -> Self {
        let is_small = matches!(machine.kernel, KernelChoice::Size);
        match (machine.target, is_small) {
            (Target::Generic, _) => Self {
                product: 16,
                wide: 2,
                long: 24,
                output: 48,
                layer: 40,
            },
            (Target::CortexM4, true) => Self {
                product: 20,
                wide: 2,
                long: 8,
                output: 36,
                layer: 40,
            },
            (Target::CortexM4, false) => Self {
                product: 4,
                wide: 4,
                long: 24,
                output: 24,
                layer: 240,
            },
            (Target::CortexM0, true) => Self {
                product: 28,
                wide: 8,
                long: 160,
                output: 160,
                layer: 60,
            },
            (Target::CortexM0, false) => Self {
                product: 13,
                wide: 15,
                long: 160,
                output: 48,
                layer: 320,
            },
            (Target::Avr, true) => Self {
                product: 232,
                wide: 60,
                long: 400,
                output: 320,
                layer: 400,
            },
            (Target::Avr, false) => Self {
                product: 40,
                wide: 200,
                long: 400,
                output: 240,
                layer: 400,
            },
        }
    }
}

/// Bytes of the smallest standard integer type of so many bits.
fn whole_bytes(bits: u64) -> u64 {
    match bits {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machines() -> impl Iterator<Item = Machine> {
        let all = |target| KernelChoice::ALL.map(|kernel| Machine { target, kernel });
        Target::ALL.into_iter().flat_map(all)
    }

    #[test]
    fn no_cost_falls_when_a_width_grows() {
        for m in machines() {
            let mut last = (0, [0; 3]);
            for bits in 1..=32 {
                let work = |weight_bits, operand_bits, sum_bits| Work {
                    products: 100,
                    outputs: 10,
                    weight_bits,
                    operand_bits,
                    sum_bits,
                };
                let costs = [work(bits, 8, 20), work(8, bits, 20), work(8, 8, bits + 8)];
                let now = (m.weight_bytes(100, bits), costs.map(|w| m.quarters(&w)));
                assert!(last.0 <= now.0, "{m:?} {bits}");
                for (a, b) in last.1.iter().zip(now.1) {
                    assert!(*a <= b, "{m:?} {bits}");
                }
                last = now;
            }
        }
    }

    #[test]
    fn packed_weights_take_their_bits() {
        let size = Machine {
            target: Target::CortexM4,
            kernel: KernelChoice::Size,
        };
        assert_eq!(size.weight_bytes(100, 3), 38);
        assert_eq!(size.weight_bytes(100, 8), 100);
        assert_eq!(Machine::default().weight_bytes(100, 3), 100);
    }
}
