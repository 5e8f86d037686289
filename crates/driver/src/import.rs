//! `import`: the front end alone, from ONNX (and region files) to a module.

use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::options::LoadOptions;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_ir::check;

/// Loads an ONNX model with its regions and requirement; see [`crate::opt::save`].
///
/// # Errors
/// [`codes::USAGE`] for another file, or as [`load`].
pub fn import(options: &LoadOptions) -> Result<Loaded, Failure> {
    let onnx = options
        .net
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    if !onnx {
        let text = format!("{} is no .onnx file", options.net.display());
        return Err(Diagnostic::error(codes::USAGE, text).into());
    }
    let loaded = load(options)?;
    match check(loaded.module.reference()) {
        Ok(_) => Ok(loaded),
        Err(e) => Err(loaded.fail(e)),
    }
}
