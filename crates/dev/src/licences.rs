//! What the dependencies' licences and sources may be. The list is the one in `deny.toml`, so that
//! this check and `cargo deny` agree.

use crate::{Error, Finding, Tree};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// The only registry that packages may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A package that this platform's build uses.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

/// The licences that `deny.toml` allows.
///
/// # Errors
/// No `deny.toml`, or one without that list.
pub fn allowed(tree: &Tree) -> Result<Vec<String>, Error> {
    let text = tree.text("deny.toml").unwrap_or_default();
    let deny: Deny = toml::from_str(text).map_err(|e| Error::Content {
        place: "deny.toml".to_owned(),
        message: e.to_string(),
    })?;
    Ok(deny.licenses.allow)
}

/// What `cargo metadata` says of the packages that a build on `platform` (a target triple) uses.
///
/// # Errors
/// cargo cannot be run or fails.
pub fn packages(root: &Path, platform: &str) -> Result<Vec<Package>, Error> {
    let fail = |message: String| Error::Content {
        place: "cargo metadata".to_owned(),
        message,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args([
            "metadata",
            "--format-version=1",
            "--filter-platform",
            platform,
        ])
        .output()
        .map_err(|e| fail(e.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|e| fail(e.to_string()))?;
    Ok(metadata.packages)
}

/// Packages without an allowed licence or from another source.
pub fn check(packages: &[Package], allowed: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let place = format!("{} {}", package.name, package.version);
        if let Some(problem) = licence_problem(package.license.as_deref(), allowed) {
            findings.push(Finding::new(&place, problem));
        }
        if let Some(source) = package.source.as_deref().filter(|s| *s != REGISTRY) {
            findings.push(Finding::new(&place, format!("comes from {source}")));
        }
    }
    findings
}

fn licence_problem(licence: Option<&str>, allowed: &[String]) -> Option<String> {
    let Some(text) = licence else {
        return Some("states no licence".to_owned());
    };
    match spdx::Expression::parse_mode(text, spdx::ParseMode::LAX) {
        Err(e) => Some(format!("licence `{text}`: {}", e.reason)),
        Ok(e) if e.evaluate(|r| allowed.contains(&r.to_string())) => None,
        Ok(_) => Some(format!("licence `{text}` is not allowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(licence: Option<&str>, source: Option<&str>) -> usize {
        let allowed = [
            "MIT",
            "Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "Zlib",
        ];
        let package = Package {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            license: licence.map(str::to_owned),
            source: source.map(str::to_owned),
        };
        check(&[package], &allowed.map(str::to_owned)).len()
    }

    #[test]
    fn expressions_are_understood() {
        for fine in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "(MIT OR MPL-2.0) AND Zlib",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert_eq!(problems(Some(fine), Some(REGISTRY)), 0, "{fine}");
        }
        for bad in [
            "MPL-2.0",
            "MIT AND GPL-3.0-only",
            "Zlib WITH LLVM-exception",
            "as you like",
        ] {
            assert_eq!(problems(Some(bad), Some(REGISTRY)), 1, "{bad}");
        }
        assert_eq!(problems(None, Some(REGISTRY)), 1);
    }

    #[test]
    fn other_sources_are_found() {
        assert_eq!(problems(Some("MIT"), None), 0);
        assert_eq!(problems(Some("MIT"), Some("git+https://example.org/a")), 1);
    }
}
