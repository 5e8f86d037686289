//! What every supported operator means.

use super::{Attribute, Model, floats, value};
use crate::onnx::proto::{TensorProto, data_type};
use ceg4n_base::Exact;
use ceg4n_ir::{Op, Shape};

/// `[outputs, inputs]`.
const W: [f32; 6] = [1.0, 2.0, 3.0, -4.0, 5.0, 6.0];
/// The same matrix stored as `[inputs, outputs]`.
const W_T: [f32; 6] = [1.0, -4.0, 2.0, 5.0, 3.0, 6.0];
const X: [f64; 3] = [1.0, -1.0, 0.5];
/// `W·X`.
const WX: [f64; 2] = [0.5, -6.0];

#[test]
fn gemm_stores_weights_as_outputs_by_inputs() {
    for (dims, data, trans_b) in [([2, 3], W, 1), ([3, 2], W_T, 0)] {
        let m = Model::new(&[1, 3])
            .floats("w", &dims, &data)
            .floats("b", &[2], &[10.0, 20.0])
            .node(
                "Gemm",
                &["x", "w", "b"],
                "y",
                &[Attribute::Int("transB", trans_b)],
            );
        assert_eq!(m.run(&X), [10.5, 14.0]);
        let n = m.import().unwrap().network;
        let w = n.find("w").unwrap();
        assert_eq!(n.value(w).shape, Shape(vec![2, 3]));
        assert_eq!(*n.constant(w).unwrap().data, W);
        assert_eq!(n.value(n.input()).shape, Shape(vec![3]));
        assert_eq!(n.value(n.output()).name, "y");
    }
}

#[test]
fn gemm_scales_exactly() {
    let gemm = |alpha: f32, beta: f32, w: f32| {
        Model::new(&[1, 1])
            .floats("w", &[1, 1], &[w])
            .floats("b", &[], &[3.0])
            .node(
                "Gemm",
                &["x", "w", "b"],
                "y",
                &[
                    Attribute::Float("alpha", alpha),
                    Attribute::Float("beta", beta),
                ],
            )
    };
    assert_eq!(gemm(0.5, 2.0, 3.0).run(&[4.0]), [12.0]);
    assert_eq!(gemm(1.0, 0.0, 3.0).run(&[4.0]), [12.0]);
    let constant = |m: &Model, name: &str| {
        let n = m.import().unwrap().network;
        let c = n.constant(n.find(name).unwrap()).unwrap();
        assert!(!c.enclosed());
        c.center(0)
    };
    let exact = |v: f32| Exact::from_f32(v).unwrap();
    let w = constant(&gemm(3.0, 1.0, 0.1), "w");
    assert_eq!(w, &exact(0.1) * &exact(3.0));
    let b = constant(&gemm(1.0, 0.1, 1.0), "b");
    assert_eq!(b, &exact(0.1) * &exact(3.0));
    let (_, text) = gemm(f32::NAN, 1.0, 1.0).errors();
    assert!(text.contains("no finite float"), "{text}");
}

#[test]
fn gemm_without_bias_and_with_a_scalar_or_row_bias() {
    let m = |c: &[&str]| {
        let operands: Vec<&str> = ["x", "w"].iter().chain(c).copied().collect();
        Model::new(&[1, 3])
            .floats("w", &[3, 2], &W_T)
            .floats("one", &[1], &[1.0])
            .floats("row", &[1, 2], &[1.0, 2.0])
            .node("Gemm", &operands, "y", &[])
    };
    assert_eq!(m(&[]).run(&X), WX);
    assert_eq!(m(&[""]).run(&X), WX);
    assert_eq!(m(&["one"]).run(&X), [1.5, -5.0]);
    assert_eq!(m(&["row"]).run(&X), [1.5, -4.0]);
}

#[test]
fn one_weight_used_in_two_ways_becomes_two_constants() {
    let square = [1.0, 2.0, 3.0, 4.0];
    let m = Model::new(&[1, 2])
        .floats("w", &[2, 2], &square)
        .node("Gemm", &["x", "w"], "h", &[Attribute::Int("transB", 1)])
        .node("Gemm", &["h", "w"], "i", &[])
        .node("Gemm", &["i", "w"], "y", &[Attribute::Int("transB", 1)]);
    // h = W·x = (1, 3), i = Wᵀ·h = (10, 14), y = W·i.
    assert_eq!(m.run(&[1.0, 0.0]), [38.0, 86.0]);
    let n = m.import().unwrap().network;
    let constants = n
        .values()
        .values()
        .filter(|v| matches!(v.op, Op::Const(_)))
        .map(|v| v.name.as_str());
    assert_eq!(constants.collect::<Vec<_>>(), ["w", "w_1"]);
}

