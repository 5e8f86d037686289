//! Every shipped rule is found where it applies.

use crate::common::rules;
use ceg4n_opspec::{RewriteRule, Term, VariableKind, rewrite_rules};
use ceg4n_scalar::Facts;
use ceg4n_scalar::cost::SmtSize;
use ceg4n_scalar::egraph::{Limits, Rules, of_term, simplify};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Rules that say nothing new about the normal form of expressions: there, negations and shifts to
/// the left are products with constants, operands of operators that commute have one order, `<` is
/// the only comparison, and what is known is a constant or an operand.
const BUILT_IN: &[&str] = &[
    "difference",
    "low-zero",
    "max-commute",
    "min-commute",
    "mul-commute",
    "mul-minus-one",
    "mul-negative",
    "mul-one",
    "mul-pow2",
    "mul-zero",
    "neg-mul",
    "neg-neg",
    "not-below",
    "select-below",
    "select-not-below",
    "shl-mul",
    "shl-none",
    "shr-none",
    "sum-commute",
    "sum-zero",
];

/// What a variable stands for, at random.
fn facts(rng: &mut ChaCha8Rng, kind: VariableKind) -> Facts {
    let pick = |rng: &mut ChaCha8Rng, from: &[i128]| from[rng.random_range(0..from.len())];
    match kind {
        VariableKind::Truth => Facts::within(0, 1),
        VariableKind::Shift => Facts::constant(pick(rng, &[1, 2, 3, 4, 6, 0])),
        VariableKind::Constant => Facts::constant(pick(
            rng,
            &[0, 1, -1, 3, 5, 6, 8, -5, -8, 12, 16, 64, 100, -200],
        )),
        VariableKind::Value => {
            let zeros = pick(rng, &[0, 0, 1, 2, 3, 4]) as u32;
            let (lo, hi) = match rng.random_range(0..5) {
                0 => (-1000, 1000),
                1 => (0, 15),
                2 => (32, 200),
                3 => (-300, -16),
                _ => (16, 31),
            };
            let multiples = Facts {
                lo: -4096,
                hi: 4096,
                zeros,
            };
            Facts::within(lo, hi).both(multiples).unwrap()
        }
    }
}

/// Whether a side of the rule, at random facts and constants, is replaced.
fn fires(rule: &RewriteRule, alone: &Rules, side: &Term) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let limits = Limits {
        nodes: 50,
        iterations: 1,
    };
    (0..3000).any(|_| {
        let kinds = rule.variables.values().map(|v| v.kind);
        let facts: Vec<Facts> = kinds.map(|k| facts(&mut rng, k)).collect();
        let of = |id: ceg4n_opspec::VariableId| facts[id.as_u32() as usize];
        let Some(expression) = of_term(side, &rule.variables, &of) else {
            return false;
        };
        let found = simplify(&expression, alone, &SmtSize, limits);
        found.is_ok_and(|s| !s.fired.is_empty())
    })
}

#[test]
fn every_shipped_rule_is_found() {
    let mut built_in = Vec::new();
    for rule in rewrite_rules() {
        let alone = rules(std::slice::from_ref(rule));
        let mut sides = rule.applications();
        if !sides.any(|(lhs, _)| fires(rule, &alone, lhs)) {
            built_in.push(rule.name.as_str());
        }
    }
    assert_eq!(built_in, BUILT_IN);
}

/// The text tests of `rules --simplify` show what each rule does.
#[test]
fn every_rule_has_a_text_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/rules");
    let mut fired = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("simplify") && name.ends_with(".expect") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter_map(|l| l.strip_prefix("fired "));
            fired.extend(lines.flat_map(|l| l.split(", ").map(str::to_owned)));
        }
    }
    let rules = rewrite_rules().iter().map(|r| r.name.as_str());
    let shown = |name: &&str| !fired.contains(*name) && !BUILT_IN.contains(name);
    let missing: Vec<&str> = rules.filter(shown).collect();
    assert!(
        missing.is_empty(),
        "in no tests/rules/simplify*.test: {missing:?}"
    );
}
