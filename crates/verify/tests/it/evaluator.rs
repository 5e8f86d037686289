//! The exact evaluator against a second reading of the semantics page: all roundings, small
//! widths exhaustively, whole networks at random.

use crate::generate::{Rng, case, network};
use crate::model::{Const, Fmt, Meaning, Model, Step};
use ceg4n_base::Exact;
use ceg4n_eval::{kernel_outputs, real_outputs};
use ceg4n_ir::Rounding;

fn constant(rows: usize, format: Fmt, m: Vec<i32>) -> Const {
    Const {
        data: vec![1.0; m.len()],
        rows,
        formats: vec![format],
        mantissas: Some(m),
    }
}

/// Compares on one input; the outputs as mantissas at the kernel's scale.
fn agree(model: &Model, inputs: &[Vec<i128>]) -> Option<Vec<Vec<i64>>> {
    let program = model.program(Meaning::Fixed)?;
    let kernel = program.kernel().expect("a kernel");
    let all = inputs.iter().map(|x| {
        let narrow: Vec<i64> = x.iter().map(|m| *m as i64).collect();
        let found = kernel_outputs(kernel, &narrow).expect("outputs");
        let (expected, frac) = model.fixed_mantissas(x);
        let wide: Vec<i128> = found.iter().map(|m| i128::from(*m)).collect();
        assert_eq!(kernel.output_frac, frac, "{model:#?}");
        assert_eq!(wide, expected, "{x:?}\n{model:#?}");
        found
    });
    Some(all.collect())
}

#[test]
fn one_neuron_exhaustively() {
    let (mut programs, mut evaluated) = (0, 0);
    for rounding in Rounding::ALL {
        for signed in [true, false] {
            let input = Fmt::new(signed, 4, 1);
            let inputs: Vec<Vec<i128>> = (input.min()..=input.max()).map(|m| vec![m]).collect();
            for w in -4..4 {
                for shift in -3..=6 {
                    for (out_signed, width) in [(true, 3), (false, 3), (true, 8), (false, 1)] {
                        for bias in [None, Some(-3), Some(1)] {
                            let out = Fmt::new(out_signed, width, 3 - shift);
                            let dense = Step::Dense {
                                w: constant(1, Fmt::new(true, 3, 2), vec![w]),
                                b: bias.map(|b| constant(1, Fmt::new(true, 4, 1), vec![b])),
                            };
                            let model = Model {
                                inputs: 1,
                                input,
                                steps: vec![(dense, Some(out)), (Step::Relu, None)],
                                rounding,
                            };
                            let n = agree(&model, &inputs).expect("a program").len();
                            evaluated += n;
                            programs += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!((programs, evaluated), (5760, 92_160));
}

#[test]
fn random_networks() {
    let mut rng = Rng::new(21);
    let mut programs = 0;
    for _ in 0..1500 {
        let input = Fmt::new(rng.one_in(2), rng.int(1, 16) as u32, rng.int(-5, 12) as i32);
        let n = rng.size(1, 3);
        let most = 2f64.powi(input.width as i32 - input.frac);
        let model = network(&mut rng, n, input, most, false);
        let inputs: Vec<Vec<i128>> = (0..8)
            .map(|_| {
                (0..n)
                    .map(|_| i128::from(rng.int(input.min() as i64, input.max() as i64)))
                    .collect()
            })
            .collect();
        programs += u32::from(agree(&model, &inputs).is_some());
    }
    assert!(programs > 1300, "{programs}");
}

#[test]
fn references_and_input_rounding() {
    let mut rng = Rng::new(22);
    for _ in 0..500 {
        let case = case(&mut rng, true);
        let (model, meaning) = &case.reference;
        let Some(program) = model.program(*meaning) else {
            continue;
        };
        for x in [&case.lower, &case.upper] {
            let found = ceg4n_eval::outputs(&program, x).expect("outputs");
            assert_eq!(found, model.outputs_at(*meaning, x), "{case:#?}");
            if let Some(real) = program.real() {
                assert_eq!(found, real_outputs(real, x).expect("outputs"));
            }
        }
    }
}

#[test]
fn subtraction_is_addition_of_the_negated_constant() {
    let mut rng = Rng::new(23);
    for _ in 0..300 {
        let input = Fmt::new(true, 5, rng.int(-1, 4) as i32);
        let c: Vec<i32> = (0..3).map(|_| rng.int(-15, 15) as i32).collect();
        let format = Fmt::new(true, 5, input.frac - rng.int(0, 2) as i32);
        let out = Fmt::new(true, rng.int(3, 9) as u32, rng.int(-1, 4) as i32);
        let rounding = Rounding::ALL[rng.size(0, 2)];
        let model = |c: Vec<i32>, sub| Model {
            inputs: 3,
            input,
            steps: vec![(
                Step::AddSub {
                    c: Const {
                        data: c
                            .iter()
                            .map(|m| *m as f32 * 2f32.powi(-format.frac))
                            .collect(),
                        ..constant(3, format, c)
                    },
                    sub,
                },
                Some(out),
            )],
            rounding,
        };
        let negated = model(c.iter().map(|m| -m).collect(), false);
        let subtracted = model(c, true);
        let inputs: Vec<Vec<i128>> = (0..10)
            .map(|_| (0..3).map(|_| i128::from(rng.int(-16, 15))).collect())
            .collect();
        let a = agree(&subtracted, &inputs).expect("a program");
        assert_eq!(a, agree(&negated, &inputs).expect("a program"));
        let x: Vec<Exact> = inputs[0].iter().map(|m| input.value(*m)).collect();
        let real = |m: &Model| {
            let program = m.program(Meaning::Real).expect("a reference");
            ceg4n_eval::outputs(&program, &x).expect("outputs")
        };
        assert_eq!(real(&subtracted), real(&negated));
        assert_eq!(real(&subtracted), subtracted.outputs_at(Meaning::Real, &x));
    }
}
