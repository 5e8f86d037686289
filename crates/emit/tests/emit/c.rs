//! Emitted C compiles without a warning on random programs and returns what they mean, with the
//! undefined-behaviour sanitizer watching.

use crate::common::speed;
use crate::common::{
    Case, bound_below_zero, channel_cases, compilers, dag_cases, exhaustive_cases, folder,
    graph_case, prove, random_cases, run, tiny, tool, vectors, wide_constant, write,
};
use ceg4n_emit::{Claim, EmitError, EmitOptions, KernelChoice, Target, emit_c};
use ceg4n_ir::Unary;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

pub(crate) const FLAGS: &[&str] = &[
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-pedantic",
    "-Werror",
    "-fsanitize=undefined,address",
    "-fno-sanitize-recover=all",
];

/// One translation unit that holds every kernel and every self-test.
pub(crate) fn batch(cases: &[Case], dir: &Path) {
    let mut unit = String::new();
    for case in cases {
        let n = &case.name;
        write(&emit_c(&case.input()).unwrap(), dir);
        write!(
            unit,
            "int {n}_main(void);\n#include \"{n}.c\"\n#include \"{n}_weights.c\"\n#include \"{n}_float.c\"\n#define main {n}_main\n#include \"{n}_selftest.c\"\n#undef main\n"
        )
        .unwrap();
    }
    unit.push_str("int main(void)\n{\n    int status = 0;\n");
    for case in cases {
        writeln!(unit, "    status |= {}_main();", case.name).unwrap();
    }
    unit.push_str("    return status;\n}\n");
    std::fs::write(dir.join("c/batch.c"), unit).unwrap();
}

#[test]
fn random_programs_return_what_they_mean() {
    let dir = folder();
    let mut cases = random_cases(1, 300, 40);
    cases.extend(dag_cases(7, 300, 25));
    cases.push(graph_case(25));
    cases.push(wide_constant());
    cases.push(bound_below_zero());
    cases.extend(exhaustive_cases());
    cases.extend(channel_cases());
    batch(&cases, dir.path());
    for cc in compilers() {
        let exe = dir.path().join("batch");
        run(Command::new(&cc)
            .args(FLAGS)
            .arg("-o")
            .arg(&exe)
            .arg(dir.path().join("c/batch.c")));
        let out = run(&mut Command::new(&exe));
        let text = String::from_utf8(out.stdout).unwrap();
        assert_eq!(text.matches(" vectors pass\n").count(), cases.len());
    }
}

/// Loops of every kind, for every processor, in plain C here.
#[test]
fn every_form_returns_what_programs_mean() {
    let dir = folder();
    let mut cases = Vec::new();
    for (t, target) in Target::ALL.into_iter().enumerate() {
        for (k, kernel) in KernelChoice::ALL.into_iter().enumerate() {
            let seed = (10 * t + k) as u64;
            let mut some = random_cases(seed, 40, 30);
            some.extend(dag_cases(seed + 100, 12, 20));
            for (i, mut case) in some.into_iter().enumerate() {
                case.name = format!("n{t}{k}_{i}");
                case.options = EmitOptions {
                    target,
                    kernel,
                    ..EmitOptions::default()
                };
                cases.push(case);
            }
        }
    }
    batch(&cases, dir.path());
    for cc in compilers() {
        let exe = dir.path().join("batch");
        run(Command::new(&cc)
            .args(FLAGS)
            .arg("-o")
            .arg(&exe)
            .arg(dir.path().join("c/batch.c")));
        let out = run(&mut Command::new(&exe));
        let text = String::from_utf8(out.stdout).unwrap();
        assert_eq!(text.matches(" vectors pass\n").count(), cases.len());
    }
}

/// The files compile apart, and without a self-test into an object without undefined names.
#[test]
fn the_files_compile_as_the_readme_says() {
    let dir = folder();
    let program = tiny();
    let vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(2), 30);
    let case = Case {
        name: "tiny".to_owned(),
        program,
        vectors,
        options: speed(),
    };
    write(&emit_c(&case.input()).unwrap(), dir.path());
    let c = dir.path().join("c");
    let files = [
        "tiny.c",
        "tiny_weights.c",
        "tiny_float.c",
        "tiny_selftest.c",
    ];
    run(Command::new(tool("CC", "cc"))
        .current_dir(&c)
        .args(FLAGS)
        .args(["-O2", "-o", "t"])
        .args(files));
    let out = run(&mut Command::new(c.join("t")));
    assert_eq!(out.stdout, b"tiny: 30 vectors pass\n");
}

