//! House rules that neither rustfmt nor clippy knows.

use crate::layers::ORDER;
use crate::{Finding, Tree};

/// Lines that a Rust file may have; a longer one lacks a room of its own.
pub const FILE_LINES: usize = 800;
/// Lines that a function may have.
pub const FUNCTION_LINES: usize = 100;
/// What the root of the repository holds.
pub const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "book",
    "clippy.toml",
    "crates",
    "deny.toml",
    "grammar",
    "ir-specs",
    "rustfmt.toml",
    "tests",
];

/// Every rule on the whole tree.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = top_level(tree);
    for (path, text) in tree.texts() {
        if !matches!(path, "Cargo.lock" | "LICENSE-APACHE" | "LICENSE-MIT") {
            findings.extend(words(path, text));
        }
        if path.ends_with(".rs") {
            findings.extend(rust(path, text));
        }
    }
    findings.extend(lints(tree));
    findings.extend(rooms_in_the_book(tree));
    findings.extend(commands_of_the_readme(tree));
    findings
}

/// The root holds what was agreed, all of it and nothing else.
fn top_level(tree: &Tree) -> Vec<Finding> {
    let found = tree.top_level();
    let extra = found
        .iter()
        .filter(|name| !TOP_LEVEL.contains(name))
        .map(|name| Finding::new(*name, "not one of the agreed top-level entries"));
    let missing = TOP_LEVEL
        .iter()
        .filter(|name| !found.contains(name))
        .map(|name| Finding::new(*name, "an agreed top-level entry is missing"));
    extra.chain(missing).collect()
}

/// What no file may say: unfinished work, paths of somebody's machine. Each is put together here
/// so that this file does not say it.
fn forbidden() -> Vec<(String, &'static str)> {
    let unfinished = ["TO", "FIX", "XX"].map(|a| match a {
        "TO" => format!("{a}DO"),
        "FIX" => format!("{a}ME"),
        _ => format!("{a}X"),
    });
    let macros = ["todo", "unimplemented"].map(|m| format!("{m}!("));
    let machine = ["work", "home", "root", "Users"].map(|f| format!("/{f}/"));
    let unfinished = unfinished.into_iter().chain(macros);
    unfinished
        .map(|w| (w, "unfinished work"))
        .chain(machine.map(|w| (w, "a path of somebody's machine")))
        .collect()
}

fn words(path: &str, text: &str) -> Vec<Finding> {
    let forbidden = forbidden();
    let mut findings = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        for (word, why) in &forbidden {
            if holds_word(content, word) {
                findings.push(Finding::new(path, format!("{why}: {word}")).line(line));
            }
        }
    }
    findings
}

/// True if `word` occurs in `line` with no letter, digit or path before it, and no letter after.
fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let plain = !word.starts_with('/') && !word.ends_with('(');
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '.' | '}' | '*' | '~'))
            && !(plain && after.is_some_and(char::is_alphanumeric))
    })
}

/// Rules on one Rust file: a first line that says what it is for, and sizes.
fn rust(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let first = text.lines().next().unwrap_or_default();
    if first
        .strip_prefix("//! ")
        .is_none_or(|t| t.trim().len() < 10)
    {
        findings.push(Finding::new(path, "does not start with `//!` and what it is for").line(1));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES {
        let message = format!("{lines} lines, more than {FILE_LINES}");
        findings.push(Finding::new(path, message));
    }
    for (line, length) in functions(text) {
        if length > FUNCTION_LINES {
            let message = format!("a function of {length} lines, more than {FUNCTION_LINES}");
            findings.push(Finding::new(path, message).line(line));
        }
    }
    if !path.starts_with("crates/jit/") {
        for (line, content) in (1..).zip(text.lines()) {
            let relaxed = ["allow", "expect", "warn"]
                .iter()
                .any(|a| content.contains(&format!("{a}({}_code", "unsafe")));
            if relaxed {
                let message = "only crates/jit may contain what this lint denies";
                findings.push(Finding::new(path, message).line(line));
            }
        }
    }
    findings
}

/// First line and length of each function. Relies on rustfmt: a body ends with a brace that is
/// indented as its `fn` is.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let qualified = code.split('(').next().unwrap_or_default();
        let is_function = qualified.split_whitespace().any(|w| w == "fn")
            && qualified
                .split_whitespace()
                .take_while(|w| *w != "fn")
                .all(|w| matches!(w, "pub" | "const" | "async" | "unsafe" | "extern" | "\"C\""));
        let is_function = is_function || code.starts_with("pub(crate) fn ");
        if !is_function {
            continue;
        }
        let end = lines[at..].iter().position(|l| {
            let rest = l.strip_prefix(indent);
            rest == Some("}")
                || rest.is_some_and(|r| r.starts_with(|c| c != ' ') && r.ends_with([';', '}']))
        });
        if let Some(end) = end {
            found.push((at + 1, end + 1));
        }
    }
    found
}

/// Every crate is under the workspace's lint table.
fn lints(tree: &Tree) -> Vec<Finding> {
    let manifests = tree
        .texts()
        .filter(|(path, _)| path.starts_with("crates/") && path.ends_with("/Cargo.toml"));
    // The JIT repeats the table without `unsafe_code`, which cargo cannot take out of it.
    let without = manifests.filter(|(path, text)| {
        *path != "crates/jit/Cargo.toml" && !text.contains("[lints]\nworkspace = true")
    });
    without
        .map(|(path, _)| Finding::new(path, "not under the workspace's lint table"))
        .collect()
}

