//! Transfer functions of facts against all values of small ranges.

use ceg4n_scalar::Facts;

/// Facts with small ends, and the values that they allow.
fn all() -> Vec<(Facts, Vec<i128>)> {
    let mut all = Vec::new();
    for lo in -9..=9 {
        for hi in lo..=9 {
            for zeros in 0..=3 {
                let range = Facts::within(lo, hi);
                let multiples = Facts {
                    lo: -16,
                    hi: 16,
                    zeros,
                };
                let Some(facts) = range.both(multiples) else {
                    continue;
                };
                let values = (lo..=hi).filter(|v| v % (1 << zeros) == 0).collect();
                all.push((facts, values));
            }
        }
    }
    all
}

#[track_caller]
fn holds(facts: Facts, value: i128, what: &str) {
    let inside = facts.lo <= value && value <= facts.hi;
    let multiple = value == 0 || value.trailing_zeros() >= facts.zeros;
    assert!(inside && multiple, "{what}: {value} is not in {facts:?}");
    if let Some(known) = facts.known() {
        assert_eq!(facts, Facts::constant(known), "{what}");
    }
    let bits = facts.width();
    assert!(
        -(1 << (bits - 1)) <= value && value < 1 << (bits - 1),
        "{what}: {bits}"
    );
}

#[test]
fn of_one_operand() {
    for (f, values) in all() {
        for v in values {
            holds(f, v, "itself");
            for s in [0, 1, 2, 3, 4, 5, 64, 126, 127, 200] {
                holds(f.shr(s), v >> s.min(127), &format!("{f:?} shr {s}"));
                let low = if s < 127 { v & ((1 << s) - 1) } else { v };
                match f.low(s) {
                    Some(facts) => holds(facts, low, &format!("{f:?} low {s}")),
                    // 2^126 - 9 is beyond what is represented.
                    None => assert!(s > 120 && f.lo < 0, "{f:?} low {s}"),
                }
            }
            for c in [-12, -8, -3, -1, 0, 1, 2, 5, 16] {
                holds(f.times(c).unwrap(), v * c, &format!("{f:?} times {c}"));
            }
        }
    }
}

#[test]
fn of_two_operands() {
    let all = all();
    for (f, xs) in all.iter().step_by(3) {
        for (g, ys) in &all {
            let (f, g) = (*f, *g);
            let what = format!("{f:?} {g:?}");
            let (sum, product) = (f.add(g).unwrap(), f.mul(g).unwrap());
            let (min, max, either, both) = (f.min(g), f.max(g), f.either(g), f.both(g));
            for x in xs {
                holds(either, *x, &what);
                for y in ys {
                    holds(sum, x + y, &what);
                    holds(product, x * y, &what);
                    holds(min, *x.min(y), &what);
                    holds(max, *x.max(y), &what);
                    holds(either, *y, &what);
                }
                if ys.contains(x) {
                    holds(both.unwrap(), *x, &what);
                }
            }
            let common = xs.iter().any(|x| ys.contains(x));
            assert_eq!(both.is_some(), common, "{what}");
        }
    }
}

#[test]
fn what_is_too_far_is_not_represented() {
    let far = Facts::within(0, 1 << 119);
    assert!(far.add(far).is_some());
    assert_eq!(far.times(3), None);
    assert_eq!(far.mul(far), None);
    assert_eq!(Facts::constant(i128::MAX).add(Facts::constant(1)), None);
    assert_eq!(Facts::constant(i128::MIN).times(-1), None);
}
