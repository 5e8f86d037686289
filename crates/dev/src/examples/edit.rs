//! The edits of a page: code blocks that name a file.
//!
//! A block ```` ```rust,ignore file=PATH ```` is a new file. A block ```` ```diff file=PATH ```` changes
//! one: its lines begin with a blank (kept), `-` (removed) or `+` (added), and the kept and removed
//! ones of a hunk must stand in the file in this order, at one place. A line `@@` starts another
//! hunk. The text before a block must name the file too, since a rendered page does not show the
//! first line of a block.

use std::collections::BTreeMap;

/// An edit of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// The line of the page on which the block begins, from 1.
    pub(super) line: usize,
    /// The file, relative to the root of the repository.
    pub(super) path: String,
    /// What becomes of it.
    pub(super) change: Change,
}

/// What an edit does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A file that must not be there yet.
    New(String),
    /// Replacements in one that must.
    Hunks(Vec<Hunk>),
}

/// Lines that are looked for, and what stands there instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hunk {
    /// Kept and removed lines.
    pub(super) old: Vec<String>,
    /// Kept and added lines.
    pub(super) new: Vec<String>,
}

/// Files to edit.
pub(super) trait Files {
    /// The text of a file; `None` if there is none.
    fn text(&self, path: &str) -> Option<String>;

    /// Writes a file.
    ///
    /// # Errors
    /// What the file system says.
    fn write(&mut self, path: &str, text: &str) -> Result<(), String>;
}

impl Files for BTreeMap<String, String> {
    fn text(&self, path: &str) -> Option<String> {
        self.get(path).cloned()
    }

    fn write(&mut self, path: &str, text: &str) -> Result<(), String> {
        self.insert(path.to_owned(), text.to_owned());
        Ok(())
    }
}

/// The edits of a page, in order.
///
/// # Errors
/// A block that is none of the forms above, as `line N: …`.
pub(super) fn edits(page: &str) -> Result<Vec<Edit>, String> {
    let mut found = Vec::new();
    let mut prose = String::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            if line.trim().is_empty() {
                continue;
            }
            // The last paragraph before the block.
            let starts = at == 0 || page.lines().nth(at - 1).is_none_or(|l| l.trim().is_empty());
            if starts {
                prose.clear();
            }
            prose.push_str(line);
            prose.push('\n');
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, l)| l)
            .take_while(|l| *l != "```")
            .collect();
        let Some(path) = info.split(' ').find_map(|w| w.strip_prefix("file=")) else {
            continue;
        };
        let wrong = |text: &str| format!("line {}: {text}", at + 1);
        if !prose.contains(&format!("`{path}`")) {
            return Err(wrong(&format!("the text before does not name `{path}`")));
        }
        let change = match info.starts_with("diff ") {
            true => Change::Hunks(hunks(&body).map_err(|e| wrong(&e))?),
            false => Change::New(body.iter().map(|l| format!("{l}\n")).collect()),
        };
        found.push(Edit {
            line: at + 1,
            path: path.to_owned(),
            change,
        });
    }
    Ok(found)
}

fn hunks(body: &[&str]) -> Result<Vec<Hunk>, String> {
    let mut all = vec![Hunk::default()];
    for line in body {
        if line.starts_with("@@") {
            all.push(Hunk::default());
            continue;
        }
        let Some(hunk) = all.last_mut() else { continue };
        let (sign, rest) = match line.split_at_checked(1) {
            Some((sign, rest)) => (sign, rest.to_owned()),
            None => (" ", String::new()),
        };
        match sign {
            " " => {
                hunk.old.push(rest.clone());
                hunk.new.push(rest);
            }
            "-" => hunk.old.push(rest),
            "+" => hunk.new.push(rest),
            _ => return Err(format!("a line of a diff begins with `{sign}`: {line}")),
        }
    }
    match all.iter().all(|h| !h.old.is_empty() && h.old != h.new) {
        true => Ok(all),
        false => Err("a hunk without lines to look for, or without a change".to_owned()),
    }
}

