//! Any SMT-LIB 2 program as a process: z3, cvc5, bitwuzla or another, under a deadline, a memory
//! limit and a kill of its whole process group.
//!
//! Commands without an answer of their own are written ahead; their `success`es are read before
//! the next answer. Behind every question stands an `echo`: an answer counts only if exactly one
//! came and the program was still alive and in step after it. Its end, an `(error …)`, or
//! anything unexpected closes the backend for good.

use super::answer::{next_expression, shorten};
use super::{LONGEST, Limits, Outcome, Solver, solve_on};
use crate::query::Query;
use crate::term::Logic;
use smtlib_lowlevel::Error;
use smtlib_lowlevel::ast::{Command, Option as SmtOption};
use smtlib_lowlevel::backend::Backend;
use std::ffi::OsString;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often a wait looks at the limits.
const POLL: Duration = Duration::from_millis(20);
/// How long a program that closed its output may take to end.
const GRACE: Duration = Duration::from_millis(200);
/// Answers read ahead; a program that says more waits.
const READ_AHEAD: usize = 256;

/// A program and its arguments, such that it reads SMT-LIB 2 from its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Name for messages.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The logic it is asked in where either can express the question.
    pub logic: Logic,
}

impl Program {
    /// A program at a path, with the arguments that its file name suggests: those of z3, cvc5
    /// and bitwuzla are known, any other gets none. It is asked about integers, which general
    /// solvers decide faster, unless its name is that of a solver of bit vectors alone.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let stem = path
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().to_ascii_lowercase());
        let arguments: &[&str] = if stem.starts_with("z3") {
            &["-in", "-smt2"]
        } else if stem.starts_with("cvc5") {
            &["--lang", "smt2", "--produce-models", "--incremental", "-"]
        } else if stem.starts_with("bitwuzla") {
            &["--lang", "smt2"]
        } else {
            &[]
        };
        let vectors_alone = ["bitwuzla", "boolector", "stp"];
        let logic = if vectors_alone.iter().any(|name| stem.starts_with(name)) {
            Logic::Bv
        } else {
            Logic::Lia
        };
        Self {
            logic,
            name: stem,
            path,
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
        }
    }
}

/// A solver that starts its program anew for each query.
#[derive(Clone, Debug)]
pub struct ProcessSolver {
    program: Program,
}

impl ProcessSolver {
    /// A solver on a program.
    pub fn new(program: Program) -> Self {
        Self { program }
    }
}

impl Solver for ProcessSolver {
    fn name(&self) -> String {
        self.program.name.clone()
    }

    fn logic(&self) -> Logic {
        self.program.logic
    }

    fn solve(&mut self, query: &Query, limits: &Limits) -> Outcome {
        match ProcessBackend::start(&self.program, limits) {
            Ok(mut backend) => solve_on(&mut backend, query),
            Err(e) => Outcome::Unknown(format!("{} does not start: {e}", self.program.name)),
        }
    }
}

/// A running program behind smtlib-lowlevel's [`Backend`]. Dropping it kills the program.
#[derive(Debug)]
pub struct ProcessBackend {
    name: String,
    running: Running,
    input: Sender<String>,
    output: Receiver<io::Result<Option<String>>>,
    limits: Limits,
    /// Commands written whose `success` has not been read.
    pending: u64,
    /// Questions asked so far; numbers the echoes.
    questions: u64,
    /// Echoes behind which a `success` may still come: cvc5 prints one, z3 does not. It is no
    /// answer to a question, so it can be told apart.
    echoes: u64,
    /// Why there will be no further answer.
    closed: Option<String>,
}

impl ProcessBackend {
    /// Starts a program under limits.
    ///
    /// # Errors
    /// If the shell that sets the limits cannot be started. A program that does not exist is
    /// found by the first answer missing.
    pub fn start(program: &Program, limits: &Limits) -> io::Result<Self> {
        let limits = limits.clone().within(LONGEST);
        let mut command = limited(program, &limits);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut running = Running::start(&mut command)?;
        let child = &mut running.child;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the process has no pipes"));
        };
        let mut backend = Self {
            name: program.name.clone(),
            running,
            input: writer(stdin),
            output: reader(stdout),
            limits,
            pending: 0,
            questions: 0,
            echoes: 0,
            closed: None,
        };
        backend.send(&Command::SetOption(SmtOption::PrintSuccess(true)));
        backend.pending = 1;
        Ok(backend)
    }

    fn send(&mut self, text: &impl ToString) {
        let mut line = text.to_string();
        line.push('\n');
        // A writer that is gone shows as the end of the output.
        let _ = self.input.send(line);
    }

    /// The next expression that the program prints.
    fn receive(&mut self) -> Result<String, String> {
        loop {
            match self.output.recv_timeout(POLL) {
                Ok(Ok(Some(text))) => return Ok(text),
                Ok(Ok(None)) | Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                Ok(Err(e)) => return Err(format!("{}: {e}", self.name)),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(reason) = self.limits.stop() {
                        return Err(reason.to_owned());
                    }
                }
            }
        }
    }

    fn ended(&mut self) -> String {
        let end = Instant::now() + GRACE;
        loop {
            match self.running.status() {
                Ok(Some(status)) => {
                    return format!("{} ended without an answer ({status})", self.name);
                }
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
                _ => return format!("{} closed its output without an answer", self.name),
            }
        }
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        let answer = self.receive()?;
        if answer.trim_matches('"') == wanted {
            Ok(())
        } else {
            let answer = shorten(&answer);
            Err(format!("{} answered {answer} for `{wanted}`", self.name))
        }
    }

    fn ask(&mut self, command: &Command) -> Result<String, String> {
        self.questions += 1;
        let mark = format!("end-of-answer-{}", self.questions);
        self.send(command);
        self.send(&format!("(echo \"{mark}\")"));
        while self.pending > 0 {
            self.expect("success")?;
            self.pending -= 1;
        }
        let mut answer = self.receive()?;
        while answer == "success" && self.echoes > 0 {
            self.echoes -= 1;
            answer = self.receive()?;
        }
        if answer.trim_matches('"') == mark {
            return Err(format!("{} gave no answer to `{command}`", self.name));
        }
        if answer.starts_with("(error") {
            return Err(format!("{} answered {}", self.name, shorten(&answer)));
        }
        self.expect(&mark)?;
        self.echoes += 1;
        Ok(answer)
    }
}

