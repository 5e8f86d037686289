//! What the options of a search do to its result: presets, cost models, scales per channel, fronts,
//! demands on data; that threads do not matter, and that an interrupted run keeps its best proof.

use ceg4n_driver::compile::{Compilation, compile};
use ceg4n_driver::data::Demands;
use ceg4n_driver::options::{
    CompileOptions, Cost, DataOptions, DataSource, Granularity, LabelSource, Preset,
};
use ceg4n_driver::progress::{Event, Progress};
use ceg4n_driver::{Cancel, Quiet};
use ceg4n_report::{ParetoPoint, Report, Status};
use ceg4n_verify::Precision;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

fn networks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks")
}

fn iris(folder: &Path) -> CompileOptions {
    let mut options = CompileOptions::new(networks().join("iris.nnir"));
    options.output = Some(folder.to_owned());
    options
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn run(options: &CompileOptions) -> Compilation {
    compile(options, &Quiet, &Cancel::default()).unwrap_or_else(|f| panic!("{f:?}"))
}

/// The same with `change` made to the options; every region is proved.
fn proved(change: impl FnOnce(&mut CompileOptions)) -> Report {
    let folder = folder();
    let mut options = iris(folder.path());
    change(&mut options);
    let report = run(&options).report;
    assert_eq!(report.status, Status::Proved, "{:?}", report.reason);
    assert!(report.complete);
    report
}

#[test]
fn presets_are_what_they_say() {
    let gpfq = proved(|o| o.preset = Preset::Gpfq);
    let bits: Vec<u8> = gpfq.layers.iter().map(|l| l.weight.bits).collect();
    assert!(bits.windows(2).all(|w| w[0] == w[1]), "one width: {bits:?}");

    let ceg4n = proved(|o| o.preset = Preset::Ceg4n);
    let cost = ceg4n.cost.expect("a cost");
    assert_eq!(cost.value, cost.ceg4n_bits, "biases have the weights' bits");
    for layer in &ceg4n.layers {
        let format = &layer.activation.format;
        assert!(
            format.starts_with("u16q") || format.starts_with("s16q"),
            "{format}"
        );
    }

    let auto = proved(|_| {}).cost.expect("a cost").value;
    for other in [gpfq.cost.expect("a cost").value, cost.value] {
        assert!(auto <= other, "{auto} and {other}");
    }
}

#[test]
fn cost_models_are_reported_and_stated() {
    for cost in Cost::ALL {
        let report = proved(|o| o.cost = cost);
        let found = report.cost.expect("a cost");
        assert_eq!(found.metric, cost.name());
        let claim = report.loop_.and_then(|l| l.optimality).expect("a claim");
        assert_eq!(
            (claim.metric.as_str(), claim.cost),
            (cost.name(), found.value)
        );
        match cost {
            Cost::WeightBits => assert_eq!(found.value, found.weights_bits + found.biases_bits),
            // A bias may be emitted in less than what is counted.
            Cost::Flash => assert!(found.value >= found.flash_bytes),
            // A multiplication has at least a weight bit and an activation bit.
            Cost::Bitops | Cost::Cycles => assert!(found.value > report.network.macs as u64),
        }
    }
}

#[test]
fn channels_have_scales_of_their_own() {
    let report = proved(|o| o.granularity = Granularity::Channel);
    let claim = report.loop_.and_then(|l| l.optimality).expect("a claim");
    assert!(claim.space.contains("per channel"), "{}", claim.space);
    let formats: Vec<&str> = report
        .layers
        .iter()
        .map(|l| l.weight.format.as_str())
        .collect();
    assert!(formats.iter().any(|f| f.starts_with('[')), "{formats:?}");
}

/// On the front, and off it: dearer and no better than a point of the front.
fn assert_front(points: &[ParetoPoint]) {
    assert!(points.windows(2).all(|w| w[0].cost <= w[1].cost));
    let front: Vec<&ParetoPoint> = points.iter().filter(|p| p.on_front).collect();
    assert!(!front.is_empty());
    for w in front.windows(2) {
        let same = w[0].cost == w[1].cost && w[0].value == w[1].value;
        let better = w[0].cost < w[1].cost && w[0].value < w[1].value;
        assert!(same || better, "{:?}", w);
    }
    for p in points.iter().filter(|p| !p.on_front) {
        let beats = |f: &&&ParetoPoint| f.cost <= p.cost && f.value >= p.value;
        assert!(front.iter().any(|f| beats(&f)), "{p:?}");
    }
}

#[test]
fn a_front_is_drawn() {
    let folder = folder();
    let mut options = iris(folder.path());
    options.pareto = true;
    options.data = data(Demands::default());
    let report = run(&options).report;
    let pareto = report.pareto.expect("a front");
    assert_eq!(pareto.measure, "accuracy");
    assert!(pareto.points.len() > 2);
    assert_front(&pareto.points);
    let best = pareto.points.first().expect("a point");
    assert_eq!(Some(best.cost), report.cost.map(|c| c.value));
    let plot = std::fs::read_to_string(folder.path().join("pareto.svg")).expect("a plot");
    assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"));
}

fn data(demands: Demands) -> DataOptions {
    DataOptions {
        data: Some(DataSource::from(networks().join("iris.csv").as_path())),
        labels: Some(LabelSource::Column("class".to_owned())),
        data_rows: Some(0..100),
        test_rows: Some(100..150),
        demands,
        ..DataOptions::default()
    }
}

#[test]
fn demands_on_data_are_met() {
    let free = proved(|o| o.data = data(Demands::default()));
    let demands = Demands {
        min_agreement: Some("0.98".parse().expect("a number")),
        max_accuracy_drop: Some("0.02".parse().expect("a number")),
        min_accuracy: None,
    };
    let bound = proved(|o| o.data = data(demands));
    assert_eq!(bound.demands.expect("demands").missed, None);
    for accuracy in [bound.accuracy, bound.calibration_accuracy] {
        let found = accuracy.expect("measured");
        assert!(found.agreement >= 0.98, "{found:?}");
    }
    // What is demanded costs something: without it the kernel is another function elsewhere.
    assert!(free.accuracy.expect("measured").agreement < 0.98);
    let cost = |c: Option<ceg4n_report::Cost>| c.expect("a cost").value;
    assert!(cost(free.cost) < cost(bound.cost));
}

/// Every file of a folder by its path, but for the report and the store.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if !["report.json", "report.html", "run.sqlite"]
                .iter()
                .any(|n| path.ends_with(n))
            {
                let text = std::fs::read_to_string(&path).expect("a text");
                let name = path.strip_prefix(folder).expect("within").to_owned();
                found.insert(name, text);
            }
        }
    }
    found
}

