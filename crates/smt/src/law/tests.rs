//! The ways to prove a law against each other, on the shipped rules and on mutants of them.

use super::{AtWidth, Effort, Evidence, Prover, Verdict, cases, identity, prove};
use crate::solver::{Limits, from_name};
use ceg4n_base::Sources;
use ceg4n_opspec::{
    Binary, Cmp, Fact, RewriteRule, Term, Truth, VariableKind, read_rules, rewrite_rules,
};

/// A rule from its expressions; the kind of a variable is told by its first letter.
fn rule(lhs: &str, rhs: &str, when: &str) -> RewriteRule {
    let mut text = format!("name = \"r\"\nsummary = \"s\"\nlhs = \"{lhs}\"\nrhs = \"{rhs}\"\n");
    if !when.is_empty() {
        text += &format!("when = \"{when}\"\n");
    }
    let mut names: Vec<&str> = lhs
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| w.len() == 1 && w.starts_with(|c: char| c.is_ascii_alphabetic()))
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let kind = match name.as_bytes()[0] {
            b'a'..=b'c' => "constant",
            b'p' | b'q' => "truth",
            b'r'..=b't' => "shift",
            _ => "value",
        };
        text += &format!("[[variable]]\nname = \"{name}\"\nkind = \"{kind}\"\n");
    }
    let mut sources = Sources::default();
    match read_rules(&[("r.toml", &text)], &mut sources) {
        Ok(mut rules) => rules.remove(0),
        Err(d) => panic!("{}", sources.render(&d, false)),
    }
}

/// Whether the law holds at a width, by the solver and by enumeration.
fn both(rule: &RewriteRule, width: u32) -> [Option<bool>; 2] {
    let Ok(mut solver) = from_name("embedded") else {
        return [None; 2];
    };
    let effort = Effort::default();
    let mut prover = Prover {
        rule,
        solver: &mut *solver,
        limits: Limits {
            conflicts: Some(20_000),
            ..Limits::default()
        },
        effort: &effort,
    };
    let holds = |found| match found {
        AtWidth::Holds(_) => Some(true),
        AtWidth::Fails(_) => Some(false),
        AtWidth::Undecided(_) => None,
    };
    let few = cases::count(rule, width) <= 1 << 20;
    [
        holds(prover.solve(width)),
        few.then(|| holds(prover.enumerate(width))).flatten(),
    ]
}

/// Variants of a rule with one mistake each: another operation, number, variable or comparison on
/// the right or in the condition, or no condition.
fn mutants(rule: &RewriteRule) -> Vec<RewriteRule> {
    let mut all = Vec::new();
    for at in 0..200 {
        let mut place = at;
        let mut mutant = rule.clone();
        if !mutate(&mut mutant.rhs, rule, &mut place) {
            let when = mutant.when.as_mut();
            if !when.is_some_and(|w| mutate_truth(w, rule, &mut place)) {
                break;
            }
        }
        all.push(mutant);
    }
    if rule.when.is_some() {
        let when = None;
        all.push(RewriteRule {
            when,
            ..rule.clone()
        });
    }
    all
}

/// Changes the node at a place; counts down until there.
fn mutate(term: &mut Term, rule: &RewriteRule, place: &mut usize) -> bool {
    if *place == 0 && change(term, rule) {
        return true;
    }
    *place = place.saturating_sub(1);
    match term {
        Term::Variable(_) | Term::Int(_) | Term::Fact(..) => false,
        Term::Neg(a) | Term::Log2(a) => mutate(a, rule, place),
        Term::Binary(_, a, b)
        | Term::Div(a, b)
        | Term::Shl(a, b)
        | Term::Shr(a, b)
        | Term::ModPow2(a, b) => mutate(a, rule, place) || mutate(b, rule, place),
        Term::Select(c, a, b) => {
            mutate_truth(c, rule, place) || mutate(a, rule, place) || mutate(b, rule, place)
        }
        Term::Truth(c) => mutate_truth(c, rule, place),
    }
}

