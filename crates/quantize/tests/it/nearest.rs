//! From bits to formats to a checked program.

use crate::nets::{Rng, chain, constant, draw, model, random_chain, region, rng, uniform};
use ceg4n_base::{Diagnostics, Exact, codes};
use ceg4n_ir::{
    Annotation, Checked, Format, KernelOp, Network, NetworkBuilder, Op, Program, Shape, ValueId,
};
use ceg4n_quantize::formats::{activation_format, weight_format};
use ceg4n_quantize::model::SUMMAND_BITS;
use ceg4n_quantize::{Assignment, Model, Nearest, Quantizer, Range};
use rand::RngExt;

fn error(data: &[f32], f: Format) -> f64 {
    let one = |w: &f32| {
        let exact = Exact::from_f32(*w).expect("finite");
        (f.value(f.quantize(&exact)).to_f64() - f64::from(*w)).powi(2)
    };
    data.iter().map(one).sum()
}

#[test]
fn weight_formats_have_the_width_and_the_least_error() {
    let mut rng = rng(1);
    for scale in [1e-30f32, 1e-10, 1e-3, 1.0, 100.0, 1e10, 1e30] {
        for bits in 2..=16u8 {
            let data = uniform(&mut rng, 12, scale);
            let f = weight_format(&data, bits);
            assert!(f.signed());
            assert_eq!(f.width(), bits);
            // The coarsest that does not clip is one of the choices, so the error is no larger.
            let most = data.iter().fold(0f32, |m, v| m.max(v.abs()));
            let fits = |frac: &i32| {
                let limit = Exact::from(Format::new(true, bits, 0).expect("a format").max());
                let most = Exact::from_f32(most).expect("finite");
                most.shifted(i64::from(*frac)) <= limit
            };
            let base = (-200..200).rev().find(fits).expect("a scale");
            let coarse = Format::new(true, bits, base).expect("a format");
            assert!(error(&data, f) <= error(&data, coarse), "{f} or {coarse}");
            assert!((base..base + 3).contains(&f.frac()), "{f} or {coarse}");
        }
    }
}

#[test]
fn weight_formats_of_odd_tensors() {
    for data in [
        &[][..],
        &[0.0, 0.0],
        &[f32::MIN_POSITIVE / 4.0],
        &[f32::MAX, -1.0],
    ] {
        for bits in 2..=16 {
            let f = weight_format(data, bits);
            assert_eq!((f.width(), f.signed()), (bits, true), "{data:?}");
        }
    }
}

#[test]
fn activation_formats_hold_the_range() {
    let mut rng = rng(2);
    for scale in [1e-30, 1e-3, 1.0, 3e4, 1e30] {
        for bits in 4..=24u8 {
            let (a, b) = (rng.random_range(0.0..1.0), rng.random_range(0.1..1.0));
            for (lo, hi) in [(0.0, b), (a * b, b), (-a, b), (-b, -a * b), (-b, 0.0)] {
                let r = Range {
                    lo: lo * scale,
                    hi: hi * scale,
                };
                let f = activation_format(r, bits);
                assert_eq!(f.width(), bits);
                assert_eq!(f.signed(), r.lo < 0.0, "{r:?}");
                let value = |m: i64| f.value(m).to_f64();
                assert!(
                    r.hi <= value(f.max()) && r.lo >= value(f.min()),
                    "{r:?} in {f}"
                );
                // One fraction bit more would clip.
                let most = r.hi.abs().max(r.lo.abs());
                assert!(2.0 * most > value(f.max()), "{r:?} fills {f}");
            }
        }
    }
}

#[test]
fn activation_formats_of_odd_ranges() {
    let range = |lo: f64, hi: f64| Range { lo, hi };
    for r in [
        range(0.0, 0.0),
        range(-0.0, 0.0),
        range(f64::NEG_INFINITY, f64::INFINITY),
        range(0.0, 1e300),
        range(-1e-300, 1e-300),
    ] {
        assert_eq!(activation_format(r, 8).width(), 8, "{r:?}");
    }
}

/// The program of round to nearest.
fn program(model: &Model, a: &Assignment) -> Result<Checked<Program>, Diagnostics> {
    Nearest::default().program(model, a, 1)
}

