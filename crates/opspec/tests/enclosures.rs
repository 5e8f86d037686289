//! The domain of enclosures: what holds of numbers holds of every enclosure of them.
#![cfg(test)]

use ceg4n_base::Exact;
use ceg4n_base::elementary::Enclosure;
use ceg4n_opspec::{Cmp, Domain, EnclosureDomain, ExactDomain, MeaningError, Smooth};
use proptest::prelude::*;

/// A point and an interval around it, perhaps the point alone.
fn around() -> impl Strategy<Value = (Exact, Enclosure)> {
    let number = (
        -4000i64..4000,
        proptest::sample::select(vec![1i64, 2, 3, 16, 1000]),
    );
    (number, 0i64..3, 0i64..3).prop_map(|((n, d), below, above)| {
        let v = Exact::ratio(n, d).unwrap();
        let ends = (
            &v - &Exact::dyadic(below, -3),
            &v + &Exact::dyadic(above, -3),
        );
        (v, ends)
    })
}

fn holds(v: &Exact, (lo, hi): &Enclosure) -> bool {
    lo <= v && v <= hi
}

const COMPARISONS: [Cmp; 6] = [Cmp::Lt, Cmp::Le, Cmp::Gt, Cmp::Ge, Cmp::Eq, Cmp::Ne];

proptest! {
    #[test]
    fn arithmetic((x, a) in around(), (y, b) in around(), bits in 4u32..80, k in -9i64..9) {
        let (mut d, mut e) = (EnclosureDomain { bits }, ExactDomain);
        macro_rules! check {
            ($($method:ident($($v:expr => $i:expr),*));*) => {$(
                let point = e.$method($(&$v),*).unwrap();
                let bounds = d.$method($(&$i),*).unwrap();
                prop_assert!(holds(&point, &bounds), "{}: {} {:?}", stringify!($method), point, bounds);
            )*};
        }
        check!(add(x => a, y => b); sub(x => a, y => b); mul(x => a, y => b); neg(x => a);
            min(x => a, y => b); max(x => a, y => b); floor(x => a));
        let scaled = (e.scale(&x, k).unwrap(), d.scale(&a, k).unwrap());
        prop_assert!(holds(&scaled.0, &scaled.1));
        let dot = e.dot(vec![(x.clone(), y.clone()), (y.clone(), y.clone())]).unwrap();
        prop_assert!(holds(&dot, &d.dot(vec![(a.clone(), b.clone()), (b.clone(), b.clone())]).unwrap()));
        match d.div(&a, &b) {
            Ok(bounds) => prop_assert!(holds(&e.div(&x, &y).unwrap(), &bounds)),
            Err(error) => {
                prop_assert_eq!(error, MeaningError::DivisionByZero);
                prop_assert!(b.0.signum() <= 0 && b.1.signum() >= 0);
            }
        }
    }

    /// A known truth is one of every pair; an unknown one of neither kind.
    #[test]
    fn truth((x, a) in around(), (y, b) in around()) {
        let mut d = EnclosureDomain { bits: 60 };
        for op in COMPARISONS {
            let known = d.cmp(op, &a, &b).unwrap();
            let ends = [(&a.0, &b.0), (&a.0, &b.1), (&a.1, &b.0), (&a.1, &b.1), (&x, &y)];
            let seen: Vec<bool> = ends.iter().map(|(p, q)| op.holds(p.cmp(q))).collect();
            match known {
                Some(truth) => prop_assert!(seen.iter().all(|t| *t == truth), "{:?}", op),
                None => {
                    let point = a.0 == a.1 && b.0 == b.1;
                    prop_assert!(!point, "{:?} of points is known", op);
                }
            }
            let truth = op.holds(x.cmp(&y));
            let chosen = d.select(&known, &a, &b).unwrap();
            let wanted = if truth { &x } else { &y };
            prop_assert!(holds(wanted, &chosen));
            let other = d.not(&known).unwrap();
            prop_assert_eq!(d.and(&known, &other).unwrap().unwrap_or(false), false);
            prop_assert_eq!(d.or(&known, &other).unwrap().unwrap_or(true), true);
        }
    }

    #[test]
    fn smooth_functions((x, a) in around(), bits in 20u32..100) {
        let mut d = EnclosureDomain { bits };
        let point = (x.clone(), x.clone());
        for f in Smooth::ALL {
            let (close, wide) = (d.smooth(f, &point).unwrap(), d.smooth(f, &a).unwrap());
            prop_assert!(wide.0 <= close.1 && close.0 <= wide.1);
            let v = x.to_f64();
            let near = match f {
                Smooth::Sigmoid => 1.0 / (1.0 + (-v).exp()),
                Smooth::Tanh => v.tanh(),
            };
            let slack = 1e-12 + 2f64.powi(1 - bits as i32);
            prop_assert!((close.0.to_f64() - near).abs() < slack && (close.1.to_f64() - near).abs() < slack);
        }
    }

    /// The choice of an entry by an index that is known, or only between two.
    #[test]
    fn entries(table in proptest::collection::vec(-50i64..50, 1..20), at in 0usize..20, more in 0usize..3) {
        let last = table.len() - 1;
        let (at, end) = (at.min(last), (at + more).min(last));
        let mut entry = |i: usize| Ok(table[i]);
        let int = |i: usize| Exact::from(i as i64);
        let exact = ExactDomain.lookup(&int(at), table.len(), &mut entry).unwrap();
        prop_assert_eq!(exact, Exact::from(table[at]));
        let mut d = EnclosureDomain { bits: 60 };
        let bounds = d.lookup(&(int(at), int(end)), table.len(), &mut entry).unwrap();
        let seen = &table[at..=end];
        prop_assert_eq!(bounds.0, Exact::from(*seen.iter().min().unwrap()));
        prop_assert_eq!(bounds.1, Exact::from(*seen.iter().max().unwrap()));
    }
}

/// Numbers that are short enough stay points, and no end grows beyond its bits.
#[test]
fn ends_are_short() {
    let mut d = EnclosureDomain { bits: 30 };
    let point = |text: &str| -> Enclosure {
        let v: Exact = text.parse().unwrap();
        (v.clone(), v)
    };
    let sum = d.add(&point("0.5"), &point("1.25")).unwrap();
    assert_eq!(sum, point("1.75"));
    let third = d.div(&point("1"), &point("3")).unwrap();
    assert!(third.0 < third.1);
    for end in [&third.0, &third.1] {
        assert!(
            end.as_dyadic().is_some_and(|(m, _)| m.bits() <= 31),
            "{end}"
        );
    }
    let width = (&third.1 - &third.0).to_f64();
    assert!(width <= 2f64.powi(-30), "{width}");
}
