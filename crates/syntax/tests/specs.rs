//! Requirements that name VNN-LIB files: regions from their boxes, errors in them, and files
//! written beside a text.

use ceg4n_base::{Exact, Sources};
use ceg4n_ir::{Anchor, Module, OutputSpec, Property, Selection};
use ceg4n_syntax::{Files, PrintOptions, load, parse, print, save};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const NETWORK: &str = "nnir 1;\n\nnetwork @n {\n  %x = input : tensor<2>;\n  output %x;\n}\n";

type Map = BTreeMap<String, Vec<u8>>;

fn query(rest: &str) -> Vec<u8> {
    let declarations = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n\
        (declare-const Y_0 Real)\n(declare-const Y_1 Real)\n";
    format!("{declarations}{rest}").into_bytes()
}

/// Two files: one box, and two boxes with a case of their own each.
fn files() -> Map {
    let one = "(assert (<= 0 X_0 1)) (assert (<= 0 X_1 0.1)) (assert (<= Y_0 Y_1))";
    let two = "(assert (<= 0 X_1 1)) (assert (or (and (<= 0 X_0 1) (<= Y_0 3)) (and (<= 2 X_0 3) (<= Y_0 4))))";
    let outputs = "(declare-const Y_0 Real)(declare-const Y_1 Real)(assert (< Y_0 7))";
    BTreeMap::from([
        ("q/one.vnnlib".to_owned(), query(one)),
        ("two.vnnlib".to_owned(), query(two)),
        ("outputs.vnnlib".to_owned(), outputs.into()),
    ])
}

fn read(rest: &str, files: &dyn Files) -> Result<Module, String> {
    let mut sources = Sources::default();
    let text = format!("{NETWORK}\n{rest}");
    parse(&mut sources, "dir/net.nnir", &text, files).map_err(|e| sources.render(&e, false))
}

fn module(rest: &str) -> Module {
    read(rest, &files()).unwrap_or_else(|e| panic!("{e}"))
}

fn spec(m: &Module, k: usize) -> &OutputSpec {
    match &m.requirements[k].property {
        Property::Spec(s) => s,
        other => panic!("{other}"),
    }
}

fn ids(m: &Module) -> Vec<&str> {
    m.regions.iter().map(|r| r.id.as_str()).collect()
}

fn text(m: &Module) -> String {
    print(m, &PrintOptions::default()).text
}

/// Without a region in the text the query's box is one; what is printed says so.
#[test]
fn a_query_brings_its_box() {
    let m = module("// why\nrequire spec \"q/one.vnnlib\";\n");
    assert_eq!(ids(&m), ["one"]);
    assert_eq!(m.regions[0].upper[1], Exact::ratio(1, 10).expect("a tenth"));
    assert_eq!(m.requirements[0].regions, Selection::All);
    assert!(m.comments.contains_key(&Anchor::Requirement(0)));
    let y = |a: i64, b: i64| [Exact::from(a), Exact::from(b)];
    assert!(spec(&m, 0).violated(&y(1, 1)) && !spec(&m, 0).violated(&y(2, 1)));
    let printed = text(&m);
    let want = "\nregion \"one\" = box([0, 0], [1, 0.1]);\n\n// why\nrequire spec \"q/one.vnnlib\" domain real;\n";
    assert!(printed.ends_with(want), "{printed}");
    let back = read(
        printed.strip_prefix(NETWORK).expect("the network"),
        &files(),
    );
    assert_eq!(text(&back.unwrap_or_else(|e| panic!("{e}"))), printed);
}

/// Where the text has regions, they count; each box keeps the cases of its own.
#[test]
fn cases_go_with_their_boxes() {
    let m = module("require spec \"two.vnnlib\";\n// eps\nrequire eps 1;\n");
    assert_eq!(ids(&m), ["two.1", "two.2"]);
    assert_eq!(m.requirements.len(), 3);
    assert!(m.comments.contains_key(&Anchor::Requirement(2)));
    let on = |k: usize| m.requirements[k].regions.clone();
    let ids = |id: &str| Selection::Ids(vec![id.to_owned()]);
    assert_eq!(
        [on(0), on(1), on(2)],
        [ids("two.1"), ids("two.2"), Selection::All]
    );
    let y = |v: &str| [v.parse().expect("a number"), Exact::zero()];
    assert!(!spec(&m, 0).violated(&y("3.5")) && spec(&m, 1).violated(&y("3.5")));
    let printed = text(&m);
    let back = read(
        printed.strip_prefix(NETWORK).expect("the network"),
        &files(),
    );
    assert_eq!(text(&back.unwrap_or_else(|e| panic!("{e}"))), printed);

    let m = module(
        "region \"a\" = box([0, 0], [9, 9]);\nrequire spec \"two.vnnlib\";\nrequire spec \"outputs.vnnlib\" on \"a\";\n",
    );
    assert_eq!((m.regions.len(), m.requirements.len()), (1, 2));
    assert_eq!((spec(&m, 0).cases.len(), spec(&m, 1).cases.len()), (2, 1));
}

