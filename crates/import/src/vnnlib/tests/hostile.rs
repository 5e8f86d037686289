//! Texts from nobody: reading never panics, never overflows the stack, never asks for gigabytes.

use super::declare;
use crate::vnnlib::{Query, query};
use ceg4n_base::{Diagnostics, Sources, codes};
use proptest::prelude::*;

/// Reads, and renders what is wrong; the point is to come back.
fn survive(text: &str) -> Result<Query, Diagnostics> {
    let mut sources = Sources::default();
    let result = query(&mut sources, "q.vnnlib", text);
    match &result {
        Ok(q) => {
            let _ = q.regions("q");
            let _ = q.check(2, 2);
            let _ = q.spec("q", None);
        }
        Err(e) => {
            assert!(e.has_errors());
            assert!(!sources.render(e, false).is_empty());
        }
    }
    result
}

#[test]
fn deep_nesting() {
    for (open, close) in [
        ("(and ", ")"),
        ("(or ", ")"),
        ("(", ")"),
        ("(<= 0 (- ", "))"),
    ] {
        let nested = |n: usize, core: &str| {
            let body = format!("{}{core}{}", open.repeat(n), close.repeat(n));
            declare(1, 1) + &format!("(assert {body})")
        };
        let e = survive(&nested(100_000, "(<= Y_0 1)")).unwrap_err();
        assert!(e.0[0].message.contains("deeper than 64"), "{e}");
    }
    let deepest = format!(
        "(assert {}(<= Y_0 1){})",
        "(and ".repeat(62),
        ")".repeat(62)
    );
    assert!(survive(&(declare(1, 1) + &deepest)).is_ok());
    let sums = format!("(assert (<= {}Y_0{} 1))", "(- ".repeat(62), ")".repeat(62));
    assert!(survive(&(declare(1, 1) + &sums)).is_ok());
    assert!(survive(&"(".repeat(1_000_000)).is_err());
    assert!(survive(&")".repeat(10_000)).is_err());
    assert!(survive(&format!("(set-info {}", "(".repeat(60))).is_err());
}

/// Multiplying out stops at a limit and says so.
#[test]
fn explosions() {
    let two = "(assert (or (<= Y_0 1) (<= Y_0 2)))\n";
    assert_eq!(
        survive(&(declare(1, 1) + &two.repeat(12)))
            .unwrap()
            .spec("q", None)
            .cases
            .len(),
        4096
    );
    let e = survive(&(declare(1, 1) + &two.repeat(300))).unwrap_err();
    assert_eq!(e.0[0].code, codes::QUERY, "{e}");
    let inner = "(or (<= Y_0 1) (<= Y_0 2)) ".repeat(40);
    let e = survive(&(declare(1, 1) + &format!("(assert (and {inner}))"))).unwrap_err();
    assert!(e.0[0].message.contains("more than 4096 cases"), "{e}");
    // Few cases of many demands each.
    let long = "(<= Y_0 1) ".repeat(20_000);
    let wide = format!("(assert (or (and {long}) (<= Y_0 1)))\n").repeat(2);
    let rest = two.repeat(10);
    let e = survive(&(declare(1, 1) + &wide + &rest)).unwrap_err();
    assert_eq!(e.0[0].code, codes::QUERY, "{e}");
}

/// Many boxes of many inputs.
#[test]
fn too_many_boxes() {
    let boxes: Vec<String> = (0..4000).map(|k| format!("(>= X_0 {k})")).collect();
    let text = declare(2000, 1) + &format!("(assert (or {}))", boxes.join(" "));
    let e = survive(&text).unwrap_err();
    assert_eq!(e.0[0].message, "the query has too many input boxes");
}

/// Products cannot make numbers that are never finished.
#[test]
fn large_numbers() {
    let factor = "1e400 ".repeat(16);
    let text = declare(1, 1) + &format!("(assert (<= (* {factor} Y_0) 1))");
    assert!(survive(&text).is_ok());
    let long = "9".repeat(19_000);
    let text = declare(1, 1) + &format!("(assert (<= (* {long} {long} Y_0) 1))");
    assert!(
        survive(&text).unwrap_err().0[0]
            .message
            .contains("too many digits")
    );
    let text = declare(1, 1) + &format!("(assert (<= (+ {} Y_0) 1))", "1e-400 ".repeat(20_000));
    assert!(survive(&text).is_ok());
}

const SEED: &str = "; seed\n(declare-const X_0 Real)\n(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n\
    (assert (<= X_0 1.5)) (assert (>= X_0 -2e-1))\n\
    (assert (or (and (<= Y_0 Y_1) (> (+ (* 2 Y_0) 1) (- Y_1 3))) (= Y_0 0)))\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_texts(edits in prop::collection::vec((0usize..300, 0usize..22, 0u8..3), 1..5)) {
        let snippets = ["(", ")", " ", ";", "\"", "|", "-", "X_1", "Y_1", "1e999", "é", "<=", "<",
            "and", "or", "*", "0", "(assert", "(declare-const X_1 Real)", ".", "_", "\u{0}"];
        let mut text: Vec<char> = SEED.chars().collect();
        for (at, what, how) in edits {
            let at = at % text.len().max(1);
            match how {
                0 => drop(text.splice(at..at, snippets[what].chars())),
                1 => text.truncate(at.max(1)),
                _ => drop(text.splice(at..(at + what).min(text.len()), [])),
            }
        }
        let _ = survive(&text.into_iter().collect::<String>());
    }

    #[test]
    fn any_text(text in "[()XY_01.e+*<>= \n;\"|-]{0,200}") {
        let _ = survive(&text);
    }
}

#[test]
fn every_truncation_comes_back() {
    assert!(survive(SEED).is_ok());
    for n in 0..SEED.len() {
        let _ = survive(&SEED[..n]);
    }
}
