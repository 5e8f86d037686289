//! The loop against made-up evaluation and verification.

mod strategies;
mod world;

use super::*;
use crate::strategy::{Enumerate, Genetic, List};
use ceg4n_search::{AnnotationSpace, Settings, Variation};
use std::collections::BTreeSet;
use world::{Truth, World, bits, ends, genes, judged_by, space};

fn step(state: State, space: &AnnotationSpace, world: &mut World) -> State {
    let before = state.clone();
    let next = world.step(state, space);
    grows(space, &before, &next);
    next
}

/// What every step owes.
fn grows(space: &AnnotationSpace, before: &State, next: &State) {
    let (old, new) = (&before.counterexamples, &next.counterexamples);
    assert_eq!(old[..], new[..old.len()], "points only grow");
    assert_eq!(before.versions[..], next.versions[..before.versions.len()]);
    assert!(next.candidates >= before.candidates);
    for (i, v) in next.versions.iter().enumerate() {
        assert_eq!(v.version as usize, i + 1, "versions count from 1");
        if let Ended::Refuted(at) = &v.ended {
            assert_eq!(
                new[*at].ended,
                Some(v.version),
                "the point names its version"
            );
            assert!(ends(&new[*at], space, &v.annotations), "and ends it");
        }
    }
    let points = new.iter().filter(|c| c.ended.is_some()).count();
    let ended = |v: &&Version| matches!(v.ended, Ended::Refuted(_));
    assert_eq!(points, next.versions.iter().filter(ended).count());
}

fn run(mut state: State, space: &AnnotationSpace, world: &mut World) -> State {
    while state.status == Status::Running {
        state = step(state, space, world);
        assert!(world.verified.len() < 200, "more than there are candidates");
    }
    state
}

fn exact(space: &AnnotationSpace) -> State {
    State::new(Strategy::Enumerate(Enumerate::new(space)), Vec::new())
}

fn genetic() -> State {
    let settings = Settings {
        population: 12,
        evaluations: 300,
        seed: 5,
        variation: Variation::Steps,
    };
    State::new(Strategy::Genetic(Genetic { settings }), Vec::new())
}

fn list(items: &[Assignment]) -> State {
    State::new(Strategy::List(List::new(items.to_vec())), Vec::new())
}

/// Needs 4 bits, 3 bits and 5 bits; one hole, one open candidate that is cheap enough to be met.
fn truth(a: &Assignment) -> Truth {
    let least = [4, 3, 5];
    let genes = genes(a);
    match (0..3).find(|i| genes[*i] < least[*i]) {
        Some(i) => Truth::Broken(i),
        None if genes == [4, 3, 5] => Truth::Open,
        None if genes == [4, 3, 6] => Truth::Hole,
        None => Truth::Holds,
    }
}

fn cheapest(space: &AnnotationSpace, truth: fn(&Assignment) -> Truth) -> Option<Assignment> {
    let mut order = ceg4n_search::Exact::new(space);
    std::iter::from_fn(|| order.next(space)).find(|a| truth(a) == Truth::Holds)
}

fn once(world: &World) {
    let set: BTreeSet<_> = world.verified.iter().map(|(a, _)| a).collect();
    assert_eq!(set.len(), world.verified.len(), "{:?}", world.verified);
}

#[test]
fn exact_proves_the_cheapest_feasible_candidate() {
    let (space, mut world) = (space(), World::new(truth));
    let state = run(exact(&space), &space, &mut world);
    assert_eq!(state.status, Status::Proved);
    let best = state.proved().expect("proved");
    assert_eq!(Some(&best.assignment), cheapest(&space, truth).as_ref());
    assert_eq!(best.cost, space.cost(&best.assignment));
    assert_eq!(best.version as usize, state.versions.len(), "the last one");
    assert_eq!(best.results.len(), 2);
    once(&world);
    // Every cheaper candidate breaks a stored point or was set aside.
    let mut order = ceg4n_search::Exact::new(&space);
    let mut cheaper = 0;
    while let Some(a) = order.next(&space).filter(|a| space.cost(a) < best.cost) {
        let aside = state.set_aside().any(|v| v.assignment == a);
        let notes = space.program(&a, 1).expect("a program");
        let notes = notes.program().annotations.clone();
        let points = &state.counterexamples;
        let ended = points.iter().any(|p| ends(p, &space, &notes));
        assert!(aside != ended, "{a:?}");
        cheaper += 1;
    }
    assert!(cheaper > 20, "{cheaper}");
    assert_eq!(state.candidates as usize, world.evaluated.len());
}

