//! The tutorial's commands: run by a shell in a copy of the networks, compared with what the page
//! shows.

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

/// The commands of a Markdown page: in blocks that are marked `console`, lines on `$ `.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    let mut inside = false;
    let mut open = false;
    for (i, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            inside = !inside && line.trim_end() == "```console";
            open = false;
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
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
    fn a_wrong_output_or_code_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let try_page = |page: &str| follow(&blocks(page), folder.path(), folder.path());
        assert_eq!(try_page(PAGE), Ok(()));
        assert!(try_page(&PAGE.replace("\nb\n", "\nc\n")).is_err());
        assert!(try_page(&PAGE.replace("[exit 3]\n", "")).is_err());
    }
}
