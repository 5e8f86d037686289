//! Rule files that must be rejected, each with its code, line and column; and the embedded rules.

use ceg4n_base::{Location, Sources};
use ceg4n_opspec::{EMBEDDED_RULES, RewriteRule, Term, read_rules, rewrite_rules};

/// A rule file from its expressions and the kinds of its variables.
fn file(lhs: &str, rhs: &str, when: &str, variables: &[(&str, &str)]) -> String {
    let mut text = format!("name = \"r\"\nsummary = \"s\"\nlhs = \"{lhs}\"\nrhs = \"{rhs}\"\n");
    if !when.is_empty() {
        text += &format!("when = \"{when}\"\n");
    }
    for (name, kind) in variables {
        text += &format!("[[variable]]\nname = \"{name}\"\nkind = \"{kind}\"\n");
    }
    text
}

fn read(files: &[(&str, &str)]) -> Result<Vec<RewriteRule>, String> {
    let mut sources = Sources::default();
    read_rules(files, &mut sources).map_err(|diagnostics| {
        let lines = diagnostics.0.iter().map(|d| match &d.location {
            Location::Span(span) => {
                let (line, column) = sources.line_column(*span);
                format!("{line}:{column}: [{}] {}: {}", d.code, d.message, d.label)
            }
            Location::Place(place) => format!("{place}: [{}] {}", d.code, d.message),
            Location::None => format!("[{}] {}", d.code, d.message),
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

const X: (&str, &str) = ("x", "value");
const Y: (&str, &str) = ("y", "value");
const C: (&str, &str) = ("c", "constant");
const S: (&str, &str) = ("s", "shift");
const P: (&str, &str) = ("p", "truth");

#[track_caller]
fn rejected(lhs: &str, rhs: &str, when: &str, variables: &[(&str, &str)], expected: &str) {
    let text = file(lhs, rhs, when, variables);
    let message = read(&[("r.toml", &text)]).expect_err("a broken rule is rejected");
    assert_eq!(message, expected, "{text}");
}

#[test]
fn names_must_be_declared_and_used() {
    let v = [X, Y];
    rejected(
        "max(x, z)",
        "x",
        "",
        &v,
        "3:15: [E0103] there is no variable `z`: not declared",
    );
    rejected(
        "max(x, 0)",
        "x",
        "",
        &v,
        "9:8: [E0106] `y` is not used: here",
    );
    rejected(
        "max(x, 0)",
        "y",
        "",
        &v,
        "4:7: [E0106] the left side does not bind `y`: here",
    );
    rejected(
        "max(x, 0)",
        "x",
        "lo(y) > 0",
        &v,
        "5:8: [E0106] the left side does not bind `y`: here",
    );
    rejected(
        "max(x, 0)",
        "median(x, 0)",
        "",
        &[X],
        "4:8: [E0103] there is no function `median` in rules: not known",
    );
    rejected(
        "max(x, 0)",
        "x",
        "",
        &[X, X],
        "9:8: [E0104] `x` is defined already: here",
    );
}

#[test]
fn a_left_side_must_be_found() {
    let lone = "3:7: [E0106] a lone variable would match everything: here";
    rejected("x", "max(x, x)", "", &[X], lone);
    rejected("p", "not not p", "", &[P], lone);
    let computed = "3:7: [E0106] a known integer that is computed cannot be looked for: here";
    rejected("x * (c + 1)", "x * c + x", "", &[X, C], computed);
    rejected("x * zeros(x)", "x", "", &[X], {
        "3:12: [E0106] `zeros` is a fact, and the left side has none: here"
    });
    let amount = "3:7: [E0106] an amount that is looked for is a variable of the kind shift, or 0 \
                  to 127: here";
    rejected("shr(x, c)", "x", "c == 0", &[X, C], amount);
    rejected("shr(x, 128)", "0", "", &[X], amount);
    let known = "3:7: [E0106] a known integer needs no rule: here";
    rejected("c + 0", "c", "", &[C], known);
}

#[test]
fn types_are_checked() {
    rejected(
        "shr(x, y)",
        "x",
        "",
        &[X, Y],
        "3:15: [E0106] the amount of a shift must be known: not made of constants, shifts, facts \
         and literals",
    );
    rejected(
        "max(x, p)",
        "x",
        "",
        &[X, P],
        "3:15: [E0106] a number is needed here: a truth value",
    );
    rejected(
        "select(x, 1, 0)",
        "x",
        "",
        &[X],
        "3:15: [E0106] a truth value is needed here: a number",
    );
    rejected(
        "(x < 0) + 1",
        "x",
        "",
        &[X],
        "3:9: [E0106] a number is needed here: a truth value: `select(c, 1, 0)` is it as a number",
    );
    rejected(
        "max(x, 0)",
        "x / 1",
        "",
        &[X],
        "4:8: [E0106] `/` has no meaning over integers: `div(a, b)` is the floor of a quotient of \
         known integers",
    );
    rejected(
        "max(x, 0)",
        "div(x, 1)",
        "",
        &[X],
        "4:12: [E0106] only known integers are divided: not made of constants, shifts, facts and \
         literals",
    );
    rejected(
        "max(x, 0)",
        "x",
        "x > 0",
        &[X],
        "5:8: [E0106] a condition is about known integers and facts: here",
    );
    rejected(
        "shr(x, s)",
        "x",
        "lo(s) == 0",
        &[X, S],
        "5:12: [E0106] there are no facts about a shift: here",
    );
    rejected(
        "max(x, 0)",
        "x",
        "lo(x + 0) > 0",
        &[X],
        "5:12: [E0106] facts are about variables: not a variable",
    );
    rejected(
        "max(x)",
        "x",
        "",
        &[X],
        "3:8: [E0106] `max` takes 2 arguments, not 1: here",
    );
    rejected(
        "max(x, 0)",
        "sum k in n { x }",
        "",
        &[X],
        "4:8: [E0106] a rule has no such form: here",
    );
}

#[test]
fn files_are_checked() {
    rejected(
        "max(x, 0)",
        "max( x ,0)",
        "",
        &[X],
        "4:7: [E0106] the right side is the left side: here",
    );
    rejected(
        "max(x, )",
        "x",
        "",
        &[X],
        "3:15: [E0101] the expression does not follow the grammar: expected expr",
    );
    let deep = format!("max(x, {}0{})", "(".repeat(60), ")".repeat(60));
    let text = file(&deep, "x", "", &[X]);
    assert!(read(&[("r.toml", &text)]).is_err_and(|m| m.contains("at most 1000 characters")));
    let good = file("max(x, 0)", "x", "lo(x) >= 0", &[X]);
    assert!(read(&[("r.toml", &good)]).is_ok());
    assert!(read(&[("q.toml", &good)]).is_err_and(|m| m.contains("not that of the file")));
    let twice = read(&[("a/r.toml", &good), ("b/r.toml", &good)]);
    assert_eq!(
        twice.expect_err("one name"),
        "b/r.toml: [E0104] two rules are called `r`"
    );
    let unknown = good.replace("summary", "sumary");
    assert!(read(&[("r.toml", &unknown)]).is_err_and(|m| m.contains("no rewrite rule")));
}

#[test]
fn both_directions_need_two_left_sides() {
    let both = |lhs: &str, rhs: &str, when: &str, variables: &[(&str, &str)]| {
        let text = file(lhs, rhs, when, variables);
        read(&[(
            "r.toml",
            &text.replacen("lhs", "direction = \"both\"\nlhs", 1),
        )])
    };
    let message = both("max(x, 0)", "x", "lo(x) >= 0", &[X]).expect_err("a variable");
    assert!(
        message.contains("for both directions: a lone variable"),
        "{message}"
    );
    let message = both("max(max(x, y), y)", "max(x, 0)", "", &[X, Y]).expect_err("y is lost");
    assert!(message.contains("the right side needs `y`"), "{message}");
    let rules = both("max(x, y)", "max(y, x)", "", &[X, Y]).expect("a rule");
    assert_eq!(rules[0].applications().count(), 2);
}

#[test]
fn embedded_rules_are_read() {
    let rules = rewrite_rules();
    assert_eq!(rules.len(), EMBEDDED_RULES.len());
    let shr = rules.iter().find(|r| r.name == "shr-shr").expect("shipped");
    assert_eq!(shr.law(), "shr(shr(x, s), t) → shr(x, s + t)");
    assert!(matches!(shr.rhs, Term::Shr(..)));
    for rule in rules {
        assert!(rule.summary.ends_with('.'), "{}", rule.file);
        assert!(!rule.doc.is_empty(), "{} says why it helps", rule.file);
    }
}
