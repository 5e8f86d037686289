//! Damaged models: whatever a file holds, the importer answers and does not panic.

use super::{Attribute, Model, floats};
use crate::onnx::import_onnx;
use crate::onnx::operators::OpKind;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Models with every kind of operator.
fn everything() -> Vec<Model> {
    let attributes = |k: i64, pads: Vec<i64>| {
        vec![
            Attribute::Ints("kernel_shape", vec![k, k]),
            Attribute::Ints("strides", vec![1, 2]),
            Attribute::Ints("pads", pads),
            Attribute::Int("ceil_mode", 1),
            Attribute::Text("auto_pad", "NOTSET"),
        ]
    };
    vec![dense(), images(&attributes), integers()]
}

/// Matrix products, arithmetic, shapes.
fn dense() -> Model {
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
                Attribute::Float("alpha", 0.3),
                Attribute::Float("beta", 2.0),
                Attribute::Int("transB", 1),
            ],
        )
        .node("Max", &["i", "b1"], "j", &[])
        .node("PRelu", &["j", "b2"], "k", &[])
        .node("Shape", &["x"], "s", &[])
        .node("Gather", &["s", "shape"], "t", &[])
        .node("Softmax", &["k"], "y", &[])
}

/// Convolutions, pools, moves.
fn images(attributes: &dyn Fn(i64, Vec<i64>) -> Vec<Attribute>) -> Model {
    Model::new(&[-99, 2, 4, 4])
        .floats("w", &[2, 1, 2, 2], &[0.5; 8])
        .floats("b", &[2], &[1.0; 2])
        .floats("v", &[2], &[2.0; 2])
        .floats("u", &[2, 3], &[2.0; 6])
        .floats("one", &[], &[1.0])
        .ints("pads", &[0, 0, 1, 0, 0, 0, 0, 1])
        .node("Pad", &["x", "pads", "one"], "a", &[])
        .node("Conv", &["a", "w", "b"], "c", &{
            let mut all = attributes(2, vec![1, 0, 1, 1]);
            all.push(Attribute::Int("group", 2));
            all
        })
        .node("BatchNormalization", &["c", "b", "v", "b", "v"], "d", &[])
        .node("MaxPool", &["d"], "e", &attributes(3, vec![1, 1, 1, 1]))
        .node("AveragePool", &["e"], "f", &attributes(2, vec![0, 0, 0, 0]))
        .node("Neg", &["f"], "g", &[])
        .node("Concat", &["f", "g"], "h", &[Attribute::Int("axis", 1)])
        .node(
            "Transpose",
            &["h"],
            "i",
            &[Attribute::Ints("perm", vec![0, 2, 3, 1])],
        )
        .node(
            "ReduceMean",
            &["i"],
            "j",
            &[Attribute::Ints("axes", vec![1, 2])],
        )
        .node(
            "Squeeze",
            &["j"],
            "k",
            &[Attribute::Ints("axes", vec![0, 1])],
        )
        .node("LeakyRelu", &["k"], "l", &[Attribute::Float("alpha", 0.1)])
        .node("Clip", &["l", "", "one"], "y", &[])
}

/// A quantized model.
fn integers() -> Model {
    Model::new(&[-99, 1, 1, 3])
        .floats("s", &[], &[0.5])
        .floats("ws", &[2], &[0.5, 0.1])
        .ints("unused", &[0])
        .typed("z", &[], 2, &[3])
        .typed("wz", &[2], 3, &[0, 0])
        .typed("w", &[2, 1, 1, 2], 3, &[1, -2, 3, 4])
        .typed("b", &[2], 6, &[5, 6])
        .node("QuantizeLinear", &["x", "s", "z"], "q", &[])
        .node(
            "QLinearConv",
            &["q", "s", "z", "w", "ws", "wz", "s", "z", "b"],
            "c",
            &[],
        )
        .node("Flatten", &["c"], "f", &[])
        .node("DequantizeLinear", &["f", "s", "z"], "d", &[])
        .node(
            "DequantizeLinear",
            &["w", "ws", "wz"],
            "v",
            &[Attribute::Int("axis", 0)],
        )
        .ints("to", &[1, 4])
        .node("Reshape", &["v", "to"], "r", &[])
        .node("Add", &["d", "r"], "e", &[])
        .node("QuantizeLinear", &["e", "s", "z"], "y", &[])
}

fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    rng.next_u32() as usize % n
}

#[test]
fn mutated_bytes_never_panic() {
    let all: Vec<Vec<u8>> = everything().iter().map(Model::bytes).collect();
    for bytes in &all {
        import_onnx(bytes, "m").unwrap_or_else(|e| panic!("{e}"));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut imported, mut refused) = (0, 0);
    for k in 0..30_000 {
        let mut mutant = all[k % all.len()].clone();
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
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for model in everything() {
        let imported = (0..10_000).filter(|_| mutated(&model, &mut rng).import().is_ok());
        let imported = imported.count();
        assert!(imported > 300, "{imported}");
    }
}

/// A model with up to three changes.
fn mutated(model: &Model, rng: &mut ChaCha8Rng) -> Model {
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
    let mut m = model.clone();
    for _ in 0..=below(rng, 2) {
        let graph = m.graph();
        let node = below(rng, graph.node.len());
        let other = below(rng, graph.node.len());
        let tensor = below(rng, graph.initializer.len());
        let name = names[below(rng, names.len())].clone();
        let size = sizes[below(rng, sizes.len())];
        match below(rng, 12) {
            0 => graph.node[node].op_type = graph.node[other].op_type.clone(),
            1 => graph.node.swap(node, other),
            2 => {
                let inputs = &mut graph.node[node].input;
                let i = below(rng, inputs.len().max(1));
                if let Some(n) = inputs.get_mut(i) {
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
            8 => {
                for a in &mut graph.node[node].attribute {
                    let i = below(rng, a.ints.len().max(1));
                    if let Some(v) = a.ints.get_mut(i) {
                        *v = size;
                    }
                }
            }
            9 => {
                for a in &mut graph.node[node].attribute {
                    a.ints.push(size);
                }
            }
            10 => {
                let (_, op, ..) = OpKind::ALL[below(rng, OpKind::ALL.len())];
                graph.node[node].op_type = op.to_owned();
            }
            _ => {
                let shape = &mut graph.initializer[tensor].int64_data;
                let i = below(rng, shape.len().max(1));
                if let Some(v) = shape.get_mut(i) {
                    *v = size;
                }
            }
        }
    }
    m
}
