//! Guided rounding: what it returns is legal, never worse than the start, the same every time, and
//! on tiny networks the best there is.

mod nets;

use ceg4n_ir::check::quantize_f32;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Annotation, Annotations, Domain, Format, Property, TensorFormat};
use ceg4n_jit::{CodeCache, Evaluator};
use ceg4n_quantize::formats::weight_format;
use ceg4n_quantize::guided::{Aim, Examples, Goal, Latents, Outcome, RegionAim};
use ceg4n_quantize::{Guided, GuidedQuantizer, Model, Nearest, Quantizer};
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{Effort, Label, Question, Reference, Stop, Subject, Verdict, decide};
use nets::{boxed, model, network, rng, uniform};
use rand::RngExt;
use std::sync::Arc;

fn quick() -> Guided {
    Guided {
        epochs: 4,
        evaluations: 40,
        scales: false,
        ..Guided::default()
    }
}

fn improve(
    guided: Guided,
    model: &Model,
    start: &Annotations,
    examples: &Examples,
    regions: &[RegionAim],
) -> Outcome {
    let none = Latents::new();
    guided.improve(model, start, &none, Goal { examples, regions }, 1, &|| {
        false
    })
}

fn start(model: &Model, weights: u8) -> Annotations {
    let a = model.uniform(weights, 6, 10);
    Nearest::default()
        .annotate(model, &a, 1)
        .expect("annotations")
}

fn examples(reference: &Reference, seed: u64, n: usize) -> Examples {
    let rows = uniform(&mut rng(seed), n * reference.input_len(), 0.0, 1.0);
    Examples::from_rows(reference, &rows)
}

/// Formats are the start's, mantissas lie within them.
fn assert_legal(model: &Model, start: &Annotations, notes: &Annotations) {
    for (v, a) in &notes.values {
        let Annotation::Fixed { format, mantissas } = a else {
            panic!("{v} lost its format")
        };
        assert_eq!(Some(format), start.format(*v));
        if let Some(m) = mantissas {
            let cols = m.len() / model.network().value(*v).shape.0[0];
            for (i, m) in m.iter().enumerate() {
                let f = format.channel(i / cols).expect("a channel");
                assert!(f.contains(i64::from(*m)), "{m} in {f}");
            }
        }
    }
    model.check(notes.clone()).expect("a program");
}

#[test]
fn never_worse_inside_the_formats_and_the_same_twice() {
    let mut better = 0;
    for seed in 0..12u64 {
        let mut r = rng(seed);
        let net = network(&mut r, &[4, 6, 3], seed % 3 > 0, seed % 2 > 0);
        let (model, reference) = model(net);
        let examples = examples(&reference, seed, 60);
        let region = RegionAim {
            lower: vec![0.2; 4],
            upper: vec![0.4; 4],
            center: vec![0.3; 4],
            aim: Aim::Class {
                class: r.random_range(0..3),
                lead: 0.1,
            },
            weight: 1.0,
        };
        let regions = [region];
        for bits in [2, 3, 5] {
            let start = start(&model, bits);
            let a = improve(quick(), &model, &start, &examples, &regions);
            assert_legal(&model, &start, &a.annotations);
            assert!(a.before.is_finite() && a.after <= a.before);
            better += usize::from(a.after < 0.8 * a.before);
            let b = improve(quick(), &model, &start, &examples, &regions);
            assert_eq!(a.annotations.values, b.annotations.values);
            assert_eq!(a.after.to_bits(), b.after.to_bits());
            assert_eq!(a.moved == 0, a.after == a.before);
        }
    }
    assert!(better > 20, "{better}");
}

#[test]
fn an_outcome_is_a_start() {
    let (model, reference) = model(network(&mut rng(5), &[4, 6, 3], true, false));
    let examples = examples(&reference, 5, 100);
    let first = improve(quick(), &model, &start(&model, 2), &examples, &[]);
    let again = quick().improve(
        &model,
        &first.annotations,
        &first.latents,
        Goal {
            examples: &examples,
            regions: &[],
        },
        1,
        &|| false,
    );
    assert_eq!(again.before.to_bits(), first.after.to_bits());
    assert!(again.after <= first.after);
    let stopped = quick().improve(
        &model,
        &first.annotations,
        &first.latents,
        Goal {
            examples: &examples,
            regions: &[],
        },
        1,
        &|| true,
    );
    assert_eq!(stopped.moved, 0);
}

