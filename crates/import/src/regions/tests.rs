//! Region files, good and bad.

use super::{RegionEntry, regions_from_json};
use ceg4n_base::codes::{self, Code};
use ceg4n_base::{Diagnostics, Exact, Location};

fn read(text: &str) -> Result<Vec<RegionEntry>, Diagnostics> {
    regions_from_json(text, "r.json")
}

/// The one error: its code, place and message.
fn error(text: &str) -> (Code, String, String) {
    let errors = read(text).expect_err("an error");
    assert_eq!(errors.0.len(), 1, "{errors}");
    let d = &errors.0[0];
    let Location::Place(place) = &d.location else {
        panic!("no place: {d:?}");
    };
    (d.code, place.clone(), d.message.clone())
}

#[test]
fn flat_and_nested_lists_and_extra_fields() {
    let list = read(
        r#"[{"id": "a", "lower_bounds": [[[0, -1.5]], [2]], "upper_bounds": [0.5, -1, 3e0],
             "x": [[0.25, -1.25, 2.5]], "y": [[7, 8.5]], "input_shape": [1, 3], "other": {"deep": [null]}},
            {"lower_bounds": [1], "ball_size": 0.01, "upper_bounds": [1], "id": 1.01},
            {"id": 3, "lower_bounds": [-0.0], "upper_bounds": [18446744073709551616]}]"#,
    )
    .unwrap();
    let [a, b, c] = &list[..] else {
        panic!("{list:?}");
    };
    let exact =
        |v: &[f64]| -> Vec<Exact> { v.iter().map(|v| Exact::from_f64(*v).unwrap()).collect() };
    assert_eq!(a.region.lower, exact(&[0.0, -1.5, 2.0]));
    assert_eq!(a.region.upper, exact(&[0.5, -1.0, 3.0]));
    assert_eq!(a.region.center, Some(exact(&[0.25, -1.25, 2.5])));
    assert_eq!(a.y, Some(vec![7.0, 8.5]));
    assert_eq!(a.region.ball_size, None);
    assert_eq!((b.region.id.as_str(), c.region.id.as_str()), ("1.01", "3"));
    assert_eq!(b.region.ball_size, Some("0.01".parse().unwrap()));
    assert_eq!(c.region.upper, [Exact::dyadic(1, 64)]);
}

