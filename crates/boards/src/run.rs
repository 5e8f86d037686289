//! Runs compilers and emulators, and images under them.

use crate::board::{Board, required};
use crate::{Error, Image};
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// An emulator that hangs is ended after this time; no result depends on it.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a command to its end; its standard output.
pub(crate) fn succeed(command: &mut Command) -> Result<String, Error> {
    let shown = shown(command);
    let out = command.output().map_err(|source| Error::File {
        path: command.get_program().into(),
        source,
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if out.status.success() {
        return Ok(text(&out.stdout));
    }
    Err(Error::Command {
        command: shown,
        status: out.status.to_string(),
        output: text(&out.stdout) + &text(&out.stderr),
    })
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or_default();
    let mut text = name.to_string_lossy().into_owned();
    for a in command.get_args() {
        text.push(' ');
        text.push_str(&a.to_string_lossy());
    }
    text
}

/// What an image wrote and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Lines of what it wrote.
    pub lines: Vec<String>,
    /// True for exit status 0.
    pub success: bool,
}

impl Image {
    /// Runs the image on its board. Under QEMU an instruction takes 2^`shift` nanoseconds of the
    /// board's time; other boards ignore it.
    ///
    /// # Errors
    /// A missing emulator, and one that does not end.
    pub fn run(&self, shift: u32) -> Result<Output, Error> {
        let mut command = match (self.board.machine(), self.board) {
            (Some((_, machine)), _) => {
                let mut c = Command::new(required("qemu-system-arm")?);
                c.args(["-M", machine, "-nographic", "-monitor", "none"])
                    .args(["-serial", "none"])
                    .args(["-semihosting-config", "enable=on,target=native"])
                    .args(["-icount", &format!("shift={shift}")])
                    .arg("-kernel")
                    .arg(&self.file);
                c
            }
            (None, Board::Atmega2560) => {
                let mut c = Command::new(required("simavr")?);
                c.args(["-m", "atmega2560", "-f", "16000000"])
                    .arg(&self.file);
                c
            }
            (None, _) => Command::new(&self.file),
        };
        let (status, text) = bounded(&mut command)?;
        Ok(understand(self.board, status, &text))
    }
}

/// simavr decorates a line with colours and shows each control character as a full stop; how the
/// program ended is a line of its own.
fn understand(board: Board, status: ExitStatus, text: &str) -> Output {
    if board != Board::Atmega2560 {
        return Output {
            lines: text.lines().map(str::to_owned).collect(),
            success: status.success(),
        };
    }
    let mut lines = Vec::new();
    let mut success = false;
    for line in text.lines() {
        let Some(at) = line.find("\u{1b}[32m") else {
            continue;
        };
        let line = &line[at + "\u{1b}[32m".len()..];
        let line = line.strip_suffix('.').unwrap_or(line);
        match line {
            "" => {}
            "exit 0" => success = status.success(),
            "exit 1" => {}
            _ => lines.push(line.to_owned()),
        }
    }
    Output { lines, success }
}

/// A word and three numbers.
pub(crate) type Line<'a> = (&'a str, [i64; 3]);

/// The harness's lines: a word and three numbers each, the last one `end`.
pub(crate) fn parsed(lines: &[String]) -> Result<Vec<Line<'_>>, Error> {
    let unexpected = |text: String| Error::Unexpected {
        what: "a program on a board wrote",
        text,
    };
    let one = |line: &str| -> Option<[i64; 3]> {
        let numbers: Result<Vec<i64>, _> = line.split(' ').skip(1).map(str::parse).collect();
        numbers.ok()?.try_into().ok()
    };
    let mut all = Vec::new();
    for line in lines {
        let numbers = one(line).ok_or_else(|| unexpected(line.clone()))?;
        let word = line.split(' ').next().unwrap_or_default();
        all.push((word, numbers));
    }
    if all.last().is_none_or(|(w, _)| *w != "end") {
        return Err(unexpected(format!("no end: {lines:?}")));
    }
    Ok(all)
}

/// Runs a command with both outputs in one text; ends it if it takes too long.
fn bounded(command: &mut Command) -> Result<(ExitStatus, String), Error> {
    let shown = shown(command);
    let failed = |status: String, output: String| Error::Command {
        command: shown.clone(),
        status,
        output,
    };
    let started = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|e| failed(e.to_string(), String::new()))?;
    let readers = [
        child.stdout.take().map(|s| reader(Box::new(s))),
        child.stderr.take().map(|s| reader(Box::new(s))),
    ];
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => {
                // It may have ended just now; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let texts = readers.into_iter().flatten().map(|t| t.join());
    let text: String = texts.map(Result::unwrap_or_default).collect();
    match status {
        Some(status) => Ok((status, text)),
        None => Err(failed("no end in time".to_owned(), text)),
    }
}

fn reader(mut from: Box<dyn Read + Send>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could not be read counts as not written.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
