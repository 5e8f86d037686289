//! Damaged models: whatever a file holds, the importer answers and does not panic.

use super::{Attribute, Model, floats};
use crate::onnx::import_onnx;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A model with every operator.
fn everything() -> Model {
    Model::new(&[-99, 1, 2, 2])
        .floats("mean", &[2, 1], &[0.5, 0.25])
        .floats("w1", &[4, 3], &[0.5; 12])
        .floats("b1", &[3], &[1.0; 3])
        .floats("w2", &[3, 3], &[1.0; 9])
        .floats("b2", &[3], &[2.0; 3])
        .ints("shape", &[0, -1])
        .node("Sub", &["x", "mean"], "a", &[])
        .node(
            "Constant",
            &[],
            "std",
            &[Attribute::Tensor("value", floats("", &[1, 1], &[2.0]))],
        )
        .node("Div", &["a", "std"], "b", &[])
        .node("Reshape", &["b", "shape"], "c", &[])
        .node("Flatten", &["c"], "d", &[Attribute::Int("axis", 1)])
        .node("MatMul", &["d", "w1"], "e", &[])
        .node("Add", &["b1", "e"], "f", &[])
        .node("Relu", &["f"], "g", &[])
        .node("Dropout", &["g"], "h", &[])
        .node(
            "Gemm",
            &["h", "w2", "b2"],
            "i",
            &[
                Attribute::Float("alpha", 0.5),
                Attribute::Float("beta", 2.0),
                Attribute::Int("transB", 1),
            ],
        )
        .node("Identity", &["i"], "y", &[])
}

fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    rng.next_u32() as usize % n
}

#[test]
fn mutated_bytes_never_panic() {
    let bytes = everything().bytes();
    assert!(import_onnx(&bytes, "m").is_ok());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut imported, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut mutant = bytes.clone();
        for _ in 0..=below(&mut rng, 3) {
            let i = below(&mut rng, mutant.len());
            match below(&mut rng, 4) {
                0 => mutant[i] ^= 1 << below(&mut rng, 8),
                1 => mutant[i] = rng.next_u32() as u8,
                2 => drop(mutant.remove(i)),
                _ => mutant.insert(i, rng.next_u32() as u8),
            }
        }
        match import_onnx(&mutant, "m") {
            Ok(_) => imported += 1,
            Err(e) => {
                assert!(e.has_errors());
                refused += 1;
            }
        }
    }
    // Both ways are taken often; flipped weight bits still import.
    assert!(imported > 1000 && refused > 1000, "{imported} {refused}");
}

/// Mutations of the decoded model reach what lies behind the decoder.
#[test]
fn mutated_graphs_never_panic() {
    let model = everything();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let names: Vec<String> = {
        let graph = model.0.graph.as_ref().unwrap();
        let results = graph.node.iter().flat_map(|n| n.output.clone());
        let stored = graph.initializer.iter().map(|t| t.name.clone());
        results
            .chain(stored)
            .chain(["x".into(), String::new()])
            .collect()
    };
    let sizes = [
        -2,
        -1,
        0,
        1,
        2,
        3,
        4,
        12,
        1 << 20,
        1 << 31,
        i64::MAX,
        i64::MIN,
    ];
    let mut imported = 0;
    for _ in 0..20_000 {
        let mut m = model.clone();
        for _ in 0..=below(&mut rng, 2) {
            let graph = m.graph();
            let node = below(&mut rng, graph.node.len());
            let other = below(&mut rng, graph.node.len());
            let tensor = below(&mut rng, graph.initializer.len());
            let name = names[below(&mut rng, names.len())].clone();
            let size = sizes[below(&mut rng, sizes.len())];
            match below(&mut rng, 9) {
                0 => graph.node[node].op_type = graph.node[other].op_type.clone(),
                1 => graph.node.swap(node, other),
                2 => {
                    if let Some(n) = graph.node[node].input.first_mut() {
                        *n = name;
                    }
                }
                3 => graph.node[node].input.push(name),
                4 => graph.output[0].name = name,
                5 => {
                    let dims = &mut graph.initializer[tensor].dims;
                    dims.push(size);
                    dims.swap_remove(0);
                }
                6 => graph.initializer[tensor].dims.push(1),
                7 => {
                    for a in &mut graph.node[node].attribute {
                        a.i = Some(size);
                    }
                }
                _ => {
                    let shape = &mut graph.initializer[5].int64_data;
                    let i = below(&mut rng, shape.len());
                    shape[i] = size;
                }
            }
        }
        imported += usize::from(m.import().is_ok());
    }
    assert!(imported > 1000, "{imported}");
}
