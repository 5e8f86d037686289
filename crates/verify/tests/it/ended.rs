//! Inputs that a relu in front of the first layer switches off: the guidance of divisions by them
//! is defined all the same.

use crate::generate::Rng;
use ceg4n_ir::network::{Constant, Origin};
use ceg4n_ir::{Format, NetworkBuilder, Op, Program, Shape, check};
use ceg4n_verify::Reference;
use ceg4n_verify::bounds::differential::{On, PairForm, PairSplits, Together};
use ceg4n_verify::bounds::graph::{From, Graph};
use ceg4n_verify::float::Bound;
use std::sync::Arc;

#[test]
fn influence_of_inputs_that_end_in_front() {
    let mut rng = Rng::new(91);
    let mut net = NetworkBuilder::new("ended");
    let mut patch = Vec::new();
    let mut stored = |v, f: &str| patch.push((v, f.parse::<Format>().expect("a format")));
    let weight = |rng: &mut Rng, rows: usize, cols: usize| {
        let data = (0..rows * cols).map(|_| rng.float(-1.0, 1.0) as f32);
        Op::Const(Constant {
            data: data.collect(),
            origin: Origin::Inline,
            wide: None,
        })
    };
    let x = net.push("x", Op::Input, Some(Shape(vec![3])), None);
    stored(x, "s10q6");
    let mut last = net.push("front", Op::Relu { x }, None, None);
    for (rows, cols) in [(12, 3), (12, 12), (2, 12)] {
        let shape = Some(Shape(vec![rows, cols]));
        let name = format!("w{}", net.values().len());
        let weight = net.push(name, weight(&mut rng, rows, cols), shape, None);
        stored(weight, "s5q4");
        let name = format!("h{}", net.values().len());
        let op = Op::Dense {
            x: last,
            weight,
            bias: None,
        };
        last = net.push(name, op, None, None);
        stored(last, "s10q6");
        if rows > 2 {
            let name = format!("r{}", net.values().len());
            last = net.push(name, Op::Relu { x: last }, None, None);
        }
    }
    let network = Arc::new(net.finish(last).expect("a network"));
    let reference = Reference::new(&check(Program::reference(network.clone())).expect("real"));
    let all = patch
        .iter()
        .fold(Program::reference(network).patch(), |p, (v, f)| {
            p.format(*v, *f)
        });
    let program = check(all.finish()).expect("a kernel");
    let subject = Graph::kernel(program.kernel().expect("a kernel"), From::Reals);
    let together = Together::new(reference.graph(), &subject);
    // The first input is negative: nothing of it passes.
    let x = [(-2.0, -1.0), (0.25, 2.0), (0.25, 2.0)].map(|(l, h)| Bound::new(l, h));
    let signs = PairSplits::default();
    let on = On {
        x: &x,
        input: None,
        signs: &signs,
    };
    let bounded = together.on(&on).expect("no constraints");
    let found = bounded.influence(&PairForm::difference(0, 2, 1.0));
    assert_eq!(found.map(|v| v.len()), Some(3));
}
