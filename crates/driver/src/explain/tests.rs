//! Folders of real runs, as they are and changed by hand.

use super::{Cause, ExplainOptions, Outcome, Recheck, explain, recheck};
use crate::compile::compile;
use crate::optimality::certificate::{Certificate, PATH};
use crate::options::{CompileOptions, Strategy};
use crate::progress::{Cancel, Quiet};
use ceg4n_base::Exact;
use ceg4n_ir::Property;
use ceg4n_refine::Ended;
use ceg4n_report::{Report, Status};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn options(net: &str, strategy: Strategy) -> CompileOptions {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks");
    let mut options = CompileOptions::new(root.join(format!("{net}.nnir")));
    options.strategy = strategy;
    options
}

/// A run's output folder.
fn run(options: &CompileOptions) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let mut options = options.clone();
    options.output = Some(dir.path().join("out"));
    compile(&options, &Quiet, &Cancel::default()).unwrap_or_else(|f| panic!("{f:?}"));
    dir
}

fn tiny() -> TempDir {
    run(&options("tiny", Strategy::Exact))
}

fn at(dir: &TempDir) -> ExplainOptions {
    ExplainOptions {
        folder: dir.path().join("out"),
        jobs: 2,
        ..ExplainOptions::default()
    }
}

fn checked(dir: &TempDir) -> Recheck {
    recheck(&at(dir), &Quiet, &Cancel::default()).unwrap_or_else(|f| panic!("{f:?}"))
}

fn file(dir: &TempDir, path: &str) -> PathBuf {
    dir.path().join("out").join(path)
}

fn read(dir: &TempDir, path: &str) -> String {
    std::fs::read_to_string(file(dir, path)).expect("a file of the folder")
}

fn write(dir: &TempDir, path: &str, text: &str) {
    std::fs::write(file(dir, path), text).expect("a file of the folder");
}

fn certificate(dir: &TempDir) -> Certificate {
    Certificate::read(&read(dir, PATH)).expect("a certificate")
}

/// How a folder is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seal {
    /// The hash stays as it was.
    Broken,
    /// The certificate's hash is made anew; the report is what it was.
    Certificate,
    /// Hash and report are made to fit.
    Both,
}

const SEALS: [Seal; 3] = [Seal::Broken, Seal::Certificate, Seal::Both];

fn change(dir: &TempDir, seal: Seal, change: impl Fn(&mut Certificate)) {
    let mut c = certificate(dir);
    change(&mut c);
    if seal != Seal::Broken {
        c.hash = c.content_hash();
    }
    write(dir, PATH, &c.to_json());
    if seal == Seal::Both {
        let mut report: Report = serde_json::from_str(&read(dir, "report.json")).expect("a report");
        let l = report.loop_.as_mut().expect("a loop");
        l.certificate = Some(c.hash);
        l.optimality = c.statement.clone();
        l.counterexamples = c.counterexamples.len() as u64;
        let open = |v: u32| {
            let found = c.versions.iter().find(|x| x.version == v);
            found.is_some_and(|x| matches!(x.ended, Ended::Unknown(_)))
        };
        l.set_aside.retain(|s| open(s.version));
        write(dir, "report.json", &report.to_json());
    }
}

/// Every way of sealing the change is found out; the faults of the last.
fn assert_found(what: &str, edit: impl Fn(&mut Certificate)) -> Vec<String> {
    let mut faults = Vec::new();
    for seal in SEALS {
        let dir = tiny();
        change(&dir, seal, &edit);
        let found = checked(&dir);
        assert_eq!(found.outcome, Outcome::Fails, "{what}, {seal:?}: {found:?}");
        faults = found.faults;
    }
    faults
}

#[test]
fn statements_hold_as_they_are_written() {
    for (net, strategy) in [
        ("tiny", Strategy::Exact),
        ("tiny", Strategy::Auto),
        ("iris", Strategy::Exact),
        ("iris", Strategy::Auto),
    ] {
        let dir = run(&options(net, strategy));
        let found = checked(&dir);
        assert_eq!(found.outcome, Outcome::Holds, "{net}: {found:?}");
        let statement = certificate(&dir).statement.expect("a statement");
        assert_eq!(found.cheaper, statement.cheaper);
        assert!(statement.least);
        assert_eq!(statement.in_space, strategy == Strategy::Exact, "{net}");
    }
}

#[test]
fn a_run_without_a_statement_has_none_to_check() {
    let dir = run(&options("tiny", Strategy::Greedy));
    let found = checked(&dir);
    assert_eq!((found.outcome, found.statement), (Outcome::Open, None));
    assert_eq!(found.faults, Vec::<String>::new());
}

