//! Single expressions: what becomes of them.

use crate::common::{rule, rules};
use ceg4n_opspec::RewriteRule;
use ceg4n_scalar::cost::SmtSize;
use ceg4n_scalar::egraph::{Builder, Expression, Limits, needed, simplify};
use ceg4n_scalar::{DagError, Facts};

fn some_rules() -> Vec<RewriteRule> {
    let (x, y, c) = (["x", "value"], ["y", "value"], ["c", "constant"]);
    let (s, t, p) = (["s", "shift"], ["t", "shift"], ["p", "truth"]);
    vec![
        rule("max-removed", ["max(x, y)", "x"], "lo(x) >= hi(y)", &[x, y]),
        rule("min-removed", ["min(x, y)", "x"], "hi(x) <= lo(y)", &[x, y]),
        rule(
            "shr-shr",
            ["shr(shr(x, s), t)", "shr(x, s + t)"],
            "",
            &[x, s, t],
        ),
        rule(
            "shr-shl",
            ["shr(shl(x, s), t)", "shl(x, s - t)"],
            "s >= t",
            &[x, s, t],
        ),
        rule(
            "shr-narrow",
            ["shr(shl(x, s) + c, t)", "shr(x + shr(c, s), t - s)"],
            "t >= s",
            &[x, c, s, t],
        ),
        rule("as-min", ["select(x < y, x, y)", "min(x, y)"], "", &[x, y]),
        rule("same-arms", ["select(p, x, x)", "x"], "", &[p, x]),
        rule("minus", ["x - c - y", "x - y - c"], "", &[x, y, c]),
    ]
}

#[track_caller]
fn becomes(expression: &Expression, expected: &str, fired: &[&str]) {
    let all = some_rules();
    let rules = rules(&all);
    let found = simplify(expression, &rules, &SmtSize, Limits::default()).unwrap();
    let names = |n: u32| format!("x{n}");
    assert_eq!(found.expression.display(&names).to_string(), expected);
    let needed = needed(expression, &rules, &SmtSize, Limits::default()).unwrap();
    let needed: Vec<&str> = needed.iter().map(|r| all[*r].name.as_str()).collect();
    assert_eq!(needed, fired);
    assert!(found.saturated);
}

fn leaf(b: &mut Builder, n: u32, lo: i128, hi: i128) -> egg::Id {
    b.leaf(n, Facts::within(lo, hi))
}

#[test]
fn clamps_that_ranges_imply_go() {
    let mut b = Builder::new();
    let x = leaf(&mut b, 0, 0, 200);
    let (lo, hi) = (b.int(0), b.int(255));
    let above = b.max(x, lo);
    let root = b.min(above, hi);
    becomes(&b.finish(root), "x0", &["max-removed", "min-removed"]);
}

#[test]
fn operands_are_found_in_both_orders() {
    let mut b = Builder::new();
    let (x, y) = (leaf(&mut b, 0, -5, 5), leaf(&mut b, 1, 5, 9));
    let root = b.max(x, y);
    becomes(&b.finish(root), "x1", &["max-removed"]);
}

#[test]
fn sums_under_floors_get_narrower() {
    let mut b = Builder::new();
    let x = leaf(&mut b, 0, -500, 500);
    let (wide, half) = (b.times(x, 16), b.int(64));
    let sum = b.sum(wide, half);
    let root = b.shr(sum, 7);
    becomes(&b.finish(root), "shr(x0 + 4, 3)", &["shr-narrow"]);
}

#[test]
fn powers_of_two_are_shifts() {
    let mut b = Builder::new();
    let x = leaf(&mut b, 0, -500, 500);
    let (wide, six) = (b.times(x, 64), b.times(x, 6));
    let shifted = b.shr(wide, 2);
    let root = b.sum(shifted, six);
    becomes(&b.finish(root), "x0 * 6 + shl(x0, 4)", &["shr-shl"]);
}

