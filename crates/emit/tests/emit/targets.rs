//! The same integers everywhere: emitted C, for every target and kernel choice, on this machine
//! and on emulated microcontrollers.
//!
//! A board whose tools are missing is skipped with a message; with `CEG4N_REQUIRE_TOOLS=1` that
//! is a failure.

#![expect(clippy::print_stderr, reason = "the tests say how much they compared")]

use crate::common::{
    Case, channel_cases, dag_cases, graph_case, mlp_cases, random_cases, skip, wide_constant,
};
use ceg4n_boards::rust::{Crate, Rust};
use ceg4n_boards::selftest::Kernel;
use ceg4n_boards::{Board, Level, Source, selftest, selftest_linked};
use ceg4n_emit::{EmitOptions, KernelChoice, OutputFile, Target, emit_c, emit_rust, footprint};
use std::path::Path;

/// Chains, graphs of every operator with convolutions and tables, shifts by channel, wide words,
/// and dense layers that decide between forms.
fn cases() -> Vec<Case> {
    let mut cases = mlp_cases(12);
    cases.push(graph_case(6));
    cases.push(wide_constant());
    cases.extend(random_cases(5, 10, 10));
    cases.extend(dag_cases(9, 16, 8));
    cases.extend(channel_cases().into_iter().step_by(5));
    cases
}

/// Every form of a case whose text differs from those before it.
fn forms(case: &Case) -> Vec<Kernel> {
    let mut texts: Vec<Vec<OutputFile>> = Vec::new();
    let mut kernels = Vec::new();
    for target in Target::ALL {
        for kernel in KernelChoice::ALL {
            let mut input = case.input();
            input.options = EmitOptions {
                target,
                kernel,
                ..EmitOptions::default()
            };
            let mut files = emit_c(&input).unwrap();
            files.retain(|f| f.path.ends_with(".c") || f.path.ends_with(".h"));
            if texts.contains(&files) {
                continue;
            }
            texts.push(files);
            // A name of its own, so that forms stand in one program.
            let name = format!("{}_{}_{}", case.name, target.name(), kernel.name());
            let name = name.replace('-', "_");
            input.name = &name;
            kernels.push(Kernel {
                sources: sources(&emit_c(&input).unwrap()),
                bytes: bytes(case, &input),
                name,
            });
        }
    }
    kernels
}

fn sources(files: &[OutputFile]) -> Vec<Source> {
    let code = files
        .iter()
        .filter(|f| f.path.ends_with(".h") || f.path.ends_with(".c"));
    code.map(source).collect()
}

fn source(f: &OutputFile) -> Source {
    let path = f.path.strip_prefix("c/");
    let path = path.or_else(|| f.path.strip_prefix("rust/src/"));
    Source::new(path.unwrap(), String::from_utf8(f.content.clone()).unwrap())
}

/// RAM of a self-test, and constants.
fn bytes(case: &Case, input: &ceg4n_emit::EmitInput<'_>) -> (usize, usize) {
    let memory = footprint(input).unwrap();
    let kernel = case.program.kernel().unwrap();
    // Elements have at most eight bytes.
    let vector = 8 * (kernel.input_len() + kernel.output_len());
    let ram = memory.scratch_bytes + vector + 8 * kernel.output_len();
    (ram, memory.constant_bytes + case.vectors.len() * vector)
}

fn present(board: Board) -> bool {
    let Some(tool) = board.missing() else {
        return true;
    };
    skip(&format!("{board}: {tool} is not installed"));
    false
}

/// Runs all forms of all cases; what was run, in words.
fn run(board: Board, levels: &[Level]) {
    if !present(board) {
        return;
    }
    let cases = cases();
    let kernels: Vec<Kernel> = cases.iter().flat_map(forms).collect();
    for level in levels {
        let outcomes = selftest(board, *level, &kernels).unwrap();
        let wrong: Vec<_> = outcomes.iter().filter(|o| o.wrong > 0).collect();
        assert!(wrong.is_empty(), "{board} {}: {wrong:?}", level.flag());
        let vectors: usize = outcomes.iter().map(|o| o.vectors).sum();
        assert!(vectors >= 8 * kernels.len(), "vectors were run");
        eprintln!(
            "{board} {}: {vectors} vectors on {} kernels of {} programs, 0 differences",
            level.flag(),
            kernels.len(),
            cases.len()
        );
    }
}

#[test]
fn the_same_integers_on_this_machine() {
    for board in [Board::HostGcc, Board::HostClang] {
        run(board, &Level::TESTED);
    }
}

#[test]
fn the_same_integers_on_cortex_m() {
    for board in Board::ALL.into_iter().filter(|b| b.is_cortex_m()) {
        run(board, &[Level::O2]);
    }
    run(Board::CortexM0, &[Level::Os]);
    run(Board::CortexM4, &[Level::Os]);
}

#[test]
fn the_same_integers_on_avr() {
    run(Board::Atmega2560, &[Level::O2, Level::Os]);
}

/// The emitted Rust on a Cortex-M4: the same self-tests, whose C calls Rust.
#[test]
fn the_same_integers_from_rust() {
    let Some(rust) = Rust::find() else {
        skip("there is no rustc with the sources of its library");
        return;
    };
    let board = Board::CortexM4;
    if !present(board) {
        return;
    }
    let cases = cases();
    let (mut kernels, mut crates) = (Vec::new(), Vec::new());
    for case in &cases {
        let (mut kernel, scratch) = selftest_alone(case);
        let header = kernel.sources.iter_mut().find(|s| s.name.ends_with(".h"));
        let header = header.unwrap();
        header.text = ceg4n_boards::rust::header(&header.text, &case.name, scratch).unwrap();
        kernels.push(kernel);
        let files = emit_rust(&case.input()).unwrap();
        let files = files.iter().filter(|f| f.path.starts_with("rust/src/"));
        crates.push(Crate {
            name: case.name.clone(),
            files: files.map(source).collect(),
            scratch,
        });
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for level in [Level::O2, Level::Os] {
        let compiled = rust.compile(board, level, &crates, cache).unwrap();
        let outcomes = selftest_linked(board, level, &kernels, &compiled.objects).unwrap();
        let wrong: Vec<_> = outcomes.iter().filter(|o| o.wrong > 0).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let vectors: usize = outcomes.iter().map(|o| o.vectors).sum();
        eprintln!(
            "{board}, {} {}: {vectors} vectors on {} programs, 0 differences",
            rust.version(),
            level.flag(),
            cases.len()
        );
    }
}

/// A case's header and self-test without its C, and enough bytes for the scratch memory of its
/// Rust, which does not share buffers between types.
fn selftest_alone(case: &Case) -> (Kernel, usize) {
    let input = case.input();
    let header = format!("{}.h", case.name);
    let test = format!("{}_selftest.c", case.name);
    let mut sources = sources(&emit_c(&input).unwrap());
    sources.retain(|s| s.name == header || s.name == test);
    let kernel = Kernel {
        name: case.name.clone(),
        sources,
        bytes: (0, 0),
    };
    (kernel, 65_536)
}

/// A wrong expectation is a difference on every board: the tests above could fail.
#[test]
fn a_difference_is_seen_on_every_board() {
    let mut case = mlp_cases(3).remove(0);
    case.vectors[1].output[0] += 1;
    for board in Board::ALL.into_iter().filter(|b| present(*b)) {
        let outcomes = selftest(board, Level::O2, &forms(&case)).unwrap();
        assert!(
            outcomes.iter().all(|o| o.wrong == 1),
            "{board}: {outcomes:?}"
        );
    }
}
