//! Emitted ONNX models: their structure, and the integers that onnxruntime makes of them.

use crate::common::{
    Case, channel_cases, dag_cases, exhaustive_cases, folder, graph_case, large_image,
    random_cases, speed, tiny, vectors, wide_constant, write,
};
use ceg4n_emit::emit_onnx;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The interpreter with the packages of `tests/python/requirements.txt`; `None` if there is none.
///
/// Panics then if `CEG4N_REQUIRE_TOOLS` is 1.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("CEG4N_PYTHON").unwrap_or_else(|| "python3".into());
    let fits = Command::new(&named)
        .args(["-c", "import numpy, onnx, onnxruntime"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if fits.is_ok_and(|s| s.success()) {
        return Some(named.into());
    }
    let required = std::env::var("CEG4N_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
    assert!(!required, "no Python with onnxruntime in CEG4N_PYTHON");
    eprintln!("skipped: no Python with onnxruntime; name one in CEG4N_PYTHON");
    None
}

/// Runs the comparison on models below a folder; what it says, and whether nothing differs.
fn compare(python: &Path, models: &Path) -> (String, bool) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/emitted.py");
    let out = Command::new(python)
        .arg(script)
        .arg(models)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    (
        text + &String::from_utf8_lossy(&out.stderr),
        out.status.success(),
    )
}

#[test]
fn onnxruntime_gives_the_integers_of_random_programs() {
    let Some(python) = python() else { return };
    let dir = folder();
    let mut cases = random_cases(21, 250, 40);
    cases.extend(dag_cases(27, 300, 25));
    cases.push(graph_case(25));
    cases.push(wide_constant());
    cases.extend(exhaustive_cases());
    cases.extend(channel_cases());
    cases.push(large_image("image", 32));
    for case in &cases {
        let files = emit_onnx(&case.input()).unwrap();
        write(&files, &dir.path().join(&case.name));
    }
    let (text, good) = compare(&python, dir.path());
    assert!(good, "{text}");
    let count = |what: &str| -> usize {
        let lines = text.lines().filter_map(|l| l.split_once(": "));
        let found = lines.filter(|(w, _)| *w == what);
        found.map(|(_, n)| n.parse::<usize>().unwrap()).sum()
    };
    assert_eq!(count("models"), cases.len(), "{text}");
    // Every operator that the emitter writes.
    for what in [
        "Abs",
        "Add",
        "ArgMax",
        "Cast",
        "Clip",
        "Concat",
        "ConvInteger",
        "Div",
        "Gather",
        "MatMul",
        "MatMulInteger",
        "Max",
        "MaxPool",
        "Min",
        "Mod",
        "Mul",
        "Pad",
        "ReduceMax",
        "ReduceSum",
        "Reshape",
        "Sign",
        "Sub",
    ] {
        assert!(count(what) > 0, "{what} does not occur: {text}");
    }
}

#[test]
fn a_wrong_expectation_is_found() {
    let Some(python) = python() else { return };
    let program = tiny();
    let vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(2), 3);
    let mut case = Case {
        name: "tiny".to_owned(),
        program,
        vectors,
        options: speed(),
    };
    case.vectors[1].output[2] += 1;
    let dir = folder();
    write(&emit_onnx(&case.input()).unwrap(), dir.path());
    let (text, good) = compare(&python, dir.path());
    assert!(!good && text.contains("output of onnxruntime"), "{text}");
}
