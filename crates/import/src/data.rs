//! Data sets: tables of numbers as regions (one ball, in the maximum norm, around each row) or as
//! rows with labels that accuracy is measured on.
//!
//! Read are csv (numeric columns, with or without a line of names), npy, npz and safetensors (C
//! order), idx (unsigned bytes), and images, alone or in folders; files may be packed (`.gz`). A csv
//! number stands for the float64 nearest to its text, a float for itself, a byte or sample for the
//! float32 nearest to its place in the range of [`Pixels`]. Nothing else is rounded.

mod array;
mod balls;
mod csv;
mod folder;
mod idx;
mod image;
mod labels;
mod layout;
mod npy;
mod npz;
mod picture;
mod pixels;
mod pnm;
mod safetensors;
mod set;
mod source;
mod values;

pub use balls::{Balls, Choice, Keep, regions_from_data};
pub use labels::LabelSource;
pub use picture::{Picture, picture};
pub use pixels::Pixels;
pub use set::{DataRequest, DataSet, read_data_set};
pub use source::{DataSource, FileKind};
pub use values::Values;

use crate::file;
use ceg4n_base::{Diagnostic, Diagnostics, Location, codes};
use safetensors::Wanted;
use set::read_rows;
use std::ops::Range;

/// Rows of a file: finite numbers, as many in each row as the request says.
struct Table {
    /// The numbers of the rows in the file, ascending.
    rows: Vec<usize>,
    /// Numbers in a row.
    columns: usize,
    /// Row by row.
    values: Values,
    /// The line of each row, in a text; else empty.
    lines: Vec<u64>,
    /// The texts of the column that was asked for as labels, or the classes of folders; else empty.
    labels: Vec<String>,
    /// The images of the whole folder; else empty.
    names: Vec<String>,
    /// Rows of the whole file, where it was read to its end.
    total: Option<usize>,
}

impl Table {
    fn new(columns: usize) -> Self {
        Self {
            rows: Vec::new(),
            columns,
            values: Values::default(),
            lines: Vec::new(),
            labels: Vec::new(),
            names: Vec::new(),
            total: None,
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }
}

/// The rows wanted of a data file.
fn table(source: &DataSource, request: &Request<'_>) -> Result<Table, Diagnostics> {
    let tensor = source.tensor.as_deref();
    let kind = source.kind();
    let table = match kind {
        Some(FileKind::Image | FileKind::Folder) => folder::table(&source.path, request),
        Some(FileKind::Csv) => csv::table(&file::bytes(&source.path)?, request),
        Some(FileKind::Npy) => {
            npy::array(&file::bytes(&source.path)?).and_then(|a| a.table(request))
        }
        Some(FileKind::Npz) => npz::member(&file::bytes(&source.path)?, tensor, Wanted::Rows)
            .and_then(|bytes| npy::array(&bytes)?.table(request)),
        Some(FileKind::Idx) => {
            idx::array(&file::bytes(&source.path)?).and_then(|a| a.table(request))
        }
        Some(FileKind::Safetensors) => {
            safetensors::array(&file::bytes(&source.path)?, tensor, Wanted::Rows)
                .and_then(|a| a.table(request))
        }
        Some(FileKind::Json | FileKind::Vnnlib) | None => {
            // A file that is not there is the first thing to say.
            file::bytes(&source.path)?;
            Err(not_data())
        }
    };
    table.map_err(|d| Diagnostics::from(placed(d, || source.path.display().to_string())))
}

/// A diagnostic at a place, unless it has one.
fn placed(d: Diagnostic, place: impl FnOnce() -> String) -> Diagnostic {
    match d.location {
        Location::None => d.place(place()),
        _ => d,
    }
}

/// Which rows of a file are wanted, and how long they must be.
struct Request<'a> {
    rows: Option<&'a Range<usize>>,
    /// The option that chose the rows.
    option: &'static str,
    /// Of the rows chosen only so many, the first of each stretch.
    samples: Option<usize>,
    /// The dimensions of the network's input: a row is one of it, without a label.
    shape: &'a [usize],
    /// The most numbers to be read.
    limit: usize,
    /// Where labels stand; those in files of their own are not looked at here.
    label: Option<&'a LabelSource>,
    /// What stored bytes stand for.
    pixels: Option<Pixels>,
}

