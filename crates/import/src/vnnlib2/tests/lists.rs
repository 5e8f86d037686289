//! Lists of instances.

use crate::vnnlib2::{Instance, instances};
use ceg4n_base::{Location, Sources};
use std::path::PathBuf;

fn read(text: &str) -> Result<Vec<Instance>, Vec<(String, String)>> {
    let mut sources = Sources::default();
    instances(&mut sources, "list.csv", text).map_err(|e| {
        let one = |d: &ceg4n_base::Diagnostic| match d.location {
            Location::Span(s) => (format!("{:?}", sources.line_column(s)), d.message.clone()),
            Location::Place(_) | Location::None => (String::new(), d.message.clone()),
        };
        e.0.iter().map(one).collect()
    })
}

#[test]
fn both_versions_of_lines() {
    let text = "onnx/a.onnx, vnnlib/p.vnnlib.gz ,116\r\n\n\
        \"[('f', 'a b.onnx'), ('g', 'sub/b.onnx.gz')]\",q.vnnlib,30.5\n\
        \"[(\"\"f\"\",'a.onnx'),]\",q.vnnlib,1\n";
    let list = read(text).unwrap();
    let lines: Vec<u64> = list.iter().map(|i| i.line).collect();
    assert_eq!(lines, [1, 3, 4]);
    assert_eq!(list[0].networks, [(None, PathBuf::from("onnx/a.onnx"))]);
    assert_eq!(list[0].query, PathBuf::from("vnnlib/p.vnnlib.gz"));
    assert_eq!(list[0].seconds, 116.0);
    let named = |n: &str, p: &str| (Some(n.to_owned()), PathBuf::from(p));
    assert_eq!(
        list[1].networks,
        [named("f", "a b.onnx"), named("g", "sub/b.onnx.gz")]
    );
    assert_eq!(
        (list[1].seconds, &list[2].networks[..]),
        (30.5, &[named("f", "a.onnx")][..])
    );
}

#[test]
fn lines_that_are_none() {
    let text = "a.onnx,q.vnnlib\na.onnx,q.vnnlib,0\n\"[('f' 'a')]\",q.vnnlib,1\n,q.vnnlib,1\na,,1\na,b,nan\n";
    let errors = read(text).unwrap_err();
    let expected = [
        (
            "(1, 1)",
            "expected three fields: network, query and seconds",
        ),
        (
            "(2, 1)",
            "expected a positive number of seconds in the last field",
        ),
        (
            "(3, 1)",
            "expected a list like [('f', 'a.onnx'), ('g', 'b.onnx')] in the first field",
        ),
        (
            "(4, 1)",
            "expected the path of a network in the first field",
        ),
        ("(5, 1)", "expected the path of a query in the second field"),
        (
            "(6, 1)",
            "expected a positive number of seconds in the last field",
        ),
    ];
    let errors: Vec<_> = errors
        .iter()
        .map(|(p, m)| (p.as_str(), m.as_str()))
        .collect();
    assert_eq!(errors, expected);
    assert_eq!(read("").unwrap_err()[0].1, "the list has no instance");
}
