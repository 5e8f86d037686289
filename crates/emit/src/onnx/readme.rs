//! `onnx/README.md`.

use super::model::Built;
use crate::EmitInput;
use crate::plan::Plan;
use crate::readme::facts;
use crate::text::{comment, line};
use ceg4n_import::onnx::proto::data_type;
use std::fmt::Write;

/// The text.
pub(super) fn text(input: &EmitInput<'_>, plan: &Plan<'_>, model: &Built, real: bool) -> String {
    let (name, kernel) = (input.name, plan.kernel);
    let mut out = format!("# {name}: a fixed-point kernel as an ONNX model\n\n");
    line!(
        out,
        "Written by ceg4nc {} from the program whose hash stands below; an edit voids the claim.\n",
        comment(&input.info.tool_version)
    );
    for fact in facts(input) {
        line!(out, "    {}", comment(&fact));
    }
    let graph = model.model.graph.as_ref();
    let ty = |list: Option<&Vec<_>>| {
        let first = list.and_then(|l| l.first());
        let first =
            first.and_then(|v: &ceg4n_import::onnx::proto::ValueInfoProto| v.r#type.clone());
        let first = first.and_then(|t| t.tensor_type);
        first.map_or(String::new(), |t| data_type::name(t.elem_type))
    };
    line!(
        out,
        "\n- `input`: {}, {} a row; {}",
        ty(graph.map(|g| &g.input)),
        kernel.input_len(),
        plan.input_text()
    );
    line!(
        out,
        "- `output`: {}, {} a row; {}",
        ty(graph.map(|g| &g.output)),
        kernel.output_len(),
        plan.output_text()
    );
    if kernel.output_len() > 1 {
        line!(
            out,
            "- `class`: int64, the index of the greatest output, the lowest index among equals"
        );
    }
    line!(out, "- Rounding: {}\n", kernel.rounding.name());
    line!(
        out,
        "The first dimension is the batch: rows of any number. `{name}.onnx` has operators on integers only,"
    );
    line!(
        out,
        "in types that hold every sum (type ranges, proved by the checker): a run of onnxruntime gives the"
    );
    line!(
        out,
        "kernel's integers. MaxPool may compare them as floating point numbers, which are exact there.\n"
    );
    match real {
        true => line!(
            out,
            "`{name}_real.onnx` is the same for data: `input` is float64, x becomes floor(x * 2^F + 1/2) clamped\nto the input's range (NaN becomes 0), and `output` is the float64 that the integer stands for, exactly.\n"
        ),
        false => line!(
            out,
            "There is no model for real numbers: outputs may exceed what a float64 holds exactly.\n"
        ),
    }
    if !model.notes.is_empty() {
        line!(out, "Layers:\n");
        for note in &model.notes {
            line!(out, "    {}", comment(note));
        }
        out.push('\n');
    }
    line!(out, "```python\nimport numpy as np\nimport onnxruntime\n");
    line!(
        out,
        "session = onnxruntime.InferenceSession(\"{name}.onnx\")\nx = np.zeros({}, np.{})",
        dims(input, kernel.input),
        ty(graph.map(|g| &g.input))
    );
    match kernel.output_len() {
        ..=1 => line!(
            out,
            "(output,) = session.run(None, {{\"input\": x}})\n```\n"
        ),
        2.. => line!(
            out,
            "output, label = session.run(None, {{\"input\": x}})\n```\n"
        ),
    }
    if !input.vectors.is_empty() {
        line!(
            out,
            "`test_data_set_0/` has {} self-test vectors as tensors in protocol buffers, all in one batch.",
            input.vectors.len()
        );
    }
    out
}

/// A tuple of one row's dimensions.
fn dims(input: &EmitInput<'_>, n: ceg4n_ir::NodeId) -> String {
    let node = input.program.kernel().map(|k| k.nodes[n].value);
    let network = &input.program.program().network;
    let shape = node.map_or(vec![], |v| network.value(v).shape.0.clone());
    let dims: Vec<String> = std::iter::once(1)
        .chain(shape)
        .map(|d| d.to_string())
        .collect();
    format!("({},)", dims.join(", "))
}