impl<'a> Request<'a> {
    fn new(request: &'a DataRequest<'a>, limit: usize) -> Self {
        Self {
            rows: request.rows.as_ref(),
            option: request.rows_option,
            samples: None,
            shape: request.shape,
            limit,
            label: request.labels,
            pixels: request.pixels,
        }
    }

    /// Numbers of a row.
    fn inputs(&self) -> usize {
        self.shape.iter().copied().fold(1, usize::saturating_mul)
    }

    /// The column of a csv file that holds labels.
    fn column(&self) -> Option<&'a str> {
        match self.label {
            Some(LabelSource::Column(name)) => Some(name),
            Some(LabelSource::File(_) | LabelSource::Folders) | None => None,
        }
    }

    /// The rows to read of a table whose size is known.
    fn of_table(&self, rows: usize, columns: usize) -> Result<Vec<usize>, Diagnostic> {
        if columns != self.inputs() {
            return Err(self.wrong_length("rows have", columns, ""));
        }
        self.of_rows(rows)
    }

    /// The rows to read of so many.
    fn of_rows(&self, rows: usize) -> Result<Vec<usize>, Diagnostic> {
        let chosen = match self.rows {
            None => 0..rows,
            Some(r) if r.end <= rows => r.clone(),
            Some(_) => return Err(self.no_such_row(rows)),
        };
        let most = self.samples.unwrap_or(usize::MAX).min(chosen.len());
        self.limit(most)?;
        let first = |s: Range<usize>| chosen.start + s.start;
        Ok(stretches(chosen.len(), most).map(first).collect())
    }

    fn wrong_length(&self, who: &str, columns: usize, beside: &str) -> Diagnostic {
        let message = format!(
            "{who} {columns} numbers{beside}, the network {} inputs",
            self.inputs()
        );
        Diagnostic::error(codes::REGION, message).help(
            "every column but that of the labels is an input of the network, in its order: give as many as it has",
        )
    }

    fn no_such_row(&self, rows: usize) -> Diagnostic {
        let wanted = self.rows.map_or(String::new(), |r| format!("{r:?}"));
        let message = format!("{} {wanted} of a data set with {rows} rows", self.option);
        Diagnostic::error(codes::USAGE, message)
            .help("rows count from 0; A..B leaves out row B itself")
    }

    /// Refuses more rows than fit into memory.
    fn limit(&self, rows: usize) -> Result<(), Diagnostic> {
        if rows.saturating_mul(self.inputs()) <= self.limit {
            return Ok(());
        }
        let most = self.limit / self.inputs().max(1);
        let message = format!("more than {most} rows of {} numbers at once", self.inputs());
        let help = format!("choose some with {} A..B", self.option);
        Err(Diagnostic::error(codes::USAGE, message).help(help))
    }
}

/// Rows `0..n` in at most `most` stretches that differ by at most one in length; none is empty.
fn stretches(n: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let most = most.min(n);
    // Wide enough for any two counts.
    let cut = move |k: usize| (k as u128 * n as u128 / most.max(1) as u128) as usize;
    (0..most).map(move |k| cut(k)..cut(k + 1))
}

/// An element that is no finite number.
fn not_finite(row: usize, column: usize) -> Diagnostic {
    let message = format!("row {row} has no finite number in column {column}");
    Diagnostic::error(codes::REGION_FILE, message)
}

/// A file that is not what its name says.
fn malformed(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::REGION_FILE, message)
}

fn not_data() -> Diagnostic {
    malformed("the file's name is none of a data set")
        .help("data sets are called .csv, .npy, .npz, .safetensors, .idx or …-ubyte; images .png, .pgm or .ppm, or a folder of them")
}

#[cfg(test)]
mod tests;
