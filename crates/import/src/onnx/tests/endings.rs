//! What stands behind the network.

use super::{Attribute, Model, value};
use crate::onnx::proto::data_type;
use ceg4n_base::codes;

fn scores(dims: &[i64]) -> Model {
    Model::new(dims).node("Relu", &["x"], "s", &[])
}

fn notes(m: &Model) -> String {
    let imported = m.import().unwrap_or_else(|e| panic!("{e}"));
    let all: Vec<String> = imported.notes.iter().map(|n| n.message.clone()).collect();
    all.join("; ")
}

#[test]
fn softmax_and_argmax_are_cut_off() {
    for op in ["Softmax", "LogSoftmax"] {
        let m = scores(&[-99, 3]).node(op, &["s"], "y", &[Attribute::Int("axis", -1)]);
        assert_eq!(m.ops(), ["input", "relu"]);
        assert_eq!(
            notes(&m),
            format!("{op} at the end was left out: which output is largest stays the same")
        );
    }
    let m = scores(&[-99, 3])
        .node("Softmax", &["s"], "p", &[])
        .node("Cast", &["p"], "c", &[Attribute::Int("to", 1)])
        .node("ArgMax", &["c"], "a", &[Attribute::Int("axis", 1)])
        .ints("to", &[-1])
        .node("Reshape", &["a", "to"], "y", &[]);
    assert_eq!(m.run(&[1.0, -1.0, 2.0]), [1.0, 0.0, 2.0]);
    assert!(notes(&m).starts_with("Softmax at the end"));
    assert!(
        notes(&m).contains("; ArgMax at the end was left out: the outputs are what it chooses")
    );
    // A declared shape behind what was cut is no claim about the output.
    let mut declared = m.clone();
    declared.graph().output[0] = value("y", &[1]);
    assert!(!notes(&declared).contains("declared"));
}

#[test]
fn only_over_all_outputs() {
    let m = |axis| scores(&[1, 2, 3]).node("Softmax", &["s"], "y", &[Attribute::Int("axis", axis)]);
    let (codes, text) = m(2).errors();
    assert_eq!(codes, [codes::ONNX_UNSUPPORTED]);
    assert!(text.contains("axis 2 of dimensions [1, 2, 3]"), "{text}");
    // Before operator set 13 all axes from the given one on.
    let mut old = m(1);
    old.0.opset_import[0].version = 11;
    assert_eq!(old.ops(), ["input", "relu"]);
    let default = scores(&[3]).node("ArgMax", &["s"], "y", &[]);
    assert_eq!(default.ops(), ["input", "relu"]);
    let middle = scores(&[1, 3])
        .node("Softmax", &["s"], "p", &[])
        .node("Relu", &["p"], "y", &[]);
    assert!(middle.errors().1.contains("cut off"));
}

/// What the scikit-learn exporter writes: a label and the probabilities, or a map of them.
#[test]
fn labels_are_left_out() {
    let mut m = scores(&[-99, 3])
        .ints("classes", &[0, 1, 2])
        .node("Softmax", &["s"], "p", &[])
        .node("ArgMax", &["p"], "a", &[Attribute::Int("axis", 1)])
        .node("ArrayFeatureExtractor", &["classes", "a"], "f", &[])
        .node("Cast", &["f"], "label", &[Attribute::Int("to", 7)])
        .node("ZipMap", &["p"], "map", &[]);
    for node in &mut m.graph().node {
        if matches!(node.op_type.as_str(), "ArrayFeatureExtractor" | "ZipMap") {
            node.domain = "ai.onnx.ml".to_owned();
        }
    }
    let output = |name: &str, kind: Option<i32>| {
        let mut v = value(name, &[-99]);
        match kind {
            Some(k) => {
                let t = v.r#type.as_mut().unwrap();
                t.tensor_type.as_mut().unwrap().elem_type = k;
            }
            None => v.r#type = None,
        }
        v
    };
    let label = output("label", Some(data_type::INT64));
    m.graph().output = vec![label.clone(), output("map", None)];
    assert_eq!(m.ops(), ["input", "relu"]);
    let text = notes(&m);
    assert!(text.contains("ZipMap at the end"), "{text}");
    assert!(
        text.contains("of several outputs \"label\" was left out"),
        "{text}"
    );
    assert!(!text.contains("do not lead"), "{text}");
    m.graph().output = vec![label.clone(), output("p", Some(data_type::FLOAT))];
    assert_eq!(m.ops(), ["input", "relu"]);
    // The label alone stands for the scores behind it.
    m.graph().output = vec![label];
    assert_eq!(m.ops(), ["input", "relu"]);
    assert!(notes(&m).contains("ArrayFeatureExtractor at the end"));
}

#[test]
fn cycles_at_the_end() {
    let m = Model::new(&[1, 2])
        .node("Identity", &["b"], "a", &[])
        .node("Softmax", &["a"], "b", &[])
        .node("Identity", &["b"], "y", &[]);
    assert!(m.errors().1.contains("cycle"));
}