#[test]
fn choices_are_minima() {
    let mut b = Builder::new();
    let (x, y) = (leaf(&mut b, 0, -5, 5), leaf(&mut b, 1, -5, 9));
    let c = b.less(x, y);
    let root = b.select(c, x, y);
    becomes(&b.finish(root), "min(x0, x1)", &["as-min"]);
    let mut b = Builder::new();
    let (x, y) = (leaf(&mut b, 0, -5, 5), leaf(&mut b, 1, -5, 9));
    let c = b.less(x, y);
    let root = b.select(c, y, y);
    becomes(&b.finish(root), "x1", &["same-arms"]);
}

#[test]
fn values_that_are_known_are_constants() {
    let mut b = Builder::new();
    let x = leaf(&mut b, 0, 0, 63);
    let root = b.shr(x, 6);
    let made = b.finish(root);
    assert_eq!(made.facts(made.root()), Some(Facts::constant(0)));
    becomes(&made, "0", &[]);
}

#[test]
fn a_contradiction_is_an_error() {
    let mut b = Builder::new();
    let x = leaf(&mut b, 0, 0, 9);
    let three = b.int(3);
    let root = b.max(x, three);
    let wrong = rule(
        "wrong",
        ["max(x, c)", "c + 20"],
        "",
        &[["x", "value"], ["c", "constant"]],
    );
    let found = simplify(
        &b.finish(root),
        &rules(&[wrong]),
        &SmtSize,
        Limits::default(),
    );
    assert_eq!(found, Err(DagError::Contradiction));
}

#[test]
fn limits_hold() {
    // Sums in every order: many more than the limit.
    let (x, y, z) = (["x", "value"], ["y", "value"], ["z", "value"]);
    let all = rules(&[
        rule("commute", ["x + y", "y + x"], "", &[x, y]),
        rule("associate", ["(x + y) + z", "x + (y + z)"], "", &[x, y, z]),
    ]);
    let mut b = Builder::new();
    let mut sum = leaf(&mut b, 0, 0, 9);
    for i in 1..12 {
        let x = leaf(&mut b, i, 0, 9);
        sum = b.sum(sum, x);
    }
    let limits = Limits {
        nodes: 300,
        iterations: 100,
    };
    let expression = b.finish(sum);
    let found = simplify(&expression, &all, &SmtSize, limits).unwrap();
    assert!(!found.saturated);
    assert!(found.expression.cost(&SmtSize) <= expression.cost(&SmtSize));
}

/// Shift amounts that no shift has, and arithmetic that no `i128` holds, apply nothing.
#[test]
fn what_cannot_be_computed_is_not_applied() {
    let (x, s, c) = (["x", "value"], ["s", "shift"], ["c", "constant"]);
    let all = rules(&[
        rule("negative", ["shr(x, s)", "shr(x, s - 9)"], "", &[x, s]),
        rule("huge", ["x + c", "x + shl(c, 126)"], "", &[x, c]),
        rule("quotient", ["max(x, c)", "max(x, div(c, 0))"], "", &[x, c]),
    ]);
    let mut b = Builder::new();
    let x = leaf(&mut b, 0, 0, 999);
    let seven = b.int(7);
    let sum = b.sum(x, seven);
    let shifted = b.shr(sum, 2);
    let root = b.max(shifted, seven);
    let expression = b.finish(root);
    let found = simplify(&expression, &all, &SmtSize, Limits::default()).unwrap();
    assert_eq!(found.expression, expression);
    assert_eq!(found.fired, [] as [usize; 0]);
}

/// A sum starts at its constant, so that one beside it is free; elsewhere it is an addition.
#[test]
fn a_constant_joins_a_sum() {
    let wide = Facts::within(-500, 500);
    let cost = |is_sum: bool| {
        let mut b = Builder::new();
        let x = match is_sum {
            true => b.sum_leaf(0, wide),
            false => b.leaf(0, wide),
        };
        let five = b.int(5);
        let sum = b.sum(x, five);
        let root = b.shr(sum, 3);
        let found = simplify(&b.finish(root), &rules(&[]), &SmtSize, Limits::default());
        found.unwrap().expression.cost(&SmtSize)
    };
    assert_eq!(cost(true), 5);
    assert!(cost(false) > 40);
}
