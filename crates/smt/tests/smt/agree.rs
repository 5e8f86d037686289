//! Every solver agrees with the evaluator: on random values of random queries, and with brute
//! force on small ones.

use crate::common::{Recipe, assignment, fix, literal, property, recipe, sinks};
use ceg4n_smt::solver::from_name;
use ceg4n_smt::{Limits, Model, Outcome, Query, Solver, Sort, TermId, Value};
use proptest::prelude::*;

/// The solvers under test, with how much slower than the embedded one they start.
fn solvers() -> Vec<(Box<dyn Solver>, u32)> {
    let mut all = Vec::new();
    if cfg!(feature = "cadical") {
        all.push((from_name("embedded").unwrap(), 1));
    }
    for tool in ["z3", "cvc5"] {
        if (tool == "z3" && crate::common::has(tool)) || from_name(tool).is_ok() {
            all.push((from_name(tool).unwrap(), 10));
        }
    }
    all
}

fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(&mut dyn Solver, &S::Value)) {
    for (mut solver, slower) in solvers() {
        let name = solver.name();
        property(&name, cases / slower, &strategy, |value| {
            test(solver.as_mut(), value);
        });
    }
}

fn ask(solver: &mut dyn Solver, q: &Query) -> Outcome {
    solver.solve(q, &Limits::default())
}

/// With all variables fixed, the given terms have their values, and cannot have others.
fn check_values(solver: &mut dyn Solver, q: &Query, terms: &[TermId], model: &Model) {
    let values = q.evaluate(model).unwrap();
    let mut q = q.clone();
    fix(&mut q, model);
    let mut same = Vec::new();
    for &t in terms {
        let value = literal(&mut q, values.get(t).unwrap());
        same.push(q.equal(t, value).unwrap());
    }
    let all = q.and(&same).unwrap();
    let mut other = q.clone();
    q.assert(all).unwrap();
    assert_eq!(
        ask(solver, &q),
        Outcome::Sat(model.clone()),
        "{}",
        q.to_smtlib()
    );
    let differs = other.not(all).unwrap();
    other.assert(differs).unwrap();
    assert_eq!(ask(solver, &other), Outcome::Unsat, "{}", other.to_smtlib());
}

fn check_recipe(solver: &mut dyn Solver, recipe: &Recipe, most: u32, seed: u64) {
    let q = recipe.build(most);
    let model = assignment(&q, seed);
    // Terms with one use may be fused into it; terms that are asked for may not.
    let all: Vec<_> = q.terms().map(|(t, _)| t).collect();
    check_values(solver, &q, &sinks(&q), &model);
    check_values(solver, &q, &all, &model);
}

#[test]
fn values_at_small_widths() {
    let strategy = (recipe(1..=3, 1..=12, 1..=14), any::<u64>());
    check(400, strategy, |s, (r, seed)| check_recipe(s, r, 12, *seed));
}

#[test]
fn values_at_large_widths() {
    let strategy = (recipe(1..=3, 13..=64, 1..=10), any::<u64>());
    check(120, strategy, |s, (r, seed)| check_recipe(s, r, 64, *seed));
}

#[test]
fn values_at_the_largest_widths() {
    let strategy = (recipe(1..=2, 120..=128, 1..=5), any::<u64>());
    check(40, strategy, |s, (r, seed)| check_recipe(s, r, 128, *seed));
}

/// Every assignment of the variables.
fn every_assignment(q: &Query, mut f: impl FnMut(&Model)) {
    let variables: Vec<_> = q.variables().collect();
    let width = |sort: Sort| match sort {
        Sort::Bool => 1,
        Sort::Int => panic!("infinitely many values"),
        Sort::Bits(width) => width,
    };
    let total: u32 = variables.iter().map(|v| width(v.1)).sum();
    for point in 0..1u64 << total {
        let mut rest = point;
        let mut model = Model::default();
        for &(name, sort) in &variables {
            let bits = rest & ((1 << width(sort)) - 1);
            rest >>= width(sort);
            model.insert(
                name,
                match sort {
                    Sort::Bool => Value::Bool(bits == 1),
                    Sort::Int => Value::Int(bits.into()),
                    Sort::Bits(width) => Value::bits(bits.into(), width),
                },
            );
        }
        f(&model);
    }
}

