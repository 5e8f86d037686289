//! Every board builds, runs, counts exactly and tells memory as it is.
//!
//! A board whose tools are missing is skipped with a message; with `CEG4N_REQUIRE_TOOLS=1` that
//! is a failure.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test support: a failure is a failed test, and a skipped board is told"
)]

use ceg4n_boards::measure::{Counts, Expected, Subject, Vector};
use ceg4n_boards::selftest::{Kernel, Outcome};
use ceg4n_boards::{Board, Counter, Job, Level, Source, Usage, measure, selftest, usage};

/// The boards whose tools are here.
fn boards() -> Vec<Board> {
    let here = |board: &Board| match board.missing() {
        None => true,
        Some(tool) => {
            let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
            assert!(!required, "{board}: {tool} is not installed");
            eprintln!("SKIPPED {board}: {tool} is not installed");
            false
        }
    };
    Board::ALL.into_iter().filter(here).collect()
}

const HEADER: &str = "#include <stdint.h>
#define k_IN_SIZE 2
#define k_OUT_SIZE 1
typedef int8_t k_in_t;
typedef int32_t k_out_t;
typedef struct { uint8_t unused; } k_scratch;
void k_infer(const k_in_t *in, k_out_t *out, k_scratch *scratch);
";

fn kernel(body: &str) -> [Source; 2] {
    [
        Source::new("k.h", HEADER),
        Source::new("k.c", format!("#include \"k.h\"\n{body}")),
    ]
}

fn job(board: Board, sources: &[Source]) -> Job<'_> {
    Job {
        board,
        level: Level::O2,
        float_unit: false,
        flags: &[],
        sources,
        objects: &[],
        harness: &[],
    }
}

fn vector(input: [i8; 2], output: i32) -> Vector {
    Vector {
        input: input.iter().map(i8::to_string).collect(),
        expected: Expected::Outputs(vec![output.to_string()]),
    }
}

fn measured(board: Board, body: &str, vectors: &[Vector]) -> Counts {
    let sources = kernel(body);
    let name = "k";
    measure(&job(board, &sources), &Subject { name, vectors }).unwrap()
}

fn used(board: Board, body: &str) -> Usage {
    usage(&job(board, &kernel(body)), &["k_infer"]).unwrap()
}

