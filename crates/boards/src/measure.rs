//! A function on vectors: right or wrong, and how much it executes.
//!
//! The program that is built around the function calls it between two readings of the board's
//! counter, and calls a function of the same arguments that returns at once in the same way. The
//! difference is what the function executes: its call and its return do not count.

use crate::board::{Board, Counter};
use crate::build::{Job, Source, build};
use crate::run::parsed;
use crate::{Error, Image};
use std::fmt::Write;

/// The function under measurement. Its C header declares `NAME_infer(in, out, scratch)` and the
/// types `NAME_in_t`, `NAME_out_t`, `NAME_scratch`.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// `NAME`.
    pub name: &'a str,
    /// The vectors.
    pub vectors: &'a [Vector],
}

/// An input, and what is expected of the outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    /// C literals of the input's type.
    pub input: Vec<String>,
    /// What counts as right.
    pub expected: Expected,
}

/// What counts as right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Each output, as a C literal.
    Outputs(Vec<String>),
    /// The lowest index of the greatest output.
    Class(usize),
}

/// What a measurement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Instructions or cycles for each vector, in the vectors' order; `None` on a board without a
    /// counter.
    pub counts: Option<Vec<u64>>,
    /// Vectors with a wrong output.
    pub wrong: usize,
    /// The most bytes of stack that were seen written; 0 on a board that cannot tell.
    pub stack: u64,
}

impl Counts {
    /// The least and the greatest count.
    pub fn range(&self) -> Option<(u64, u64)> {
        let counts = self.counts.as_ref()?;
        Some((*counts.iter().min()?, *counts.iter().max()?))
    }
}

/// Shifts that are tried in turn. With 8 each instruction takes at least five ticks, so that a
/// difference of spans rounds to the exact number; a span may last 2.6 million instructions. Each
/// later one is coarser and lasts longer: to one instruction and 10 million, ten and 80 million,
/// eighty and 670 million.
const SHIFTS: [u32; 4] = [FINEST, 6, 3, 0];
pub(crate) const FINEST: u32 = 8;

const HARNESS: &str = include_str!("../c/measure.c");

/// Builds, runs and counts; `job.harness` is not used.
///
/// # Errors
/// Those of building and running; a counter that wraps; a calibration that is off.
pub fn measure(job: &Job<'_>, subject: &Subject<'_>) -> Result<Counts, Error> {
    let harness = [
        Source::new("measure.c", HARNESS),
        Source::new("measure_case.c", case(subject)),
    ];
    let image = build(&Job {
        harness: &harness,
        ..*job
    })?;
    let shifts = match job.board.counter() {
        Counter::Instructions { .. } => &SHIFTS[..],
        Counter::None | Counter::Cycles => &SHIFTS[..1],
    };
    for shift in shifts {
        if let Some(counts) = once(&image, *shift)? {
            return Ok(counts);
        }
    }
    Err(Error::Unexpected {
        what: "the counter wrapped",
        text: subject.name.to_owned(),
    })
}

/// One run; `None` if the counter wrapped.
fn once(image: &Image, shift: u32) -> Result<Option<Counts>, Error> {
    let out = image.run(shift)?;
    let lines = parsed(&out.lines)?;
    let board = image.board;
    let count = |ticks: i64| counted(board, shift, ticks);
    let (mut nothing, mut span) = (0, 0);
    let mut counts = Vec::new();
    let (mut wrong, mut stack) = (0, 0);
    for (what, [_, a, b]) in &lines {
        let wrapped = *b != 0;
        match *what {
            "nothing" => nothing = *a,
            "thousand" => {
                // Coarse shifts cannot tell a thousand instructions exactly.
                let read = count(*a - nothing);
                let fine = shift > 3 || board.counter() == Counter::Cycles;
                if fine && read.is_some_and(|n| n != 1000) {
                    let text = format!("1000 instructions read {read:?}");
                    let what = "the board's counter is not what it should be";
                    return Err(Error::Unexpected { what, text });
                }
            }
            "vector" | "idle" if wrapped => return Ok(None),
            "vector" => span = *a,
            "idle" => counts.extend(count(span - *a)),
            "wrong" => {
                wrong += usize::from(*a != 0);
                stack = stack.max(b.unsigned_abs());
            }
            _ => {}
        }
    }
    Ok(Some(Counts {
        counts: (board.counter() != Counter::None).then_some(counts),
        wrong,
        stack,
    }))
}

