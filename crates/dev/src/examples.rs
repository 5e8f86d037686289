//! Carries out the worked examples of the book, `book/src/extend/*.md`, as a new contributor would:
//! in a copy of the repository the edits of each page are made and its commands run, and what the
//! commands write is compared with what the page shows.
//!
//! The copy is `target/examples/tree`. It takes over what was built for this repository, so that
//! cargo builds only what the edits change. What a page edits before its first command is done for
//! all pages first: then cargo builds it once.

mod copy;
mod edit;

use crate::{Error, Tree};
use ceg4n_filetests::{Block, blocks, matches};
use edit::{Edit, Files, apply, edits};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The pages. The first changes what most crates are built on.
pub const PAGES: [&str; 5] = ["operator", "solver", "backend", "pass", "rule"];

/// The file of a page.
fn path_of(page: &str) -> String {
    format!("book/src/extend/{page}.md")
}

/// One thing to do on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Edit(Edit),
    Command(Block),
}

impl Step {
    fn line(&self) -> usize {
        match self {
            Self::Edit(e) => e.line,
            Self::Command(b) => b.line,
        }
    }

    /// The file that is edited.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Edit(e) => Some(&e.path),
            Self::Command(_) => None,
        }
    }
}

/// What a page asks for, from top to bottom.
fn steps(page: &str) -> Result<Vec<Step>, String> {
    let edits = edits(page)?.into_iter().map(Step::Edit);
    let mut all: Vec<Step> = edits
        .chain(blocks(page).into_iter().map(Step::Command))
        .collect();
    all.sort_by_key(Step::line);
    Ok(all)
}

/// Makes the edits of all pages in memory, without their commands: each must find its place after
/// those before it.
///
/// # Errors
/// `PAGE: line N: …`, one a line.
pub fn edits_fit(tree: &Tree) -> Result<(), String> {
    let texts = tree.texts().map(|(p, t)| (p.to_owned(), t.to_owned()));
    let mut files: BTreeMap<String, String> = texts.collect();
    let mut errors = Vec::new();
    for page in PAGES {
        let path = path_of(page);
        let text = tree.text(&path).unwrap_or_default();
        match edits(text) {
            Ok(all) if all.is_empty() => errors.push(format!("{path}: has no edits")),
            Ok(all) => {
                let failed = all.iter().filter_map(|e| apply(e, &mut files).err());
                errors.extend(failed.map(|e| format!("{path}: {e}")));
            }
            Err(e) => errors.push(format!("{path}: {e}")),
        }
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors.join("\n")),
    }
}

/// Carries out the pages, or one of them; `say` gets what is going on, line by line.
///
/// # Errors
/// A page that cannot be followed, with page and line.
pub fn run(page: Option<&str>, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let root = Tree::root();
    let pages: Vec<&str> = PAGES
        .into_iter()
        .filter(|p| page.is_none_or(|wanted| wanted == *p))
        .collect();
    if pages.is_empty() {
        let message = format!("no such page; there are {}", PAGES.join(", "));
        return Err(failed(page.unwrap_or_default(), message));
    }
    let place = prepare(&root)?;
    say(&format!("the copy is {}", place.tree.display()));
    let mut all = Vec::new();
    for page in pages {
        let mut steps = place.steps(page)?;
        let first = steps.iter().position(|s| matches!(s, Step::Command(_)));
        let rest = steps.split_off(first.unwrap_or(steps.len()));
        place.follow(page, &steps, say)?;
        place.commit(page)?;
        all.push((page, steps, rest));
    }
    for (page, first, rest) in all {
        let start = Instant::now();
        place.follow(page, &rest, say)?;
        let paths = place.commit(page)?;
        let paths = first.iter().filter_map(Step::path).chain(paths.lines());
        let arguments = ["diff", "--stat", "start", "HEAD", "--"];
        let stat = place.git(&arguments.into_iter().chain(paths).collect::<Vec<_>>())?;
        say(&format!("{page}: {} s\n{stat}", start.elapsed().as_secs()));
    }
    Ok(())
}

/// The copy and where it is built.
struct Place {
    tree: PathBuf,
    target: PathBuf,
}

/// Makes the copy anew.
fn prepare(root: &Path) -> Result<Place, Error> {
    let folder = root.join("target/examples");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| copy::file(&folder, e))?;
    }
    let place = Place {
        tree: folder.join("tree"),
        target: folder.join("target"),
    };
    copy::tree(root, &place.tree)?;
    // This program lies in the folder of what was built.
    let built = std::env::current_exe().ok();
    let built = built.as_deref().and_then(Path::parent);
    if let Some(built) = built.filter(|b| b.ends_with("debug") && b.join(".fingerprint").is_dir()) {
        copy::built(built, &place.target.join("debug"))?;
    }
    place.git(&["init", "--quiet"])?;
    place.git(&["add", "--all"])?;
    place.git(&["commit", "--quiet", "--message", "start"])?;
    place.git(&["tag", "start"])?;
    Ok(place)
}

