//! Frama-C Eva excludes every run-time error of emitted kernels, proves their ACSL contracts, and
//! finds an error that is put in.

use crate::common::eva::analyse;
use crate::common::{
    Case, available, channel_cases, dag_cases, folder, forms, graph_case, random_cases, speed,
    tiny, wide_constant, write,
};
use ceg4n_emit::emit_c;

/// Kernels of every operator and form of statement, and dense layers in every form.
fn cases() -> Vec<Case> {
    let mut cases = random_cases(1, 4, 0);
    cases.extend(dag_cases(7, 8, 0));
    let channels = channel_cases().into_iter();
    cases.extend(channels.filter(|c| c.name.ends_with("_2") || c.name == "rows_word"));
    cases.push(graph_case(0));
    cases.push(wide_constant());
    cases.extend(forms("k"));
    cases
}

#[test]
fn kernels_have_no_run_time_errors_and_keep_their_contracts() {
    if !available("frama-c", "-version") {
        return;
    }
    let (mut parts, mut bad) = (0, Vec::new());
    for case in cases() {
        let dir = folder();
        let mut input = case.input();
        input.options.acsl = true;
        write(&emit_c(&input).unwrap(), dir.path());
        let found = analyse(&dir.path().join("c"), &case.name);
        assert!(found.proved >= 25, "{}: {}", case.name, found.proved);
        parts += found.proved;
        if found.alarms > 0 || found.functions < 80 || !found.open.is_empty() {
            bad.push(format!("{}, {:?}: {found:#?}", case.name, case.options));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(parts > 500, "{parts} parts of contracts");
}

/// The analysis sees a sum in a word that is too narrow, an index beyond a table, a wrong range.
#[test]
fn an_error_that_is_put_in_is_found() {
    if !available("frama-c", "-version") {
        return;
    }
    let case = Case {
        name: "tiny".to_owned(),
        program: tiny(),
        vectors: vec![],
        options: speed(),
    };
    let dir = folder();
    let c = dir.path().join("c");
    for (file, right, wrong, alarm) in [
        ("tiny.c", "", "", None),
        (
            "tiny.c",
            "acc += (int32_t)w[k] * (int32_t)x[k];",
            "acc = (int8_t)(acc + (int32_t)w[k] * (int32_t)x[k]);",
            Some("signed downcast"),
        ),
        ("tiny.c", "k < 2", "k < 7", Some("out of bounds")),
        ("tiny.h", "out[2] <= 624", "out[2] <= 623", None),
    ] {
        let mut input = case.input();
        input.options.acsl = true;
        write(&emit_c(&input).unwrap(), dir.path());
        let text = std::fs::read_to_string(c.join(file)).unwrap();
        assert!(text.contains(right), "no `{right}` in {text}");
        let broken = text.replacen(right, wrong, 1);
        std::fs::write(c.join(file), broken).unwrap();
        let found = analyse(&c, "tiny");
        match alarm {
            Some(alarm) => {
                assert!(found.alarms > 0, "{wrong}: {}", found.text);
                assert!(found.text.contains(alarm), "{wrong}: {}", found.text);
            }
            None => {
                assert_eq!(found.alarms, 0, "{wrong}: {}", found.text);
                assert_eq!(found.open.is_empty(), right.is_empty(), "{:?}", found.open);
            }
        }
    }
}
