//! Labels: the class of each row, from a file of their own or from a column of the data.

use super::{DataSource, FileKind, csv, idx, malformed, not_data, npy, safetensors};
use crate::file;
use ceg4n_base::{Diagnostic, codes};
use std::fmt;

/// Where labels stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// In a column of the csv file that holds the data: a name of its first line, a number
    /// counted from 0, or `last`.
    Column(String),
    /// In a file with one number per row of the data.
    File(DataSource),
}

impl LabelSource {
    /// Reads `column:NAME`, `FILE` or `FILE.safetensors:TENSOR`.
    pub fn from_text(text: &str) -> Self {
        match text.strip_prefix("column:") {
            Some(name) => Self::Column(name.to_owned()),
            None => Self::File(DataSource::from_text(text)),
        }
    }
}

impl fmt::Display for LabelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => write!(f, "column:{name}"),
            Self::File(source) => source.fmt(f),
        }
    }
}

/// The labels of all rows of a data file, as numbers that are not checked yet.
pub(super) fn from_file(source: &DataSource) -> Result<Vec<f64>, Diagnostic> {
    let bytes = file::bytes(&source.path)?;
    let list = match FileKind::of(&source.path) {
        Some(FileKind::Csv) => csv::column(&bytes).and_then(|list| from_texts(&list, 0)),
        Some(FileKind::Npy) => npy::array(&bytes).and_then(|a| a.numbers()),
        Some(FileKind::Idx) => idx::array(&bytes).and_then(|a| a.numbers()),
        Some(FileKind::Safetensors) => safetensors::array(
            &bytes,
            source.tensor.as_deref(),
            safetensors::Wanted::Labels,
        )
        .and_then(|a| a.numbers()),
        Some(FileKind::Json | FileKind::Vnnlib) | None => Err(not_data()),
    };
    list.map_err(|d| d.place(source.path.display().to_string()))
}

/// Texts of a csv column; the first is the label of row `first`.
pub(super) fn from_texts(texts: &[String], first: usize) -> Result<Vec<f64>, Diagnostic> {
    let one = |(k, text): (usize, &String)| {
        text.parse().map_err(|_| {
            let short: String = text.chars().take(40).collect();
            malformed(format!(
                "the label of row {} is no number: `{short}`",
                first + k
            ))
            .help("labels are the numbers of the network's outputs, counted from 0")
        })
    };
    texts.iter().enumerate().map(one).collect()
}

/// Classes below `classes`; the first number is the label of row `first`.
pub(super) fn checked(
    numbers: &[f64],
    first: usize,
    classes: usize,
) -> Result<Vec<u32>, Diagnostic> {
    let class = |(k, v): (usize, &f64)| {
        // NaN and infinities are below no bound, and have no integer part either.
        if *v >= 0.0 && *v < classes as f64 && v.fract() == 0.0 {
            return Ok(*v as u32);
        }
        let text = format!(
            "the label of row {} is {v}; the network's classes are 0 to {}",
            first + k,
            classes.saturating_sub(1)
        );
        Err(Diagnostic::error(codes::DATA, text)
            .help("labels are the numbers of the network's outputs, counted from 0"))
    };
    numbers.iter().enumerate().map(class).collect()
}
