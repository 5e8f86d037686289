//! The simulation of kernels on calibration samples.

use crate::nets::{Rng, constant, draw, gaussian, model, random_chain, region, rng, uniform};
use ceg4n_base::Exact;
use ceg4n_ir::{Network, NetworkBuilder, Op, Rounding, Shape};
use ceg4n_quantize::{
    Assignment, Calibration, Gpfq, Granularity, Model, Nearest, Quantizer, layerwise,
};
use std::sync::Arc;

/// Shifted and scaled input, then two layers: every operator.
fn mixed(rng: &mut Rng) -> Network {
    let mut b = NetworkBuilder::new("mixed");
    let x = b.push("x", Op::Input, Some(Shape(vec![1, 3])), None);
    let mean = constant(&mut b, "mean", Shape(vec![1, 3]), &uniform(rng, 3, 0.3));
    let d = constant(&mut b, "d", Shape::vector(1), &[0.5]);
    let half = constant(&mut b, "half", Shape::vector(1), &[0.375]);
    let w = constant(&mut b, "w", Shape(vec![4, 3]), &uniform(rng, 12, 1.0));
    let bias = Some(constant(
        &mut b,
        "b",
        Shape::vector(4),
        &uniform(rng, 4, 0.5),
    ));
    let v = constant(&mut b, "v", Shape(vec![2, 4]), &uniform(rng, 8, 2.0));
    let x = b.push("s", Op::Sub { x, c: mean }, None, None);
    let x = b.push("q", Op::Div { x, c: d }, None, None);
    let x = b.push("f", Op::Flatten { x }, None, None);
    let x = b.push("h", Op::Dense { x, weight: w, bias }, None, None);
    let x = b.push("a", Op::Add { x, c: half }, None, None);
    let x = b.push("r", Op::Relu { x }, None, None);
    let y = Op::Dense {
        x,
        weight: v,
        bias: None,
    };
    let y = b.push("y", y, None, None);
    b.finish(y).expect("a network")
}

/// What a quantizer made, simulated, gives the outputs of the kernel exactly.
fn check(model: &Model, quantizer: &dyn Quantizer, samples: &Calibration, a: &Assignment) {
    let program = quantizer.program(model, a, 1).expect("passes");
    let kernel = program.kernel().expect("fixed-point");
    let mut notes = (*program.program().annotations).clone();
    let values = layerwise::run(model, samples, a, &mut notes, &mut |_, _, _| {})
        .expect("samples of the right length");
    let outputs = &values[&model.network().output()];
    let reference = ceg4n_ir::check(ceg4n_ir::Program::reference(model.network().clone()));
    let reference = ceg4n_verify::Reference::new(&reference.expect("a network"));
    for (s, x) in samples
        .inputs()
        .chunks_exact(samples.features())
        .enumerate()
    {
        let x: Vec<Exact> = x
            .iter()
            .map(|v| Exact::from_f32(*v).expect("finite"))
            .collect();
        let y = ceg4n_eval::kernel_outputs(kernel, &kernel.quantize_input(&x)).expect("runs");
        let real: Vec<f64> = x.iter().map(Exact::to_f64).collect();
        let real = reference.approximate(&real);
        for (j, y) in kernel.output_values(&y).iter().enumerate() {
            assert_eq!(outputs.fixed.row(j)[s], y.to_f64(), "{}", quantizer.name());
            assert!((outputs.real.row(j)[s] - real[j]).abs() < 1e-9);
        }
    }
}

#[test]
fn is_the_kernel_exactly() {
    let mut rng = rng(21);
    for round in 0..12 {
        let network = match round % 3 {
            0 => mixed(&mut rng),
            _ => random_chain(&mut rng, &[3, 5, 4, 2], &[1.0, 0.5, 2.0]),
        };
        let model = model(network, &region(3, "-0.5", "1.5"));
        // Also points outside the region, where formats clamp.
        let data: Vec<f32> = gaussian(&mut rng, 3 * 40);
        let samples = Arc::new(Calibration::new(data, 3).expect("samples"));
        for granularity in [Granularity::Tensor, Granularity::Channel] {
            let nearest = Nearest {
                granularity,
                ..Nearest::default()
            };
            let corrected = Nearest {
                correct_biases: Some(samples.clone()),
                ..nearest.clone()
            };
            let gpfq = Gpfq {
                granularity,
                correct_biases: round % 2 == 0,
                ..Gpfq::new(samples.clone())
            };
            let quantizers: [&dyn Quantizer; 3] = [&nearest, &corrected, &gpfq];
            for quantizer in quantizers {
                let a = draw(&mut rng, &model, (2, 8), (4, 12));
                check(&model, quantizer, &samples, &a);
            }
        }
    }
}

#[test]
fn follows_every_rounding() {
    let mut rng = rng(22);
    for rounding in Rounding::ALL {
        let network = Arc::new(random_chain(&mut rng, &[3, 5, 2], &[1.0, 1.0]));
        let reference = ceg4n_ir::check(ceg4n_ir::Program::reference(network.clone()));
        let reference = ceg4n_verify::Reference::new(&reference.expect("a network"));
        let regions = [region(3, "0", "1")];
        let model = Model::new(&reference, network, &regions, rounding);
        let samples = Calibration::from_regions(&regions, 50).expect("samples");
        // Few bits, so that halves occur.
        for _ in 0..10 {
            let a = draw(&mut rng, &model, (2, 3), (3, 4));
            check(&model, &Nearest::default(), &samples, &a);
        }
    }
}

#[test]
fn samples_of_another_length_are_refused() {
    let mut rng = rng(23);
    let model = model(
        random_chain(&mut rng, &[3, 2], &[1.0]),
        &region(3, "0", "1"),
    );
    let samples = Arc::new(Calibration::new(vec![0.5; 8], 2).expect("samples"));
    let a = model.uniform(4, 8, 8);
    let errors = Gpfq::new(samples).annotate(&model, &a, 1);
    assert!(errors.expect_err("refused").has_errors());
}
