//! Progress of the program as a process: on a terminal, without one, and as JSON.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What begins a redraw of the line.
const REDRAW: &str = "\r\u{1b}[2K";

fn net(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks");
    folder.join(name).to_str().unwrap().to_owned()
}

/// The program without a terminal.
fn call(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceg4nc"));
    command.args(args).stdin(Stdio::null()).output().unwrap()
}

fn events(lines: &str) -> Vec<Value> {
    let events = lines.lines().filter(|l| l.starts_with("{\"event\":"));
    events.map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn json_is_an_event_a_line() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let out = out.to_str().unwrap();
    let tiny = net("tiny.nnir");
    for args in [
        &["compile", &tiny, "-o", out][..],
        &["verify", &tiny],
        &["rules"],
        &["verify", "no-such-file.nnir"],
    ] {
        let done = call(&[args, &["--progress", "json"]].concat());
        let text = String::from_utf8(done.stderr).unwrap();
        let told = events(&text);
        let of = |name: &str| told.iter().filter(|e| e["event"] == name).count();
        assert_eq!((of("started"), of("finished")), (1, 1), "{text}");
        let (first, last) = (&told[0], told.last().unwrap());
        assert_eq!(first["event"], "started");
        assert_eq!(first["schema_version"], 1);
        assert_eq!(last["event"], "finished");
        assert_eq!(first["command"], args[0]);
        let status = match done.status.code() {
            Some(0) => "proved",
            _ => "failed",
        };
        assert_eq!(last["status"], status, "{text}");
        assert!(told.iter().all(|e| e["seconds"].is_number()), "{text}");
        // Messages come after the events.
        let until = text.lines().take(told.len()).collect::<Vec<_>>().join("\n");
        assert_eq!(events(&until), told, "{text}");
    }
}

#[test]
fn short_commands_and_those_asked_to_be_quiet_show_nothing() {
    let tiny = net("tiny.nnir");
    for more in [&[][..], &["--progress", "never"], &["--quiet"]] {
        let done = call(&[&["verify", &tiny], more].concat());
        assert_eq!(String::from_utf8(done.stderr).unwrap(), "", "{more:?}");
    }
}

/// Reads until a text has come, or the end.
fn until(from: &mut impl Read, seen: &mut String, text: &str) {
    let mut buffer = [0; 4096];
    let begin = seen.len();
    while !seen[begin..].contains(text) {
        match from.read(&mut buffer) {
            // A terminal whose last user left gives an error.
            Ok(0) | Err(_) => return,
            Ok(n) => seen.push_str(&String::from_utf8_lossy(&buffer[..n])),
        }
    }
}

#[test]
fn an_interrupt_leaves_a_clean_terminal() {
    let place = tempfile::tempdir().unwrap();
    let words = [
        env!("CARGO_BIN_EXE_ceg4nc"),
        "compile",
        &net("iris.nnir"),
        "--pareto",
        "--effort",
        "64",
        "--jobs",
        "1",
        "-o",
        place.path().to_str().unwrap(),
    ];
    let command = words.map(|w| format!("'{w}'")).join(" ");
    let script = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match script {
        Ok(child) => child,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let text = "SKIPPED: script is not installed\n";
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
            assert!(!required, "script is not installed");
            return;
        }
        Err(e) => panic!("{e}"),
    };
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = String::new();
    until(&mut screen, &mut seen, "search 0:");
    assert!(seen.contains("search 0:"), "{seen:?}");
    keys.write_all(&[3]).unwrap();
    keys.flush().unwrap();
    until(&mut screen, &mut seen, "\0");
    child.wait().unwrap();
    let (before, after) = seen.split_once("stopping").unwrap();
    assert!(before.ends_with(REDRAW), "{before:?}");
    // Nothing is drawn any more, and the result is there.
    assert!(!after.contains(REDRAW), "{after:?}");
    assert!(after.contains("written to "), "{after:?}");
    // The cursor was never hidden.
    assert!(!seen.contains("\u{1b}[?25l"), "{seen:?}");
}
