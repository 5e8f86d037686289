//! Rows with labels, for accuracy.

use super::labels::{self, LabelSource};
use super::{DataSource, FileKind, Request, Values, table};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use std::ops::Range;

/// So many numbers are read at most; with them a data set takes one or two gigabytes.
const MAX_NUMBERS: usize = 1 << 28;

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
    /// Inputs of the network.
    pub inputs: usize,
    /// Outputs of the network: labels lie below.
    pub classes: usize,
}

/// Reads a data set with its labels.
///
/// # Errors
/// [`codes::FILE_READ`]; [`codes::DATA`] for files of another kind, rows of another length,
/// numbers that are not finite, no row at all, labels that are no class of the network or of
/// another number than the rows; [`codes::USAGE`] for rows and columns that do not exist, or too
/// many rows.
pub fn read_data_set(request: &DataRequest<'_>) -> Result<DataSet, Diagnostics> {
    let place = request.data.path.display().to_string();
    let column = match request.labels {
        Some(LabelSource::Column(name)) => Some(name.as_str()),
        Some(LabelSource::File(_)) | None => None,
    };
    let csv = FileKind::of(&request.data.path) == Some(FileKind::Csv);
    if column.is_some() && !csv {
        let text = "--labels column:NAME is for data in a csv file";
        let d = Diagnostic::error(codes::USAGE, text);
        return Err(d
            .help(format!("{place} is none; give a file of labels"))
            .into());
    }
    let wanted = Request {
        rows: request.rows.as_ref(),
        option: request.rows_option,
        inputs: request.inputs,
        limit: MAX_NUMBERS,
        label: column,
    };
    let table = table(request.data, &wanted).map_err(|e| of_data(e, csv && column.is_none()))?;
    let rows = table.first..table.first + table.len();
    if rows.is_empty() {
        let d = Diagnostic::error(codes::DATA, "the data set has no row");
        return Err(d.place(place).into());
    }
    let labels = match request.labels {
        None => None,
        Some(LabelSource::Column(_)) => {
            let numbers = labels::from_texts(&table.labels, rows.start);
            let classes = numbers.and_then(|n| labels::checked(&n, rows.start, request.classes));
            Some(classes.map_err(|d| of_data(d.place(place).into(), false))?)
        }
        Some(LabelSource::File(source)) => Some(
            labels_of_rows(source, &rows, table.total, request.classes)
                .map_err(|d| of_data(d.into(), false))?,
        ),
    };
    Ok(DataSet {
        name: request.data.to_string(),
        rows,
        columns: table.columns,
        inputs: table.values,
        labels,
    })
}

/// The labels of some rows of a data file with `total` rows, where that is known.
fn labels_of_rows(
    source: &DataSource,
    rows: &Range<usize>,
    total: Option<usize>,
    classes: usize,
) -> Result<Vec<u32>, Diagnostic> {
    let all = labels::from_file(source)?;
    let place = source.path.display().to_string();
    let fits = total.map_or(all.len() >= rows.end, |n| n == all.len());
    let Some(own) = all.get(rows.clone()).filter(|_| fits) else {
        let text = match total {
            Some(n) => format!("{} labels for {n} rows of data", all.len()),
            None => format!("{} labels, rows {rows:?} are asked for", all.len()),
        };
        let d = Diagnostic::error(codes::DATA, text).place(place);
        return Err(d.help("a file of labels has one for every row of the data file"));
    };
    labels::checked(own, rows.start, classes).map_err(|d| d.place(place))
}

/// What is wrong with a region file is here wrong with data.
fn of_data(mut errors: Diagnostics, help_with_labels: bool) -> Diagnostics {
    for d in &mut errors.0 {
        if [codes::REGION_FILE, codes::REGION].contains(&d.code) {
            d.code = codes::DATA;
            if help_with_labels {
                d.help = vec![
                    "labels in a column of the file are named by --labels column:NAME".to_owned(),
                ];
            }
        }
    }
    errors
}