fn single(p: &Checked<Program>, v: ValueId) -> Format {
    let notes = &p.program().annotations;
    notes
        .format(v)
        .and_then(|f| f.single())
        .expect("one format")
}

/// Formats have the bits of the assignment, and biases fit their sums.
fn check_formats(model: &Model, a: &Assignment, p: &Checked<Program>) {
    let network = &p.program().network;
    let activations = a.activations[0];
    assert_eq!(single(p, network.input()).width(), activations);
    for (i, (layer, bits)) in model.layers().iter().zip(&a.weights).enumerate() {
        let (w, x) = (single(p, layer.weight), single(p, layer.operand));
        assert_eq!((w.width(), x.width()), (*bits, activations));
        if let Some(b) = layer.bias {
            let b = single(p, b);
            assert_eq!(b.width(), a.biases[i]);
            assert!(b.frac() <= w.frac() + x.frac(), "{b} enters {w} times {x}");
        }
    }
    let kernel = p.kernel().expect("a fixed-point program");
    for node in kernel.nodes.values() {
        if let KernelOp::Requantize { format, .. } = &node.op {
            assert_eq!(format.width(), activations);
        }
    }
}

/// Refused for an accumulator beyond 64 bits and for nothing else.
fn refused_for_accumulators(errors: &Diagnostics) {
    assert!(errors.has_errors());
    for d in &errors.0 {
        assert_eq!(d.code, codes::ACCUMULATOR, "{errors}");
    }
}

#[test]
fn programs_of_random_networks_pass_or_have_wide_accumulators() {
    let mut rng = rng(3);
    let (mut passed, mut refused) = (0, 0);
    for round in 0..60 {
        let widths = [3, rng.random_range(1..5), rng.random_range(1..5), 2];
        // Every third network has a layer of an extreme scale.
        let scales: Vec<f32> = (0..3)
            .map(|_| match round % 3 {
                0 => 10f32.powi(rng.random_range(-30..=30)),
                _ => 10f32.powi(rng.random_range(-2..=2)),
            })
            .collect();
        let network = random_chain(&mut rng, &widths, &scales);
        let model = model(network, &region(3, "-0.5", "1.5"));
        for _ in 0..20 {
            let a = draw(&mut rng, &model, (2, 16), (4, 16));
            match program(&model, &a) {
                Ok(p) => {
                    check_formats(&model, &a, &p);
                    passed += 1;
                }
                Err(errors) => {
                    refused_for_accumulators(&errors);
                    refused += 1;
                }
            }
        }
        let ends = [(2, 4), (2, 16), (16, 4), (8, 8)];
        for (w, activations) in ends.into_iter().filter(|_| round % 3 != 0) {
            let a = model.uniform(w, w.max(8), activations);
            let p = program(&model, &a).expect("ordinary scales pass");
            check_formats(&model, &a, &p);
        }
    }
    assert!(passed > 1000, "{passed} passed, {refused} refused");
}

#[test]
fn values_far_beyond_float32_still_have_a_scale() {
    let mut rng = rng(8);
    for scale in [1e-30f32, 1e30] {
        let widths = [3, 2, 2, 2];
        let data: Vec<_> = (0..3)
            .map(|i| {
                let (n, m) = (widths[i], widths[i + 1]);
                let bias = Some(uniform(&mut rng, m, scale));
                (uniform(&mut rng, n * m, scale), bias)
            })
            .collect();
        let network = chain(&widths, &data);
        let model = model(network, &region(3, "0", "1"));
        for _ in 0..50 {
            let a = draw(&mut rng, &model, (2, 16), (4, 16));
            match program(&model, &a) {
                Ok(p) => check_formats(&model, &a, &p),
                Err(errors) => refused_for_accumulators(&errors),
            }
        }
    }
}

