//! Bounds of the small programs: of every operator, rounding and format of up to four bits, over
//! boxes from points to everything, they hold on every input, and at points they are the value.

use ceg4n_base::Exact;
use ceg4n_eval::small::{Small, few, inputs, meaning, programs, sums};
use ceg4n_ir::{Interval, Kernel, NodeId};
use ceg4n_verify::bounds::backward::bounds;
use ceg4n_verify::bounds::forward::Bounds;
use ceg4n_verify::bounds::graph::{From, Graph};
use ceg4n_verify::bounds::integer;
use ceg4n_verify::bounds::split::Splits;
use ceg4n_verify::float::Bound;

/// Every input with all nodes' elements.
fn traces(kernel: &Kernel) -> Vec<(Vec<i64>, Vec<Vec<i128>>)> {
    let of = |x: Vec<i64>| {
        let trace = meaning(kernel, &x);
        let nodes = kernel.nodes.keys().map(|id| trace.node(id).to_vec());
        (x, nodes.collect())
    };
    inputs(kernel).into_iter().map(of).collect()
}

/// Boxes: everything, every interval of the first input with some of the second, and some points.
fn boxes(kernel: &Kernel) -> Vec<Vec<Interval>> {
    let f = kernel.input_format;
    let (min, max) = (f.min(), f.max());
    let mut all = vec![vec![Interval::new(min, max); 2]];
    for lo in min..=max {
        for hi in lo..=max {
            // A point, the same, or what is left above.
            let second = [(hi, hi), (lo, hi), (lo, max)][(hi - lo) as usize % 3];
            let second = Interval::new(second.0, second.1);
            all.push(vec![Interval::new(lo, hi), second]);
        }
    }
    all.extend(inputs(kernel).into_iter().step_by(3).map(|x| {
        let points = x.into_iter().map(|m| Interval::new(m, m));
        points.collect()
    }));
    all
}

fn contains(x: &[i64], region: &[Interval]) -> bool {
    let mut both = x.iter().zip(region);
    both.all(|(x, r)| r.lo <= *x && *x <= r.hi)
}

#[test]
fn integer_intervals_hold_every_value() {
    for s in programs().into_iter().chain(sums()) {
        let kernel = s.program.kernel().expect("a kernel");
        let traces = traces(kernel);
        for region in boxes(kernel) {
            let forward = integer::forward(kernel, &region);
            let is_point = region.iter().all(|r| r.lo == r.hi);
            for (x, nodes) in traces.iter().filter(|(x, _)| contains(x, &region)) {
                for (id, values) in kernel.nodes.keys().zip(nodes) {
                    let held = |(r, v): (&Interval, &i128)| match is_point {
                        true => r.lo == r.hi && i128::from(r.lo) == *v,
                        false => i128::from(r.lo) <= *v && *v <= i128::from(r.hi),
                    };
                    let found = forward.node(id);
                    assert_eq!(found.len(), values.len());
                    assert!(
                        found.iter().zip(values).all(held),
                        "{}: {:?} on {x:?} in {region:?}: {values:?}, {found:?}",
                        s.name,
                        kernel.nodes[id].op,
                    );
                }
            }
        }
    }
}

/// The enclosures that bound propagation starts from, in real units, from mantissas and from the
/// reals of a box; over everything also what backward passes make of them.
#[test]
fn enclosures_of_every_node_hold_every_value() {
    let none = Splits::default();
    for s in few().into_iter().chain(sums()) {
        let kernel = s.program.kernel().expect("a kernel");
        let traces = traces(kernel);
        let graphs = [From::Mantissas, From::Reals].map(|from| Graph::kernel(kernel, from));
        for (k, region) in boxes(kernel).into_iter().enumerate() {
            let x: Vec<Bound> = region.iter().map(|r| real(kernel, r)).collect();
            let inside: Vec<_> = traces
                .iter()
                .filter(|(x, _)| contains(x, &region))
                .collect();
            for graph in &graphs {
                let bounds = match k {
                    0 => bounds(graph, &x, &none).expect("a box without splits"),
                    _ => Bounds::new(graph, &x),
                };
                for (node, found) in graph.nodes.iter().zip(&bounds.nodes) {
                    for (id, first) in &node.of {
                        for (x, nodes) in &inside {
                            check(&s, kernel, *id, &nodes[index(*id)], &found[*first..], x);
                        }
                    }
                }
            }
        }
    }
}

fn index(id: NodeId) -> usize {
    ceg4n_base::entity::EntityRef::index(id)
}

fn real(kernel: &Kernel, r: &Interval) -> Bound {
    let value = |m: i64| kernel.input_format.value(m).to_f64();
    Bound::new(value(r.lo), value(r.hi))
}

fn check(s: &Small, kernel: &Kernel, id: NodeId, values: &[i128], found: &[Bound], x: &[i64]) {
    let node = &kernel.nodes[id];
    for (j, v) in values.iter().enumerate() {
        let m = *v * i128::from(node.multiplier(j));
        let exact = Exact::dyadic(m, -i64::from(node.frac[j]));
        // At most 64 bits: rounded to a float64 on either side.
        let (lo, hi) = exact.enclosure();
        let held = found[j].lo <= hi && lo <= found[j].hi;
        assert!(
            held,
            "{}: {:?}[{j}] on {x:?}: {exact}, {:?}",
            s.name, node.op, found[j]
        );
    }
}
