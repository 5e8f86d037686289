//! Data sets as safetensors: a tensor by its name, or the only one that fits.

use super::array::{Array, Element};
use super::malformed;
use ceg4n_base::Diagnostic;
use safetensors::{Dtype, SafeTensors};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Floats of two dimensions or more.
    Rows,
    /// One number per row.
    Labels,
}

/// The tensor of a name; without one, the only tensor with the dimensions wanted.
pub(super) fn array<'a>(
    bytes: &'a [u8],
    name: Option<&str>,
    wanted: Wanted,
) -> Result<Array<'a>, Diagnostic> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| malformed(format!("no safetensors file: {e}")))?;
    let mut names: Vec<&str> = file.names();
    names.sort_unstable();
    let fits = |name: &&&str| {
        let dimensions = file.tensor(name).map_or(0, |t| t.shape().len());
        match wanted {
            Wanted::Rows => dimensions >= 2,
            Wanted::Labels => dimensions == 1,
        }
    };
    let chosen = match name {
        Some(name) if names.contains(&name) => name,
        Some(name) => {
            let text = format!("there is no tensor \"{name}\"");
            return Err(malformed(text).help(format!("tensors: {}", names.join(", "))));
        }
        None => {
            let fitting: Vec<&&str> = names.iter().filter(fits).collect();
            match fitting[..] {
                [one] => one,
                _ => {
                    return Err(ambiguous(
                        "safetensors",
                        "tensor",
                        wanted,
                        &names,
                        fitting.len(),
                    ));
                }
            }
        }
    };
    let tensor = file.tensor(chosen).map_err(|e| malformed(e.to_string()))?;
    let Some(element) = element(tensor.dtype()) else {
        return Err(malformed(format!(
            "tensor \"{chosen}\" has elements of type {}; float32, float64 and, as labels, integers are read",
            tensor.dtype()
        )));
    };
    let array = Array {
        kind: "safetensors",
        element,
        code: tensor.dtype().to_string(),
        shape: tensor.shape().to_vec(),
        data: tensor.data(),
    };
    array.check_size()
}

/// That no array or several of a file could be meant.
pub(super) fn ambiguous(
    ending: &str,
    item: &str,
    wanted: Wanted,
    names: &[&str],
    fitting: usize,
) -> Diagnostic {
    let what = match wanted {
        Wanted::Rows => "two dimensions or more",
        Wanted::Labels => "one dimension",
    };
    let text = format!("{fitting} {item}s of {what}: which one is meant?");
    let names = names.join(", ");
    malformed(text).help(format!(
        "say FILE.{ending}:{} with one of these {item}s: {names}",
        item.to_uppercase()
    ))
}

fn element(dtype: Dtype) -> Option<Element> {
    let integer = |bytes, signed| {
        Some(Element::Integer {
            bytes,
            signed,
            big: false,
        })
    };
    match dtype {
        Dtype::F32 => Some(Element::F32 { big: false }),
        Dtype::F64 => Some(Element::F64 { big: false }),
        Dtype::I8 => integer(1, true),
        Dtype::U8 => integer(1, false),
        Dtype::I16 => integer(2, true),
        Dtype::U16 => integer(2, false),
        Dtype::I32 => integer(4, true),
        Dtype::U32 => integer(4, false),
        Dtype::I64 => integer(8, true),
        Dtype::U64 => integer(8, false),
        _ => None,
    }
}
