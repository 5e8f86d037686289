//! Data sets: tables of numbers as regions (one ball, in the maximum norm, around each row) or as
//! rows with labels that accuracy is measured on.
//!
//! Read are csv (numeric columns, with or without a line of names), npy and safetensors (float32
//! or float64, C order) and idx (unsigned bytes), packed (`.gz`) or not. A csv number stands for
//! the float64 nearest to its text, a byte `p` of an idx file for the float32 nearest to `p/255`.
//! Nothing else is rounded.

mod array;
mod csv;
mod idx;
mod labels;
mod npy;
mod safetensors;
mod set;
mod values;

pub use labels::LabelSource;
pub use set::{DataRequest, DataSet, read_data_set};
pub use values::Values;

use crate::file;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_ir::Region;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// So many numbers of the rows chosen are read at most where rows become regions: a region keeps
/// three exact numbers of each.
const MAX_NUMBERS: usize = 1 << 21;

/// What a region file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A list of regions: `.json`.
    Json,
    /// A query: `.vnnlib`.
    Vnnlib,
    /// A data set: `.csv`.
    Csv,
    /// A data set: `.npy`.
    Npy,
    /// A data set: `…-ubyte` or `.idx…`.
    Idx,
    /// A data set: `.safetensors`.
    Safetensors,
}

impl FileKind {
    /// The kind of a file, from its name without `.gz`. `None` for a name that says nothing.
    pub fn of(path: &Path) -> Option<Self> {
        let name = file::plain_name(path).to_lowercase();
        let extension = Path::new(&name).extension().and_then(|e| e.to_str());
        match extension.unwrap_or_default() {
            "json" => Some(Self::Json),
            "vnnlib" => Some(Self::Vnnlib),
            "csv" => Some(Self::Csv),
            "npy" => Some(Self::Npy),
            "safetensors" => Some(Self::Safetensors),
            e if e.starts_with("idx") || name.ends_with("-ubyte") => Some(Self::Idx),
            _ => None,
        }
    }

    /// True for data sets: their rows become regions only with a radius.
    pub fn is_data(self) -> bool {
        match self {
            Self::Json | Self::Vnnlib => false,
            Self::Csv | Self::Npy | Self::Idx | Self::Safetensors => true,
        }
    }
}

/// A data file and, of a file of several tensors, the tensor meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// The file.
    pub path: PathBuf,
    /// The tensor of a `.safetensors` file; the only fitting one if absent.
    pub tensor: Option<String>,
}

impl DataSource {
    /// Reads `FILE` or `FILE.safetensors:TENSOR`.
    pub fn from_text(text: &str) -> Self {
        for ending in [".safetensors:", ".safetensors.gz:"] {
            if let Some(at) = text.find(ending) {
                let (path, tensor) = text.split_at(at + ending.len());
                return Self {
                    path: path.trim_end_matches(':').into(),
                    tensor: Some(tensor.to_owned()),
                };
            }
        }
        Self {
            path: text.into(),
            tensor: None,
        }
    }
}

impl From<&Path> for DataSource {
    fn from(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            tensor: None,
        }
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.tensor.as_ref().map_or(Ok(()), |t| write!(f, ":{t}"))
    }
}

/// How rows become regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balls {
    /// Every coordinate may move by this much.
    pub radius: Exact,
    /// No coordinate leaves this range.
    pub clip: Option<(Exact, Exact)>,
    /// Only these rows, counted from 0; all of them if absent.
    pub rows: Option<Range<usize>>,
}

/// The regions of a data set: one per row, its id the row's number. `inputs` is the number of
/// inputs of the network, so that no other file is read to its end.
///
/// # Errors
/// [`codes::FILE_READ`], [`codes::REGION_FILE`] for a file of another kind or with elements that
/// are no finite numbers, [`codes::REGION`] for rows of another length and regions that the clip
/// leaves empty, [`codes::USAGE`] for rows that do not exist or too many at once.
pub fn regions_from_data(
    path: &Path,
    balls: &Balls,
    inputs: usize,
) -> Result<Vec<Region>, Diagnostics> {
    let name = path.display().to_string();
    let request = Request {
        rows: balls.rows.as_ref(),
        option: "--rows",
        inputs,
        limit: MAX_NUMBERS,
        label: None,
    };
    let table = table(&path.into(), &request)?;
    let mut errors = Diagnostics::default();
    let mut regions = Vec::with_capacity(table.len());
    for k in 0..table.len() {
        let row = (k * inputs)..(k + 1) * inputs;
        // Every number of a table is finite.
        let exact = |i| Exact::from_f64(table.values.at(i)).unwrap_or_else(Exact::zero);
        let region = ball(table.first + k, row.map(exact).collect(), balls);
        if let Err(d) = region.check(inputs) {
            let line = table
                .lines
                .get(k)
                .map_or(String::new(), |l| format!(":{l}"));
            errors.push(d.place(format!("{name}{line}")));
        }
        regions.push(region);
    }
    errors.or(regions)
}