/// A bound is the float64 nearest to its text, correctly rounded; the radius is its decimal.
#[test]
fn numbers_are_the_nearest_float64() {
    // A halfway case, and (last) one where dividing the digits by a power of ten is off.
    for text in [
        "0.1",
        "9007199254740993",
        "0.12888889014720917",
        "0.38120423768821243",
    ] {
        let json = format!(r#"[{{"id": 1, "lower_bounds": [{text}], "upper_bounds": [{text}]}}]"#);
        let want = Exact::from_f64(text.parse().unwrap()).unwrap();
        assert_eq!(read(&json).unwrap()[0].region.lower, [want], "{text}");
    }
}

#[test]
fn syntax_errors_have_line_column_and_entry() {
    let text = "[\n {\"id\": \"a\", \"lower_bounds\": [0], \"upper_bounds\": [1]},\n {\"id\": \"b\",\n  \"lower_bounds\": [0, \"x\"]}]";
    let (code, place, message) = error(text);
    assert_eq!(code, codes::REGION_FILE);
    assert_eq!(place, "r.json:4:25");
    assert!(
        message.starts_with("entry 1, id \"b\": invalid type: string"),
        "{message}"
    );
    let (_, place, message) = error("[{\"id\": 7, \"lower_bounds\": [NaN]}]");
    assert!(
        place.starts_with("r.json:1:2") && message.contains("expected"),
        "{place} {message}"
    );
    let (_, _, message) = error("[{\"lower_bounds\": [0], \"upper_bounds\": [0]}]");
    assert!(message.contains("missing field `id`"), "{message}");
    let (_, _, message) = error("[{\"id\": 1, \"lower_bounds\": [1e999]}]");
    assert!(message.contains("out of range"), "{message}");
    for text in [
        "",
        "{}",
        "7",
        "[",
        "[{\"id\": 1}]",
        "[1]",
        "[] x",
        "[{\"id\": null}]",
    ] {
        assert_eq!(error(text).0, codes::REGION_FILE, "{text}");
    }
    let deep = format!("[{{\"id\": 1, \"lower_bounds\": {}", "[".repeat(100_000));
    assert!(error(&deep).2.contains("recursion limit"));
}

#[test]
fn boxes_without_a_point() {
    let entry = |rest: &str| format!("[{{\"id\": \"a\", {rest}}}]");
    let cases = [
        (
            r#""lower_bounds": [2, 0], "upper_bounds": [1, 0]"#,
            "above upper bound 1 at input 0",
        ),
        (
            r#""lower_bounds": [0, 0], "upper_bounds": [1]"#,
            "2 lower and 1 upper",
        ),
        (r#""lower_bounds": [], "upper_bounds": []"#, "0 lower"),
        (
            r#""lower_bounds": [0], "upper_bounds": [1], "x": [0, 0]"#,
            "centre",
        ),
        (
            r#""lower_bounds": [0], "upper_bounds": [1], "x": [2]"#,
            "outside its box",
        ),
        (
            r#""lower_bounds": [0], "upper_bounds": [1], "ball_size": -1"#,
            "no radius",
        ),
    ];
    for (rest, want) in cases {
        let (code, place, message) = error(&entry(rest));
        assert_eq!(code, codes::REGION, "{rest}");
        assert_eq!(place, "r.json: entry 0, id \"a\"");
        assert!(message.contains(want), "{message}");
    }
}

#[test]
fn all_bad_regions_are_told_together() {
    let text = r#"[{"id": 1, "lower_bounds": [2], "upper_bounds": [1]},
                   {"id": 1, "lower_bounds": [0], "upper_bounds": [1]},
                   {"id": 2, "lower_bounds": [3], "upper_bounds": [1]}]"#;
    let codes: Vec<Code> = read(text).unwrap_err().0.iter().map(|d| d.code).collect();
    assert_eq!(codes, [codes::REGION, codes::DUPLICATE_NAME, codes::REGION]);
}

/// An entry of another kind does not hide the next ones, nor a box without a point; places are
/// those in the file.
#[test]
fn entries_that_are_no_regions_are_told_together() {
    let text = "[{\"id\": \"ä\", \"lower_bounds\": [2], \"upper_bounds\": [1]}, 7,\n {\"id\": 1},\n\
                {\"id\": 2,\n \"lower_bounds\": \"x\"},{\"lower_bounds\": [0], \"upper_bounds\": [true]},\n\
                {\"id\": 3, \"lower_bounds\": [0], \"upper_bounds\": [1]}]";
    let errors = read(text).unwrap_err();
    let told: Vec<_> = errors
        .0
        .iter()
        .map(|d| match &d.location {
            Location::Place(p) => format!("{} {p} {}", d.code, d.message),
            other => panic!("{other:?}"),
        })
        .collect();
    let begins = [
        "E0403 r.json:1:58 entry 1: invalid type: integer `7`",
        "E0403 r.json:2:10 entry 2, id \"1\": missing field `lower_bounds`",
        "E0403 r.json:4:20 entry 3, id \"2\": invalid type: string \"x\"",
        "E0403 r.json:4:65 entry 4: invalid type: boolean `true`",
        "E0401 r.json: entry 0, id \"ä\"",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}\nis not\n{begin}");
    }
}

#[test]
fn text_that_ends_a_list_with_bad_entries_is_told_too() {
    let errors = read("[7, 8,\n {\"id\": 1] ]").unwrap_err();
    let places: Vec<_> = errors.0.iter().map(|d| d.location.clone()).collect();
    let want = ["r.json:1:2", "r.json:1:5", "r.json:2:10"];
    assert_eq!(places, want.map(|p| Location::Place(p.to_owned())));
}

#[test]
fn many_bad_entries_are_counted() {
    let text = format!("[{}7]", "7,".repeat(99));
    let errors = read(&text).unwrap_err();
    assert_eq!(errors.0.len(), 21);
    assert!(errors.0[20].message.starts_with("80 more entries"));
}

#[test]
fn every_truncation_is_an_error() {
    let text = r#"[{"id": "a", "lower_bounds": [[0.5, -1e-3]], "upper_bounds": [[1, 2]], "x": null, "y": null}]"#;
    assert!(read(text).is_ok());
    for n in 0..text.len() {
        assert_eq!(error(&text[..n]).0, codes::REGION_FILE, "{n}");
    }
}
