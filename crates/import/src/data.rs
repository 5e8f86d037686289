//! Data sets as regions: one ball, in the maximum norm, around each row.
//!
//! Read are csv (numeric columns, with or without a line of names), npy (float32 or float64, C
//! order) and idx (unsigned bytes), packed (`.gz`) or not. A csv number stands for the float64
//! nearest to its text, a byte `p` of an idx file for the float32 nearest to `p/255`. The bounds
//! are then exact.

mod csv;
mod idx;
mod npy;

use crate::file;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_ir::Region;
use std::ops::Range;
use std::path::Path;

/// So many numbers of the rows chosen are read at most: a region keeps three exact numbers of
/// each.
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
            e if e.starts_with("idx") || name.ends_with("-ubyte") => Some(Self::Idx),
            _ => None,
        }
    }

    /// True for data sets: their rows become regions only with a radius.
    pub fn is_data(self) -> bool {
        match self {
            Self::Json | Self::Vnnlib => false,
            Self::Csv | Self::Npy | Self::Idx => true,
        }
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

/// A row of numbers with its place in the file.
struct Row {
    index: usize,
    /// The line that it stands on, in a text.
    line: Option<u64>,
    values: Vec<Exact>,
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
    let placed = |d: Diagnostic| Diagnostics::from(d.place(&name));
    let bytes = file::bytes(path)?;
    let request = Request {
        rows: balls.rows.as_ref(),
        inputs,
    };
    let rows = match FileKind::of(path) {
        Some(FileKind::Csv) => csv::rows(&bytes, &request),
        Some(FileKind::Npy) => npy::rows(&bytes, &request),
        Some(FileKind::Idx) => idx::rows(&bytes, &request),
        Some(FileKind::Json | FileKind::Vnnlib) | None => {
            Err(malformed("the file's name is none of a data set")
                .help("data sets are called .csv, .npy, .idx or …-ubyte"))
        }
    };
    let rows = rows.map_err(placed)?;
    let mut errors = Diagnostics::default();
    let mut regions = Vec::with_capacity(rows.len());
    for row in rows {
        let region = ball(row.index, row.values, balls);
        if let Err(d) = region.check(inputs) {
            let line = row.line.map_or(String::new(), |l| format!(":{l}"));
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

/// Which rows of a file are wanted, and how long they must be.
struct Request<'a> {
    rows: Option<&'a Range<usize>>,
    inputs: usize,
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
        let message = format!("--rows {wanted} of a data set with {rows} rows");
        Diagnostic::error(codes::USAGE, message)
            .help("rows count from 0; A..B leaves out row B itself")
    }

    /// Refuses more rows than fit into memory.
    fn limit(&self, rows: usize) -> Result<(), Diagnostic> {
        if rows.saturating_mul(self.inputs) <= MAX_NUMBERS {
            return Ok(());
        }
        let most = MAX_NUMBERS / self.inputs.max(1);
        let message = format!("more than {most} rows of {} numbers at once", self.inputs);
        Err(Diagnostic::error(codes::USAGE, message).help("choose some with --rows A..B"))
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

#[cfg(test)]
mod tests;