fn mutate_truth(truth: &mut Truth, rule: &RewriteRule, place: &mut usize) -> bool {
    match truth {
        Truth::Variable(_) => false,
        Truth::Cmp(op, a, b) => {
            if *place == 0 {
                *op = match op {
                    Cmp::Lt => Cmp::Le,
                    Cmp::Le => Cmp::Lt,
                    Cmp::Gt => Cmp::Ge,
                    Cmp::Ge => Cmp::Gt,
                    Cmp::Eq => Cmp::Ne,
                    Cmp::Ne => Cmp::Eq,
                };
                return true;
            }
            *place -= 1;
            mutate(a, rule, place) || mutate(b, rule, place)
        }
        Truth::Not(a) => mutate_truth(a, rule, place),
        Truth::And(a, b) | Truth::Or(a, b) => {
            mutate_truth(a, rule, place) || mutate_truth(b, rule, place)
        }
    }
}

fn change(term: &mut Term, rule: &RewriteRule) -> bool {
    let old = term.clone();
    *term = match old {
        Term::Variable(v) => {
            let kind = rule.variables[v].kind;
            let mut others = rule.variables.iter();
            match others.find(|(o, other)| *o != v && other.kind == kind) {
                Some((other, _)) => Term::Variable(other),
                None if kind == VariableKind::Truth => return false,
                None => Term::Binary(Binary::Add, Box::new(old), Box::new(Term::Int(1))),
            }
        }
        Term::Int(v) => Term::Int(v + 1),
        Term::Fact(Fact::Lo, v) => Term::Fact(Fact::Hi, v),
        Term::Fact(Fact::Hi, v) => Term::Fact(Fact::Lo, v),
        Term::Fact(Fact::Zeros, _) | Term::Log2(_) => {
            Term::Binary(Binary::Sub, Box::new(old), Box::new(Term::Int(1)))
        }
        Term::Neg(a) => *a,
        Term::Binary(op, a, b) => match op {
            Binary::Add => Term::Binary(Binary::Sub, a, b),
            Binary::Sub => Term::Binary(Binary::Sub, b, a),
            Binary::Mul => Term::Binary(Binary::Add, a, b),
            Binary::Min => Term::Binary(Binary::Max, a, b),
            Binary::Max => Term::Binary(Binary::Min, a, b),
        },
        Term::Div(a, _) => *a,
        Term::Shl(a, s) => Term::Shr(a, s),
        Term::Shr(a, s) => Term::ModPow2(a, s),
        Term::ModPow2(a, s) => Term::Shr(a, s),
        Term::Select(c, a, b) => Term::Select(c, b, a),
        Term::Truth(c) => Term::Truth(Box::new(Truth::Not(c))),
    };
    true
}

#[test]
fn solver_and_enumeration_agree_on_mutants() {
    let (mut wrong, mut right) = (0, 0);
    for rule in rewrite_rules() {
        for mutant in [vec![rule.clone()], mutants(rule)].concat() {
            for width in 1..=2 {
                match both(&mutant, width) {
                    [Some(a), Some(b)] => {
                        assert_eq!(a, b, "{} at {width}: {mutant:?}", rule.name);
                        right += usize::from(a);
                        wrong += usize::from(!a);
                    }
                    [_, None] => {}
                    [None, Some(_)] => assert!(from_name("embedded").is_err()),
                }
            }
        }
    }
    if from_name("embedded").is_ok() {
        assert!(wrong > 300 && right > 150, "{wrong} wrong, {right} right");
    }
}

