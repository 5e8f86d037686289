//! Specifications whose boundaries are met exactly, or missed by less than a float tells.

use crate::generate::Case;
use crate::model::{Const, Fmt, Meaning, Model, Step};
use crate::oracle::Prop;
use crate::pairs::ask_with;
use crate::pieces::by_pieces;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, OutputConstraint, OutputSpec, Property, Rounding};
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::{Effort, Verdict};
use std::sync::Arc;

/// The outputs `x` and `2^-54` on 1/2..=1, in real arithmetic.
fn line() -> Case {
    let constant = |data: Vec<f32>, format| Const {
        data,
        rows: 2,
        formats: vec![format],
        mantissas: None,
    };
    let step = Step::Dense {
        w: constant(vec![1.0, 0.0], Fmt::new(true, 4, 1)),
        b: Some(constant(vec![0.0, 2f32.powi(-54)], Fmt::new(true, 8, 58))),
    };
    let model = Model {
        inputs: 1,
        input: Fmt::new(true, 8, 4),
        steps: vec![(step, None)],
        rounding: Rounding::HalfUp,
    };
    Case {
        kernel: model.clone(),
        meaning: Meaning::Constants,
        reference: (model, Meaning::Real),
        lower: vec![Exact::dyadic(1, -1)],
        upper: vec![Exact::from(1)],
        grid: None,
    }
}

/// `Σ a_j·Y_j + b < 0`, or `≤ 0`.
fn constraint(coefficients: [i32; 2], constant: Exact, strict: bool) -> OutputConstraint {
    let each = (0..).zip(coefficients).filter(|(_, a)| *a != 0);
    OutputConstraint {
        coefficients: each.map(|(j, a)| (j, Exact::from(a))).collect(),
        constant,
        strict,
    }
}

/// The verdict on one forbidden case, which must not contradict the oracle.
fn verdict(case: Vec<OutputConstraint>) -> &'static str {
    let line = line();
    let spec = Arc::new(OutputSpec {
        path: "made-up".into(),
        outputs: 2,
        cases: vec![case],
    });
    let (model, meaning) = &line.reference;
    let answer = by_pieces(
        (&line.kernel, line.meaning),
        (model, *meaning),
        &line.lower,
        &line.upper,
    );
    let broken = answer.broken(&Prop::Spec(spec.clone()));
    let effort = Effort {
        boxes: 300,
        ..Effort::default()
    };
    let property = Property::Spec(spec);
    let result = ask_with(&line, &property, Domain::Real, &effort, &mut NoLeaf);
    match result.verdict {
        Verdict::Proved(_) => assert!(broken.is_none(), "{property:?} is met at {broken:?}"),
        Verdict::Refuted(_) => assert!(broken.is_some(), "{property:?} is met nowhere"),
        Verdict::Unknown(_) => {}
    }
    result.verdict.name()
}

/// `Y0 < 1` and `Y0 > Y1 + 1 - 2^-53`: true between two neighbouring floats alone.
#[test]
fn a_sum_of_constraints_is_exact() {
    let short = || &Exact::from(1) - &Exact::dyadic(1, -53);
    for strict in [[true, true], [true, false], [false, true], [false, false]] {
        let below = constraint([1, 0], Exact::from(-1), strict[0]);
        let above = constraint([-1, 1], short(), strict[1]);
        let found = verdict(vec![below.clone(), above.clone()]);
        assert_ne!(found, "proved");
        assert_ne!(verdict(vec![above, below]), "proved");
    }
}

/// A single value: touched by `≤`, not by `<`.
#[test]
fn a_boundary_met_exactly_counts_where_it_is_not_strict() {
    let least = || Exact::dyadic(-1, -1);
    let most = || Exact::from(1);
    // Bounds in floating point may stop short of a boundary that they would have to meet.
    let is_right = |found: &str, strict: bool| {
        let expected = if strict { "proved" } else { "refuted" };
        found == expected || (strict && found == "unknown")
    };
    for strict in [false, true] {
        // x ≤ 1/2, and x ≥ 1.
        let low = constraint([1, 0], least(), strict);
        assert!(is_right(verdict(vec![low.clone()]), strict));
        let high = constraint([-1, 0], most(), strict);
        assert!(is_right(verdict(vec![high.clone()]), strict));
        // Both at once are met nowhere.
        assert_eq!(verdict(vec![low, high]), "proved");
    }
    // x ≤ 3/4 and x ≥ 3/4.
    let three = || Exact::dyadic(3, -2);
    for strict in [[false, false], [true, false], [true, true]] {
        let low = constraint([1, 0], -&three(), strict[0]);
        let high = constraint([-1, 0], three(), strict[1]);
        let found = verdict(vec![low, high]);
        let shown = if strict[0] { "proved" } else { "refuted" };
        assert!(found == shown || found == "unknown", "{strict:?}: {found}");
    }
}
