//! Commands of the book's pages: run by a shell in a copy of a folder, compared with what the page
//! shows. A page may also have files that its commands use.

use crate::matching::matches;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The line on which it stands, from 1.
    pub line: usize,
    /// What is typed.
    pub command: String,
    /// What the page shows as its output; `[exit N]` at its end is a code other than 0.
    pub output: String,
}

/// The commands of a Markdown page: in blocks that are marked `console`, lines on `$ `. A line that
/// ends in a backslash goes on on the next one.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    let mut inside = false;
    let mut open = false;
    let mut goes_on = false;
    for (i, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            inside = !inside && line.trim_end() == "```console";
            open = false;
        } else if let (true, Some(block)) = (inside && goes_on, out.last_mut()) {
            block.command.push('\n');
            block.command.push_str(line);
            goes_on = line.ends_with('\\');
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            goes_on = command.ends_with('\\');
            out.push(Block {
                line: i + 1,
                command: command.to_owned(),
                output: String::new(),
            });
            open = true;
        } else if let (true, true, Some(block)) = (inside, open, out.last_mut()) {
            block.output.push_str(line);
            block.output.push('\n');
        }
    }
    out
}

/// The files of a page, as name and text: blocks that are marked `python`, `c` or `text` and begin with
/// a comment that names the file, `# NAME` or `/* NAME: what it is. */`; and blocks of any mark that
/// has the name beside it.
pub fn files(page: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(mark) = line.trim_end().strip_prefix("```") else {
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .take_while(|l| !l.starts_with("```"))
            .collect();
        let first = body.first().copied().unwrap_or_default();
        let (mark, named) = mark
            .split_once(' ')
            .map_or((mark, None), |(m, n)| (m, Some(n)));
        let name = match mark {
            _ if named.is_some() => named,
            "python" => first.strip_prefix("# "),
            "c" | "text" => first.strip_prefix("/* ").and_then(|f| f.split(':').next()),
            _ => None,
        };
        if let Some(name) = name {
            out.push((name.to_owned(), body.join("\n") + "\n"));
        }
    }
    out
}

/// Runs the commands in order in a copy of `folder`, with `tools` before everything else on the
/// path.
///
/// # Errors
/// Every command whose output differs from the page's.
pub fn follow(blocks: &[Block], folder: &Path, tools: &Path) -> Result<(), String> {
    let copy = tempfile::tempdir().map_err(|e| e.to_string())?;
    copy_files(folder, copy.path()).map_err(|e| e.to_string())?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.to_owned()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).map_err(|e| e.to_string())?;
    let mut errors = Vec::new();
    for block in blocks {
        let run = Command::new("sh")
            .arg("-c")
            .arg(format!("exec 2>&1\n{}", block.command))
            .current_dir(copy.path())
            .env("PATH", &path)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("sh: {e}"))?;
        let mut found = String::from_utf8_lossy(&run.stdout).into_owned();
        match run.status.code() {
            Some(0) => {}
            Some(code) => found.push_str(&format!("[exit {code}]\n")),
            None => found.push_str("[killed]\n"),
        }
        if let Err(e) = matches(&block.output, &found) {
            errors.push(format!("line {}: $ {}\n{e}", block.line, block.command));
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("\n"))
    }
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "text\n```console\n$ printf 'a\\nb\\n'\na\nb\n$ exit 3\n[exit 3]\n```\n\n```sh\n$ no\n```\n";

    #[test]
    fn commands_are_found() {
        let found = blocks(PAGE);
        let lines: Vec<_> = found.iter().map(|b| b.line).collect();
        assert_eq!(lines, [3, 6]);
        assert_eq!(found[0].output, "a\nb\n");
    }

    #[test]
    fn commands_go_on_and_files_have_names() {
        let page = "```console\n$ echo a \\\n    b\na b\n```\n```python\n# x.py\nprint(1)\n\n```\n```python\n# y.py\n```\n```c\nint x;\n```\n```c\n/* z.c: a file. */\n```\n```json a.json\n[]\n```\n";
        let found = blocks(page);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].command, "echo a \\\n    b");
        assert_eq!(found[0].output, "a b\n");
        let text = |s: &str| s.to_owned();
        assert_eq!(
            files(page),
            [
                (text("x.py"), text("# x.py\nprint(1)\n\n")),
                (text("y.py"), text("# y.py\n")),
                (text("z.c"), text("/* z.c: a file. */\n")),
                (text("a.json"), text("[]\n")),
            ]
        );
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(follow(&found, folder.path(), folder.path()), Ok(()));
    }

    #[test]
    fn a_wrong_output_or_code_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let try_page = |page: &str| follow(&blocks(page), folder.path(), folder.path());
        assert_eq!(try_page(PAGE), Ok(()));
        assert!(try_page(&PAGE.replace("\nb\n", "\nc\n")).is_err());
        assert!(try_page(&PAGE.replace("[exit 3]\n", "")).is_err());
    }
}
