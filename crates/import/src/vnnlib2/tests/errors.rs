//! Every error has a code, a place and says what was expected.

use super::{BOX, ONE, TWO};
use crate::vnnlib2::query;
use ceg4n_base::codes::{self, Code};
use ceg4n_base::{Diagnostic, Location, Sources};

/// The errors of a text: code, `line:column`, message and label.
fn errors(text: &str) -> Vec<(Code, String, String, String)> {
    let mut sources = Sources::default();
    let all = match query(&mut sources, "q.vnnlib", text) {
        Ok(q) => q.problem("q").err(),
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

fn is(text: &str, code: Code, place: &str, message: &str) {
    let list = errors(text);
    let [(c, p, m, _)] = &list[..] else {
        panic!("{text}\n{list:?}")
    };
    assert_eq!(
        (*c, p.as_str(), m.as_str()),
        (code, place, message),
        "{text}"
    );
}

#[test]
fn syntax_errors_say_what_was_expected() {
    for (rest, place, message) in [
        (
            "(assert (<= X[0,0]))",
            "3:19",
            "expected a number, an element like X[0,0] or a sum",
        ),
        ("(assert (<= X[0,0 1))", "3:19", "expected `]` or `,`"),
        (
            "(assert (=> X[0,0] 1))",
            "3:10",
            "expected `<=`, `>=`, `<`, `>`, `==`, `!=`, `and` or `or`",
        ),
        ("(assert (<= X 1))", "3:15", "expected a shape like [1,5]"),
        (
            "(assert (<= (/ X[0,0] 2) 1))",
            "3:14",
            "expected `+`, `-` or `*`",
        ),
        (
            "(check-sat)",
            "3:2",
            "expected `vnnlib-version`, `declare-network` or `assert`",
        ),
        ("(assert (<= Y[0] 1)", "3:20", "expected `)`"),
        ("assert", "3:1", "expected a command like `(assert …)`"),
    ] {
        is(&(ONE.to_owned() + rest), codes::SYNTAX, place, message);
    }
}

#[test]
fn declarations_are_checked() {
    let with = |rest: &str| format!("(vnnlib-version <2.0>)\n{rest}\n(assert (<= Y[0] 1))");
    let good = "(declare-network f (declare-input X real [1]) (declare-output Y real [1]))";
    for (text, code, place, message) in [
        (
            with("(declare-network f (declare-input X flot32 [1]) (declare-output Y real [1]))"),
            codes::SYNTAX,
            "2:37",
            "flot32 is no element type",
        ),
        (
            with("(declare-network f (declare-output Y real [1]))"),
            codes::SYNTAX,
            "2:18",
            "f declares no input",
        ),
        (
            with("(declare-network f (declare-output Y real [1]) (declare-input X real [1]))"),
            codes::SYNTAX,
            "2:49",
            "expected `declare-output`",
        ),
        (
            with("(declare-network f (declare-input X real 5) (declare-output Y real [1]))"),
            codes::SYNTAX,
            "2:42",
            "expected a shape like [1,5]",
        ),
        (
            with("(declare-network f (declare-input Y real [1]) (declare-output Y real [1]))"),
            codes::DUPLICATE_NAME,
            "2:63",
            "Y is declared twice",
        ),
        (
            with(&format!(
                "{good}\n(declare-network g (equal-to h) (declare-input U real [1]) (declare-output V real [1]))"
            )),
            codes::UNKNOWN_NAME,
            "3:30",
            "there is no network h before this one",
        ),
        (
            with(&format!(
                "{good}\n(declare-network g (isomorphic-to f) (declare-input U real [2]) (declare-output V real [1]))"
            )),
            codes::SHAPE,
            "3:53",
            "g and f have different shapes of inputs",
        ),
        (
            with(&format!(
                "{good}\n(declare-network g (equal-to f) (declare-input U real [1]) (declare-output V float32 [1]))"
            )),
            codes::SHAPE,
            "3:76",
            "g and f have different element types of outputs",
        ),
        (
            with(
                "(declare-network f (declare-input X real [99999,99999]) (declare-output Y real [1]))",
            ),
            codes::QUERY,
            "2:35",
            "the tensors of the query have too many elements",
        ),
        (
            with(
                "(declare-network f (declare-input X real [99999999999999999999]) (declare-output Y real [1]))",
            ),
            codes::NUMBER,
            "2:43",
            "99999999999999999999 is too large",
        ),
    ] {
        is(&text, code, place, message);
    }
    // Whoever refers to another is not referred to.
    let chain = format!(
        "{good}\n(declare-network g (equal-to f) (declare-input U real [1]) (declare-output V real [1]))
(declare-network h (isomorphic-to g) (declare-input A real [1]) (declare-output B real [1]))
(assert (<= Y[0] 1))"
    );
    is(
        &chain,
        codes::QUERY,
        "3:35",
        "g is itself declared by equal-to",
    );
}

#[test]
fn commands_have_an_order() {
    is(
        "(vnnlib-version <3.1>)\n(declare-network f (declare-input X real [1]) (declare-output Y real [1]))\n(assert (<= Y[0] 1))",
        codes::VERSION,
        "1:17",
        "VNN-LIB <3.1> is another version",
    );
    is(
        &format!("{ONE}(assert (<= Y[0] 1))\n(vnnlib-version <2.0>)"),
        codes::SYNTAX,
        "4:2",
        "the version is the first command of a query",
    );
    is(
        &format!(
            "{ONE}(assert (<= Y[0] 1))\n(declare-network g (declare-input U real [1,2]) (declare-output V real [2]))"
        ),
        codes::SYNTAX,
        "4:2",
        "networks are declared before the first assertion",
    );
    is(ONE, codes::SYNTAX, "1:1", "the query asserts nothing");
    is("", codes::SYNTAX, "1:1", "the query declares no network");
}

#[test]
fn elements_are_checked() {
    for (rest, code, place, message) in [
        (
            "(assert (<= Z[0] 1))",
            codes::UNKNOWN_NAME,
            "3:13",
            "Z is not declared",
        ),
        (
            "(assert (<= Y[2] 1))",
            codes::SHAPE,
            "3:13",
            "Y[2] is outside of Y",
        ),
        (
            "(assert (<= Y[0,0] 1))",
            codes::SHAPE,
            "3:13",
            "Y has 1 dimensions, not 2",
        ),
        (
            "(assert (<= Y[0] 1e999))",
            codes::NUMBER,
            "3:18",
            "the exponent of `1e999` is beyond 400 in absolute value",
        ),
        (
            "(assert (<= (* Y[0] Y[1]) 1))",
            codes::QUERY,
            "3:14",
            "products of variables are not supported",
        ),
    ] {
        is(&(ONE.to_owned() + rest), code, place, message);
    }
}

#[test]
fn what_cannot_be_decided_is_refused() {
    for (rest, place, message) in [
        (
            "(assert (<= (+ X[0,0] X[0,1]) 1))",
            "3:10",
            "constraints between inputs are not supported: regions are boxes",
        ),
        (
            "(assert (<= X[0,0] Y[0]))",
            "3:10",
            "constraints between inputs and outputs are not supported",
        ),
    ] {
        is(&(ONE.to_owned() + rest), codes::QUERY, place, message);
    }
    is(
        &format!("{ONE}(assert (and (<= 0 X[0,0]) (<= X[0,0] 1) (<= X[0,1] 1) (<= Y[0] 1)))"),
        codes::REGION,
        "2:35",
        "X[0,1] has no lower bound",
    );
    let one_less = TWO.replace("(assert (>= X[0,1] U[0,1]))", "");
    is(
        &format!("{one_less}{BOX}(assert (<= Y[0] V[0]))"),
        codes::QUERY,
        "5:18",
        "U[0,1] is not required to be X[0,1]",
    );
    // A disjunction requires nothing of the kind.
    let either = TWO.replace(
        "(assert (>= X[0,1] U[0,1]))",
        "(assert (or (>= X[0,1] U[0,1]) (<= Y[0] 0)))",
    );
    is(
        &format!("{either}{BOX}(assert (<= Y[0] V[0]))"),
        codes::QUERY,
        "5:18",
        "U[0,1] is not required to be X[0,1]",
    );
    let hidden = ONE.replace(
        "(declare-output",
        "(declare-hidden H real [1] \"h\") (declare-output",
    );
    is(
        &format!("{hidden}{BOX}(assert (<= H[0] 1))"),
        codes::QUERY,
        "5:10",
        "constraints of hidden values are not supported",
    );
}

/// One broken declaration hides no other mistake and makes none up.
#[test]
fn several_errors_are_told_at_once() {
    let text = "(declare-network f (declare-input X flat [1]) (declare-output Y real [1]))
(assert (<= Y[0] (/ 1 2)))
(assert (<= X[0] 1))
(assert (<= 1))";
    let places: Vec<String> = errors(text).into_iter().map(|e| e.1).collect();
    assert_eq!(places, ["1:37", "2:19", "4:14"]);
}
