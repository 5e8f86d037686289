//! The surrogate against the kernel and against finite differences.

use super::chain::{Chain, Tensors};
use super::each::Each;
use super::examples::{Aim, Examples, RegionAim};
use super::loss::Loss;
use super::pass::{Pass, Wanted};
use super::rows::Rows;
use super::worst::{Direction, Search, directions};
use crate::model::Model;
use ceg4n_ir::network::Origin;
use ceg4n_ir::{
    Annotations, Constant, Format, Kernel, Lowered, Network, NetworkBuilder, Op, Program, Region,
    Rounding, Shape, TensorFormat, ValueId, check,
};
use ceg4n_verify::Reference;
use ceg4n_verify::attack::float::Net;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

fn uniform(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-1.0f32..=1.0)).collect()
}

fn constant(b: &mut NetworkBuilder, name: &str, shape: Vec<usize>, data: &[f32]) -> ValueId {
    let c = Constant {
        data: data.into(),
        origin: Origin::Inline,
        wide: None,
    };
    b.push(name, Op::Const(c), Some(Shape(shape)), None)
}

/// 3 → 9 → 4 with every operator; the reference, too.
fn network(rng: &mut ChaCha8Rng) -> (Model, Reference) {
    let mut b = NetworkBuilder::new("net");
    let x = b.push("x", Op::Input, Some(Shape::vector(3)), None);
    let c = constant(&mut b, "shift", vec![3], &uniform(rng, 3));
    let x = b.push("shifted", Op::Sub { x, c }, None, None);
    let c = constant(&mut b, "half", vec![1], &[0.5]);
    let x = b.push("doubled", Op::Div { x, c }, None, None);
    let x = b.push("flat", Op::Flatten { x }, None, None);
    let weight = constant(&mut b, "w0", vec![9, 3], &uniform(rng, 27));
    let bias = Some(constant(&mut b, "b0", vec![9], &uniform(rng, 9)));
    let x = b.push("d0", Op::Dense { x, weight, bias }, None, None);
    let c = constant(&mut b, "c0", vec![9], &uniform(rng, 9));
    let x = b.push("a0", Op::Add { x, c }, None, None);
    let x = b.push("r0", Op::Relu { x }, None, None);
    let weight = constant(&mut b, "w1", vec![4, 9], &uniform(rng, 36));
    let bias = None;
    let x = b.push("d1", Op::Dense { x, weight, bias }, None, None);
    let network: Arc<Network> = Arc::new(b.finish(x).expect("a network"));
    let checked = check(Program::reference(network.clone())).expect("a real program");
    let reference = Reference::new(&checked);
    let side = |t: &str| vec![t.parse().expect("a number"); 3];
    let region = Region {
        id: "r".to_owned(),
        lower: side("-1"),
        upper: side("1"),
        center: None,
        ball_size: None,
        span: None,
    };
    let model = Model::new(&reference, network, &[region], Rounding::HalfUp);
    (model, reference)
}

/// Formats of so many activation bits; a scale per channel of the first weight.
fn notes(model: &Model, bits: u8) -> Annotations {
    let mut a = model.uniform(4, 5, bits);
    a.biases.fill(5);
    let mut notes = model.activations(&a, 1);
    for (i, layer) in model.layers().iter().enumerate() {
        let f = |j: usize| Format::new(true, 4, 3 - (j % 3) as i32).expect("a format");
        let format = if i == 0 {
            TensorFormat::Channels((0..layer.rows).map(f).collect())
        } else {
            f(0).into()
        };
        model.set(&mut notes, layer.weight, format, None);
    }
    model.complete(&mut notes, &a);
    notes
}

fn chain(model: &Model, notes: &Annotations) -> (Chain, Tensors) {
    let checked = model.check(notes.clone()).expect("a program");
    let kernel = checked.kernel().expect("a kernel");
    Chain::new(model, notes, kernel).expect("a chain")
}

#[test]
fn outputs_are_the_kernels() {
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (model, _) = network(&mut rng);
        let mut notes = notes(&model, 6);
        notes.rounding = Rounding::ALL[seed as usize % 3];
        let (chain, mantissas) = chain(&model, &notes);
        // Stating the mantissas changes nothing.
        let stated = chain.annotations(&notes, &mantissas);
        let checked = model.check(stated).expect("a program");
        let kernel = checked.kernel().expect("a kernel");
        let mut values = chain.zeros();
        chain.values(&mantissas, &mut values);
        let mut pass = Pass::new(&chain, Loss::new(4, 1.0));
        for _ in 0..50 {
            let x = uniform(&mut rng, 3);
            let mut rows = Rows::new();
            rows.push(&chain, &x, &[0.0; 4], Aim::Fidelity, 1.0);
            let y = kernel_outputs(kernel, &x);
            assert_eq!(pass.outputs(&values, rows.row(0)), y, "seed {seed}");
        }
    }
}

/// The kernel's outputs in real units, by the verifier's own surrogate in double precision.
fn kernel_outputs(kernel: &Arc<Kernel>, x: &[f32]) -> Vec<f32> {
    let net = Net::new(&Lowered::Fixed(kernel.clone()));
    let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
    net.outputs(&x).iter().map(|y| *y as f32).collect()
}

