//! Loops of every form on dense layers at the edges of their side conditions: the plain C on this
//! machine, the instructions on emulated boards.

use crate::common::{Case, compilers, deep_shifts, dense_cases, folder, run, skip, wide_dense};
use ceg4n_boards::selftest::Kernel;
use ceg4n_boards::{Board, Level, Source, selftest};
use ceg4n_emit::{EmitOptions, KernelChoice, Target, emit_c};
use std::process::Command;

/// Programs for a target, in its loops.
fn cases(target: Target, programs: usize) -> Vec<Case> {
    let prefix = target.name().replace('-', "_");
    let mut cases = dense_cases(&format!("{prefix}_"), 40, programs, 12);
    cases.extend(deep_shifts(&format!("{prefix}_")));
    for (i, case) in cases.iter_mut().enumerate() {
        case.options = EmitOptions {
            target,
            kernel: KernelChoice::Speed,
            // A kernel that is not simplified reaches forms that few simplified ones have.
            rewrite: i % 5 == 4,
            ..EmitOptions::default()
        };
    }
    cases
}

/// All emitted text.
fn text(cases: &[Case]) -> String {
    let files = cases.iter().flat_map(|c| emit_c(&c.input()).unwrap());
    files
        .map(|f| String::from_utf8(f.content).unwrap())
        .collect()
}

#[test]
fn plain_c_beside_instructions_gives_the_same() {
    let dir = folder();
    let all: Vec<Case> = Target::ALL.into_iter().flat_map(|t| cases(t, 60)).collect();
    crate::c::batch(&all, dir.path());
    for cc in compilers() {
        let exe = dir.path().join("batch");
        run(Command::new(&cc)
            .args(crate::c::FLAGS)
            .arg("-o")
            .arg(&exe)
            .arg(dir.path().join("c/batch.c")));
        let out = run(&mut Command::new(&exe));
        let text = String::from_utf8(out.stdout).unwrap();
        assert_eq!(text.matches(" vectors pass\n").count(), all.len());
    }
}

/// The programs reach every form and every kind of store.
#[test]
fn the_programs_cover_the_forms() {
    let text = text(&cases(Target::CortexM4, 120));
    for (what, least) in [
        ("two rows a multiplication", 15),
        ("four rows a multiplication", 15),
        ("two columns a multiplication", 15),
        ("_dual8_", 10),
        ("_dual16_", 10),
        ("_sum8_u8(x", 3),
        ("_sum8_i8(x", 3),
        ("_sum8_i16(x", 3),
        ("usat r", 10),
        ("ssat r", 10),
        ("strh r", 3),
        ("int shift", 3),
        ("(w, b + j, x, ", 20),
        ("a, 1", 10),
    ] {
        let n = text.matches(what).count();
        assert!(n >= least, "`{what}` occurs {n} times");
    }
}

/// A case's files for a board.
fn kernel(case: &Case) -> Kernel {
    let files = emit_c(&case.input()).unwrap().into_iter();
    let sources = files.filter_map(|f| {
        let name = f.path.strip_prefix("c/")?.to_owned();
        let is_c = [".c", ".h"].iter().any(|e| name.ends_with(e));
        let text = String::from_utf8(f.content).unwrap();
        (is_c && !name.contains('/')).then(|| Source::new(name, text))
    });
    Kernel {
        name: case.name.clone(),
        sources: sources.collect(),
        bytes: (200, 2_000),
    }
}

/// The self-tests on a board.
fn on_board(board: Board, level: Level, cases: &[Case]) {
    if let Some(tool) = board.missing() {
        skip(&format!("{board}: {tool} is not installed"));
        return;
    }
    let kernels: Vec<Kernel> = cases.iter().map(kernel).collect();
    let outcomes = selftest(board, level, &kernels).unwrap();
    for (outcome, case) in outcomes.iter().zip(cases) {
        assert_eq!(outcome.vectors, case.vectors.len(), "{}", case.name);
        assert_eq!(outcome.wrong, 0, "{board} {level:?} {}", case.name);
    }
    assert_eq!(outcomes.len(), cases.len());
}

#[test]
fn cortex_m4_instructions_compute_what_programs_mean() {
    let cases = cases(Target::CortexM4, 120);
    for level in Level::TESTED {
        on_board(Board::CortexM4, level, &cases);
    }
    on_board(Board::CortexM33, Level::O2, &cases);
}

/// How often each text occurs where that is less than expected.
fn rare(text: &str, expected: &[(&str, usize)]) -> Vec<String> {
    let count = |what: &str| text.matches(what).count();
    let few = expected.iter().filter(|(what, least)| count(what) < *least);
    few.map(|(what, _)| format!("`{what}`: {}", count(what)))
        .collect()
}

/// The programs reach the forms of the small processors, and all that becomes of sums.
#[test]
fn the_programs_cover_the_small_processors() {
    let m0 = text(&cases(Target::CortexM0, 120));
    let expected = [
        ("four rows a word: |sums", 10),
        ("chunks of columns", 5),
        ("; sums modulo 2^32", 10),
        ("_quarters_4(", 10),
        ("_quarters_4_i8(", 5),
        ("_quarters_3(", 3),
        ("_offset_1(", 5),
        ("_offset_2_i8(", 3),
        ("_offset_4_u16(", 3),
        ("_offset_4_i16(", 3),
        ("128 added, which", 3),
        (", NULL, y + j, ", 20),
        (", y + j, NULL, 0", 10),
        (", a, NULL, 0", 10),
    ];
    assert_eq!(rare(&m0, &expected), [""; 0]);
    let avr = text(&cases(Target::Avr, 300));
    let expected = [
        ("; sums modulo 2^16", 20),
        ("; sums modulo 2^24", 20),
        ("_short_10(", 5),
        ("_short_3(", 3),
        ("_bytes_6(", 3),
        ("_bytes_1(", 3),
        ("_high(", 3),
        ("(const uint8_t *)x, ", 10),
        (", NULL, y + j, ", 20),
        (", y + j, NULL, ", 5),
        ("int16_t acc = a[r];", 10),
        ("int32_t acc = a[r];", 10),
    ];
    assert_eq!(rare(&avr, &expected), [""; 0]);
}

#[test]
fn cortex_m0_instructions_compute_what_programs_mean() {
    let cases = cases(Target::CortexM0, 120);
    for level in Level::TESTED {
        on_board(Board::CortexM0, level, &cases);
    }
    // Every later processor takes them too.
    on_board(Board::CortexM3, Level::O2, &cases);
}

#[test]
fn avr_instructions_compute_what_programs_mean() {
    let cases = cases(Target::Avr, 120);
    for level in Level::TESTED {
        on_board(Board::Atmega2560, level, &cases);
    }
}

/// Constants that take most of the flash that pointers reach leave less for vectors.
#[test]
fn avr_selftests_stay_within_reach() {
    let board = Board::Atmega2560;
    if let Some(tool) = board.missing() {
        skip(&format!("{board}: {tool} is not installed"));
        return;
    }
    let mut case = wide_dense("reach", 200, 290, 40);
    case.options = EmitOptions {
        target: Target::Avr,
        kernel: KernelChoice::Speed,
        ..EmitOptions::default()
    };
    let outcomes = selftest(board, Level::O2, &[kernel(&case)]).unwrap();
    assert!(outcomes[0].vectors >= 5, "{outcomes:?}");
    assert_eq!(outcomes[0].wrong, 0, "{outcomes:?}");
}
