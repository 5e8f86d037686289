//! Every example of every spec, over every domain in which it applies.

use ceg4n_base::Exact;
use ceg4n_base::entity::EntityRef;
use ceg4n_opspec::{
    BigDomain, Bindings, Domain, ExactDomain, Example, IntDomain, Interpreter, MeaningError, Spec,
    catalogue,
};
use num_bigint::BigInt;
use num_traits::ToPrimitive;
use std::fmt::Debug;

/// The result and what the example expects.
type Outcome<V> = Option<(Vec<V>, Vec<V>)>;

/// The example's result over a domain into which `convert` takes its numbers; `None` where a
/// number has no place there.
fn run<D: Domain<Bool = bool, Error = MeaningError>>(
    spec: &Spec,
    example: &Example,
    mut domain: D,
    convert: impl Fn(&Exact) -> Option<D::Value>,
) -> Outcome<D::Value>
where
    D::Value: Debug,
{
    let all = |v: &[Exact]| v.iter().map(&convert).collect::<Option<Vec<_>>>();
    let operands: Option<Vec<_>> = example.operands.values().map(|v| all(v)).collect();
    let (operands, expected) = (operands?, all(&example.result)?);
    let sizes: Vec<_> = spec
        .sizes
        .iter()
        .map(|(id, n)| (n.as_str(), example.sizes[id]))
        .collect();
    let operands: Vec<_> = spec
        .operands
        .iter()
        .map(|(id, o)| (o.name.as_str(), operands[id.index()].as_slice()))
        .collect();
    let parameters: Vec<_> = spec
        .parameters
        .iter()
        .map(|(id, p)| (p.name.as_str(), example.parameters[id].as_slice()))
        .collect();
    let mut bindings =
        Bindings::new(spec, &sizes, &operands, &parameters).expect("loading checks examples");
    let interpreter = Interpreter::new(catalogue(), example.rounding);
    for condition in &spec.conditions {
        for i in 0..expected.len() {
            let position = position(spec, example, i);
            let holds =
                interpreter.condition(spec, condition, &position, &mut domain, &mut bindings);
            assert!(
                holds == Ok(true),
                "{}: {} at {position:?}",
                spec.name,
                condition.source
            );
        }
    }
    let result = interpreter
        .tensor(spec, &mut domain, &mut bindings)
        .expect("an example has a result");
    Some((result, expected))
}

/// The indices of element `i` of the result, row-major.
fn position(spec: &Spec, example: &Example, mut i: usize) -> Vec<usize> {
    let extents = spec.result.index.iter().map(|(_, s)| example.sizes[*s]);
    let mut position: Vec<usize> = extents
        .rev()
        .map(|extent| {
            let index = i % extent;
            i /= extent;
            index
        })
        .collect();
    position.reverse();
    position
}

fn integer(v: &Exact) -> Option<BigInt> {
    let floor = v.floor();
    (Exact::from(floor.clone()) == *v).then_some(floor)
}

#[test]
fn every_example_holds() {
    let mut counts = [0; 3];
    for spec in catalogue().all() {
        for (i, example) in spec.examples.iter().enumerate() {
            let place = format!("example {} of {}", i + 1, spec.file);
            let mut ran = false;
            if spec.fixed {
                if let Some((got, expected)) = run(spec, example, BigDomain, integer) {
                    assert_eq!(got, expected, "{place}");
                    (ran, counts[0]) = (true, counts[0] + 1);
                }
                let small = |v: &Exact| integer(v)?.to_i128();
                if let Some((got, expected)) = run(spec, example, IntDomain, small) {
                    assert_eq!(got, expected, "{place}");
                    (ran, counts[1]) = (true, counts[1] + 1);
                }
            }
            // Rationals contain the integers, so that they agree with a fixed-point meaning too.
            if let Some((got, expected)) = run(spec, example, ExactDomain, |v| Some(v.clone())) {
                assert_eq!(got, expected, "{place}");
                (ran, counts[2]) = (true, counts[2] + 1);
            }
            assert!(ran, "{place} ran nowhere");
        }
    }
    assert!(counts.iter().all(|n| *n >= 20), "{counts:?}");
}
