//! Linear bounds where some of them leave what is represented: the others hold all the same.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

use ceg4n_opspec::IntDomain;
use ceg4n_scalar::{Dag, DagId, Facts, LinearForm, Node};

fn sum(dag: &mut Dag, terms: &[(DagId, i128)], constant: i128) -> DagId {
    let form = LinearForm {
        terms: terms.to_vec(),
        constant,
    };
    dag.sum(form).unwrap()
}

fn value(dag: &Dag, inputs: [i128; 2], id: DagId) -> i128 {
    dag.evaluate(&mut IntDomain, &inputs, &[id], &mut |_, _, v, _| Ok(v))
        .unwrap()[0]
}

/// The bound of the first sum from above is given up in the middle; what had been put in for its
/// other term by then must not count in the bounds that follow.
#[test]
fn a_bound_that_is_given_up_leaves_nothing_behind() {
    let wide = Facts::within(-(1 << 50), (1 << 50) - 1);
    let mut dag = Dag::new(vec![wide, Facts::within(-5, 10)]);
    let (x, y) = (dag.input(0).unwrap(), dag.input(1).unwrap());
    let zero = dag.constant(0).unwrap();
    let small = dag.add(Node::Max(y, zero)).unwrap();
    let large = dag.add(Node::Max(x, zero)).unwrap();
    let first = sum(&mut dag, &[(small, -1), (large, 1 << 40)], 0);
    let second = sum(&mut dag, &[(y, 1), (small, 3)], 0);
    dag.tighten(&[first, second]).unwrap();
    for (root, at) in [(first, [0, 10]), (second, [0, 10]), (second, [0, -5])] {
        let (v, facts) = (value(&dag, at, root), dag.facts(root));
        assert!(facts.lo <= v && v <= facts.hi, "{v} is not in {facts:?}");
    }
}

#[test]
fn slopes_of_the_widest_ranges_are_no_overflow() {
    let wide = Facts::within(-(1 << 119), (1 << 95) - 1);
    let mut dag = Dag::new(vec![wide, Facts::within(-5, 10)]);
    let (x, y) = (dag.input(0).unwrap(), dag.input(1).unwrap());
    let zero = dag.constant(0).unwrap();
    let small = dag.add(Node::Max(y, zero)).unwrap();
    let large = dag.add(Node::Max(x, zero)).unwrap();
    let root = sum(&mut dag, &[(small, -1), (large, 1)], 0);
    dag.tighten(&[root]).unwrap();
    for at in [[-9, 10], [(1 << 95) - 1, 0]] {
        let (v, facts) = (value(&dag, at, root), dag.facts(root));
        assert!(facts.lo <= v && v <= facts.hi, "{v} is not in {facts:?}");
    }
}
