//! Queries against shipped networks, and the parts that text tests cannot show.

use super::assignment::{decimal, nearest_single};
use super::instances::{InstancesOptions, instances};
use super::*;
use crate::progress::Quiet;
use ceg4n_base::{Exact, codes};
use std::fs;
use std::path::Path;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

fn options(query: &str, networks: &[(&str, &str)]) -> QueryOptions {
    let network = |(name, path): &(&str, &str)| ((*name).to_owned(), tests().join(path));
    QueryOptions {
        networks: networks.iter().map(network).collect(),
        ..QueryOptions::new(tests().join("query/inputs").join(query))
    }
}

const REAL: &str = "query/inputs/tiny-real.nnir";
const FIXED: &str = "networks/tiny.nnir";

fn bound(options: &QueryOptions) -> Bound {
    let mut sources = Sources::default();
    let query = read(options, &mut sources).unwrap();
    match bind::bind(options, query) {
        Ok(b) => b,
        Err(_) => panic!("{options:?}"),
    }
}

#[test]
fn numbers_are_written_exactly_or_to_sixty_digits() {
    let e = |t: &str| t.parse::<Exact>().unwrap();
    assert_eq!(decimal(&e("-0.125")), "-0.125");
    assert_eq!(decimal(&e("7")), "7");
    let third = decimal(&e("-4/3"));
    assert_eq!(third, format!("-1.{}", "3".repeat(60)));
    assert_eq!(decimal(&e("1/30"))[..8], *"0.033333");
    // Halfway between floats is rounded once.
    let just_above = &Exact::from_f32(1.0).unwrap() + &Exact::dyadic(1, -24);
    let near = nearest_single(&(&just_above + &Exact::dyadic(1, -80))).unwrap();
    assert_eq!(near, Exact::from_f32(1.0f32.next_up()).unwrap());
    assert_eq!(nearest_single(&e("0.1")), Exact::from_f32(0.1));
    assert_eq!(nearest_single(&e("1e50")), Exact::from_f32(f32::MAX));
}

/// An assignment is believed only if all of it is right.
#[test]
fn an_assignment_replays_and_a_changed_one_does_not() {
    let cancel = Cancel::default();
    for networks in [[("f", REAL), ("g", FIXED)], [("f", FIXED), ("g", REAL)]] {
        let o = options("close.vnnlib", &networks);
        let solved = solve(&o, &Quiet, &cancel).unwrap();
        let found = solved.assignment.unwrap();
        assert_eq!(solved.answer, Answer::Sat);
        let b = bound(&o);
        assert!(found.replays(&b).unwrap());
        for variable in 0..4 {
            let mut changed = found.clone();
            let value = &mut changed.variables[variable].values[0];
            *value = &*value + &Exact::dyadic(1, -40);
            assert!(!changed.replays(&b).unwrap(), "variable {variable}");
        }
        let tensors = found.to_tensors().unwrap();
        let names: Vec<&str> = tensors.iter().map(|t| t.0.as_str()).collect();
        assert_eq!(names, ["X.pb", "Y.pb", "U.pb", "V.pb"]);
    }
}

/// The networks of a query may be told in any order, and either may be the fixed-point one.
#[test]
fn the_answer_does_not_depend_on_who_is_the_reference() {
    let cancel = Cancel::default();
    for (query, answer) in [
        ("close.vnnlib", Answer::Sat),
        ("far.vnnlib", Answer::Sat),
        ("class.vnnlib", Answer::Unsat),
    ] {
        let mirrored = fs::read_to_string(tests().join("query/inputs").join(query)).unwrap();
        let other: String = mirrored
            .chars()
            .map(|c| match c {
                'X' => 'U',
                'U' => 'X',
                'Y' => 'V',
                'V' => 'Y',
                c => c,
            })
            .collect();
        // The first network's bounds are those of both.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(query);
        fs::write(&path, other).unwrap();
        for (f, g) in [(REAL, FIXED), (FIXED, REAL)] {
            let o = options(query, &[("g", g), ("f", f)]);
            assert_eq!(
                solve(&o, &Quiet, &cancel).unwrap().answer,
                answer,
                "{query}"
            );
            let o = QueryOptions {
                query: path.clone(),
                ..o
            };
            assert_eq!(
                solve(&o, &Quiet, &cancel).unwrap().answer,
                answer,
                "{query}"
            );
        }
    }
}

/// An `unsat` that is none is seen by random points.
#[test]
fn random_points_contradict_a_wrong_answer() {
    let o = options("far.vnnlib", &[("f", REAL), ("g", FIXED)]);
    let s = samples::attack(&bound(&o), 4000, 1).unwrap();
    assert_eq!(s.points, 4000);
    assert!(s.satisfying > 0 && s.satisfying <= s.replayed);
    let o = options("class.vnnlib", &[("f", REAL), ("g", FIXED)]);
    assert_eq!(samples::attack(&bound(&o), 4000, 1).unwrap().satisfying, 0);
}