#[test]
fn matmul_and_a_sum_become_one_dense() {
    for operands in [["h", "b"], ["b", "h"]] {
        for (dims, bias) in [(&[2][..], &[10.0, 20.0][..]), (&[1, 2], &[10.0, 20.0])] {
            let m = Model::new(&[1, 3])
                .floats("w", &[3, 2], &W_T)
                .floats("b", dims, bias)
                .node("MatMul", &["x", "w"], "h", &[])
                .node("Add", &operands, "y", &[]);
            assert_eq!(m.ops(), ["input", "dense"]);
            assert_eq!(m.run(&X), [10.5, 14.0]);
        }
    }
}

#[test]
fn only_sums_that_lead_to_the_output_and_fit_become_a_bias() {
    let m = Model::new(&[1, 3])
        .floats("w", &[3, 2], &W_T)
        .floats("b", &[2], &[10.0, 20.0])
        .floats("v", &[2, 1], &[1.0, 1.0])
        .node("MatMul", &["x", "w"], "h", &[])
        .node("Add", &["h", "b"], "y", &[])
        .node("Relu", &["h"], "unused", &[]);
    // The other use leads nowhere, so it does not count.
    assert_eq!(m.ops(), ["input", "dense"]);
    let mut m = m;
    m.graph().output[0].name = "h".to_owned();
    assert_eq!(m.ops(), ["input", "dense"]);
    assert_eq!(m.run(&X), WX);
    // A sum with a matrix is no bias.
    let m = Model::new(&[1, 3])
        .floats("w", &[3, 2], &W_T)
        .floats("b", &[1, 1, 2], &[10.0, 20.0])
        .node("MatMul", &["x", "w"], "h", &[])
        .node("Add", &["h", "b"], "y", &[]);
    assert_eq!(m.ops(), ["input", "dense", "add", "reshape"]);
    assert_eq!(m.run(&X), [10.5, 14.0]);
}

#[test]
fn matmul_of_vectors_tensors_and_from_the_left() {
    let right = |dims: &[i64]| {
        Model::new(dims)
            .floats("w", &[3, 2], &W_T)
            .node("MatMul", &["x", "w"], "y", &[])
    };
    assert_eq!(right(&[3]).ops(), ["input", "dense"]);
    assert_eq!(right(&[3]).run(&X), WX);
    assert_eq!(
        right(&[1, 1, 3]).ops(),
        ["input", "flatten", "dense", "reshape"]
    );
    assert_eq!(right(&[1, 1, 3]).run(&X), WX);
    for dims in [&[3][..], &[3, 1], &[1, 3, 1]] {
        let left = Model::new(dims)
            .floats("w", &[2, 3], &W)
            .node("MatMul", &["w", "x"], "y", &[]);
        assert_eq!(left.run(&X), WX, "{dims:?}");
    }
    let (_, text) = right(&[1, 2]).errors();
    assert!(text.contains("[1, 2]") && text.contains("[3, 2]"), "{text}");
}

#[test]
fn sums_differences_and_quotients_with_constants() {
    let m = |op: &str, operands: &[&str]| {
        Model::new(&[1, 2])
            .floats("c", &[2], &[2.0, 4.0])
            .floats("s", &[], &[2.0])
            .floats("r", &[1, 1], &[2.0])
            .node(op, operands, "y", &[])
    };
    let x = [8.0, 12.0];
    assert_eq!(m("Add", &["x", "c"]).run(&x), [10.0, 16.0]);
    assert_eq!(m("Add", &["c", "x"]).run(&x), [10.0, 16.0]);
    assert_eq!(m("Add", &["x", "s"]).run(&x), [10.0, 14.0]);
    assert_eq!(m("Sub", &["x", "c"]).run(&x), [6.0, 8.0]);
    assert_eq!(m("Sub", &["x", "r"]).run(&x), [6.0, 10.0]);
    assert_eq!(m("Sub", &["c", "x"]).run(&x), [-6.0, -8.0]);
    assert_eq!(m("Div", &["x", "c"]).run(&x), [4.0, 3.0]);
    assert_eq!(m("Div", &["x", "s"]).run(&x), [4.0, 6.0]);
}

