//! Running the command of a reduction: no shell, a time limit, the end of its whole process group.

use super::{Test, Verdict};
use crate::progress::Cancel;
use ceg4n_base::{Diagnostic, codes};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What stands for the candidate's path among the arguments.
const PLACE: &str = "{}";
/// The longest pause between two looks at the command.
const POLL: Duration = Duration::from_millis(20);
/// So much of its output is searched.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// When a run is interesting. Without any wish: if it ends with 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// It ends with this code.
    pub exit: Option<i32>,
    /// A signal ends it.
    pub signal: Option<Signal>,
    /// Its output or its messages contain this text; how it ends then counts only where one of the
    /// others asks for it.
    pub text: Option<String>,
}

/// Which signal must end a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Whichever.
    Any,
    /// The one with this number.
    Number(i32),
}

impl std::str::FromStr for Signal {
    type Err = ();

    /// `any`, a number, or the name of a signal that stands for a crash, with or without `SIG`.
    fn from_str(text: &str) -> Result<Self, ()> {
        const NAMES: [(&str, i32); 8] = [
            ("ILL", 4),
            ("TRAP", 5),
            ("ABRT", 6),
            ("FPE", 8),
            ("KILL", 9),
            ("SEGV", 11),
            ("TERM", 15),
            ("XCPU", 24),
        ];
        let name = text.to_ascii_uppercase();
        if name == "ANY" {
            return Ok(Self::Any);
        }
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let named = NAMES.iter().find(|(n, _)| *n == name).map(|(_, k)| *k);
        let number = || name.parse().ok().filter(|k| (1..=64).contains(k));
        named.or_else(number).map(Self::Number).ok_or(())
    }
}

/// A program that decides which candidates are interesting.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// The program and its arguments; an argument's `{}` stands for the path of the candidate,
    /// which else comes last.
    pub(super) words: Vec<OsString>,
    pub(super) expect: Expectation,
    /// How long a run may take.
    pub(super) timeout: Duration,
    /// Ends a run when it is set.
    pub(super) cancel: Cancel,
    /// A folder for outputs.
    pub(super) folder: PathBuf,
}

/// How a run ended.
enum End {
    Exit(ExitStatus),
    Timeout,
    Cancelled,
}

impl Test for Command {
    fn run(&mut self, candidate: &Path) -> Result<Verdict, Diagnostic> {
        let Some((program, arguments)) = self.words.split_first() else {
            return Err(Diagnostic::error(
                codes::USAGE,
                "there is no command to run",
            ));
        };
        let failed = |what: &str, e: io::Error| {
            let program = program.display();
            Diagnostic::error(codes::USAGE, format!("cannot {what} {program}: {e}"))
        };
        let outputs = ["stdout", "stderr"].map(|name| self.folder.join(name));
        let mut command = process::Command::new(filled(program, candidate));
        command.args(arguments.iter().map(|a| filled(a, candidate)));
        if !self.words.iter().any(|w| holds(w, PLACE.as_bytes())) {
            command.arg(candidate);
        }
        let file = |k: usize| File::create(&outputs[k]).map(Stdio::from);
        command
            .stdin(Stdio::null())
            .stdout(file(0).map_err(|e| failed("keep the output of", e))?)
            .stderr(file(1).map_err(|e| failed("keep the messages of", e))?);
        own_group(&mut command);
        let child = command.spawn().map_err(|e| failed("start", e))?;
        let end = self.wait(child).map_err(|e| failed("wait for", e))?;
        Ok(self.judge(&end, &outputs))
    }
}

impl Command {
    fn wait(&self, child: Child) -> io::Result<End> {
        let mut running = Running(Some(child));
        let started = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = running.ended()? {
                return Ok(End::Exit(status));
            }
            if self.cancel.load(Ordering::Relaxed) {
                return Ok(End::Cancelled);
            }
            let elapsed = started.elapsed();
            if elapsed >= self.timeout {
                return Ok(End::Timeout);
            }
            sleep(pause.min(self.timeout - elapsed));
            pause = (pause * 2).min(POLL);
        }
    }

    fn judge(&self, end: &End, outputs: &[PathBuf]) -> Verdict {
        let seconds = self.timeout.as_secs_f64();
        let (status, how) = match end {
            End::Timeout => (None, format!("it still ran after {seconds} s")),
            End::Cancelled => (None, "it was interrupted".to_owned()),
            End::Exit(status) => (Some(*status), described(*status)),
        };
        let Some(status) = status else {
            return Verdict {
                interesting: false,
                how,
            };
        };
        let expect = &self.expect;
        let mut interesting = match (expect.exit, expect.signal, &expect.text) {
            (None, None, None) => status.success(),
            (None, None, Some(_)) => true,
            (exit, signal, _) => {
                let exited = exit.is_some_and(|k| status.code() == Some(k));
                let killed = match signal {
                    None => false,
                    Some(Signal::Any) => signal_of(status).is_some(),
                    Some(Signal::Number(k)) => signal_of(status) == Some(k),
                };
                exited || killed
            }
        };
        let mut how = how;
        if let Some(text) = &expect.text {
            let found = outputs.iter().any(|path| said(path, text));
            interesting = interesting && found;
            if !found {
                how.push_str(&format!(" without saying {text:?}"));
            }
        }
        Verdict { interesting, how }
    }
}