/// Nothing but so many instructions of one cycle.
fn nops(n: u32) -> String {
    format!(
        "void k_infer(const k_in_t *in, k_out_t *out, k_scratch *scratch)
{{ (void)in; (void)out; (void)scratch; __asm__ volatile(\".rept {n}\\n\\tnop\\n\\t.endr\"); }}"
    )
}

#[test]
fn a_thousand_instructions_count_a_thousand() {
    let vectors = [vector([0, 0], 0), vector([1, 2], 0)];
    for board in boards() {
        for n in [0, 1, 3, 1000] {
            let counts = measured(board, &nops(n), &vectors).counts;
            match board.counter() {
                Counter::None => assert_eq!(counts, None),
                Counter::Instructions { .. } | Counter::Cycles => {
                    assert_eq!(counts, Some(vec![n.into(); 2]), "{board}");
                }
            }
        }
    }
}

/// A loop that takes too long for the finest counter, and for AVR's 16 bits, is counted all the
/// same, and the same in each run.
#[test]
fn long_spans_are_counted() {
    let body = "void k_infer(const k_in_t *in, k_out_t *out, k_scratch *scratch)
{ (void)scratch; uint32_t n = (uint32_t)in[0] * 100000u; out[0] = 0;
  while (n > 0) { __asm__ volatile(\"nop\\n\\tnop\\n\\tnop\\n\\tnop\" : \"+r\"(n)); --n; } }";
    let vectors = [1, 2, 9].map(|n| vector([n, 0], 0));
    for board in boards() {
        let found = measured(board, body, &vectors);
        assert_eq!(found, measured(board, body, &vectors), "{board}");
        assert_eq!(found.wrong, 0, "{board}");
        let Some(counts) = found.counts else { continue };
        // So many each turn, and a few around.
        let (one, two, nine) = (counts[0], counts[1], counts[2]);
        let turns = two - one;
        assert!(turns.abs_diff(one) < 100, "{board}: {counts:?}");
        assert!(
            (nine - one).abs_diff(8 * turns) < 100,
            "{board}: {counts:?}"
        );
    }
}

#[test]
fn wrong_outputs_and_classes_are_counted() {
    let body = "void k_infer(const k_in_t *in, k_out_t *out, k_scratch *scratch)
{ (void)scratch; out[0] = (int32_t)in[0] * 1000 + in[1]; }";
    let vectors = [
        vector([100, 27], 100_027),
        vector([-128, 1], 1),
        vector([0, 1], 2),
    ];
    for board in boards() {
        assert_eq!(measured(board, body, &vectors).wrong, 2, "{board}");
        let classes = [0, 1].map(|c| Vector {
            expected: Expected::Class(c),
            ..vector([1, 1], 0)
        });
        assert_eq!(measured(board, body, &classes).wrong, 1, "{board}");
    }
}

/// Code, constants, data, what the compiler's library adds, and the stack, which is never less
/// than what is seen written.
#[test]
fn memory_is_what_the_program_holds() {
    let body = "#ifdef __AVR__
#define FLASH __flash
#define MIX(a, b) ((a) * (int64_t)(b))
#else
#define FLASH
#define MIX(a, b) ((a) * (int64_t)123456789 / (b))
#endif
static const FLASH int16_t table[100] = {1, 2, 3};
static int32_t counter = 5;
static uint8_t room[7];
__attribute__((noinline)) static int32_t inner(const k_in_t *in)
{ volatile int32_t copy[20]; for (int i = 0; i < 20; ++i) { copy[i] = in[0] + i; } return copy[in[1]]; }
int32_t never(int32_t x);
int32_t never(int32_t x) { return x * 77; }
void k_infer(const k_in_t *in, k_out_t *out, k_scratch *scratch)
{ (void)scratch; room[in[1]] = 1; counter += room[in[0]];
  out[0] = (int32_t)(MIX(inner(in), counter + table[in[1]]) >> 3); }";
    let no_library = "void k_infer(const k_in_t *in, k_out_t *out, k_scratch *scratch)
{ (void)scratch; out[0] = in[0] + in[1]; }";
    for board in boards() {
        if board.is_host() {
            let sources = kernel(body);
            assert!(usage(&job(board, &sources), &["k_infer"]).is_err());
            continue;
        }
        let found = used(board, body);
        assert_eq!(
            (found.rodata, found.data, found.bss),
            (200, 4, 7),
            "{board}"
        );
        assert!((20..500).contains(&found.text), "{board}: {found:?}");
        assert!(found.library > 50, "{board}: {found:?}");
        let seen = measured(board, body, &[vector([1, 2], 0)]).stack;
        let stack = found.stack[0].unwrap_or_else(|| panic!("{board}: {found:?}"));
        assert!((80..300).contains(&stack), "{board}: {found:?}");
        assert!((80..=stack).contains(&seen), "{board}: {seen} of {stack}");
        let found = used(board, no_library);
        assert_eq!((found.library, found.members.len()), (0, 0), "{board}");
        assert!(found.stack[0].unwrap() <= 8, "{board}: {found:?}");
    }
}

#[test]
fn what_does_not_compile_is_an_error_with_the_compilers_words() {
    for board in boards() {
        let sources = kernel("int unused(void) { int x; return 0; }\n");
        let name = "k";
        let vectors = &[vector([0, 0], 0)];
        let error = measure(&job(board, &sources), &Subject { name, vectors }).unwrap_err();
        assert!(error.to_string().contains("unused variable"), "{error}");
    }
}

/// Kernels that do not fit together are run one after another.
#[test]
fn selftests_say_how_many_outputs_are_wrong() {
    let kernel = |i: usize| {
        let name = format!("k{i}");
        let text = format!(
            "#ifndef {name}_SELFTEST_NO_MAIN\n#error main\n#endif
unsigned long {name}_selftest_count(void);\nunsigned long {name}_selftest(void);
unsigned long {name}_selftest_count(void) {{ return 7; }}
unsigned long {name}_selftest(void) {{ return {i}; }}\n"
        );
        Kernel {
            sources: vec![Source::new(format!("{name}.c"), text)],
            name,
            bytes: (2_000, 10),
        }
    };
    let kernels: Vec<Kernel> = (0..5).map(kernel).collect();
    for board in boards() {
        let told = selftest(board, Level::O2, &kernels).unwrap();
        let expected = |(wrong, k): (usize, &Kernel)| Outcome {
            name: k.name.clone(),
            vectors: 7,
            wrong,
        };
        let expected: Vec<Outcome> = kernels.iter().enumerate().map(expected).collect();
        assert_eq!(told, expected, "{board}");
    }
}
