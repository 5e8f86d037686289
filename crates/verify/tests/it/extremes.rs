//! The far ends of what is legal: scales at which floating point underflows or overflows, sums of
//! constraints that it rounds. What is broken at a point is never proved.

use crate::generate::Case;
use crate::model::{Const, Fmt, Meaning, Model, Step};
use crate::pairs::ask_with;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, OutputConstraint, OutputSpec, Property, Rounding};
use ceg4n_verify::bounds::differential::{On, PairForm, PairSplits, Together};
use ceg4n_verify::bounds::graph::{From, Graph};
use ceg4n_verify::bounds::margins;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::reference::hull;
use ceg4n_verify::{Effort, Reference, Verdict};

fn constant(data: Vec<f32>, rows: usize, formats: Vec<Fmt>) -> Const {
    Const {
        data,
        rows,
        formats,
        mantissas: None,
    }
}

fn s8(frac: i32) -> Fmt {
    Fmt::new(true, 8, frac)
}

fn dense(w: &[f32], rows: usize, frac: i32, b: Option<Const>) -> Step {
    let w = constant(w.to_vec(), rows, vec![s8(frac)]);
    Step::Dense { w, b }
}

fn model(input: Fmt, steps: Vec<(Step, Option<Fmt>)>, rounding: Rounding) -> Model {
    Model {
        inputs: 1,
        input,
        steps,
        rounding,
    }
}

fn two(e: i64) -> Exact {
    Exact::dyadic(1, e)
}

fn verdict(kernel: Model, reference: Model, ends: (Exact, Exact), property: &Property) -> Verdict {
    let case = Case {
        kernel,
        reference: (reference, Meaning::Real),
        lower: vec![ends.0],
        upper: vec![ends.1],
        grid: None,
    };
    let effort = Effort {
        boxes: 500,
        ..Effort::default()
    };
    ask_with(&case, property, Domain::Real, &effort, &mut NoLeaf).verdict
}

fn not_proved(v: &Verdict) {
    assert!(!matches!(v, Verdict::Proved(_)), "{v:?}");
}

fn constraint(a: &[(usize, Exact)], b: Exact, strict: bool) -> OutputConstraint {
    OutputConstraint {
        coefficients: a.to_vec(),
        constant: b,
        strict,
    }
}

fn forbidden(outputs: usize, case: Vec<OutputConstraint>) -> Property {
    let spec = OutputSpec {
        path: "p.vnnlib".to_owned(),
        outputs,
        cases: vec![case],
    };
    Property::Spec(spec.into())
}

/// `2^55 ≤ Y_0 - Y_1` and `Y_0 < 2^55 + 8` with `Y_0 = x + 2^55` and `Y_1 = 6`: met at `x = 7`.
#[test]
fn a_strict_constraint_of_a_large_constant_is_not_met_early() {
    let b = constant(vec![2f32.powi(55), 6.0], 2, vec![s8(-55), s8(0)]);
    let steps = vec![(dense(&[1.0, 0.0], 2, 0, Some(b)), None)];
    let m = model(s8(0), steps, Rounding::HalfUp);
    let (one, much) = (Exact::from(1), two(55));
    let case = vec![
        constraint(&[(0, -&one), (1, one.clone())], much.clone(), false),
        constraint(&[(0, one)], -&(&much + &Exact::from(8)), true),
    ];
    let ends = (Exact::from(0), Exact::from(10));
    not_proved(&verdict(m.clone(), m, ends, &forbidden(2, case)));
}

/// `2^53·(Y_0 - Y_1) ≤ 0`, `Y_0 ≤ Y_2`, `2^53·(Y_1 - Y_0) ≤ 0`: all met where `Y_0 = Y_1 = x - 10`
/// and `Y_2 = -5`; a float has no room for `2^53 + 1`.
#[test]
fn coefficients_of_constraints_are_not_added_inexactly() {
    let b = constant(vec![-10.0, -10.0, -5.0], 3, vec![s8(0)]);
    let steps = vec![(dense(&[1.0, 1.0, 0.0], 3, 0, Some(b)), None)];
    let m = model(s8(0), steps, Rounding::HalfUp);
    let (one, much) = (Exact::from(1), two(53));
    let zero = Exact::zero;
    let case = vec![
        constraint(&[(0, much.clone()), (1, -&much)], zero(), false),
        constraint(&[(0, one.clone()), (2, -&one)], zero(), false),
        constraint(&[(0, -&much), (1, much)], zero(), false),
    ];
    let ends = (Exact::from(-3), Exact::from(3));
    not_proved(&verdict(m.clone(), m, ends, &forbidden(3, case)));
}

