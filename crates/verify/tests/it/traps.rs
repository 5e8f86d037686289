//! Answers of the benchmarks that are easily got wrong: regions in which the reference itself
//! changes class, tolerances that any constant meets, and widths of which more is not better.

use crate::uniform::Benchmark;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Program, Property, Region, check};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{Effort, Label, Question, RegionResult, Stop, Subject, Verdict, decide};
use std::io::Write as _;
use std::path::PathBuf;

/// The benchmarks' folder; `None`, said aloud, without one.
fn benchmarks(test: &str) -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("CEG4N_BENCHMARKS") {
        return Some(dir.into());
    }
    let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
    assert!(!required, "CEG4N_BENCHMARKS is not set");
    // Past the test harness, which shows nothing of tests that pass.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {test}: CEG4N_BENCHMARKS is not set"
    );
    None
}

fn ask(
    benchmark: &Benchmark,
    subject: &Subject,
    region: &Region,
    property: &Property,
) -> RegionResult {
    let effort = Effort {
        boxes: 4000,
        ..Effort::default()
    };
    let stop = Stop::default();
    let space = Space::new(region, Domain::Real, subject.input_format());
    let root = space.root().expect("a point");
    let reference = &benchmark.reference;
    let label = label(reference, &space, &region.center(), &root, &effort, &stop);
    let question = Question {
        reference,
        subject,
        region,
        property,
        domain: Domain::Real,
        label: &label,
    };
    decide(&question, &effort, &stop, &mut NoLeaf)
}

fn subject(benchmark: &Benchmark, w: u8, a: u8) -> Subject {
    let program = benchmark.kernel(w, a).expect("a kernel");
    Subject::new(program, &CodeCache::new()).expect("native code")
}

fn region<'a>(benchmark: &'a Benchmark, id: &str) -> &'a Region {
    let found = benchmark.regions.iter().find(|r| r.id == id);
    found.unwrap_or_else(|| panic!("no region {id}"))
}

/// Two points of the region whose strict winners differ, by exact arithmetic, and a verdict that
/// is not PROVED, whatever the widths.
#[test]
fn a_change_of_the_reference_comes_with_two_witnesses() {
    let Some(dir) = benchmarks("two witnesses") else {
        return;
    };
    for (name, id) in [
        ("iris_10x2", "2.05"),
        ("seeds_10x1", "1.03"),
        ("mnist_784_10x1", "6.03"),
    ] {
        let benchmark = Benchmark::load(&dir, name).expect("a network");
        let region = region(&benchmark, id);
        let real = benchmark.reference.real().expect("a real network");
        for (w, a) in [(3, 6), (4, 12), (8, 12), (16, 16)] {
            let result = ask(
                &benchmark,
                &subject(&benchmark, w, a),
                region,
                &Property::Top1,
            );
            assert_ne!(result.verdict.name(), "proved", "{name} {id} {w} {a}");
            let Label::Changes(change) = result.label else {
                panic!("{name} {id}: {:?}", result.label);
            };
            for (x, class) in [&change.a, &change.b] {
                let y = ceg4n_eval::real_outputs(real, x).expect("outputs");
                assert_eq!(ceg4n_eval::strict_winner(&y), Some(*class), "{name} {id}");
                let within =
                    |(x, i): (&Exact, usize)| region.lower[i] <= *x && *x <= region.upper[i];
                assert!(x.iter().zip(0..).all(within), "{name} {id}");
            }
            assert_ne!(change.a.1, change.b.1, "{name} {id}");
        }
    }
}

/// Where the outputs hardly move, a constant is within 0.05 of them: such boxes are never counted.
#[test]
fn nearly_constant_boxes_are_vacuous() {
    let Some(dir) = benchmarks("vacuous boxes") else {
        return;
    };
    let benchmark = Benchmark::load(&dir, "ACASXU_run2a_1_1_batch_2000").expect("a network");
    // No kernel is better than the network itself.
    let program = Program::reference(benchmark.network.clone());
    let program = check(program).expect("a real program");
    let subject = Subject::new(program, &CodeCache::new()).expect("a subject");
    let eps = Property::Eps("0.05".parse().expect("a number"));
    let mut seen = 0;
    for region in benchmark.regions.iter().filter(|r| r.id.starts_with("3.")) {
        seen += 1;
        let result = ask(&benchmark, &subject, region, &eps);
        assert!(result.vacuous.is_some(), "{}", region.id);
        assert!(!result.counts_as_proved(), "{}", region.id);
    }
    assert!(seen >= 3, "{seen}");
}

/// A kernel with more bits may break where one with fewer holds, so that no search may bisect.
#[test]
fn more_bits_are_not_always_better() {
    let Some(dir) = benchmarks("frontiers") else {
        return;
    };
    let benchmark = Benchmark::load(&dir, "seeds_2x1").expect("a network");
    let mut falls = Vec::new();
    for activations in [None, Some(8), Some(12)] {
        let kernel = |w: u8| subject(&benchmark, w, activations.unwrap_or(w));
        let kernels: Vec<Subject> = (2..=8).map(kernel).collect();
        for region in &benchmark.regions {
            let ask = |k| ask(&benchmark, k, region, &Property::Top1).verdict;
            let verdicts: Vec<Verdict> = kernels.iter().map(ask).collect();
            for (w, v) in (2..).zip(verdicts.windows(2)) {
                if let [Verdict::Proved(_), Verdict::Refuted(_)] = v {
                    falls.push((region.id.clone(), w, activations));
                }
            }
        }
    }
    println!("proved, but refuted with one bit more: {falls:?}");
    assert!(!falls.is_empty());
}
