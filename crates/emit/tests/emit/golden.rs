//! The text of a tiny kernel and of a small graph, against `tests/golden/`; `BLESS=1` rewrites it.

use crate::common::speed;
use crate::common::{graph_case, prove, tiny, vectors};
use ceg4n_emit::{Claim, EmitInfo, EmitInput, OutputFile, emit_c, emit_rust, footprint};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::path::Path;

#[test]
fn the_text_of_a_tiny_kernel() {
    let program = tiny();
    let proof = prove(&program);
    let vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(5), 2);
    let input = EmitInput {
        program: &program,
        name: "tiny",
        claim: Claim::Verified {
            proof: &proof,
            lines: vec!["PROVED: 1 strict".to_owned()],
        },
        vectors: &vectors,
        info: EmitInfo {
            tool_version: "0.1.0".to_owned(),
            requirement: vec!["top1 domain real".to_owned()],
            regions: vec!["\"a\" PROVED".to_owned()],
            hashes: vec![("regions".to_owned(), "00ff".to_owned())],
        },
        options: speed(),
    };
    let memory = footprint(&input).unwrap();
    assert_eq!((memory.constant_bytes, memory.scratch_bytes), (17, 6));
    let mut files = emit_c(&input).unwrap();
    assert_eq!(files, emit_c(&input).unwrap());
    files.extend(emit_rust(&input).unwrap());
    compare("tests/golden", files);
}

/// Without the constants, whose form the tiny kernel shows.
#[test]
fn the_text_of_a_small_graph() {
    let case = graph_case(0);
    let mut files = emit_c(&case.input()).unwrap();
    files.extend(emit_rust(&case.input()).unwrap());
    files.retain(|f| ["c/graph.c", "c/README.md", "rust/src/lib.rs"].contains(&&f.path[..]));
    compare("tests/golden/graph", files);
}

fn compare(folder: &str, files: Vec<OutputFile>) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let bless = std::env::var_os("BLESS").is_some();
    for f in files {
        // A manifest of that name would be a package of its own to cargo.
        let path = golden.join(f.path.replace("Cargo.toml", "Cargo.toml.txt"));
        if bless {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &f.content).unwrap();
        }
        let want = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(String::from_utf8(f.content).unwrap(), want, "{}", f.path);
    }
}
