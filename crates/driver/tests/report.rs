//! Reports of real runs: valid by their schema, and an optimality claim that a reader can check
//! again from what the output folder stores.

#[path = "../../report/tests/validator/mod.rs"]
mod validator;

use ceg4n_base::Exact;
use ceg4n_driver::compile::compile;
use ceg4n_driver::explain::{self, ExplainOptions, Outcome};
use ceg4n_driver::load::load;
use ceg4n_driver::options::{
    CompileOptions, DEFAULT_ACTIVATION_BITS, LoadOptions, Preset, Strategy, VerifyOptions,
};
use ceg4n_driver::verify::verify;
use ceg4n_driver::{Cancel, Loaded, Quiet};
use ceg4n_eval::{kernel_outputs, real_outputs};
use ceg4n_ir::{Checked, Program, Property, Rounding, check};
use ceg4n_quantize::{BiasRule, Model, Nearest};
use ceg4n_report::{Report, SCHEMA, Status};
use ceg4n_search::{AnnotationSpace, Exact as CostOrder};
use ceg4n_verify::Reference;
use ceg4n_verify::subject::breaks;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use validator::Validator;

fn shipped(name: &str) -> PathBuf {
    let file = format!("../../tests/networks/{name}.nnir");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Valid, and the struct reads back what it wrote.
fn assert_valid(text: &str, what: &str) -> Report {
    let value: Value = serde_json::from_str(text).expect("a report is JSON");
    let schema = Validator::new(SCHEMA);
    let errors = || schema.errors(&value);
    assert!(schema.is_valid(&value), "{what}: {:?} in {text}", errors());
    let report: Report = serde_json::from_str(text).expect("reads back");
    assert_eq!(report.to_json(), text, "{what}");
    report
}

/// Runs `compile`; the report is the one in the folder.
fn compiled(options: &CompileOptions, folder: &Path) -> Report {
    let mut options = options.clone();
    options.output = Some(folder.to_owned());
    let done = compile(&options, &Quiet, &Cancel::default())
        .unwrap_or_else(|f| panic!("{}: {f:?}", options.load.net.display()));
    let text = std::fs::read_to_string(folder.join("report.json")).expect("a report");
    let report = assert_valid(&text, &options.load.net.display().to_string());
    assert_eq!(report, done.report);
    report
}

#[test]
fn reports_of_compile_are_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["tiny", "iris"] {
        let mut options = CompileOptions::new(shipped(name));
        let auto = compiled(&options, &folder.path().join("auto"));
        assert_eq!(auto.status, Status::Proved, "{name}");
        assert!(auto.cost.is_some() && auto.loop_.is_some() && !auto.layers.is_empty());
        options.strategy = Strategy::Nsga2;
        let genetic = compiled(&options, &folder.path().join("genetic"));
        let claim = genetic.loop_.and_then(|l| l.optimality);
        assert_eq!(claim, None, "a genetic search claims nothing");
        options.preset = Preset::Uniform {
            weight_bits: 2,
            activation_bits: 4,
        };
        let coarse = compiled(&options, &folder.path().join("coarse"));
        assert_ne!(coarse.status, Status::Proved, "{name} has no 2-bit kernel");
        options.preset = Preset::UniformMin;
        compiled(&options, &folder.path().join("least"));
    }
}

#[test]
fn reports_of_runs_that_find_nothing_are_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = CompileOptions::new(shipped("tiny"));
    options.load.require = Some(Property::Eps("0.000001".parse().expect("a number")).into());
    options.weight_bits = 2..=3;
    options.activation_bits = Some(4..=4);
    options.strategy = Strategy::Exact;
    let none = compiled(&options, &folder.path().join("none"));
    assert_eq!(none.status, Status::Refuted);
    assert_eq!((none.program, none.cost), (None, None));
    options.budget.time_limit = Some(Duration::ZERO);
    let stopped = compiled(&options, &folder.path().join("stopped"));
    assert_eq!(stopped.status, Status::Unknown);
    assert!(stopped.clock_limited);
}

