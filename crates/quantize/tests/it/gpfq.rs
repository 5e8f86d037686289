//! Greedy path following.

use crate::nets::{chain, draw, gaussian, model, random_chain, region, rng};
use ceg4n_ir::{Annotation, Format};
use ceg4n_quantize::formats::weight_format;
use ceg4n_quantize::gpfq::follow;
use ceg4n_quantize::layerwise::Features;
use ceg4n_quantize::{Calibration, Gpfq, Granularity, Quantizer, Radius};
use std::sync::Arc;

fn features(data: Vec<f32>, samples: usize) -> Features {
    Features {
        data: data.into_iter().map(f64::from).collect(),
        samples,
    }
}

/// `‖X·w - X̃·ŵ‖²`.
fn error(w: &[f32], m: &[i32], f: Format, x: &Features, xq: &Features) -> f64 {
    let q = |m: i32| f64::from(m) * 2f64.powi(-f.frac());
    (0..x.samples)
        .map(|s| {
            let one = |t: usize| f64::from(w[t]) * x.row(t)[s] - q(m[t]) * xq.row(t)[s];
            (0..w.len()).map(one).sum::<f64>().powi(2)
        })
        .sum()
}

fn nearest(w: &[f32], f: Format) -> Vec<i32> {
    w.iter()
        .map(|w| ceg4n_ir::check::quantize_f32(f, *w))
        .collect()
}

#[test]
fn the_error_is_that_of_the_mantissas_and_beats_nearest_on_gaussian_data() {
    let mut rng = rng(31);
    let (mut better, mut sums) = (0, (0.0, 0.0));
    for round in 0..40 {
        let (cols, n) = (64, 48);
        let w = gaussian(&mut rng, cols);
        let f = weight_format(&w, 2 + round % 3);
        let x = features(gaussian(&mut rng, cols * n), n);
        let noise = gaussian(&mut rng, cols * n);
        let mut xq = x.clone();
        for (v, e) in xq.data.iter_mut().zip(noise) {
            *v += 0.01 * f64::from(e);
        }
        let row = follow(&w, &[f], &x, &xq, 0).remove(0);
        assert!(row.mantissas.iter().all(|m| f.contains(i64::from(*m))));
        let (path, plain) = (
            error(&w, &row.mantissas, f, &x, &xq),
            error(&w, &nearest(&w, f), f, &x, &xq),
        );
        assert!(
            (row.error - path).abs() <= 1e-9 * path,
            "{} or {path}",
            row.error
        );
        better += usize::from(path < plain);
        sums = (sums.0 + path, sums.1 + plain);
    }
    assert!(better >= 36, "better on {better} of 40");
    assert!(sums.0 < 0.7 * sums.1, "{sums:?}");
}

#[test]
fn one_column_or_columns_at_right_angles_are_rounded_to_nearest() {
    let mut rng = rng(32);
    for _ in 0..20 {
        let w = gaussian(&mut rng, 3);
        let f = weight_format(&w, 3);
        let one = features(gaussian(&mut rng, 5), 5);
        let row = follow(&w[..1], &[f], &one, &one, 0).remove(0);
        assert_eq!(row.mantissas, nearest(&w[..1], f));
        // Disjoint supports.
        let mut x = features(vec![0.0; 3 * 6], 6);
        for (i, v) in gaussian(&mut rng, 6).into_iter().enumerate() {
            x.data[i / 2 * 6 + i] = f64::from(v);
        }
        let row = follow(&w, &[f], &x, &x, 0).remove(0);
        assert_eq!(row.mantissas, nearest(&w, f));
    }
    // A column that is zero on every sample says nothing.
    let f: Format = "s4q2".parse().expect("a format");
    let x = features(vec![0.0, 0.0], 2);
    assert_eq!(follow(&[0.6], &[f], &x, &x, 0)[0].mantissas, [2]);
}

/// The least error over all mantissas, and over those of the last weight under the given others.
fn brute(w: &[f32], m: &[i32], f: Format, x: &Features) -> (f64, f64) {
    let all: Vec<i32> = (f.min() as i32..=f.max() as i32).collect();
    let mut lists = vec![vec![]];
    for _ in w {
        lists = lists
            .iter()
            .flat_map(|l: &Vec<i32>| all.iter().map(|m| [&l[..], &[*m]].concat()))
            .collect();
    }
    let of = |l: &Vec<i32>| error(w, l, f, x, x);
    let best = lists.iter().map(of).fold(f64::INFINITY, f64::min);
    let last = lists
        .iter()
        .filter(|l| l[..l.len() - 1] == m[..m.len() - 1]);
    (best, last.map(of).fold(f64::INFINITY, f64::min))
}

#[test]
fn the_last_step_is_the_best_there_is_and_the_whole_near_the_optimum() {
    let mut rng = rng(33);
    let (mut found, mut optimal) = (0.0, 0.0);
    for round in 0..60 {
        let n = 2 + round % 2;
        let w = gaussian(&mut rng, n);
        let f = weight_format(&w, 3);
        let x = features(gaussian(&mut rng, n * 4), 4);
        let row = follow(&w, &[f], &x, &x, 0).remove(0);
        let (best, last) = brute(&w, &row.mantissas, f, &x);
        assert!(row.error >= best - 1e-9, "nothing beats the optimum");
        assert!((row.error - last).abs() < 1e-9, "{} or {last}", row.error);
        found += row.error;
        optimal += best;
    }
    assert!(found < 2.5 * optimal, "{found} of {optimal}");
}

