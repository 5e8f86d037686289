//! Every shipped rule is proved; every rule of the broken ones is rejected, with a counterexample
//! that stands on unbounded integers or as vacuous.

mod odd;

use ceg4n_base::Sources;
use ceg4n_opspec::{RewriteRule, read_rules, rewrite_rules};
use ceg4n_smt::law::{Effort, Evidence, PRACTICAL, SMALL, Verdict, prove};
use ceg4n_smt::solver::from_name;
use std::io::Write as _;
use std::path::Path;

/// The rules of a folder of text tests.
fn folder(name: &str) -> Vec<RewriteRule> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rules");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.join(name)).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let text = std::fs::read_to_string(&path).expect("it is a text");
        files.push((path.to_string_lossy().into_owned(), text));
    }
    files.sort();
    let files: Vec<_> = files
        .iter()
        .map(|(p, t)| (p.as_str(), t.as_str()))
        .collect();
    let mut sources = Sources::default();
    read_rules(&files, &mut sources).unwrap_or_else(|d| panic!("{}", sources.render(&d, false)))
}

fn verdict(rule: &RewriteRule) -> Option<Verdict> {
    let mut solver = from_name("embedded").ok()?;
    Some(prove(rule, &mut *solver, &Effort::default()))
}

#[test]
fn shipped_rules_are_proved() {
    let rules = rewrite_rules();
    assert!(rules.len() > 60);
    for rule in rules {
        let Some(found) = verdict(rule) else { return };
        let Verdict::Proved(evidence) = &found else {
            panic!("{}: {}: {found}", rule.name, rule.law());
        };
        let widths: Vec<u32> = evidence.iter().map(|(w, _)| *w).collect();
        let expected: Vec<u32> = SMALL.chain(PRACTICAL).collect();
        assert_eq!(widths, expected, "{}", rule.name);
        // Small widths are looked at one by one, whatever else is known.
        let small = evidence.iter().filter(|(w, _)| SMALL.contains(w));
        for (width, by) in small {
            assert_ne!(*by, Evidence::Identity, "{} at {width}", rule.name);
        }
    }
}

#[test]
fn broken_rules_are_rejected() {
    let rules = folder("broken");
    assert!(rules.len() >= 12);
    for rule in &rules {
        let Some(found) = verdict(rule) else { return };
        match &found {
            Verdict::Refuted(at) => {
                assert!(at.instance.fits(rule), "{}: {found}", rule.name);
                assert!(at.instance.allows(rule), "{}: {found}", rule.name);
                assert!(!at.instance.sides(rule).agree(), "{}: {found}", rule.name);
                assert!(!rule.name.starts_with("vacuous"), "{}: {found}", rule.name);
            }
            Verdict::Vacuous => {
                assert!(rule.name.starts_with("vacuous"), "{}: {found}", rule.name);
            }
            Verdict::Proved(_) | Verdict::Unknown(_) => panic!("{}: {found}", rule.name),
        }
    }
}

/// Another solver, where it is installed, finds the same: both are asked the same questions, but
/// blast and solve on their own.
#[test]
fn z3_agrees() {
    let Ok(mut z3) = from_name("z3") else {
        let needed = std::env::var_os("CEG4N_REQUIRE_TOOLS").is_some_and(|v| v == "1");
        assert!(!needed, "z3 is needed");
        let _ = writeln!(std::io::stderr(), "SKIPPED: z3 is not installed");
        return;
    };
    let broken = folder("broken");
    // What the solver alone decides, at most widths.
    let shipped = rewrite_rules().iter().filter(|r| r.name.starts_with("max"));
    for rule in broken.iter().chain(shipped) {
        let Some(found) = verdict(rule) else { return };
        let other = prove(rule, &mut *z3, &Effort::default());
        match (&found, &other) {
            (Verdict::Proved(a), Verdict::Proved(b)) => assert_eq!(a, b, "{}", rule.name),
            (Verdict::Refuted(a), Verdict::Refuted(b)) => {
                assert_eq!(a.width, b.width, "{}", rule.name);
            }
            (Verdict::Vacuous, Verdict::Vacuous) => {}
            _ => panic!("{}: {found}, by z3 {other}", rule.name),
        }
    }
}

#[test]
fn verdicts_are_the_same_in_every_run() {
    for rule in folder("broken").iter().take(6) {
        assert_eq!(verdict(rule), verdict(rule), "{}", rule.name);
    }
}

#[test]
fn what_cannot_be_decided_is_unknown() {
    for rule in &folder("unknown") {
        let Some(found) = verdict(rule) else { return };
        assert!(
            matches!(&found, Verdict::Unknown(r) if !r.is_empty()),
            "{}: {found}",
            rule.name
        );
    }
}
