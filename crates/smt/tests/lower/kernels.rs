//! `leaves_class`: the truth of the question at every input, and the solver's answer.

use crate::common::{Dice, Pair, SMALL, WIDE, lows, model_of, points, random_box, random_point};
use ceg4n_eval::kernel_outputs;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Interval, Kernel};
use ceg4n_smt::lower::{Rewriting, leaves_class};
use ceg4n_smt::{Limits, Logic, Outcome, solver};

pub(crate) fn leaves(kernel: &Kernel, input: &[i64], class: usize) -> bool {
    argmax(&kernel_outputs(kernel, input).unwrap()) != Some(class)
}

#[test]
fn the_embedded_solver_agrees_with_enumeration() {
    let mut solver = solver::from_name("embedded").unwrap();
    let (mut sat, mut unsat) = (0, 0);
    for seed in 0..250 {
        let mut d = Dice::new(seed);
        let pair = Pair::random(&mut d, SMALL, seed % 2 == 0);
        let kernel = pair.kernel();
        let b = random_box(&mut d, kernel.input_format, kernel.input_len(), 200);
        // The class of a corner makes for answers of both kinds.
        let at_corner = argmax(&kernel_outputs(kernel, &lows(&b)).unwrap()).unwrap();
        for class in [
            at_corner,
            d.roll(0, kernel.output_len() as i64 - 1) as usize,
        ] {
            let exists = points(&b).iter().any(|p| leaves(kernel, p, class));
            let rewriting = match seed % 4 {
                3 => Rewriting::Off,
                _ => Rewriting::On,
            };
            let q = leaves_class(Logic::Bv, kernel, &b, class, rewriting).unwrap();
            match solver.solve(&q.query, &Limits::default()) {
                Outcome::Unsat => {
                    assert!(!exists, "seed {seed}, class {class}");
                    unsat += 1;
                }
                Outcome::Sat(model) => {
                    let input = q.input(&model).unwrap();
                    let inside = |(v, r): (&i64, &Interval)| r.lo <= *v && *v <= r.hi;
                    assert!(input.iter().zip(&b).all(inside), "seed {seed}");
                    assert!(leaves(kernel, &input, class), "seed {seed}, class {class}");
                    sat += 1;
                }
                Outcome::Unknown(reason) => panic!("seed {seed}: {reason}"),
            }
        }
    }
    assert!(sat > 100 && unsat > 100, "{sat} sat, {unsat} unsat");
}

#[test]
fn wide_kernels_are_simulated_exactly() {
    let (mut leaving, mut keeping, mut widest) = (0, 0, 0);
    for seed in 1000..1250 {
        let mut d = Dice::new(seed);
        let pair = Pair::random(&mut d, WIDE, seed % 4 == 0);
        let kernel = pair.kernel();
        widest = kernel.nodes.values().map(|n| n.width).fold(widest, u8::max);
        let b = random_box(&mut d, kernel.input_format, kernel.input_len(), 1 << 40);
        let lo = lows(&b);
        let start = random_point(&mut d, &b);
        let class = match seed % 2 {
            0 => argmax(&kernel_outputs(kernel, &start).unwrap()).unwrap(),
            _ => d.roll(0, kernel.output_len() as i64 - 1) as usize,
        };
        let both =
            Logic::ALL.map(|logic| leaves_class(logic, kernel, &b, class, Rewriting::On).unwrap());
        for _ in 0..40 {
            let p = random_point(&mut d, &b);
            let expected = leaves(kernel, &p, class);
            for q in &both {
                let model = model_of(&q.query, &lo, &p);
                assert_eq!(q.input(&model).unwrap(), p, "seed {seed}");
                let found = q.query.holds(&model).unwrap();
                assert_eq!(found, expected, "seed {seed}, class {class}, input {p:?}");
            }
            *(if expected { &mut leaving } else { &mut keeping }) += 1;
        }
    }
    assert!(leaving > 1000 && keeping > 1000, "{leaving}, {keeping}");
    assert!(widest >= 56, "{widest}");
}

/// Offsets beyond the box satisfy nothing, whatever the kernel does there.
#[test]
fn a_model_outside_the_box_does_not_hold() {
    let mut outside = 0;
    for seed in 2000..2100 {
        let mut d = Dice::new(seed);
        let pair = Pair::random(&mut d, SMALL, false);
        let kernel = pair.kernel();
        let b = random_box(&mut d, kernel.input_format, kernel.input_len(), 100);
        for class in 0..kernel.output_len() {
            let both = Logic::ALL
                .map(|logic| leaves_class(logic, kernel, &b, class, Rewriting::On).unwrap());
            for (i, r) in b.iter().enumerate() {
                let over = r.hi - r.lo + 1;
                if r.lo == r.hi {
                    continue;
                }
                let mut p = lows(&b);
                p[i] += over;
                for q in &both {
                    // An offset has no room for a power of two.
                    if q.query.logic() == Logic::Bv && over & (over - 1) == 0 {
                        continue;
                    }
                    let model = model_of(&q.query, &lows(&b), &p);
                    assert!(!q.query.holds(&model).unwrap(), "seed {seed}");
                    outside += 1;
                }
            }
        }
    }
    assert!(outside > 100, "{outside}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut d = Dice::new(7);
    let pair = Pair::random(&mut d, SMALL, false);
    let kernel = pair.kernel();
    let f = kernel.input_format;
    let b = vec![Interval::new(f.min(), f.max()); kernel.input_len()];
    let ask = |b: &[Interval], class| leaves_class(Logic::Lia, kernel, b, class, Rewriting::On);
    assert!(ask(&b, 0).is_ok());
    assert!(ask(&b, kernel.output_len()).is_err());
    assert!(ask(&b[1..], 0).is_err());
    for bad in [
        (f.min() - 1, f.max()),
        (f.min(), f.max() + 1),
        (f.max(), f.min()),
    ] {
        let mut b = b.clone();
        b[0] = Interval {
            lo: bad.0,
            hi: bad.1,
        };
        assert!(ask(&b, 0).is_err() || bad.0 == bad.1, "{bad:?}");
    }
}
