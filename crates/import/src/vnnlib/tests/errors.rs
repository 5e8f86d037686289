//! Every error has a code, a place and says what was expected.

use super::declare;
use crate::vnnlib::query;
use ceg4n_base::codes::{self, Code};
use ceg4n_base::{Diagnostic, Location, Sources};

/// The errors of a text: code, `line:column`, message and label.
fn errors(text: &str) -> Vec<(Code, String, String, String)> {
    let mut sources = Sources::default();
    let all = match query(&mut sources, "q.vnnlib", text) {
        Ok(q) => q.regions("q").err().map(Into::into),
        Err(e) => Some(e),
    };
    let all = all.unwrap_or_else(|| panic!("no error in\n{text}"));
    let place = |d: &Diagnostic| match d.location {
        Location::Span(s) => {
            let (line, column) = sources.line_column(s);
            format!("{line}:{column}")
        }
        Location::Place(_) | Location::None => String::new(),
    };
    let one = |d: &Diagnostic| (d.code, place(d), d.message.clone(), d.label.clone());
    let list = all.0.iter().map(one).collect();
    assert!(!sources.render(&all, false).is_empty());
    list
}

/// The one error of a text behind two declared inputs and outputs, on lines 1 to 4.
fn error(rest: &str) -> (Code, String, String, String) {
    let list = errors(&(declare(2, 2) + rest));
    assert_eq!(list.len(), 1, "{rest}\n{list:?}");
    list[0].clone()
}

#[test]
fn syntax_errors_say_what_was_expected() {
    let cases = [
        (
            "(assert (<= X_0))",
            "5:16",
            "expected a number, X_i, Y_j or a sum",
            "unexpected `)`",
        ),
        (
            "(assert\n  (=> (<= X_0 1) (<= Y_0 1)))",
            "6:4",
            "expected `<=`, `>=`, `<`, `>`, `=`, `and` or `or`",
            "unexpected `=>`",
        ),
        (
            "(assert (<= (/ X_0 2) 1))",
            "5:14",
            "expected `+`, `-` or `*`",
            "unexpected `/`",
        ),
        (
            "(assert (<= Z_0 1))",
            "5:13",
            "expected a number, X_i, Y_j or a sum",
            "unexpected `Z_0`",
        ),
        (
            "(assert (<= X_0 1.2.3))",
            "5:17",
            "expected a number, X_i, Y_j or a sum",
            "unexpected `1.2.3`",
        ),
        (
            "(assume (<= X_0 1))",
            "5:2",
            "expected `declare-const`, `declare-fun` or `assert`",
            "unexpected `assume`",
        ),
        (
            "(declare-const X_2 Int)",
            "5:20",
            "expected `Real`",
            "unexpected `Int`",
        ),
        (
            "(declare-const input Real)",
            "5:16",
            "expected a variable like X_0 or Y_0",
            "unexpected `input`",
        ),
        (
            "(assert (<= X_0 1)",
            "5:19",
            "expected `)`",
            "the file ends here",
        ),
        ("(assert (and))", "5:13", "expected `(`", "unexpected `)`"),
        (
            "assert",
            "5:1",
            "expected a command like `(assert …)`",
            "outside of parentheses",
        ),
        (
            "(check-sat))",
            "5:12",
            "there is nothing to close here",
            "unexpected `)`",
        ),
    ];
    for (rest, place, message, label) in cases {
        let found = error(rest);
        assert_eq!(found.0, codes::SYNTAX, "{rest}");
        assert_eq!(
            [&found.1, &found.2, &found.3],
            [place, message, label],
            "{rest}"
        );
    }
}

