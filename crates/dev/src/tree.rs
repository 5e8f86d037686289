//! The repository's own text files.

use crate::Error;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of a repository by path relative to its root, with `/` between parts.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// The root of this repository.
    pub fn root() -> PathBuf {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        dir.ancestors().nth(2).unwrap_or(dir).to_path_buf()
    }

    /// The files that git tracks or would offer to add; in a source archive without git, all files
    /// except build output.
    ///
    /// # Errors
    /// A folder or file that cannot be read. A tracked file that was deleted is left out.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let paths = match tracked(root) {
            Some(paths) => paths,
            None => walk(root)?,
        };
        let mut tree = Self::default();
        for path in paths {
            match std::fs::read(root.join(&path)) {
                Ok(bytes) => tree.files.insert(path, String::from_utf8(bytes).ok()),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                Err(source) => {
                    return Err(Error::File {
                        path: root.join(&path),
                        source,
                    });
                }
            };
        }
        Ok(tree)
    }

    /// A made-up tree of text files.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self {
            files: files.collect(),
        }
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Path and text of the files that are UTF-8, sorted by path.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text of a file; `None` if it does not exist or is not UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// True if a file has this path, or lies in a folder of this path.
    pub fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path) || {
            let folder = format!("{}/", path.trim_end_matches('/'));
            self.paths().any(|p| p.starts_with(&folder))
        }
    }

    /// First parts of all paths, sorted, each once.
    pub fn top_level(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.paths().filter_map(|p| p.split('/').next()).collect();
        names.dedup();
        names
    }
}

/// What `git ls-files` says, ignored files left out; `None` if this is no git repository or git is not there.
fn tracked(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .ok()
        .filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    let paths = text.split('\0').filter(|p| !p.is_empty());
    Some(paths.map(str::to_owned).collect())
}

/// All files under a folder except `.git`, `target`, caches and output folders.
fn walk(root: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        let path = root.join(&folder);
        let fail = |source| Error::File {
            path: path.clone(),
            source,
        };
        for entry in std::fs::read_dir(&path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let skipped = matches!(name.as_str(), ".git" | "target" | "__pycache__")
                || name.ends_with(".ceg4n");
            let relative = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            match entry.file_type().map_err(fail)?.is_dir() {
                _ if skipped => {}
                true => open.push(relative),
                false => found.push(relative),
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_listing_find_the_sources() {
        let root = Tree::root();
        let tree = Tree::read(&root).unwrap();
        let walked = walk(&root).unwrap();
        for path in ["Cargo.toml", "crates/dev/src/tree.rs"] {
            assert!(walked.iter().any(|p| p == path), "{path}");
        }
        assert!(tree.text("Cargo.toml").is_some());
        assert!(!tree.contains("target"));
        assert!(!walked.iter().any(|p| p.starts_with("target/")));
    }

    #[test]
    fn folders_and_top_level() {
        let tree = Tree::of(&[("a/b/c", ""), ("a/d", ""), ("e", "")]);
        assert_eq!(tree.top_level(), ["a", "e"]);
        assert!(tree.contains("a/b") && tree.contains("a/b/c") && !tree.contains("a/bc"));
    }
}