#[test]
fn each_deleted_counterexample_is_missed() {
    let count = certificate(&tiny()).counterexamples.len();
    assert!(count > 5);
    for i in 0..count {
        assert_found(&format!("point {i} deleted"), |c| {
            c.counterexamples.remove(i);
        });
    }
}

/// Formats that are chosen from other ranges make another space of the same name.
#[test]
fn altered_ranges_are_noticed() {
    let faults = assert_found("a range", |c| {
        let hi = &mut c.space.ranges[1].1.hi;
        *hi = hi.next_down();
    });
    let told = faults.iter().any(|f| f.contains("ranges of activations"));
    assert!(told, "{faults:?}");
}

#[test]
fn a_statement_of_a_result_that_is_not_proved_fails() {
    let dir = tiny();
    let mut report: Report = serde_json::from_str(&read(&dir, "report.json")).expect("a report");
    report.status = Status::Refuted;
    write(&dir, "report.json", &report.to_json());
    let found = checked(&dir);
    assert_eq!(found.outcome, Outcome::Fails, "{found:?}");
}

/// A run with a counterexample that no other stands in for.
fn close() -> TempDir {
    let mut options = options("iris", Strategy::Exact);
    let eps = "0.3".parse().expect("a number");
    options.load.require = Some(Property::Eps(eps).into());
    run(&options)
}

/// A counterexample without which a cheaper assignment satisfies all others.
fn needed(dir: &TempDir) -> usize {
    let c = certificate(dir);
    let open = |place: &usize| {
        let mut less = c.clone();
        forget(&mut less, *place, &Ended::Proved);
        let (_, again) = recheck::tally(&at(dir).folder, &less, (u64::MAX, 1), false);
        again.not_tried > 0
    };
    let ended = |i: &usize| c.counterexamples[*i].ended.is_some();
    let found = (0..c.counterexamples.len()).filter(ended).find(open);
    found.expect("a counterexample that is needed")
}

/// Takes a counterexample away with every trace of it: what it ended has another end, and all
/// places are counted anew.
fn forget(c: &mut Certificate, place: usize, end: &Ended) {
    c.counterexamples.remove(place);
    for v in &mut c.versions {
        match &mut v.ended {
            Ended::Refuted(i) if *i == place => v.ended = end.clone(),
            Ended::Refuted(i) if *i > place => *i -= 1,
            Ended::Refuted(_) | Ended::Proved | Ended::Unknown(_) => {}
        }
    }
    if let Some(s) = &mut c.statement {
        s.refuted.retain(|r| r.counterexample != place);
        for r in &mut s.refuted {
            r.counterexample -= usize::from(r.counterexample > place);
        }
    }
}

#[test]
fn a_counterexample_deleted_with_every_trace_leaves_assignments_unexplained() {
    let dir = close();
    let place = needed(&dir);
    change(&dir, Seal::Both, |c| forget(c, place, &Ended::Proved));
    let found = checked(&dir);
    assert_eq!(found.outcome, Outcome::Fails, "{found:?}");
    let told = found.faults.iter().any(|f| f.contains("not tried"));
    assert!(told, "{found:?}");
}

#[test]
fn an_altered_counterexample_is_noticed() {
    let count = certificate(&tiny()).counterexamples.len();
    let far = "7".parse::<Exact>().expect("a number");
    for i in 0..count {
        let faults = assert_found(&format!("point {i} moved away"), |c| {
            c.counterexamples[i].x[0] = far.clone();
        });
        let lies = |f: &String| f.contains("does not lie in its region");
        assert!(faults.iter().any(lies), "{faults:?}");
    }
    // Within its region, but where the version that it ended is right.
    let start: Vec<Exact> = certificate(&tiny()).counterexamples[0].x.clone();
    let faults = assert_found("point moved within its region", |c| {
        let found = c
            .counterexamples
            .iter()
            .position(|p| p.question == 0 && p.ended.is_some());
        let i = found.expect("a counterexample in the first region");
        c.counterexamples[i].x.clone_from(&start);
    });
    assert!(
        faults.iter().any(|f| f.contains("does not refute")),
        "{faults:?}"
    );
    assert_found("point said to be a start point", |c| {
        let found = c.counterexamples.iter().position(|p| p.ended.is_some());
        c.counterexamples[found.expect("a counterexample")].ended = None;
    });
    assert_found("point about another region", |c| {
        let found = c.counterexamples.iter().position(|p| p.question == 2);
        c.counterexamples[found.expect("a point of the last region")].question = 1;
    });
}

