//! Values that a later node only renames, after the chain's state was laid out anew: what is known
//! of them stays with them.

use ceg4n_base::Exact;
use ceg4n_ir::network::{Constant, Origin};
use ceg4n_ir::{Format, Interval, NetworkBuilder, Op, Program, Shape, check};
use ceg4n_verify::bounds::backward::bounds;
use ceg4n_verify::bounds::forward::real;
use ceg4n_verify::bounds::graph::{From, Graph};
use ceg4n_verify::bounds::split::Splits;
use std::sync::Arc;

use crate::branching::{kernel_trace, real_values};

fn constant(data: &[f32]) -> Constant {
    Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    }
}

/// `a` is coarse; `b` reads the fine input after it; `m` renames `a` behind `b`.
#[test]
fn units_stay_with_their_values() {
    let mut net = NetworkBuilder::new("renamed");
    let x = net.push("x", Op::Input, Some(Shape(vec![2])), None);
    let a = net.push("a", Op::Relu { x }, None, None);
    let w = net.push(
        "w",
        Op::Const(constant(&[1.0, 0.0, 0.0, 1.0])),
        Some(Shape(vec![2, 2])),
        None,
    );
    let b = net.push(
        "b",
        Op::Dense {
            x,
            weight: w,
            bias: None,
        },
        None,
        None,
    );
    let m = net.push("m", Op::Identity { x: a }, None, None);
    let s = net.push(
        "s",
        Op::Concat {
            xs: vec![b, m],
            axis: 0,
        },
        None,
        None,
    );
    let network = Arc::new(net.finish(s).expect("a network"));
    let f = |t: &str| t.parse::<Format>().expect("a format");
    let program = Program::reference(network)
        .patch()
        .format(x, f("s8q4"))
        .format(a, f("s8q0"))
        .format(w, f("s4q0"))
        .format(b, f("s8q0"))
        .finish();
    let checked = check(program).expect("a kernel");
    let kernel = checked.kernel().expect("a kernel");
    let graph = Graph::kernel(kernel, From::Mantissas);
    let input = [Interval::new(9, 20), Interval::new(-7, 15)];
    let boxed: Vec<_> = input.iter().map(|r| real(*r, 4)).collect();
    let b = bounds(&graph, &boxed, &Splits::default()).expect("no constraints");
    for (p, q) in [(9, -7), (20, 15), (12, 0)] {
        let trace = kernel_trace(kernel, &[p, q]);
        for (i, node) in graph.nodes.iter().enumerate() {
            for (id, at) in &node.of {
                let values: Vec<Exact> = real_values(kernel, *id, &trace[*id]);
                for (b, v) in b.nodes[i][*at..].iter().zip(&values) {
                    let (lo, hi) = (Exact::from_f64(b.lo), Exact::from_f64(b.hi));
                    assert!(
                        lo.is_none_or(|l| l <= *v) && hi.is_none_or(|h| *v <= h),
                        "node {i}, {id}: {b:?} {v:?}"
                    );
                }
            }
        }
    }
}
