//! One point in 65536 breaks the requirement, far from corners and centre: no search may pass
//! over it.

use crate::generate::{Case, Rng};
use crate::model::{Const, Fmt, Meaning, Model, Step};
use crate::pairs::ask_with;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Property, Rounding};
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::{Effort, Label, SolverLeaf, Verdict};

const INPUT: Fmt = Fmt {
    signed: true,
    width: 8,
    frac: 0,
    factor: 1,
};

/// `height·(tent(x - a) + tent(y - b))` against 3, `tent` 1 at 0 and 0 from ±1 on. With height
/// 2 the first output wins at `(a, b)` alone, with height 1 nowhere.
fn needle(a: i64, b: i64, height: f32) -> Model {
    let constant = |data: Vec<f32>, rows, format| Const {
        data,
        rows,
        formats: vec![format],
        mantissas: None,
    };
    let (mut w, mut bias) = (Vec::new(), Vec::new());
    for (row, at) in [([1.0, 0.0], a), ([0.0, 1.0], b)] {
        for k in [1, 0, -1] {
            w.extend(row);
            bias.push((k - at) as f32);
        }
    }
    let tents = [1.0, -2.0, 1.0, 1.0, -2.0, 1.0].map(|v: f32| v * height);
    let hidden = Step::Dense {
        w: constant(w, 6, Fmt::new(true, 4, 1)),
        b: Some(constant(bias, 6, Fmt::new(true, 10, 0))),
    };
    let out = Step::Dense {
        w: constant([tents, [0.0; 6]].concat(), 2, Fmt::new(true, 6, 2)),
        b: Some(constant(vec![0.0, 3.0], 2, Fmt::new(true, 10, 2))),
    };
    Model {
        inputs: 2,
        input: INPUT,
        steps: vec![
            (hidden, None),
            (Step::Relu, Some(Fmt::new(false, 10, 0))),
            (out, None),
        ],
        rounding: Rounding::HalfUp,
    }
}

fn case(kernel: Model, reference: Model) -> Case {
    let end = |m: i128| vec![INPUT.value(m); 2];
    Case {
        kernel,
        meaning: Meaning::Fixed,
        reference: (reference, Meaning::Real),
        lower: end(INPUT.min()),
        upper: end(INPUT.max()),
        grid: None,
    }
}

const EFFORT: Effort = Effort {
    boxes: 20_000,
    points: 1 << 20,
    conflicts: 0,
    clauses: 0,
    queries: 0,
    starts: 3,
};

fn domains() -> [Domain; 2] {
    [Domain::Grid(INPUT.ir()), Domain::Real]
}

#[test]
fn a_needle_of_the_kernel_is_found() {
    let mut rng = Rng::new(51);
    for _ in 0..20 {
        let (a, b) = (rng.int(-120, 120), rng.int(-120, 120));
        let case = case(needle(a, b, 2.0), needle(a, b, 1.0));
        for domain in domains() {
            let result = ask_with(&case, &Property::Top1, domain, &EFFORT, &mut NoLeaf);
            assert_eq!(result.label, Label::Robust(1));
            let Verdict::Refuted(w) = &result.verdict else {
                panic!("({a}, {b}) in {domain}: {:?}", result.verdict);
            };
            assert_eq!(w.input, [a, b]);
            // Bounds alone, to the last box.
            let bounds_only = Effort {
                points: 0,
                ..EFFORT
            };
            let result = ask_with(&case, &Property::Top1, domain, &bounds_only, &mut NoLeaf);
            let proved = matches!(result.verdict, Verdict::Proved(_));
            assert!(!proved, "({a}, {b}) in {domain}");
        }
    }
}

/// At the needle the kernel is 2 above the reference, elsewhere at most 1.
#[test]
fn a_needle_between_kernel_and_reference_is_found() {
    let mut rng = Rng::new(53);
    let effort = Effort {
        boxes: 200_000,
        ..EFFORT
    };
    for _ in 0..2 {
        let (a, b) = (rng.int(-120, 120), rng.int(-120, 120));
        let case = case(needle(a, b, 2.0), needle(a, b, 1.0));
        let at = vec![Exact::from(a), Exact::from(b)];
        let grid = domains()[0];
        for (property, breaks) in [
            (Property::Eps(Exact::dyadic(3, -1)), true),
            (Property::Eps(Exact::from(2)), false),
            (Property::Top1Margin(Exact::dyadic(7, -3)), true),
            (Property::Top1Margin(Exact::from(1)), false),
        ] {
            let result = ask_with(&case, &property, grid, &effort, &mut NoLeaf);
            let found = match &result.verdict {
                Verdict::Refuted(w) => w.x == at,
                Verdict::Proved(_) => !breaks,
                Verdict::Unknown(_) => false,
            };
            assert!(found, "({a}, {b}) {property}: {:?}", result.verdict);
        }
    }
}

#[test]
fn a_needle_of_the_reference_is_not_robust() {
    let mut rng = Rng::new(52);
    for _ in 0..20 {
        let (a, b) = (rng.int(-120, 120), rng.int(-120, 120));
        let case = case(needle(a, b, 1.0), needle(a, b, 2.0));
        for domain in domains() {
            let result = ask_with(&case, &Property::Top1, domain, &EFFORT, &mut NoLeaf);
            assert!(!matches!(result.label, Label::Robust(_)), "({a}, {b})");
            let proved = matches!(result.verdict, Verdict::Proved(_));
            assert!(!proved, "({a}, {b}) in {domain}");
        }
    }
}

/// Few boxes, no enumeration: the solver gets every part that is open, and finds the one.
#[test]
fn a_needle_in_one_of_many_open_parts_is_found() {
    let mut rng = Rng::new(54);
    let effort = Effort {
        boxes: 12,
        points: 0,
        conflicts: 100_000,
        clauses: 1_000_000,
        queries: 100,
        starts: 1,
    };
    let mut solved = 0;
    for _ in 0..3 {
        let (a, b) = (rng.int(-120, 120), rng.int(-120, 120));
        let case = case(needle(a, b, 2.0), needle(a, b, 1.0));
        let tolerance = Property::Eps(Exact::dyadic(3, -1));
        for (property, domain) in [
            (&Property::Top1, domains()[0]),
            (&Property::Top1, domains()[1]),
            (&tolerance, domains()[0]),
        ] {
            let mut leaf = SolverLeaf::new("embedded", None).expect("a solver");
            let result = ask_with(&case, property, domain, &effort, &mut leaf);
            match &result.verdict {
                Verdict::Refuted(w) => {
                    assert_eq!(w.input, [a, b]);
                    solved += 1;
                }
                Verdict::Unknown(_) => {}
                Verdict::Proved(_) => panic!("({a}, {b}) {property} in {domain} proved"),
            }
        }
    }
    assert!(solved >= 6, "{solved}");
}