#[test]
fn an_identity_has_no_counterexample() {
    let (mut identities, mut others) = (0, 0);
    for rule in rewrite_rules() {
        for mutant in [vec![rule.clone()], mutants(rule)].concat() {
            if !identity::is_identity(&mutant) {
                others += 1;
                continue;
            }
            identities += 1;
            for width in 1..=4 {
                if cases::count(&mutant, width) > 1 << 18 {
                    break;
                }
                let found = cases::enumerate(&mutant, width);
                let agrees = matches!(found, Ok(cases::Found::Agree(_)));
                assert!(agrees, "{} at {width}: {mutant:?}", rule.name);
            }
        }
    }
    assert!(
        identities > 50 && others > 300,
        "{identities} identities, {others} others"
    );
}

#[test]
fn identities_need_meaningful_amounts() {
    for (lhs, rhs, when, expected) in [
        ("shr(shl(x, s), t)", "shl(x, s - t)", "", false),
        ("shr(shl(x, s), t)", "shl(x, s - t)", "s + 1 >= t", false),
        ("shr(shl(x, s), t)", "shl(x, s - t)", "s > t", true),
        ("shl(shr(x, s), s)", "x", "", false),
        ("shl(shr(x, s), s)", "x", "s <= zeros(x)", true),
        ("shl(shr(x, s), s)", "x", "s <= zeros(x) or s == 0", false),
        (
            "x * a",
            "shl(x, log2(a)) + x * (a - shl(1, log2(a)))",
            "",
            false,
        ),
        (
            "shr(x + y, s)",
            "shr(x, s) + shr(y, s)",
            "zeros(y) + 1 >= s",
            false,
        ),
        ("shr(x + y, s)", "shr(x, s) + shr(y, s)", "", false),
    ] {
        let rule = rule(lhs, rhs, when);
        assert_eq!(identity::is_identity(&rule), expected, "{}", rule.law());
    }
}

#[test]
fn floors_have_a_normal_form() {
    for (lhs, rhs, expected) in [
        ("shr(x * 4 + 2, 1)", "2 * x + 1", true),
        ("shr(x * 4 + 3, 1)", "2 * x + 1", true),
        ("shr(x * 4 + 3, 1)", "2 * x + 2", false),
        ("shr(x * 4 + 3, 1)", "shr(x * 8 + 7, 2)", true),
        ("shr(x + 3, 2)", "shr(x, 2)", false),
        ("shr(x + 1, 1)", "shr(x, 1)", false),
        ("shr(x - 1, 1)", "shr(x + 1, 1) - 1", true),
        ("shr(x - 1, 1)", "shr(x, 1)", false),
        ("shr(x * 3, 1)", "x + shr(x, 1)", true),
        ("shr(x * 3, 1)", "x", false),
        ("shr(x * 2 + 3, 2)", "shr(x + 1, 1)", false),
        ("shr(x * 2 + 2, 2)", "shr(x + 1, 1)", true),
        ("shr(shr(x, 1) + 1, 1)", "shr(x + 2, 2)", true),
        ("shr(shr(x + 1, 1) + 1, 1)", "shr(x + 3, 2)", true),
        ("shr(shr(x + 1, 1) + 1, 1)", "shr(x + 2, 2)", false),
        ("shr(shr(x, 1) + shr(y, 1), 1)", "shr(x + y, 2)", false),
        ("shr(2 * shr(x, 1) + y, 1)", "shr(x + y, 1)", false),
        ("shr(x + -1 * shr(y, 1), 1)", "shr(2 * x - y, 2)", false),
        ("shr(x - 1, 127)", "shr(x, 127)", false),
    ] {
        let rule = rule(lhs, rhs, "");
        assert_eq!(identity::is_identity(&rule), expected, "{}", rule.law());
        let found = cases::enumerate(&rule, 4);
        let agrees = matches!(found, Ok(cases::Found::Agree(_)));
        // What holds need not have been seen to; what was seen must hold.
        assert!(agrees || !expected, "{}", rule.law());
    }
}

/// What `prove` says, without a solver nothing.
fn verdict(rule: &RewriteRule) -> Option<Verdict> {
    let mut solver = from_name("embedded").ok()?;
    Some(prove(rule, &mut *solver, &Effort::default()))
}

