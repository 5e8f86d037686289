//! Solver processes that misbehave. Whatever they do, the answer is unknown.
use ceg4n_smt::solver::process::{ProcessSolver, Program};
use ceg4n_smt::solver::{available, from_name};
use ceg4n_smt::{Limits, Logic, Outcome, Query, Solver, Value};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A shell script in a folder of its own.
fn script(body: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fake");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (dir, path)
}

/// A solver that answers `success`, echoes, and runs `answer` on `check-sat`.
fn protocol(answer: &str) -> String {
    protocol_with("((x #b0101))", answer)
}

fn protocol_with(model: &str, answer: &str) -> String {
    format!(
        "while read -r line; do case $line in\n\
         *check-sat*) {answer} ;;\n\
         *echo*) line=${{line#*\\\"}}; echo \"${{line%%\\\"*}}\" ;;\n\
         *get-value*) echo '{model}' ;;\n\
         *) echo success ;; esac; done"
    )
}

/// Is there an x with x = `value`, in 4 bits?
fn question(value: i128) -> Query {
    let mut q = Query::new();
    let x = q.var("x", 4).unwrap();
    let c = q.constant(value, 4).unwrap();
    let same = q.equal(x, c).unwrap();
    q.assert(same).unwrap();
    q
}

/// Is there an integer x with 5 ≤ x ≤ 5?
fn integer_question() -> Query {
    let mut q = Query::over(Logic::Lia);
    let x = q.int_var("x").unwrap();
    q.assert_within(x, 5, 5).unwrap();
    q
}

fn ask(body: &str, q: &Query, limits: &Limits) -> Outcome {
    let (_dir, path) = script(body);
    ProcessSolver::new(Program::at(path)).solve(q, limits)
}

fn answer_of(body: &str, limits: &Limits) -> Outcome {
    ask(body, &question(5), limits)
}

