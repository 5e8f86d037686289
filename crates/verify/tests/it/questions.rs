//! The requirements that are asked of a random pair: fixed ones, and others exactly at, just below
//! and just above what holds.

use crate::generate::Rng;
use crate::oracle::{Answer, Prop};
use ceg4n_base::Exact;
use ceg4n_ir::{OutputConstraint, OutputSpec, Property};
use std::sync::Arc;

/// The verifier's form of a requirement.
pub(crate) fn property(p: &Prop) -> Property {
    match p {
        Prop::Top1 => Property::Top1,
        Prop::Margin(m) => Property::Top1Margin(m.clone()),
        Prop::TopK(n) => Property::TopK(*n as u32),
        Prop::Eps(e) => Property::Eps(e.clone()),
        Prop::Spec(s) => Property::Spec(s.clone()),
        Prop::Joint(s) => Property::Joint(s.clone()),
    }
}

/// The kind of a requirement.
pub(crate) fn what(p: &Prop) -> &'static str {
    match p {
        Prop::Top1 => "top1",
        Prop::Margin(_) => "margin",
        Prop::TopK(_) => "topk",
        Prop::Eps(_) => "eps",
        Prop::Spec(_) => "spec",
        Prop::Joint(_) => "joint",
    }
}

/// The properties to ask: fixed ones, and tolerances at, just below and above what holds.
pub(crate) fn questions(rng: &mut Rng, answer: &Answer, outputs: usize) -> Vec<Prop> {
    let mut out = vec![Prop::Top1];
    if outputs > 2 {
        out.push(Prop::TopK(rng.size(1, outputs - 1)));
    }
    let about = |rng: &mut Rng, v: Exact| {
        let float = || Exact::from_f64(v.to_f64());
        match rng.int(0, 5) {
            0 => v,
            // A hair less, a hair more.
            1 => &v - &v.shifted(-rng.int(10, 60)),
            2 => &v + &v.shifted(-rng.int(10, 60)),
            3 => v.shifted(-1),
            4 => float().map_or(v, |f| &f + &f.shifted(-3)),
            _ => &v.shifted(1) + &Exact::dyadic(1, -8),
        }
    };
    let margin = about(rng, answer.margin());
    out.push(Prop::Margin(margin));
    if rng.one_in(3) {
        out.push(Prop::Margin(Exact::zero()));
    }
    let eps = about(rng, answer.tolerance());
    out.push(Prop::Eps(eps));
    out.push(Prop::Spec(Arc::new(spec(rng, answer, outputs, false))));
    out.push(Prop::Joint(Arc::new(spec(rng, answer, 2 * outputs, true))));
    out
}

/// A specification of one to three cases, now and then of none or with one that always holds;
/// on the kernel's outputs or on those of both.
fn spec(rng: &mut Rng, answer: &Answer, outputs: usize, both: bool) -> OutputSpec {
    let cases = if rng.one_in(40) { 0 } else { rng.size(1, 3) };
    let cases = (0..cases).map(|_| match rng.int(0, 40) {
        0 => Vec::new(),
        1..=9 => opposite(rng, answer, outputs, both),
        _ => {
            let several = rng.one_in(2);
            let n = if several { rng.size(2, 3) } else { 1 };
            (0..n)
                .map(|_| constraint(rng, answer, outputs, (several, both)))
                .collect()
        }
    });
    OutputSpec {
        path: "made-up".into(),
        outputs,
        cases: cases.collect(),
    }
}

/// Coefficients of one output, of a difference, or of anything; thirds are no floats.
fn coefficients(rng: &mut Rng, outputs: usize, both: bool) -> Vec<(usize, Exact)> {
    let factor = |rng: &mut Rng| {
        let (num, den) =
            [(1, 1), (-1, 1), (1, 2), (-3, 4), (2, 1), (1, 3), (-2, 3)][rng.size(0, 6)];
        Exact::ratio(num, den).expect("a fraction")
    };
    let j = rng.size(0, outputs - 1);
    if both && rng.one_in(2) {
        // The difference of the programs in one output.
        let (j, n) = (j % (outputs / 2), outputs / 2);
        let sign = if rng.one_in(2) { 1 } else { -1 };
        return vec![(j, Exact::from(sign)), (n + j, Exact::from(-sign))];
    }
    match rng.int(0, 3) {
        0 => vec![(j, factor(rng))],
        1 if j > 0 => vec![(0, Exact::from(1)), (j, Exact::from(-1))],
        2 if j > 0 => vec![(0, Exact::from(-1)), (j, Exact::from(1))],
        _ => {
            let all = (0..outputs).filter(|i| *i == j || rng.one_in(2));
            let all: Vec<usize> = all.collect();
            all.into_iter().map(|i| (i, factor(rng))).collect()
        }
    }
}

/// The least and the largest value of a sum over outputs.
fn range(answer: &Answer, coefficients: &[(usize, Exact)], both: bool) -> (Exact, Exact) {
    let negated: Vec<_> = coefficients.iter().map(|(j, a)| (*j, -a)).collect();
    (
        answer.least(coefficients, both),
        -&answer.least(&negated, both),
    )
}

/// A sum below a limit: its least value, where the boundary is met exactly, a hair off that, or,
/// mostly where there are other constraints, a value between.
fn constraint(
    rng: &mut Rng,
    answer: &Answer,
    outputs: usize,
    (inner, both): (bool, bool),
) -> OutputConstraint {
    let coefficients = coefficients(rng, outputs, both);
    let (least, most) = range(answer, &coefficients, both);
    let hair = |rng: &mut Rng, v: &Exact| {
        (&v.clone().max(-v) + &Exact::dyadic(1, -20)).shifted(-rng.int(5, 60))
    };
    let limit = if inner && !rng.one_in(3) {
        &least + &(&(&most - &least) * &Exact::dyadic(rng.int(0, 8), -3))
    } else {
        match rng.int(0, 5) {
            0 | 1 => least,
            2 => &least - &hair(rng, &least),
            3 => &least + &hair(rng, &least),
            4 => least.midpoint(&most),
            _ => &least - &(&(&most - &least) + &Exact::dyadic(1, -8)),
        }
    };
    OutputConstraint {
        coefficients,
        constant: -&limit,
        strict: rng.one_in(2),
    }
}

/// A sum at most some value and at least it (or a hair more): true together at that value alone,
/// or nowhere.
fn opposite(rng: &mut Rng, answer: &Answer, outputs: usize, both: bool) -> Vec<OutputConstraint> {
    let coefficients = coefficients(rng, outputs, both);
    let (least, most) = range(answer, &coefficients, both);
    let limit = &least + &(&(&most - &least) * &Exact::dyadic(rng.int(0, 8), -3));
    let gap = match rng.int(0, 2) {
        0 => Exact::zero(),
        1 => (&most - &least).shifted(-rng.int(1, 40)),
        _ => Exact::dyadic(1, -60),
    };
    let negated = coefficients.iter().map(|(j, a)| (*j, -a)).collect();
    vec![
        OutputConstraint {
            coefficients,
            constant: -&limit,
            strict: rng.one_in(2),
        },
        OutputConstraint {
            coefficients: negated,
            constant: &limit + &gap,
            strict: rng.one_in(2),
        },
    ]
}
