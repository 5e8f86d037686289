//! What comes in at the top besides `.nnir`: ONNX models become networks, region files become
//! boxes.
//!
//! Importers keep numbers exactly: a float32 weight stays that dyadic number, a JSON bound is the
//! float64 nearest to its text. Whatever is wrong with a file is a diagnostic, never a panic.

pub mod onnx;
pub mod regions;

pub use onnx::{Imported, import_onnx, import_onnx_file};
pub use regions::{RegionEntry, regions_from_file, regions_from_json};
