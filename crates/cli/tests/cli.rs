//! What the text tests cannot show: streams that fail, terminals, standard input, interruption,
//! threads, and the types that options become.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ceg4n_driver::Precision;
use ceg4n_driver::bench::{BenchOptions, BenchPreset, Scales};
use ceg4n_driver::options::{Boundary, Demand, EmitSet, Preset, Strategy};
use ceg4n_ir::{Domain, Property, Rounding};
use ceg4nc::args::{BenchCommand, Cli, Command};
use ceg4nc::{Console, Manners, Screen, run_on, translate};
use clap::Parser;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A network of the repository.
fn net(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/networks");
    folder.join(name).to_str().unwrap().to_owned()
}

/// A call, and how its console differs from a plain one.
struct Call<'a> {
    args: Vec<&'a str>,
    input: &'a str,
    terminal: bool,
    colours: bool,
    cancelled: bool,
    manners: Manners,
}

impl<'a> Call<'a> {
    fn new(args: &[&'a str]) -> Self {
        Self {
            args: args.to_vec(),
            input: "",
            terminal: false,
            colours: false,
            cancelled: false,
            manners: Manners::default(),
        }
    }

    fn run_into(&self, out: &mut dyn Write) -> (i32, String) {
        let mut err = Vec::new();
        let mut console = Console {
            out,
            err: &mut err,
            input: &mut self.input.as_bytes(),
            err_is_terminal: self.terminal,
            colours: self.colours,
            manners: self.manners,
            screen: Screen::default(),
            cancel: Default::default(),
        };
        console.cancel.store(self.cancelled, Ordering::Relaxed);
        let args = std::iter::once("ceg4nc").chain(self.args.iter().copied());
        let code = run_on(args.map(OsString::from), &mut console);
        (code, String::from_utf8(err).unwrap())
    }

    fn run(&self) -> (i32, String, String) {
        let mut out = Vec::new();
        let (code, err) = self.run_into(&mut out);
        (code, String::from_utf8(out).unwrap(), err)
    }
}

/// A stream that fails.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure_but_a_full_disk_is() {
    for args in [vec!["check", &net("tiny.nnir")], vec!["help"]] {
        let call = Call::new(&args);
        let gone = call.run_into(&mut Broken(io::ErrorKind::BrokenPipe));
        assert_eq!(gone, (0, String::new()));
        let (code, err) = call.run_into(&mut Broken(io::ErrorKind::StorageFull));
        assert_eq!(code, 3);
        assert!(err.contains("cannot write the result"), "{err}");
    }
}

#[test]
fn colours_are_for_terminals() {
    let missing = ["check", "no-such-file.nnir"];
    let coloured = |terminal, colours| {
        let mut call = Call::new(&missing);
        (call.terminal, call.colours) = (terminal, colours);
        call.run().2.contains('\u{1b}')
    };
    assert!(coloured(true, true));
    assert!(!coloured(true, false));
    assert!(!coloured(false, true));
}

#[test]
fn standard_input_is_read() {
    let tiny = net("tiny.nnir");
    let mut call = Call::new(&["run", &tiny, "--input", "-", "--format", "json"]);
    call.input = "[[0.8, 0.2], [0.1, 0.7]]";
    let (code, out, err) = call.run();
    assert_eq!((code, err.as_str()), (0, ""));
    let results: serde_json::Value = serde_json::from_str(&out).unwrap();
    let classes: Vec<_> = (0..2).map(|i| &results[i]["kernel"]["class"]).collect();
    assert_eq!(classes, [0, 1]);
    assert_eq!(
        results[0]["kernel"]["mantissas"],
        serde_json::json!([300, 14])
    );
}

#[test]
fn an_interrupted_command_ends_with_what_it_has() {
    let tiny = net("tiny.nnir");
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let interrupted = |args: &[&str]| {
        let mut call = Call::new(args);
        call.cancelled = true;
        call.run()
    };
    // A bound that takes more than the first look.
    let (code, out, _) = interrupted(&[
        "verify",
        &tiny,
        "--region",
        "left",
        "--require",
        "eps=0.016",
    ]);
    assert_eq!(code, 20, "{out}");
    assert!(
        out.starts_with("UNKNOWN: ") && out.contains("interrupted"),
        "{out}"
    );

    // Nothing was proved before the work began, and the folder is whole.
    let (code, out, _) = interrupted(&["compile", &tiny, "-o", output.to_str().unwrap()]);
    assert_eq!(code, 20, "{out}");
    assert!(out.starts_with("UNKNOWN: "), "{out}");
    assert!(out.contains("cut short"), "{out}");
    assert!(output.join("report.json").is_file());
}

