//! The book: its generated pages, its table of contents, its links.

use crate::{Error, Finding, Tree, textmate};
use std::path::Path;

/// Files written by `cargo run -p ceg4n-dev -- book`, pages of the book and the grammar for editors:
/// path in the repository, and text.
pub fn generated() -> Vec<(&'static str, String)> {
    let operators = ceg4n_opspec::reference_markdown(ceg4n_opspec::catalogue());
    let rules = ceg4n_opspec::rules_markdown(ceg4n_opspec::rewrite_rules());
    vec![
        ("book/src/reference/operators.md", operators),
        ("book/src/reference/rules.md", rules),
        ("book/src/reference/passes.md", passes()),
        ("book/src/reference/diagnostics.md", diagnostics()),
        (textmate::PATH, textmate::grammar()),
    ]
}

/// The table of passes and pipelines.
fn passes() -> String {
    let mut out = String::from(
        "# Passes\n\nGenerated from the registry in `crates/passes`. \"Keeps\" is what a pass leaves \
         as it is, exactly and on every input: the real function of the network (the reference), the \
         integer functions of all versions (the kernels). A pass that keeps kernels is *exact*: what \
         was proved of a version holds after it. Any other is *refining*: versions are to be verified \
         anew.\n\n| pass | does | keeps | |\n|---|---|---|---|\n",
    );
    for pass in ceg4n_driver::opt::passes() {
        let name = pass.name();
        let mut row = |name: &str, parameter: Option<&str>, does: &str| {
            let keeps = pass.keeps(parameter);
            let (kept, kind) = (keeps.words(), keeps.invariant());
            out.push_str(&format!("| `{name}` | {does} | {kept} | {kind} |\n"));
        };
        row(name, None, pass.description());
        for p in pass.parameters() {
            row(&format!("{name}:{}", p.syntax), Some(p.syntax), p.does);
        }
    }
    out.push_str("\n| pipeline | purpose | passes | rounds |\n|---|---|---|---|\n");
    for named in ceg4n_passes::PIPELINES {
        let names: Vec<_> = named.passes.iter().map(|n| format!("`{n}`")).collect();
        let (name, purpose, rounds) = (named.name, named.purpose, named.rounds);
        let names = names.join(", ");
        out.push_str(&format!("| `{name}` | {purpose} | {names} | {rounds} |\n"));
    }
    out.push_str(
        "\nA pipeline of several rounds starts again until nothing changes, as often as it says at \
         most.\n",
    );
    out
}

/// The table of diagnostic codes.
fn diagnostics() -> String {
    let mut out = String::from(
        "# Diagnostic codes\n\nGenerated from `crates/base`; `ceg4nc help E0101` shows the same. A message \
         may change; its code does not. A test carries out every example, in a copy of \
         `tests/networks` with the files that are shown.\n\n| code | about |\n|---|---|\n",
    );
    for code in ceg4n_base::codes::ALL {
        let anchor = code.id.to_lowercase();
        out.push_str(&format!(
            "| [`{}`](#{anchor}) | {} |\n",
            code.id, code.title
        ));
    }
    for code in ceg4n_base::codes::ALL {
        out.push_str(&format!("\n## {}\n\n", code.id));
        out.push_str(&format!("*{}.* {}", sentence(code.title), code.explanation));
    }
    out
}

/// A phrase as the beginning of a text.
fn sentence(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Writes every generated page.
///
/// # Errors
/// A file that cannot be written.
pub fn write(root: &Path) -> Result<(), Error> {
    for (path, text) in generated() {
        let path = root.join(path);
        let folder = path.parent().unwrap_or(root);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|source| Error::File { path, source })?;
    }
    Ok(())
}

/// Generated pages that differ from what is committed.
pub fn outdated(tree: &Tree) -> Vec<Finding> {
    let stale = generated().into_iter().filter_map(|(path, text)| {
        let committed = tree.text(path).unwrap_or_default();
        let mut lines = (1..).zip(text.lines().zip(committed.lines()));
        let differs = lines.find(|(_, (new, old))| new != old).map(|(n, _)| n);
        let line = differs.or_else(|| {
            (text != committed).then(|| committed.lines().count().min(text.lines().count()) + 1)
        })?;
        let message = "not up to date; run the test with BLESS=1";
        Some(Finding::new(path, message).line(line))
    });
    stale.collect()
}

