//! What an output folder of `compile` must hold.

use ceg4n_report::Report;
use std::collections::BTreeMap;
use std::path::Path;

/// Every file below a folder, by its path with `/`.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below = files(&path);
            out.extend(below.into_iter().map(|(n, b)| (format!("{name}/{n}"), b)));
        } else {
            out.insert(name, std::fs::read(&path).unwrap());
        }
    }
    out
}

/// Two output folders hold the same bytes, but for the times in their reports.
pub(crate) fn same(a: &Path, b: &Path) {
    let (a, b) = (files(a), files(b));
    let names = |f: &BTreeMap<String, Vec<u8>>| f.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (name, bytes) in &a {
        let of_its_time = ["report.json", "report.html", "run.sqlite"].contains(&name.as_str());
        assert!(of_its_time || *bytes == b[name], "{name} differs");
    }
}

/// The folder is complete, its report is the one returned, and every version that a
/// counterexample ended has that counterexample in both self-tests. Returns their number.
pub(crate) fn complete(folder: &Path, name: &str, report: &Report) -> usize {
    let files = files(folder);
    let text = |path: &str| {
        let bytes = files.get(path).unwrap_or_else(|| panic!("no {path}"));
        String::from_utf8(bytes.clone()).unwrap()
    };
    for path in [
        format!("{name}.final.nnir"),
        format!("c/{name}.h"),
        format!("c/{name}.c"),
        format!("c/{name}_weights.h"),
        format!("c/{name}_weights.c"),
        "c/README.md".to_owned(),
        "rust/Cargo.toml".to_owned(),
        "rust/src/lib.rs".to_owned(),
        "rust/src/weights.rs".to_owned(),
        "rust/README.md".to_owned(),
    ] {
        assert!(!text(&path).is_empty(), "{path} is empty");
    }
    assert_eq!(text("report.json"), report.to_json());
    assert!(text(&format!("c/{name}.h")).contains(&format!("#define {name}_VERIFIED 1\n")));
    assert!(text("rust/src/lib.rs").contains("pub const VERIFIED: bool = true;\n"));

    let c = text(&format!("c/{name}_selftest.c"));
    let rust = text("rust/tests/selftest.rs");
    let iterations = report.loop_.as_ref().unwrap().iterations;
    let stored = report.loop_.as_ref().unwrap().counterexamples;
    let (mut ended, mut versions) = (0, 0);
    for path in files.keys() {
        let Some(version) = path
            .strip_prefix("versions/v")
            .and_then(|p| p.strip_suffix(".nnir"))
        else {
            continue;
        };
        versions += 1;
        if text(path).contains("ended by a counterexample") {
            ended += 1;
            let note = format!("counterexample that ended version v{version}\"");
            assert_eq!(c.matches(&note).count(), 1, "C lacks the {note}");
            assert_eq!(rust.matches(&note).count(), 1, "Rust lacks the {note}");
        }
    }
    assert_eq!(versions, iterations);
    assert!(versions > 0);
    // The others are the centres that the loop starts from.
    assert_eq!(stored as usize, report.regions.len() + ended);
    ended
}