#[track_caller]
fn unknown(outcome: Outcome, word: &str) {
    match outcome {
        Outcome::Unknown(reason) => assert!(reason.contains(word), "`{reason}`"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn clean_answers_count() {
    let limits = Limits::default();
    assert_eq!(answer_of(&protocol("echo unsat"), &limits), Outcome::Unsat);
    let Outcome::Sat(model) = answer_of(&protocol("echo sat"), &limits) else {
        panic!("no model");
    };
    assert_eq!(model.get("x"), Some(Value::bits(5, 4)));
    let integers = |answer: &str| {
        let body = protocol_with("((x 5))", answer);
        ask(&body, &integer_question(), &limits)
    };
    assert_eq!(integers("echo unsat"), Outcome::Unsat);
    let Outcome::Sat(model) = integers("echo sat") else {
        panic!("no model");
    };
    assert_eq!(model.get("x"), Some(Value::Int(5)));
}

/// Models over integers that are none, or wrong ones.
#[test]
fn odd_models_over_integers_do_not_count() {
    for (model, word) in [
        ("((x 6))", "does not satisfy"),
        ("((x (- 5)))", "does not satisfy"),
        ("((x #b0101))", "no Int for `x`"),
        ("((x true))", "no Int for `x`"),
        ("((y 5))", "no Int for `x`"),
        ("()", "no Int for `x`"),
        ("((x 5.0))", "unreadable"),
        ("((x (/ 10 2)))", "unreadable"),
        (
            "((x 340282366920938463463374607431768211456))",
            "unreadable",
        ),
    ] {
        let body = protocol_with(model, "echo sat");
        unknown(ask(&body, &integer_question(), &Limits::default()), word);
    }
    // A value that fits, and a sum that does not.
    let mut q = Query::over(Logic::Lia);
    let x = q.int_var("x").unwrap();
    let twice = q.affine(&[(2, x)], 0).unwrap();
    let limit = q.integer(7).unwrap();
    let more = q.at_most(limit, twice).unwrap();
    q.assert(more).unwrap();
    let body = protocol_with(&format!("((x {}))", i128::MAX), "echo sat");
    unknown(ask(&body, &q, &Limits::default()), "more than 128 bits");
}

#[test]
fn anything_else_does_not() {
    let limits = Limits::default();
    let both = |body: &str, word: &str| {
        unknown(answer_of(body, &limits), word);
        unknown(ask(body, &integer_question(), &limits), word);
    };
    for (body, word) in [
        ("exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9"),
        ("exec 1>&-; sleep 1000", "closed its output"),
        ("echo hello world", "answered `hello`"),
        ("echo '(error \"x\")'", "(error \"x\")"),
        ("echo unsat", "answered `unsat` for `success`"),
        ("head -c 100000 /dev/urandom", ""),
        ("echo '('", "breaks off"),
        ("echo ')'", "stray"),
    ] {
        both(body, word);
    }
    for (answer, word) in [
        ("exit 0", "exit status: 0"),
        ("echo unsat; exit 0", "exit status: 0"),
        ("echo unsat; kill -9 $$", "signal: 9"),
        ("echo unsat; echo '(error \"late\")'", "late"),
        ("echo unsat; echo sat", "answered `sat`"),
        ("echo '(error \"x\")'", "(error \"x\")"),
        ("echo '(error \"x\")'; echo unsat", "(error \"x\")"),
        ("echo unsatisfiable", "answered `unsatisfiable`"),
        ("echo '\"unsat\"'", "answered"),
        ("echo UNSAT", "answered `UNSAT`"),
        ("echo '(unsat)'", "answered `(unsat)`"),
        ("echo unknown", "no reason"),
        ("echo unsupported", "unsupported"),
    ] {
        both(&protocol(answer), word);
    }
}

#[test]
fn an_error_before_the_question_counts() {
    let body = "while read -r line; do case $line in *check-sat*) echo unsat ;;\n\
        *assert*) echo '(error \"no such thing\")' ;;\n\
        *echo*) line=${line#*\\\"}; echo \"${line%%\\\"*}\" ;;\n\
        *) echo success ;; esac; done";
    unknown(answer_of(body, &Limits::default()), "no such thing");
    let outcome = ask(body, &integer_question(), &Limits::default());
    unknown(outcome, "no such thing");
}

#[test]
fn a_wrong_model_is_no_answer() {
    let (_dir, path) = script(&protocol("echo sat"));
    let mut solver = ProcessSolver::new(Program::at(path));
    unknown(
        solver.solve(&question(6), &Limits::default()),
        "does not satisfy",
    );
}

#[test]
fn a_program_that_is_not_there() {
    let mut solver = ProcessSolver::new(Program::at("/nonexistent/solver"));
    unknown(solver.solve(&question(5), &Limits::default()), "127");
}

/// Sleepers end at the deadline with all they started, also when the question is longer than
/// a pipe holds.
#[test]
fn a_deadline_ends_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let body = format!("sleep 1000 & echo $! > {}; wait", pid.display());
    let mut big = Query::new();
    let x = big.var("x", 64).unwrap();
    let sum = big.sum(&vec![x; 20_000], 64).unwrap();
    let same = big.equal(sum, x).unwrap();
    big.assert(same).unwrap();
    let (_dir, path) = script(&body);
    let within_a_second = || Limits::default().within(Duration::from_secs(1));
    let outcome = ProcessSolver::new(Program::at(path)).solve(&big, &within_a_second());
    unknown(outcome, "time limit");
    let outcome = ask("sleep 1000", &integer_question(), &within_a_second());
    unknown(outcome, "time limit");
    let child = std::fs::read_to_string(&pid).unwrap();
    let alive = || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        state.is_ok_and(|s| !s.contains(") Z "))
    };
    for _ in 0..200 {
        if !alive() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the grandchild {child} survived");
}

#[test]
fn cancellation_ends_it() {
    let cancel = Arc::new(AtomicBool::new(false));
    let limits = Limits {
        cancel: Some(Arc::clone(&cancel)),
        deadline: Instant::now().checked_add(Duration::from_secs(60)),
        ..Limits::default()
    };
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        cancel.store(true, Ordering::Relaxed);
    });
    unknown(answer_of("sleep 1000", &limits), "cancelled");
    other.join().unwrap();
}

