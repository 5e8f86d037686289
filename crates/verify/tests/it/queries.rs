//! Output specifications with ends that outputs just reach, against the evaluation of every input.

use crate::generate::{Case, Rng, case};
use crate::model::{Meaning, Model};
use crate::pairs::ask_with;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, OutputConstraint, OutputSpec, Property};
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::{Effort, Verdict};

/// The outputs at every integer that the box rounds to.
fn all(case: &Case) -> Vec<Vec<Exact>> {
    let model: &Model = &case.kernel;
    let (lo, hi) = (model.quantize(&case.lower), model.quantize(&case.upper));
    let mut inputs: Vec<Vec<i128>> = vec![Vec::new()];
    for (l, h) in lo.into_iter().zip(hi) {
        let longer = inputs
            .into_iter()
            .flat_map(|head| (l..=h).map(move |v| head.iter().copied().chain([v]).collect()));
        inputs = longer.collect();
    }
    inputs.iter().map(|m| model.fixed(m)).collect()
}

fn constraint(rng: &mut Rng, y: &[Exact], hair: &Exact) -> OutputConstraint {
    let mut coefficients = Vec::new();
    for j in 0..y.len() {
        let a = Exact::ratio(rng.int(-3, 3), [1, 1, 2, 3, 10][rng.size(0, 4)]).expect("a ratio");
        if !a.is_zero() {
            coefficients.push((j, a));
        }
    }
    // Just met, just missed, or on the boundary.
    let off = &Exact::from(rng.int(-1, 1)) * hair;
    let c = OutputConstraint {
        coefficients,
        constant: off,
        strict: rng.one_in(2),
    };
    let value = c.value(y);
    OutputConstraint {
        constant: &(&c.constant - &value) + &c.constant,
        ..c
    }
}

#[test]
fn specifications_hold_as_every_input_says() {
    let mut rng = Rng::new(std::env::var("SEED").map_or(61, |s| s.parse().expect("a number")));
    let (mut proved, mut joint, mut refuted, mut unknown) = (0, 0, 0, 0);
    for _ in 0..250 {
        let mut case = case(&mut rng, true);
        // Every input is evaluated: the subject is the kernel.
        case.meaning = Meaning::Fixed;
        if case.kernel.program(Meaning::Fixed).is_none() {
            continue;
        }
        let outputs = all(&case);
        let hair = case
            .kernel
            .fixed_mantissas(&case.kernel.quantize(&case.lower))
            .1;
        let hair = Exact::dyadic(1, -i64::from(hair) - rng.int(0, 2));
        let cases: Vec<Vec<OutputConstraint>> = (0..rng.size(1, 2))
            .map(|_| {
                let y = &outputs[rng.size(0, outputs.len() - 1)];
                (0..rng.size(1, 3))
                    .map(|_| constraint(&mut rng, y, &hair))
                    .collect()
            })
            .collect();
        let spec = OutputSpec {
            path: "p.vnnlib".to_owned(),
            outputs: case.kernel.outputs(),
            cases,
        };
        let broken = outputs.iter().any(|y| spec.violated(y));
        let several = spec.cases.iter().any(|c| c.len() > 1);
        let property = Property::Spec(spec.into());
        let effort = Effort {
            boxes: 200,
            starts: 2,
            ..Effort::default()
        };
        match ask_with(&case, &property, Domain::Real, &effort, &mut NoLeaf).verdict {
            Verdict::Proved(_) => {
                assert!(!broken, "{property:?}\n{case:#?}");
                proved += 1;
                joint += i32::from(several);
            }
            Verdict::Refuted(w) => {
                assert!(broken, "{:?} {property:?}\n{case:#?}", w.x);
                refuted += 1;
            }
            Verdict::Unknown(_) => unknown += 1,
        }
    }
    println!(
        "{proved} proved, {joint} of several constraints; {refuted} refuted, {unknown} unknown"
    );
    assert!(
        proved > 50 && joint > 30 && refuted > 50,
        "{proved} {joint} {refuted}"
    );
}
