//! NSGA-II on made-up feasibility.

use crate::nets::small;
use ceg4n_quantize::Assignment;
use ceg4n_search::{AnnotationSpace, Exact, Settings, Variation, nsga2};
use std::collections::BTreeSet;

const SETTINGS: Settings = Settings {
    population: 16,
    evaluations: 600,
    seed: 3,
    variation: Variation::Steps,
};

/// Enough bits where they matter, and one hole: feasibility is not monotone.
fn feasible(a: &Assignment) -> bool {
    a.weights[0] >= 5 && a.weights[1] >= 3 && a.activations[0] >= 6 && a.weights[0] != 7
}

fn cheapest(space: &AnnotationSpace, ok: impl Fn(&Assignment) -> bool) -> Option<Assignment> {
    let mut order = Exact::new(space);
    std::iter::from_fn(|| order.next(space)).find(ok)
}

/// What was found, and every assignment asked about.
fn run(
    space: &AnnotationSpace,
    settings: Settings,
    ok: fn(&Assignment) -> bool,
) -> (Option<Assignment>, Vec<Assignment>) {
    let mut asked = Vec::new();
    let found = nsga2(space, settings, &mut |a| {
        asked.push(a.clone());
        ok(a)
    });
    (found, asked)
}

#[test]
fn finds_the_optimum_of_a_small_space() {
    let space = small(3, (2, 9), (4, 9));
    let best = cheapest(&space, feasible);
    assert_eq!(best.as_ref().map(|a| a.activations[0]), Some(6));
    for seed in 0..8 {
        let (found, _) = run(&space, Settings { seed, ..SETTINGS }, feasible);
        assert_eq!(found, best, "seed {seed}");
    }
}

#[test]
fn one_seed_one_run() {
    let space = small(3, (2, 9), (4, 9));
    let one = run(&space, SETTINGS, feasible);
    assert_eq!(run(&space, SETTINGS, feasible), one);
    let other = Settings {
        seed: SETTINGS.seed + 1,
        ..SETTINGS
    };
    assert_ne!(run(&space, other, feasible).1, one.1, "the seed counts");
}

#[test]
fn stays_within_its_budget_and_asks_once() {
    let space = small(3, (2, 16), (4, 16));
    for evaluations in [0, 1, 7, 16, 17, 100] {
        let settings = Settings {
            evaluations,
            ..SETTINGS
        };
        let (found, asked) = run(&space, settings, |_| true);
        assert!(
            asked.len() <= evaluations,
            "{} of {evaluations}",
            asked.len()
        );
        assert_eq!(found.is_some(), evaluations > 0);
        let different: BTreeSet<&Assignment> = asked.iter().collect();
        assert_eq!(different.len(), asked.len(), "no question twice");
    }
}

#[test]
fn everything_asked_lies_in_the_space() {
    let space = small(2, (3, 5), (6, 7));
    let (_, asked) = run(&space, SETTINGS, |a| a.weights[0] > 3);
    for a in &asked {
        assert_eq!(a.weights.len(), 2);
        assert!(a.weights.iter().all(|b| (3..=5).contains(b)), "{a:?}");
        assert!((6..=7).contains(&a.activations[0]), "{a:?}");
    }
    // Nine weight vectors under two activation widths: a run of 600 sees them all.
    assert_eq!(asked.len(), 18);
}

#[test]
fn nothing_feasible_nothing_found() {
    let space = small(2, (2, 8), (4, 8));
    assert_eq!(run(&space, SETTINGS, |_| false).0, None);
}

#[test]
fn what_is_found_is_the_cheapest_feasible_one_asked_about() {
    let space = small(4, (2, 12), (4, 12));
    let ok: fn(&Assignment) -> bool = |a| a.weights.iter().sum::<u8>() % 5 == 0;
    let (found, asked) = run(&space, SETTINGS, ok);
    let best = asked
        .into_iter()
        .filter(ok)
        .min_by_key(|a| (space.cost(a), a.activations[0], a.clone()));
    assert!(best.is_some());
    assert_eq!(found, best);
}

#[test]
fn gray_flips_with_one_individual_reach_every_corner_and_stay_inside() {
    let space = small(2, (2, 8), (4, 8));
    let settings = Settings {
        population: 1,
        evaluations: 1000,
        seed: 1,
        variation: Variation::GrayFlips,
    };
    let (found, asked) = run(&space, settings, feasible_all);
    assert_eq!(found, Exact::new(&space).next(&space), "the least of all");
    for a in &asked {
        assert!(a.weights.iter().all(|b| (2..=8).contains(b)), "{a:?}");
        assert!((4..=8).contains(&a.activations[0]), "{a:?}");
    }
    assert_eq!(run(&space, settings, feasible_all).1, asked, "one seed");
    // What is dearer than the individual that is kept is asked about all the same.
    let widths: BTreeSet<u8> = asked.iter().map(|a| a.weights[0]).collect();
    assert!(widths.len() > 3, "{widths:?}");
}

fn feasible_all(_: &Assignment) -> bool {
    true
}