#[test]
fn sweeps_end_where_no_single_mantissa_can_be_better() {
    let mut rng = rng(37);
    for round in 0..40 {
        let n = 3 + round % 6;
        let w = gaussian(&mut rng, n);
        let f = weight_format(&w, 2 + (round % 2) as u8);
        let x = features(gaussian(&mut rng, n * 8), 8);
        let mut before = f64::INFINITY;
        for sweeps in 0..4 {
            let row = follow(&w, &[f], &x, &x, sweeps).remove(0);
            assert!(
                row.error <= before * (1.0 + 1e-12),
                "{} after {before}",
                row.error
            );
            assert!((row.error - error(&w, &row.mantissas, f, &x, &x)).abs() < 1e-9);
            before = row.error;
        }
        let last = follow(&w, &[f], &x, &x, 1000).remove(0);
        for t in 0..n {
            for step in [-1, 1] {
                let mut m = last.mantissas.clone();
                m[t] += step;
                if f.contains(i64::from(m[t])) {
                    assert!(error(&w, &m, f, &x, &x) >= last.error - 1e-9);
                }
            }
        }
    }
}

#[test]
fn the_radius_decides_how_many_weights_clip() {
    let mut rng = rng(34);
    let network = random_chain(&mut rng, &[8, 16, 4], &[1.0, 1.0]);
    let region = region(8, "0", "1");
    let model = model(network, &region);
    let samples = Arc::new(Calibration::from_regions(&[region], 60).expect("samples"));
    let clipped = |radius: Radius, granularity: Granularity| {
        let gpfq = Gpfq {
            radius,
            granularity,
            ..Gpfq::new(samples.clone())
        };
        let notes = gpfq
            .annotate(&model, &model.uniform(6, 8, 8), 1)
            .expect("passes");
        let weight = model.layers()[0].weight;
        let Some(Annotation::Fixed { format, .. }) = notes.get(weight) else {
            panic!("the weight has a format");
        };
        let data = model.data(weight);
        let out = |(i, w): (usize, &f32)| {
            let f = format.channel(i / 8).expect("a format");
            let scaled = (f64::from(*w) * 2f64.powi(f.frac()) + 0.5).floor();
            !(f.min() as f64..=f.max() as f64 + 1.0).contains(&scaled)
        };
        data.iter().enumerate().filter(|w| out(*w)).count()
    };
    for granularity in [Granularity::Tensor, Granularity::Channel] {
        assert_eq!(clipped(Radius::Max, granularity), 0);
        assert!(clipped(Radius::Median(0.25), granularity) > 20);
        assert_eq!(clipped(Radius::Median(16.0), granularity), 0);
    }
}

#[test]
fn programs_pass_are_pure_and_their_name_tells_the_samples() {
    let mut rng = rng(35);
    let network = random_chain(&mut rng, &[3, 6, 4, 2], &[1.0, 0.3, 3.0]);
    let region = region(3, "-1", "1");
    let model = model(network, &region);
    let samples = Arc::new(Calibration::from_regions(&[region], 30).expect("samples"));
    let mut names = std::collections::BTreeSet::new();
    for granularity in [Granularity::Tensor, Granularity::Channel] {
        for radius in [Radius::Max, Radius::Median(1.0), Radius::LeastError] {
            for correct_biases in [false, true] {
                let gpfq = Gpfq {
                    granularity,
                    radius,
                    sweeps: u32::from(correct_biases),
                    correct_biases,
                    calibration: samples.clone(),
                };
                assert!(gpfq.name().contains(&samples.hash().short()));
                assert!(names.insert(gpfq.name()), "{}", gpfq.name());
                let a = draw(&mut rng, &model, (2, 8), (4, 12));
                let p = gpfq.program(&model, &a, 1).expect("passes");
                assert_eq!(
                    p.hash(),
                    gpfq.program(&model, &a, 2).expect("passes").hash()
                );
                let notes = &p.program().annotations;
                for layer in model.layers() {
                    let Some(Annotation::Fixed { mantissas, .. }) = notes.get(layer.weight) else {
                        panic!("the weight has a format");
                    };
                    assert!(mantissas.is_some());
                }
            }
        }
    }
}

#[test]
fn the_least_error_is_no_larger_than_that_of_the_largest_radius() {
    let mut rng = rng(36);
    for bits in 2..=5 {
        let w: Vec<f32> = gaussian(&mut rng, 60);
        let network = chain(&[12, 5], &[(w.clone(), None)]);
        let region = region(12, "0", "1");
        let model = model(network, &region);
        let samples = Arc::new(Calibration::from_regions(&[region], 40).expect("samples"));
        for granularity in [Granularity::Tensor, Granularity::Channel] {
            let error = |radius| {
                let gpfq = Gpfq {
                    radius,
                    granularity,
                    ..Gpfq::new(samples.clone())
                };
                let a = model.uniform(bits, 8, 12);
                let mut notes = gpfq.annotate(&model, &a, 1).expect("passes");
                let run = ceg4n_quantize::layerwise::run;
                let y = run(&model, &samples, &a, &mut notes, &mut |_, _, _| {}).expect("runs");
                let y = &y[&model.network().output()];
                let pairs = y.real.data.iter().zip(&y.fixed.data);
                pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
            };
            assert!(error(Radius::LeastError) <= error(Radius::Max) * (1.0 + 1e-9));
        }
    }
}
