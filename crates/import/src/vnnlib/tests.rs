//! Queries, good and bad.

mod errors;
mod hostile;
mod meaning;

use super::*;
use ceg4n_base::Exact;

/// Declarations of inputs and outputs.
fn declare(inputs: usize, outputs: usize) -> String {
    let one = |l: &str, n: usize| {
        let list = (0..n).map(|i| format!("(declare-const {l}_{i} Real)"));
        list.collect::<Vec<_>>().join("\n")
    };
    format!("{}\n{}\n", one("X", inputs), one("Y", outputs))
}

fn read(text: &str) -> Result<Query, Diagnostics> {
    query(&mut Sources::default(), "q.vnnlib", text)
}

/// What a query with these declarations and assertions means.
fn read_with(inputs: usize, outputs: usize, rest: &str) -> Query {
    let text = declare(inputs, outputs) + rest;
    read(&text).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

fn e(text: &str) -> Exact {
    text.parse().unwrap()
}

fn list(numbers: &[&str]) -> Vec<Exact> {
    numbers.iter().map(|t| e(t)).collect()
}

#[test]
fn a_box_and_a_conjunction() {
    let q = read_with(
        2,
        2,
        "; a comment (with ) parentheses
         (set-logic QF_LRA)
         (assert (<= X_0 0.679857769)) (assert (>= X_0 0.6))
         (assert (and (>= X_1 -1.5e-1) (<= X_1 +.5)))
         (assert (<= Y_1 Y_0)) (assert (< (+ (* 2 Y_0) (- Y_1) 3) 0.25))
         (check-sat)",
    );
    assert_eq!((q.inputs(), q.outputs(), q.has_box()), (2, 2, true));
    let [r] = &q.regions("p").unwrap()[..] else {
        panic!("one region");
    };
    assert_eq!(r.id, "p");
    assert_eq!(r.lower, list(&["0.6", "-0.15"]));
    assert_eq!(r.upper, list(&["0.679857769", "0.5"]));
    let spec = q.spec("p.vnnlib", None);
    assert_eq!((spec.path.as_str(), spec.outputs), ("p.vnnlib", 2));
    let [case] = &spec.cases[..] else {
        panic!("one case");
    };
    assert_eq!(
        case[0].coefficients,
        [(0, Exact::from(-1)), (1, Exact::from(1))]
    );
    assert!(case[0].constant.is_zero() && !case[0].strict);
    assert_eq!(
        case[1].coefficients,
        [(0, Exact::from(2)), (1, Exact::from(-1))]
    );
    assert_eq!((&case[1].constant, case[1].strict), (&e("2.75"), true));
}

/// `(or boxes)` and `(or cases)` multiply out; equal boxes are one region.
#[test]
fn several_boxes_with_the_same_cases() {
    let q = read_with(
        1,
        3,
        "(assert (or (and (<= X_0 1) (>= X_0 0)) (and (<= X_0 5) (>= X_0 4)) (and (>= X_0 0) (<= X_0 1.0))))
         (assert (or (<= Y_1 Y_0) (<= Y_2 Y_0)))",
    );
    let regions = q.regions("p").unwrap();
    let ids: Vec<&str> = regions.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["p.1", "p.2"]);
    assert_eq!(q.spec("p", None).cases.len(), 2);
    let on = q.on_regions("p", &Selection::All, &regions);
    assert_eq!(on.len(), 1);
    assert_eq!((&*on[0].0, &on[0].1), (&q.spec("p", None), &Selection::All));
}

