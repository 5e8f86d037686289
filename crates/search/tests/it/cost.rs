//! Cost models on a network that can be counted by hand.

use crate::nets::{chain, region, space};
use ceg4n_quantize::Assignment;
use ceg4n_search::{AnnotationSpace, Cost};

/// 3 inputs, 4 units with biases, 2 outputs without.
fn counted() -> AnnotationSpace {
    let layers = [(vec![0.5; 12], Some(vec![0.25; 4])), (vec![0.5; 8], None)];
    let network = chain(&[3, 4, 2], &layers);
    space(network, &region(3, "0", "1"), (2, 16), (4, 24))
}

fn assignment(weights: [u8; 2], biases: [u8; 2], activations: [u8; 2]) -> Assignment {
    Assignment {
        weights: weights.to_vec(),
        biases: biases.to_vec(),
        activations: activations.to_vec(),
    }
}

#[test]
fn costs_are_those_counted_by_hand() {
    let space = counted();
    let of = |cost: Cost, a: &Assignment| cost.of(space.model(), a);
    let a = assignment([3, 9], [8, 5], [8, 12]);
    assert_eq!(of(Cost::WeightBits, &a), 12 * 3 + 4 * 8 + 8 * 9);
    assert_eq!(of(Cost::Flash, &a), 12 + 4 * 4 + 8 * 2);
    assert_eq!(of(Cost::Bitops, &a), 12 * 3 * 8 + 8 * 9 * 12);
    // In quarters of a cycle: 4 cycles a product, half a cycle more for each wide operand.
    let cycles = 12 * 16 + 4 * 48 + 8 * (16 + 2 + 2) + 2 * 48;
    assert_eq!(of(Cost::Cycles, &a), cycles);
    // A sum beyond 32 bits, and operands beyond 16.
    let wide = assignment([3, 16], [8, 5], [8, 24]);
    let cycles = 12 * 16 + 4 * 48 + 8 * (16 + 2 + 4 + 24) + 2 * 48;
    assert_eq!(of(Cost::Cycles, &wide), cycles);
}

#[test]
fn no_cost_falls_when_a_width_grows() {
    let space = counted();
    let start = assignment([2, 2], [2, 2], [4, 4]);
    for cost in Cost::ALL {
        for i in 0..6 {
            let mut a = start.clone();
            for bits in 4..=16 {
                let before = cost.of(space.model(), &a);
                match i {
                    0 | 1 => a.weights[i] = bits,
                    2 | 3 => a.biases[i - 2] = bits,
                    _ => a.activations[i - 4] = bits,
                }
                let after = cost.of(space.model(), &a);
                assert!(before <= after, "{} of {a}", cost.name());
            }
        }
    }
}

#[test]
fn names_are_read_back() {
    for cost in Cost::ALL {
        assert_eq!(Cost::from_name(cost.name()), Some(cost));
    }
    assert_eq!(Cost::from_name("bits"), None);
}