#[test]
fn altered_counts_costs_and_results_are_noticed() {
    assert_found("a count", |c| {
        c.statement.as_mut().expect("a statement").refuted[0].assignments += 1;
    });
    assert_found("counts that sum up", |c| {
        let s = c.statement.as_mut().expect("a statement");
        s.refuted[0].assignments -= 1;
        s.refused += 1;
    });
    assert_found("a claimed demand", |c| {
        let s = c.statement.as_mut().expect("a statement");
        s.refuted[0].assignments -= 1;
        s.missed_demand += 1;
    });
    assert_found("a lower end", |c| {
        c.statement.as_mut().expect("a statement").not_tried_from = Some(30);
    });
    assert_found("a cost", |c| {
        c.statement.as_mut().expect("a statement").cost -= 1;
        c.result.as_mut().expect("a result").cost -= 1;
    });
    assert_found("a dearer result", |c| {
        c.result.as_mut().expect("a result").assignment.weights[0] += 1;
    });
    assert_found("a smaller space", |c| c.space.weight_bits.0 = 3);
    assert_found("another quantizer", |c| {
        c.space.quantizer = "none".to_owned()
    });
    assert_found("the sentence", |c| {
        c.statement.as_mut().expect("a statement").statement += " indeed";
    });
}

#[test]
fn altered_requirements_and_regions_are_noticed() {
    assert_found("a looser requirement", |c| {
        let margin = "1".parse().expect("a number");
        c.questions[2].requirement = Property::Top1Margin(margin);
    });
    assert_found("no requirement", |c| {
        c.questions.pop();
    });
    for (from, to) in [
        ("0.125, -0.0625", "0.125, -0.125"),
        ("[0.9, 0.3]", "[0.9, 0.25]"),
        ("top1 margin", "eps"),
        ("rounding half-up", "rounding floor"),
    ] {
        let dir = tiny();
        let text = read(&dir, "tiny.final.nnir");
        assert!(text.contains(from), "{text}");
        write(&dir, "tiny.final.nnir", &text.replace(from, to));
        let found = checked(&dir);
        assert_eq!(found.outcome, Outcome::Fails, "{from}: {found:?}");
    }
    let dir = tiny();
    let other = read(&dir, "versions/v1.nnir");
    write(&dir, "versions/v2.nnir", &other);
    assert_eq!(checked(&dir).outcome, Outcome::Fails);
    std::fs::remove_file(file(&dir, "versions/v2.nnir")).expect("a version");
    assert_eq!(checked(&dir).outcome, Outcome::Fails);
}

/// A version that a counterexample ended, set aside instead: a folder that is true to
/// itself.
fn with_set_aside() -> (TempDir, u32) {
    let dir = close();
    let place = needed(&dir);
    let version = certificate(&dir).counterexamples[place]
        .ended
        .expect("a counterexample");
    let mut report: Report = serde_json::from_str(&read(&dir, "report.json")).expect("a report");
    let edit = |c: &mut Certificate| forget(c, place, &Ended::Unknown("by hand".to_owned()));
    let mut c = certificate(&dir);
    edit(&mut c);
    let v = c
        .versions
        .iter()
        .find(|v| v.version == version)
        .expect("a version");
    report.loop_.as_mut().expect("a loop").set_aside = vec![ceg4n_report::SetAside {
        version,
        weight_bits: v.assignment.weights.clone(),
        bias_bits: v.assignment.biases.clone(),
        activation_bits: v.assignment.activations.clone(),
        cost: v.cost,
        reason: "by hand".to_owned(),
    }];
    write(&dir, "report.json", &report.to_json());
    let (_, again) = recheck::tally(&at(&dir).folder, &c, (u64::MAX, 1), false);
    change(&dir, Seal::Both, |c| {
        edit(c);
        c.statement = Some(again.clone());
    });
    (dir, version)
}

#[test]
fn what_was_set_aside_is_named_and_missed_when_it_is_not() {
    let (dir, version) = with_set_aside();
    let statement = certificate(&dir).statement.expect("a statement");
    assert_eq!(statement.set_aside[0].version, version, "{statement:?}");
    assert_eq!(checked(&dir).outcome, Outcome::Holds);
    for seal in SEALS {
        let (dir, _) = with_set_aside();
        change(&dir, seal, |c| {
            for v in &mut c.versions {
                if matches!(v.ended, Ended::Unknown(_)) {
                    v.ended = Ended::Proved;
                }
            }
        });
        assert_eq!(checked(&dir).outcome, Outcome::Fails, "{seal:?}");
    }
}

