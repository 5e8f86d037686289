//! Multiplied out, a query means what its formula means, at every point.

use super::{e, read_with};
use ceg4n_base::Exact;
use proptest::prelude::*;

/// A formula that can be evaluated by itself.
#[derive(Clone, Debug)]
enum Tree {
    /// `X_i` against a number.
    Bound(usize, &'static str, i32),
    /// `a·Y_0 + b·Y_1` against `c·Y_1 + d`.
    Outputs([i32; 4], &'static str),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        let join = |list: &[Self]| list.iter().map(Self::text).collect::<Vec<_>>().join(" ");
        match self {
            Self::Bound(i, relation, b) => format!("({relation} X_{i} {b})"),
            Self::Outputs([a, b, c, d], relation) => {
                format!("({relation} (+ (* {a} Y_0) (* Y_1 {b})) (- (* {c} Y_1) (- {d})))")
            }
            Self::And(list) => format!("(and {})", join(list)),
            Self::Or(list) => format!("(or {})", join(list)),
        }
    }

    fn holds(&self, x: &[i32], y: &[i32]) -> bool {
        let compare = |l: i32, relation: &str, r: i32| match relation {
            "<=" => l <= r,
            ">=" => l >= r,
            "<" => l < r,
            ">" => l > r,
            _ => l == r,
        };
        match self {
            Self::Bound(i, relation, b) => compare(x[*i], relation, *b),
            Self::Outputs([a, b, c, d], relation) => {
                compare(a * y[0] + b * y[1], relation, c * y[1] + d)
            }
            Self::And(list) => list.iter().all(|t| t.holds(x, y)),
            Self::Or(list) => list.iter().any(|t| t.holds(x, y)),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let bound = (
        0usize..2,
        prop::sample::select(vec!["<=", ">=", "="]),
        -2i32..3,
    )
        .prop_map(|(i, r, b)| Tree::Bound(i, r, b));
    let outputs = (
        [-2i32..3, -2i32..3, -2i32..3, -2i32..3],
        prop::sample::select(vec!["<=", ">=", "<", ">", "="]),
    )
        .prop_map(|(k, r)| Tree::Outputs(k, r));
    prop_oneof![bound, outputs].prop_recursive(3, 24, 4, |inner| {
        let list = prop::collection::vec(inner, 1..4);
        prop_oneof![list.clone().prop_map(Tree::And), list.prop_map(Tree::Or)]
    })
}

fn exact(v: &[i32]) -> Vec<Exact> {
    v.iter().map(|v| Exact::from(*v)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn parts_are_the_formula(trees in prop::collection::vec(tree(), 1..4)) {
        let mut text = String::from("(assert (<= -2 X_0 2)) (assert (<= -2 X_1 2))");
        for t in &trees {
            text += &format!("(assert {})", t.text());
        }
        let text = super::declare(2, 2) + &text;
        let Ok(q) = super::read(&text) else {
            // Only because no box has a point: then nothing holds anywhere.
            for x in points() {
                for y in points() {
                    prop_assert!(!trees.iter().all(|t| t.holds(&x, &y)), "{text}");
                }
            }
            return Ok(());
        };
        let regions = q.regions("q").unwrap();
        for x in points() {
            let at = exact(&x);
            for y in points() {
                let want = trees.iter().all(|t| t.holds(&x, &y));
                let out = exact(&y);
                // The cases of a box count in that box.
                let got = regions
                    .iter()
                    .any(|r| r.contains(&at) && q.spec("q", Some(r)).violated(&out));
                prop_assert_eq!(got, want, "{} at {:?} {:?}", text, x, y);
            }
        }
    }
}

fn points() -> impl Iterator<Item = [i32; 2]> {
    (-2..3).flat_map(|a| (-2..3).map(move |b| [a, b]))
}

/// Decimals are exact: float64 would make both sides equal.
#[test]
fn numbers_are_exact_decimals() {
    let q = read_with(
        1,
        1,
        "(assert (<= 0.1 X_0 0.30000000000000000000000001)) (assert (<= (* 3 Y_0) (* 0.1 0.1)))",
    );
    let r = &q.regions("q").unwrap()[0];
    assert_eq!(r.lower[0], Exact::ratio(1, 10).unwrap());
    assert!(r.upper[0] > e("0.3"));
    let spec = q.spec("q", None);
    assert!(spec.violated(&[Exact::ratio(1, 300).unwrap()]));
    assert!(!spec.violated(&[e("0.0033333333333333333333333333333334")]));
}
