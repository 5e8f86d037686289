//! Refutations of questions about kernels: accepted by the checker, and of clauses that say what
//! the question says at every point of the box.

use crate::common::{Dice, Pair, SMALL, lows, model_of, points, random_box};
use crate::lrat::Checker;
use crate::simulate::simulate;
use ceg4n_eval::kernel_outputs;
use ceg4n_ir::kernel::argmax;
use ceg4n_smt::lower::{Rewriting, leaves_class};
use ceg4n_smt::solver::embedded::{clauses, prove};
use ceg4n_smt::{Limits, Logic, Outcome};

#[test]
fn of_kernels_that_keep_their_class() {
    let (mut refuted, mut steps, mut broken) = (0, 0, 0);
    for seed in 8000..16_000 {
        let mut d = Dice::new(seed);
        let pair = Pair::random(&mut d, SMALL, false);
        let kernel = pair.kernel();
        let b = random_box(&mut d, kernel.input_format, kernel.input_len(), 500);
        let class = argmax(&kernel_outputs(kernel, &lows(&b)).unwrap()).unwrap();
        let q = leaves_class(Logic::Bv, kernel, &b, class, Rewriting::On)
            .unwrap()
            .query;
        let c = clauses(&q, &Limits::default()).unwrap();
        // What intervals decide is no question to the solver.
        if c.iter().count() < 50 || refuted >= 50 {
            continue;
        }
        for p in points(&b) {
            let model = model_of(&q, &lows(&b), &p);
            let holds = q.holds(&model).unwrap();
            assert_eq!(simulate(&c, &model), holds, "seed {seed}, {p:?}");
            broken += usize::from(holds);
        }
        match prove(&q, &Limits::default()) {
            (Outcome::Sat(_), None) => {}
            (Outcome::Unsat, Some(proof)) => {
                assert_eq!(proof.clauses, c, "seed {seed}");
                let checker = Checker::new(c.iter());
                let checked = checker.check(proof.lrat.as_bytes());
                assert_eq!(checked, Ok(()), "seed {seed}");
                refuted += 1;
                steps += proof.lrat.lines().count();
            }
            (outcome, proof) => panic!("seed {seed}: {outcome:?}, {}", proof.is_some()),
        }
    }
    eprintln!("{refuted} refutations of kernel questions accepted, {steps} lines");
    assert!(
        refuted >= 30 && steps > 1000 && broken > 1000,
        "{refuted} {steps} {broken}"
    );
}
