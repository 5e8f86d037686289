//! The README's table of MISRA deviations is what cppcheck's addon finds: no rule that the table
//! does not have, no row without a finding, nothing else that cppcheck objects to.

use crate::common::{
    Case, available, channel_cases, dag_cases, folder, forms, graph_case, random_cases, run,
    wide_constant, write,
};
use ceg4n_emit::emit_c;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Kernels that reach every row; few, because the addon takes a third of a second for a file.
fn cases() -> Vec<Case> {
    let mut cases = random_cases(1, 4, 0);
    cases.extend(dag_cases(7, 8, 0));
    let channels = channel_cases().into_iter();
    cases.extend(channels.filter(|c| c.name.starts_with("rows_mixed")));
    cases.push(graph_case(0));
    cases.push(wide_constant());
    cases.extend(forms("k"));
    cases
}

/// The rules of the table.
fn rows(readme: &str) -> BTreeSet<String> {
    let (_, table) = readme.split_once("## MISRA C:2012\n").unwrap();
    let rows = table.lines().filter_map(|l| l.strip_prefix("| "));
    let rules = rows.filter_map(|l| l.split(" | ").next());
    rules.filter(|r| *r != "rule").map(str::to_owned).collect()
}

/// Findings by rule, each with its first place; panics at anything but a broken rule.
fn findings(c: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(c).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|p| p.extension().is_some_and(|e| e == "c"))
        .filter(|p| !p.to_str().unwrap().ends_with("_selftest.c"))
        .collect();
    files.sort();
    let out = run(Command::new("cppcheck")
        .args([
            "--addon=misra",
            "--std=c99",
            "--quiet",
            "--inline-suppr",
            "-j2",
        ])
        .arg("--template={id} {file}:{line}: {code}")
        .args(files));
    let text = String::from_utf8(out.stderr).unwrap();
    let mut found = BTreeMap::new();
    let mut reports = text.lines().filter(|l| l.starts_with("misra-"));
    for line in reports.by_ref() {
        let (id, place) = line.split_once(' ').unwrap();
        let rule = id.strip_prefix("misra-c2012-").unwrap();
        found.entry(rule.to_owned()).or_insert(place.to_owned());
    }
    // Functions take a null pointer for the results that a call does not ask for, and test another
    // parameter; that none is followed is proved by Frama-C.
    let other = text
        .lines()
        .filter(|l| !l.starts_with("misra-") && !l.starts_with("nullPointer "))
        .find(|l| l.contains(".c:"));
    assert_eq!(other, None, "{text}");
    found
}

#[test]
fn the_table_of_deviations_is_what_the_checker_finds() {
    if !available("cppcheck", "--version") {
        return;
    }
    let dir = folder();
    let mut readme = String::new();
    for case in cases() {
        let files = emit_c(&case.input()).unwrap();
        write(&files, dir.path());
        readme = std::fs::read_to_string(dir.path().join("c/README.md")).unwrap();
    }
    let found = findings(&dir.path().join("c"));
    let rows = rows(&readme);
    let unknown: Vec<String> = found
        .iter()
        .filter(|(rule, _)| !rows.contains(*rule))
        .map(|(rule, place)| format!("{rule}: {place}"))
        .collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:#?}");
    for rule in rows {
        assert!(found.contains_key(&rule), "rule {rule} is never broken");
    }
}
