//! Texts from nobody: reading never panics, never overflows the stack, never asks for gigabytes.

use super::{BOX, ONE, TWO};
use crate::vnnlib2::{Query, query};
use ceg4n_base::{Diagnostics, Exact, Sources};
use proptest::prelude::*;

/// Reads, and renders what is wrong; the point is to come back.
fn survive(text: &str) -> Result<Query, Diagnostics> {
    let mut sources = Sources::default();
    let result = query(&mut sources, "q.vnnlib", text);
    let problem = result.clone().and_then(|q| {
        q.holds(&vec![Exact::zero(); 16]);
        q.problem("q")
    });
    if let Err(e) = problem {
        assert!(e.has_errors());
        assert!(!sources.render(&e, false).is_empty());
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
        let body = format!(
            "{}(<= Y[0] 1){}",
            open.repeat(100_000),
            close.repeat(100_000)
        );
        let e = survive(&format!("{ONE}(assert {body})")).unwrap_err();
        assert!(e.0[0].message.contains("deeper than 64"), "{e}");
    }
    let deepest = format!(
        "{ONE}{BOX}(assert {}(<= Y[0] 1){})",
        "(and ".repeat(62),
        ")".repeat(62)
    );
    assert!(survive(&deepest).is_ok());
    assert!(survive(&"(".repeat(1_000_000)).is_err());
}

/// Multiplying out stops at a limit and says so.
#[test]
fn explosions() {
    let two = "(assert (or (<= Y[0] 1) (<= Y[0] 2)))\n";
    let q = survive(&format!("{ONE}{BOX}{}", two.repeat(20))).unwrap();
    let e = q.problem("q").unwrap_err();
    assert!(e.0[0].message.contains("more than 4096 cases"), "{e}");
    let unequal = "(assert (!= Y[0] 1))\n".repeat(40);
    assert!(
        survive(&format!("{ONE}{BOX}{unequal}"))
            .unwrap()
            .problem("q")
            .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Pieces of queries in any order, with any of their characters gone.
    #[test]
    fn damaged_queries(
        pieces in proptest::collection::vec(0usize..12, 1..20),
        holes in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let all = [
            ONE, TWO, BOX, "(assert (<= Y[0] V[1]))", "(assert", "(or ", ")", "X[0,", "]",
            "\"", "<2.0>", "(- 1 (* Y[0] 1e400))",
        ];
        let mut text: String = pieces.iter().map(|i| all[*i]).collect();
        for hole in holes {
            let at = hole.index(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                text.remove(at);
            }
            if text.is_empty() {
                break;
            }
        }
        let _ = survive(&text);
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        let _ = survive(&text);
    }
}
