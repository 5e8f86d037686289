//! Round to nearest with its options.

use crate::nets::{chain, draw, gaussian, model, random_chain, region, rng, uniform};
use ceg4n_ir::{Annotation, Annotations, TensorFormat, ValueId};
use ceg4n_quantize::formats::scale_format;
use ceg4n_quantize::{Calibration, Granularity, Model, Nearest, Quantizer, RangeChoice, layerwise};
use std::sync::Arc;

/// The values of a constant's mantissas.
fn values(model: &Model, notes: &Annotations, v: ValueId) -> Vec<f64> {
    let Some(Annotation::Fixed { format, mantissas }) = notes.get(v) else {
        panic!("a constant has a format");
    };
    let rows = model.network().value(v).shape.0[0];
    let data = model.data(v);
    let one = |(i, w): (usize, &f32)| {
        let f = format.channel(i / (data.len() / rows)).expect("a format");
        let nearest = ceg4n_ir::check::quantize_f32(f, *w);
        let m = mantissas.as_ref().map_or(nearest, |m| m[i]);
        f64::from(m) * 2f64.powi(-f.frac())
    };
    data.iter().enumerate().map(one).collect()
}

fn squared(model: &Model, notes: &Annotations, v: ValueId) -> f64 {
    let data = model.data(v).iter().map(|w| f64::from(*w));
    data.zip(values(model, notes, v))
        .map(|(a, b)| (a - b) * (a - b))
        .sum()
}

#[test]
fn channel_scales_are_never_worse_than_one_for_the_tensor() {
    let mut rng = rng(41);
    let mut better = 0;
    for _ in 0..40 {
        // Rows of different sizes, one of zeros.
        let mut w = gaussian(&mut rng, 5 * 6);
        for (j, row) in w.chunks_exact_mut(6).enumerate() {
            row.iter_mut()
                .for_each(|v| *v *= [1.0, 0.1, 30.0, 0.0, 2.0][j]);
        }
        let bias = Some(uniform(&mut rng, 5, 0.5));
        let model = model(chain(&[6, 5], &[(w, bias)]), &region(6, "0", "1"));
        let a = draw(&mut rng, &model, (2, 8), (4, 12));
        let of = |granularity| {
            let quantizer = Nearest {
                granularity,
                ..Nearest::default()
            };
            let notes = quantizer.annotate(&model, &a, 1).expect("passes");
            model.check(notes.clone()).expect("passes");
            notes
        };
        let (tensor, channel) = (of(Granularity::Tensor), of(Granularity::Channel));
        let layer = &model.layers()[0];
        let bias = layer.bias.expect("a bias");
        for v in [layer.weight, bias] {
            assert!(matches!(channel.format(v), Some(TensorFormat::Channels(_))));
        }
        // The channel of zeros does not coarsen what is added to it.
        let Some(TensorFormat::Channels(formats)) = channel.format(layer.weight) else {
            panic!("one format per channel");
        };
        let finest = formats.iter().map(|f| f.frac()).max();
        assert_eq!(Some(formats[3].frac()), finest);
        let error = |notes| squared(&model, notes, layer.weight);
        // The finest of three for a row may clip less well than the tensor's, which is one of more.
        assert!(error(&channel) <= error(&tensor) * (1.0 + 1e-12));
        better += usize::from(error(&channel) < 0.9 * error(&tensor));
    }
    assert!(better >= 25, "{better} of 40");
}

#[test]
fn percentiles_clip_what_is_beyond_them() {
    let mut w: Vec<f32> = (1..=99).map(|i| i as f32 / 100.0).collect();
    w.push(-64.0);
    let f = |choice| scale_format(&w, 8, choice);
    // 64 does not fit in 127·2^-1, 0.99 in 127·2^-7.
    assert_eq!(f(RangeChoice::MaxAbs).frac(), 0);
    assert_eq!(f(RangeChoice::Percentile(100.0)).frac(), 0);
    assert_eq!(f(RangeChoice::Percentile(99.0)).frac(), 7);
    assert_eq!(f(RangeChoice::Percentile(40.0)).frac(), 8);
    assert_eq!(f(RangeChoice::Percentile(0.0)).frac(), 13);
    assert!(f(RangeChoice::Mse).frac() <= 2);
    assert_eq!(
        scale_format(&[], 8, RangeChoice::Percentile(50.0)).width(),
        8
    );
}

#[test]
fn corrected_biases_take_the_mean_error_away() {
    let mut rng = rng(42);
    for round in 0..20 {
        let network = random_chain(&mut rng, &[6, 5, 4, 3], &[1.0, 1.0, 1.0]);
        let region = region(6, "0", "1");
        let model = model(network, &region);
        let data: Vec<f32> = uniform(&mut rng, 6 * 50, 1.0)
            .iter()
            .map(|v| v.abs())
            .collect();
        let samples = Arc::new(Calibration::new(data, 6).expect("samples"));
        // Biases wide enough to hold the correction.
        let a = model.uniform(3, 20, 12);
        let quantizer = Nearest {
            granularity: [Granularity::Tensor, Granularity::Channel][round % 2],
            correct_biases: Some(samples.clone()),
            ..Nearest::default()
        };
        let plain = Nearest {
            correct_biases: None,
            ..quantizer.clone()
        };
        let worst = |q: &Nearest| {
            let mut notes = q.annotate(&model, &a, 1).expect("passes");
            model.check(notes.clone()).expect("passes");
            let all = layerwise::run(&model, &samples, &a, &mut notes, &mut |_, _, _| {});
            let all = all.expect("runs");
            let mut worst = 0f64;
            for layer in model.layers().iter().filter(|l| l.bias.is_some()) {
                let y = &all[&layer.value];
                let step = notes.format(layer.bias.expect("a bias")).expect("a format");
                for (j, (a, b)) in y.real.means().iter().zip(y.fixed.means()).enumerate() {
                    let half = 2f64.powi(-step.channel(j).expect("a format").frac() - 1);
                    worst = worst.max((a - b).abs() / half);
                }
            }
            worst
        };
        // No more than the rounding of the bias is left, and that of the sum of the means.
        assert!(worst(&quantizer) <= 1.001, "{}", worst(&quantizer));
        if model.layers().iter().any(|l| l.bias.is_some()) {
            assert!(worst(&plain) > 2.0, "{}", worst(&plain));
        }
    }
}

#[test]
fn every_option_is_told_in_the_name() {
    let samples = Arc::new(Calibration::new(vec![0.5; 6], 2).expect("samples"));
    let mut names = std::collections::BTreeSet::new();
    for granularity in [Granularity::Tensor, Granularity::Channel] {
        for range in [
            RangeChoice::MaxAbs,
            RangeChoice::Mse,
            RangeChoice::Percentile(99.0),
            RangeChoice::Percentile(99.9),
        ] {
            for correct_biases in [None, Some(samples.clone())] {
                let quantizer = Nearest {
                    granularity,
                    range,
                    correct_biases,
                };
                assert!(quantizer.is_pure());
                assert!(names.insert(quantizer.name()), "{}", quantizer.name());
            }
        }
    }
    assert_eq!(
        Nearest::default().name(),
        "nearest, power-of-two scales per tensor (weights: of three scales that of least squared error)"
    );
}
