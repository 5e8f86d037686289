//! Data sets as csv: numeric columns, with or without a line of names, and labels in a column.

use super::{Request, Table, Values, malformed, not_finite};
use ceg4n_base::{Diagnostic, codes};

/// The rows wanted. A first line without a number holds names.
pub(super) fn table(bytes: &[u8], request: &Request<'_>) -> Result<Table, Diagnostic> {
    let mut table = Table {
        first: request.rows.map_or(0, |r| r.start),
        columns: request.inputs,
        values: Values::default(),
        lines: Vec::new(),
        labels: Vec::new(),
        total: None,
    };
    let mut label = None;
    let mut index = 0;
    for (k, record) in reader(bytes).records().enumerate() {
        let record = record.map_err(|e| malformed(format!("no csv: {e}")))?;
        let names = k == 0 && is_names(&record);
        if k == 0
            && let Some(column) = request.label
        {
            label = Some(label_column(column, &record, names)?);
        }
        if names {
            continue;
        }
        if request.rows.is_none_or(|r| r.contains(&index)) {
            request.limit(table.lines.len() + 1)?;
            take(&record, index, label, request, &mut table)?;
        }
        index += 1;
        if request.rows.is_some_and(|r| index >= r.end) {
            return Ok(table);
        }
    }
    if request.rows.is_some() {
        return Err(request.no_such_row(index));
    }
    table.total = Some(index);
    Ok(table)
}

/// Adds a row to the table.
fn take(
    record: &csv::StringRecord,
    index: usize,
    label: Option<usize>,
    request: &Request<'_>,
    table: &mut Table,
) -> Result<(), Diagnostic> {
    let line = record.position().map(csv::Position::line);
    let numbers = record.len() - usize::from(label.is_some_and(|l| l < record.len()));
    for (column, text) in record.iter().enumerate() {
        if label == Some(column) {
            table.labels.push(text.to_owned());
            continue;
        }
        let Some(v) = number(text) else {
            let text: String = text.chars().take(40).collect();
            let mut d = not_finite(index, column);
            d.message += &format!("{}: `{text}`", on_line(line));
            return Err(d.help("all columns of a data set are inputs; leave labels out"));
        };
        // A row that is too long is refused below, and must not fill the memory before.
        if numbers == request.inputs {
            table.values.push(v);
        }
    }
    if numbers != request.inputs || label.is_some_and(|l| l >= record.len()) {
        let who = format!("row {index}{} has", on_line(line));
        return Err(request.wrong_length(&who, numbers));
    }
    table.lines.push(line.unwrap_or(0));
    Ok(())
}

/// The texts of a file's only column.
pub(super) fn column(bytes: &[u8]) -> Result<Vec<String>, Diagnostic> {
    let mut out = Vec::new();
    for (k, record) in reader(bytes).records().enumerate() {
        let record = record.map_err(|e| malformed(format!("no csv: {e}")))?;
        let (1, Some(text)) = (record.len(), record.get(0)) else {
            let text = format!("labels are one column, line {} has {}", k + 1, record.len());
            return Err(malformed(text).help(
                "give a file of the labels alone; where they stand in a column of the data, say --labels column:NAME",
            ));
        };
        if k > 0 || number(text).is_some() {
            out.push(text.to_owned());
        }
    }
    Ok(out)
}

/// The place of the column that holds labels: a name of the first line, a number counted from 0,
/// or `last`.
fn label_column(wanted: &str, first: &csv::StringRecord, names: bool) -> Result<usize, Diagnostic> {
    let named = first.iter().position(|n| names && n == wanted);
    let counted = wanted.parse().ok().filter(|i| *i < first.len());
    let last = (wanted == "last").then(|| first.len().saturating_sub(1));
    named.or(counted).or(last).ok_or_else(|| {
        let text = format!("--labels column:{wanted}: there is no such column");
        let help = if names {
            let names: Vec<_> = first.iter().take(20).collect();
            format!("columns: {}", names.join(", "))
        } else {
            format!(
                "the file has no line of names; say a number from 0 to {}, or `last`",
                first.len().saturating_sub(1)
            )
        };
        Diagnostic::error(codes::USAGE, text).help(help)
    })
}

fn reader(bytes: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes)
}

fn is_names(record: &csv::StringRecord) -> bool {
    record.iter().all(|text| number(text).is_none())
}

/// The float64 nearest to a text; `None` for one that is no finite number.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|v: &f64| v.is_finite())
}

fn on_line(line: Option<u64>) -> String {
    line.map_or(String::new(), |l| format!(" (line {l})"))
}
