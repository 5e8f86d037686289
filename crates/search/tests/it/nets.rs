//! Networks for the tests, and their spaces.

use ceg4n_base::Exact;
use ceg4n_ir::network::Origin;
use ceg4n_ir::{
    Constant, Network, NetworkBuilder, Op, Program, Region, Rounding, Shape, ValueId, check,
};
use ceg4n_quantize::{Model, Nearest};
use ceg4n_search::AnnotationSpace;
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

/// The space of a network on one region.
pub(crate) fn space(
    network: Network,
    region: &Region,
    weight_bits: (u8, u8),
    activation_bits: (u8, u8),
) -> AnnotationSpace {
    let network = Arc::new(network);
    let reference = check(Program::reference(network.clone())).expect("a real program");
    let model = Model::new(
        &Reference::new(&reference),
        network,
        std::slice::from_ref(region),
        Rounding::HalfUp,
    );
    AnnotationSpace::new(
        Arc::new(model),
        Arc::new(Nearest::default()),
        weight_bits,
        activation_bits,
    )
}

/// A space of `layers` layers of different sizes.
pub(crate) fn small(
    layers: usize,
    weight_bits: (u8, u8),
    activation_bits: (u8, u8),
) -> AnnotationSpace {
    let widths: Vec<usize> = (0..=layers).map(|i| 2 + i % 3).collect();
    let network = random_chain(&mut rng(7), &widths, &vec![1.0; layers]);
    let n = network.input_len();
    space(network, &region(n, "0", "1"), weight_bits, activation_bits)
}
