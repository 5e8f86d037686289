//! Writes a kernel as an ONNX model that gives the same integers: standard operators on integers
//! of 8, 32 and 64 bits, so that a Python user evaluates exactly what runs on the device.
//!
//! `lower` walks the kernel, `linear`, `windows`, `requantize` and `elementwise` say what becomes
//! of a node, `graph` collects nodes and constants, `model` makes files of them. Operators are
//! those that onnxruntime's CPU provider has for the types at hand; floating point occurs at the
//! ends of the model for real numbers, and in MaxPool, which compares integers that it has exactly.

mod elementwise;
mod graph;
mod linear;
mod lower;
mod model;
mod readme;
mod requantize;
#[cfg(test)]
mod tests;
mod windows;

use crate::plan::Plan;
use crate::{EmitError, EmitInput, OutputFile};

/// All files.
pub(crate) fn files(input: &EmitInput<'_>, plan: &Plan<'_>) -> Result<Vec<OutputFile>, EmitError> {
    let name = input.name;
    let model = model::integers(input, plan.kernel)?;
    let real = model::reals(input, plan.kernel)?;
    let mut files = vec![OutputFile {
        path: format!("onnx/{name}.onnx"),
        content: model::encode(&model.model)?,
    }];
    if let Some(real) = &real {
        files.push(OutputFile {
            path: format!("onnx/{name}_real.onnx"),
            content: model::encode(&real.model)?,
        });
    }
    files.extend(model::vectors(input, plan.kernel)?);
    let text = readme::text(input, plan, &model, real.is_some());
    files.push(OutputFile::new("onnx/README.md".to_owned(), text));
    Ok(files)
}
