//! The self-tests of many kernels, in one program a board.

use crate::board::{Board, Level};
use crate::build::{Job, Source, build};
use crate::run::parsed;
use crate::{Error, measure};
use std::fmt::Write;
use std::path::PathBuf;

/// A kernel with its self-test: C that defines `unsigned long NAME_selftest_count(void)` and
/// `unsigned long NAME_selftest(void)`, the number of wrong outputs, where
/// `NAME_SELFTEST_NO_MAIN` is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// `NAME`.
    pub name: String,
    /// Headers and C.
    pub sources: Vec<Source>,
    /// Bytes of RAM and of constants that it takes, about; kernels share programs on a small board
    /// as far as these go.
    pub bytes: (usize, usize),
}

/// What the self-test of a kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The kernel's name.
    pub name: String,
    /// Vectors that were run.
    pub vectors: usize,
    /// Outputs that are wrong.
    pub wrong: usize,
}

/// RAM and flash of an ATmega2560 that kernels may share; the rest is for the stack and code.
const SMALL: (usize, usize) = (5_000, 40_000);

const HARNESS: &str = include_str!("../c/selftest.c");

/// Runs the self-tests; in the kernels' order.
///
/// # Errors
/// Those of building and running; a program that ends early.
pub fn selftest(board: Board, level: Level, kernels: &[Kernel]) -> Result<Vec<Outcome>, Error> {
    selftest_linked(board, level, kernels, &[])
}

/// Runs the self-tests of kernels whose C is not all: `objects` define the rest.
///
/// # Errors
/// Those of [`selftest`].
pub fn selftest_linked(
    board: Board,
    level: Level,
    kernels: &[Kernel],
    objects: &[PathBuf],
) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::new();
    let mut rest = kernels;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(fitting(board, rest));
        outcomes.extend(together(board, level, now, objects)?);
        rest = later;
    }
    Ok(outcomes)
}

/// How many of the first kernels one program holds; at least one.
fn fitting(board: Board, kernels: &[Kernel]) -> usize {
    if board != Board::Atmega2560 {
        return kernels.len();
    }
    let (mut ram, mut flash) = (0, 0);
    let fits = |k: &&Kernel| {
        ram += k.bytes.0;
        flash += k.bytes.1;
        ram <= SMALL.0 && flash <= SMALL.1
    };
    kernels.iter().take_while(fits).count().max(1)
}

/// One program. All kernels are one translation unit, which takes a compiler the least time.
fn together(
    board: Board,
    level: Level,
    kernels: &[Kernel],
    objects: &[PathBuf],
) -> Result<Vec<Outcome>, Error> {
    let mut sources = Vec::new();
    let mut unit = String::new();
    let mut entries = String::new();
    let mut declarations = String::new();
    for k in kernels {
        let name = &k.name;
        // Writing to a string succeeds.
        let _ = writeln!(unit, "#define {name}_SELFTEST_NO_MAIN");
        for s in &k.sources {
            // What ended in `.c` would be compiled on its own.
            let included = s.name.ends_with(".c");
            let file = match included {
                true => format!("{}.inc", s.name),
                false => s.name.clone(),
            };
            if included {
                let _ = writeln!(unit, "#include \"{file}\"");
            }
            sources.push(Source::new(file, s.text.clone()));
        }
        let _ = writeln!(
            declarations,
            "unsigned long {name}_selftest_count(void);\nunsigned long {name}_selftest(void);"
        );
        let _ = writeln!(entries, "    {{{name}_selftest_count, {name}_selftest}},");
    }
    sources.push(Source::new("kernels.c", unit));
    let table = format!(
        "#include \"selftest.h\"\n\n{declarations}
const selftest_kernel selftest_kernels[] = {{\n{entries}}};
const unsigned selftest_kernel_count = {};\n",
        kernels.len()
    );
    // avr-gcc warns of equal constants that it makes one of, and names the wrong reason.
    let flags: &[&str] = match board {
        Board::Atmega2560 => &["-fno-ipa-icf"],
        Board::HostGcc
        | Board::HostClang
        | Board::CortexM0
        | Board::CortexM3
        | Board::CortexM4
        | Board::CortexM7
        | Board::CortexM33 => &[],
    };
    let image = build(&Job {
        board,
        level,
        float_unit: false,
        flags,
        sources: &sources,
        objects,
        harness: &[
            Source::new("selftest.c", HARNESS),
            Source::new("selftest_table.c", table),
        ],
    })?;
    let out = image.run(measure::FINEST)?;
    let lines = parsed(&out.lines)?;
    let told = lines.iter().filter(|(word, _)| *word == "kernel");
    let told: Vec<[i64; 3]> = told.map(|(_, numbers)| *numbers).collect();
    if told.len() != kernels.len() {
        return Err(Error::Unexpected {
            what: "self-tests ended early",
            text: format!("{told:?}"),
        });
    }
    let number = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
    let outcomes = kernels
        .iter()
        .zip(told)
        .map(|(k, [_, vectors, wrong])| Outcome {
            name: k.name.clone(),
            vectors: number(vectors),
            wrong: number(wrong),
        });
    Ok(outcomes.collect())
}
