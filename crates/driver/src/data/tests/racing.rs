//! Demands on counts, at once and row by row.

use super::split;
use crate::data::{Decided, DemandCheck, Demands};
use ceg4n_base::Exact;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn demands(accuracy: Option<&str>, drop: Option<&str>, agreement: Option<&str>) -> Demands {
    let exact = |t: Option<&str>| t.map(|t| t.parse::<Exact>().unwrap());
    Demands {
        min_accuracy: exact(accuracy),
        max_accuracy_drop: exact(drop),
        min_agreement: exact(agreement),
    }
}

#[test]
fn what_is_missed_is_said() {
    // The reference is right on 8 of 10 rows.
    let labels = [0; 10];
    let reference = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    let split = split(&reference, Some(&labels));
    // Right on 7, agrees on 9.
    let found = split.measure(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    for (accuracy, drop, agreement, want) in [
        (None, None, None, None),
        (Some("0.7"), Some("0.1"), Some("0.9"), None),
        (Some("0"), Some("1"), Some("0"), None),
        // Seven of ten is 0.7 and not a hair more, whatever floats would say.
        (
            Some("0.70000000000000001"),
            None,
            None,
            Some("min-accuracy"),
        ),
        (
            None,
            Some("0.09999999999999999999"),
            None,
            Some("max-accuracy-drop"),
        ),
        (
            None,
            Some("1/11"),
            None,
            Some("the kernel is right on 7 of 10 rows, the reference on 8"),
        ),
        (
            None,
            None,
            Some("0.91"),
            Some(
                "--min-agreement 0.91 is missed: the kernel has the reference's class on 9 of 10 rows",
            ),
        ),
        (
            Some("0.8"),
            None,
            Some("0.95"),
            Some("--min-accuracy 0.8 is missed"),
        ),
    ] {
        let missed = demands(accuracy, drop, agreement).check(&found);
        match want {
            None => assert_eq!(missed, None, "{accuracy:?} {drop:?} {agreement:?}"),
            Some(want) => assert!(
                missed.as_ref().is_some_and(|m| m.contains(want)),
                "{missed:?}"
            ),
        }
    }
    // A kernel that is better than the reference drops nothing.
    let better = split.measure(&labels.map(|_| 0));
    assert_eq!(demands(None, Some("0"), None).check(&better), None);
    // Nothing is right that has no label.
    let unlabelled = super::split(&reference, None).measure(&reference);
    assert!(
        demands(Some("0.1"), None, None)
            .check(&unlabelled)
            .is_some()
    );
    assert!(demands(None, Some("1"), None).check(&unlabelled).is_some());
}

/// A decision before the end is that of the end, and comes as early as it can.
#[test]
fn a_race_ends_as_the_check_does() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let shares = ["0", "0.25", "0.5", "2/3", "0.9", "1"];
    for case in 0..500 {
        let n = rng.random_range(1..12usize);
        let mut classes = || -> Vec<u32> { (0..n).map(|_| rng.random_range(0..2)).collect() };
        let (reference, kernel, labels) = (classes(), classes(), classes());
        let labels = (case % 3 != 0).then_some(&labels[..]);
        let split = split(&reference, labels);
        let mut pick = || {
            let k = rng.random_range(0..12);
            shares.get(k).copied()
        };
        let demands = match labels {
            Some(_) => demands(pick(), pick(), pick()),
            None => demands(None, None, pick()),
        };
        let check = DemandCheck::new(&split, &demands);
        let met = |kernel: &[u32]| demands.check(&split.measure(kernel)).is_none();
        for seen in 0..=n {
            let found = check.evaluate(&kernel[..seen]);
            // Every way in which the remaining rows could turn out.
            let ends: Vec<bool> = (0..1u32 << (n - seen))
                .map(|bits| {
                    let rest = (0..n - seen).map(|k| bits >> k & 1);
                    met(&kernel[..seen]
                        .iter()
                        .copied()
                        .chain(rest)
                        .collect::<Vec<_>>())
                })
                .collect();
            let all = |v: bool| ends.iter().all(|e| *e == v);
            match found {
                Decided::Met => assert!(all(true)),
                Decided::Missed => assert!(all(false)),
                // Demands that exclude each other are not looked for.
                Decided::Open => assert!(seen < n),
            }
            if labels.is_none() && found == Decided::Open {
                assert!(!all(true) && !all(false), "one demand is decided at once");
            }
        }
    }
}

#[test]
fn rows_may_come_in_any_order() {
    let split = split(&[0, 1, 0, 1], None);
    let check = DemandCheck::new(&split, &demands(None, None, Some("0.75")));
    let mut race = check.race();
    race.add(3, 0);
    assert_eq!(race.decided(), Decided::Open);
    race.add(0, 1);
    assert_eq!(race.decided(), Decided::Missed);
    let none = DemandCheck::new(&split, &Demands::default());
    assert_eq!(none.evaluate(&[]), Decided::Met);
}
