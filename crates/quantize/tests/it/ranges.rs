//! Ranges of the reference's values.

use crate::nets::{random_chain, region, rng};
use ceg4n_ir::{Program, check};
use ceg4n_quantize::ranges::{RangeOptions, ranges};
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
