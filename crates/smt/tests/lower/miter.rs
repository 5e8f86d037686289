//! `differs`: the solver's answer against enumeration, for kernels under two rounding rules.

use crate::common::{Dice, Pair, SMALL, points, random_box};
use ceg4n_eval::kernel_outputs;
use ceg4n_ir::{Kernel, Rounding};
use ceg4n_smt::lower::{LowerError, differs};
use ceg4n_smt::{Limits, Logic, Outcome, solver};

#[test]
fn a_difference_is_found_exactly_where_there_is_one() {
    let mut solver = solver::from_name("embedded").unwrap();
    let (mut sat, mut unsat) = (0, 0);
    for seed in 2000..2500 {
        let mut d = Dice::new(seed);
        let pair = Pair::random(&mut d, SMALL, seed % 2 == 0);
        let a = pair.kernel();
        let other = Rounding::ALL[d.roll(0, 2) as usize];
        let b = Kernel {
            rounding: other,
            ..(*a).clone()
        };
        let region = random_box(&mut d, a.input_format, a.input_len(), 30);
        let outputs = |k: &Kernel, x: &[i64]| kernel_outputs(k, x).unwrap();
        let apart = |x: &Vec<i64>| outputs(a, x) != outputs(&b, x);
        let exists = points(&region).iter().any(apart);
        let q = differs(Logic::Bv, a, &b, &region).unwrap();
        match solver.solve(&q.query, &Limits::default()) {
            Outcome::Unsat => {
                assert!(!exists, "seed {seed}");
                unsat += 1;
            }
            Outcome::Sat(model) => {
                assert!(apart(&q.input(&model).unwrap()), "seed {seed}");
                sat += 1;
            }
            Outcome::Unknown(reason) => panic!("seed {seed}: {reason}"),
        }
    }
    assert!(sat > 20 && unsat > 20, "{sat} sat, {unsat} unsat");
}

#[test]
fn outputs_are_compared_as_numbers() {
    let mut d = Dice::new(7);
    let pair = Pair::random(&mut d, SMALL, false);
    let a = pair.kernel();
    let region = random_box(&mut d, a.input_format, a.input_len(), 30);
    // The same mantissas at another scale are other numbers, unless all are 0.
    let b = Kernel {
        output_frac: a.output_frac + 1,
        ..(*a).clone()
    };
    let q = differs(Logic::Lia, a, &b, &region);
    assert!(q.is_ok_and(|q| !q.query.is_empty()));
    let refused = differs(Logic::Bv, a, &b, &region[1..]).unwrap_err();
    assert!(matches!(refused, LowerError::Question(_)));
}