#[test]
fn threads_and_repetition_change_nothing() {
    let tiny = net("tiny.nnir");
    let folder = tempfile::tempdir().unwrap();
    let compile = |jobs: &str| {
        let output = folder.path().join(jobs);
        let output = output.to_str().unwrap();
        let call = Call::new(&[
            "compile", &tiny, "-o", output, "--jobs", jobs, "--seed", "3",
        ]);
        let (code, _, err) = call.run();
        assert_eq!(code, 0, "{err}");
        // Few regions and no data are told; nothing else is.
        let told = err.lines().filter(|l| l.starts_with("warning[")).count();
        assert!(told == 1 && err.starts_with("warning[E0407]"), "{err}");
        std::fs::read_to_string(Path::new(output).join("tiny.final.nnir")).unwrap()
    };
    let one = compile("1");
    assert_eq!(one, compile("4"));
    // Again into the same folder.
    assert_eq!(one, compile("1"));
}

fn command(args: &[&str]) -> Command {
    Cli::try_parse_from(["ceg4nc"].iter().chain(args))
        .unwrap()
        .command
        .unwrap()
}

#[test]
fn options_get_their_types() {
    let typed = [
        "compile",
        "n.onnx",
        "-o",
        "d",
        "--regions",
        "a.json",
        "--regions",
        "b.json",
        "--ball-size",
        "0.01",
        "--region",
        "r",
        "--require",
        "top1",
        "--domain",
        "grid:u8q8",
        "--reference",
        "real",
        "--boundary",
        "margin",
        "--boundary-margin",
        "1/3",
        "--rounding",
        "half-even",
        "--preset",
        "auto",
        "--strategy",
        "nsga2",
        "--cost",
        "weight-bits",
        "--weight-bits",
        "3..5",
        "--activation-bits",
        "8",
        "--emit",
        "c,onnx",
        "--prefix",
        "p",
        "--ir-version",
        "v2",
        "--effort",
        "3",
        "--time-limit",
        "1.5",
        "--region-time-limit",
        "2",
        "--memory-limit",
        "64",
        "--jobs",
        "2",
        "--seed",
        "9",
        "--solver",
        "z3",
    ];
    let Command::Compile(args) = command(&typed) else {
        panic!("no compile")
    };
    let o = translate::compile(&args).unwrap();
    assert_eq!(o.load.net, Path::new("n.onnx"));
    assert_eq!(o.load.regions, [Path::new("a.json"), Path::new("b.json")]);
    assert_eq!(o.load.ball_sizes, ["0.01".parse().unwrap()]);
    assert_eq!(o.load.region_ids, ["r"]);
    assert_eq!(o.load.require, Some(Property::Top1.into()));
    assert_eq!(o.load.domain, Some(Domain::Grid("u8q8".parse().unwrap())));
    assert_eq!(o.boundary, Some(Boundary::Margin));
    assert_eq!(o.boundary_margin, Some("1/3".parse().unwrap()));
    assert_eq!(o.rounding, Some(Rounding::HalfEven));
    assert_eq!((o.preset, o.strategy), (Preset::Auto, Strategy::Nsga2));
    assert_eq!((o.weight_bits, o.activation_bits), (3..=5, Some(8..=8)));
    assert!(o.emit.has("c") && !o.emit.has("rust") && o.emit.has("onnx"));
    assert_eq!(o.output.as_deref(), Some(Path::new("d")));
    assert_eq!((o.prefix.as_deref(), o.ir_version), (Some("p"), Some(2)));
    assert_eq!((o.budget.effort, o.budget.jobs, o.budget.seed), (3, 2, 9));
    assert_eq!(o.budget.time_limit, Some(Duration::from_millis(1500)));
    assert_eq!(o.budget.region_time_limit, Some(Duration::from_secs(2)));
    assert_eq!(o.budget.memory_limit_mib, Some(64));
    assert_eq!(o.budget.solver, "z3");
}

#[test]
fn queries_and_data_sets_get_their_types() {
    let given = [
        "check",
        "n.onnx",
        "--regions",
        "d.csv",
        "--radius",
        "0.1",
        "--clip",
        "-1:1e-1",
        "--rows",
        "3..7",
        "--require",
        "spec=a=b.vnnlib",
    ];
    let Command::Check(args) = command(&given) else {
        panic!("no check")
    };
    let o = translate::load(&args.net, &args.question).unwrap();
    assert_eq!(o.radius, Some("1/10".parse().unwrap()));
    let clip = ("-1".parse().unwrap(), "1/10".parse().unwrap());
    assert_eq!((o.clip, o.rows), (Some(clip), Some(3..7)));
    let query = Demand::Query("a=b.vnnlib".into());
    assert_eq!(o.require, Some(query));
}

