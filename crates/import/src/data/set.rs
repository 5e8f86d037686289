//! Rows with labels, for accuracy.

use super::labels::{self, LabelSource};
use super::{DataSource, FileKind, Pixels, Request, Table, Values, placed, table};
use ceg4n_base::{Diagnostic, Diagnostics, Location, codes};
use std::ops::Range;
use std::path::Path;

/// So many numbers are read at most; with them a data set takes one or two gigabytes.
pub(super) const MAX_NUMBERS: usize = 1 << 28;

/// Rows of a data file, each as long as the network's input, with their labels if there are any.
/// At least one row.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// The file, and the tensor in it.
    pub name: String,
    /// Which rows of the file these are, counted from 0.
    pub rows: Range<usize>,
    /// Numbers in a row.
    pub columns: usize,
    /// Row by row.
    pub inputs: Values,
    /// The class of each row.
    pub labels: Option<Vec<u32>>,
}

impl DataSet {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is no row; [`read_data_set`] makes no such set.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Replaces `out` by the inputs of some rows, counted from 0 within the set.
    pub fn copy(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let range = rows.start * self.columns..rows.end * self.columns;
        self.inputs.copy(range, out);
    }
}

/// Which data set is read, and what must fit.
#[derive(Clone, Debug)]
pub struct DataRequest<'a> {
    /// The inputs.
    pub data: &'a DataSource,
    /// The labels.
    pub labels: Option<&'a LabelSource>,
    /// Only these rows, counted from 0; all of them if absent.
    pub rows: Option<Range<usize>>,
    /// The option that chooses the rows, for messages.
    pub rows_option: &'static str,
    /// Dimensions of the network's input: they say how long rows are, and how images are taken.
    pub shape: &'a [usize],
    /// Outputs of the network: labels lie below.
    pub classes: usize,
    /// What stored bytes stand for. If absent, samples of idx files and images stand for numbers
    /// from 0 to 1 and all others for themselves.
    pub pixels: Option<Pixels>,
}

/// Reads a data set with its labels.
///
/// # Errors
/// [`codes::FILE_READ`]; [`codes::DATA`] for files of another kind, rows of another length,
/// numbers that are not finite, no row at all, labels that are no class of the network or of
/// another number than the rows; [`codes::USAGE`] for rows and columns that do not exist, or too
/// many rows.
pub fn read_data_set(request: &DataRequest<'_>) -> Result<DataSet, Diagnostics> {
    let csv = request.data.kind() == Some(FileKind::Csv);
    let named = matches!(request.labels, Some(LabelSource::Column(_)));
    let plain = (csv && !named).then_some(request.data.path.as_path());
    let (table, labels) = read_rows(request, None, MAX_NUMBERS).map_err(|e| of_data(e, plain))?;
    let (Some(first), Some(last)) = (table.rows.first(), table.rows.last()) else {
        let d = Diagnostic::error(codes::DATA, "the data set has no row");
        return Err(d.place(request.data.path.display().to_string()).into());
    };
    Ok(DataSet {
        name: request.data.to_string(),
        rows: *first..last + 1,
        columns: table.columns,
        inputs: table.values,
        labels,
    })
}

/// The rows of a request, only so many of them where `samples` says so, with their labels.
pub(super) fn read_rows(
    request: &DataRequest<'_>,
    samples: Option<usize>,
    limit: usize,
) -> Result<(Table, Option<Vec<u32>>), Diagnostics> {
    check_labels(request)?;
    let wanted = Request {
        samples,
        ..Request::new(request, limit)
    };
    let table = table(request.data, &wanted)?;
    let labels = match request.labels {
        None => None,
        Some(LabelSource::Column(_) | LabelSource::Folders) => {
            let numbers = labels::from_texts(&table.labels, &table.rows);
            let classes = numbers.and_then(|n| labels::checked(&n, &table.rows, request.classes));
            Some(classes.map_err(|d| placed(d, || request.data.path.display().to_string()))?)
        }
        Some(LabelSource::File(source)) => Some(labels_of_rows(source, &table, request.classes)?),
    };
    Ok((table, labels))
}

/// Refuses labels that a file of this kind cannot have.
fn check_labels(request: &DataRequest<'_>) -> Result<(), Diagnostic> {
    let kind = request.data.kind();
    let (what, fits) = match request.labels {
        Some(LabelSource::Column(_)) => ("column:NAME is for data in a csv file", FileKind::Csv),
        Some(LabelSource::Folders) => (
            "folders is for data in a folder of images",
            FileKind::Folder,
        ),
        Some(LabelSource::File(_)) | None => return Ok(()),
    };
    if kind == Some(fits) {
        return Ok(());
    }
    let place = request.data.path.display();
    let d = Diagnostic::error(codes::USAGE, format!("labels {what}"));
    Err(d.help(format!("{place} is none; give a file of labels")))
}

/// The labels of the rows of a table from a file that has them for all rows.
fn labels_of_rows(
    source: &DataSource,
    table: &Table,
    classes: usize,
) -> Result<Vec<u32>, Diagnostic> {
    let all = labels::from_file(source, &table.names)?;
    let place = source.path.display().to_string();
    let end = table.rows.last().map_or(0, |r| r + 1);
    let fits = table.total.map_or(all.len() >= end, |n| n == all.len());
    if !fits {
        let text = match (table.total, table.rows.first()) {
            (None, Some(first)) => {
                format!("{} labels, rows {first}..{end} are asked for", all.len())
            }
            (total, _) => format!(
                "{} labels for {} rows of data",
                all.len(),
                total.unwrap_or_default()
            ),
        };
        let d = Diagnostic::error(codes::DATA, text).place(place);
        return Err(d.help("a file of labels has one for every row of the data file"));
    }
    let own: Vec<f64> = table.rows.iter().map(|r| all[*r]).collect();
    labels::checked(&own, &table.rows, classes).map_err(|d| d.place(place))
}

/// What is wrong with a region file is here wrong with data. In a `table` without a column of
/// labels, one that is not named may be what is wrong.
fn of_data(mut errors: Diagnostics, table: Option<&Path>) -> Diagnostics {
    let table = table.map(|p| Location::Place(p.display().to_string()));
    for d in &mut errors.0 {
        if [codes::REGION_FILE, codes::REGION].contains(&d.code) {
            d.code = codes::DATA;
            if table.as_ref() == Some(&d.location) {
                d.help = vec![
                    "labels in a column of the file are named by --labels column:NAME".to_owned(),
                ];
            }
        }
    }
    errors
}
