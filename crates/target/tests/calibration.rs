//! The rates of the cost model, held to counts of emitted kernels on emulated boards: instructions
//! on Cortex-M (QEMU), cycles on AVR (simavr), at -O2, weights and operands of 8 bits.

use ceg4n_target::{KernelChoice, Machine, Target, Work};

/// Columns and rows of the layers of a network.
const SMALL: &[(u64, u64)] = &[(64, 25), (25, 10)];
const WIDE: &[(u64, u64)] = &[(784, 10), (10, 10)];
const DEEP: &[(u64, u64)] = &[
    (5, 50),
    (50, 50),
    (50, 50),
    (50, 50),
    (50, 50),
    (50, 50),
    (50, 5),
];

/// What one inference took.
const MEASURED: &[(Target, KernelChoice, [u64; 3])] = &[
    (
        Target::CortexM4,
        KernelChoice::Speed,
        [2_180, 8_269, 16_065],
    ),
    (
        Target::CortexM4,
        KernelChoice::Size,
        [9_557, 39_872, 68_012],
    ),
    (
        Target::CortexM0,
        KernelChoice::Speed,
        [6_406, 31_338, 40_387],
    ),
    (
        Target::CortexM0,
        KernelChoice::Size,
        [16_780, 55_969, 104_360],
    ),
    (Target::Avr, KernelChoice::Speed, [20_531, 80_598, 149_891]),
];

#[test]
fn costs_are_near_what_was_measured() {
    for (target, kernel, counts) in MEASURED {
        let machine = Machine {
            target: *target,
            kernel: *kernel,
        };
        for (layers, count) in [SMALL, WIDE, DEEP].into_iter().zip(counts) {
            let quarters = layers.iter().map(|(cols, rows)| {
                machine.quarters(&Work {
                    products: cols * rows,
                    outputs: *rows,
                    weight_bits: 8,
                    operand_bits: 8,
                    sum_bits: 24,
                })
            });
            let cost = quarters.sum::<u64>() / 4;
            let near = cost.abs_diff(*count) * 5 <= *count;
            assert!(near, "{machine:?}, {layers:?}: {cost} for {count}");
        }
    }
}
