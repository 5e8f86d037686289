//! Clamps that cannot act on a region.

use crate::nets::{draw, model, random_chain, region, rng};
use ceg4n_base::Exact;
use ceg4n_ir::KernelOp;
use ceg4n_quantize::{Clamp, Nearest, Quantizer, clamps};
use rand::RngExt;

#[test]
fn the_region_range_holds_every_sample_and_inactive_clamps_never_act() {
    let mut rng = rng(51);
    let (mut inactive, mut all) = (0, 0);
    for round in 0..30 {
        let network = random_chain(&mut rng, &[3, 5, 4, 2], &[1.0, 2.0, 0.5]);
        let box_ = region(3, "-0.5", "0.5");
        let model = model(network, &box_);
        let a = draw(&mut rng, &model, (3, 8), (4, 12));
        let p = Nearest::default().program(&model, &a, 1).expect("passes");
        let kernel = p.kernel().expect("fixed-point");
        // Every third time a box beyond what formats were chosen for.
        let (lo, hi) = if round % 3 == 0 {
            (-2.0, 1.5)
        } else {
            (-0.5, 0.5)
        };
        let text = |v: f64| v.to_string();
        let regions = [region(3, &text(lo), &text(hi)), region(3, "0", "0.25")];
        let found = clamps(kernel, &regions);
        assert_eq!(found.len(), 3, "the input and two hidden layers");
        assert_eq!(found[0].value, model.network().input());
        all += found.len();
        inactive += found.iter().filter(|c| c.inactive).count();
        for _ in 0..100 {
            let x: Vec<Exact> = (0..3)
                .map(|_| Exact::from_f64(rng.random_range(lo..=hi)).expect("finite"))
                .collect();
            let nodes = ceg4n_eval::kernel_trace(kernel, &kernel.quantize_input(&x)).expect("runs");
            for (id, node) in kernel.nodes.iter() {
                let KernelOp::Requantize {
                    x,
                    multiplier: None,
                    shift,
                    format,
                } = &node.op
                else {
                    assert!(!matches!(node.op, KernelOp::Requantize { .. }));
                    continue;
                };
                let clamp: &Clamp = found.iter().find(|c| c.value == node.value).expect("told");
                for (i, v) in nodes.node(id).iter().enumerate() {
                    let before = kernel.rounding.shift(nodes.node(*x)[i], shift[i]);
                    let real = before as f64 * 2f64.powi(-format.frac());
                    assert!(clamp.region.lo <= real && real <= clamp.region.hi);
                    assert!(!clamp.inactive || before == *v);
                }
            }
        }
    }
    assert!(inactive > all / 2 && inactive < all, "{inactive} of {all}");
}

/// Boxes of few inputs are cut into parts, some of which lie between two inputs that the format
/// holds: these say nothing.
#[test]
fn parts_without_an_input_of_the_format_are_no_reason_to_know_nothing() {
    let mut rng = rng(52);
    for _ in 0..20 {
        let network = random_chain(&mut rng, &[2, 4, 4, 2], &[1.0, 2.0, 0.5]);
        let model = model(network, &region(2, "-0.5", "0.5"));
        let a = draw(&mut rng, &model, (2, 3), (4, 5));
        let p = Nearest::default().program(&model, &a, 1).expect("passes");
        let kernel = p.kernel().expect("fixed-point");
        let found = clamps(kernel, &[region(2, "0.1", "0.3")]);
        let mut ends = found.iter().flat_map(|c| [c.region.lo, c.region.hi]);
        assert!(ends.all(f64::is_finite), "{found:?}");
    }
}