#[test]
fn a_program_is_a_pure_function_of_its_assignment() {
    let mut rng = rng(4);
    let network = random_chain(&mut rng, &[3, 4, 2], &[1.0, 0.1]);
    let make = || model(network.clone(), &region(3, "0", "1"));
    let (one, two) = (make(), make());
    let assignments: Vec<Assignment> = (0..40)
        .map(|_| draw(&mut rng, &one, (2, 16), (4, 16)))
        .collect();
    let hashes: Vec<_> = assignments
        .iter()
        .map(|a| program(&one, a).expect("passes").hash())
        .collect();
    // In another order, of another model object, under another version number.
    for (a, hash) in assignments.iter().zip(&hashes).rev() {
        let p = Nearest::default().program(&two, a, 9).expect("passes");
        assert_eq!(p.hash(), *hash);
        assert_eq!(p.program().annotations.version, 9);
    }
    let mut different = assignments[0].clone();
    different.activations[0] = 17 - different.activations[0].clamp(1, 8);
    assert_ne!(program(&two, &different).expect("passes").hash(), hashes[0]);
}

#[test]
fn all_zero_layers_pass() {
    let zero = |n: usize, m: usize| (vec![0.0; n * m], Some(vec![0.0; m]));
    let network = chain(&[2, 3, 2], &[zero(2, 3), zero(3, 2)]);
    let model = model(network, &region(2, "0", "0"));
    for bits in 2..=16 {
        let a = model.uniform(bits, bits.max(8), bits.max(4));
        check_formats(&model, &a, &program(&model, &a).expect("passes"));
    }
}

/// `x` is shifted, divided by `divisor`, shifted again, and goes through two layers that share
/// weight and bias; the first shift's constant is used twice.
fn with_shifts(rng: &mut Rng, divisor: f32) -> Network {
    let mut b = NetworkBuilder::new("shifts");
    let vector = Shape::vector(2);
    let x = b.push("x", Op::Input, Some(vector.clone()), None);
    let mean = constant(&mut b, "mean", vector.clone(), &uniform(rng, 2, 0.3));
    let d = constant(&mut b, "d", Shape::vector(1), &[divisor]);
    let weight = constant(&mut b, "w", Shape(vec![2, 2]), &uniform(rng, 4, 1.0));
    let bias = Some(constant(&mut b, "b", vector, &uniform(rng, 2, 0.5)));
    let sub = b.push("s", Op::Sub { x, c: mean }, None, None);
    let div = b.push("v", Op::Div { x: sub, c: d }, None, None);
    let add = b.push("a", Op::Add { x: div, c: mean }, None, None);
    let h = b.push(
        "h",
        Op::Dense {
            x: add,
            weight,
            bias,
        },
        None,
        None,
    );
    let r = b.push("r", Op::Relu { x: h }, None, None);
    let y = b.push("y", Op::Dense { x: r, weight, bias }, None, None);
    b.finish(y).expect("a network")
}

#[test]
fn added_constants_and_shared_ones_fit_every_sum_they_enter() {
    let mut rng = rng(5);
    for divisor in [0.125, 0.5, 1.0, 2.0, 64.0] {
        let network = with_shifts(&mut rng, divisor);
        let mean = network.find("mean").expect("a value");
        let model = model(network, &region(2, "0", "1"));
        for _ in 0..60 {
            let a = draw(&mut rng, &model, (2, 16), (4, 16));
            let p = program(&model, &a).expect("passes");
            assert_eq!(single(&p, mean).width(), SUMMAND_BITS);
            let most = a.weights.iter().copied().max().expect("two layers");
            let w = single(&p, model.layers()[0].weight);
            assert_eq!(
                w.width(),
                most,
                "the shared weight is as wide as the wider layer asks"
            );
        }
    }
}

#[test]
fn the_quantizer_annotates_formats_and_no_mantissas() {
    let mut rng = rng(6);
    let network = random_chain(&mut rng, &[2, 3, 2], &[1.0, 1.0]);
    let model = model(network, &region(2, "0", "1"));
    let a = draw(&mut rng, &model, (2, 16), (4, 16));
    let p = program(&model, &a).expect("passes");
    for (v, note) in &p.program().annotations.values {
        assert!(
            matches!(
                note,
                Annotation::Fixed {
                    mantissas: None,
                    ..
                }
            ),
            "{v} has the mantissas of its format"
        );
    }
}