#[test]
fn what_stays_open_is_named_and_not_asked_again() {
    let space = space();
    for start in [exact(&space), genetic()] {
        let mut world = World::new(truth);
        let state = run(start, &space, &mut world);
        assert_eq!(state.status, Status::Proved);
        let aside: Vec<&Version> = state.set_aside().collect();
        assert_eq!(aside.len(), 1);
        assert_eq!(aside[0].assignment, bits([4, 3], 5));
        let told = Ended::Unknown("second: too hard".to_owned());
        assert_eq!(aside[0].ended, told);
        once(&world);
    }
}

#[test]
fn a_strategy_that_follows_a_list_asks_nothing_again() {
    let (space, mut world) = (space(), World::new(truth));
    // Open, refuted by a hole, refuted.
    let first = [bits([4, 3], 5), bits([4, 3], 6), bits([6, 2], 6)];
    let mut state = run(list(&first), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert_eq!(state.versions.len(), 3);
    for strategy in [
        exact(&space).strategy,
        genetic().strategy,
        list(&first).strategy,
    ] {
        state = run(state.follow(strategy), &space, &mut world);
        if state.status == Status::Proved {
            assert_eq!(world.verified.pop().map(|v| v.0), cheapest(&space, truth));
        }
        once(&world);
    }
}

#[test]
fn points_reach_the_next_candidate_at_once() {
    let (space, mut world) = (space(), World::new(truth));
    let start = Counterexample {
        question: 0,
        x: vec![Exact::zero(), Exact::from(3)],
        ended: None,
    };
    let mut state = exact(&space);
    state.counterexamples.push(start.clone());
    let state = run(state, &space, &mut world);
    assert_eq!(state.counterexamples[0], start);
    assert!(
        world.verified.iter().all(|(a, _)| a.weights[0] > 3),
        "what breaks a start point is never verified"
    );
    for pair in world.verified.windows(2) {
        assert_eq!(pair[0].1 + 1, pair[1].1);
    }
    let seen: Vec<usize> = world.evaluated.iter().map(|(_, n)| *n).collect();
    assert!(seen.is_sorted(), "each evaluation sees all points so far");
    assert_eq!(seen.last(), Some(&state.counterexamples.len()));
}

#[test]
fn the_refuted_question_is_stored_with_its_point() {
    let (space, mut world) = (space(), World::new(|_| Truth::Hole));
    let state = step(exact(&space), &space, &mut world);
    let expected = Counterexample {
        question: 1,
        x: vec![Exact::from(2), Exact::from(2), Exact::from(4)],
        ended: Some(1),
    };
    assert_eq!(state.counterexamples, [expected]);
    assert_eq!(state.versions[0].ended, Ended::Refuted(0));
    assert_eq!(state.status, Status::Running);
}

#[test]
fn exhausted_when_nothing_is_left() {
    let space = space();
    let all = 5 * 5 * 3;
    // Each candidate has its own counterexample, so each is verified.
    let mut world = World::new(|_| Truth::Hole);
    let state = run(exact(&space), &space, &mut world);
    assert_eq!(
        (state.status, state.versions.len()),
        (Status::Exhausted, all)
    );
    assert_eq!(state.counterexamples.len(), all);
    // Or each stays open.
    let mut world = World::new(|_| Truth::Open);
    let state = run(exact(&space), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert_eq!(state.set_aside().count(), all);
    assert!(state.proved().is_none());
    // One general counterexample ends everything.
    let mut world = World::new(|a| match a.activations[0] {
        6 => Truth::Holds,
        _ => Truth::Broken(2),
    });
    let mut blocked = exact(&space);
    blocked.counterexamples.push(Counterexample {
        question: 0,
        x: vec![Exact::from(2), Exact::from(6)],
        ended: None,
    });
    let state = run(blocked, &space, &mut world);
    assert_eq!(
        (state.status, state.candidates as usize),
        (Status::Exhausted, all)
    );
    assert!(world.verified.is_empty());
}

#[test]
fn stopped_before_and_between_candidates() {
    let space = space();
    for (start, patience) in [
        (exact(&space), 0),
        (genetic(), 0),
        (exact(&space), 2),
        (genetic(), 2),
    ] {
        let mut world = World::new(truth);
        world.patience = patience;
        let state = run(start, &space, &mut world);
        assert_eq!(state.status, Status::Stopped);
        assert_eq!(state.versions.len(), patience);
        assert!(state.proved().is_none());
    }
}

#[test]
fn a_proof_counts_even_when_time_is_up() {
    let (space, mut world) = (space(), World::new(|_| Truth::Holds));
    world.patience = 1;
    let state = run(exact(&space), &space, &mut world);
    assert_eq!(state.status, Status::Proved);
}

#[test]
fn a_lone_candidate_of_a_list_is_always_verified() {
    let space = space();
    let blocked = Counterexample {
        question: 0,
        x: vec![Exact::zero(), Exact::from(6)],
        ended: None,
    };
    let mut world = World::new(truth);
    let mut lone = list(&[bits([2, 2], 4)]);
    lone.counterexamples.push(blocked.clone());
    let state = run(lone, &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert_eq!(state.versions[0].ended, Ended::Refuted(1));
    // Of several, those that break a point are passed over.
    let mut world = World::new(truth);
    let mut two = list(&[bits([2, 2], 4), bits([6, 6], 6)]);
    two.counterexamples.push(blocked);
    let state = run(two, &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert!(state.versions.is_empty());
    assert_eq!(state.candidates, 2);
}

#[test]
fn a_list_is_tried_in_order_up_to_the_first_proof() {
    let (space, mut world) = (space(), World::new(truth));
    let items: Vec<Assignment> = (2..=6).map(|k| bits([k, k], 6)).collect();
    let state = run(list(&items), &space, &mut world);
    assert_eq!(state.status, Status::Proved);
    let verified: Vec<Assignment> = world.verified.into_iter().map(|v| v.0).collect();
    assert_eq!(verified, items[..3], "2, 3, then 4 bits");
    assert_eq!(state.proved().map(|v| &v.assignment), Some(&items[2]));
}

#[test]
fn the_last_proved_version_is_the_result() {
    let (space, mut world) = (space(), World::new(truth));
    let mut state = run(list(&[bits([6, 6], 6)]), &space, &mut world);
    assert_eq!(state.proved().map(|v| v.version), Some(1));
    state = state.follow(exact(&space).strategy);
    let state = run(state, &space, &mut world);
    let best = state.proved().expect("proved");
    assert_eq!(best.version as usize, state.versions.len());
    assert_eq!(Some(&best.assignment), cheapest(&space, truth).as_ref());
}

#[test]
fn the_genetic_search_ends_with_a_proof_or_nothing() {
    let (space, mut world) = (space(), World::new(truth));
    let state = run(genetic(), &space, &mut world);
    let best = &state.proved().expect("proved").assignment;
    assert!(truth(best) == Truth::Holds, "{best:?}");
    let mut again = World::new(truth);
    assert_eq!(run(genetic(), &space, &mut again), state, "deterministic");
    let mut world = World::new(|_| Truth::Broken(0));
    let state = run(genetic(), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert_eq!(state.versions.len(), 5, "one per width of the first layer");
}

#[test]
fn goes_on_alike_from_its_serialised_state() {
    let space = space();
    let items: Vec<Assignment> = (2..=6).map(|k| bits([k, k], k)).collect();
    for start in [exact(&space), genetic(), list(&items)] {
        let mut world = World::new(truth);
        let straight = run(start.clone(), &space, &mut world);
        let mut other = World::new(truth);
        let mut state = start;
        while state.status == Status::Running {
            let text = serde_json::to_string(&state).expect("plain data");
            let back: State = serde_json::from_str(&text).expect("reads back");
            assert_eq!(back, state);
            state = step(back, &space, &mut other);
        }
        assert_eq!(state, straight);
        assert_eq!(other.verified, world.verified);
        assert_eq!(other.evaluated, world.evaluated);
        assert!(straight.versions.len() > 2, "a run of several steps");
    }
}

#[test]
fn without_answers_nothing_is_proved() {
    struct Mute;
    impl Verify for Mute {
        fn verify(&mut self, _: &Candidate, _: u32) -> Result<Vec<(usize, RegionResult)>, String> {
            Ok(Vec::new())
        }

        fn stopped(&self) -> bool {
            false
        }
    }
    let space = space();
    let state = judged_by(&mut Mute, list(&[bits([6, 6], 6)]), &space).expect("a step");
    assert_eq!(state.status, Status::Running);
    assert!(state.proved().is_none());
}

#[test]
fn a_verifier_that_cannot_work_ends_the_step() {
    struct Broken;
    impl Verify for Broken {
        fn verify(&mut self, _: &Candidate, _: u32) -> Result<Vec<(usize, RegionResult)>, String> {
            Err("no solver".to_owned())
        }

        fn stopped(&self) -> bool {
            false
        }
    }
    let space = space();
    let ended = judged_by(&mut Broken, exact(&space), &space);
    assert_eq!(ended, Err("no solver".to_owned()));
}