fn ball(index: usize, center: Vec<Exact>, balls: &Balls) -> Region {
    let lower = center.iter().map(|c| c - &balls.radius);
    let upper = center.iter().map(|c| c + &balls.radius);
    let (lower, upper): (Vec<Exact>, Vec<Exact>) = match &balls.clip {
        None => (lower.collect(), upper.collect()),
        Some((least, greatest)) => (
            lower.map(|v| v.max(least.clone())).collect(),
            upper.map(|v| v.min(greatest.clone())).collect(),
        ),
    };
    let mut region = Region {
        id: index.to_string(),
        lower,
        upper,
        center: None,
        ball_size: Some(balls.radius.clone()),
        span: None,
    };
    region.center = region.contains(&center).then_some(center);
    region
}

/// Rows of a file: finite numbers, as many in each row as the request says.
struct Table {
    /// The number of the first row.
    first: usize,
    /// Numbers in a row.
    columns: usize,
    /// Row by row.
    values: Values,
    /// The line of each row, in a text; else empty.
    lines: Vec<u64>,
    /// The texts of the column that was asked for as labels; else empty.
    labels: Vec<String>,
    /// Rows of the whole file, where it was read to its end.
    total: Option<usize>,
}

impl Table {
    fn len(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }
}

/// The rows wanted of a data file.
fn table(source: &DataSource, request: &Request<'_>) -> Result<Table, Diagnostics> {
    let bytes = file::bytes(&source.path)?;
    let table = match FileKind::of(&source.path) {
        Some(FileKind::Csv) => csv::table(&bytes, request),
        Some(FileKind::Npy) => npy::array(&bytes).and_then(|a| a.table(request)),
        Some(FileKind::Idx) => idx::array(&bytes).and_then(|a| a.table(request)),
        Some(FileKind::Safetensors) => {
            safetensors::array(&bytes, source.tensor.as_deref(), safetensors::Wanted::Rows)
                .and_then(|a| a.table(request))
        }
        Some(FileKind::Json | FileKind::Vnnlib) | None => Err(not_data()),
    };
    table.map_err(|d| Diagnostics::from(d.place(source.path.display().to_string())))
}

/// Which rows of a file are wanted, and how long they must be.
struct Request<'a> {
    rows: Option<&'a Range<usize>>,
    /// The option that chose the rows.
    option: &'static str,
    /// Numbers of a row, without a label.
    inputs: usize,
    /// The most numbers to be read.
    limit: usize,
    /// The column of a csv file that holds labels.
    label: Option<&'a str>,
}

impl Request<'_> {
    /// The rows to read of a table whose size is known.
    fn of_table(&self, rows: usize, columns: usize) -> Result<Range<usize>, Diagnostic> {
        if columns != self.inputs {
            return Err(self.wrong_length("rows have", columns));
        }
        let chosen = match self.rows {
            None => 0..rows,
            Some(r) if r.end <= rows => r.clone(),
            Some(_) => return Err(self.no_such_row(rows)),
        };
        self.limit(chosen.len())?;
        Ok(chosen)
    }

    fn wrong_length(&self, who: &str, columns: usize) -> Diagnostic {
        let message = format!(
            "{who} {columns} numbers, the network {} inputs",
            self.inputs
        );
        Diagnostic::error(codes::REGION, message)
    }

    fn no_such_row(&self, rows: usize) -> Diagnostic {
        let wanted = self.rows.map_or(String::new(), |r| format!("{r:?}"));
        let message = format!("{} {wanted} of a data set with {rows} rows", self.option);
        Diagnostic::error(codes::USAGE, message)
            .help("rows count from 0; A..B leaves out row B itself")
    }

    /// Refuses more rows than fit into memory.
    fn limit(&self, rows: usize) -> Result<(), Diagnostic> {
        if rows.saturating_mul(self.inputs) <= self.limit {
            return Ok(());
        }
        let most = self.limit / self.inputs.max(1);
        let message = format!("more than {most} rows of {} numbers at once", self.inputs);
        let help = format!("choose some with {} A..B", self.option);
        Err(Diagnostic::error(codes::USAGE, message).help(help))
    }
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
        .help("data sets are called .csv, .npy, .safetensors, .idx or …-ubyte")
}

#[cfg(test)]
mod tests;