impl Backend for ProcessBackend {
    fn exec(&mut self, command: Command) -> Result<String, Error> {
        if let Some(reason) = &self.closed {
            return Err(io::Error::other(reason.clone()).into());
        }
        if command.has_response() {
            return self.ask(&command).map_err(|reason| {
                self.closed = Some(reason.clone());
                self.running.stop();
                io::Error::other(reason).into()
            });
        }
        if let Some(reason) = self.limits.stop() {
            self.closed = Some(reason.to_owned());
            self.running.stop();
            return Err(io::Error::other(reason).into());
        }
        // Set from the start, and needed to stay in step.
        if !matches!(command, Command::SetOption(SmtOption::PrintSuccess(_))) {
            self.send(&command);
            self.pending += 1;
        }
        Ok("success".to_owned())
    }
}

/// What a program prints on its standard output, for instance its version.
///
/// # Errors
/// If it does not start, or has not ended at the deadline.
pub(super) fn output_of(path: &Path, argument: &str, time: Duration) -> io::Result<String> {
    let mut command = process::Command::new(path);
    command
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut running = Running::start(&mut command)?;
    let stdout = running.child.stdout.take();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(stdout) = stdout {
            let _ = io::Read::read_to_end(&mut io::Read::take(stdout, 1 << 16), &mut text);
        }
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver
        .recv_timeout(time)
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
}

/// The program behind a shell that sets its limits and is then replaced by it. The limit on
/// processor time only ends a program that outlives this process; a parallel solver needs more
/// of it than of the clock.
fn limited(program: &Program, limits: &Limits) -> process::Command {
    if cfg!(not(unix)) {
        let mut command = process::Command::new(&program.path);
        command.args(&program.arguments);
        return command;
    }
    let seconds = limits
        .deadline
        .map_or(LONGEST, |d| d.saturating_duration_since(Instant::now()))
        .as_secs()
        .saturating_add(1)
        .saturating_mul(8);
    let memory = match limits.memory_mib {
        Some(mib) => OsString::from(mib.saturating_mul(1024).to_string()),
        None => OsString::from("unlimited"),
    };
    let mut command = process::Command::new("sh");
    command
        .arg("-c")
        // A limit that cannot be set is an end without an answer, not a run without it.
        .arg("ulimit -t \"$1\" && { [ \"$2\" = unlimited ] || ulimit -v \"$2\"; } && shift 2 && exec \"$@\"")
        .arg("sh")
        .arg(seconds.to_string())
        .arg(memory)
        .arg(&program.path)
        .args(&program.arguments);
    command
}

/// A child that is killed with all it has started.
#[derive(Debug)]
struct Running {
    child: Child,
    /// It has been waited for, so its number may belong to somebody else by now.
    reaped: bool,
}

impl Running {
    fn start(command: &mut process::Command) -> io::Result<Self> {
        own_group(command);
        let child = command.spawn()?;
        Ok(Self {
            child,
            reaped: false,
        })
    }

    /// How it ended, if it has.
    fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.reaped |= status.is_some();
        Ok(status)
    }

    fn stop(&mut self) {
        if self.reaped {
            return;
        }
        kill_group(&self.child);
        // Fails only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.reaped = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
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

/// A thread that writes what it is sent: the program may be slow to read.
fn writer(mut stdin: ChildStdin) -> Sender<String> {
    let (sender, receiver) = channel::<String>();
    thread::spawn(move || {
        for text in receiver {
            if stdin.write_all(text.as_bytes()).is_err() || stdin.flush().is_err() {
                break;
            }
        }
    });
    sender
}

/// A thread that splits the output into expressions.
fn reader(stdout: ChildStdout) -> Receiver<io::Result<Option<String>>> {
    let (sender, receiver) = sync_channel(READ_AHEAD);
    thread::spawn(move || {
        let mut input = BufReader::new(stdout);
        loop {
            let next = next_expression(&mut input);
            let last = !matches!(next, Ok(Some(_)));
            if sender.send(next).is_err() || last {
                break;
            }
        }
    });
    receiver
}
