//! Verdicts on thousands of random questions against exact oracles: no wrong one is allowed, and
//! most must be decided.

use crate::compare::{Counts, series};

/// Cases per domain; `CEG4N_SOUNDNESS_CASES` asks for more.
fn cases() -> u64 {
    std::env::var("CEG4N_SOUNDNESS_CASES")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(500)
}

/// Random questions must reach every verdict, or the comparison says nothing.
fn is_telling(counts: &Counts, n: u64) {
    assert_eq!(counts.cases, n);
    assert!(counts.refused + counts.empty <= n / 3, "{counts}");
    let total: u64 = counts.verdicts.values().sum();
    for property in ["top1", "topk", "margin", "eps"] {
        for verdict in ["proved", "refuted"] {
            let share = counts.with(&format!("{property} {verdict}"));
            assert!(share >= n / 40, "{property} {verdict}: {counts}");
        }
    }
    assert!(counts.with("unknown") <= total / 3, "{counts}");
    for label in ["robust", "changes", "undecided"] {
        let n_label = counts.labels.get(label).copied().unwrap_or(0);
        assert!(n_label >= n / 40, "label {label}: {counts}");
    }
}

#[test]
fn grid_verdicts_agree_with_enumeration() {
    let n = cases();
    match series(false, 0, n) {
        Ok(counts) => {
            println!("{counts}");
            is_telling(&counts, n);
            assert!(counts.solver >= n / 100, "{counts}");
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn real_verdicts_agree_with_the_piecewise_linear_oracle() {
    let n = cases();
    match series(true, 0, n) {
        Ok(counts) => {
            println!("{counts}");
            is_telling(&counts, n);
            assert!(counts.resumed >= 5, "{counts}");
        }
        Err(e) => panic!("{e}"),
    }
}