#[test]
fn a_limit_cuts_between_costs_and_threads_change_nothing() {
    let dir = close();
    let c = certificate(&dir);
    let folder = at(&dir).folder;
    let all = c.statement.as_ref().expect("a statement");
    let run = |most, jobs| recheck::tally(&folder, &c, (most, jobs), false);
    assert_eq!(run(u64::MAX, 3).1, *all);
    let mut before = 0;
    for most in [1, 40, 100, 1000] {
        let (cut, told) = run(most, 1);
        assert_eq!((&cut, &told), (&run(most, 3).0, &run(most, 2).1));
        assert!(cut.cheaper >= most && cut.cheaper < all.cheaper && cut.cheaper >= before);
        before = cut.cheaper;
        let from = cut.from.expect("a cut");
        assert!(from < all.cost && !told.least);
        assert!(
            told.statement.starts_with("cost 433 is not shown"),
            "{told:?}"
        );
        // What was not gone through begins with a whole cost.
        let mut below = c.clone();
        below.result.as_mut().expect("a result").cost = from;
        let (less, _) = recheck::tally(&folder, &below, (u64::MAX, 1), false);
        assert_eq!(less.cheaper, cut.cheaper);
    }
    let (none, told) = recheck::tally(&folder, &c, (u64::MAX, 2), true);
    assert_eq!((none.cheaper, told.least), (0, false));
    assert!(none.from.is_some());
}

#[test]
fn parts_of_a_difference_add_up_and_the_last_value_is_the_output() {
    for (net, strategy) in [("tiny", Strategy::Auto), ("iris", Strategy::Greedy)] {
        let dir = run(&options(net, strategy));
        let c = certificate(&dir);
        for i in 0..c.counterexamples.len() {
            let mut asked = at(&dir);
            asked.counterexample = Some(i);
            let told = explain(&asked).unwrap_or_else(|f| panic!("{f:?}"));
            let d = told.divergence.expect("a divergence");
            assert_eq!(d.ended, c.counterexamples[i].ended);
            assert!(d.broken || d.ended.is_none(), "{d:?}");
            for l in &d.layers {
                let sum = &(&l.inherited + &l.constants) + &(&l.rounding + &l.clamping);
                assert_eq!(sum, l.difference, "{}: {l:?}", l.name);
                assert_eq!(&l.kernel - &l.reference, l.difference);
                assert_eq!(l.cause == Cause::None, l.difference.is_zero());
            }
            let last = d.layers.last().expect("a layer");
            assert_eq!(last.broken, d.broken);
            assert_eq!(d.kernel[last.element], last.kernel);
            assert_eq!(d.lost_at.is_some(), d.broken, "{d:?}");
        }
    }
}

#[test]
fn one_bit_less_is_explained_for_every_width() {
    let dir = run(&options("iris", Strategy::Greedy));
    let told = explain(&at(&dir)).unwrap_or_else(|f| panic!("{f:?}"));
    let bits = told.bits.expect("a result");
    // Weights and bias of three layers, and the activations.
    assert_eq!(bits.rows.len(), 7);
    assert!(bits.by_rounding);
    for r in &bits.rows {
        assert_eq!(r.counterexample.is_some(), r.outcome == "refuted", "{r:?}");
        assert_eq!(r.region.is_some(), r.outcome == "refuted", "{r:?}");
        assert_eq!(r.cost.is_none(), r.outcome == "least", "{r:?}");
    }
    assert!(bits.rows.iter().any(|r| r.outcome == "refuted"));
}

#[test]
fn folders_of_others_and_odd_choices_are_refused() {
    let dir = tiny();
    let refused = |o: &ExplainOptions| explain(o).expect_err("refused").to_string();
    let mut asked = at(&dir);
    asked.version = Some(99);
    assert!(refused(&asked).contains("no version v99"));
    asked.version = None;
    asked.counterexample = Some(99);
    assert!(refused(&asked).contains("no stored point 99"));
    asked.counterexample = None;
    write(&dir, PATH, "{}");
    assert!(refused(&asked).contains("no certificate"));
    std::fs::remove_file(file(&dir, PATH)).expect("a certificate");
    assert!(refused(&asked).contains("cannot read"));
    write(&dir, "report.json", "[]");
    assert!(refused(&asked).contains("no report"));
    asked.folder = dir.path().to_owned();
    assert!(refused(&asked).contains("report.json"));
}
