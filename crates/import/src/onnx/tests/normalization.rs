//! Batch normalization, alone and as part of the layer before it.

use super::{Attribute, Model};
use ceg4n_base::{Exact, codes};

const PARAMETERS: [[f32; 2]; 4] = [[0.5, -2.0], [1.0, 0.25], [0.125, -1.0], [0.3, 2.0]];

fn normalized(m: Model, from: &str, attributes: &[Attribute]) -> Model {
    let mut m = m;
    for (name, data) in ["gamma", "beta", "mean", "var"].iter().zip(&PARAMETERS) {
        m = m.floats(name, &[2], data);
    }
    let operands = [from, "gamma", "beta", "mean", "var"];
    m.node("BatchNormalization", &operands, "y", attributes)
}

fn expected(x: f64, channel: usize, epsilon: f64) -> f64 {
    let [gamma, beta, mean, var] = PARAMETERS.map(|p| f64::from(p[channel]));
    (x - mean) * gamma / (var + epsilon).sqrt() + beta
}

fn near(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    assert!(
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12),
        "{a:?} {b:?}"
    );
}

#[test]
fn alone_it_is_a_factor_and_an_offset() {
    let m = normalized(Model::new(&[1, 2, 1, 2]), "x", &[]);
    assert_eq!(m.ops(), ["input", "mul", "add"]);
    let x = [1.0, -2.0, 3.0, 0.5];
    let epsilon = f64::from(1e-5f32);
    let want: Vec<f64> = (0..4).map(|i| expected(x[i], i / 2, epsilon)).collect();
    near(&m.run(&x), &want);
    let n = m.import().unwrap().network;
    let gamma = n.constant(n.find("gamma").unwrap()).unwrap();
    assert!(gamma.enclosed());
    // The factor times the root is gamma, to 2^-60.
    let center = gamma.center(0);
    let square =
        &(&center * &center) * &(&Exact::from_f32(0.3).unwrap() + &Exact::from_f32(1e-5).unwrap());
    let gap = &square - &"0.25".parse::<Exact>().unwrap();
    let reach = Exact::dyadic(1, -60);
    assert!(gap < reach && -&gap < reach);
}

#[test]
fn behind_a_layer_it_becomes_part_of_it() {
    let epsilon = f64::from(1e-3f32);
    let attributes = [Attribute::Float("epsilon", 1e-3)];
    let w = [1.0, 2.0, -3.0, 0.5];
    let conv = Model::new(&[1, 2, 1, 1])
        .floats("w", &[2, 2, 1, 1], &w)
        .floats("b", &[2], &[0.1, 0.2])
        .node("Conv", &["x", "w", "b"], "h", &[]);
    let gemm = Model::new(&[1, 2])
        .floats("w", &[2, 2], &w)
        .floats("b", &[2], &[0.1, 0.2])
        .node(
            "Gemm",
            &["x", "w", "b"],
            "h",
            &[Attribute::Int("transB", 1)],
        );
    let sum = Model::new(&[1, 2])
        .floats("w", &[2, 2], &[1.0, -3.0, 2.0, 0.5])
        .floats("b", &[2], &[0.1, 0.2])
        .node("MatMul", &["x", "w"], "g", &[])
        .node("Add", &["g", "b"], "h", &[]);
    let x = [0.75, -1.5];
    let inner = [
        x[0] + 2.0 * x[1] + f64::from(0.1f32),
        -3.0 * x[0] + 0.5 * x[1] + f64::from(0.2f32),
    ];
    let want = [
        expected(inner[0], 0, epsilon),
        expected(inner[1], 1, epsilon),
    ];
    for (m, op) in [(conv, "conv"), (gemm, "dense"), (sum, "dense")] {
        let m = normalized(m, "h", &attributes);
        assert_eq!(m.ops(), ["input", op]);
        near(&m.run(&x), &want);
        let n = m.import().unwrap().network;
        assert!(!n.is_exact());
        assert!(n.constant(n.find("w").unwrap()).unwrap().enclosed());
    }
}

/// Its terms may cancel far below what single precision keeps of them: also where the constants are
/// float32 numbers, no run of the file is one of the network.
#[test]
fn exact_constants_are_enclosed_like_others() {
    let parameters = [[2.0, 1.0], [2097152.0, 0.0], [1048576.0, 0.0], [1.0, 4.0]];
    let mut m = Model::new(&[1, 2])
        .floats("w", &[2, 2], &[1.0, 0.0, 0.0, 1.0])
        .node("MatMul", &["x", "w"], "h", &[]);
    for (name, data) in ["gamma", "beta", "mean", "var"].iter().zip(&parameters) {
        m = m.floats(name, &[2], data);
    }
    let operands = ["h", "gamma", "beta", "mean", "var"];
    let m = m.node(
        "BatchNormalization",
        &operands,
        "y",
        &[Attribute::Float("epsilon", 0.0)],
    );
    near(&m.run(&[0.75, -1.5]), &[1.5, -0.75]);
    let n = m.import().unwrap().network;
    assert!(!n.is_exact());
}

#[test]
fn what_others_use_stays_a_layer() {
    let m = Model::new(&[1, 2])
        .floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0])
        .node("MatMul", &["x", "w"], "h", &[]);
    let mut m = normalized(m, "h", &[]).node("Add", &["h", "y"], "z", &[]);
    m.graph().output[0].name = "z".to_owned();
    assert_eq!(m.ops(), ["input", "dense", "mul", "add", "sum"]);
}

#[test]
fn what_cannot_be_enclosed_or_is_training_is_refused() {
    let (codes, text) = normalized(
        Model::new(&[1, 2]),
        "x",
        &[Attribute::Int("training_mode", 1)],
    )
    .errors();
    assert_eq!(codes, [codes::ONNX_UNSUPPORTED], "{text}");
    let negative = [Attribute::Float("epsilon", -1.0)];
    let (_, text) = normalized(Model::new(&[1, 2]), "x", &negative).errors();
    assert!(text.contains("not positive"), "{text}");
    let (_, text) = normalized(Model::new(&[1, 3]), "x", &[]).errors();
    assert!(text.contains("each of 3 channels"), "{text}");
    let w =
        Model::new(&[1, 2])
            .floats("w", &[2, 2], &[1.0; 4])
            .node("MatMul", &["x", "w"], "h", &[]);
    let (_, text) = normalized(w, "h", &negative).errors();
    assert!(text.contains("not positive"), "{text}");
}