/// The language page shows a shipped file; it must be that file.
pub fn quotation(tree: &Tree) -> Vec<Finding> {
    let (page, file) = ("book/src/nnir.md", "tests/networks/tiny.nnir");
    let quoted = tree
        .text(page)
        .and_then(|text| text.split("```text\n").nth(1)?.split("```").next());
    if quoted.is_some() && quoted == tree.text(file) {
        return Vec::new();
    }
    let message = format!("the first code block is not {file}");
    vec![Finding::new(page, message)]
}

/// Pages that the table of contents does not list, and links that lead nowhere. Covers the book and
/// the Markdown files at the root.
pub fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let summary = tree.text("book/src/SUMMARY.md").unwrap_or_default();
    let pages = tree.texts().filter(|(path, _)| path.ends_with(".md"));
    for (path, text) in pages {
        if let Some(page) = path.strip_prefix("book/src/")
            && page != "SUMMARY.md"
            && !summary.contains(&format!("]({page})"))
        {
            findings.push(Finding::new(path, "not in SUMMARY.md"));
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, target) in targets(text) {
            if let Some(problem) = broken(tree, path, folder, target) {
                let message = format!("link to `{target}`: {problem}");
                findings.push(Finding::new(path, message).line(line));
            }
        }
    }
    findings
}

/// Lines and targets of `[text](target)` outside code.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        // Every other part is inside backquotes; a link may have its text there.
        for (at, _) in line.match_indices("](") {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            if let Some(end) = line[at..].find(')').filter(|_| !in_code) {
                found.push((number, &line[at + 2..at + end]));
            }
        }
    }
    found
}

/// What is wrong with a link from a page; links to other sites are not followed.
fn broken(tree: &Tree, page: &str, folder: &str, target: &str) -> Option<&'static str> {
    if target.starts_with("https://") || target.starts_with("http://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if file.is_empty() {
        page.to_owned()
    } else {
        resolve(folder, file)
    };
    if !tree.contains(&file) {
        return Some("no such file");
    }
    let text = tree.text(&file).unwrap_or_default();
    let known = anchor.is_empty() || headings(text).any(|h| h == anchor);
    (!known).then_some("no such heading")
}

/// `file` relative to `folder`, without `.` and `..`.
fn resolve(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Anchors of the headings, as mdBook makes them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let titles = text.lines().filter_map(|l| {
        let title = l.trim_start_matches('#');
        (title.len() < l.len()).then(|| title.trim())
    });
    titles.map(|title| {
        let kept = title.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            _ if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        });
        kept.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_page_is_found() {
        let pages = generated();
        let files: Vec<_> = pages.iter().map(|(p, t)| (*p, t.as_str())).collect();
        assert!(outdated(&Tree::of(&files)).is_empty());
        let older = pages[0].1.replacen("# ", "## ", 1);
        let longer = format!("{}more\n", pages[1].1);
        let mut changed = files.clone();
        changed[0].1 = &older;
        changed[1].1 = &longer;
        let found = outdated(&Tree::of(&changed));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].line, Some(1));
        assert_eq!(found[1].line, Some(pages[1].1.lines().count() + 1));
        assert_eq!(outdated(&Tree::default()).len(), pages.len());
    }

    #[test]
    fn a_quotation_must_be_the_file() {
        let found = |file: &str| {
            let page = "# x\n```text\na\nb\n```\nand\n```text\nc\n```\n";
            let files = [
                ("book/src/nnir.md", page),
                ("tests/networks/tiny.nnir", file),
            ];
            quotation(&Tree::of(&files)).len()
        };
        assert_eq!(found("a\nb\n"), 0);
        assert_eq!(found("a\n"), 1);
        assert_eq!(quotation(&Tree::default()).len(), 1);
    }

    #[test]
    fn broken_links_and_unlisted_pages_are_found() {
        let tree = Tree::of(&[
            (
                "README.md",
                "[book](book/src/a.md#a-page) [gone](book/src/c.md)",
            ),
            ("book/src/SUMMARY.md", "- [A](a.md)\n"),
            (
                "book/src/a.md",
                "# A `page`\n[b](sub/b.md#nowhere) [web](https://example.org)\n```\n[x](y)\n```\n`[x](y)`\n",
            ),
            ("book/src/sub/b.md", "# B\n[up](../a.md) [self](#b)\n"),
        ]);
        let found: Vec<_> = links(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "README.md:1: link to `book/src/c.md`: no such file",
                "book/src/a.md:2: link to `sub/b.md#nowhere`: no such heading",
                "book/src/sub/b.md: not in SUMMARY.md",
            ]
        );
    }
}