#[test]
fn time_is_told_from_effort() {
    let mut o = options("close.vnnlib", &[("f", REAL), ("g", FIXED)]);
    let text = fs::read_to_string(&o.query).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // So near to the largest difference that neither is found at once.
    let hard = text.replace("0.02)", "0.0204)");
    o.query = dir.path().join("hard.vnnlib");
    fs::write(&o.query, hard).unwrap();
    o.budget.time_limit = Some(std::time::Duration::from_nanos(1));
    let solved = solve(&o, &Quiet, &Cancel::default()).unwrap();
    assert!(
        matches!(solved.answer, Answer::TimedOut | Answer::Sat),
        "{solved:?}"
    );
}

/// Files that are there only packed are found; one that is missing is a row.
#[test]
fn a_list_with_packed_files() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let pack = |from: &Path, to: &str| {
        let file = fs::File::create(dir.path().join(to)).unwrap();
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gz.write_all(&fs::read(from).unwrap()).unwrap();
        gz.finish().unwrap();
    };
    pack(&tests().join("networks/iris.onnx"), "iris.onnx.gz");
    pack(&tests().join("query/inputs/iris32.vnnlib"), "q.vnnlib.gz");
    fs::copy(
        tests().join("query/inputs/iris32-sat.vnnlib"),
        dir.path().join("p.vnnlib"),
    )
    .unwrap();
    let list =
        "iris.onnx,q.vnnlib,20\n\"[('f', 'iris.onnx')]\",p.vnnlib.gz,20\niris.onnx,no.vnnlib,1\n";
    let path = dir.path().join("instances.csv");
    fs::write(&path, list).unwrap();
    let out = dir.path().join("out");
    let options = InstancesOptions {
        samples: 100,
        output: Some(out.clone()),
        ..InstancesOptions::new(&path)
    };
    let found = instances(&options, &Quiet, &Cancel::default()).unwrap();
    let answers: Vec<&str> = found.rows.iter().map(|r| r.answer.as_str()).collect();
    assert_eq!(answers, ["unsat", "sat", "error"]);
    assert_eq!(
        found.rows[0]
            .sampled
            .as_ref()
            .map(|s| (s.points, s.satisfying)),
        Some((100, 0))
    );
    assert_eq!(found.rows[1].replayed, Some(true));
    let c = found.counts;
    assert_eq!((c.sat, c.unsat, c.errors, c.defects), (1, 1, 1, 0));
    let text = fs::read_to_string(out.join("2.assignment")).unwrap();
    assert!(text.starts_with("X float32 [1,4]\n"), "{text}");
    assert!(out.join("instances.json").exists() && !out.join("1.assignment").exists());
}

#[test]
fn types_that_are_not_sound_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(tests().join("query/inputs/iris32.vnnlib")).unwrap();
    let path = dir.path().join("q.vnnlib");
    let failure = |element: &str, network: &str| {
        fs::write(&path, text.replace("float32", element)).unwrap();
        let o = QueryOptions {
            query: path.clone(),
            ..options("iris32.vnnlib", &[("f", network)])
        };
        solve(&o, &Quiet, &Cancel::default())
            .map(|s| s.answer)
            .map_err(|f| f.diagnostics.0[0].code)
    };
    assert_eq!(failure("real", "networks/iris.onnx"), Ok(Answer::Unsat));
    assert_eq!(failure("float32", "networks/iris.onnx"), Ok(Answer::Unsat));
    assert_eq!(failure("float16", "networks/iris.onnx"), Err(codes::SHAPE));
    // Without formats the constants are float32.
    assert_eq!(failure("float32", "networks/iris.nnir"), Ok(Answer::Unsat));
    assert_eq!(failure("int8", "networks/iris.nnir"), Err(codes::SHAPE));
}

/// Rounding errors are bounded operator by operator, as the program has them.
#[test]
fn single_precision_is_refused_where_its_errors_are_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let net = dir.path().join("n.nnir");
    let body = |op: &str| {
        format!(
            "nnir 1;\nnetwork @n {{\n  %x = input : tensor<2>;\n  %w = const [[1, 0.5], [-1, 0.25]] : \
             tensor<2x2>;\n  %h = dense %x, %w : tensor<2>;\n  %y = {op} %h : tensor<2>;\n  output %y;\n}}\n"
        )
    };
    let answer = |op: &str, element: &str, arithmetic: Arithmetic| {
        fs::write(&net, body(op)).unwrap();
        let text = fs::read_to_string(tests().join("query/inputs/one-unsat.vnnlib")).unwrap();
        let query = dir.path().join("q.vnnlib");
        fs::write(&query, text.replace("real", element)).unwrap();
        let o = QueryOptions {
            networks: vec![("f".to_owned(), net.clone())],
            arithmetic,
            ..QueryOptions::new(query)
        };
        solve(&o, &Quiet, &Cancel::default())
            .map(|s| s.answer)
            .map_err(|f| f.diagnostics.0[0].code)
    };
    assert_eq!(
        answer("relu", "float32", Arithmetic::Declared),
        Ok(Answer::Unsat)
    );
    let refused = answer("sigmoid", "float32", Arithmetic::Declared);
    assert_eq!(refused, Err(codes::QUERY));
    assert_eq!(
        answer("sigmoid", "float32", Arithmetic::Real),
        Ok(Answer::Unsat)
    );
    assert_eq!(
        answer("sigmoid", "real", Arithmetic::Declared),
        Ok(Answer::Unsat)
    );
}
