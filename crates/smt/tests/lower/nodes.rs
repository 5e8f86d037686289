//! Every node of a kernel: the terms are what the integers are.

use crate::common::{Dice, Pair, SMALL, Size, WIDE, lows, model_of, random_box, random_point};
use ceg4n_eval::{interpret_kernel, kernel_trace};
use ceg4n_ir::Kernel;
use ceg4n_opspec::{Cmp, Domain};
use ceg4n_smt::lower::{Terms, Truth};
use ceg4n_smt::{Logic, Value};

/// Compares at some points of a random box; how many values are constants, and how many terms.
pub(crate) fn terms_are_values(
    d: &mut Dice,
    kernel: &Kernel,
    logic: Logic,
    seed: u64,
) -> (usize, usize) {
    let (mut known, mut symbolic) = (0, 0);
    let b = random_box(d, kernel.input_format, kernel.input_len(), 1 << 30);
    let mut terms = Terms::over(logic);
    let input = b
        .iter()
        .enumerate()
        .map(|(i, r)| {
            terms
                .input(&format!("x{i}"), r.lo.into(), r.hi.into())
                .unwrap()
        })
        .collect();
    let trace = interpret_kernel(kernel, &mut terms, input).unwrap();
    for _ in 0..8 {
        let p = random_point(d, &b);
        let values = kernel_trace(kernel, &p).unwrap();
        let mut claims = Vec::new();
        for id in kernel.nodes.keys() {
            for (n, v) in trace.node(id).iter().zip(values.node(id)) {
                let v = terms.int(*v).unwrap();
                match terms.cmp(Cmp::Eq, n, &v).unwrap() {
                    Truth::Known(holds) => {
                        assert!(holds, "seed {seed}, node {id}, input {p:?}");
                        known += 1;
                    }
                    Truth::Term(t) => claims.push((id, t)),
                }
            }
        }
        let model = model_of(&terms.query, &lows(&b), &p);
        let all = terms.query.evaluate(&model).unwrap();
        for (id, t) in claims {
            let holds = all.get(t) == Some(Value::Bool(true));
            assert!(holds, "seed {seed}, node {id}, input {p:?}");
            symbolic += 1;
        }
    }
    (known, symbolic)
}

fn compare(logic: Logic, seeds: std::ops::Range<u64>, size: Size) {
    let mut known = 0;
    let mut symbolic = 0;
    for seed in seeds {
        let mut d = Dice::new(seed);
        let pair = Pair::random(&mut d, size, false);
        let (constants, terms) = terms_are_values(&mut d, pair.kernel(), logic, seed);
        known += constants;
        symbolic += terms;
    }
    assert!(known > 500 && symbolic > 5000, "{known}, {symbolic}");
}

#[test]
fn of_small_kernels() {
    for logic in Logic::ALL {
        compare(logic, 3000..3250, SMALL);
    }
}

#[test]
fn of_wide_kernels() {
    for logic in Logic::ALL {
        compare(logic, 4000..4250, WIDE);
    }
}
