//! The small programs: every operator occurs, and the direct evaluation gives what is meant, on
//! every input.

use ceg4n_eval::small::{KINDS, Small, inputs, kind, meaning, programs, sums};
use ceg4n_eval::{kernel_outputs, kernel_trace};
use std::collections::BTreeSet;

fn all() -> Vec<Small> {
    let mut all = programs();
    all.extend(sums());
    all
}

#[test]
fn every_kind_of_node_occurs() {
    let all = all();
    let kernels = all.iter().filter_map(|s| s.program.kernel());
    let nodes = kernels.flat_map(|k| k.nodes.values());
    let kinds: BTreeSet<&str> = nodes.map(|n| kind(&n.op)).collect();
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    let names: BTreeSet<&str> = all.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names.len(), all.len());
    for s in &all {
        let outputs = s.program.kernel().map(|k| k.output_len());
        assert_eq!(outputs, Some(s.outputs.len()), "{}", s.name);
    }
}

#[test]
fn the_direct_evaluation_gives_what_is_meant() {
    for s in all() {
        let kernel = s.program.kernel().expect("a kernel");
        for x in inputs(kernel) {
            let (direct, meant) = (kernel_trace(kernel, &x), meaning(kernel, &x));
            let direct = direct.expect("the kernel runs");
            for (id, node) in kernel.nodes.iter() {
                let found = direct.node(id);
                assert_eq!(found, meant.node(id), "{} on {x:?}: {:?}", s.name, node.op);
                let ranges = node.range.iter().zip(found);
                for (r, v) in ranges {
                    let inside = i128::from(r.lo) <= *v && *v <= i128::from(r.hi);
                    assert!(inside, "{} on {x:?}: {:?}", s.name, node.op);
                }
            }
            let y = kernel_outputs(kernel, &x).expect("the kernel runs");
            let last = meant.node(kernel.output);
            assert!(y.iter().zip(last).all(|(a, b)| i128::from(*a) == *b));
        }
    }
}
