//! What the user is told about models that cannot be imported.

use super::{Attribute, Model, fail, floats, value};
use crate::onnx::proto::{NodeProto, TensorProto};
use ceg4n_base::codes;
use prost::Message;

fn small() -> Model {
    Model::new(&[1, 3])
        .floats("w", &[3, 2], &[1.0, -4.0, 2.0, 5.0, 3.0, 6.0])
        .floats("b", &[2], &[1.0, 2.0])
        .node("Gemm", &["x", "w", "b"], "h", &[])
        .node("Relu", &["h"], "y", &[])
}

#[test]
fn unsupported_operators_are_listed_together() {
    let mut m = Model::new(&[1, 3])
        .floats("w", &[3, 3], &[0.0; 9])
        .node("LayerNormalization", &["x", "w"], "a", &[])
        .node("Gemm", &["a", "w"], "b", &[])
        .node("MaxPool", &["b"], "c", &[])
        .node("Mul", &["c", "b"], "d", &[])
        .node("Div", &["w", "d"], "e", &[])
        .node("Softmax", &["e"], "f", &[])
        .node("Relu", &["f"], "y", &[]);
    m.graph().node[2].domain = "com.example".to_owned();
    m.graph().node.push(NodeProto {
        op_type: "Elu".to_owned(),
        ..NodeProto::default()
    });
    let errors = m.import().unwrap_err();
    let text: Vec<_> = errors.0.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(
        text,
        [
            "operator LayerNormalization (domain ai.onnx) is not supported",
            "operator MaxPool (domain com.example) is not supported",
            "operator Mul (domain ai.onnx) of two computed operands is not supported",
            "operator Div (domain ai.onnx) by a computed value is not supported",
            "operator Softmax (domain ai.onnx) is not supported",
        ]
    );
    assert!(errors.0.iter().all(|d| d.code == codes::ONNX_UNSUPPORTED));
    let place = format!("{:?}", errors.0[0].location);
    assert!(
        place.contains("m.onnx: node \\\"LayerNormalization_a\\\""),
        "{place}"
    );
    let help = |i: usize| errors.0[i].help.join(" ");
    assert!(help(0).contains("BatchNormalization"), "{errors:?}");
    assert!(help(2).contains("is Add"), "{errors:?}");
    assert!(
        help(4).contains("cut off") && help(4).contains("Gemm"),
        "{errors:?}"
    );
}

#[test]
fn every_truncation_is_a_read_error() {
    let bytes = small().bytes();
    for n in 0..bytes.len() {
        let (codes, text) = fail(&bytes[..n]);
        assert_eq!(codes, [codes::ONNX_READ], "{n} of {}", bytes.len());
        assert!(text.contains("export it again"), "{text}");
    }
}

