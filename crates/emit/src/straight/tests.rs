//! Rewritten graphs have the same values, for every input of random graphs.

use super::{Straight, normal, pairs, sums};
use ceg4n_opspec::IntDomain;
use ceg4n_scalar::{Dag, DagId, Facts, LinearForm, Node};
use ceg4n_target::Target;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Layers of sums with many equal magnitudes, floors, bounds and everything else.
fn graph(rng: &mut ChaCha8Rng) -> Straight {
    let n = rng.random_range(2..=4usize);
    let ranges = (0..n).map(|_| {
        let lo = rng.random_range(-3..=1i128);
        Facts::within(lo, lo + rng.random_range(1..=3))
    });
    let mut dag = Dag::new(ranges.collect());
    let mut layer: Vec<DagId> = (0..n).map(|i| dag.input(i).expect("an input")).collect();
    let mut sections = vec![0];
    for _ in 0..rng.random_range(1..=3) {
        let rows = rng.random_range(2..=6);
        let next = (0..rows).map(|_| neuron(rng, &mut dag, &layer));
        layer = next.collect();
        sections.push(dag.len());
    }
    let outputs = (0..3).map(|_| sum(rng, &mut dag, &layer)).collect();
    Straight::of(dag, outputs, sections)
}

fn sum(rng: &mut ChaCha8Rng, dag: &mut Dag, layer: &[DagId]) -> DagId {
    let most = rng.random_range(1..=9);
    let even = if rng.random_bool(0.2) { 4 } else { 1 };
    let mut form = LinearForm::constant(rng.random_range(-40..=40));
    for t in layer {
        let term = LinearForm {
            terms: vec![(*t, 1)],
            constant: 0,
        };
        let term = term.times(even * rng.random_range(-most..=most));
        form = form.plus(&term.expect("small")).expect("small");
    }
    dag.sum(form).expect("a sum")
}

fn neuron(rng: &mut ChaCha8Rng, dag: &mut Dag, layer: &[DagId]) -> DagId {
    let add = |dag: &mut Dag, node| dag.add(node).expect("a node");
    let a = sum(rng, dag, layer);
    let zero = dag.constant(0).expect("a constant");
    let top = dag.constant(15).expect("a constant");
    match rng.random_range(0..9) {
        0 => add(dag, Node::Low(a, 3)),
        1 => {
            let (b, c) = (add(dag, Node::Negative(a)), sum(rng, dag, layer));
            let d = add(dag, Node::Negative(c));
            let d = add(dag, Node::Not(d));
            let both = match rng.random_bool(0.5) {
                true => add(dag, Node::And(b, d)),
                false => add(dag, Node::Or(b, d)),
            };
            add(dag, Node::Select(both, a, c))
        }
        2 => {
            let at = add(dag, Node::Low(a, 2));
            add(dag, Node::Lookup(at, [3, -7, 0, 12].into()))
        }
        3 => {
            let (b, c) = (sum(rng, dag, layer), add(dag, Node::Shr(a, 2)));
            add(dag, Node::Min(c, b))
        }
        // As in a kernel: relu, rounding, floor, saturation.
        _ => {
            let relu = add(dag, Node::Max(zero, a));
            let rounded = LinearForm {
                terms: vec![(relu, rng.random_range(1..=3))],
                constant: 4,
            };
            let rounded = dag.sum(rounded).expect("a sum");
            let floor = add(dag, Node::Shr(rounded, rng.random_range(1..=4)));
            let floor = match rng.random_bool(0.2) {
                true => add(dag, Node::Shr(floor, 1)),
                false => floor,
            };
            let least = add(dag, Node::Max(floor, zero));
            add(dag, Node::Min(least, top))
        }
    }
}

/// Every input.
fn inputs(dag: &Dag) -> Vec<Vec<i128>> {
    let mut all = vec![Vec::new()];
    for range in dag.inputs() {
        let with = |x: &Vec<i128>| {
            let next = (range.lo..=range.hi).map(|v| [x.as_slice(), &[v]].concat());
            next.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

fn values(s: &Straight, x: &[i128]) -> Vec<i128> {
    let seen = &mut |_: &mut IntDomain, id: DagId, v: i128, _: bool| {
        let f = s.dag.facts(id);
        assert!(f.lo <= v && v <= f.hi, "{id}: {v} is not in {f:?}");
        Ok(v)
    };
    let found = s.dag.evaluate(&mut IntDomain, x, &s.outputs, seen);
    found.expect("values")
}

#[test]
fn rewritten_graphs_have_the_same_values() {
    let mut rng = ChaCha8Rng::seed_from_u64(88);
    let (mut smaller, mut shared) = (0, 0);
    for round in 0..400 {
        let whole = graph(&mut rng);
        let decided = normal::decided(&whole).expect("a graph");
        let with_pairs = pairs::shared(&decided).expect("a graph");
        smaller += usize::from(decided.nodes.len() < whole.nodes.len());
        shared += usize::from(with_pairs.nodes.len() > decided.nodes.len());
        let mut all = vec![decided.clone(), with_pairs];
        for target in Target::ALL {
            let cheap = sums::cheap(&decided, target).expect("a graph");
            assert!(cheap.cost(target) <= decided.cost(target), "{round}");
            assert_eq!(cheap.sections.len(), whole.sections.len());
            all.push(cheap);
        }
        for x in inputs(&whole.dag) {
            let right = values(&whole, &x);
            for (i, s) in all.iter().enumerate() {
                assert_eq!(values(s, &x), right, "{round}, {i}: {x:?}");
            }
        }
    }
    assert!(smaller > 200 && shared > 20, "{smaller} {shared}");
}

/// Terms of equal magnitude are multiplied once, and neighbouring magnitudes not at all.
#[test]
fn magnitudes_are_multiplied_once() {
    let mut dag = Dag::new(vec![Facts::within(0, 255); 4]);
    let x: Vec<DagId> = (0..4).map(|i| dag.input(i).expect("an input")).collect();
    let weights = [105, 105, -105, 104];
    let form = LinearForm {
        terms: x.iter().copied().zip(weights).collect(),
        constant: 3,
    };
    let output = dag.sum(form).expect("a sum");
    let whole = Straight::of(dag, vec![output], vec![0]);
    let cheap = sums::cheap(&whole, Target::CortexM0).expect("a graph");
    let products = cheap.nodes.iter().map(|id| match cheap.dag.node(*id) {
        Node::Linear(f) => f.terms.iter().filter(|(_, c)| c.abs() > 1).count(),
        _ => 0,
    });
    // 104·(x0 + x1 - x2 + x3) + (x0 + x1 - x2)
    assert_eq!(products.sum::<usize>(), 1);
}