/// Gradients of params and inputs against central differences; activations of so many bits that
/// roundings do not show.
#[test]
fn gradients_are_those_of_the_objective() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (model, reference) = network(&mut rng);
    let (chain, mantissas) = chain(&model, &notes(&model, 26));
    let examples = Examples::from_rows(&reference, &uniform(&mut rng, 3 * 12));
    let mut rows = Rows::new();
    for i in 0..12 {
        let (x, y) = (
            &examples.inputs[3 * i..][..3],
            &examples.outputs[4 * i..][..4],
        );
        rows.push(&chain, x, y, Aim::Fidelity, 0.5);
    }
    let mut pass = Pass::new(&chain, Loss::new(4, 1.0));
    let mut values = chain.zeros();
    chain.values(&mantissas, &mut values);
    let (mut g, mut h) = (chain.zeros(), chain.zeros());
    pass.run(&values, &rows, 0..12, Wanted::Curvature(&mut g, &mut h));
    let mut seen = 0;
    for (i, p) in chain.params.iter().enumerate() {
        for at in (0..p.cols * p.lanes).filter(|at| at % p.lanes < p.rows) {
            let mut at_offset = |d: f32| {
                let mut moved = values.clone();
                moved[i][at] += d;
                pass.run(&moved, &rows, 0..12, Wanted::Value)
            };
            let slope = (at_offset(1e-2) - at_offset(-1e-2)) / 2e-2;
            let error = (slope - f64::from(g[i][at])).abs();
            // A ReLU may switch in between.
            seen += usize::from(error < 0.02 * (1.0 + slope.abs()));
            assert!(
                error < 0.2 * (1.0 + slope.abs()),
                "{i} {at}: {slope} {}",
                g[i][at]
            );
            assert!(h[i][at] >= 0.0);
        }
    }
    let all: usize = chain.params.iter().map(|p| p.rows * p.cols).sum();
    assert!(seen * 10 >= all * 9, "{seen} of {all}");
    let form = [1.0, -2.0, 0.0, 0.5];
    pass.outputs(&values, rows.row(0));
    let slopes = pass.input_gradient(&values, &form);
    for (k, slope) in slopes.iter().enumerate() {
        let mut at = |d: f32| {
            let mut x = examples.inputs[..3].to_vec();
            x[k] += d;
            let mut row = Rows::new();
            row.push(&chain, &x, &[0.0; 4], Aim::Fidelity, 1.0);
            let y = pass.outputs(&values, row.row(0));
            y.iter().zip(&form).map(|(y, f)| y * f).sum::<f32>()
        };
        // The input is doubled before the first dense operator.
        let found = (at(1e-3) - at(-1e-3)) / 2e-3 / 2.0;
        assert!(
            (found - slope).abs() < 0.02 * (1.0 + slope.abs()),
            "{k}: {found} {slope}"
        );
    }
}

/// Against all corners of small boxes, where the network is nearly linear.
#[test]
fn worst_points_are_the_worst_corners() {
    let (mut hits, mut all) = (0, 0);
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (model, reference) = network(&mut rng);
        let (chain, mantissas) = chain(&model, &notes(&model, 20));
        let values = chain.values_of(&mantissas);
        let search = Search {
            chain: &chain,
            reference: reference.net(),
        };
        let center = uniform(&mut rng, 3);
        let side = |by: f32| center.iter().map(|c| 0.9 * c + by).collect::<Vec<f32>>();
        let region = RegionAim {
            lower: side(-0.02),
            upper: side(0.02),
            center: side(0.0),
            aim: Aim::Within { eps: 0.1 },
            weight: 1.0,
        };
        let aims = [
            region.aim,
            Aim::Class {
                class: 1,
                lead: 0.1,
            },
        ];
        let n = search.answer(&region.center);
        for direction in aims.iter().flat_map(|a| directions(*a, &n)) {
            let mut pass = Pass::new(&chain, Loss::new(4, 1.0));
            let x = search.worst(&mut pass, &values, &region, direction);
            let mut value = |x: &[f32]| {
                let mut row = Rows::new();
                row.push(&chain, x, &[], Aim::Fidelity, 1.0);
                let k = pass.outputs(&values, row.row(0));
                match direction {
                    Direction::Rival { class, rival } => k[class] - k[rival],
                    Direction::Output { output, sign } => {
                        sign as f32 * (k[output] - search.answer(x)[output])
                    }
                    Direction::Swap { .. } => 0.0,
                }
            };
            let corner = |mask: usize| -> Vec<f32> {
                let ends = [&region.lower, &region.upper];
                (0..3).map(|i| ends[mask >> i & 1][i]).collect()
            };
            let least = (0..8).map(|m| value(&corner(m))).fold(f32::MAX, f32::min);
            hits += usize::from(value(&x) <= least + 1e-3 * (1.0 + least.abs()));
            all += 1;
        }
    }
    assert!(hits * 10 >= all * 8, "{hits} of {all}");
}

#[test]
fn slopes_pass_roundings_and_stop_at_clamps() {
    let format = Format::new(false, 2, 1).expect("a format");
    let round = Each::round(vec![2.0; 4], format, Rounding::HalfUp);
    let (mut x, mut slope) = ([-1.0, 0.3, 1.5, 2.0], [1.0; 4]);
    round.apply(&mut x, &mut slope);
    assert_eq!((x, slope), ([0.0, 0.5, 1.5, 1.5], [0.0, 1.0, 1.0, 0.0]));
    let (mut x, mut slope) = ([-1.0, 2.0], [3.0; 2]);
    Each::Relu.apply(&mut x, &mut slope);
    assert_eq!((x, slope), ([0.0, 2.0], [0.0, 3.0]));
}
