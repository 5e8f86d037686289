//! Enumeration in order of cost.

use crate::nets::{chain, region, small, space};
use ceg4n_quantize::Assignment;
use ceg4n_search::{AnnotationSpace, Exact};
use std::collections::BTreeSet;

fn all(space: &AnnotationSpace) -> Vec<Assignment> {
    let mut order = Exact::new(space);
    let out: Vec<Assignment> = std::iter::from_fn(|| order.next(space)).collect();
    assert_eq!(order.tried, out.len() as u64);
    assert_eq!(order.next(space), None, "stays at the end");
    out
}

/// Every assignment, made in another way.
fn product(layers: usize, (lo, hi): (u8, u8), activations: (u8, u8)) -> BTreeSet<Assignment> {
    let mut vectors = vec![Vec::new()];
    for _ in 0..layers {
        vectors = vectors
            .into_iter()
            .flat_map(|v: Vec<u8>| (lo..=hi).map(move |b| [&v[..], &[b]].concat()))
            .collect();
    }
    vectors
        .into_iter()
        .flat_map(|weights| {
            (activations.0..=activations.1).map(move |bits| Assignment {
                biases: weights.iter().map(|b| 8.max(*b)).collect(),
                activations: vec![bits; layers],
                weights: weights.clone(),
            })
        })
        .collect()
}

#[test]
fn every_assignment_once_and_cheapest_first() {
    for (layers, weights, activations) in [
        (1, (2, 16), (4, 6)),
        (2, (2, 9), (4, 4)),
        (3, (6, 11), (8, 9)),
        (4, (3, 5), (4, 5)),
        (3, (5, 5), (7, 7)),
    ] {
        let space = small(layers, weights, activations);
        let seen = all(&space);
        let set: BTreeSet<Assignment> = seen.iter().cloned().collect();
        assert_eq!(set.len(), seen.len(), "none twice");
        assert_eq!(set, product(layers, weights, activations), "all of them");
        for pair in seen.windows(2) {
            let key = |a: &Assignment| (space.cost(a), a.clone());
            assert!(key(&pair[0]) < key(&pair[1]), "{pair:?} are in order");
        }
        assert_eq!(all(&space), seen, "the same order again");
    }
}

#[test]
fn a_network_without_layers_has_activation_bits_only() {
    let space = space(chain(&[2], &[]), &region(2, "0", "1"), (2, 4), (4, 6));
    let bits: Vec<u8> = all(&space).iter().map(|a| a.activations[0]).collect();
    assert_eq!(bits, [4, 5, 6]);
}

#[test]
fn goes_on_from_its_serialised_state() {
    let space = small(3, (3, 6), (4, 6));
    let seen = all(&space);
    // In the middle of one vector's activations, at its end, and at the very end.
    for at in [0, 1, 2, 3, 50, seen.len() - 1, seen.len()] {
        let mut order = Exact::new(&space);
        for _ in 0..at {
            order.next(&space);
        }
        let text = serde_json::to_string(&order).expect("plain data");
        let mut back: Exact = serde_json::from_str(&text).expect("reads back");
        assert_eq!(back, order);
        let rest: Vec<Assignment> = std::iter::from_fn(|| back.next(&space)).collect();
        assert_eq!(rest, seen[at..]);
    }
}
