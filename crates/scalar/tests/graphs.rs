//! Every transformation of a graph keeps every value, and everything that is proved of a node is
//! true, on random graphs over all of their inputs.

// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

use ceg4n_opspec::IntDomain;
use ceg4n_scalar::{Dag, DagId, Facts, LinearForm, Node, Sharing, offset, share};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Layers of sums, floors, bounds and everything else, over a few small inputs.
fn graph(rng: &mut ChaCha8Rng) -> (Dag, Vec<DagId>) {
    let n = rng.random_range(1..=3usize);
    let ranges = (0..n).map(|_| {
        let lo = rng.random_range(-6..=5i128);
        Facts::within(lo, lo + rng.random_range(0..=9))
    });
    let mut dag = Dag::new(ranges.collect());
    let mut layer: Vec<DagId> = (0..n).map(|i| dag.input(i).unwrap()).collect();
    for _ in 0..rng.random_range(1..=3) {
        let rows = rng.random_range(2..=5);
        let next = (0..rows).map(|_| neuron(rng, &mut dag, &layer));
        layer = next.collect();
    }
    let roots = (0..rng.random_range(1..=3)).map(|_| sum(rng, &mut dag, &layer));
    let roots: Vec<_> = roots.collect();
    (dag, roots)
}

fn sum(rng: &mut ChaCha8Rng, dag: &mut Dag, layer: &[DagId]) -> DagId {
    let size = rng.random_range(1..=40i128);
    let terms = layer
        .iter()
        .map(|t| (*t, rng.random_range(-size..=size)))
        .collect();
    let form = LinearForm {
        constant: rng.random_range(-60..=60),
        ..LinearForm::gathered(terms).unwrap()
    };
    dag.sum(form).unwrap()
}

fn neuron(rng: &mut ChaCha8Rng, dag: &mut Dag, layer: &[DagId]) -> DagId {
    let a = sum(rng, dag, layer);
    let a = match rng.random_range(0..4) {
        0 => a,
        _ => dag.add(Node::Shr(a, rng.random_range(1..=5))).unwrap(),
    };
    let (lo, hi) = (dag.constant(0).unwrap(), dag.constant(15).unwrap());
    match rng.random_range(0..9) {
        0 => dag.add(Node::Low(a, rng.random_range(1..=3))).unwrap(),
        1 => {
            let c = dag.add(Node::Negative(a)).unwrap();
            let b = sum(rng, dag, layer);
            let d = dag.add(Node::Negative(b)).unwrap();
            let d = dag.add(Node::Not(d)).unwrap();
            let c = match rng.random_bool(0.5) {
                true => dag.add(Node::And(c, d)).unwrap(),
                false => dag.add(Node::Or(c, d)).unwrap(),
            };
            dag.add(Node::Select(c, a, b)).unwrap()
        }
        2 => {
            let at = dag.add(Node::Low(a, 2)).unwrap();
            dag.add(Node::Lookup(at, [3, -7, 0, 12].into())).unwrap()
        }
        3 => {
            let b = sum(rng, dag, layer);
            dag.add(Node::Min(a, b)).unwrap()
        }
        4 => dag.add(Node::Max(lo, a)).unwrap(),
        _ => {
            let a = dag.add(Node::Max(a, lo)).unwrap();
            dag.add(Node::Min(a, hi)).unwrap()
        }
    }
}

/// Calls `f` with every input of the graph.
fn every_input(dag: &Dag, f: &mut impl FnMut(&[i128])) {
    fn from(dag: &Dag, x: &mut Vec<i128>, f: &mut impl FnMut(&[i128])) {
        let Some(range) = dag.inputs().get(x.len()) else {
            return f(x);
        };
        for v in range.lo..=range.hi {
            x.push(v);
            from(dag, x, f);
            x.pop();
        }
    }
    from(dag, &mut Vec::new(), f);
}

/// The roots' values; panics if a node is not what is proved of it.
fn values(dag: &Dag, x: &[i128], roots: &[DagId]) -> Vec<i128> {
    let seen = &mut |_: &mut IntDomain, id: DagId, v: i128, _: bool| {
        let f = dag.facts(id);
        let is_multiple = f.zeros >= 127 && v == 0 || v & ((1 << f.zeros.min(126)) - 1) == 0;
        assert!(
            f.lo <= v && v <= f.hi && is_multiple,
            "{id}: {v} is not in {f:?}, {:?}",
            dag.node(id)
        );
        Ok(v)
    };
    dag.evaluate(&mut IntDomain, x, roots, seen).unwrap()
}

fn kept(dag: &Dag, roots: &[DagId], new: &Dag, new_roots: &[DagId]) {
    every_input(dag, &mut |x| {
        assert_eq!(values(dag, x, roots), values(new, x, new_roots), "{x:?}");
    });
}

#[test]
fn graphs_keep_their_values_and_their_facts() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut shared_sums = 0;
    let mut narrowed = 0;
    for _ in 0..400 {
        let (dag, roots) = graph(&mut rng);
        let mut tight = dag.clone();
        tight.tighten(&roots).unwrap();
        kept(&dag, &roots, &tight, &roots);
        narrowed += roots
            .iter()
            .filter(|r| tight.facts(**r) != dag.facts(**r))
            .count();
        let (low, low_roots) = offset(&tight, &roots).unwrap();
        kept(&dag, &roots, &low, &low_roots);
        for shifts in [false, true] {
            let sharing = Sharing {
                shifts,
                ..Sharing::default()
            };
            let (new, new_roots) = share(&low, &low_roots, &sharing).unwrap();
            kept(&dag, &roots, &new, &new_roots);
            shared_sums += usize::from(new.reachable(&new_roots).iter().any(|id| {
                let nested = |(t, _): &(DagId, i128)| matches!(new.node(*t), Node::Linear(_));
                matches!(new.node(*id), Node::Linear(f) if f.terms.iter().any(nested))
            }));
        }
    }
    assert!(shared_sums > 50, "{shared_sums}");
    assert!(narrowed > 100, "{narrowed}");
}

/// What several sums share is computed once, and counted with its sign and shift.
#[test]
fn common_pairs_become_a_sum() {
    let mut dag = Dag::new(vec![Facts::within(0, 255); 3]);
    let x: Vec<_> = (0..3).map(|i| dag.input(i).unwrap()).collect();
    // x + 2y, three times: once negated, once doubled, once with another term.
    let rows = [[1, 2, 0], [-1, -2, 1], [2, 4, 5]];
    let roots = rows.map(|r| {
        let terms = x.iter().copied().zip(r).collect();
        dag.sum(LinearForm::gathered(terms).unwrap()).unwrap()
    });
    let (new, new_roots) = share(&dag, &roots, &Sharing::default()).unwrap();
    let common = new_roots[0];
    let uses = |id: &DagId| match new.node(*id) {
        Node::Linear(f) => f.terms.iter().find(|(t, _)| *t == common).map(|(_, c)| *c),
        _ => None,
    };
    assert_eq!(uses(&new_roots[1]), Some(-1));
    assert_eq!(uses(&new_roots[2]), Some(2));
}
