//! What comes in besides `.nnir`: ONNX models become networks; region files, VNN-LIB queries and
//! data sets become boxes; the outputs of VNN-LIB queries become specifications.
//!
//! Importers keep numbers exactly: a float32 weight stays that dyadic number, a JSON bound is the
//! float64 nearest to its text, a VNN-LIB number its decimal. Whatever is wrong with a file is a
//! diagnostic, never a panic.

pub mod data;
mod file;
pub mod onnx;
pub mod regions;
pub mod vnnlib;
pub mod vnnlib2;

pub use data::{
    Balls, Choice, DataRequest, DataSet, DataSource, FileKind, Keep, LabelSource, Picture, Pixels,
    Values, picture, read_data_set, regions_from_data,
};
pub use file::unpacked;
pub use onnx::{Imported, import_onnx, import_onnx_file};
pub use regions::{RegionEntry, regions_from_file, regions_from_json};