#[test]
fn threads_change_nothing() {
    let of = |jobs, demands: &Demands| {
        let folder = folder();
        let mut options = iris(folder.path());
        options.budget.jobs = jobs;
        options.pareto = true;
        options.data = data(demands.clone());
        let report = run(&options).report.without_times();
        (report, files(folder.path()))
    };
    let agreement = |text: &str| Demands {
        min_agreement: Some(text.parse().expect("a number")),
        ..Demands::default()
    };
    for demands in [Demands::default(), agreement("0.98")] {
        let (one, two) = (of(1, &demands), of(2, &demands));
        assert_eq!(one.0, two.0);
        let names: Vec<_> = one.1.keys().collect();
        assert_eq!(names, two.1.keys().collect::<Vec<_>>());
        for needed in ["iris.final.nnir", "c/iris.c", "versions/v1.nnir"] {
            assert!(one.1.contains_key(Path::new(needed)), "{names:?}");
        }
        for (name, text) in &one.1 {
            assert!(text == &two.1[name], "{} differs", name.display());
        }
    }
}

/// Ends the run as soon as a proved program stands in the folder.
struct Interrupt {
    folder: PathBuf,
    cancel: Cancel,
    seen: Mutex<Option<Report>>,
}

impl Progress for Interrupt {
    fn note(&self, _: &Event) {
        let mut seen = self.seen.lock().expect("no panic");
        if let Ok(text) = std::fs::read_to_string(self.folder.join("report.json"))
            && seen.is_none()
        {
            *seen = Some(serde_json::from_str(&text).expect("a report"));
            self.cancel.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_interrupted_run_keeps_its_best_proof() {
    let folder = folder();
    let output = folder.path().join("out");
    let options = iris(&output);
    let interrupt = Interrupt {
        folder: output.clone(),
        cancel: Cancel::default(),
        seen: Mutex::default(),
    };
    let done = compile(&options, &interrupt, &interrupt.cancel).expect("no failure");
    let seen = interrupt.seen.into_inner().expect("no panic");
    let first = seen.expect("a program was written before the end");
    assert_eq!((first.status, first.complete), (Status::Proved, false));
    let last = done.report;
    assert_eq!((last.status, last.complete), (Status::Proved, true));
    assert!(last.clock_limited, "it could have gone on");
    let cost = |r: &Report| r.cost.as_ref().expect("a cost").value;
    assert!(cost(&last) <= cost(&first));
    let whole = proved(|_| {});
    assert!(cost(&whole) < cost(&last), "the whole run finds more");
    assert!(output.join("iris.final.nnir").exists() && output.join("c/iris.c").exists());
}

/// In single precision `(x - 2^20)·2 + 2^21` is no more than a multiple of an eighth; folded into
/// weights it would be `2·x` almost exactly.
#[test]
fn runs_in_single_precision_are_those_of_the_network_as_it_stands() {
    let folder = folder();
    let net = folder.path().join("folded.nnir");
    let text = r#"nnir 1;
network @folded {
  %x = input : tensor<1>;
  %c = const [1048576] : tensor<1>;
  %s = sub %x, %c : tensor<1>;
  %m = const [2] : tensor<1>;
  %t = mul %s, %m : tensor<1>;
  %w = const [[1], [0]] : tensor<2x1>;
  %b = const [2097152, 1.015] : tensor<2>;
  %y = dense %t, %w, %b : tensor<2>;
  output %y;
}
region "a" = box([0.51], [0.52]);
require top1 domain real on "a";
"#;
    std::fs::write(&net, text).expect("a file");
    let mut options = CompileOptions::new(&net);
    options.output = Some(folder.path().join("real"));
    assert_eq!(run(&options).report.status, Status::Proved);
    options.output = Some(folder.path().join("single"));
    options.reference = Precision::Float32;
    // The run at 0.51 rounds to 1, behind the other output.
    if let Ok(c) = compile(&options, &Quiet, &Cancel::default()) {
        assert_ne!(c.report.status, Status::Proved);
    }
}