#[test]
fn presets_and_margins_get_their_types() {
    let given = [
        "compile",
        "n.onnx",
        "--preset",
        "uniform:4:8",
        "--require",
        "top1:margin=0.5",
    ];
    let Command::Compile(args) = command(&given) else {
        panic!("no compile")
    };
    let o = translate::compile(&args).unwrap();
    let preset = Preset::Uniform {
        weight_bits: 4,
        activation_bits: 8,
    };
    assert_eq!(o.preset, preset);
    let margin = Property::Top1Margin("0.5".parse().unwrap());
    assert_eq!(o.load.require, Some(margin.into()));
}

#[test]
fn an_option_without_effect_is_refused() {
    for (without, with) in [
        (["--preset", "uniform8"], ["--strategy", "exact"]),
        (["--preset", "uniform:4:8"], ["--weight-bits", "4"]),
        (["--preset", "uniform-min"], ["--activation-bits", "8"]),
        (["--require", "eps=0.1"], ["--boundary-margin", "0.1"]),
    ] {
        let refused = |extra: &[&str]| {
            let all = [&["compile", "n.onnx"], extra].concat();
            let Command::Compile(args) = command(&all) else {
                panic!("no compile")
            };
            translate::compile(&args).is_err()
        };
        assert!(!refused(&without) && !refused(&with));
        assert!(refused(&[without, with].concat()), "{without:?} {with:?}");
    }
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_book() {
    let Command::Compile(args) = command(&["compile", "n.nnir"]) else {
        panic!("no compile")
    };
    let o = translate::compile(&args).unwrap();
    assert_eq!(
        (o.weight_bits.clone(), o.activation_bits.clone()),
        (2..=16, None)
    );
    assert_eq!(
        (o.boundary, o.rounding, o.preset),
        (None, None, Preset::Auto)
    );
    assert_eq!(o.emit, EmitSet::default());
    assert_eq!(o.output_folder("n"), Path::new("n.ceg4n"));
    assert_eq!((o.budget.effort, o.budget.seed), (1, 0));
    assert_eq!(o.budget.solver, "embedded");
}

fn bench(extra: &[&str]) -> Result<BenchOptions, ceg4n_base::Diagnostics> {
    let all = [&["bench", "verify", "d"], extra].concat();
    let Command::Bench(args) = command(&all) else {
        panic!("no bench")
    };
    let BenchCommand::Verify(args) = args.what else {
        panic!("no verify")
    };
    translate::bench_verify(&args)
}

#[test]
fn options_of_a_bench_get_their_types() {
    let o = bench(&[]).unwrap();
    assert_eq!(o.folder, Path::new("d"));
    let uniform = |weight_bits, activation_bits| BenchPreset::Uniform {
        weight_bits,
        activation_bits,
    };
    assert_eq!(o.presets, [BenchPreset::Labels, uniform(8, 12)]);
    assert_eq!(o.load.require, Some(Property::Top1.into()));
    assert_eq!((o.boundary, o.scales), (Boundary::Margin, Scales::Radius));
    assert_eq!((o.distinct, o.reference), (false, Precision::Real));

    let o = bench(&[
        "--network",
        "iris*",
        "--preset",
        "weights:4",
        "--preset",
        "uniform8",
        "--require",
        "eps=0.5",
        "--region",
        "a",
        "--ball-size",
        "0.1",
        "--boundary",
        "refute",
        "--scales",
        "network",
        "--distinct",
        "--reference",
        "f32",
        "--rounding",
        "floor",
        "--region-time-limit",
        "2",
    ])
    .unwrap();
    assert_eq!(o.networks, ["iris*"]);
    assert_eq!(o.presets, [BenchPreset::Weights(4), uniform(8, 8)]);
    let eps = Property::Eps("0.5".parse().unwrap());
    assert_eq!(o.load.require, Some(eps.into()));
    assert_eq!(o.load.region_ids, ["a"]);
    assert_eq!(o.load.ball_sizes, ["0.1".parse().unwrap()]);
    assert_eq!((o.boundary, o.scales), (Boundary::Refute, Scales::Network));
    assert_eq!((o.distinct, o.reference), (true, Precision::Float32));
    assert_eq!(o.rounding, Rounding::Floor);
    assert_eq!(o.budget.region_time_limit, Some(Duration::from_secs(2)));
    for wrong in [
        ["--preset", "uniform-min"],
        ["--preset", "weights:17"],
        ["--scales", "all"],
    ] {
        assert!(bench(&wrong).is_err(), "{wrong:?}");
    }
}
