//! Models around a graph: interfaces of integers and of real numbers, metadata, test vectors.

use super::graph::{Value, Word, int};
use super::lower::{Lowering, input_type};
use crate::elem::hull;
use crate::{EmitError, EmitInput, OutputFile};
use ceg4n_import::onnx::proto::{
    DimensionProto, ModelProto, OperatorSetIdProto, PropertyProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use ceg4n_ir::Kernel;
use prost::Message;

/// The operator set: old enough for any runtime in use, new enough for every operator here.
const OPSET: i64 = 17;
/// The version of the format that came with it.
const IR_VERSION: i64 = 8;
/// The name of the dimension that holds many inputs.
const BATCH: &str = "N";
/// Protocol buffers end at 2 GiB.
const MOST_BYTES: usize = i32::MAX as usize;

/// A model, and how its layers are computed, one a line.
pub(super) struct Built {
    pub(super) model: ModelProto,
    pub(super) notes: Vec<String>,
}

/// The model from input integers to output integers.
pub(super) fn integers(input: &EmitInput<'_>, kernel: &Kernel) -> Result<Built, EmitError> {
    let (elem, ty) = input_type(kernel);
    let mut lowering = Lowering::new(input.program, kernel, &["input", "output", "class"]);
    let graph = &mut lowering.graph;
    graph.enter("input");
    let word = Lowering::input_word(elem.range());
    let name = match ty == word.data_type() {
        true => "input".to_owned(),
        false => graph.cast("input", word.data_type()),
    };
    // An operator on bytes takes the input as it is, where it cannot leave its format.
    graph.is_cast(&name, ty, "input");
    let raw = Value {
        name,
        word,
        shape: shape_of(input, kernel.input),
    };
    let x = lowering.clamped_input(&raw, elem.range())?;
    let narrow = Word::holding(hull(&kernel.nodes[kernel.input].range));
    let x = lowering.graph.in_word(&x, narrow);
    let y = lowering.lower(&x)?;
    let output = (y.name.clone(), y.word.data_type());
    Ok(finish(input, lowering, &y, ty, output))
}

/// The model from float64 to float64; `None` where a float64 does not hold every output.
pub(super) fn reals(input: &EmitInput<'_>, kernel: &Kernel) -> Result<Option<Built>, EmitError> {
    let range = hull(&kernel.nodes[kernel.output].range);
    if range.magnitude() > 1 << 53 {
        return Ok(None);
    }
    let mut lowering = Lowering::new(input.program, kernel, &["input", "output", "class"]);
    lowering.graph.enter("input");
    let mantissas = quantized(&mut lowering);
    let x = mantissas.into_value(shape_of(input, kernel.input));
    let y = lowering.lower(&x)?;
    let graph = &mut lowering.graph;
    graph.enter("output");
    let double = graph.cast(&y.name, data_type::DOUBLE);
    let unit = graph.double(2f64.powi(-kernel.output_frac));
    let output = graph.node("Mul", &[&double, &unit], vec![]);
    let output = (output, data_type::DOUBLE);
    Ok(Some(finish(input, lowering, &y, data_type::DOUBLE, output)))
}

/// A vector's name and word.
struct Mantissas(String, Word);

impl Mantissas {
    fn into_value(self, shape: Vec<usize>) -> Value {
        Value {
            name: self.0,
            word: self.1,
            shape,
        }
    }
}

/// `sat(floor(x·2^F + 1/2))` for every finite float64, and 0 for NaN.
///
/// With `y = x·2^F`, which is exact, saturates as it should, or is so small that it rounds to 0, and
/// `f = floor(y)`, the difference `y - f` is exact or lies above 1/2 as it does in exact numbers; so
/// `f + [y - f ≥ 1/2]` rounds half up, where `floor(y + 1/2)` would round twice.
fn quantized(lowering: &mut Lowering<'_>) -> Mantissas {
    let format = lowering.kernel.input_format;
    let graph = &mut lowering.graph;
    let zero = graph.double(0.0);
    let unit = graph.double(2f64.powi(format.frac()));
    let nan = graph.node("IsNaN", &["input"], vec![]);
    let x = graph.node("Where", &[&nan, &zero, "input"], vec![]);
    let y = graph.node("Mul", &[&x, &unit], vec![]);
    let floor = graph.node("Floor", &[&y], vec![]);
    let rest = graph.node("Sub", &[&y, &floor], vec![]);
    let half = graph.double(0.5);
    let up = graph.node("GreaterOrEqual", &[&rest, &half], vec![]);
    let up = graph.cast(&up, data_type::DOUBLE);
    let rounded = graph.node("Add", &[&floor, &up], vec![]);
    // Mantissas have at most 32 bits, so that a float64 is exact.
    let (lo, hi) = (format.min() as f64, format.max() as f64);
    let (lo, hi) = (graph.double(lo), graph.double(hi));
    let clamped = graph.node("Clip", &[&rounded, &lo, &hi], vec![]);
    let word = Lowering::input_word((format.min(), format.max()));
    Mantissas(graph.cast(&clamped, word.data_type()), word)
}

/// The network's dimensions of a node.
fn shape_of(input: &EmitInput<'_>, n: ceg4n_ir::NodeId) -> Vec<usize> {
    let program = input.program.program();
    let node = input.program.kernel().map(|k| &k.nodes[n]);
    node.map_or(vec![], |n| program.network.value(n.value).shape.0.clone())
}

/// Adds the class, names the output, and wraps the graph up.
fn finish(
    input: &EmitInput<'_>,
    mut lowering: Lowering<'_>,
    y: &Value,
    input_ty: i32,
    (output, output_ty): (String, i32),
) -> Built {
    let kernel = lowering.kernel;
    let dims = shape_of(input, kernel.output);
    let mut outputs = vec![interface("output", output_ty, &dims)];
    lowering.graph.enter("class");
    if kernel.output_len() > 1 {
        // The lowest index among equals, as in the kernels.
        let flat = lowering.graph.flat(y);
        let attributes = vec![int("axis", 1), int("keepdims", 0)];
        let class = lowering.graph.node("ArgMax", &[&flat.name], attributes);
        lowering.graph.output(&class, "class");
        outputs.push(interface("class", data_type::INT64, &[]));
    }
    lowering.graph.output(&output, "output");
    let mut graph = lowering.graph.finish();
    graph.name = input.name.to_owned();
    let dims = shape_of(input, kernel.input);
    graph.input = vec![interface("input", input_ty, &dims)];
    graph.output = outputs;
    let facts = facts(input, kernel, &lowering.notes);
    let property = |(key, value): (String, String)| PropertyProto {
        key: key.into_bytes(),
        value: value.into_bytes(),
    };
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: b"ceg4nc".to_vec(),
        producer_version: input.info.tool_version.clone().into_bytes(),
        doc_string: input.claim.lines().join("\n").into_bytes(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: facts.into_iter().map(property).collect(),
    };
    Built {
        model,
        notes: lowering.notes,
    }
}

/// What `metadata_props` tell.
fn facts(input: &EmitInput<'_>, kernel: &Kernel, notes: &[String]) -> Vec<(String, String)> {
    let format = kernel.input_format;
    let range = hull(&kernel.nodes[kernel.output].range);
    let mut facts = vec![
        ("claim", input.claim.lines().join("\n")),
        ("requirement", input.info.requirement.join("\n")),
        ("regions", input.info.regions.join("\n")),
        ("program_sha256", input.program.hash().to_string()),
        (
            "network_sha256",
            input.program.program().network.hash().to_string(),
        ),
        ("input_format", format.to_string()),
        ("input_scale", format!("2^{}", -format.frac())),
        ("output_scale", format!("2^{}", -kernel.output_frac)),
        ("output_range", format!("{} {}", range.lo, range.hi)),
        ("rounding", kernel.rounding.name().to_owned()),
        ("layers", notes.join("\n")),
    ];
    if let Some(format) = kernel.output_format() {
        facts.push(("output_format", format.to_string()));
    }
    let mut facts: Vec<_> = facts
        .into_iter()
        .map(|(key, value)| (format!("ceg4nc.{key}"), value))
        .collect();
    let further = input.info.hashes.iter();
    facts.extend(further.map(|(what, hash)| {
        let key = format!("ceg4nc.{}_sha256", what.replace(' ', "_"));
        (key, hash.clone())
    }));
    facts
}

/// An input or output with the batch before its dimensions.
fn interface(name: &str, elem_type: i32, dims: &[usize]) -> ValueInfoProto {
    let batch = DimensionProto {
        dim_value: None,
        dim_param: Some(BATCH.to_owned()),
    };
    let fixed = dims.iter().map(|d| DimensionProto {
        dim_value: Some(*d as i64),
        dim_param: None,
    });
    let shape = TensorShapeProto {
        dim: std::iter::once(batch).chain(fixed).collect(),
    };
    let tensor = TensorTypeProto {
        elem_type,
        shape: Some(shape),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor),
        }),
    }
}

