//! Ranges of the reference's values.

use crate::nets::{random_chain, region, rng};
use ceg4n_ir::{Program, Region, Rounding, check};
use ceg4n_quantize::ranges::{RangeOptions, ranges};
use ceg4n_quantize::{Calibration, Clipping, Model, Nearest, Quantizer, clamps};
use ceg4n_verify::Reference;
use rand::RngExt;
use std::sync::Arc;

#[test]
fn hold_the_input_box_and_nearly_every_sampled_value() {
    let mut rng = rng(11);
    let (mut inside, mut all) = (0, 0);
    for _ in 0..20 {
        let network = Arc::new(random_chain(&mut rng, &[3, 4, 2], &[1.0, 2.0]));
        let checked = check(Program::reference(network.clone())).expect("a real program");
        let reference = Reference::new(&checked);
        let program = reference.real().expect("a real reference");
        let regions = [region(3, "-0.5", "0"), region(3, "0.25", "0.75")];
        let tensors: Vec<_> = network.values().keys().collect();
        let found = ranges(
            &reference,
            program,
            &regions,
            &tensors,
            &RangeOptions::default(),
        );
        let input = found[&network.input()];
        assert!(input.lo <= -0.5 && input.lo > -0.5001, "{input:?}");
        assert!(input.hi >= 0.75 && input.hi < 0.7501, "{input:?}");
        for r in &regions {
            for _ in 0..50 {
                let (lo, hi) = (r.lower[0].to_f64(), r.upper[0].to_f64());
                let x: Vec<f64> = (0..3).map(|_| rng.random_range(lo..=hi)).collect();
                for (node, values) in program.nodes.values().zip(reference.approximate_all(&x)) {
                    let range = found[&node.value];
                    assert!(range.lo <= range.hi, "{range:?}");
                    inside += values
                        .iter()
                        .filter(|v| (range.lo..=range.hi).contains(v))
                        .count();
                    all += values.len();
                }
            }
        }
    }
    // They choose formats and prove nothing, so a few values outside do no harm.
    assert!(inside * 1000 >= all * 995, "{inside} of {all}");
}

/// The model of a random network, with options.
fn of(seed: u64, regions: &[Region], options: &RangeOptions) -> Model {
    let network = Arc::new(random_chain(
        &mut rng(seed),
        &[3, 6, 5, 2],
        &[1.0, 2.0, 0.5],
    ));
    let checked = check(Program::reference(network.clone())).expect("a real program");
    let reference = Reference::new(&checked);
    Model::with_options(&reference, network, regions, Rounding::HalfUp, options)
}

#[test]
fn formats_hold_every_value_so_that_clamps_do_not_act_on_regions() {
    let (mut never, mut allowed) = (0, 0);
    for seed in 0..30 {
        let regions = [region(3, "-0.25", "0.25"), region(3, "0.5", "0.75")];
        let inactive = |clipping| {
            let options = RangeOptions {
                clipping,
                data: None,
            };
            let model = of(seed, &regions, &options);
            let p = Nearest::default().program(&model, &model.uniform(6, 8, 8), 1);
            let p = p.expect("passes");
            let found = clamps(p.kernel().expect("fixed-point"), &regions);
            assert_eq!(found.len(), model.tensors().len());
            found.iter().filter(|c| c.inactive).count()
        };
        never += inactive(Clipping::Never);
        allowed += inactive(Clipping::Allowed);
    }
    assert!(never >= 88, "{never} of 90");
    assert!(never >= allowed, "{never} with headroom, {allowed} without");
}

#[test]
fn ranges_hold_the_data_and_those_of_the_regions() {
    let regions = [region(3, "-0.25", "0.25")];
    let mut data = vec![0.0; 3 * 20];
    for (i, v) in data.iter_mut().enumerate() {
        *v = (i * 7 % 11) as f32 - 3.0;
    }
    let data = Some(Arc::new(Calibration::new(data, 3).expect("samples")));
    for clipping in [Clipping::Never, Clipping::Allowed] {
        for seed in 0..10 {
            let options = |data| RangeOptions { clipping, data };
            let plain = of(seed, &regions, &options(None));
            let wide = of(seed, &regions, &options(data.clone()));
            let alone = of(seed, &[], &options(data.clone()));
            let input = wide.range(wide.network().input());
            assert_eq!((input.lo, input.hi), (-3.0, 7.0));
            for v in wide.tensors() {
                let (p, w, a) = (plain.range(*v), wide.range(*v), alone.range(*v));
                assert_eq!(w.lo, p.lo.min(a.lo));
                assert_eq!(w.hi, p.hi.max(a.hi));
            }
        }
    }
}