#[test]
fn names() {
    let Err(d) = from_name("no-such-solver") else {
        panic!("found");
    };
    assert_eq!(d.code, ceg4n_base::codes::SOLVER);
    assert!(!d.help.is_empty());
    let (dir, path) = script(&protocol("echo unsat"));
    let mut solver = from_name(path.to_str().unwrap()).unwrap();
    assert_eq!(
        solver.solve(&question(5), &Limits::default()),
        Outcome::Unsat
    );
    assert!(from_name(dir.path().to_str().unwrap()).is_err());
    assert!(from_name("").is_err());
}

/// Bit vectors for those that have nothing else, integers for the others.
#[test]
fn preferred_logics() {
    for (name, logic) in [
        ("z3", Logic::Lia),
        ("cvc5-1.2", Logic::Lia),
        ("other", Logic::Lia),
        ("bitwuzla", Logic::Bv),
        ("boolector", Logic::Bv),
    ] {
        let solver = ProcessSolver::new(Program::at(format!("/nowhere/{name}")));
        assert_eq!(solver.logic(), logic, "{name}");
    }
}

#[test]
fn what_is_installed_has_a_version() {
    let found = available();
    let embedded = found
        .iter()
        .any(|s| s.name == "embedded" && s.version.contains("CaDiCaL"));
    assert_eq!(embedded, cfg!(feature = "cadical"));
    for s in found {
        assert!(s.version.chars().any(|c| c.is_ascii_digit()), "{s:?}");
    }
}

#[test]
fn z3_answers_and_is_limited() {
    if !crate::common::has("z3") {
        return;
    }
    let mut z3 = from_name("z3").unwrap();
    let Outcome::Sat(model) = z3.solve(&question(-3), &Limits::default()) else {
        panic!("no model");
    };
    assert_eq!(model.get("x").unwrap().signed(), -3);
    let small = Limits {
        memory_mib: Some(4),
        ..Limits::default()
    };
    unknown(z3.solve(&question(1), &small), "z3");
    unknown(
        z3.solve(&hard(), &Limits::default().within(Duration::from_secs(1))),
        "time limit",
    );
}

/// Two factors of a 60-bit prime: far beyond a second.
fn hard() -> Query {
    let mut q = Query::new();
    let (a, b) = (q.var("a", 32).unwrap(), q.var("b", 32).unwrap());
    let (wide_a, wide_b) = (q.zero_extend(a, 64).unwrap(), q.zero_extend(b, 64).unwrap());
    let product = q.mul(wide_a, wide_b).unwrap();
    let prime = q.constant(1_152_921_504_606_846_883, 64).unwrap();
    let same = q.equal(product, prime).unwrap();
    q.assert(same).unwrap();
    q
}

/// Limits of the embedded solver, each with its reason.
#[cfg(feature = "cadical")]
#[test]
fn the_embedded_solver_is_limited() {
    let mut solver = from_name("embedded").unwrap();
    unknown(
        solver.solve(&integer_question(), &Limits::default()),
        "QF_LIA",
    );
    let q = hard();
    let conflicts = Limits {
        conflicts: Some(100),
        ..Limits::default()
    };
    unknown(solver.solve(&q, &conflicts), "conflict limit of 100");
    let clauses = Limits {
        clauses: Some(100),
        ..Limits::default()
    };
    unknown(solver.solve(&q, &clauses), "clause limit of 100");
    let memory = Limits {
        memory_mib: Some(0),
        ..Limits::default()
    };
    unknown(solver.solve(&q, &memory), "clause limit of 0");
    unknown(
        solver.solve(&q, &Limits::default().within(Duration::from_secs(1))),
        "time limit",
    );
    let cancelled = Limits {
        cancel: Some(Arc::new(AtomicBool::new(true))),
        ..Limits::default()
    };
    unknown(solver.solve(&q, &cancelled), "cancelled");
}
