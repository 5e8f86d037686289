//! Test files: finding them, running them in this process, and their expectations.

use crate::matching::{matches, renewed};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What marks the lines that say how to run.
const RUN: &str = "// RUN:";
/// What stands for the tool as a program, among the arguments of a command that calls it.
const TOOL: &str = "$CEG4NC";
/// What the name of an expectation ends in.
const EXPECT: &str = "expect";
/// Files that are tests by their extension.
const KINDS: [&str; 2] = ["nnir", "test"];
/// Folders whose files tests use and that are no tests themselves.
const INPUTS: [&str; 2] = ["networks", "inputs"];

/// A test file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its path, with `/`, from the working directory.
    pub path: String,
    /// Its commands.
    pub commands: Vec<String>,
}

/// What running a case led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was expected.
    Passed,
    /// The expectation was written anew; what of its exit codes asks for a second look, a line
    /// each: those that are not 0, and those that changed.
    Blessed(Vec<String>),
    /// Why not.
    Failed(String),
}

/// Every test file below `folder`, sorted.
///
/// # Errors
/// A folder or file that cannot be read; a file that looks like a test and says not how to run.
pub fn find(folder: &Path) -> io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in files(folder)? {
        let is_test = path
            .extension()
            .is_some_and(|e| KINDS.iter().any(|k| e == *k));
        let is_input = path
            .components()
            .any(|c| INPUTS.iter().any(|i| c.as_os_str() == *i));
        if !is_test || is_input {
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        let commands: Vec<String> = text
            .lines()
            .map_while(|l| l.strip_prefix(RUN))
            .map(|l| l.trim().to_owned())
            .collect();
        let path = slashes(&path);
        if commands.is_empty() {
            let text = format!("{path} does not begin with `{RUN} ceg4nc …`");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        cases.push(Case { path, commands });
    }
    Ok(cases)
}

/// Expectations below `folder` that no test file has.
///
/// # Errors
/// A folder that cannot be read.
pub fn strays(folder: &Path) -> io::Result<Vec<String>> {
    let all = files(folder)?;
    let stray = |p: &&PathBuf| {
        let is_expectation = p.extension().is_some_and(|e| e == EXPECT);
        is_expectation && !p.with_extension("").is_file()
    };
    Ok(all.iter().filter(stray).map(|p| slashes(p)).collect())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|e| e.map(|e| e.path()))
        .collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            out.extend(files(&path)?);
        } else {
            out.push(path);
        }
    }
    Ok(out)
}

fn slashes(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|c| c.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

impl Case {
    /// Where its expectation stands.
    pub fn expectation(&self) -> PathBuf {
        PathBuf::from(format!("{}.{EXPECT}", self.path))
    }

    /// Runs it and compares; with `bless` an expectation that does not match is written anew.
    pub fn run(&self, bless: bool) -> Outcome {
        let found = match self.transcript() {
            Ok(text) => text,
            Err(e) => return Outcome::Failed(e),
        };
        let path = self.expectation();
        let old = fs::read_to_string(&path);
        let failure = match &old {
            Ok(pattern) => match matches(pattern, &found) {
                Ok(()) => return Outcome::Passed,
                Err(e) => e,
            },
            Err(e) => format!("{}: {e}\n{found}", path.display()),
        };
        if !bless {
            return Outcome::Failed(format!("{failure}\nBLESS=1 accepts what was found"));
        }
        let attention = attention(old.as_deref().unwrap_or_default(), &found);
        let new = renewed(old.as_deref().unwrap_or_default(), &found);
        match fs::write(&path, new) {
            Ok(()) => Outcome::Blessed(attention),
            Err(e) => Outcome::Failed(format!("{}: {e}", path.display())),
        }
    }

    /// The commands with their exit codes and outputs.
    fn transcript(&self) -> Result<String, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let tmp = folder.path().to_string_lossy().into_owned();
        let tool = folder.path().join("bin/ceg4nc");
        if self.commands.iter().any(|c| c.contains(TOOL)) {
            link_tool(&tool).map_err(|e| e.to_string())?;
        }
        let tool = tool.to_string_lossy();
        let mut out = String::new();
        for command in &self.commands {
            let words: Vec<String> = command
                .split_whitespace()
                .map(|w| w.replace("%s", &self.path).replace("$TMP", &tmp))
                .map(|w| w.replace(TOOL, &tool))
                .collect();
            let (code, stdout, stderr) = execute(&words)?;
            let tidy = |text: Vec<u8>| {
                let text = String::from_utf8_lossy(&text).replace(&tmp, "$TMP");
                without_times(&text)
            };
            out.push_str(&format!("$ {command}\n"));
            out.push_str(&tidy(stdout));
            let stderr = tidy(stderr);
            if !stderr.is_empty() {
                out.push_str("--- standard error\n");
                out.push_str(stderr.trim_end_matches('\n'));
                out.push('\n');
            }
            if code != 0 {
                out.push_str(&format!("[exit {code}]\n"));
            }
        }
        Ok(out)
    }
}