/// Instructions or cycles of so many ticks.
fn counted(board: Board, shift: u32, ticks: i64) -> Option<u64> {
    match board.counter() {
        Counter::None => None,
        Counter::Cycles => u64::try_from(ticks).ok(),
        Counter::Instructions { tick } => {
            let time = u64::try_from(ticks).ok()? * u64::from(tick);
            Some((time + (1 << shift) / 2) >> shift)
        }
    }
}

/// The C file of a subject: vectors in flash, and the case that `measure.c` runs.
fn case(subject: &Subject<'_>) -> String {
    let n = subject.vectors.len();
    let mut inputs = String::new();
    let mut outputs = String::new();
    let mut classes = String::new();
    let mut exact = false;
    for v in subject.vectors {
        // Writing to a string succeeds.
        let _ = writeln!(inputs, "    {{{}}},", v.input.join(", "));
        match &v.expected {
            Expected::Outputs(all) => {
                exact = true;
                let _ = writeln!(outputs, "    {{{}}},", all.join(", "));
            }
            Expected::Class(c) => {
                let _ = write!(classes, "{c}, ");
            }
        }
    }
    let (table, check) = if exact {
        let table = format!(
            "static const FLASH NAME_out_t expected[{n}][NAME_OUT_SIZE] = {{\n{outputs}}};\n"
        );
        (table, CHECK_OUTPUTS)
    } else {
        let table = format!("static const uint16_t expected[{n}] = {{{classes}}};\n");
        (table, CHECK_CLASS)
    };
    CASE.replace("TABLE", &table)
        .replace("CHECK", check)
        .replace("INPUTS", &inputs)
        .replace("COUNT", &n.to_string())
        .replace("NAME", subject.name)
}

/// `NAME`, `COUNT`, `INPUTS`, `TABLE` and `CHECK` are replaced.
const CASE: &str = r#"#include "NAME.h"
#include "measure.h"

#ifdef __AVR__
#define FLASH __flash
#else
#define FLASH
#endif

static const FLASH NAME_in_t inputs[COUNT][NAME_IN_SIZE] = {
INPUTS};
TABLE
static NAME_in_t in[NAME_IN_SIZE];
static NAME_out_t out[NAME_OUT_SIZE];
static NAME_scratch scratch;

static void load(uint32_t vector)
{
    for (unsigned i = 0; i < NAME_IN_SIZE; ++i) {
        in[i] = inputs[vector][i];
    }
}

static void run(void)
{
    NAME_infer(in, out, &scratch);
}

static void idle(void)
{
    measure_idle(in, out, &scratch);
}

static uint32_t check(uint32_t vector)
{
CHECK}

static const measure_case self = {COUNT, load, run, idle, check};
const measure_case *const measure_cases[] = {&self};
const unsigned measure_case_count = 1;
"#;

/// avr-gcc 5.4 breaks down on some comparisons with flash: outputs are copied first, classes are
/// in RAM.
const CHECK_OUTPUTS: &str = "    static NAME_out_t want[NAME_OUT_SIZE];
    for (unsigned j = 0; j < NAME_OUT_SIZE; ++j) {
        want[j] = expected[vector][j];
    }
    uint32_t wrong = 0;
    for (unsigned j = 0; j < NAME_OUT_SIZE; ++j) {
        wrong += out[j] != want[j];
    }
    return wrong;
";

const CHECK_CLASS: &str = "    unsigned best = 0;
    for (unsigned j = 1; j < NAME_OUT_SIZE; ++j) {
        if (out[j] > out[best]) {
            best = j;
        }
    }
    return best != expected[vector];
";