/// All mantissas of 2-2-1 with 2 bits: the best of 4096 is found from most networks.
#[test]
fn tiny_networks_reach_the_best_mantissas() {
    let mut hits = 0;
    let rounds = 8;
    for seed in 0..rounds {
        let (model, reference) = model(network(&mut rng(seed), &[2, 2, 1], false, false));
        let examples = examples(&reference, seed, 24);
        let start = start(&model, 2);
        let guided = Guided {
            epochs: 30,
            batch: 8,
            rate: 0.05,
            evaluations: 100,
            scales: false,
            ..Guided::default()
        };
        let found = improve(guided, &model, &start, &examples, &[]).after;
        let none = Guided {
            epochs: 0,
            evaluations: 0,
            ..guided
        };
        let mut best = f64::INFINITY;
        for code in 0..4096 {
            let notes = with_code(&model, &start, code);
            best = best.min(improve(none, &model, &notes, &examples, &[]).before);
        }
        assert!(found >= best);
        hits += u64::from(found <= best * 1.0001);
    }
    assert!(hits * 2 > rounds, "{hits} of {rounds}");
}

/// The weights of 2-2-1 with the mantissas of a number of twelve bits.
fn with_code(model: &Model, start: &Annotations, code: i32) -> Annotations {
    let mut notes = start.clone();
    let mut digits = (0..6).map(|i| (code >> (2 * i) & 3) - 2);
    for layer in model.layers() {
        let m: Arc<[i32]> = digits.by_ref().take(layer.weights).collect();
        let format = start.format(layer.weight).expect("a format").clone();
        model.set(&mut notes, layer.weight, format, Some(m));
    }
    notes
}

fn by_channel(model: &Model, bits: u8) -> Annotations {
    let a = model.uniform(bits, 6, 10);
    let mut notes = model.activations(&a, 1);
    for layer in model.layers() {
        let rows = model.data(layer.weight).chunks_exact(layer.cols);
        let formats: Arc<[Format]> = rows.map(|r| weight_format(r, bits)).collect();
        model.set(
            &mut notes,
            layer.weight,
            TensorFormat::Channels(formats),
            None,
        );
    }
    model.complete(&mut notes, &a);
    notes
}

/// The objective knows the kernel: class examples that it holds for met are met by native code.
#[test]
fn examples_that_are_met_are_met_by_the_kernel() {
    let cache = CodeCache::new();
    let mut checked = 0;
    for seed in 0..16u64 {
        let net = network(&mut rng(seed), &[3, 5, 3], true, seed % 2 > 0);
        let (model, reference) = model(net);
        let rows = uniform(&mut rng(seed + 100), 40 * 3, 0.0, 1.0);
        let mut examples = Examples::new(3, 3);
        let mut classes = Vec::new();
        for x in rows.chunks_exact(3) {
            let wide: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
            let class = argmax(&reference.approximate(&wide)).expect("outputs");
            classes.push(class);
            examples.push_rows(&reference, x, Aim::Class { class, lead: 1e-4 }, 1.0);
        }
        let start = if seed % 4 < 2 {
            start(&model, 4)
        } else {
            by_channel(&model, 4)
        };
        let outcome = improve(
            Guided {
                epochs: 40,
                ..quick()
            },
            &model,
            &start,
            &examples,
            &[],
        );
        let program = model.check(outcome.annotations).expect("a program");
        let evaluator = Evaluator::new(&program, &cache).expect("code");
        let format = evaluator.kernel().input_format;
        let x: Vec<i64> = rows
            .iter()
            .map(|v| i64::from(quantize_f32(format, *v)))
            .collect();
        let mut own = Vec::new();
        evaluator.argmax_batch(&x, 40, &mut own).expect("classes");
        let wrong = own.iter().zip(&classes).filter(|(a, b)| a != b).count();
        if outcome.after == 0.0 {
            checked += 1;
            assert_eq!(wrong, 0, "seed {seed}");
        } else {
            assert!(wrong <= 6, "seed {seed}: {wrong} of 40");
        }
    }
    assert!(checked >= 6, "{checked}");
}

