//! Dependencies between crates point one way: a crate may use the crates before it in [`ORDER`].

use crate::{Error, Finding, Tree};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The rooms, from the ground up. The book's architecture page lists them in this order.
pub const ORDER: &[&str] = &[
    "base",
    "opspec",
    "ir",
    "target",
    "import",
    "syntax",
    "eval",
    "scalar",
    "passes",
    "jit",
    "smt",
    "verify",
    "quantize",
    "search",
    "refine",
    "boards",
    "emit",
    "report",
    "store",
    "driver",
    "cli",
    "filetests",
    "dev",
];

/// Edges that point down and are still refused, with the reason.
pub const REFUSED: &[(&str, &str, &str)] = &[
    ("search", "jit", THROUGH_TRAITS),
    ("search", "smt", THROUGH_TRAITS),
    ("refine", "jit", THROUGH_TRAITS),
    ("refine", "smt", THROUGH_TRAITS),
];

const THROUGH_TRAITS: &str = "engines are seen through traits, so that tests can put others in their place; driver wires them";

/// Upward edges that tests may have (dev-dependencies), with the reason.
pub const GRANTED_TO_TESTS: &[(&str, &str, &str)] = &[];

/// The folder of a package: `cli` for the package `ceg4nc`, `ir` for `ceg4n-ir`. `None` for a
/// package from elsewhere.
pub fn room(package: &str) -> Option<&str> {
    match package {
        "ceg4nc" => Some("cli"),
        _ => package.strip_prefix("ceg4n-"),
    }
}

/// The rooms that a crate depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edges {
    /// The folder under `crates`.
    pub room: String,
    /// Rooms of its dependencies and build dependencies.
    pub uses: Vec<String>,
    /// Rooms of its dev-dependencies.
    pub tests_use: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    package: Package,
    #[serde(flatten)]
    own: Tables,
    #[serde(default)]
    target: BTreeMap<String, Tables>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Tables {
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
    #[serde(default)]
    build_dependencies: BTreeMap<String, toml::Value>,
    #[serde(default)]
    dev_dependencies: BTreeMap<String, toml::Value>,
}

/// The package that a dependency entry names, which may be renamed by `package = "…"`.
fn package_of<'a>(key: &'a str, entry: &'a toml::Value) -> &'a str {
    entry.get("package").and_then(|p| p.as_str()).unwrap_or(key)
}

fn rooms<'a>(tables: impl Iterator<Item = &'a BTreeMap<String, toml::Value>>) -> Vec<String> {
    let entries = tables.flatten().map(|(key, entry)| package_of(key, entry));
    let mut found: Vec<_> = entries.filter_map(room).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

/// Reads `crates/*/Cargo.toml`.
///
/// # Errors
/// A manifest that is no manifest.
pub fn edges(tree: &Tree) -> Result<Vec<Edges>, Error> {
    let mut all = Vec::new();
    for (path, text) in tree.texts() {
        let parts: Vec<_> = path.split('/').collect();
        let ["crates", folder, "Cargo.toml"] = parts[..] else {
            continue;
        };
        let content = |message: String| Error::Content {
            place: path.to_owned(),
            message,
        };
        let manifest: Manifest = toml::from_str(text).map_err(|e| content(e.to_string()))?;
        if room(&manifest.package.name) != Some(folder) {
            let message = format!("package `{}` in folder `{folder}`", manifest.package.name);
            return Err(content(message));
        }
        let tables = || std::iter::once(&manifest.own).chain(manifest.target.values());
        all.push(Edges {
            room: folder.to_owned(),
            uses: rooms(tables().flat_map(|t| [&t.dependencies, &t.build_dependencies])),
            tests_use: rooms(tables().map(|t| &t.dev_dependencies)),
        });
    }
    Ok(all)
}

/// Edges that point upwards or are refused, and rooms that have no place in the order.
pub fn check(all: &[Edges]) -> Vec<Finding> {
    let place = |room: &str| ORDER.iter().position(|r| *r == room);
    let mut findings = Vec::new();
    for edges in all {
        let manifest = format!("crates/{}/Cargo.toml", edges.room);
        let Some(own) = place(&edges.room) else {
            findings.push(Finding::new(manifest, "the room has no place in the order"));
            continue;
        };
        let uses = edges.uses.iter().map(|to| (to, false));
        let tests_use = edges.tests_use.iter().map(|to| (to, true));
        for (to, test) in uses.chain(tests_use) {
            let is = |(from, other, _): &&(&str, &str, &str)| *from == edges.room && other == to;
            let granted = test && GRANTED_TO_TESTS.iter().any(|e| is(&e));
            if place(to).is_none_or(|p| p >= own) && !granted {
                let message = format!("upward edge: `{}` depends on `{to}`", edges.room);
                findings.push(Finding::new(&manifest, message));
            }
            if let Some((.., reason)) = REFUSED.iter().find(is).filter(|_| !test) {
                let message = format!("refused edge to `{to}`: {reason}");
                findings.push(Finding::new(&manifest, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[(path, text)]);
        let found = check(&edges(&tree).unwrap());
        found.into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn an_upward_edge_is_found_in_every_table() {
        for table in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let text = format!(
                "[package]\nname = \"ceg4n-eval\"\n[{table}]\nceg4n-base.workspace = true\n\
                 serde = \"1\"\nceg4n-verify.workspace = true\n"
            );
            assert_eq!(
                findings("crates/eval/Cargo.toml", &text),
                ["crates/eval/Cargo.toml: upward edge: `eval` depends on `verify`"],
                "{table}"
            );
        }
    }

    #[test]
    fn a_renamed_dependency_does_not_hide() {
        let text = "[package]\nname = \"ceg4n-base\"\n[dependencies]\n\
                    innocent = { package = \"ceg4nc\", path = \"../cli\" }\n";
        assert_eq!(findings("crates/base/Cargo.toml", text).len(), 1);
    }

    #[test]
    fn downward_edges_pass_and_refused_ones_do_not() {
        let text = "[package]\nname = \"ceg4n-refine\"\n[dependencies]\n\
                    ceg4n-ir.workspace = true\nceg4n-search = { path = \"../search\" }\n";
        assert!(findings("crates/refine/Cargo.toml", text).is_empty());
        let text = format!("{text}ceg4n-jit.workspace = true\n");
        assert_eq!(findings("crates/refine/Cargo.toml", &text).len(), 1);
    }

    #[test]
    fn a_room_must_have_a_place() {
        let text = "[package]\nname = \"ceg4n-attic\"\n";
        assert_eq!(findings("crates/attic/Cargo.toml", text).len(), 1);
        assert!(edges(&Tree::of(&[("crates/base/Cargo.toml", text)])).is_err());
    }
}
