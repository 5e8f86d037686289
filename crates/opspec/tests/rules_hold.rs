//! Every shipped rule at random values for which its condition holds, over unbounded integers.
//!
//! This shares nothing with the prover but the reading of the files, and it goes beyond the widths
//! that the prover looks at.

use ceg4n_base::Sources;
use ceg4n_base::entity::PrimaryMap;
use ceg4n_opspec::{Instance, Number, RewriteRule, VariableKind, read_rules, rewrite_rules};
use num_bigint::BigInt;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Instances for which a condition holds, per rule.
const WANTED: usize = 2000;
/// Instances that are made at most.
const MOST: usize = 400_000;

/// Small numbers, numbers near powers of two of either sign, and wide ones.
fn integer(rng: &mut ChaCha8Rng) -> BigInt {
    let v = match rng.random_range(0..4u8) {
        0 => BigInt::from(rng.random_range(-9..=9i64)),
        1 => {
            let power = BigInt::from(1) << rng.random_range(0..12u32);
            power + rng.random_range(-1..=1i64)
        }
        2 => BigInt::from(rng.random_range(-300..=300i64)) << rng.random_range(0..5u32),
        _ => BigInt::from(rng.random::<i64>()) << rng.random_range(0..40u32),
    };
    match rng.random_bool(0.3) {
        true => -v,
        false => v,
    }
}

/// A distance between a value and what is proved of it; often none.
fn slack(rng: &mut ChaCha8Rng) -> BigInt {
    match rng.random_range(0..3u8) {
        0 => BigInt::ZERO,
        1 => BigInt::from(rng.random_range(0..4u8)),
        _ => BigInt::from(rng.random_range(0..=1000u32)),
    }
}

fn number(rng: &mut ChaCha8Rng, kind: VariableKind) -> Number {
    match kind {
        VariableKind::Truth => Number::Truth(rng.random()),
        VariableKind::Shift => Number::known(BigInt::from(rng.random_range(0..9u32))),
        VariableKind::Constant if rng.random_bool(0.7) => Number::known(integer(rng)),
        VariableKind::Constant | VariableKind::Value => {
            let value = integer(rng) << rng.random_range(0..4u32);
            let all = value.trailing_zeros().unwrap_or(127);
            let fewer = rng.random_range(0..=all);
            let zeros = if rng.random() { all } else { fewer };
            Number::Integer {
                lo: &value - slack(rng),
                hi: &value + slack(rng),
                zeros: u32::try_from(zeros).unwrap_or(u32::MAX),
                value,
            }
        }
    }
}

fn instance(rng: &mut ChaCha8Rng, rule: &RewriteRule) -> Instance {
    let mut numbers = PrimaryMap::new();
    for variable in rule.variables.values() {
        numbers.push(number(rng, variable.kind));
    }
    Instance { numbers }
}

/// How many instances agreed, or the first that did not.
fn hold(rule: &RewriteRule) -> Result<usize, Instance> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut held = 0;
    for _ in 0..MOST {
        let at = instance(&mut rng, rule);
        assert!(at.fits(rule), "{}: {at:?}", rule.name);
        if !at.allows(rule) {
            continue;
        }
        if !at.sides(rule).agree() {
            return Err(at);
        }
        held += 1;
        if held == WANTED {
            break;
        }
    }
    Ok(held)
}

#[test]
fn shipped_rules_hold() {
    for rule in rewrite_rules() {
        match hold(rule) {
            Ok(held) => assert!(held >= 100, "{}: only {held} instances", rule.name),
            Err(at) => panic!(
                "{}: {} fails at {:?}: {:?}",
                rule.name,
                rule.law(),
                at.entries(rule),
                at.sides(rule)
            ),
        }
    }
}

#[test]
fn a_wrong_rule_is_found() {
    let text = "name = \"r\"\nsummary = \"s\"\nlhs = \"shr(x + a, s)\"\nrhs = \"shr(x, s) + shr(a, s)\"\n\
                [[variable]]\nname = \"x\"\nkind = \"value\"\n[[variable]]\nname = \"a\"\nkind = \"constant\"\n\
                [[variable]]\nname = \"s\"\nkind = \"shift\"\n";
    let rules = read_rules(&[("r.toml", text)], &mut Sources::default()).expect("a rule");
    assert!(hold(&rules[0]).is_err());
}