#[test]
fn verdicts_as_by_brute_force() {
    let (sat, unsat) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let strategy = (recipe(1..=2, 1..=4, 2..=12), any::<u64>());
    check(600, strategy, |solver, (recipe, seed)| {
        let mut q = recipe.build(7);
        // Demand some value of the last results; by chance no input reaches it.
        let wanted: Vec<_> = sinks(&q).into_iter().rev().take(2).collect();
        for (i, t) in wanted.into_iter().enumerate() {
            let sort = q.definition(t).unwrap().sort;
            let value = literal(
                &mut q,
                match sort {
                    Sort::Bool => Value::Bool(seed & 1 == 1),
                    Sort::Int => Value::Int((*seed).into()),
                    Sort::Bits(width) => Value::bits((seed >> (8 * i)).into(), width),
                },
            );
            let same = q.equal(t, value).unwrap();
            q.assert(same).unwrap();
        }
        let mut possible = false;
        every_assignment(&q, |m| possible |= q.holds(m).unwrap());
        match ask(solver, &q) {
            Outcome::Sat(model) => {
                assert!(possible && q.holds(&model).unwrap());
                sat.set(sat.get() + 1);
            }
            Outcome::Unsat => {
                assert!(!possible, "{}", q.to_smtlib());
                unsat.set(unsat.get() + 1);
            }
            Outcome::Unknown(reason) => panic!("{reason}\n{}", q.to_smtlib()),
        }
    });
    // Both verdicts must have been put to the test.
    assert!(
        solvers().is_empty() || sat.get() > 20 && unsat.get() > 20,
        "{sat:?} {unsat:?}"
    );
}

/// Shifts by every constant amount, inside the width and far beyond it.
#[test]
fn constant_shifts() {
    let mut q = Query::new();
    let (x, wide) = (q.var("x", 8).unwrap(), q.var("wide", 128).unwrap());
    let mut terms = Vec::new();
    for amount in 0..256 {
        let small = q.constant(amount, 8).unwrap();
        let large = q.constant(amount, 128).unwrap();
        for (a, by) in [(x, small), (wide, large)] {
            terms.push(q.shl(a, by).unwrap());
            terms.push(q.lshr(a, by).unwrap());
            terms.push(q.ashr(a, by).unwrap());
        }
    }
    for (mut solver, _) in solvers() {
        check_values(solver.as_mut(), &q, &terms, &assignment(&q, 3));
        check_values(solver.as_mut(), &q, &terms, &assignment(&q, 4));
    }
}

#[test]
fn long_sums() {
    let operand = (-40_000i128..40_000, 1u32..=16, any::<bool>());
    let strategy = (
        prop::collection::vec(operand, 1..=60),
        17u32..=40,
        any::<u64>(),
    );
    check(60, strategy, |solver, (operands, width, seed)| {
        let mut q = Query::new();
        let mut products = Vec::new();
        for (i, &(factor, from, signed)) in operands.iter().enumerate() {
            let x = q.var(&format!("x{i}"), from).unwrap();
            let x = if signed {
                q.sign_extend(x, *width).unwrap()
            } else {
                q.zero_extend(x, *width).unwrap()
            };
            products.push((factor, x));
        }
        let sum = q.linear(&products, -12_345, *width).unwrap();
        let model = assignment(&q, *seed);
        let values = q.evaluate(&model).unwrap();
        let exact = products.iter().fold(-12_345, |sum, &(factor, x)| {
            sum + factor * values.get(x).unwrap().signed()
        });
        assert_eq!(values.get(sum), Some(Value::bits(exact, *width)));
        check_values(solver, &q, &[sum], &model);
    });
}