#[test]
fn reports_of_verify_are_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    compiled(
        &CompileOptions::new(shipped("iris")),
        &folder.path().join("iris"),
    );
    let proved = folder.path().join("iris/iris.final.nnir");
    for (net, status) in [(proved, Status::Proved), (shipped("tiny"), Status::Proved)] {
        let done = verify(&VerifyOptions::new(&net), &Quiet, &Cancel::default())
            .unwrap_or_else(|f| panic!("{}: {f:?}", net.display()));
        let report = assert_valid(&done.report.to_json(), &net.display().to_string());
        assert_eq!(report.status, status, "{}", net.display());
    }
    let mut options = VerifyOptions::new(shipped("tiny"));
    options.load.require = Some(Property::Top1.into());
    let done =
        verify(&options, &Quiet, &Cancel::default()).unwrap_or_else(|f| panic!("tiny: {f:?}"));
    let report = assert_valid(&done.report.to_json(), "strict top-1");
    assert_eq!(report.status, Status::Refuted);
    assert!(report.regions.iter().any(|r| r.class_change.is_some()));
}

/// A stored point and what was asked there.
struct Point {
    x: Vec<Exact>,
    property: Property,
    reference: Vec<Exact>,
}

/// What the report says was asked of a region.
fn property(report: &Report, id: &str) -> Property {
    let row = report.regions.iter().find(|r| r.id == id);
    let text = &row.expect("a row for each region").requirement;
    let number = |t: &str| t.parse().expect("a number");
    match text.rsplit_once(' ') {
        Some(("top1 margin", m)) => Property::Top1Margin(number(m)),
        Some(("eps", e)) => Property::Eps(number(e)),
        other => {
            assert_eq!((other, text.as_str()), (None, "top1"));
            Property::Top1
        }
    }
}

/// The region centres, and the counterexample in the comment of every stored version.
fn stored(folder: &Path, report: &Report, loaded: &Loaded) -> Vec<Point> {
    let reference = check(loaded.module.reference()).expect("a real program");
    let real = reference.real().expect("a real program");
    let point = |id: &str, x: Vec<Exact>| Point {
        property: property(report, id),
        reference: real_outputs(real, &x).expect("a point of the region"),
        x,
    };
    let regions = loaded.module.regions.iter();
    let mut points: Vec<Point> = regions.map(|r| point(&r.id, r.center())).collect();
    let iterations = report.loop_.as_ref().map_or(0, |l| l.iterations);
    for v in 1..=iterations {
        let path = folder.join(format!("versions/v{v}.nnir"));
        let text = std::fs::read_to_string(path).expect("a version");
        let ended = "// ended by a counterexample in region \"";
        let Some(line) = text.lines().find_map(|l| l.trim().strip_prefix(ended)) else {
            continue;
        };
        let (id, rest) = line.split_once("\": x = [").expect("a region and a point");
        let x = rest.trim_end_matches(']').split(", ");
        let x = x.map(|t| t.parse().expect("a number")).collect();
        points.push(point(id, x));
    }
    points
}

fn passes(program: &Checked<Program>, points: &[Point]) -> bool {
    let kernel = program.kernel().expect("a fixed-point program");
    points.iter().rev().all(|p| {
        let raw = kernel_outputs(kernel, &kernel.quantize_input(&p.x)).expect("an input");
        !breaks(&p.property, &p.reference, &kernel.output_values(&raw))
    })
}

/// How the cheaper assignments failed.
#[derive(Debug, Default)]
struct Cheaper {
    broken: u64,
    set_aside: u64,
    refused: u64,
    /// Neither: the claim is wrong.
    unexplained: Vec<String>,
}

/// Goes through every assignment that is cheaper than the report's cost, with the interpreter
/// and the stored points alone.
fn recheck(report: &Report, points: &[Point], space: &AnnotationSpace) -> Cheaper {
    let cost = report.cost.as_ref().map_or(0, |c| c.value);
    let aside = report.loop_.as_ref().map_or(&[][..], |l| &l.set_aside);
    let mut out = Cheaper::default();
    let mut order = CostOrder::new(space);
    while let Some(a) = order.next(space).filter(|a| space.cost(a) < cost) {
        let named = aside
            .iter()
            .any(|s| s.weight_bits == a.weights && s.activation_bits == a.activations);
        match space.program(&a, 0) {
            Err(_) => out.refused += 1,
            Ok(p) if !passes(&p, points) => out.broken += 1,
            Ok(_) if named => out.set_aside += 1,
            Ok(_) => out.unexplained.push(format!("{a:?}")),
        }
    }
    out
}