#[test]
fn what_is_not_supported_is_pointed_at() {
    let cases = [
        (
            "(assert (<= X_0 Y_0))",
            "5:10",
            "constraints between inputs and outputs are not supported",
        ),
        (
            "(assert (or (<= Y_0 1)\n (<= (+ X_0 X_1) 1)))",
            "6:3",
            "constraints between inputs are not supported: regions are boxes",
        ),
        (
            "(assert (< X_0 1))",
            "5:10",
            "strict bounds of inputs are not supported: regions are closed boxes",
        ),
        (
            "(assert (<= (* Y_0 Y_1) 1))",
            "5:14",
            "products of variables are not supported",
        ),
        (
            "(assert (<= (* 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 Y_0) 1))",
            "5:14",
            "a product of more than 16 numbers",
        ),
    ];
    for (rest, place, message) in cases {
        let found = error(rest);
        assert_eq!(found.0, codes::QUERY, "{rest}");
        assert_eq!([&found.1, &found.2], [place, message], "{rest}");
    }
    // Where the inputs cancel, the comparison is about outputs.
    assert!(
        errors(&(declare(2, 2) + "(assert (<= (- Y_0 X_0) (- X_0)))"))[0]
            .2
            .contains("no lower")
    );
    let found = errors("(vnnlib-version <2.0>)\n(declare-network N)");
    assert_eq!((found.len(), found[0].0), (1, codes::QUERY));
}

#[test]
fn names_and_numbers() {
    let twice = error("(declare-const Y_1 Real)");
    assert_eq!((twice.0, &*twice.1), (codes::DUPLICATE_NAME, "5:16"));
    let gap = error("(declare-const Y_3 Real)");
    assert_eq!((gap.0, &*gap.1), (codes::UNKNOWN_NAME, "5:16"));
    assert_eq!(gap.2, "Y_2 is not declared");
    let zero = error("(declare-const Y_02 Real)");
    assert_eq!(zero.2, "Y_02 is no variable of a query");
    let huge = error("(declare-const X_99999999999999999999999 Real)");
    assert_eq!(
        huge.2,
        "X_99999999999999999999999 is no variable of a query"
    );
    let unknown = error("(assert (<= X_7 1))");
    assert_eq!((unknown.0, &*unknown.1), (codes::UNKNOWN_NAME, "5:13"));
    let exponent = error("(assert (<= X_0 1e401))");
    assert_eq!((exponent.0, &*exponent.1), (codes::NUMBER, "5:17"));
    let digits = error(&format!("(assert (<= X_0 {}))", "9".repeat(20_001)));
    assert_eq!(digits.2, "a number of 20001 characters is too long");
    let nothing = errors("; nothing here\n");
    assert_eq!(nothing[0].2, "the file declares no variable");
}

#[test]
fn boxes_need_all_their_bounds_and_a_point() {
    let no_upper = error("(assert (>= X_0 0)) (assert (<= 0 X_1 1))");
    assert_eq!((no_upper.0, &*no_upper.1), (codes::REGION, "1:16"));
    assert_eq!(no_upper.2, "X_0 has no upper bound");
    let empty = error(
        "(assert (<= 0 X_0 1))\n(assert (>= X_1 2))\n(assert (>= X_1 3) )\n(assert (<= X_1 2.5))",
    );
    assert_eq!((empty.0, &*empty.1), (codes::REGION, "7:10"));
    assert_eq!(
        empty.2,
        "the box is empty: lower bound 3 above upper bound 2.5 at X_1"
    );
}

#[test]
fn several_mistakes_are_told_together_and_not_too_many() {
    let text = declare(1, 1) + "(assert (<= X_0 1)\n(assert (<= X_0 ))";
    let list = errors(&text);
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((&*list[0].1, &*list[0].2), ("4:1", "expected `)`"));
    let text = declare(1, 1) + "(assert (<= X_0 Y_0))\n(assert (>= Z 1))\n(assert (<= X_1 1))";
    let places: Vec<String> = errors(&text).into_iter().map(|e| e.1).collect();
    assert_eq!(places, ["3:10", "4:13", "5:13"]);
    let many = errors(&(declare(1, 1) + &"(assert (<= X_0 Y_0))\n".repeat(50)));
    assert_eq!(many.len(), 21);
    assert_eq!(many[20].2, "30 more errors are not shown");
}