#[test]
fn a_wrong_expectation_fails_the_selftest() {
    let dir = folder();
    let program = tiny();
    let mut vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(2), 3);
    vectors[1].output[2] += 1;
    let case = Case {
        name: "tiny".to_owned(),
        program,
        vectors,
        options: speed(),
    };
    write(&emit_c(&case.input()).unwrap(), dir.path());
    let c = dir.path().join("c");
    let files = ["tiny.c", "tiny_weights.c", "tiny_selftest.c"];
    run(Command::new(tool("CC", "cc"))
        .current_dir(&c)
        .args(["-o", "t"])
        .args(files));
    let out = Command::new(c.join("t")).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(
        text.starts_with("tiny: vector 1 (vector \"1\" %d): output 2 is"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
}

/// The header's constants and `argmax` from a program of the user's.
#[test]
fn the_header_says_what_the_contract_names() {
    let dir = folder();
    let program = tiny();
    let case = Case {
        name: "tiny".to_owned(),
        program,
        vectors: vec![],
        options: speed(),
    };
    write(&emit_c(&case.input()).unwrap(), dir.path());
    let c = dir.path().join("c");
    let user = r#"#include "tiny.h"
#if tiny_IN_SIZE != 2 || tiny_OUT_SIZE != 3 || tiny_IN_BITS != 9 || tiny_IN_SIGNED != 1
#error sizes
#endif
#if tiny_IN_FRAC != 8 || tiny_OUT_FRAC != 7 || tiny_VERIFIED != 0
#error scales
#endif
int main(void)
{
    tiny_in_t in[tiny_IN_SIZE] = {-256, 255};
    tiny_out_t out[tiny_OUT_SIZE];
    tiny_scratch scratch;
    const tiny_out_t ties[3] = {1, 4, 4}, first[3] = {0, 0, -1};
    tiny_infer(in, out, &scratch);
    return (tiny_argmax(ties) != 1) + (tiny_argmax(first) != 0) + (sizeof(in[0]) != 2);
}
"#;
    std::fs::write(c.join("user.c"), user).unwrap();
    let files = ["user.c", "tiny.c", "tiny_weights.c"];
    run(Command::new(tool("CC", "cc"))
        .current_dir(&c)
        .args(FLAGS)
        .args(["-o", "t"])
        .args(files));
    run(&mut Command::new(c.join("t")));
    // Without vectors the self-test still compiles and succeeds.
    let files = ["tiny_selftest.c", "tiny.c", "tiny_weights.c"];
    run(Command::new(tool("CC", "cc"))
        .current_dir(&c)
        .args(FLAGS)
        .args(["-o", "s"])
        .args(files));
    run(&mut Command::new(c.join("s")));
}

#[test]
fn a_claim_about_another_program_is_refused() {
    let program = tiny();
    let proof = prove(&program);
    let other = Case {
        name: "tiny".to_owned(),
        program: random_cases(3, 1, 0).remove(0).program,
        vectors: vec![],
        options: speed(),
    };
    let case = Case {
        name: "tiny".to_owned(),
        program,
        vectors: vec![],
        options: speed(),
    };
    let claim = Claim::Verified {
        proof: &proof,
        lines: vec!["all".to_owned()],
    };
    let mut input = other.input();
    input.claim = claim.clone();
    assert!(matches!(
        emit_c(&input),
        Err(EmitError::OtherProgram { .. })
    ));
    let mut input = case.input();
    input.claim = claim;
    let header = emit_c(&input).unwrap().remove(0);
    let text = String::from_utf8(header.content).unwrap();
    assert!(
        text.contains("#define tiny_VERIFIED 1\n") && text.contains(" * VERIFIED:\n"),
        "{text}"
    );
}

#[test]
fn misfit_vectors_and_names_are_refused() {
    let program = tiny();
    let good = vectors(&program, &mut ChaCha8Rng::seed_from_u64(2), 1).remove(0);
    let emit = |name: &str, change: fn(&mut ceg4n_emit::TestVector)| {
        let mut v = good.clone();
        change(&mut v);
        let case = Case {
            name: name.to_owned(),
            program: program.clone(),
            vectors: vec![v],
            options: speed(),
        };
        emit_c(&case.input()).map(|_| ())
    };
    assert_eq!(emit("tiny", |_| ()), Ok(()));
    assert!(matches!(
        emit("tiny", |v| v.input[0] = 1 << 15),
        Err(EmitError::Vector { index: 0, .. })
    ));
    assert!(matches!(
        emit("tiny", |v| v.output.truncate(2)),
        Err(EmitError::Vector { index: 0, .. })
    ));
    assert!(matches!(
        emit("no-name", |_| ()),
        Err(EmitError::Name { .. })
    ));
}

/// The random programs reach every form of statement that the emitter has.
#[test]
fn the_random_programs_cover_the_emitter() {
    let mut text = String::new();
    for case in random_cases(1, 300, 0) {
        for file in emit_c(&case.input()).unwrap() {
            text.push_str(&String::from_utf8(file.content).unwrap());
        }
    }
    for (what, least) in [
        ("int64_t acc = ", 20),
        ("int32_t acc = ", 20),
        ("= (int64_t)acc", 5),
        ("= (int32_t)acc", 5),
        ("= 0; }", 20),
        (" >> s", 5),
        ("acc * (int32_t)", 2),
        ("acc * (int64_t)", 5),
        ("acc + (((int32_t)1 << (s", 3),
        ("acc + (((int64_t)1 << (s", 1),
        ("} else { acc", 3),
        ("* ((int32_t)1 << -s", 3),
        ("acc * INT32_C(", 5),
        ("acc * INT64_C(", 5),
        ("acc + (INT32_C(", 5),
        ("acc + (INT64_C(", 5),
        ("if (acc < ", 20),
        ("if (acc > ", 20),
        ("const uint32_t *x", 2),
        ("const uint16_t *x", 2),
        ("union {", 2),
        ("scratch->v1", 5),
        ("(void)scratch", 5),
        ("channels aligned", 5),
        ("_FLASH int64_t ", 2),
        ("_FLASH uint8_t ", 2),
    ] {
        let n = text.matches(what).count();
        assert!(n >= least, "`{what}` occurs {n} times");
    }
}

/// The random programs of every operator do reach every operator and every form of loop.
#[test]
fn the_random_graphs_cover_the_emitter() {
    let (mut c, mut notes) = (String::new(), String::new());
    for case in dag_cases(7, 300, 0) {
        for file in emit_c(&case.input()).unwrap() {
            let text = String::from_utf8(file.content).unwrap();
            if file.path.ends_with("README.md") {
                notes.push_str(&text);
            } else {
                c.push_str(&text);
            }
        }
    }
    for (what, least) in [
        (": dense ", 50),
        (": convolution ", 100),
        (": max pool", 30),
        (": sums of average pool", 30),
        (": concatenation of ", 30),
        (": elements moved;", 20),
        (" filled with ", 20),
        (": add constants", 20),
        (": multiply by constants", 20),
        (": add v", 30),
        (": relu", 30),
        (": clip", 30),
        (": leaky relu", 30),
        ("sigmoid by a table", 10),
        ("tanh by a table", 10),
    ] {
        let n = notes.matches(what).count();
        assert!(n >= least, "`{what}` occurs {n} times");
    }
    for function in Unary::ALL {
        let n = notes.matches(&format!(": {}", function.name())).count();
        assert!(n >= 20, "`{function:?}` occurs {n} times");
    }
    for (what, least) in [
        ("const size_t u0 = ", 20),
        ("const size_t u1 = ", 20),
        ("const size_t v0 = ", 20),
        ("const size_t v1 = ", 20),
        (") / 2 : 0;", 10),
        ("size_t j = 0;\n", 100),
        ("x + c * ", 20),
        ("x + c / ", 10),
        ("for (size_t k = 0;", 100),
        ("[c];", 50),
        ("[p];", 5),
        ("[oy * ", 5),
        ("const size_t j = c * ", 20),
        (")z1[j];", 20),
        (")z2[j];", 2),
        ("const int32_t b1 = ", 1),
        ("union {", 2),
    ] {
        let n = c.matches(what).count();
        assert!(n >= least, "`{what}` occurs {n} times");
    }
}
