//! How the program behaves on a terminal and beside one: colours, widths, loudness, completions in
//! a real shell, manual pages under a real formatter.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ceg4nc::{Console, Manners, Screen, run_on};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ESCAPE: char = '\u{1b}';

/// A file of the tests.
fn net(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks");
    folder.join(name).to_str().unwrap().to_owned()
}

/// Exit code, results and messages of a call, on a terminal or not.
fn call(args: &[&str], terminal: bool, columns: Option<usize>) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console {
        out: &mut out,
        err: &mut err,
        input: &mut io::empty(),
        err_is_terminal: terminal,
        colours: true,
        manners: Manners {
            out_is_terminal: terminal,
            columns,
            ..Manners::default()
        },
        screen: Screen::default(),
        cancel: Default::default(),
    };
    let args = std::iter::once("ceg4nc").chain(args.iter().copied());
    let code = run_on(args.map(OsString::from), &mut console);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

#[test]
fn color_says_what_is_coloured() {
    let errors = |color: &str, terminal| {
        let args = ["check", "no-such-file.nnir", "--color", color];
        call(&args, terminal, None).2.contains(ESCAPE)
    };
    let help = |color: &str, terminal| {
        let args = ["--color", color, "check", "--help"];
        call(&args, terminal, None).1.contains(ESCAPE)
    };
    let usage = |color: &str, terminal| {
        let args = ["check", "--no-such-option", "--color", color];
        call(&args, terminal, None).2.contains(ESCAPE)
    };
    for coloured in [&errors as &dyn Fn(&str, bool) -> bool, &help, &usage] {
        assert!(coloured("auto", true) && !coloured("auto", false));
        assert!(coloured("always", true) && coloured("always", false));
        assert!(!coloured("never", true) && !coloured("never", false));
    }
}

#[test]
fn quiet_leaves_results_and_errors() {
    let tiny = net("tiny.nnir");
    let (code, out, err) = call(&["verify", &tiny, "-q"], true, None);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("PROVED"), "{out}");

    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let output = output.to_str().unwrap();
    // Searching without a proof warns of what is written.
    let args = ["compile", &tiny, "-o", output, "--preset", "uniform:2:4"];
    let loud = call(&args, false, None);
    let quiet = call(&[&args[..], &["--quiet"]].concat(), false, None);
    assert!(
        loud.2.contains("warning") || loud.2.contains("note"),
        "{}",
        loud.2
    );
    assert_eq!((loud.0, ""), (quiet.0, quiet.2.as_str()));

    let (code, _, err) = call(&["check", "no-such-file.nnir", "-q"], false, None);
    assert_eq!(code, 3);
    assert!(err.contains("error[E0501]"), "{err}");
    let (code, _, err) = call(&["check", &tiny, "-q", "-v"], false, None);
    assert_eq!(code, 2);
    assert!(err.contains("E0601"), "{err}");
}

#[test]
fn verbose_tells_what_was_chosen_beside_the_result() {
    let tiny = net("tiny.nnir");
    let args = ["verify", &tiny, "--format", "json"];
    let (_, plain, silent) = call(&args, false, None);
    let (_, out, err) = call(&[&args[..], &["-v"]].concat(), false, None);
    assert_eq!(silent, "");
    for part in ["chosen: solver embedded", "verify: ", "seconds: "] {
        assert!(err.contains(part), "{err}");
    }
    let keys = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys
    };
    assert_eq!(keys(&plain), keys(&out));
}

