//! Printing and parsing are inverse: random modules, and texts written by hand.

mod common;

use ceg4n_base::Sources;
use ceg4n_ir::{Module, Property};
use ceg4n_syntax::{Files, NoFiles, PrintOptions, parse, print, print_annotations, print_network};
use common::{describe, module};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn read(text: &str, files: &dyn Files) -> Module {
    let mut sources = Sources::default();
    parse(&mut sources, "t.nnir", text, files)
        .unwrap_or_else(|e| panic!("{}\n{text}", sources.render(&e, false)))
}

/// The files of the queries that a module names.
fn queries(m: &Module) -> impl Iterator<Item = (String, Vec<u8>)> {
    m.requirements.iter().filter_map(|r| match &r.property {
        Property::Spec(s) => {
            let text = ceg4n_import::vnnlib::spec_to_text(s);
            Some((s.path.clone(), text.into_bytes()))
        }
        _ => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_modules_survive(seed: u64, limit in prop_oneof![Just(0usize), Just(40), Just(4096)]) {
        let m = module(seed);
        let options = PrintOptions { inline_limit: limit, ..PrintOptions::default() };
        let printed = print(&m, &options);
        let side_files = printed.side_files.iter().cloned();
        let files: BTreeMap<_, _> = side_files.chain(queries(&m)).collect();
        let back = read(&printed.text, &files);
        prop_assert_eq!(describe(&back), describe(&m));
        let again = print(&back, &options);
        prop_assert_eq!(&again.text, &printed.text);
        prop_assert_eq!(again.side_files, printed.side_files);
        prop_assert!(printed.text.lines().all(|l| l == l.trim_end()));
    }
}

/// The query that an example names.
fn example_files() -> BTreeMap<String, Vec<u8>> {
    let text = "(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n(assert (<= Y_0 Y_1))\n";
    BTreeMap::from([("props/a \"b\".vnnlib".to_owned(), text.into())])
}

#[test]
fn canonical_texts_print_as_they_are() {
    let tiny = include_str!("../../../tests/networks/tiny.nnir");
    for text in [
        include_str!("examples/classifier.nnir"),
        include_str!("examples/versions.nnir"),
        include_str!("examples/regions.nnir"),
        tiny,
    ] {
        let printed = print(&read(text, &example_files()), &PrintOptions::default());
        assert_eq!(printed.text, text);
        assert!(printed.side_files.is_empty());
    }
}

#[test]
fn other_ways_to_write_a_text_become_canonical() {
    let m = read(include_str!("examples/regions.in.nnir"), &NoFiles);
    let printed = print(&m, &PrintOptions::default());
    assert_eq!(printed.text, include_str!("examples/regions.nnir"));
}

#[test]
fn the_shipped_networks_survive() {
    for text in [
        include_str!("../../../tests/networks/iris.nnir"),
        include_str!("../../../tests/networks/digits.nnir"),
    ] {
        let m = read(text, &NoFiles);
        let back = read(&print(&m, &PrintOptions::default()).text, &NoFiles);
        assert_eq!(describe(&back), describe(&m));
    }
}

#[test]
fn the_pieces_make_the_whole() {
    let mut m = read(include_str!("examples/versions.nnir"), &example_files());
    m.requirements.clear();
    m.comments.clear();
    for inline_limit in [0, 4096] {
        let options = PrintOptions {
            inline_limit,
            ..PrintOptions::default()
        };
        let mut text = format!("nnir 1;\n\n{}", print_network(&m.network, &options).text);
        for a in &m.versions {
            text += "\n";
            text += &print_annotations(&m.network, a, &options).text;
        }
        assert_eq!(print(&m, &options).text, text);
    }
}