#[test]
fn constants_are_broadcast_like_numpy() {
    let m = |x: &[i64], c: &[i64], data: &[f32]| {
        Model::new(x)
            .floats("c", c, data)
            .node("Add", &["x", "c"], "y", &[])
    };
    let acas = m(&[1, 1, 1, 5], &[1, 1, 1, 5], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(acas.run(&[0.0; 5]), [1.0, 2.0, 3.0, 4.0, 5.0]);
    let per_channel = m(&[1, 2, 1, 2], &[2, 1, 1], &[1.0, 2.0]);
    assert_eq!(per_channel.run(&[0.0; 4]), [1.0, 1.0, 2.0, 2.0]);
    let per_column = m(&[-99, 2, 2], &[2], &[1.0, 2.0]);
    assert_eq!(per_column.run(&[0.0; 4]), [1.0, 2.0, 1.0, 2.0]);
    let (_, text) = m(&[1, 1], &[3], &[1.0; 3]).errors();
    assert!(text.contains("does not fit"), "{text}");
    let (_, text) = m(&[1, 4], &[3], &[1.0; 3]).errors();
    assert!(text.contains("does not fit"), "{text}");
}

#[test]
fn moves() {
    let flatten =
        |axis| Model::new(&[1, 2, 3]).node("Flatten", &["x"], "y", &[Attribute::Int("axis", axis)]);
    let shape = |m: &Model| {
        let n = m.import().unwrap().network;
        n.value(n.output()).shape.clone()
    };
    assert_eq!(shape(&flatten(1)), Shape(vec![6]));
    assert_eq!(shape(&flatten(0)), Shape(vec![6]));
    assert_eq!(shape(&flatten(-1)), Shape(vec![2, 3]));
    assert_eq!(shape(&flatten(3)), Shape(vec![6, 1]));
    let (_, text) = flatten(4).errors();
    assert!(text.contains("axis 4"), "{text}");

    let reshape = |to: &[i64]| {
        Model::new(&[-99, 2, 3])
            .ints("s", to)
            .node("Reshape", &["x", "s"], "y", &[])
    };
    assert_eq!(shape(&reshape(&[-1, 6])), Shape(vec![6]));
    assert_eq!(shape(&reshape(&[0, -1])), Shape(vec![6]));
    assert_eq!(shape(&reshape(&[1, 3, 2])), Shape(vec![3, 2]));
    assert_eq!(shape(&reshape(&[0, 3, -1])), Shape(vec![3, 2]));
    assert_eq!(shape(&reshape(&[1, 0, -1])), Shape(vec![2, 3]));
    assert_eq!(shape(&reshape(&[6])), Shape(vec![6]));
    for bad in [
        &[-1, -1][..],
        &[4],
        &[-1, 4],
        &[0, 0, 0, 0],
        &[-2, -3],
        &[i64::MAX, 2],
        &[],
    ] {
        let (_, text) = reshape(bad).errors();
        assert!(text.contains("cannot be reshaped"), "{bad:?}: {text}");
    }
    let old = Model::new(&[1, 2, 3]).node(
        "Reshape",
        &["x"],
        "y",
        &[Attribute::Ints("shape", vec![1, 6])],
    );
    assert_eq!(shape(&old), Shape(vec![6]));
    assert_eq!(old.run(&[1., 2., 3., 4., 5., 6.]), [1., 2., 3., 4., 5., 6.]);
}

#[test]
fn relu_identity_and_dropout() {
    let m = Model::new(&[1, 2])
        .node("Identity", &["x"], "a", &[])
        .node("Dropout", &["a"], "b", &[])
        .node("Relu", &["b"], "y", &[]);
    assert_eq!(m.ops(), ["input", "identity", "identity", "relu"]);
    assert_eq!(m.run(&[-1.0, 2.0]), [0.0, 2.0]);
}

#[test]
fn dropout_in_training_is_refused() {
    let training = |on: u8| {
        let flag = TensorProto {
            data_type: data_type::BOOL,
            raw_data: vec![on],
            ..TensorProto::default()
        };
        Model::new(&[1, 2])
            .node("Constant", &[], "t", &[Attribute::Tensor("value", flag)])
            .node("Dropout", &["x", "", "t"], "y", &[])
    };
    assert_eq!(training(0).run(&[1.0, 2.0]), [1.0, 2.0]);
    assert!(training(1).errors().1.contains("training mode"));
    let mut mask = training(0);
    mask.graph().node[1].output.push("mask".to_owned());
    assert!(mask.import().is_ok());
    mask.graph().output[0].name = "mask".to_owned();
    let (codes, text) = mask.errors();
    assert_eq!(codes, [ceg4n_base::codes::ONNX_UNSUPPORTED], "{text}");
}

#[test]
fn constants_fold() {
    let m = |op: &str, a: f32, b: f32| {
        Model::new(&[1, 2])
            .floats("a", &[2], &[a, a])
            .node(
                "Constant",
                &[],
                "b",
                &[Attribute::Tensor("value", floats("", &[1], &[b]))],
            )
            .node(op, &["a", "b"], "c", &[])
            .node("Identity", &["c"], "d", &[])
            .node("Add", &["x", "d"], "y", &[])
    };
    assert_eq!(m("Add", 1.0, 2.0).run(&[0.0; 2]), [3.0; 2]);
    assert_eq!(m("Sub", 1.0, 2.0).run(&[0.0; 2]), [-1.0; 2]);
    assert_eq!(m("Div", 1.0, 2.0).run(&[0.0; 2]), [0.5; 2]);
    assert_eq!(m("Mul", 3.0, 2.0).run(&[0.0; 2]), [6.0; 2]);
    let third = m("Div", 1.0, 3.0).import().unwrap().network;
    let c = third.constant(third.find("d").unwrap()).unwrap();
    assert!(c.enclosed());
    assert_eq!(c.data[0], 1.0 / 3.0);
}

#[test]
fn constant_nodes_of_every_kind() {
    let scalar = |a| {
        Model::new(&[1, 2])
            .node("Constant", &[], "c", &[a])
            .node("Sub", &["x", "c"], "y", &[])
    };
    assert_eq!(
        scalar(Attribute::Float("value_float", 0.5)).run(&[1.0, 2.0]),
        [0.5, 1.5]
    );
    let shape = |a| {
        Model::new(&[1, 2, 2])
            .node("Constant", &[], "s", &[a])
            .node("Reshape", &["x", "s"], "y", &[])
    };
    let m = shape(Attribute::Ints("value_ints", vec![1, 4]));
    assert_eq!(m.run(&[1.0, 2.0, 3.0, 4.0]), [1.0, 2.0, 3.0, 4.0]);
    let (codes, _) = shape(Attribute::Int("value_string", 1)).errors();
    assert_eq!(codes, [ceg4n_base::codes::ONNX_DTYPE]);
}

#[test]
fn initializers_listed_as_inputs_are_constants() {
    let mut m =
        Model::new(&[1, 3])
            .floats("w", &[3, 2], &W_T)
            .node("MatMul", &["x", "w"], "y", &[]);
    m.graph().input.insert(0, value("w", &[3, 2]));
    assert_eq!(m.run(&X), WX);
}

#[test]
fn nodes_out_of_order_are_put_in_order_and_dead_ones_left_out() {
    let mut m = Model::new(&[1, 2])
        .node("Relu", &["x"], "h", &[])
        .node("Identity", &["h"], "y", &[])
        .node("Softplus", &["h"], "dead", &[]);
    m.graph().node.reverse();
    assert_eq!(m.ops(), ["input", "relu", "identity"]);
    let notes = m.import().unwrap().notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].message.contains("1 nodes do not lead"));
}

