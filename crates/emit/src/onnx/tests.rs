//! Structure of written models.

use crate::{Claim, EmitInfo, EmitInput, EmitOptions, OutputFile, TestVector, emit_onnx};
use ceg4n_import::onnx::proto::{ModelProto, NodeProto, TensorProto, data_type};
use ceg4n_ir::{Checked, NetworkBuilder, Op, Program, Shape, check};
use prost::Message;
use std::collections::BTreeSet;
use std::sync::Arc;

/// `relu(x)`, or `x`, in the input's format.
fn program(format: &str, relu: bool) -> Checked<Program> {
    let mut b = NetworkBuilder::new("n");
    let x = b.push("x", Op::Input, Some(Shape(vec![2, 2])), None);
    let y = match relu {
        true => b.push("y", Op::Relu { x }, None, None),
        false => b.push("y", Op::Identity { x }, None, None),
    };
    let net = Arc::new(b.finish(y).expect("a network"));
    let format: ceg4n_ir::Format = format.parse().expect("a format");
    let patch = Program::reference(net).patch().format(x, format);
    check(patch.finish()).expect("a program")
}

fn emitted(program: &Checked<Program>, vectors: &[TestVector]) -> Vec<OutputFile> {
    let input = EmitInput {
        program,
        name: "net",
        claim: Claim::Unverified {
            reason: "a test".to_owned(),
        },
        vectors,
        info: EmitInfo {
            tool_version: "0.1.0".to_owned(),
            hashes: vec![("network file".to_owned(), "00ff".to_owned())],
            ..EmitInfo::default()
        },
        options: EmitOptions::default(),
    };
    emit_onnx(&input).expect("files")
}

fn content<'a>(files: &'a [OutputFile], path: &str) -> &'a [u8] {
    let file = files.iter().find(|f| f.path == path);
    &file.expect("the file").content
}

fn model(files: &[OutputFile], path: &str) -> ModelProto {
    ModelProto::decode(content(files, path)).expect("a model")
}

/// The operators of a model, after checking that each name is made once, before its uses.
fn operators(model: &ModelProto) -> Vec<String> {
    let graph = model.graph.as_ref().expect("a graph");
    let inputs = graph.input.iter().map(|v| v.name.clone());
    let constants = graph.initializer.iter().map(|t| t.name.clone());
    let mut known: BTreeSet<String> = inputs.chain(constants).collect();
    for NodeProto { input, output, .. } in &graph.node {
        for x in input.iter().filter(|x| !x.is_empty()) {
            assert!(known.contains(x), "{x} is not known");
        }
        for y in output {
            assert!(known.insert(y.clone()), "{y} is made twice");
        }
    }
    for y in &graph.output {
        assert!(known.contains(&y.name), "{}", y.name);
    }
    graph.node.iter().map(|n| n.op_type.clone()).collect()
}

/// The element type and the dimensions of an interface; 0 stands for the batch.
fn interface(value: &ceg4n_import::onnx::proto::ValueInfoProto) -> (i32, Vec<i64>) {
    let tensor = value.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.expect("a tensor");
    let dims = tensor.shape.iter().flat_map(|s| &s.dim);
    let dims = dims.map(|d| d.dim_value.unwrap_or_default());
    (tensor.elem_type, dims.collect())
}

#[test]
fn a_model_says_what_it_is() {
    let files = emitted(&program("s8q6", true), &[]);
    let paths: Vec<&str> = files.iter().map(|f| &f.path[..]).collect();
    let want = ["onnx/net.onnx", "onnx/net_real.onnx", "onnx/README.md"];
    assert_eq!(paths, want);
    let model = model(&files, "onnx/net.onnx");
    let graph = model.graph.as_ref().expect("a graph");
    let batch = |ty| (ty, vec![0, 2, 2]);
    assert_eq!(interface(&graph.input[0]), batch(data_type::INT8));
    assert_eq!(interface(&graph.output[0]), batch(data_type::INT32));
    assert_eq!(interface(&graph.output[1]), (data_type::INT64, vec![0]));
    let fact = |key: &str| {
        let key = format!("ceg4nc.{key}");
        let found = model.metadata_props.iter();
        let found = found.filter(|p| p.key == key.as_bytes());
        let found = found.map(|p| String::from_utf8_lossy(&p.value).into_owned());
        found.collect::<Vec<_>>().join(";")
    };
    assert_eq!(fact("claim"), "NOT VERIFIED: a test");
    assert_eq!(fact("input_format"), "s8q6");
    assert_eq!(fact("input_scale"), "2^-6");
    assert_eq!(fact("output_scale"), "2^-6");
    assert_eq!(fact("output_range"), "0 127");
    assert_eq!(fact("network_file_sha256"), "00ff");
    assert_eq!(fact("program_sha256").len(), 64);
}

#[test]
fn operators_are_those_that_act() {
    for (format, relu, want) in [
        ("s8q6", true, &["Cast", "Max", "Reshape", "ArgMax"][..]),
        // The type holds more than the format.
        ("s7q6", false, &["Cast", "Clip", "Reshape", "ArgMax"]),
        ("u8q6", true, &["Cast", "Reshape", "ArgMax"]),
        ("s32q6", false, &["Reshape", "ArgMax", "Identity"]),
    ] {
        let files = emitted(&program(format, relu), &[]);
        let model = model(&files, "onnx/net.onnx");
        assert_eq!(operators(&model), want, "{format}");
        operators(&self::model(&files, "onnx/net_real.onnx"));
    }
}

#[test]
fn vectors_are_tensors() {
    let vector = |m: i64| TestVector {
        input: vec![m, 2, 3, 4],
        output: vec![m.max(0), 2, 3, 4],
        note: String::new(),
    };
    let files = emitted(&program("s8q6", true), &[vector(-5), vector(7)]);
    let tensor = |name: &str| {
        let bytes = content(&files, &format!("onnx/test_data_set_0/{name}.pb"));
        TensorProto::decode(bytes).expect("a tensor")
    };
    let x = tensor("input_0");
    assert_eq!(
        (x.data_type, &x.dims[..]),
        (data_type::INT8, &[2, 2, 2][..])
    );
    assert_eq!(x.raw_data, [251, 2, 3, 4, 7, 2, 3, 4]);
    let y = tensor("output_0");
    assert_eq!((y.data_type, y.raw_data.len()), (data_type::INT32, 32));
    let class = tensor("output_1");
    assert_eq!(class.dims, [2]);
    assert_eq!(class.raw_data[..8], 3i64.to_le_bytes());
    assert_eq!(class.raw_data[8..], 0i64.to_le_bytes());
}