/// The architecture page names every room, in the order of the layers.
fn rooms_in_the_book(tree: &Tree) -> Vec<Finding> {
    let page = "book/src/architecture.md";
    let text = tree.text(page).unwrap_or_default();
    let mut findings = Vec::new();
    let mut last = 0;
    for room in ORDER {
        // A table row of its own, so that a mention elsewhere does not count.
        match text.find(&format!("| `crates/{room}` |")) {
            None => findings.push(Finding::new(page, format!("no row for crates/{room}"))),
            Some(at) if at < last => {
                let message = format!("crates/{room} stands before a room that it may use");
                findings.push(Finding::new(page, message));
            }
            Some(at) => last = at,
        }
    }
    findings
}

/// The commands that the README promises first are the ones that CI runs, to the letter.
fn commands_of_the_readme(tree: &Tree) -> Vec<Finding> {
    let readme = tree.text("README.md").unwrap_or_default();
    let block = readme.split("```").nth(1).unwrap_or_default();
    let commands: Vec<_> = block.lines().filter_map(|l| l.strip_prefix("$ ")).collect();
    if commands.len() != 2 {
        let message = "the first code block is not the two commands that set everything up";
        return vec![Finding::new("README.md", message)];
    }
    let ci = tree.text(".ci/run").unwrap_or_default();
    let missing = commands
        .iter()
        .filter(|c| !ci.lines().any(|l| l.ends_with(*c)));
    missing
        .map(|c| Finding::new(".ci/run", format!("does not run the README's `{c}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_forbidden_word_is_found_and_its_neighbours_are_not() {
        for (word, _) in forbidden() {
            let text = format!("fine\nlet x = \"{word}\";");
            assert_eq!(words("a.md", &text).len(), 1, "{word}");
        }
        let slash = "/";
        for fine in ["method", "TODOS", "fixme", "todo_list"] {
            assert!(words("a.md", fine).is_empty(), "{fine}");
        }
        let relative = format!("tests{slash}work{slash}x and ..{slash}home{slash}");
        assert!(words("a.md", &relative).is_empty());
    }

    #[test]
    fn a_file_says_first_what_it_is_for() {
        for bad in [
            "",
            "use x;\n",
            "//!\n",
            "//! Short\n",
            "// A comment, not a doc.\n",
        ] {
            assert_eq!(rust("crates/a/src/b.rs", bad).len(), 1, "{bad:?}");
        }
        assert!(rust("crates/a/src/b.rs", "//! Reads what must be read.\n").is_empty());
    }

    #[test]
    fn long_files_and_functions_are_found() {
        let file = format!("//! A file that is long.\n{}", "\n".repeat(FILE_LINES));
        assert_eq!(rust("a.rs", &file).len(), 1);
        for head in ["fn f() {", "pub(crate) fn f(", "pub const unsafe fn f() {"] {
            let body = "        x();\n".repeat(FUNCTION_LINES);
            let text = format!("//! A function that is long.\n    {head}\n{body}    }}\n");
            let found = messages(&rust("a.rs", &text));
            assert_eq!(found.len(), 1, "{head}");
            assert!(
                found[0].starts_with("a.rs:2: a function of 102 lines"),
                "{}",
                found[0]
            );
        }
        let short = "//! Two functions that are short.\nfn a() {\n}\nfn b() {}\nfn c();\n";
        assert_eq!(functions(short), [(2, 2), (4, 1), (5, 1)]);
    }

    #[test]
    fn only_the_jit_relaxes_the_unsafe_lint() {
        let attribute = format!(
            "//! Talks to machine code.\n#![expect({}_code)]\n",
            "unsafe"
        );
        assert_eq!(rust("crates/smt/src/lib.rs", &attribute).len(), 1);
        assert!(rust("crates/jit/src/lib.rs", &attribute).is_empty());
    }

    #[test]
    fn strangers_at_the_root_and_missing_entries_are_found() {
        let files: Vec<_> = TOP_LEVEL
            .iter()
            .skip(1)
            .chain(&["scratch"])
            .map(|n| (*n, ""))
            .collect();
        let found = messages(&top_level(&Tree::of(&files)));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("scratch:") && found[1].starts_with(TOP_LEVEL[0]));
    }

    #[test]
    fn a_crate_outside_the_lint_table_is_found() {
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", "[package]\n"),
            ("crates/b/Cargo.toml", "[lints]\nworkspace = true\n"),
        ]);
        assert_eq!(lints(&tree).len(), 1);
    }

    #[test]
    fn the_book_must_name_every_room_in_order() {
        let rows = |rooms: &[&str]| -> String {
            rooms
                .iter()
                .map(|r| format!("| `crates/{r}` | x |\n"))
                .collect()
        };
        let page =
            |text: &str| rooms_in_the_book(&Tree::of(&[("book/src/architecture.md", text)])).len();
        assert_eq!(page(&rows(ORDER)), 0);
        assert_eq!(page(&rows(&ORDER[1..])), 1);
        let mut swapped = ORDER.to_vec();
        swapped.swap(3, 4);
        assert_eq!(page(&rows(&swapped)), 1);
    }

    #[test]
    fn ci_must_run_what_the_readme_promises() {
        let found = |readme: &str, ci: &str| {
            commands_of_the_readme(&Tree::of(&[("README.md", readme), (".ci/run", ci)])).len()
        };
        let readme = "# x\n```console\n$ cargo a\n$ cargo b --all\n```\n";
        assert_eq!(found(readme, "step a cargo a\nstep b cargo b --all\n"), 0);
        assert_eq!(
            found(readme, "step a cargo a --fast\nstep b cargo b --all\n"),
            1
        );
        assert_eq!(found("# x\n", ""), 1);
    }
}
