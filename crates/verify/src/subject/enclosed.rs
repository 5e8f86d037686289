//! Requirements at one point where outputs are known between bounds only: broken counts only what
//! is broken for all values within the bounds.

use ceg4n_base::Exact;
use ceg4n_base::elementary::Enclosure;
use ceg4n_eval::decided_winner;
use ceg4n_ir::{OutputConstraint, OutputSpec, Property};

/// Values as bounds on themselves.
pub(super) fn points(y: &[Exact]) -> Vec<Enclosure> {
    y.iter().map(|v| (v.clone(), v.clone())).collect()
}

/// True if outputs of reference and subject within these bounds break the property.
pub fn surely_breaks(property: &Property, reference: &[Enclosure], subject: &[Enclosure]) -> bool {
    let class = || class(subject);
    let winner = || decided_winner(reference).flatten();
    match property {
        Property::Top1 => winner().zip(class()).is_some_and(|(c, k)| c != k),
        Property::Top1Margin(m) => class().is_some_and(|k| {
            let ahead = |n: &Enclosure| reference[k].1 < &n.0 - m;
            reference.iter().any(ahead)
        }),
        Property::TopK(n) => winner().is_some_and(|c| rank(subject, c) >= *n as usize),
        Property::Eps(e) => reference
            .iter()
            .zip(subject)
            .any(|(n, k)| &k.0 - &n.1 > *e || &n.0 - &k.1 > *e),
        Property::Spec(spec) => met(spec, subject),
        Property::Joint(spec) => met(spec, &[reference, subject].concat()),
    }
}

/// The class of all values within the bounds, if it is one: the first of the greatest.
fn class(y: &[Enclosure]) -> Option<usize> {
    let lows: Vec<&Exact> = y.iter().map(|(lo, _)| lo).collect();
    let best = ceg4n_ir::kernel::argmax(&lows)?;
    let behind = |(j, (_, hi)): (usize, &Enclosure)| {
        let low = lows[best];
        j == best || hi < low || (j > best && hi == low)
    };
    y.iter().enumerate().all(behind).then_some(best)
}

/// How many outputs precede output `c` for sure (value descending, index ascending).
fn rank(y: &[Enclosure], c: usize) -> usize {
    let most = &y[c].1;
    let before =
        |(i, (lo, _)): &(usize, &Enclosure)| *i != c && (lo > most || (*i < c && lo == most));
    y.iter().enumerate().filter(before).count()
}

/// True if some case is met by all values within the bounds.
fn met(spec: &OutputSpec, y: &[Enclosure]) -> bool {
    let holds = |c: &OutputConstraint| {
        let most = |sum: Option<Exact>, (j, a): &(usize, Exact)| {
            let (lo, hi) = y.get(*j)?;
            let end = if a.signum() < 0 { lo } else { hi };
            Some(&sum? + &(a * end))
        };
        let start = Some(c.constant.clone());
        let sum = c.coefficients.iter().fold(start, most);
        sum.is_some_and(|s| s.signum() < i32::from(!c.strict))
    };
    spec.cases.iter().any(|case| case.iter().all(holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::breaks;
    use proptest::prelude::*;

    fn exact(v: i32) -> Exact {
        Exact::from(i64::from(v))
    }

    fn properties() -> Vec<Property> {
        let margin = Property::Top1Margin(exact(1));
        vec![
            Property::Top1,
            margin,
            Property::TopK(2),
            Property::Eps(exact(1)),
        ]
    }

    proptest! {
        /// What is said of bounds holds for every choice within them; of points it is all.
        #[test]
        fn bounds_speak_for_their_values(
            n in prop::collection::vec((0i32..4, 0i32..2), 3),
            k in prop::collection::vec((0i32..4, 0i32..2), 3),
        ) {
            let spans = |v: &[(i32, i32)]| -> Vec<Enclosure> {
                v.iter().map(|(a, w)| (exact(*a), exact(a + w))).collect()
            };
            let within = |v: &[(i32, i32)], mask: usize| -> Vec<Exact> {
                let at = |(i, (a, w)): (usize, &(i32, i32))| {
                    exact(if mask >> i & 1 == 1 { a + w } else { *a })
                };
                v.iter().enumerate().map(at).collect()
            };
            for property in properties() {
                let all = (0..64).all(|mask| {
                    breaks(&property, &within(&n, mask), &within(&k, mask >> 3))
                });
                let said = surely_breaks(&property, &spans(&n), &spans(&k));
                prop_assert!(!said || all, "{property}");
                let (y, z) = (within(&n, 0), within(&k, 0));
                let at_point = surely_breaks(&property, &points(&y), &points(&z));
                prop_assert_eq!(at_point, breaks(&property, &y, &z), "{}", property);
            }
        }
    }
}