#[test]
fn what_is_no_model_is_said_to_be_none() {
    for bytes in [&b""[..], b"{}", b"nnir 1;\nnetwork @x {}", &[0xff; 64]] {
        assert_eq!(fail(bytes).0, [codes::ONNX_READ]);
    }
    let (_, text) = fail(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n");
    assert!(text.contains("git lfs pull"), "{text}");
}

#[test]
fn lengths_and_dimensions_are_compared_before_anything_is_allocated() {
    let cases: [(&[i64], usize); 7] = [
        (&[3, 3], 24),
        (&[3, 2], 20),
        (&[3, 2], 23),
        (&[-3, -2], 24),
        (&[1 << 40, 1 << 40], 24),
        (&[i64::MAX, i64::MAX, 2], 24),
        (&[1 << 27], 24),
    ];
    for (dims, raw) in cases {
        let mut m = small();
        let w = &mut m.graph().initializer[0];
        w.dims = dims.to_vec();
        w.raw_data = vec![0; raw];
        let (codes, text) = m.errors();
        assert_eq!(codes, [codes::ONNX_GRAPH], "{dims:?} {raw}");
        assert!(text.contains("constant \\\"w\\\""), "{text}");
    }
    let mut twice = small();
    twice.graph().initializer[0].float_data = vec![1.0];
    assert!(twice.errors().1.contains("twice"));
    let mut elsewhere = small();
    elsewhere.graph().initializer[0].data_location = 1;
    assert!(elsewhere.errors().1.contains("another file"));
}

#[test]
fn broken_input_dimensions() {
    let cases: [(&[i64], &str); 7] = [
        (&[1, 0], "has size 0 in dimension 1"),
        (&[1, -5], "has size -5"),
        (&[0, 3], "has size 0 in dimension 0"),
        (&[1, -99], "has no size in dimension 1"),
        (&[1, i64::MAX], "too large"),
        (&[1 << 30, 1 << 30], "too large"),
        (&[1, 1 << 25], "too large"),
    ];
    for (dims, want) in cases {
        let m = Model::new(dims).node("Relu", &["x"], "y", &[]);
        let (codes, text) = m.errors();
        assert_eq!(codes, [codes::ONNX_GRAPH], "{dims:?}: {text}");
        assert!(text.contains(want), "{dims:?}: {text}");
    }
    let mut shapeless = small();
    shapeless.graph().input[0]
        .r#type
        .as_mut()
        .unwrap()
        .tensor_type
        .as_mut()
        .unwrap()
        .shape = None;
    assert!(shapeless.errors().1.contains("has no shape"));
    let mut typeless = small();
    typeless.graph().input[0].r#type = None;
    assert!(typeless.errors().1.contains("is no tensor"));
}

#[test]
fn element_types_other_than_float() {
    let mut m = small();
    m.graph().initializer[0].data_type = 14;
    m.graph().initializer[1].data_type = 8;
    let (codes, text) = m.errors();
    assert_eq!(codes, [codes::ONNX_DTYPE; 2]);
    assert!(
        text.contains("complex64") && text.contains("string"),
        "{text}"
    );
    let mut m = small();
    m.graph().input[0]
        .r#type
        .as_mut()
        .unwrap()
        .tensor_type
        .as_mut()
        .unwrap()
        .elem_type = 8;
    assert_eq!(m.errors().0, [codes::ONNX_DTYPE]);
    let m = Model::new(&[1, 2])
        .ints("c", &[1, 2])
        .node("Add", &["x", "c"], "y", &[]);
    assert_eq!(m.errors().0, [codes::ONNX_DTYPE]);
}

#[test]
fn names_that_do_not_fit() {
    let mut m = small();
    m.graph().initializer.clear();
    let (codes, text) = m.errors();
    assert_eq!(codes, [codes::ONNX_GRAPH; 2], "{text}");
    assert!(text.contains("nothing defines the operand"), "{text}");

    let cycle = Model::new(&[1, 2])
        .node("Relu", &["b"], "a", &[])
        .node("Relu", &["a"], "b", &[])
        .node("Relu", &["b"], "y", &[]);
    assert!(cycle.errors().1.contains("cycle"));
    let itself = Model::new(&[1, 2]).node("Relu", &["y"], "y", &[]);
    assert!(itself.errors().1.contains("cycle"));

    let twice = small().node("Relu", &["x"], "y", &[]);
    assert!(twice.errors().1.contains("defined twice"));
    let shadows = small().node("Relu", &["y"], "x", &[]);
    assert!(shadows.errors().1.contains("defined twice"));
    let stored_twice = small().floats("w", &[1], &[1.0]);
    assert!(stored_twice.errors().1.contains("two initializers"));

    let few = Model::new(&[1, 2]).node("Gemm", &["x"], "y", &[]);
    assert!(few.errors().1.contains("needs 2 operands"));
    let mut nameless = small();
    nameless.graph().node[1].output.clear();
    assert!(nameless.errors().1.contains("nothing defines the output"));
}

#[test]
fn inputs_and_outputs_that_are_not_one() {
    let mut m = small();
    m.graph().output.push(value("h", &[1, 2]));
    assert!(m.errors().1.contains("\\\"y\\\", \\\"h\\\""));
    m.graph().output.clear();
    assert!(m.errors().1.contains("has none"));

    let mut unused = small();
    unused.graph().input.push(value("z", &[1, 2]));
    assert!(
        unused.import().is_ok(),
        "an input that nothing uses is passed over"
    );
    let mut used = unused.node("Add", &["y", "z"], "w2", &[]);
    used.graph().output[0].name = "w2".to_owned();
    assert_eq!(used.errors().0, [codes::ONNX_GRAPH]);

    let mut constant = small();
    constant.graph().output[0].name = "w".to_owned();
    assert!(constant.errors().1.contains("does not depend on the input"));
}

#[test]
fn constants_that_are_no_operands() {
    let zero = Model::new(&[1, 2]).floats("zero", &[2], &[1.0, -0.0]).node(
        "Div",
        &["x", "zero"],
        "y",
        &[],
    );
    let (codes, text) = zero.errors();
    assert_eq!(codes, [codes::ONNX_GRAPH]);
    assert!(
        text.contains("Div_y") && text.contains("division by zero"),
        "{text}"
    );
    let not_finite = Model::new(&[1, 2])
        .floats("nan", &[2], &[f32::NAN, 0.0])
        .floats("inf", &[2], &[f32::INFINITY, 0.0])
        .node("Add", &["x", "nan"], "a", &[])
        .node("Add", &["a", "inf"], "y", &[]);
    assert_eq!(not_finite.errors().0, [codes::NUMBER; 2]);
}

#[test]
fn legacy_attributes_and_odd_gemms() {
    let axis = Model::new(&[1, 2]).floats("c", &[2], &[1.0; 2]).node(
        "Add",
        &["x", "c"],
        "y",
        &[Attribute::Int("axis", 1)],
    );
    assert!(axis.errors().1.contains("operator set 7"));
    let bias = Model::new(&[1, 1])
        .floats("w", &[1, 1], &[1.0])
        .floats("c", &[2], &[1.0; 2])
        .node("Gemm", &["x", "w", "c"], "y", &[]);
    assert!(bias.errors().1.contains("the bias of dimensions [2]"));
    let kind = Model::new(&[1, 1]).floats("w", &[1, 1], &[1.0]).node(
        "Gemm",
        &["x", "w"],
        "y",
        &[Attribute::Float("transB", 1.0)],
    );
    assert!(kind.errors().1.contains("transB is no integer"));
    let constants = Model::new(&[1, 1])
        .node(
            "Constant",
            &[],
            "c",
            &[Attribute::Tensor("value", floats("", &[1], &[1.0]))],
        )
        .node("Relu", &["c"], "d", &[])
        .node("Add", &["x", "d"], "y", &[]);
    assert!(constants.errors().1.contains("of constants only"));
}

#[test]
fn constants_cannot_be_made_to_fill_the_memory() {
    let mut m = Model::new(&[1, 2]).floats("one", &[1], &[1.0]);
    let mut last = "one".to_owned();
    m = m.ints("size", &[1 << 14, 1 << 12]);
    for i in 0..8 {
        let next = format!("c{i}");
        m = m.node("Expand", &[&last, "size"], &next, &[]);
        last = next;
    }
    let m = m.node("Add", &["x", &last], "y", &[]);
    let (codes, text) = m.errors();
    assert_eq!(codes, [codes::ONNX_GRAPH]);
    assert!(text.contains("too large"), "{text}");
}

#[test]
fn tensors_without_data_are_refused() {
    let empty = TensorProto {
        name: "c".to_owned(),
        dims: vec![0],
        data_type: 1,
        ..TensorProto::default()
    };
    let mut m = Model::new(&[1, 2]).node("Add", &["x", "c"], "y", &[]);
    m.graph().initializer.push(empty);
    assert!(m.errors().1.contains("is empty"));
    assert!(m.0.encoded_len() > 0);
}
