//! The strategies that do not end with a proof, and the limits of the enumeration.

use super::world::Run;
use super::*;
use crate::strategy::guided::{OPEN, ROUNDS, VAIN};
use crate::strategy::{Greedy, Guided, Narrow};

/// A list that ends with its first proof, then a strategy.
fn after(
    items: &[Assignment],
    strategy: Strategy,
    space: &AnnotationSpace,
    world: &mut World,
) -> State {
    let proved = run(list(items), space, world);
    assert_eq!(proved.status, Status::Proved);
    run(proved.follow(strategy), space, world)
}

fn greedy() -> Strategy {
    Strategy::Greedy(Greedy::default())
}

fn guided() -> Strategy {
    Strategy::Guided(Guided::default())
}

fn narrow() -> Strategy {
    Strategy::Narrow(Narrow::default())
}

fn best(state: &State) -> (Vec<u8>, bool) {
    let best = state.proved().expect("proved");
    (genes(&best.assignment), best.guided)
}

fn all_verified(world: &World) -> Vec<Vec<u8>> {
    world.verified.iter().map(|(a, _)| genes(a)).collect()
}

#[test]
fn greedy_lowers_the_dearest_layer_first_and_each_to_its_least() {
    let (space, mut world) = (space(), World::new(truth));
    let state = after(&[bits([6, 6], 6)], greedy(), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    // The hole at (4, 3, 6) is met, stored, and stepped over upwards.
    assert_eq!(best(&state), (vec![5, 3, 6], false));
    let expected = [[6, 6, 6], [6, 2, 6], [6, 3, 6], [2, 3, 6], [3, 3, 6]];
    let expected = [&expected[..], &[[4, 3, 6], [5, 3, 6]]].concat();
    assert_eq!(all_verified(&world), expected);
    once(&world);
}

#[test]
fn greedy_goes_round_again_when_something_was_lowered() {
    // The larger layer gives way only when the smaller one has.
    let late: fn(&Assignment) -> Truth = |a| match (a.weights[0], a.weights[1]) {
        (6, 0..=4) => Truth::Hole,
        (_, 0..=2) => Truth::Broken(1),
        (0..=4, _) => Truth::Broken(0),
        _ => Truth::Holds,
    };
    let (space, mut world) = (space(), World::new(late));
    let state = after(&[bits([6, 6], 6)], greedy(), &space, &mut world);
    assert_eq!(best(&state).0, [5, 3, 6]);
    let first = world.verified.iter().position(|(a, _)| a.weights[0] < 6);
    let first = first.expect("the smaller layer was lowered");
    let mut before = world.verified[..first].iter();
    assert!(before.all(|(a, _)| a.weights[1] > 4 || late(a) != Truth::Holds));
}

#[test]
fn greedy_leaves_out_half_of_the_way_after_an_open_one() {
    let open: fn(&Assignment) -> Truth = |a| match (a.weights[0], a.weights[1]) {
        (6, 6) => Truth::Holds,
        _ => Truth::Open,
    };
    let (space, mut world) = (space(), World::new(open));
    after(&[bits([6, 6], 6)], greedy(), &space, &mut world);
    let expected = [[6, 6, 6], [6, 2, 6], [6, 4, 6], [6, 5, 6]];
    let expected = [&expected[..], &[[2, 6, 6], [4, 6, 6], [5, 6, 6]]].concat();
    assert_eq!(all_verified(&world), expected);
}

#[test]
fn greedy_widens_activations_where_they_cost_nothing() {
    let (mut space, mut world) = (space(), World::new(truth));
    after(&[bits([6, 6], 5)], greedy(), &space, &mut world);
    let later = &all_verified(&world)[1..];
    assert!(!later.is_empty() && later.iter().all(|g| g[2] == 6));
    space.cost = ceg4n_search::Cost::Bitops;
    let mut world = World::new(truth);
    after(&[bits([6, 6], 5)], greedy(), &space, &mut world);
    let later = &all_verified(&world)[1..];
    assert!(!later.is_empty() && later.iter().all(|g| g[2] <= 5));
}

#[test]
fn without_a_proof_there_is_nothing_to_descend_from() {
    let space = space();
    for strategy in [greedy(), narrow()] {
        let mut world = World::new(truth);
        let state = run(State::new(strategy, Vec::new()), &space, &mut world);
        assert_eq!(state.status, Status::Exhausted);
        assert!(world.verified.is_empty());
    }
}

#[test]
fn greedy_does_not_start_from_moved_mantissas() {
    let (space, mut world) = (space(), World::new(truth));
    world.guided = |_, _| Some(Truth::Holds);
    let state = after(&[bits([6, 6], 6)], guided(), &space, &mut world);
    assert_eq!(best(&state), (vec![2, 2, 6], true));
    let plain = state.follow(greedy());
    let state = run(plain, &space, &mut world);
    let mut unmoved = state.versions.iter().filter(|v| !v.guided);
    let least = unmoved.rfind(|v| v.ended == Ended::Proved);
    assert_eq!(least.map(|v| genes(&v.assignment)), Some(vec![5, 3, 6]));
    assert_eq!(best(&state), (vec![2, 2, 6], true), "the cheapest stays");
}

#[test]
fn enumeration_stays_below_a_cost() {
    let space = space();
    let cost = |a: &Assignment| space.cost(a);
    let limit = cost(&bits([4, 3], 4));
    let mut order = Enumerate::new(&space);
    order.below = Some(limit);
    let mut world = World::new(truth);
    let strategy = Strategy::Enumerate(order);
    let state = run(State::new(strategy, Vec::new()), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert!(world.evaluated.iter().all(|(a, _)| cost(a) < limit));
    let mut order = ceg4n_search::Exact::new(&space);
    let below = std::iter::from_fn(|| order.next(&space)).take_while(|a| cost(a) < limit);
    let seen: BTreeSet<Assignment> = world.evaluated.iter().map(|(a, _)| a.clone()).collect();
    assert_eq!(seen, below.collect(), "all of them");
    let Strategy::Enumerate(order) = state.strategy else {
        panic!("the same strategy");
    };
    assert!(order.is_through());
    assert_eq!(order.order.tried as usize, seen.len());
}

#[test]
fn enumeration_stops_after_so_many_and_goes_on() {
    let (space, mut world) = (space(), World::new(truth));
    let mut order = Enumerate::new(&space);
    order.most = Some(7);
    let strategy = Strategy::Enumerate(order);
    let state = run(State::new(strategy, Vec::new()), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    let Strategy::Enumerate(mut order) = state.strategy.clone() else {
        panic!("the same strategy");
    };
    assert!(!order.is_through());
    assert_eq!(order.order.tried, 7);
    order.most = None;
    let state = run(state.follow(Strategy::Enumerate(order)), &space, &mut world);
    let found = state.proved().map(|v| v.assignment.clone());
    assert_eq!(found, cheapest(&space, truth));
    once(&world);
}

/// Hopeless below 3 bits of the first layer, open below 3 of the second; otherwise the third run
/// holds.
fn third(a: &Assignment, mark: u8) -> Option<Truth> {
    match (a.weights[0], a.weights[1], mark) {
        (0..=2, _, _) => None,
        (_, 0..=2, _) => Some(Truth::Open),
        (_, _, 0) => Some(Truth::Hole),
        (_, _, 1) => Some(Truth::Open),
        _ => Some(Truth::Holds),
    }
}

#[test]
fn guided_walks_the_chain_in_strides_and_halves_what_is_left() {
    let (space, mut world) = (space(), World::new(truth));
    world.guided = third;
    let state = run(State::new(guided(), Vec::new()), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert_eq!(best(&state), (vec![3, 3, 6], true));
    let mut tried: Vec<Vec<u8>> = world.runs.iter().map(|r| genes(&r.assignment)).collect();
    tried.dedup();
    let chain = [[2, 2, 6], [3, 2, 6], [4, 3, 6], [3, 3, 6]];
    // The descent: each layer one bit lower.
    let descent = [[3, 2, 6], [2, 3, 6]];
    assert_eq!(tried, [&chain[..], &descent].concat());
}

#[test]
fn guided_rounds_learn_from_their_verdicts() {
    let (space, mut world) = (space(), World::new(truth));
    world.guided = third;
    run(State::new(guided(), Vec::new()), &space, &mut world);
    let of = |g: [u8; 3]| -> Vec<&Run> {
        let runs = world.runs.iter();
        runs.filter(|r| genes(&r.assignment) == g).collect()
    };
    let four = of([4, 3, 6]);
    let rounds: Vec<u32> = four.iter().map(|r| r.round).collect();
    assert_eq!(rounds, [0, 1, 2], "until it holds");
    let doubts: Vec<&[(usize, u32)]> = four.iter().map(|r| &r.doubts[..]).collect();
    assert_eq!(doubts, [&[][..], &[(1, 1)], &[(1, 2)]]);
    assert_eq!(four[0].warm, None, "nothing is proved yet");
    assert_eq!(four[1].warm, Some((vec![4, 3, 6], Some(0))));
    assert_eq!(four[2].warm, Some((vec![4, 3, 6], Some(1))));
    // What follows starts from what is proved.
    assert_eq!(of([3, 3, 6])[0].warm, Some((vec![4, 3, 6], Some(2))));
    assert_eq!(of([3, 3, 6])[0].doubts, []);
    // An assignment that stays open is given up after some runs; the same program is not asked
    // about again.
    assert_eq!(of([3, 2, 6]).len(), OPEN as usize + 1);
    once_per_program(&space, &world);
}

fn once_per_program(space: &AnnotationSpace, world: &World) {
    let all = all_verified(world);
    assert!(all.iter().all(|g| g.len() == space.layers().len() + 1));
    let open = all.iter().filter(|g| **g == [3, 2, 6]).count();
    assert_eq!(open, OPEN as usize);
}

#[test]
fn guided_gives_up_after_so_many_runs() {
    let space = space();
    let runs_of = |world: &World, g: [u8; 3]| {
        let runs = world.runs.iter();
        runs.filter(|r| genes(&r.assignment) == g).count()
    };
    // Each run has its own counterexample, so each is verified.
    let mut world = World::new(truth);
    world.guided = |_, _| Some(Truth::Hole);
    run(State::new(guided(), Vec::new()), &space, &mut world);
    assert_eq!(runs_of(&world, [2, 2, 6]), ROUNDS as usize);
    // What breaks a stored point teaches nothing and is not verified.
    let mut world = World::new(truth);
    world.guided = |_, _| Some(Truth::Holds);
    let broken = Counterexample {
        question: 0,
        x: vec![Exact::from(1), Exact::from(2)],
        ended: None,
    };
    let state = run(State::new(guided(), vec![broken]), &space, &mut world);
    // Along the chain, and again in the descent from (2, 3).
    assert_eq!(runs_of(&world, [2, 2, 6]), 2 * VAIN as usize);
    assert!(world.verified.iter().all(|(a, _)| a.weights[1] > 2));
    assert_eq!(best(&state), (vec![2, 3, 6], true));
}

#[test]
fn guided_descends_past_the_chain() {
    let (space, mut world) = (space(), World::new(truth));
    world.guided = |a, _| (a.weights[1] >= 4).then_some(Truth::Holds);
    let state = run(State::new(guided(), Vec::new()), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    // (4, 4) ends the chain; the smaller layer goes on to 2 bits.
    assert_eq!(best(&state), (vec![2, 4, 6], true));
    assert!(all_verified(&world).contains(&vec![4, 4, 6]));
}

#[test]
fn a_ladder_tries_the_whole_chain_and_lowers_nothing() {
    let (space, mut world) = (space(), World::new(truth));
    world.guided = |a, _| (a.weights[1] != 3).then_some(Truth::Holds);
    let ladder = Strategy::Guided(Guided::ladder());
    let state = after(&[bits([4, 4], 6)], ladder, &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    // Also what is dearer than the best, each once, whatever became of the one before.
    let tried: Vec<[u8; 2]> = world
        .runs
        .iter()
        .map(|r| [r.assignment.weights[0], r.assignment.weights[1]])
        .collect();
    let chain = [[2, 2], [3, 2], [3, 3], [4, 3], [4, 4], [5, 4], [5, 5]];
    assert_eq!(tried, [&chain[..], &[[6, 5], [6, 6]]].concat());
    assert_eq!(best(&state), (vec![2, 2, 6], true));
}

#[test]
fn guided_stays_below_what_is_proved() {
    let (space, mut world) = (space(), World::new(truth));
    let state = after(&[bits([4, 4], 6)], guided(), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert_eq!(best(&state), (vec![4, 4, 6], false));
    let limit = space.cost(&bits([4, 4], 6));
    let runs = &world.runs;
    assert!(runs.iter().all(|r| space.cost(&r.assignment) < limit));
    let all: Vec<Vec<u8>> = runs.iter().map(|r| genes(&r.assignment)).collect();
    // Nothing helps: the ends of the chain's strides, then each layer of the proved one.
    let expected = [[2, 2, 6], [3, 2, 6], [4, 3, 6], [4, 3, 6], [3, 4, 6]];
    assert_eq!(all, expected);
    assert_eq!(state.candidates as usize, 1 + runs.len());
}

#[test]
fn narrow_takes_the_least_activation_bits_that_hold() {
    let (space, mut world) = (space(), World::new(truth));
    let state = after(&[bits([5, 3], 6)], narrow(), &space, &mut world);
    assert_eq!(state.status, Status::Exhausted);
    assert_eq!(best(&state), (vec![5, 3, 5], false));
    let expected = [[5, 3, 6], [5, 3, 4], [5, 3, 5]];
    assert_eq!(all_verified(&world), expected);
    let cost: BTreeSet<u64> = state.versions.iter().map(|v| v.cost).collect();
    assert_eq!(cost.len(), 1, "at the same cost");
}

#[test]
fn narrow_keeps_moved_mantissas() {
    let (space, mut world) = (space(), World::new(|_| Truth::Open));
    world.guided = |a, _| match (a.weights[0].min(a.weights[1]), a.activations[0]) {
        (0..=2, _) => None,
        (_, 0..=4) => Some(Truth::Broken(2)),
        _ => Some(Truth::Holds),
    };
    let state = run(State::new(guided(), Vec::new()), &space, &mut world);
    assert_eq!(best(&state), (vec![3, 3, 6], true));
    let state = run(state.follow(narrow()), &space, &mut world);
    assert_eq!(best(&state), (vec![3, 3, 5], true));
}

#[test]
fn narrow_lowers_the_cost_where_activations_count() {
    let (mut space, mut world) = (space(), World::new(truth));
    space.cost = ceg4n_search::Cost::Bitops;
    let state = after(&[bits([5, 3], 6)], narrow(), &space, &mut world);
    assert_eq!(best(&state), (vec![5, 3, 5], false));
    assert_eq!(state.proved().map(|v| v.cost), Some((2 * 5 + 6 * 3) * 5));
}

#[test]
fn all_stop_when_they_must() {
    let space = space();
    for strategy in [greedy(), guided(), narrow()] {
        let mut world = World::new(truth);
        world.guided = third;
        let proved = run(list(&[bits([6, 6], 6)]), &space, &mut world);
        world.patience = 2;
        let state = run(proved.follow(strategy), &space, &mut world);
        assert_eq!(state.status, Status::Stopped);
        assert_eq!(state.versions.len(), 2);
        let other = state.follow(exact(&space).strategy);
        assert_eq!(other.status, Status::Stopped, "and stay so");
    }
}

#[test]
fn they_go_on_alike_from_a_serialised_state() {
    let space = space();
    for strategy in [greedy(), guided(), narrow()] {
        let mut world = World::new(truth);
        world.guided = third;
        let proved = run(list(&[bits([6, 6], 6)]), &space, &mut world);
        let straight = run(proved.clone().follow(strategy.clone()), &space, &mut world);
        let mut other = World::new(truth);
        other.guided = third;
        let mut state = proved.follow(strategy);
        while state.status == Status::Running {
            let text = serde_json::to_string(&state).expect("plain data");
            let back: State = serde_json::from_str(&text).expect("reads back");
            assert_eq!(back, state);
            state = step(back, &space, &mut other);
        }
        assert_eq!(state, straight);
        assert_eq!(other.runs, world.runs);
        assert!(straight.versions.len() > 2, "a run of several steps");
    }
}
