//! The table of diagnostic codes. A message may change; its code does not. Each has a page in
//! `explain/`, which the program and the book show.
//!
//! `E01xx` text, `E02xx` types and formats, `E03xx` ONNX, `E04xx` regions and requirements,
//! `E05xx` files, `E06xx` usage, `E07xx` solvers and limits, `W` the same as warnings.

use serde::{Serialize, Serializer};
use std::fmt;

/// A diagnostic code, for instance `E0101`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code {
    /// What is printed.
    pub id: &'static str,
    /// What it is about, a short phrase.
    pub title: &'static str,
    /// What it means, with an example that leads to it, and how to mend it: Markdown. The examples
    /// are carried out by a test, in a copy of `tests/networks`.
    pub explanation: &'static str,
}

impl Code {
    /// The code of this id; case does not matter.
    pub fn find(id: &str) -> Option<Self> {
        ALL.iter().find(|c| c.id.eq_ignore_ascii_case(id)).copied()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.id)
    }
}

macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal;)*) => {
        $(#[doc = concat!("`", $id, "`: ", $title, ".")]
        pub const $name: Code = Code {
            id: $id,
            title: $title,
            explanation: include_str!(concat!("../explain/", $id, ".md")),
        };)*

        /// Every code, in order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    SYNTAX = "E0101", "the text does not follow the grammar";
    NUMBER = "E0102", "a number that cannot be represented";
    UNKNOWN_NAME = "E0103", "a name that is not defined";
    DUPLICATE_NAME = "E0104", "a name that is defined twice";
    VERSION = "E0105", "a file of another version of the language";
    SPEC = "E0106", "a specification that contradicts itself";
    SHAPE = "E0201", "shapes that do not fit";
    FORMAT = "E0202", "a format outside its limits";
    NOT_CONSTANT = "E0203", "an operand that must be a constant";
    MIXED_FORMATS = "E0204", "a program that is neither real nor fixed-point";
    BIAS_SCALE = "E0205", "a bias with more fraction bits than its accumulator";
    ACCUMULATOR = "E0206", "an accumulator that may overflow";
    STRUCTURE = "E0207", "a network without a proper input or output";
    NO_FIXED_MEANING = "E0208", "an operation without a fixed-point meaning";
    MANTISSAS = "E0209", "mantissas that do not fit their constant";
    MULTIPLIER = "E0210", "a multiplier that no requantization takes up, or beside another one";
    SCALES = "E0211", "operands of different scales";
    ONNX_READ = "E0301", "a file that is no ONNX model";
    ONNX_UNSUPPORTED = "E0302", "an operator that is not supported";
    ONNX_GRAPH = "E0303", "an ONNX graph that cannot be imported";
    ONNX_DTYPE = "E0304", "an element type that is not supported";
    ONNX_NOTE = "E0305", "part of an ONNX model that was left out or taken otherwise";
    REGION = "E0401", "a region without a point or of another shape";
    REQUIREMENT = "E0402", "a requirement that cannot be asked of this network";
    REGION_FILE = "E0403", "a region file that cannot be read";
    NO_REGION = "E0404", "no region to prove anything on";
    QUERY = "E0405", "a VNN-LIB query beyond what is supported";
    DATA = "E0406", "a data set or labels that do not fit";
    NO_DATA = "E0407", "a network compiled from few regions and no data";
    QUANTIZED = "E0409", "a quantized model, whose formats are its own";
    FILE_READ = "E0501", "a file that cannot be read";
    FILE_WRITE = "E0502", "a file or folder that cannot be written";
    STORE = "E0503", "a run store that cannot be used";
    IN_USE = "E0504", "a folder in which another run is at work";
    USAGE = "E0601", "an option that cannot be used so";
    NOT_BUILT = "E0602", "an option that this version does not have yet";
    UNKNOWN_PASS = "E0603", "a pass that does not exist";
    SOLVER = "E0701", "a solver that cannot be used";
    UNDECIDED = "E0702", "a question that is left without an answer";
    INTERNAL = "E0901", "a failure of the tool itself";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sorted() {
        assert!(ALL.windows(2).all(|w| w[0].id < w[1].id));
    }
}