/// The commands of a transcript with their exit codes.
fn exits(transcript: &str) -> Vec<(&str, &str)> {
    let mut all: Vec<(&str, &str)> = Vec::new();
    for line in transcript.lines() {
        let code = line
            .strip_prefix("[exit ")
            .and_then(|l| l.strip_suffix(']'));
        match (line.strip_prefix("$ "), code, all.last_mut()) {
            (Some(command), _, _) => all.push((command, "0")),
            (None, Some(code), Some(last)) => last.1 = code,
            (None, _, _) => {}
        }
    }
    all
}

/// What of the exit codes of a new transcript asks for a second look.
fn attention(old: &str, new: &str) -> Vec<String> {
    let before = exits(old);
    let told = exits(new).into_iter().filter_map(|(command, code)| {
        let known = before.iter().find(|(c, _)| *c == command);
        match known {
            Some((_, was)) if *was != code => {
                Some(format!("exit code {was} became {code}: {command}"))
            }
            Some(_) | None if code != "0" => Some(format!("exit {code}: {command}")),
            Some(_) | None => None,
        }
    });
    told.collect()
}

/// Makes the program that runs the tests callable as the tool: it is one under the tool's name.
fn link_tool(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    std::os::unix::fs::symlink(std::env::current_exe()?, path)
}

type Output = (i32, Vec<u8>, Vec<u8>);

/// `ceg4nc …` in this process; `ls FOLDER` (every file below) and `cat FILE` look at outputs.
fn execute(words: &[String]) -> Result<Output, String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let code = match words[..] {
        ["ceg4nc", ..] => ceg4nc::run(words.iter().map(OsString::from), &mut out, &mut err),
        ["ls", folder] => {
            let root = Path::new(folder);
            for path in files(root).map_err(|e| format!("ls {folder}: {e}"))? {
                let path = path.strip_prefix(root).unwrap_or(&path);
                out.extend_from_slice(format!("{}\n", slashes(path)).as_bytes());
            }
            0
        }
        ["cat", file] => {
            out = fs::read(file).map_err(|e| format!("cat {file}: {e}"))?;
            0
        }
        _ => return Err(format!("`{}` is no command of a test", words.join(" "))),
    };
    Ok((code, out, err))
}

/// Replaces times by `[..]`: `0.12 s`, `seconds: 1.5`, `"seconds": 1e-3`, and moments.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let (body, end) = match line.strip_suffix('\n') {
            Some(body) => (body, "\n"),
            None => (line, ""),
        };
        out.push_str(&line_without_times(body));
        out.push_str(end);
    }
    out
}

/// Fields of JSON that differ from run to run or from machine to machine.
const MEASURED: [&str; 12] = [
    "seconds",
    "total",
    "search",
    "verify",
    "emit",
    "cpu_seconds",
    "median_ms",
    "max_ms",
    "median_cpu_ms",
    "max_cpu_ms",
    "peak_memory",
    "jobs",
];

/// `2026-01-31T12:00:00Z` as `[..]`, wherever it stands.
fn without_moments(line: &str) -> String {
    let is_moment = |t: &[u8]| {
        let digits = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18];
        t.len() == 20
            && digits.iter().all(|i| t[*i].is_ascii_digit())
            && [
                (4, b'-'),
                (7, b'-'),
                (10, b'T'),
                (13, b':'),
                (16, b':'),
                (19, b'Z'),
            ]
            .iter()
            .all(|(i, c)| t[*i] == *c)
    };
    let mut out = line.to_owned();
    while let Some(at) = out.as_bytes().windows(20).position(is_moment) {
        out.replace_range(at..at + 20, "[..]");
    }
    out
}

fn line_without_times(line: &str) -> String {
    let line = &without_moments(line);
    let is_number = |t: &str| !t.is_empty() && t.parse::<f64>().is_ok();
    // Objects of times are one key a line, all numbers.
    if let Some((key, value)) = line.split_once(": ") {
        let name = key.trim().trim_matches('"');
        let (number, comma) = match value.strip_suffix(',') {
            Some(number) => (number, ","),
            None => (value, ""),
        };
        if MEASURED.contains(&name) && is_number(number) {
            return format!("{key}: [..]{comma}");
        }
        // The last line of a bench, where its start is a time.
        if key == "seconds" && value.split_once(", CPU ").is_some_and(|v| is_number(v.0)) {
            return "seconds: [..]".to_owned();
        }
    }
    // A table's last column.
    if let Some(rest) = line.strip_suffix(" s")
        && let Some((front, number)) = rest.rsplit_once(' ')
        && is_number(number)
    {
        return format!("{front} [..] s");
    }
    // A table in Markdown, whose last column is a time.
    if let Some(rest) = line.strip_suffix(" |").filter(|_| line.starts_with("| "))
        && let Some((front, last)) = rest.rsplit_once("| ")
        && let Some(found) = last.split(' ').next().filter(|n| is_time(n))
    {
        return format!("{front}| [..]{} |", &last[found.len()..]);
    }
    match line.starts_with("  ") {
        true => columns_without_times(line),
        false => line.to_owned(),
    }
}