#[test]
fn errors_point_into_the_query_and_at_the_name() {
    let bad = |rest: &str, files: &Map| read(rest, files).expect_err("an error");
    let mut map = files();
    map.insert("bad.vnnlib".to_owned(), query("(assert (<= Y_0 X_0))"));
    let found = bad("require spec \"bad.vnnlib\";\n", &map);
    let want = "\
error[E0405]: constraints between inputs and outputs are not supported
  ┌─ dir/bad.vnnlib:5:10
  │
5 │ (assert (<= Y_0 X_0))
  │          ^^^^^^^^^^ X and Y in one comparison
  │
  ┌─ dir/net.nnir:8:14
  │
8 │ require spec \"bad.vnnlib\";
  │              ------------ asked for here

";
    assert_eq!(found, want);
    let found = bad(
        "require spec \"none.vnnlib\";\nrequire spec \"none.vnnlib\";\n",
        &map,
    );
    assert_eq!(found.matches("error[E0501]").count(), 1, "{found}");
    assert!(found.contains("dir/net.nnir:8:14"), "{found}");
    map.insert("latin.vnnlib".to_owned(), vec![b';', 0xe9]);
    let found = bad("require spec \"latin.vnnlib\";\n", &map);
    assert!(found.contains("no UTF-8"), "{found}");
    let three = "(declare-const Y_0 Real)(declare-const Y_1 Real)(declare-const Y_2 Real)(assert (<= Y_0 1))";
    map.insert("three.vnnlib".to_owned(), three.into());
    let found = bad("require spec \"three.vnnlib\";\n", &map);
    assert!(
        found.contains("error[E0402]: the query has 3 outputs, the network 2"),
        "{found}"
    );
    let half = query("(assert (<= X_0 1)) (assert (<= Y_0 1))");
    map.insert("half.vnnlib".to_owned(), half);
    let found = bad("require spec \"half.vnnlib\";\n", &map);
    assert!(
        found.contains("error[E0401]: X_0 has no lower bound"),
        "{found}"
    );
    map.insert(
        "one.vnnlib".to_owned(),
        query("(assert (= X_0 X_1 5 )) (assert (<= Y_0 1))"),
    );
    let found = bad("require spec \"one.vnnlib\";\n", &map);
    assert!(
        found.contains("constraints between inputs are not supported"),
        "{found}"
    );
    map.insert(
        "one.vnnlib".to_owned(),
        query("(assert (= X_0 5)) (assert (= X_1 5)) (assert (<= Y_0 1))"),
    );
    let found = bad(
        "require spec \"q/one.vnnlib\";\nrequire spec \"one.vnnlib\";\n",
        &map,
    );
    assert!(
        found.contains("error[E0104]: region \"one\" comes from two files"),
        "{found}"
    );
}

fn load_from(path: &Path) -> Module {
    let mut sources = Sources::default();
    load(&mut sources, path).unwrap_or_else(|e| panic!("{}", sources.render(&e, false)))
}

/// A file that says the same stays; otherwise the query is written beside the text, and nothing
/// that is there is changed.
#[test]
fn saved_texts_find_their_queries() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.nnir");
    let m = module("require spec \"two.vnnlib\";\nrequire spec \"q/one.vnnlib\";\n");
    save(&path, &m).expect("a writable folder");
    let back = load_from(&path);
    assert_eq!(ids(&back), ["two.1", "two.2", "one"]);
    for k in 0..3 {
        assert_eq!(spec(&back, k).hash(), spec(&m, k).hash(), "{k}");
        assert_eq!(back.requirements[k].regions, m.requirements[k].regions);
    }
    let listed = |k| spec(&back, k).path.as_str();
    assert_eq!((listed(0), listed(2)), ("two.vnnlib", "one.vnnlib"));
    assert!(listed(1).starts_with("two-"), "{}", listed(1));
    let names: BTreeSet<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");

    // Again: nothing new.
    save(&path, &back).expect("a writable folder");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 4);

    // The original files, where they are as the module says.
    let other = tempfile::tempdir().expect("a folder");
    let path = other.path().join("m.nnir");
    fs::create_dir(other.path().join("q")).expect("a new folder");
    for (name, bytes) in files() {
        fs::write(other.path().join(name), bytes).expect("a writable folder");
    }
    save(&path, &m).expect("a writable folder");
    let text = fs::read_to_string(&path).expect("the text");
    assert!(text.contains("spec \"q/one.vnnlib\""), "{text}");
    assert_eq!(spec(&load_from(&path), 0).hash(), spec(&m, 0).hash());

    // A file of that name that says something else is left alone.
    let strange = query("(assert (<= Y_0 99))");
    fs::write(other.path().join("q/one.vnnlib"), &strange).expect("a writable folder");
    fs::write(other.path().join("one.vnnlib"), "mine").expect("a writable folder");
    save(&path, &m).expect("a writable folder");
    assert_eq!(
        fs::read(other.path().join("one.vnnlib")).expect("a file"),
        b"mine"
    );
    assert_eq!(
        fs::read(other.path().join("q/one.vnnlib")).expect("a file"),
        strange
    );
    let back = load_from(&path);
    assert!(
        spec(&back, 2).path.starts_with("one-"),
        "{}",
        spec(&back, 2).path
    );
    assert_eq!(spec(&back, 2).hash(), spec(&m, 2).hash());
}