#[test]
fn float_data_and_raw_data_are_the_same_bits() {
    let odd = [
        0.1,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        -f32::MAX,
        1.0 / 3.0,
    ];
    let raw = Model::new(&[1, 5])
        .floats("c", &[5], &odd)
        .node("Add", &["x", "c"], "y", &[]);
    let mut typed = raw.clone();
    let t = &mut typed.graph().initializer[0];
    t.raw_data.clear();
    t.float_data = odd.to_vec();
    for m in [raw, typed] {
        let n = m.import().unwrap().network;
        let c = n.constant(n.find("c").unwrap()).unwrap();
        let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&c.data), bits(&odd));
    }
}

#[test]
fn names_stay_readable_and_unique() {
    let mut m = Model::new(&[1, 3])
        .floats("a\nb", &[3, 2], &W_T)
        .floats("a_b", &[2], &[1.0, 1.0])
        .node("Gemm", &["x", "a\nb", "a_b"], "onnx::Relu_7", &[])
        .node("Relu", &["onnx::Relu_7"], "y", &[]);
    m.graph().node[1].name.clear();
    let n = m.import().unwrap().network;
    let names: Vec<_> = n.values().values().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["x", "a_b", "a_b_1", "onnx::Relu_7", "y"]);
}

#[test]
fn a_wrong_declared_output_is_noted() {
    let mut m = Model::new(&[1, 3]).node("Relu", &["x"], "y", &[]);
    m.graph().output[0] = value("y", &[-99, 3]);
    assert!(m.import().unwrap().notes.is_empty());
    m.graph().output[0] = value("y", &[1, 4]);
    let notes = m.import().unwrap().notes;
    assert!(notes[0].message.contains("[1, 4]"), "{notes:?}");
}
