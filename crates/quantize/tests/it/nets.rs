//! Networks for the tests, and their spaces.

use ceg4n_base::Exact;
use ceg4n_ir::network::Origin;
use ceg4n_ir::{
    Constant, Network, NetworkBuilder, Op, Program, Region, Rounding, Shape, ValueId, check,
};
use ceg4n_quantize::{Assignment, BiasRule, Model};
use ceg4n_verify::Reference;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

pub(crate) type Rng = ChaCha8Rng;

pub(crate) fn rng(seed: u64) -> Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Adds a constant.
pub(crate) fn constant(b: &mut NetworkBuilder, name: &str, shape: Shape, data: &[f32]) -> ValueId {
    let c = Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    };
    b.push(name, Op::Const(c), Some(shape), None)
}

pub(crate) fn uniform(rng: &mut Rng, n: usize, scale: f32) -> Vec<f32> {
    (0..n)
        .map(|_| rng.random_range(-1.0f32..=1.0) * scale)
        .collect()
}

pub(crate) fn region(n: usize, lower: &str, upper: &str) -> Region {
    let at = |t: &str| vec![t.parse::<Exact>().expect("a number"); n];
    Region {
        id: "r".to_owned(),
        lower: at(lower),
        upper: at(upper),
        center: None,
        ball_size: None,
        span: None,
    }
}

/// A chain of dense layers of these widths; each entry of `data` holds weights and, if any,
/// biases.
pub(crate) fn chain(widths: &[usize], data: &[(Vec<f32>, Option<Vec<f32>>)]) -> Network {
    let mut b = NetworkBuilder::new("chain");
    let mut x = b.push("x", Op::Input, Some(Shape::vector(widths[0])), None);
    for (i, (w, bias)) in data.iter().enumerate() {
        let (n, m) = (widths[i], widths[i + 1]);
        let weight = constant(&mut b, &format!("w{i}"), Shape(vec![m, n]), w);
        let bias = bias
            .as_ref()
            .map(|v| constant(&mut b, &format!("b{i}"), Shape::vector(m), v));
        x = b.push(format!("h{i}"), Op::Dense { x, weight, bias }, None, None);
        if i + 1 < data.len() {
            x = b.push(format!("r{i}"), Op::Relu { x }, None, None);
        }
    }
    b.finish(x).expect("a network")
}

/// Random layers, with biases or without, of the scales given.
pub(crate) fn random_chain(rng: &mut Rng, widths: &[usize], scales: &[f32]) -> Network {
    let data: Vec<_> = scales
        .iter()
        .enumerate()
        .map(|(i, scale)| {
            let (n, m) = (widths[i], widths[i + 1]);
            let w = uniform(rng, n * m, *scale);
            let bias = rng.random_bool(0.7).then(|| uniform(rng, m, *scale));
            (w, bias)
        })
        .collect();
    chain(widths, &data)
}

/// The model of a network on one region.
pub(crate) fn model(network: Network, region: &Region) -> Model {
    let network = Arc::new(network);
    let reference = check(Program::reference(network.clone())).expect("a real program");
    Model::new(
        &Reference::new(&reference),
        network,
        std::slice::from_ref(region),
        Rounding::HalfUp,
    )
}

/// Random bits: each layer's weights of their own, all activations of one width.
pub(crate) fn draw(rng: &mut Rng, model: &Model, w: (u8, u8), a: (u8, u8)) -> Assignment {
    let weights: Vec<u8> = model
        .layers()
        .iter()
        .map(|_| rng.random_range(w.0..=w.1))
        .collect();
    Assignment {
        biases: weights
            .iter()
            .map(|b| BiasRule::default().bits(*b))
            .collect(),
        activations: vec![rng.random_range(a.0..=a.1); model.tensors().len()],
        weights,
    }
}

/// Standard normal numbers (Box and Muller).
pub(crate) fn gaussian(rng: &mut Rng, n: usize) -> Vec<f32> {
    let one = |_| {
        let (u, v): (f64, f64) = (rng.random_range(1e-12..1.0), rng.random_range(0.0..1.0));
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    };
    (0..n).map(one).collect()
}
