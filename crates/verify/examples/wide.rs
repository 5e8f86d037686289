//! Labels and top-1 verdicts of networks of wide layers on the boxes of VNN-LIB files, with times.
//!
//! `CEG4N_BENCHMARKS=DIR cargo run -p ceg4n-verify --example wide -- W A [SECONDS]` verifies
//! kernels with weights of `W` and activations of `A` bits, within so many seconds each. A fourth
//! argument chooses networks by name, a fifth is a tolerance to ask for in place of top-1.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

#[allow(dead_code, reason = "other programs use the rest of it")]
#[path = "../tests/it/uniform.rs"]
mod uniform;

use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Property};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{Effort, Question, Stop, Subject, decide};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use uniform::Benchmark;

/// Network and box.
const QUESTIONS: [[&str; 2]; 9] = [
    [
        "oval21/cifar_base_kw",
        "oval21/cifar_base_kw-img1598-eps0.0026143790849673205",
    ],
    [
        "oval21/cifar_base_kw",
        "oval21/cifar_base_kw-img1697-eps0.0014379084967320263",
    ],
    [
        "oval21/cifar_deep_kw",
        "oval21/cifar_base_kw-img1697-eps0.0014379084967320263",
    ],
    [
        "oval21/cifar_deep_kw",
        "oval21/cifar_base_kw-img1598-eps0.0026143790849673205",
    ],
    [
        "oval21/cifar_deep_kw",
        "oval21/cifar_base_kw-img2908-eps0.019869281045751634",
    ],
    [
        "marabou-cifar10/cifar10_small",
        "marabou-cifar10/networkcifar10_small_index1189_eps0.012_target1_orig0",
    ],
    ["verivital/Convnet_maxpool", "verivital/prop_9_0.004"],
    ["verivital/Convnet_avgpool", "verivital/prop_0_0.02"],
    ["eran/mnist_relu_9_200", "verivital/prop_9_0.004"],
];

fn main() -> Result<(), String> {
    let dir = std::env::var("CEG4N_BENCHMARKS").map_err(|_| "set CEG4N_BENCHMARKS")?;
    let dir = PathBuf::from(dir).join("vnncomp");
    let mut args = std::env::args().skip(1);
    let bits = |a: Option<String>| a.and_then(|a| a.parse::<u8>().ok());
    let (w, a) = (
        bits(args.next()).unwrap_or(8),
        bits(args.next()).unwrap_or(14),
    );
    let seconds = bits(args.next()).unwrap_or(120);
    let only = args.next().unwrap_or_default();
    let eps = args.next().and_then(|e| e.parse::<Exact>().ok());
    let property = eps.map_or(Property::Top1, Property::Eps);
    for [network, query] in QUESTIONS {
        if !network.contains(&only) {
            continue;
        }
        let start = Instant::now();
        let file = |name: &str, end: &str| dir.join(format!("{name}.{end}"));
        let b = Benchmark::of_query(&file(network, "onnx"), &file(query, "vnnlib"))?;
        let region = &b.regions[0];
        let loaded = start.elapsed();
        let program = b.kernel(w, a)?;
        let subject = Subject::new(program, &CodeCache::new()).map_err(|t| t.to_string())?;
        let made = start.elapsed();
        let stop = Stop {
            deadline: Some(Instant::now() + Duration::from_secs(seconds.into())),
            ..Stop::default()
        };
        let effort = Effort::default();
        let space = Space::new(region, Domain::Real, subject.input_format());
        let root = space.root().map_err(|d| d.message)?;
        let center = region.center();
        let label = label(&b.reference, &space, &center, &root, &effort, &stop);
        let labelled = start.elapsed();
        let question = Question {
            reference: &b.reference,
            subject: &subject,
            region,
            property: &property,
            domain: Domain::Real,
            label: &label,
        };
        let result = decide(&question, &effort, &stop, &mut NoLeaf);
        let name = match &label.label {
            ceg4n_verify::Label::Robust(c) => format!("robust {c}"),
            ceg4n_verify::Label::Changes(_) => "changes".to_owned(),
            ceg4n_verify::Label::Undecided => "undecided".to_owned(),
        };
        let verdict = match &result.verdict {
            ceg4n_verify::Verdict::Unknown(why) => format!("unknown: {why}"),
            ceg4n_verify::Verdict::Proved(e) => format!("proved by {}", e.method),
            ceg4n_verify::Verdict::Refuted(_) => "refuted".to_owned(),
        };
        println!(
            "{network}: {name}, {verdict}; {} boxes; load {:.1} s, code {:.1} s, label {:.1} s, verdict {:.1} s",
            result.boxes,
            loaded.as_secs_f64(),
            (made - loaded).as_secs_f64(),
            (labelled - made).as_secs_f64(),
            (start.elapsed() - labelled).as_secs_f64(),
        );
    }
    Ok(())
}