/// A case with its own box speaks of that box alone; on another region all cases count.
#[test]
fn boxes_with_different_cases() {
    let q = read_with(
        1,
        1,
        "(assert (or (and (<= X_0 1) (>= X_0 0) (<= Y_0 7)) (and (= X_0 5) (>= Y_0 8))))",
    );
    let mut regions = q.regions("p").unwrap();
    assert_eq!(
        (&regions[1].lower, &regions[1].upper),
        (&list(&["5"]), &list(&["5"]))
    );
    let mut other = regions[0].clone();
    other.id = "other".to_owned();
    other.upper = list(&["9"]);
    regions.push(other);
    let on = q.on_regions("p", &Selection::All, &regions);
    let ids = |k: usize| match &on[k].1 {
        Selection::Ids(ids) => ids.join(","),
        Selection::All => "all".to_owned(),
    };
    assert_eq!([ids(0), ids(1), ids(2)], ["p.1", "p.2", "other"]);
    let breaks: Vec<[bool; 2]> = on
        .iter()
        .map(|(s, _)| [s.violated(&list(&["7"])), s.violated(&list(&["8"]))])
        .collect();
    assert_eq!(breaks, [[true, false], [false, true], [true, true]]);
    // The bounds of a box under another name: it may lie in other boxes too.
    regions[0].id = "mine".to_owned();
    assert_eq!(q.spec("p", Some(&regions[0])).cases.len(), 2);
    let one = Selection::Ids(vec!["p.2".to_owned()]);
    let on = q.on_regions("p", &one, &regions);
    assert_eq!((on.len(), &on[0].1), (1, &one));
}

#[test]
fn boxes_without_a_point_and_cases_that_never_hold_drop_out() {
    let q = read_with(
        1,
        1,
        "(assert (>= X_0 0)) (assert (<= X_0 1))
         (assert (or (and (>= X_0 2) (<= Y_0 0)) (and (<= 1 0) (<= Y_0 5)) (<= Y_0 (- 3))))",
    );
    assert_eq!(q.regions("p").unwrap().len(), 1);
    let spec = q.spec("p", None);
    assert_eq!(spec.cases.len(), 1);
    assert!(spec.violated(&list(&["-3"])) && !spec.violated(&list(&["-2.9"])));
}

#[test]
fn outputs_alone_and_packed_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.b.vnnlib.gz");
    let text = declare(0, 2) + "(assert (<= Y_0 Y_1 4))";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
    std::fs::write(&path, packed.finish().unwrap()).unwrap();
    let q = query_from_file(&mut Sources::default(), &path).unwrap();
    assert_eq!((stem(&path).as_str(), q.has_box()), ("a.b", false));
    assert!(q.check(7, 2).is_ok());
    let spec = q.spec("p", None);
    assert!(spec.violated(&list(&["3", "4"])));
    assert!(!spec.violated(&list(&["3", "4.1"])) && !spec.violated(&list(&["4.1", "4"])));
    let d = q.regions("p").unwrap_err();
    assert_eq!(d.message, "the query declares no input");
}

#[test]
fn a_spec_written_out_reads_back() {
    let third = Exact::ratio(1, 3).unwrap();
    let q = read_with(
        1,
        3,
        "(assert (or (and (< Y_0 (* 1e-3 Y_2)) (>= Y_1 -0.25)) (<= Y_2 4)))",
    );
    let mut spec = q.spec("p", None);
    let back = |s: &OutputSpec| read(&spec_to_text(s)).unwrap().spec("p", None);
    assert_eq!(back(&spec), spec);
    // No decimal: the constraint is multiplied.
    spec.cases[0][0].coefficients[0].1 = third.clone();
    let scaled = back(&spec);
    assert_eq!(scaled.cases[0][0].coefficients[0].1, Exact::from(1));
    assert_eq!(scaled.cases[0][0].coefficients[1].1, e("-0.003"));
    assert!(scaled.cases[0][0].strict);
    spec.cases = vec![Vec::new()];
    assert_eq!(back(&spec), spec);
    spec.cases.clear();
    assert_eq!(back(&spec), spec);
}

#[test]
fn queries_that_do_not_fit_a_network() {
    let both = "(assert (<= 0 X_0 1)) (assert (>= Y_0 1))";
    let cases = [
        (read_with(1, 1, both), Ok(())),
        (
            read_with(1, 2, both),
            Err("the query has 2 outputs, the network 1"),
        ),
        (
            read_with(2, 1, both),
            Err("the query has 2 inputs, the network 1"),
        ),
        (
            read_with(1, 1, "(assert (<= 0 X_0 1))"),
            Err("the query says nothing about outputs"),
        ),
        (
            read_with(1, 1, "(assert (and (<= Y_0 1) (< 0 0)))"),
            Err("no case of the query can be satisfied"),
        ),
    ];
    for (q, want) in cases {
        let got = q.check(1, 1).map_err(|d| d.message);
        assert_eq!(got, want.map_err(str::to_owned));
    }
}