/// Regions whose worst points hold are proved by the verifier, most of the time with few bits.
#[test]
fn regions_are_won() {
    let cache = CodeCache::new();
    let (mut before, mut after, mut all) = (0, 0, 0);
    for seed in 0..12u64 {
        let (model, reference) = model(network(&mut rng(seed), &[4, 6, 3], true, false));
        let examples = examples(&reference, seed, 100);
        let center = uniform(&mut rng(seed + 50), 4, 0.1, 0.9);
        let side = |by: f32| center.iter().map(|c| c + by).collect::<Vec<f32>>();
        let region = boxed(&side(-0.02), &side(0.02));
        let format = Format::new(true, 16, 8).expect("a format");
        let space = Space::new(&region, Domain::Real, format);
        let root = space.root().expect("points");
        let (effort, stop) = (Effort::default(), Stop::default());
        let label = label(&reference, &space, &region.center(), &root, &effort, &stop);
        if !matches!(label.label, Label::Robust(_)) {
            continue;
        }
        all += 1;
        let aim = RegionAim::new(&region, &label.label, &Property::Top1, 0.05);
        let start = start(&model, 2);
        let outcome = improve(quick(), &model, &start, &examples, &[aim]);
        let proved = |notes: &Annotations| {
            let program = model.check(notes.clone()).expect("a program");
            let subject = Subject::new(program, &cache).expect("code");
            let question = Question {
                reference: &reference,
                subject: &subject,
                region: &region,
                property: &Property::Top1,
                domain: Domain::Real,
                label: &label,
            };
            let verdict = decide(&question, &effort, &stop, &mut NoLeaf).verdict;
            usize::from(matches!(verdict, Verdict::Proved(_)))
        };
        before += proved(&start);
        after += proved(&outcome.annotations);
    }
    assert!(
        after >= before && after * 10 >= all * 9,
        "{before}, then {after} of {all}"
    );
}

#[test]
fn other_scales_are_found() {
    let (model, reference) = model(network(&mut rng(3), &[4, 8, 3], true, false));
    let examples = examples(&reference, 3, 200);
    let mut start = start(&model, 2);
    // A scale at which most mantissas are 0.
    for layer in model.layers() {
        let f = start
            .format(layer.weight)
            .and_then(TensorFormat::single)
            .expect("one");
        let far = Format::new(true, 2, f.frac() - 2).expect("a format");
        model.set(&mut start, layer.weight, far.into(), None);
        if let Some(b) = layer.bias {
            let coarse = Format::new(true, 6, -2).expect("a format");
            model.set(&mut start, b, coarse.into(), None);
        }
    }
    let fixed = improve(
        Guided {
            epochs: 20,
            ..quick()
        },
        &model,
        &start,
        &examples,
        &[],
    );
    let free = improve(
        Guided {
            scales: true,
            epochs: 20,
            ..quick()
        },
        &model,
        &start,
        &examples,
        &[],
    );
    assert!(
        free.after < 0.5 * fixed.after,
        "{} {}",
        free.after,
        fixed.after
    );
    model.check(free.annotations).expect("a program");
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let (model, reference) = model(network(&mut rng(1), &[3, 4, 2], true, false));
    let start = start(&model, 3);
    let mut examples = Examples::new(3, 2);
    assert!(!examples.push(&[0.0, f32::NAN, 0.0], &[0.0, 1.0], Aim::Fidelity, 1.0));
    assert!(!examples.push(&[0.0; 2], &[0.0, 1.0], Aim::Fidelity, 1.0));
    assert!(examples.is_empty());
    let bad = |n: usize, aim| RegionAim {
        lower: vec![0.0; n],
        upper: vec![1.0; n],
        center: vec![0.5; n],
        aim,
        weight: 1.0,
    };
    let lead = 0.1;
    let regions = [
        bad(2, Aim::Class { class: 0, lead }),
        bad(3, Aim::Class { class: 7, lead }),
        bad(3, Aim::Fidelity),
    ];
    let outcome = improve(quick(), &model, &start, &examples, &regions);
    assert!(outcome.after <= outcome.before);
    // Examples of another network.
    let other = Examples::from_rows(
        &nets::model(network(&mut rng(2), &[5, 2], true, false)).1,
        &[0.5; 10],
    );
    let outcome = improve(quick(), &model, &start, &other, &[]);
    assert_eq!(outcome.moved, 0);
    // No formats at all.
    let outcome = improve(quick(), &model, &Annotations::default(), &examples, &[]);
    assert!(outcome.annotations.values.is_empty() && outcome.before.is_infinite());
    drop(reference);
}

#[test]
fn the_quantizer_is_not_pure_and_checks() {
    let (model, reference) = model(network(&mut rng(9), &[3, 4, 2], true, false));
    let quantizer = GuidedQuantizer {
        start: Arc::new(Nearest::default()),
        guided: quick(),
        effort: 1,
        examples: Arc::new(examples(&reference, 9, 50)),
        regions: Arc::new([]),
    };
    assert!(!quantizer.is_pure());
    assert!(quantizer.name().contains("50 examples"));
    let a = model.uniform(2, 6, 8);
    quantizer.program(&model, &a, 1).expect("a program");
}