fn space(loaded: &Loaded, options: &CompileOptions) -> AnnotationSpace {
    let reference = check(loaded.module.reference()).expect("a real program");
    let model = Model::new(
        &Reference::new(&reference),
        loaded.module.network.clone(),
        &loaded.module.regions,
        Rounding::HalfUp,
    );
    let activations = options.activation_bits.clone();
    let activations = activations.unwrap_or(DEFAULT_ACTIVATION_BITS);
    let mut space = AnnotationSpace::new(
        Arc::new(model),
        Arc::new(Nearest::default()),
        (*options.weight_bits.start(), *options.weight_bits.end()),
        (*activations.start(), *activations.end()),
    );
    space.biases = BiasRule::AsWeights;
    space
}

#[test]
fn an_optimality_claim_can_be_checked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, eps, needed) in [
        ("tiny", None, true),
        // Here the region centres alone end everything cheaper.
        ("iris", None, false),
        ("iris", Some("0.3"), true),
        ("iris", Some("0.07"), true),
    ] {
        let mut options = CompileOptions::new(shipped(name));
        options.strategy = Strategy::Exact;
        options.load.require = eps.map(|e| Property::Eps(e.parse().expect("a number")).into());
        if eps.is_some() {
            // What the search takes where numbers are asked for.
            options.activation_bits = Some(4..=20);
        }
        let output = folder.path().join(name);
        let report = compiled(&options, &output);
        let cost = report.cost.as_ref().map_or(0, |c| c.value);
        let the_loop = report.loop_.as_ref().expect("a loop");
        let claim = the_loop.optimality.as_ref().expect("a claim");
        let loaded = load(&LoadOptions {
            net: shipped(name),
            ..LoadOptions::default()
        })
        .unwrap_or_else(|f| panic!("{name}: {f:?}"));
        let mut space = space(&loaded, &options);
        if eps.is_some() {
            // Numbers are followed with finer activations unless a range is given.
            space.activation_bits.1 = 20;
        }
        assert_eq!(claim.space, space.name());
        assert!(claim.in_space && claim.least, "{claim:?}");
        let text = &claim.statement;
        assert!(text.starts_with(&format!("cost {cost} is least")), "{text}");
        assert!(text.contains(&space.name()), "{text} names its space");

        let points = stored(&output, &report, &loaded);
        assert_eq!(points.len() as u64, the_loop.counterexamples);
        let found = recheck(&report, &points, &space);
        assert_eq!(found.unexplained, Vec::<String>::new(), "{name}");
        assert!(found.broken > 10, "{name}: {found:?}");
        let counts = [
            claim.refuted_count(),
            claim.set_aside_count(),
            claim.refused,
        ];
        assert_eq!(
            counts,
            [found.broken, found.set_aside, found.refused],
            "{name}"
        );
        assert_eq!(claim.cheaper, counts.iter().sum::<u64>());
        // `explain --recheck` comes to the same.
        let again = explain::recheck(
            &ExplainOptions {
                folder: output.clone(),
                ..ExplainOptions::default()
            },
            &Quiet,
            &Cancel::default(),
        )
        .unwrap_or_else(|f| panic!("{name}: {f:?}"));
        assert_eq!(again.outcome, Outcome::Holds, "{again:?}");
        assert_eq!(again.cheaper, claim.cheaper);
        // The check is not empty: without the loop's counterexamples it would fail.
        let centres = &points[..loaded.module.regions.len()];
        let weaker = recheck(&report, centres, &space);
        assert!(
            needed != weaker.unexplained.is_empty(),
            "{name}: {weaker:?}"
        );
        // The program of the folder is the one that the space makes, and it passes.
        let last = LoadOptions {
            net: output.join(format!("{name}.final.nnir")),
            ..LoadOptions::default()
        };
        let last = load(&last).unwrap_or_else(|f| panic!("{name}: {f:?}"));
        let program = last.module.version(None).expect("a version");
        let program = check(program).expect("passes");
        assert_eq!(Some(program.hash()), report.program);
        assert!(passes(&program, &points));
    }
}
