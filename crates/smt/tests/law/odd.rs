//! Rules that nobody would write: whatever is read gets a verdict without a panic, and the verdict
//! stands at random values.

use ceg4n_base::Sources;
use ceg4n_base::entity::PrimaryMap;
use ceg4n_opspec::{Instance, Number, RewriteRule, VariableKind, read_rules};
use ceg4n_smt::law::{Effort, Verdict, prove};
use ceg4n_smt::solver::from_name;
use num_bigint::BigInt;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const VARIABLES: [(&str, &str); 7] = [
    ("x", "value"),
    ("y", "value"),
    ("a", "constant"),
    ("b", "constant"),
    ("s", "shift"),
    ("t", "shift"),
    ("p", "truth"),
];

fn pick<'a>(rng: &mut ChaCha8Rng, all: &[&'a str]) -> &'a str {
    all[rng.random_range(0..all.len())]
}

/// A number of about this depth; of known integers alone if asked for.
fn number(rng: &mut ChaCha8Rng, depth: u32, known: bool, facts: bool) -> String {
    if depth == 0 {
        let mut leaves = vec![
            "a",
            "b",
            "s",
            "0",
            "1",
            "-1",
            "2",
            "5",
            "1000",
            "4000000000000",
        ];
        if !known {
            leaves.extend(["x"; 8]);
            leaves.extend(["y"; 4]);
        }
        if facts {
            leaves.extend(["lo(x)", "hi(x)", "zeros(x)", "zeros(a)", "hi(y)"]);
        }
        return pick(rng, &leaves).to_owned();
    }
    let a = number(rng, depth - 1, known, facts);
    let shallow = rng.random_range(0..depth);
    let b = number(rng, shallow, known, facts);
    let amount = match rng.random_range(0..5u8) {
        0 if facts => number(rng, 1, true, true),
        1 => "3".to_owned(),
        _ => pick(rng, &["s", "t"]).to_owned(),
    };
    match rng.random_range(0..12u8) {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("({a} * {b})"),
        3 => format!("-({a})"),
        4 => format!("min({a}, {b})"),
        5 => format!("max({a}, {b})"),
        6 => format!("shl({a}, {amount})"),
        7 | 8 => format!("shr({a}, {amount})"),
        9 => format!("mod_pow2({a}, {amount})"),
        10 if known => match rng.random_bool(0.5) {
            true => format!("div({a}, {b})"),
            false => format!("log2({a})"),
        },
        _ => {
            let c = truth(rng, 1, known, facts);
            format!("select({c}, {a}, {b})")
        }
    }
}

fn truth(rng: &mut ChaCha8Rng, depth: u32, known: bool, facts: bool) -> String {
    if depth == 0 {
        let (a, b) = (number(rng, 1, known, facts), number(rng, 0, known, facts));
        let op = pick(rng, &["<", "<=", ">", ">=", "==", "!="]);
        return match !known && rng.random_bool(0.3) {
            true => "p".to_owned(),
            false => format!("{a} {op} {b}"),
        };
    }
    let a = truth(rng, depth - 1, known, facts);
    let b = truth(rng, 0, known, facts);
    match rng.random_range(0..4u8) {
        0 => format!("({a} and {b})"),
        1 => format!("({a} or {b})"),
        2 => format!("(not {a})"),
        _ => a,
    }
}

/// A rule file; half of them with a right side that is a variant of the left one.
fn file(rng: &mut ChaCha8Rng) -> String {
    let depth = rng.random_range(1..3);
    let lhs = number(rng, depth, false, false);
    let rhs = match rng.random_range(0..4u8) {
        0 => number(rng, 2, false, true),
        1 => lhs.replacen("min", "max", 1),
        2 => format!("({lhs} + 0)"),
        _ => lhs.replacen('1', "2", 1).replacen("x", "(x + y - y)", 1),
    };
    let mut text = format!("name = \"r\"\nsummary = \"s\"\nlhs = \"{lhs}\"\nrhs = \"{rhs}\"\n");
    let mut used = format!("{lhs} {rhs}");
    if rng.random_bool(0.5) {
        let when = truth(rng, 1, true, true);
        text += &format!("when = \"{when}\"\n");
        used += &when;
    }
    let words: Vec<&str> = used.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    for (name, kind) in VARIABLES {
        if words.contains(&name) {
            text += &format!("[[variable]]\nname = \"{name}\"\nkind = \"{kind}\"\n");
        }
    }
    text
}

/// Random values of up to 8 bits.
fn instance(rng: &mut ChaCha8Rng, rule: &RewriteRule) -> Instance {
    let mut numbers = PrimaryMap::new();
    for variable in rule.variables.values() {
        numbers.push(match variable.kind {
            VariableKind::Truth => Number::Truth(rng.random()),
            VariableKind::Shift => Number::known(BigInt::from(rng.random_range(0..=8u8))),
            VariableKind::Value | VariableKind::Constant => {
                let value: i64 = rng.random_range(-128..128i64) >> rng.random_range(0..7u8);
                let value = value << rng.random_range(0..=value.leading_zeros().min(2));
                let value = value.clamp(-128, 127);
                let mut number = Number::known(BigInt::from(value));
                if let Number::Integer { lo, hi, zeros, .. } = &mut number {
                    *lo = BigInt::from(rng.random_range(-128..=value));
                    *hi = BigInt::from(rng.random_range(value..=127));
                    *zeros = (*zeros).min(rng.random_range(0..=8));
                }
                number
            }
        });
    }
    Instance { numbers }
}

#[test]
fn odd_rules_get_verdicts_that_stand() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let effort = Effort {
        conflicts: 300,
        cases: 1 << 14,
        ..Effort::default()
    };
    let mut counts = [0usize; 4];
    for _ in 0..3000 {
        let text = file(&mut rng);
        let Ok(rules) = read_rules(&[("r.toml", &text)], &mut Sources::default()) else {
            continue;
        };
        let rule = &rules[0];
        let Ok(mut solver) = from_name("embedded") else {
            return;
        };
        let found = prove(rule, &mut *solver, &effort);
        match &found {
            Verdict::Proved(_) => {
                counts[0] += 1;
                for _ in 0..500 {
                    let at = instance(&mut rng, rule);
                    let stands = !at.allows(rule) || at.sides(rule).agree();
                    assert!(stands, "{}: {found}, but {at:?}", rule.law());
                }
            }
            Verdict::Refuted(at) => {
                counts[1] += 1;
                assert!(
                    at.instance.fits(rule) && at.instance.allows(rule),
                    "{found}"
                );
                assert!(!at.instance.sides(rule).agree(), "{found}");
            }
            Verdict::Vacuous => {
                counts[2] += 1;
                for _ in 0..500 {
                    assert!(!instance(&mut rng, rule).allows(rule), "{}", rule.law());
                }
            }
            Verdict::Unknown(_) => counts[3] += 1,
        }
    }
    let [proved, refuted, vacuous, unknown] = counts;
    let enough = proved > 20 && refuted > 80 && vacuous > 5;
    assert!(
        enough,
        "{proved} proved, {refuted} refuted, {vacuous} vacuous, {unknown} unknown"
    );
}