/// The file of a model.
///
/// # Errors
/// [`EmitError::TooLarge`]
pub(super) fn encode(model: &impl Message) -> Result<Vec<u8>, EmitError> {
    let bytes = model.encoded_len();
    if bytes > MOST_BYTES {
        return Err(EmitError::TooLarge { bytes });
    }
    Ok(model.encode_to_vec())
}

/// The self-test vectors as the ONNX project keeps those of its operators: one tensor a file, all
/// vectors in its batch. None where there are no vectors.
pub(super) fn vectors(
    input: &EmitInput<'_>,
    kernel: &Kernel,
) -> Result<Vec<OutputFile>, EmitError> {
    if input.vectors.is_empty() {
        return Ok(vec![]);
    }
    let (_, input_ty) = input_type(kernel);
    let range = hull(&kernel.nodes[kernel.output].range);
    let output_ty = Word::holding(range).data_type();
    let all = |f: fn(&crate::TestVector) -> &[i64]| input.vectors.iter().flat_map(f).copied();
    let inputs = all(|v| &v.input[..]);
    let outputs = all(|v| &v.output[..]);
    let mut tensors = vec![
        (
            "input_0",
            "input",
            input_ty,
            shape_of(input, kernel.input),
            inputs.collect::<Vec<_>>(),
        ),
        (
            "output_0",
            "output",
            output_ty,
            shape_of(input, kernel.output),
            outputs.collect(),
        ),
    ];
    if kernel.output_len() > 1 {
        let class = |v: &crate::TestVector| ceg4n_ir::kernel::argmax(&v.output).unwrap_or(0) as i64;
        let classes = input.vectors.iter().map(class).collect();
        tensors.push(("output_1", "class", data_type::INT64, vec![], classes));
    }
    let file = |(file, name, ty, dims, values): (&str, &str, i32, Vec<usize>, Vec<i64>)| {
        let dims = std::iter::once(input.vectors.len()).chain(dims);
        let tensor = TensorProto {
            dims: dims.map(|d| d as i64).collect(),
            data_type: ty,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|v| little_endian(*v, ty)).collect(),
            ..TensorProto::default()
        };
        Ok(OutputFile {
            path: format!("onnx/test_data_set_0/{file}.pb"),
            content: encode(&tensor)?,
        })
    };
    tensors.into_iter().map(file).collect()
}

/// The bytes of an integer that the type holds.
fn little_endian(v: i64, ty: i32) -> Vec<u8> {
    let len = match ty {
        data_type::UINT8 | data_type::INT8 => 1,
        data_type::UINT16 | data_type::INT16 => 2,
        data_type::UINT32 | data_type::INT32 => 4,
        _ => 8,
    };
    v.to_le_bytes()[..len].to_vec()
}
