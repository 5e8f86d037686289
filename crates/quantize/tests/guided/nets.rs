//! Small networks, their models, and points for them.

use ceg4n_base::Exact;
use ceg4n_ir::network::Origin;
use ceg4n_ir::{
    Constant, Network, NetworkBuilder, Op, Program, Region, Rounding, Shape, ValueId, check,
};
use ceg4n_quantize::Model;
use ceg4n_verify::Reference;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

pub(crate) type Rng = ChaCha8Rng;

pub(crate) fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

pub(crate) fn uniform(rng: &mut Rng, n: usize, lo: f32, hi: f32) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(lo..=hi)).collect()
}

fn constant(b: &mut NetworkBuilder, name: &str, shape: Shape, data: &[f32]) -> ValueId {
    let c = Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    };
    b.push(name, Op::Const(c), Some(shape), None)
}

/// Dense layers of these widths with ReLUs between them; `odd` adds other operators before,
/// between and after.
pub(crate) fn network(rng: &mut Rng, widths: &[usize], biases: bool, odd: bool) -> Network {
    let mut b = NetworkBuilder::new("net");
    let mut x = b.push("x", Op::Input, Some(Shape::vector(widths[0])), None);
    if odd {
        let data = uniform(rng, widths[0], -0.5, 0.5);
        let c = constant(&mut b, "shift", Shape::vector(widths[0]), &data);
        x = b.push("shifted", Op::Sub { x, c }, None, None);
        let c = constant(&mut b, "half", Shape::vector(1), &[0.5]);
        x = b.push("doubled", Op::Div { x, c }, None, None);
    }
    for (i, w) in widths.windows(2).enumerate() {
        let data = uniform(rng, w[0] * w[1], -1.0, 1.0);
        let weight = constant(&mut b, &format!("w{i}"), Shape(vec![w[1], w[0]]), &data);
        let data = uniform(rng, w[1], -0.5, 0.5);
        let bias = biases.then(|| constant(&mut b, &format!("b{i}"), Shape::vector(w[1]), &data));
        x = b.push(format!("d{i}"), Op::Dense { x, weight, bias }, None, None);
        if odd {
            let data = uniform(rng, w[1], -0.5, 0.5);
            let c = constant(&mut b, &format!("c{i}"), Shape::vector(w[1]), &data);
            x = b.push(format!("a{i}"), Op::Add { x, c }, None, None);
        }
        if i + 2 < widths.len() {
            x = b.push(format!("r{i}"), Op::Relu { x }, None, None);
        }
    }
    b.finish(x).expect("a network")
}

pub(crate) fn boxed(lower: &[f32], upper: &[f32]) -> Region {
    let exact = |v: &[f32]| {
        v.iter()
            .map(|v| Exact::from_f32(*v).expect("finite"))
            .collect()
    };
    Region {
        id: "r".to_owned(),
        lower: exact(lower),
        upper: exact(upper),
        center: None,
        ball_size: None,
        span: None,
    }
}

/// The model of a network on the box from 0 to 1, and its reference.
pub(crate) fn model(network: Network) -> (Model, Reference) {
    let n = network.input_len();
    let network = Arc::new(network);
    let checked = check(Program::reference(network.clone())).expect("a real program");
    let reference = Reference::new(&checked);
    let region = boxed(&vec![0.0; n], &vec![1.0; n]);
    let model = Model::new(&reference, network, &[region], Rounding::HalfUp);
    (model, reference)
}