#[test]
fn tables_and_help_fit_the_width() {
    let tiny = net("tiny.nnir");
    let digits = net("digits.nnir");
    for columns in [40, 60, 80] {
        for args in [
            &["check", &tiny][..],
            &["check", &digits],
            &["verify", &tiny],
            &["rules", "--list"],
            &["opt", "--list-passes"],
            &["doctor"],
        ] {
            let (code, text, _) = call(args, true, Some(columns));
            assert_eq!(code, 0, "{text}");
            // Lines of prose are left to the terminal; rows of tables are indented.
            let is_row = |l: &&str| l.starts_with("  ") || args[0] == "rules";
            for line in text.lines().filter(is_row) {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
        let (_, help, _) = call(&["compile", "--help"], false, Some(columns));
        assert!(help.lines().all(|l| l.chars().count() <= columns), "{help}");
    }
}

#[test]
fn without_a_width_a_row_is_a_line() {
    let rows = |columns| call(&["rules", "--list"], false, columns).1.lines().count();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ir-specs/rules");
    let rules = std::fs::read_dir(rules).unwrap().count();
    assert_eq!(rows(None), rules);
    assert!(rows(Some(40)) > rules);
}

/// The program as a process, without a terminal.
fn process(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceg4nc"));
    command
        .args(args)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR");
    command.envs(environment.iter().copied());
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_environment_is_read() {
    let widest = |environment: &[(&str, &str)]| {
        let out = process(&["compile", "--help"], environment).stdout;
        let out = String::from_utf8(out).unwrap();
        out.lines().map(|l| l.chars().count()).max().unwrap()
    };
    assert!((90..=100).contains(&widest(&[])));
    assert!((50..=60).contains(&widest(&[("COLUMNS", "60")])));
    assert!((90..=100).contains(&widest(&[("COLUMNS", "wide")])));
    let coloured = |args: &[&str]| {
        let err = process(args, &[("NO_COLOR", "1")]).stderr;
        String::from_utf8(err).unwrap().contains(ESCAPE)
    };
    assert!(!coloured(&["check", "no-such-file.nnir"]));
    assert!(coloured(&["check", "no-such-file.nnir", "--color=always"]));
}

#[test]
fn doctor_tells_what_fails_and_what_is_missing() {
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let none = process(&["doctor"], &[("PATH", "/no-such-folder")]);
    let told = text(&none);
    // Nothing optional is needed.
    assert_eq!(none.status.code(), Some(0), "{told}");
    assert!(told.contains("missing, none of it needed"), "{told}");
    assert!(told.contains("arm-none-eabi-gcc") && told.contains("estimated, not measured"));
    assert!(told.contains("z3, from github.com/Z3Prover/z3"), "{told}");

    let broken = process(&["doctor"], &[("TMPDIR", "/no-such-folder")]);
    let told = text(&broken);
    assert_eq!(broken.status.code(), Some(1), "{told}");
    assert!(told.contains("FAILS  /no-such-folder"), "{told}");

    let json = process(
        &["doctor", "--format", "json"],
        &[("PATH", "/no-such-folder")],
    );
    let json: serde_json::Value = serde_json::from_str(&text(&json)).unwrap();
    assert_eq!(json["ready"], true);
    let missing = |list: &str| {
        let all = json[list].as_array().unwrap().iter();
        all.filter(|f| f["install"].is_string() && f["without"].is_string())
            .count()
    };
    assert_eq!(missing("solvers"), 3);
    assert_eq!(missing("tools"), json["tools"].as_array().unwrap().len());
}

#[test]
#[cfg(target_os = "linux")]
fn a_real_terminal_is_asked_for_its_width() {
    let (tool, tiny) = (env!("CARGO_BIN_EXE_ceg4nc"), net("tiny.nnir"));
    let commands = format!(
        "stty cols 50 rows 24; unset COLUMNS NO_COLOR; '{tool}' check '{tiny}'; \
         '{tool}' -q check missing.nnir"
    );
    // Everything that the commands print, as a terminal shows it.
    let args = ["-qec", &commands, "/dev/null"];
    let Some(output) = through("script", &args, "") else {
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<_> = text.lines().filter(|l| l.starts_with("  ")).collect();
    let wide = |l: &&&str| l.trim_end().chars().count() > 50;
    assert!(rows.len() > 3 && !rows.iter().any(|l| wide(&l)), "{text}");
    assert!(text.contains(ESCAPE) && text.contains("E0501"), "{text}");
}

/// What a program makes of a text; `None` if it is not installed, which is an error under
/// `CEG4N_REQUIRE_TOOLS=1`.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn through(program: &str, args: &[&str], input: &str) -> Option<Output> {
    let started = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
        assert!(!required, "there is no {program}");
        eprintln!("skipped: there is no {program}");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Some(output)
}

#[test]
fn bash_completes_commands_options_and_values() {
    let (code, script, _) = call(&["completions", "bash"], false, None);
    assert_eq!(code, 0);
    let ask = |words: &str, previous: &str| {
        let last = words.split(' ').count() - 1;
        let (_, current) = words.rsplit_once(' ').unwrap();
        format!(
            "COMP_WORDS=({}); COMP_CWORD={last}; _ceg4nc ceg4nc '{current}' '{previous}'; \
             echo \"${{COMPREPLY[@]}}\"\n",
            words.replace(' ', "' '").replace("ceg4nc'", "'ceg4nc'") + "'"
        )
    };
    let asked = [
        ask("ceg4nc ver", "ceg4nc"),
        ask("ceg4nc compile --max-fl", "compile"),
        ask("ceg4nc check --color ", "--color"),
    ];
    let program = format!("{script}\n{}", asked.concat());
    let Some(output) = through("bash", &["--norc"], &program) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines, ["verify", "--max-flash", "auto always never"]);
}

#[test]
fn fish_completes_commands_options_and_values() {
    let (code, script, _) = call(&["completions", "fish"], false, None);
    assert_eq!(code, 0);
    let asked = [
        "ceg4nc ver",
        "ceg4nc compile --max-fl",
        "ceg4nc check --color ",
    ];
    let ask = asked.map(|words| format!("complete -C '{words}'\n"));
    let program = format!("{script}\n{}", ask.concat());
    let Some(output) = through("fish", &["--no-config"], &program) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let lines = String::from_utf8(output.stdout).unwrap();
    // Each with its help behind a tab.
    let names: Vec<_> = lines.lines().filter_map(|l| l.split('\t').next()).collect();
    assert_eq!(names, ["verify", "--max-flash", "always", "auto", "never"]);
}

#[test]
fn zsh_reads_its_script() {
    let (code, script, _) = call(&["completions", "zsh"], false, None);
    assert_eq!(code, 0);
    let program = format!("compdef() {{ echo $@ }}\n{script}");
    let Some(output) = through("zsh", &["-f"], &program) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(found, "_ceg4nc ceg4nc\n", "the function is registered");
}

#[test]
fn every_shell_has_a_script_that_knows_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, script, err) = call(&["completions", shell], false, None);
        assert_eq!((code, err.as_str()), (0, ""));
        for command in ["compile", "verify", "doctor", "completions", "man"] {
            assert!(script.contains(command), "{shell} without {command}");
        }
    }
    assert_eq!(call(&["completions", "cmd"], false, None).0, 2);
}

#[test]
fn manual_pages_are_clean_and_complete() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let (code, out, _) = call(&["man", "-o", pages.to_str().unwrap()], false, None);
    assert_eq!(code, 0);
    let mut names: Vec<_> = std::fs::read_dir(&pages)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    names.sort();
    assert!(out.starts_with(&format!("{} pages", names.len())), "{out}");
    let main = call(&["man"], false, None).1;
    let written = std::fs::read_to_string(pages.join("ceg4nc.1")).unwrap();
    assert_eq!(main, written);
    assert!(pages.join("ceg4nc-bench-verify.1").is_file());
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let args = ["-ww", "-man", "-Tutf8", "-P-cbou"];
        let Some(shown) = through("groff", &args, &text) else {
            return;
        };
        let place = path.display();
        assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "{place}");
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("SYNOPSIS"), "{place}");
        if path.ends_with("ceg4nc.1") {
            assert!(shown.contains("EXIT STATUS") && shown.contains("NO_COLOR"));
        }
    }
}