impl Files for PathBuf {
    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.join(path)).ok()
    }

    fn write(&mut self, path: &str, text: &str) -> Result<(), String> {
        let file = self.join(path);
        copy::make_parent(&file).map_err(|e| e.to_string())?;
        fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))
    }
}

impl Place {
    /// What a page asks for.
    fn steps(&self, page: &str) -> Result<Vec<Step>, Error> {
        let path = path_of(page);
        let file = self.tree.join(&path);
        let text = fs::read_to_string(&file).map_err(|e| copy::file(&file, e))?;
        steps(&text).map_err(|e| failed(&path, e))
    }

    fn follow(&self, page: &str, steps: &[Step], say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let path = path_of(page);
        let mut tree = self.tree.clone();
        for step in steps {
            match step {
                Step::Edit(edit) => apply(edit, &mut tree).map_err(|e| failed(&path, e))?,
                Step::Command(block) => {
                    let start = Instant::now();
                    self.execute(block)
                        .map_err(|e| failed(&path, format!("line {}: {e}", block.line)))?;
                    let seconds = start.elapsed().as_secs();
                    say(&format!("{page}: {seconds} s: {}", block.command));
                }
            }
        }
        Ok(())
    }

    /// Commits what changed in the copy; the files, one a line.
    fn commit(&self, page: &str) -> Result<String, Error> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", page])?;
        self.git(&["diff", "--name-only", "HEAD~1", "HEAD"])
    }

    /// Runs a command of a page in the copy.
    fn execute(&self, block: &Block) -> Result<(), String> {
        let run = Command::new("sh")
            .arg("-c")
            .arg(format!("exec 2>&1\n{}", block.command))
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_TERM_COLOR", "never")
            .env("LC_ALL", "C")
            .env_remove("CARGO_MAKEFLAGS")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("sh: {e}"))?;
        let mut found = String::from_utf8_lossy(&run.stdout).into_owned();
        match run.status.code() {
            Some(0) => {}
            Some(code) => found.push_str(&format!("[exit {code}]\n")),
            None => found.push_str("[killed]\n"),
        }
        matches(&block.output, &found).map_err(|e| format!("$ {}\n{e}", block.command))
    }

    /// A command of git on the copy; what it writes.
    fn git(&self, arguments: &[&str]) -> Result<String, Error> {
        let run = Command::new("git")
            .arg("-C")
            .arg(&self.tree)
            .args([
                "-c",
                "user.name=examples",
                "-c",
                "user.email=examples@invalid",
            ])
            .args(arguments)
            .output()
            .map_err(|e| failed("git", e.to_string()))?;
        match run.status.success() {
            true => Ok(String::from_utf8_lossy(&run.stdout).into_owned()),
            false => Err(failed(
                &format!("git {}", arguments.join(" ")),
                String::from_utf8_lossy(&run.stderr).into_owned(),
            )),
        }
    }
}

fn failed(place: &str, message: impl Into<String>) -> Error {
    Error::Content {
        place: place.to_owned(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edits_of_the_pages_find_their_places() {
        let tree = Tree::read(&Tree::root()).unwrap();
        edits_fit(&tree).unwrap_or_else(|e| panic!("{e}"));
        let pages = tree.paths().filter(|p| p.starts_with("book/src/extend/"));
        let mut known: Vec<_> = PAGES.map(path_of).into();
        known.sort();
        assert_eq!(pages.collect::<Vec<_>>(), known);
    }

    #[test]
    fn an_edit_without_a_place_is_named_with_its_page() {
        let page = "In `a`:\n\n```diff file=a\n-x\n+y\n```\n";
        let paths = PAGES.map(path_of);
        let mut files: Vec<(&str, &str)> = paths.iter().map(|p| (p.as_str(), page)).collect();
        files.push(("a", "x\n"));
        let e = edits_fit(&Tree::of(&files)).unwrap_err();
        // The first page changed it, the others do not find it.
        assert_eq!(e.matches("line 3: a does not contain").count(), 4, "{e}");
        assert!(e.starts_with("book/src/extend/solver.md: line 3"), "{e}");
    }

    #[test]
    fn steps_are_in_the_order_of_the_page() {
        let page =
            "```console\n$ a\n```\nFile `f`:\n```text file=f\nx\n```\n```console\n$ b\n1\n```\n";
        let lines: Vec<usize> = steps(page).unwrap().iter().map(Step::line).collect();
        assert_eq!(lines, [2, 5, 9]);
    }

    #[test]
    fn outputs_and_codes_are_compared() {
        let folder = std::env::temp_dir();
        let place = Place {
            tree: folder.clone(),
            target: folder,
        };
        let block = |command: &str, output: &str| Block {
            line: 1,
            command: command.to_owned(),
            output: output.to_owned(),
        };
        assert_eq!(
            place.execute(&block("echo a; exit 3", "a\n[exit 3]\n")),
            Ok(())
        );
        assert!(place.execute(&block("echo a", "b\n")).is_err());
        assert!(place.execute(&block("exit 1", "")).is_err());
    }
}