/// Digits with three decimals.
fn is_time(word: &str) -> bool {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let parts = word.split_once('.');
    parts.is_some_and(|(whole, rest)| digits(whole) && digits(rest) && rest.len() == 3)
}

/// The line of a table without its times: neighbouring columns with three decimals.
fn columns_without_times(line: &str) -> String {
    // Where the words begin that stand in a column of their own, and which they are.
    let mut at = 0;
    let words = line.split(' ').map(|word| {
        let begin = at;
        at += word.len() + 1;
        (begin, word)
    });
    let column = |begin: usize| line[..begin].ends_with("  ");
    let times: Vec<_> = words.filter(|(b, w)| is_time(w) && column(*b)).collect();
    let Some((mut front, word)) = times.last().copied() else {
        return line.to_owned();
    };
    let rest = &line[front + word.len()..];
    // A radius may look like a time, but other columns stand between.
    for (begin, word) in times.iter().rev() {
        if line[begin + word.len()..].trim_start().len() == line[front..].len() {
            front = *begin;
        }
    }
    format!("{} [..]{rest}", line[..front].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_replaced() {
        for (line, tidy) in [
            ("  left  proved  0.12 s", "  left  proved  [..] s"),
            ("seconds: 1.50", "seconds: [..]"),
            ("  1  2026-11-27T14:28:58Z  iris", "  1  [..]  iris"),
            ("  \"seconds\": 1e-3,", "  \"seconds\": [..],"),
            ("    \"total\": 12", "    \"total\": [..]"),
            ("cost: 12", "cost: 12"),
            ("seconds: 1.5, CPU 2.0, 2 threads", "seconds: [..]"),
            ("  \"max_ms\": 0.5", "  \"max_ms\": [..]"),
            ("  a  proved  1   0     0.125", "  a  proved  1   0 [..]"),
            (
                "  a  0.1  2      0.125    11.500  note 3",
                "  a  0.1  2 [..]  note 3",
            ),
            ("| a | 1.000 | 2.125 |", "| a | 1.000 | [..] |"),
            ("| a | 2.125 a note |", "| a | [..] a note |"),
            ("| a | 2.5 |", "| a | 2.5 |"),
            ("  reference [0.125, 0.250]", "  reference [0.125, 0.250]"),
            ("  a  0.1  0.25", "  a  0.1  0.25"),
            ("  a  0.015  2  1.250     0.250", "  a  0.015  2 [..]"),
            ("  a  eps 0.016  none  0.001", "  a  eps 0.016  none [..]"),
            ("it takes s", "it takes s"),
            ("\"seconds\": {", "\"seconds\": {"),
        ] {
            assert_eq!(without_times(line), tidy);
        }
    }

    #[test]
    fn a_case_passes_fails_and_is_blessed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.test");
        fs::write(&file, "// RUN: ceg4nc runs\n").unwrap();
        fs::write(folder.path().join("b.test.expect"), "").unwrap();
        let cases = find(folder.path()).unwrap();
        assert_eq!(cases.len(), 1);
        assert_eq!(strays(folder.path()).unwrap().len(), 1);

        let case = &cases[0];
        assert!(matches!(case.run(false), Outcome::Failed(_)));
        let seen = Outcome::Blessed(vec!["exit 2: ceg4nc runs".to_owned()]);
        assert_eq!(case.run(true), seen);
        assert_eq!(case.run(false), Outcome::Passed);
        let text = fs::read_to_string(case.expectation()).unwrap();
        assert!(
            text.contains("E0601") && text.contains("[exit 2]"),
            "{text}"
        );
        fs::write(case.expectation(), text.replace("[exit 2]", "[exit 3]")).unwrap();
        assert!(matches!(case.run(false), Outcome::Failed(_)));
        let changed = "exit code 3 became 2: ceg4nc runs".to_owned();
        assert_eq!(case.run(true), Outcome::Blessed(vec![changed]));

        fs::write(&file, "// RUN: rm -rf x\n").unwrap();
        let case = &find(folder.path()).unwrap()[0];
        assert!(matches!(case.run(true), Outcome::Failed(e) if e.contains("no command")));
        fs::write(&file, "nothing\n").unwrap();
        assert!(find(folder.path()).is_err());
    }
}
