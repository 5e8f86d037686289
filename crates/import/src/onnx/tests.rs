//! Tests on small models, encoded through the importer's own message types.

mod activations;
mod endings;
mod errors;
mod evaluate;
mod moves;
mod normalization;
mod operators;
mod quantized;
mod robustness;
mod types;
mod windows;

use super::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use super::{Imported, import_onnx};
use ceg4n_base::Diagnostics;
use ceg4n_base::codes::Code;
use ceg4n_ir::Op;
use prost::Message;
use std::sync::Arc;

/// A model under construction: `x` goes in, `y` comes out.
#[derive(Clone)]
struct Model(ModelProto);

impl Model {
    fn new(input_dims: &[i64]) -> Self {
        let graph = GraphProto {
            name: "g".to_owned(),
            input: vec![value("x", input_dims)],
            output: vec![ValueInfoProto {
                name: "y".to_owned(),
                r#type: None,
            }],
            ..GraphProto::default()
        };
        Self(ModelProto {
            ir_version: Some(8),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 13,
            }],
            ..ModelProto::default()
        })
    }

    fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().unwrap()
    }

    /// A node with one result, named after it.
    fn node(mut self, op: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) -> Self {
        self.graph().node.push(NodeProto {
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("{op}_{output}"),
            op_type: op.to_owned(),
            attribute: attributes.iter().map(Attribute::proto).collect(),
            domain: String::new(),
        });
        self
    }

    fn floats(mut self, name: &str, dims: &[i64], data: &[f32]) -> Self {
        self.graph().initializer.push(floats(name, dims, data));
        self
    }

    fn ints(mut self, name: &str, data: &[i64]) -> Self {
        self.graph().initializer.push(TensorProto {
            name: name.to_owned(),
            dims: vec![data.len() as i64],
            data_type: data_type::INT64,
            int64_data: data.to_vec(),
            ..TensorProto::default()
        });
        self
    }

    /// An integer constant of a type.
    fn typed(mut self, name: &str, dims: &[i64], kind: i32, data: &[i32]) -> Self {
        self.graph().initializer.push(TensorProto {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: kind,
            int32_data: data.to_vec(),
            ..TensorProto::default()
        });
        self
    }

    /// The shape of the output.
    fn shape(&self) -> Vec<usize> {
        let n = self.import().unwrap_or_else(|e| panic!("{e}")).network;
        n.value(n.output()).shape.0.clone()
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    fn import(&self) -> Result<Imported, Diagnostics> {
        import_onnx(&self.bytes(), "m.onnx")
    }

    /// Imports and evaluates.
    fn run(&self, input: &[f64]) -> Vec<f64> {
        let imported = self.import().unwrap_or_else(|e| panic!("{e}"));
        evaluate::evaluate(&Arc::new(imported.network), input)
    }

    /// The names of the IR's operators, constants left out.
    fn ops(&self) -> Vec<&'static str> {
        let network = self.import().unwrap_or_else(|e| panic!("{e}")).network;
        let ops = network.values().values().map(|v| &v.op);
        ops.filter(|op| !matches!(op, Op::Const(_)))
            .map(Op::name)
            .collect()
    }

    /// Imports, expecting errors: their codes, and everything that they say.
    fn errors(&self) -> (Vec<Code>, String) {
        fail(&self.bytes())
    }
}

fn fail(bytes: &[u8]) -> (Vec<Code>, String) {
    let errors = import_onnx(bytes, "m.onnx").expect_err("an error");
    assert!(errors.has_errors());
    let codes = errors.0.iter().map(|d| d.code).collect();
    (codes, format!("{errors:?}"))
}

fn floats(name: &str, dims: &[i64], data: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: data_type::FLOAT,
        raw_data: data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

/// A float input or output; a dimension of -99 is symbolic.
fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |d: &i64| match d {
        -99 => DimensionProto {
            dim_value: None,
            dim_param: Some("batch".to_owned()),
        },
        d => DimensionProto {
            dim_value: Some(*d),
            dim_param: None,
        },
    };
    let shape = TensorShapeProto {
        dim: dims.iter().map(dim).collect(),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: data_type::FLOAT,
                shape: Some(shape),
            }),
        }),
    }
}

enum Attribute {
    Float(&'static str, f32),
    Int(&'static str, i64),
    Text(&'static str, &'static str),
    Floats(&'static str, Vec<f32>),
    Ints(&'static str, Vec<i64>),
    Tensor(&'static str, TensorProto),
}

impl Attribute {
    fn proto(&self) -> AttributeProto {
        let empty = |name: &str, r#type| AttributeProto {
            name: name.to_owned(),
            r#type,
            ..AttributeProto::default()
        };
        match self {
            Self::Float(name, f) => AttributeProto {
                f: Some(*f),
                ..empty(name, 1)
            },
            Self::Int(name, i) => AttributeProto {
                i: Some(*i),
                ..empty(name, 2)
            },
            Self::Text(name, s) => AttributeProto {
                s: Some(s.as_bytes().to_vec()),
                ..empty(name, 3)
            },
            Self::Floats(name, floats) => AttributeProto {
                floats: floats.clone(),
                ..empty(name, 6)
            },
            Self::Ints(name, ints) => AttributeProto {
                ints: ints.clone(),
                ..empty(name, 7)
            },
            Self::Tensor(name, t) => AttributeProto {
                t: Some(t.clone()),
                ..empty(name, 4)
            },
        }
    }
}