/// True if the file holds the text.
fn said(path: &Path, text: &str) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|f| f.take(OUTPUT_LIMIT).read_to_end(&mut bytes));
    read.is_ok() && contains(&bytes, text.as_bytes())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|w| w == part)
}

fn holds(word: &OsStr, part: &[u8]) -> bool {
    contains(word.as_encoded_bytes(), part)
}

/// The argument with the path in its place.
fn filled(word: &OsStr, path: &Path) -> OsString {
    // A name that is no text cannot be taken apart; it has no place either, as far as is known.
    let (Some(word), true) = (word.to_str(), holds(word, PLACE.as_bytes())) else {
        return word.to_owned();
    };
    let mut out = OsString::new();
    for (k, part) in word.split(PLACE).enumerate() {
        if k > 0 {
            out.push(path);
        }
        out.push(part);
    }
    out
}

fn described(status: ExitStatus) -> String {
    match (status.code(), signal_of(status)) {
        (Some(code), _) => format!("it ended with {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".to_owned(),
    }
}

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}

/// A child that is killed with all it has started unless it ended before.
struct Running(Option<Child>);

impl Running {
    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let Some(child) = &mut self.0 else {
            return Ok(None);
        };
        let status = child.try_wait()?;
        if status.is_some() {
            // Its number may belong to somebody else by now.
            self.0 = None;
        }
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            kill_group(child);
            // Fails only for a process that has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(unix)]
fn own_group(command: &mut process::Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn own_group(_: &mut process::Command) {}

#[cfg(unix)]
fn kill_group(child: &Child) {
    let group = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // Fails only for a group that has ended.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill_group(_: &Child) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn ran(words: &[&str], expect: Expectation, millis: u64) -> Result<Verdict, Diagnostic> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command {
            words: words.iter().map(OsString::from).collect(),
            expect,
            timeout: Duration::from_millis(millis),
            cancel: Cancel::default(),
            folder: folder.path().to_owned(),
        };
        command.run(Path::new("candidate.nnir"))
    }

    #[cfg(unix)]
    #[test]
    fn ends_codes_signals_and_texts_are_told_apart() {
        let interesting = |words: &[&str], exit, signal, text: Option<&str>| {
            let text = text.map(str::to_owned);
            let expect = Expectation { exit, signal, text };
            ran(words, expect, 10_000).unwrap().interesting
        };
        let sh = |script| ["sh", "-c", script];
        assert!(interesting(&["true"], None, None, None));
        assert!(!interesting(&["false"], None, None, None));
        assert!(interesting(&["false"], Some(1), None, None));
        assert!(!interesting(&sh("exit 3"), Some(1), None, None));
        let crash = sh("kill -ABRT $$");
        assert!(interesting(&crash, None, Some(Signal::Any), None));
        assert!(interesting(&crash, None, "SIGABRT".parse().ok(), None));
        assert!(!interesting(&crash, None, "segv".parse().ok(), None));
        assert!(!interesting(&crash, Some(134), None, None));
        assert!(interesting(&crash, Some(134), Some(Signal::Any), None));
        let says = sh("echo one; echo two >&2; exit 7");
        assert!(interesting(&says, None, None, Some("two")));
        assert!(interesting(&says, Some(7), None, Some("one")));
        assert!(!interesting(&says, Some(1), None, Some("one")));
        assert!(!interesting(&says, None, None, Some("three")));
    }

    #[cfg(unix)]
    #[test]
    fn the_path_stands_where_it_is_wanted() {
        let said = |words: &[&str], text: &str| {
            let expect = Expectation {
                text: Some(text.to_owned()),
                ..Expectation::default()
            };
            ran(words, expect, 10_000).unwrap().interesting
        };
        assert!(said(&["echo", "a"], "a candidate.nnir\n"));
        assert!(said(&["echo", "x={}", "b"], "x=candidate.nnir b\n"));
    }

    #[cfg(unix)]
    #[test]
    fn a_run_that_takes_too_long_ends_with_its_children() {
        let begun = Instant::now();
        let words = ["sh", "-c", "sleep 60 & sleep 60"];
        let verdict = ran(&words, Expectation::default(), 100).unwrap();
        assert!(!verdict.interesting);
        assert!(verdict.how.contains("still ran"), "{}", verdict.how);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_does_not_exist_is_wrong_usage() {
        let e = ran(&["./no-such-program"], Expectation::default(), 100).unwrap_err();
        assert_eq!(e.code, codes::USAGE);
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!("11".parse(), Ok(Signal::Number(11)));
        assert_eq!("sigsegv".parse(), Ok(Signal::Number(11)));
        assert_eq!("any".parse(), Ok(Signal::Any));
        for wrong in ["", "0", "65", "SIGFOO", "-1"] {
            assert_eq!(wrong.parse::<Signal>(), Err(()), "{wrong}");
        }
    }
}
