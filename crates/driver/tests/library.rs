//! The driver as a library: the example program, runs beside each other in one process, and the
//! order of events.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[expect(dead_code, reason = "its main is for the command line")]
#[path = "../examples/embed.rs"]
mod embed;

use ceg4n_driver::{
    Cancel, Compilation, CompileOptions, Event, Failure, LoadOptions, Progress, Quiet, RunOptions,
    compile, run,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Barrier, Mutex};

fn net(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks");
    folder.join(name)
}

fn options(name: &str, output: &Path) -> CompileOptions {
    let mut options = CompileOptions::new(net(name));
    options.output = Some(output.to_owned());
    options.budget.jobs = 1;
    options
}

/// What a run wrote, without the files and fields that hold times and names of places.
fn written(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        for entry in std::fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_dir() {
                open.push(path);
            } else if !["lock", "run.sqlite", "report.html"].contains(&name.as_str()) {
                let text = std::fs::read_to_string(&path).unwrap();
                let untimed = text.lines().filter(|l| !is_time(l));
                files.insert(name, untimed.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    files
}

fn is_time(line: &str) -> bool {
    let keys = ["seconds", "total", "search", "verify", "emit", "started"];
    let key = line.trim_start().trim_start_matches('"');
    keys.iter().any(|k| key.starts_with(&format!("{k}\":")))
}

fn ended(made: Result<Compilation, Failure>) -> Compilation {
    made.unwrap_or_else(|f| panic!("{}", f.render(false)))
}

/// Cancels a run at its first candidate.
struct Impatient(Cancel);

impl Progress for Impatient {
    fn note(&self, event: &Event) {
        if matches!(event, Event::Candidate { .. }) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Keeps the events.
#[derive(Default)]
struct Record(Mutex<Vec<Event>>);

impl Progress for Record {
    fn note(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

#[test]
fn the_example_does_what_it_says() {
    let place = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    embed::embed(place.path(), &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "a compile:");
    assert!(out.contains("\nProved with "), "{out}");
    let cut = "one that may be cancelled after its first iteration:\n  version 1 is ";
    assert!(out.contains(cut), "{out}");
    assert!(out.contains("\nwhat was written is proved: true\n"));
    assert!(out.contains("\nclasses Some(0) and Some(0)\n"), "{out}");
    assert!(
        out.contains("wrong.nnir") && out.contains("not defined"),
        "{out}"
    );
}

#[test]
fn runs_beside_each_other_give_what_each_gives_alone() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for name in ["tiny", "iris"] {
        let net = format!("{name}.nnir");
        let alone = options(&net, &at(name));
        ended(compile(&alone, &Quiet, &Cancel::default()));
    }
    // Two of one network, one of another, and one more that is cancelled.
    let jobs = ["iris 1", "tiny 2", "iris 3", "iris cut"];
    let start = Barrier::new(jobs.len());
    let cut = std::thread::scope(|s| {
        let mut threads: Vec<_> = (jobs.iter())
            .map(|job| {
                let (name, _) = job.split_once(' ').unwrap();
                let options = options(&format!("{name}.nnir"), &at(job));
                let start = &start;
                s.spawn(move || {
                    let cancel = Cancel::default();
                    start.wait();
                    match options.output.as_ref().unwrap().ends_with("iris cut") {
                        true => compile(&options, &Impatient(cancel.clone()), &cancel),
                        false => compile(&options, &Quiet, &cancel),
                    }
                })
            })
            .collect();
        let cut = ended(threads.pop().unwrap().join().unwrap());
        for thread in threads {
            assert!(!ended(thread.join().unwrap()).report.clock_limited);
        }
        cut
    });
    assert!(cut.report.clock_limited);
    assert!(cut.report.loop_.unwrap().iterations <= 1);
    assert_eq!(written(&at("iris 1")), written(&at("iris")));
    assert_eq!(written(&at("iris 3")), written(&at("iris")));
    assert_eq!(written(&at("tiny 2")), written(&at("tiny")));
}

#[test]
fn a_folder_takes_one_run_at_a_time() {
    /// Tries a second run in the folder of the first.
    struct Second(CompileOptions, Mutex<Option<Failure>>);
    impl Progress for Second {
        fn note(&self, event: &Event) {
            if matches!(event, Event::Candidate { version: 1, .. }) {
                let failure = compile(&self.0, &Quiet, &Cancel::default()).err();
                *self.1.lock().unwrap() = failure;
            }
        }
    }
    let place = tempfile::tempdir().unwrap();
    let options = options("tiny.nnir", &place.path().join("out"));
    let second = Second(options.clone(), Mutex::default());
    let first = ended(compile(&options, &second, &Cancel::default()));
    assert!(!first.report.clock_limited);
    let failure = second.1.into_inner().unwrap().unwrap();
    let text = failure.render(false);
    let own = std::process::id().to_string();
    assert!(text.contains(&own), "{text}");
}

#[test]
fn events_come_in_the_same_order_each_time() {
    let place = tempfile::tempdir().unwrap();
    let told = |name: &str, jobs: usize| {
        let record = Record::default();
        let mut options = options("iris.nnir", &place.path().join(name));
        options.budget.jobs = jobs;
        ended(compile(&options, &record, &Cancel::default()));
        let events = record.0.into_inner().unwrap();
        let placeless = |mut e: Event| {
            match &mut e {
                Event::Written { path: text, .. } | Event::Stage { detail: text, .. } => {
                    *text = text.replace(name, "OUT");
                }
                _ => {}
            }
            e
        };
        events.into_iter().map(placeless).collect::<Vec<_>>()
    };
    let once = told("first", 1);
    assert_eq!(told("second", 1), once);
    assert!(matches!(
        &once[0],
        Event::Started {
            command: "compile",
            ..
        }
    ));
    let last = Event::Finished {
        command: "compile",
        status: "proved",
    };
    assert_eq!(once.last(), Some(&last));
    let of_pass = |e: &Event| matches!(e, Event::Region { .. } | Event::Labelled { .. });
    let others = |events: &[Event]| {
        let others = events.iter().filter(|e| !of_pass(e)).cloned();
        others.collect::<Vec<Event>>()
    };
    assert_eq!(others(&told("third", 3)), others(&once));
}

#[test]
fn a_failed_command_ends_with_an_event_too() {
    let record = Record::default();
    let missing = CompileOptions::new("no-such-file.nnir");
    assert!(compile(&missing, &record, &Cancel::default()).is_err());
    let events = record.0.into_inner().unwrap();
    let last = Event::Finished {
        command: "compile",
        status: "failed",
    };
    assert_eq!(events.last(), Some(&last));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let point = vec!["1".parse().unwrap(); 3];
    let options = RunOptions::new(LoadOptions::new(net("tiny.nnir")), vec![point]);
    let failure = run(&options).unwrap_err();
    let told = "input 1 has 3 elements, the network takes 2";
    assert!(failure.to_string().contains(told), "{failure}");
}