/// A region wider than the greatest float: `x / 2^10` is negative somewhere on it.
#[test]
fn a_region_wider_than_any_float() {
    let m = model(s8(0), vec![(Step::Div(10), None)], Rounding::HalfUp);
    let end = Exact::from_f64(1e308).unwrap();
    let x = hull(&[-&end], &[end]);
    let reference = Reference::new(&m.program(Meaning::Real).expect("a reference"));
    let subject = m.program(Meaning::Fixed).expect("a kernel");
    let kernel = Graph::kernel(subject.kernel().expect("integers"), From::Reals);
    let together = Together::new(reference.graph(), &kernel);
    let signs = PairSplits::default();
    let on = On {
        x: &x,
        input: None,
        signs: &signs,
    };
    let pair = together.on(&on).expect("points");
    for c in [1.0, -1.0] {
        let form = PairForm {
            reference: vec![c],
            subject: vec![0.0],
        };
        let back = pair.lower(std::slice::from_ref(&form))[0];
        for lower in [pair.glance(&form), back] {
            assert!(lower <= -1e308 / 1024.0, "{c}: {lower}");
        }
    }
}

/// The reference divides by `2^1200` and multiplies by it again; the kernel answers zero.
#[test]
fn a_value_below_the_least_float_is_not_zero() {
    let mut steps = vec![(dense(&[1.0], 1, 0, None), None)];
    steps.extend((0..12).map(|_| (Step::Div(100), None)));
    steps.extend((0..12).map(|_| (Step::Div(-100), None)));
    let reference = model(s8(0), steps, Rounding::HalfUp);
    let kernel = model(
        s8(0),
        vec![(dense(&[0.0], 1, 0, None), None)],
        Rounding::HalfUp,
    );
    let ends = (Exact::from(-100), Exact::from(100));
    let eps = Property::Eps(two(-1));
    not_proved(&verdict(kernel, reference, ends, &eps));
}

/// `floor` of `-2^-912` in steps of `2^256` is one step below zero.
#[test]
fn the_floor_of_the_least_negative_number_is_not_zero() {
    let coarse = s8(-256);
    let mut steps = vec![(dense(&[2f32.powi(-126)], 1, 126, None), None)];
    steps.extend((0..5).map(|_| (Step::Div(100), None)));
    steps.push((Step::Div(30), Some(coarse)));
    steps.push((dense(&[-1.0], 1, 0, None), Some(coarse)));
    steps.push((Step::Relu, None));
    let mut b = constant(vec![0.0, -1.0], 2, vec![coarse]);
    b.mantissas = Some(vec![0, -1]);
    steps.push((dense(&[-2.0, 0.0], 2, 0, Some(b)), None));
    let m = model(s8(256), steps, Rounding::Floor);
    let ends = (Exact::dyadic(-9, -259), Exact::dyadic(-7, -259));
    not_proved(&verdict(m.clone(), m, ends, &Property::Top1));
}

/// A coefficient below the least float times an input far above the usual is not nothing: the
/// reference's first output is `2^-100 - x·2^-1080`, negative, the second zero.
#[test]
fn a_coefficient_below_the_least_float_counts() {
    let mut steps: Vec<_> = (0..9).map(|_| (Step::Div(115), None)).collect();
    steps.push((Step::Div(45), None));
    steps.push((dense(&[-1.0, 0.0], 2, 0, None), None));
    let c = constant(vec![2f32.powi(-100), 0.0], 2, vec![s8(100)]);
    steps.push((Step::AddSub { c, sub: false }, None));
    let reference = model(s8(0), steps, Rounding::HalfUp);
    let b = constant(vec![1.0, 0.0], 2, vec![s8(0)]);
    let first = vec![(dense(&[0.0, 0.0], 2, 0, Some(b)), None)];
    let kernel = model(s8(0), first, Rounding::HalfUp);
    let ends = (two(1000), two(1001));
    let x = hull(&[ends.0.clone()], &[ends.1.clone()]);
    let program = reference.program(Meaning::Real).expect("a reference");
    let lower = Reference::new(&program).lower(&x, margins(0, 2));
    assert!(lower[0] < 0.0, "{lower:?}");
    not_proved(&verdict(kernel, reference, ends, &Property::Top1));
}