/// Makes an edit.
///
/// # Errors
/// `line N: …`: a file that should or should not be there, lines that are not in it or not at one
/// place.
pub(super) fn apply(edit: &Edit, files: &mut impl Files) -> Result<(), String> {
    let path = &edit.path;
    let wrong = |text: String| format!("line {}: {path} {text}", edit.line);
    let before = files.text(path);
    let after = match (&edit.change, before) {
        (Change::New(text), None) => text.clone(),
        (Change::New(_), Some(_)) => return Err(wrong("is there already".to_owned())),
        (Change::Hunks(_), None) => return Err(wrong("does not exist".to_owned())),
        (Change::Hunks(hunks), Some(mut text)) => {
            for hunk in hunks {
                text = replaced(&text, hunk).map_err(wrong)?;
            }
            text
        }
    };
    files.write(path, &after)
}

fn replaced(text: &str, hunk: &Hunk) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let places: Vec<usize> = (0..lines.len())
        .filter(|at| {
            let here = lines[*at..].iter().take(hunk.old.len());
            here.len() == hunk.old.len() && here.zip(&hunk.old).all(|(a, b)| *a == b)
        })
        .collect();
    let found = match places[..] {
        [at] => at,
        [] => return Err(format!("does not contain\n{}", hunk.old.join("\n"))),
        _ => {
            let text = hunk.old.join("\n");
            return Err(format!("contains {} times\n{text}", places.len()));
        }
    };
    let before = lines[..found].iter().copied();
    let after = lines[found + hunk.old.len()..].iter().copied();
    let new = hunk.new.iter().map(String::as_str);
    let all = before.chain(new).chain(after);
    Ok(all.map(|l| format!("{l}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# T\n\nA new file `a.rs` here:\n\n```rust,ignore file=a.rs\nfn a() {}\n```\n\nIn `b.rs`, add\na line:\n\n```diff file=b.rs\n one\n+one and a half\n two\n@@\n-three\n+four\n```\n\n```console\n$ true\n```\n";

    fn files() -> BTreeMap<String, String> {
        [("b.rs".to_owned(), "one\ntwo\n\nthree\n".to_owned())].into()
    }

    #[test]
    fn files_are_made_and_changed() {
        let found = edits(PAGE).unwrap();
        assert_eq!(found.iter().map(|e| e.line).collect::<Vec<_>>(), [5, 12]);
        let mut files = files();
        for edit in &found {
            apply(edit, &mut files).unwrap();
        }
        assert_eq!(files["a.rs"], "fn a() {}\n");
        assert_eq!(files["b.rs"], "one\none and a half\ntwo\n\nfour\n");
        // Twice is an error that names file and line.
        let again = |i: usize, files: &mut _| apply(&found[i], files).unwrap_err();
        assert!(again(0, &mut files).starts_with("line 5: a.rs is there"));
        assert!(again(1, &mut files).starts_with("line 12: b.rs does not contain"));
    }

    #[test]
    fn places_must_be_there_once() {
        let found = edits(PAGE).unwrap();
        let tried = |text: &str| {
            let mut files = BTreeMap::from([("b.rs".to_owned(), text.to_owned())]);
            apply(&found[1], &mut files)
        };
        assert!(
            tried("one\ntwo\none\ntwo\nthree\n")
                .unwrap_err()
                .contains("contains 2 times")
        );
        assert!(
            tried("one\nTWO\nthree\n")
                .unwrap_err()
                .contains("not contain\none\ntwo")
        );
        assert!(
            apply(&found[1], &mut BTreeMap::new())
                .unwrap_err()
                .contains("not exist")
        );
    }

    #[test]
    fn blocks_that_are_no_edits_are_refused() {
        for (from, to, text) in [
            (
                "`a.rs`",
                "a.rs",
                "line 5: the text before does not name `a.rs`",
            ),
            ("@@\n-three", "@@\n~three", "line 12: a line of a diff"),
            ("-three\n+four", "", "line 12: a hunk without"),
            ("-three\n+four", "+four", "line 12: a hunk without"),
        ] {
            let e = edits(&PAGE.replace(from, to)).unwrap_err();
            assert!(e.starts_with(text), "{e}");
        }
    }
}
