//! Cost models on a network that can be counted by hand.

use crate::nets::{chain, constant, region, space};
use ceg4n_ir::{NetworkBuilder, Op, Shape};
use ceg4n_quantize::Assignment;
use ceg4n_search::{AnnotationSpace, Cost};
use ceg4n_target::{KernelChoice, Machine, Target, Work};

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
    let of = |cost: Cost, a: &Assignment| cost.of(space.model(), a, Machine::default());
    let a = assignment([3, 9], [8, 5], [8, 12]);
    assert_eq!(of(Cost::WeightBits, &a), 12 * 3 + 4 * 8 + 8 * 9);
    assert_eq!(of(Cost::Flash, &a), 12 + 4 * 4 + 8 * 2);
    assert_eq!(of(Cost::Bitops, &a), 12 * 3 * 8 + 8 * 9 * 12);
    let work = |w, x, terms| Work {
        products: 12,
        outputs: 4,
        weight_bits: w,
        operand_bits: x,
        sum_bits: w + x + terms,
    };
    let second = Work {
        products: 8,
        outputs: 2,
        ..work(9, 12, 3)
    };
    for target in Target::ALL {
        let machine = Machine {
            target,
            kernel: KernelChoice::Size,
        };
        let quarters = machine.quarters(&work(3, 8, 2)) + machine.quarters(&second);
        assert_eq!(Cost::Cycles.of(space.model(), &a, machine), quarters);
        // 36 bits are 5 bytes, 72 are 9.
        assert_eq!(Cost::Flash.of(space.model(), &a, machine), 5 + 4 * 4 + 9);
    }
}

#[test]
fn no_cost_falls_when_a_width_grows() {
    let space = counted();
    let start = assignment([2, 2], [2, 2], [4, 4]);
    for cost in Cost::ALL {
        for i in 0..6 {
            let mut a = start.clone();
            for bits in 4..=16 {
                let before = cost.of(space.model(), &a, Machine::default());
                match i {
                    0 | 1 => a.weights[i] = bits,
                    2 | 3 => a.biases[i - 2] = bits,
                    _ => a.activations[i - 4] = bits,
                }
                let after = cost.of(space.model(), &a, Machine::default());
                assert!(before <= after, "{} of {a}", cost.name());
            }
        }
    }
}

/// A narrow width beside a wide one saves nothing where both are of one constant: the program is
/// the same, and so is its cost.
#[test]
fn a_shared_weight_costs_its_widest_format() {
    let mut b = NetworkBuilder::new("shared");
    let x = b.push("x", Op::Input, Some(Shape::vector(2)), None);
    let weight = constant(&mut b, "w", Shape(vec![2, 2]), &[0.5, -0.25, 0.75, 0.125]);
    let dense = |x| Op::Dense {
        x,
        weight,
        bias: None,
    };
    let h = b.push("h", dense(x), None, None);
    let r = b.push("r", Op::Relu { x: h }, None, None);
    let y = b.push("y", dense(r), None, None);
    let network = b.finish(y).expect("a network");
    let space = space(network, &region(2, "0", "1"), (2, 16), (4, 24));
    let same = [[2, 8], [8, 2], [8, 8]].map(|w| assignment(w, [2, 2], [8, 8]));
    let hash = |a: &Assignment| space.program(a, 0).expect("a program").hash();
    for a in &same[..2] {
        assert_eq!(hash(a), hash(&same[2]), "{a}");
        for cost in Cost::ALL {
            let of = |a: &Assignment| cost.of(space.model(), a, Machine::default());
            assert_eq!(of(a), of(&same[2]), "{} of {a}", cost.name());
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
