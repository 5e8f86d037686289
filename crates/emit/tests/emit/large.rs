//! Large kernels: the code grows with the operators, the constants with the weights, and neither
//! with neurons or positions.

use crate::common::{Case, folder, large_dense, large_image, run, tool, write};
use ceg4n_emit::{emit_c, emit_rust, footprint};
use std::process::Command;

/// Bytes of the C code and of the Rust code, without constants.
fn code(case: &Case) -> [usize; 2] {
    let size = |files: Vec<ceg4n_emit::OutputFile>, end: &str| {
        let file = files.iter().find(|f| f.path.ends_with(end));
        file.unwrap().content.len()
    };
    [
        size(emit_c(&case.input()).unwrap(), &format!("{}.c", case.name)),
        size(emit_rust(&case.input()).unwrap(), "lib.rs"),
    ]
}

#[test]
fn code_does_not_grow_with_neurons() {
    let (small, large) = (large_dense("net", 10), large_dense("net", 1000));
    for (small, large) in code(&small).into_iter().zip(code(&large)) {
        assert!(large < small + 250, "{small} and {large} bytes");
    }
    let memory = footprint(&large.input()).unwrap();
    assert_eq!(memory.constant_bytes, 2_010_000);
    assert_eq!(memory.scratch_bytes, 2_000);
}

#[test]
fn nothing_grows_with_positions() {
    let (small, large) = (large_image("net", 32), large_image("net", 96));
    for (small, large) in code(&small).into_iter().zip(code(&large)) {
        assert!(large < small + 800, "{small} and {large} bytes");
    }
    let bytes = |case: &Case| footprint(&case.input()).unwrap().constant_bytes;
    assert_eq!(bytes(&small), bytes(&large));
}

#[test]
fn separable_convolutions_return_what_the_interpreter_says() {
    let dir = folder();
    let case = large_image("net", 96);
    write(&emit_c(&case.input()).unwrap(), dir.path());
    let c = dir.path().join("c");
    let files = ["net.c", "net_weights.c", "net_selftest.c"];
    run(Command::new(tool("CC", "cc"))
        .current_dir(&c)
        .args(["-std=c99", "-O2", "-o", "t"])
        .args(files));
    let out = run(&mut Command::new(c.join("t")));
    assert_eq!(out.stdout, b"net: 2 vectors pass\n");
}
