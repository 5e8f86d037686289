//! Labels: the class of each row, from a file of their own or from a column of the data.

use super::safetensors::{self, Wanted};
use super::{DataSource, FileKind, csv, idx, malformed, not_data, npy, npz};
use crate::file;
use ceg4n_base::{Diagnostic, codes};
use std::fmt;

/// Where labels stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// In a column of the csv file that holds the data: a name of its first line, a number
    /// counted from 0, or `last`.
    Column(String),
    /// In a file with one number per row of the data; of a folder of images also a csv file with
    /// the columns name and label.
    File(DataSource),
    /// In the folders that images are in.
    Folders,
}

impl LabelSource {
    /// Reads `folders`, `column:NAME`, or a file as [`DataSource::from_text`].
    pub fn from_text(text: &str) -> Self {
        if text == "folders" {
            return Self::Folders;
        }
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
            Self::Folders => f.write_str("folders"),
        }
    }
}

/// The labels of all rows of a data file, as numbers that are not checked yet. `names` are the
/// images of a folder.
pub(super) fn from_file(source: &DataSource, names: &[String]) -> Result<Vec<f64>, Diagnostic> {
    let tensor = source.tensor.as_deref();
    let bytes = file::bytes(&source.path)?;
    let list = match source.kind() {
        Some(FileKind::Csv) => csv::column(&bytes, names).and_then(|list| {
            let rows: Vec<usize> = (0..list.len()).collect();
            from_texts(&list, &rows)
        }),
        Some(FileKind::Npy) => npy::array(&bytes).and_then(|a| a.numbers()),
        Some(FileKind::Npz) => npz::member(&bytes, tensor, Wanted::Labels)
            .and_then(|bytes| npy::array(&bytes)?.numbers()),
        Some(FileKind::Idx) => idx::array(&bytes).and_then(|a| a.numbers()),
        Some(FileKind::Safetensors) => {
            safetensors::array(&bytes, tensor, Wanted::Labels).and_then(|a| a.numbers())
        }
        Some(FileKind::Json | FileKind::Vnnlib | FileKind::Image | FileKind::Folder) | None => {
            Err(not_data())
        }
    };
    list.map_err(|d| d.place(source.path.display().to_string()))
}

/// Texts of a csv column, the labels of these rows.
pub(super) fn from_texts(texts: &[String], rows: &[usize]) -> Result<Vec<f64>, Diagnostic> {
    let one = |(text, row): (&String, &usize)| {
        text.parse().map_err(|_| {
            let short: String = text.chars().take(40).collect();
            malformed(format!("the label of row {row} is no number: `{short}`"))
                .help("labels are the numbers of the network's outputs, counted from 0")
        })
    };
    texts.iter().zip(rows).map(one).collect()
}

/// Classes below `classes`, the labels of these rows.
pub(super) fn checked(
    numbers: &[f64],
    rows: &[usize],
    classes: usize,
) -> Result<Vec<u32>, Diagnostic> {
    let class = |(v, row): (&f64, &usize)| {
        // NaN and infinities are below no bound, and have no integer part either.
        if *v >= 0.0 && *v < classes as f64 && v.fract() == 0.0 {
            return Ok(*v as u32);
        }
        let text = format!(
            "the label of row {row} is {v}; the network's classes are 0 to {}",
            classes.saturating_sub(1)
        );
        Err(Diagnostic::error(codes::DATA, text)
            .help("labels are the numbers of the network's outputs, counted from 0"))
    };
    numbers.iter().zip(rows).map(class).collect()
}
