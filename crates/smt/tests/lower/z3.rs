//! The same questions to two solvers.

use crate::common::{Dice, Pair, SMALL, lows, random_box};
use ceg4n_eval::kernel_outputs;
use ceg4n_ir::Property;
use ceg4n_ir::kernel::argmax;
use ceg4n_smt::lower::{Question, breaks_on_grid, leaves_class};
use ceg4n_smt::{Limits, Logic, Outcome, solver};

/// True if z3 is there. Loud if it is not, fatal if the environment demands tools.
fn has_z3() -> bool {
    let found = solver::from_name("z3").is_ok();
    if !found {
        let demanded = std::env::var_os("CEG4N_REQUIRE_TOOLS").is_some_and(|v| v == "1");
        assert!(!demanded, "z3 is required and not on PATH");
        eprintln!("SKIPPED: z3 not found");
    }
    found
}

fn questions(seed: u64) -> Vec<Question> {
    let mut d = Dice::new(seed);
    let pair = Pair::random(&mut d, SMALL, true);
    let kernel = pair.kernel();
    let b = random_box(&mut d, kernel.input_format, kernel.input_len(), 2000);
    let class = argmax(&kernel_outputs(kernel, &lows(&b)).unwrap()).unwrap();
    let mut out = vec![leaves_class(Logic::Bv, kernel, &b, class).unwrap()];
    let property = if seed.is_multiple_of(2) {
        Property::Top1
    } else {
        Property::TopK(2)
    };
    out.extend(breaks_on_grid(
        Logic::Bv,
        pair.real(),
        kernel,
        kernel.input_format,
        &b,
        &property,
    ));
    out
}

#[test]
fn agrees_with_the_embedded_solver() {
    if !has_z3() {
        return;
    }
    let mut embedded = solver::from_name("embedded").unwrap();
    let mut z3 = solver::from_name("z3").unwrap();
    let (mut sat, mut unsat) = (0, 0);
    let none = Limits::default();
    for seed in 7000..7060 {
        for q in questions(seed) {
            match (embedded.solve(&q.query, &none), z3.solve(&q.query, &none)) {
                (Outcome::Sat(_), Outcome::Sat(model)) => {
                    // A model counts only after replay, which the solver has done.
                    assert!(q.input(&model).is_some());
                    sat += 1;
                }
                (Outcome::Unsat, Outcome::Unsat) => unsat += 1,
                (a, b) => panic!("seed {seed}: embedded {a:?}, z3 {b:?}"),
            }
        }
    }
    assert!(
        sat + unsat >= 60 && sat >= 20 && unsat >= 20,
        "{sat} sat, {unsat} unsat"
    );
}
