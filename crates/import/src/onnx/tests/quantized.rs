//! Models that are quantized already.

use super::{Attribute, Model};
use crate::onnx::proto::data_type::{INT8, INT32, UINT8};
use ceg4n_base::{Exact, codes};
use ceg4n_ir::Op;

fn pair(m: Model, from: &str, to: &str) -> Model {
    m.node("QuantizeLinear", &[from, "s", "z"], &format!("{to}_q"), &[])
        .node("DequantizeLinear", &[&format!("{to}_q"), "s", "z"], to, &[])
}

fn base(dims: &[i64]) -> Model {
    Model::new(dims)
        .floats("s", &[], &[0.5])
        .typed("z", &[], UINT8, &[3])
}

#[test]
fn a_pair_rounds_half_to_even_and_saturates() {
    let m = pair(base(&[1, 7]), "x", "y");
    assert_eq!(m.ops(), ["input", "snap", "identity"]);
    let n = m.import().unwrap().network;
    let snap = n.values().values().find(|v| v.op.name() == "snap").unwrap();
    let Op::Snap {
        scale,
        zero_point,
        lo,
        hi,
        ..
    } = snap.op
    else {
        panic!("no snap")
    };
    assert_eq!((scale, zero_point, lo, hi), (0.5, 3, 0, 255));
    let y = m.run(&[0.25, 0.75, -0.25, -1.0, -9.0, 1000.0, 0.26]);
    assert_eq!(y, [0.0, 1.0, 0.0, -1.0, -1.5, 126.0, 0.5]);
    assert!(n.is_exact());
}

#[test]
fn weights_are_exactly_what_their_integers_stand_for() {
    let m = Model::new(&[1, 2])
        .typed("q", &[2, 2], INT8, &[-128, 3, 127, 1])
        .floats("s", &[2], &[0.1, 0.25])
        .typed("z", &[2], INT8, &[0, 1])
        .node(
            "DequantizeLinear",
            &["q", "s", "z"],
            "w",
            &[Attribute::Int("axis", 0)],
        )
        .node("Gemm", &["x", "w"], "y", &[Attribute::Int("transB", 1)]);
    let n = m.import().unwrap().network;
    let w = n.constant(n.find("w").unwrap()).unwrap();
    let tenth = Exact::from_f32(0.1).unwrap();
    assert!(!w.enclosed());
    assert_eq!(w.center(0), &tenth * &Exact::from(-128i64));
    assert_eq!(w.center(1), &tenth * &Exact::from(3i64));
    assert_eq!(w.center(2), "31.5".parse().unwrap());
    assert_eq!(w.center(3), Exact::zero());
    // 32 bits of an integer and 24 of a scale need more than one float64.
    let bias = Model::new(&[1, 1])
        .typed("q", &[1], INT32, &[2_147_483_647])
        .floats("s", &[], &[0.1])
        .node("DequantizeLinear", &["q", "s"], "b", &[])
        .node("Add", &["x", "b"], "y", &[]);
    let n = bias.import().unwrap().network;
    let b = n.constant(n.find("b").unwrap()).unwrap();
    assert!(!b.enclosed());
    assert_eq!(b.center(0), &tenth * &Exact::from(2_147_483_647i64));
}

#[test]
fn weights_that_the_model_quantizes_itself() {
    let m = base(&[1, 3])
        .floats("w", &[3], &[0.25, 0.75, 1000.0])
        .node("QuantizeLinear", &["w", "s", "z"], "q", &[])
        .node("DequantizeLinear", &["q", "s", "z"], "d", &[])
        .node("Add", &["x", "d"], "y", &[]);
    assert_eq!(m.run(&[0.0; 3]), [0.0, 1.0, 126.0]);
}

#[test]
fn integers_may_be_moved_and_compared() {
    let m = base(&[1, 1, 2, 2])
        .node("QuantizeLinear", &["x", "s", "z"], "q", &[])
        .node(
            "MaxPool",
            &["q"],
            "p",
            &[Attribute::Ints("kernel_shape", vec![1, 2])],
        )
        .node("Flatten", &["p"], "f", &[])
        .node("Concat", &["f", "f"], "c", &[Attribute::Int("axis", 1)])
        .node("DequantizeLinear", &["c", "s", "z"], "y", &[]);
    assert_eq!(m.run(&[0.3, 1.2, -0.1, -5.0]), [1.0, 0.0, 1.0, 0.0]);
    let sum = base(&[1, 2])
        .node("QuantizeLinear", &["x", "s", "z"], "q", &[])
        .node("Relu", &["q"], "r", &[])
        .node("DequantizeLinear", &["r", "s", "z"], "y", &[]);
    let (codes, text) = sum.errors();
    assert_eq!(codes, [codes::ONNX_DTYPE]);
    assert!(
        text.contains("uint8") && text.contains("DequantizeLinear"),
        "{text}"
    );
}

#[test]
fn inputs_and_outputs_of_integers() {
    let mut m = base(&[1, 3])
        .node("DequantizeLinear", &["x", "s", "z"], "d", &[])
        .floats("t", &[], &[0.25])
        .node("QuantizeLinear", &["d", "t", "z"], "y", &[]);
    let kind = |m: &mut Model, k| {
        let t = m.graph().input[0].r#type.as_mut().unwrap();
        t.tensor_type.as_mut().unwrap().elem_type = k;
    };
    kind(&mut m, UINT8);
    // q -> 0.5·(q - 3) -> 2·(q - 3) + 3, between 0 and 255.
    assert_eq!(m.run(&[5.0, 0.0, 200.0]), [7.0, 0.0, 255.0]);
    let notes = m.import().unwrap().notes;
    assert!(
        notes[0].message.contains("integers as real numbers"),
        "{notes:?}"
    );
    let mut cast = Model::new(&[1, 2]).node("Cast", &["x"], "y", &[Attribute::Int("to", 1)]);
    kind(&mut cast, UINT8);
    assert_eq!(cast.run(&[5.0, 7.0]), [5.0, 7.0]);
}