#[test]
fn division_and_logarithms_are_understood() {
    for (lhs, rhs, when, holds) in [
        (
            "x * 3 + a",
            "(x + div(a, 3)) * 3 + (a - div(a, 3) * 3)",
            "",
            true,
        ),
        (
            "x * 3 + a",
            "(x + div(a, 3)) * 3",
            "a == div(a, 3) * 3",
            true,
        ),
        ("x * 3 + a", "(x + div(a, 3)) * 3", "", false),
        ("x + a", "x + div(a, a) * a", "a > 0", true),
        // Nothing is divided by 0 or less.
        ("x + a", "x + div(a, a) * a", "a >= 0", false),
        ("x + a", "x + a + div(log2(a), 40)", "a > 0", true),
        ("x + a", "x + a + div(log2(a), 2)", "a > 0", false),
        (
            "max(x, a)",
            "max(x, shl(1, log2(a)))",
            "a == 1 or a == 2",
            true,
        ),
        // The second part counts only where the first holds.
        ("max(x, a)", "max(a, x)", "a > 0 and log2(a) >= 1", true),
        (
            "max(x, a)",
            "max(a, x)",
            "not (a <= 0 or log2(a) < 1)",
            true,
        ),
    ] {
        let rule = rule(lhs, rhs, when);
        let found: Vec<_> = (1..=4).map(|width| both(&rule, width)).collect();
        let expected = |by: usize| {
            let all: Option<Vec<bool>> = found.iter().map(|f| f[by]).collect();
            all.map(|all| all.iter().all(|h| *h))
        };
        assert_eq!(expected(1), Some(holds), "{}", rule.law());
        if from_name("embedded").is_ok() {
            assert_eq!(expected(0), Some(holds), "{}", rule.law());
        }
    }
}

#[test]
fn a_condition_without_a_meaning_does_not_hold() {
    // The logarithm has no meaning for the a that the first comparison lets through.
    let vacuous = rule("max(x, a)", "x", "a < 0 and log2(a) >= 0");
    let Some(found) = verdict(&vacuous) else {
        return;
    };
    assert_eq!(found, Verdict::Vacuous);
    let vacuous = rule("max(x, y)", "x", "lo(x) > 5 and hi(x) < 5");
    assert_eq!(verdict(&vacuous), Some(Verdict::Vacuous));
    // Satisfied from 9 bits on alone.
    let wide = rule("max(x, y)", "x", "lo(x) >= 200 and hi(y) <= 200");
    assert!(matches!(verdict(&wide), Some(Verdict::Proved(_))));
}

#[test]
fn limits_leave_a_law_open() {
    let Ok(mut solver) = from_name("embedded") else {
        return;
    };
    let rule = rule("max(shr(x, s), shr(y, s))", "shr(max(x, y), s)", "");
    let effort = Effort {
        conflicts: 1,
        cases: 0,
        ..Effort::default()
    };
    let found = prove(&rule, &mut *solver, &effort);
    assert!(
        matches!(&found, Verdict::Unknown(r) if r.contains("conflict limit")),
        "{found}"
    );
    let effort = Effort {
        cancel: Some(std::sync::Arc::new(true.into())),
        ..Effort::default()
    };
    let found = prove(&rule, &mut *solver, &effort);
    assert!(
        matches!(&found, Verdict::Unknown(r) if r.contains("cancelled")),
        "{found}"
    );
    let verdict = Verdict::Proved(vec![
        (1, Evidence::Cases(2)),
        (2, Evidence::Cases(4)),
        (3, Evidence::Solver),
        (16, Evidence::Solver),
        (32, Evidence::Identity),
    ]);
    assert_eq!(
        verdict.to_string(),
        "proved: 1..2 by 6 cases; 3, 16 by SMT; 32 by identity"
    );
}