/// The same numbers through QLinearConv and through its parts.
#[test]
fn operators_on_integers_are_those_on_numbers_with_a_rounding() {
    let constants = |m: Model| {
        m.floats("s", &[], &[0.5])
            .typed("z", &[], UINT8, &[3])
            .floats("ws", &[2], &[0.25, 0.1])
            .typed("wz", &[2], INT8, &[0, 0])
            .floats("ys", &[], &[0.75])
            .typed("yz", &[], UINT8, &[10])
            .typed("w", &[2, 1, 1, 2], INT8, &[1, -2, 3, 40])
            .typed("b", &[2], INT32, &[5, -6])
            .floats("bs", &[2], &[0.125, 0.05])
            .node("QuantizeLinear", &["x", "s", "z"], "q", &[])
    };
    let fused = constants(Model::new(&[1, 1, 1, 4]))
        .node(
            "QLinearConv",
            &["q", "s", "z", "w", "ws", "wz", "ys", "yz", "b"],
            "c",
            &[],
        )
        .node("DequantizeLinear", &["c", "ys", "yz"], "y", &[]);
    let parts = constants(Model::new(&[1, 1, 1, 4]))
        .node("DequantizeLinear", &["q", "s", "z"], "d", &[])
        .node(
            "DequantizeLinear",
            &["w", "ws", "wz"],
            "v",
            &[Attribute::Int("axis", 0)],
        )
        .node(
            "DequantizeLinear",
            &["b", "bs"],
            "a",
            &[Attribute::Int("axis", 0)],
        )
        .node("Conv", &["d", "v", "a"], "e", &[])
        .node("QuantizeLinear", &["e", "ys", "yz"], "c", &[])
        .node("DequantizeLinear", &["c", "ys", "yz"], "y", &[]);
    assert_eq!(fused.ops(), ["input", "snap", "conv", "snap", "identity"]);
    for k in 0..20 {
        let x: Vec<f64> = (0..4)
            .map(|i| f64::from((k * 7 + i * 3) % 11) * 0.4 - 2.0)
            .collect();
        assert_eq!(fused.run(&x), parts.run(&x), "{x:?}");
    }
}

#[test]
fn matrix_products_sums_and_functions_of_integers() {
    let m = |rest: &dyn Fn(Model) -> Model| {
        let m = base(&[1, 2])
            .typed("w", &[2, 1], UINT8, &[4, 1])
            .floats("t", &[], &[1.0])
            .typed("o", &[], UINT8, &[0])
            .node("QuantizeLinear", &["x", "s", "z"], "q", &[]);
        rest(m)
    };
    let product = m(&|m| {
        m.node(
            "QLinearMatMul",
            &["q", "s", "z", "w", "s", "z", "t", "o"],
            "y",
            &[],
        )
    });
    // x is 2 and -1; the weights are 0.5·(4 - 3) and 0.5·(1 - 3).
    assert_eq!(product.run(&[2.0, -1.0]), [2.0]);
    let sum = m(&|m| {
        m.node(
            "QLinearAdd",
            &["q", "s", "z", "q", "s", "z", "t", "o"],
            "y",
            &[],
        )
    });
    let domain = |mut m: Model| {
        m.graph().node[1].domain = "com.microsoft".to_owned();
        m
    };
    assert_eq!(domain(sum).run(&[2.0, -1.0]), [4.0, 0.0]);
    let sigmoid = m(&|m| m.node("QLinearSigmoid", &["q", "s", "z", "t", "o"], "y", &[]));
    assert_eq!(domain(sigmoid).run(&[2.0, -1.0]), [1.0, 0.0]);
    let gemm = m(&|m| {
        m.typed("b", &[1], INT32, &[8]).node(
            "QGemm",
            &["q", "s", "z", "w", "s", "z", "b", "t", "o"],
            "y",
            &[],
        )
    });
    // The bias is 8·0.5·0.5.
    assert_eq!(domain(gemm).run(&[2.0, -1.0]), [4.0]);
}

#[test]
fn what_is_no_fixed_quantization_is_refused() {
    let other = base(&[1, 2])
        .floats("t", &[], &[0.25])
        .node("QuantizeLinear", &["x", "s", "z"], "q", &[])
        .node("DequantizeLinear", &["q", "t", "z"], "y", &[]);
    assert!(other.errors().1.contains("another scale"));
    let channels = Model::new(&[1, 2]).floats("s", &[2], &[0.5, 0.25]).node(
        "QuantizeLinear",
        &["x", "s"],
        "y",
        &[Attribute::Int("axis", 1)],
    );
    assert!(channels.errors().1.contains("by channels"));
    let wide = Model::new(&[1, 2])
        .floats("s", &[], &[0.5])
        .typed("z", &[], INT32, &[0])
        .node("QuantizeLinear", &["x", "s", "z"], "y", &[]);
    assert!(wide.errors().1.contains("int32"));
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let m = Model::new(&[1, 2]).floats("s", &[], &[scale]).node(
            "QuantizeLinear",
            &["x", "s"],
            "y",
            &[],
        );
        assert!(m.errors().1.contains("scale"), "{scale}");
    }
    let dynamic = Model::new(&[1, 2]).node("DynamicQuantizeLinear", &["x"], "y", &[]);
    assert!(dynamic.errors().1.contains("static quantization"));
}
