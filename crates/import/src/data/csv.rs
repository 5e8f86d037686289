//! Data sets as csv: numeric columns, with or without a line of names, and labels in a column.

use super::{Request, Table, malformed, not_finite, stretches};
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, codes};
use std::collections::{BTreeMap, BTreeSet};

/// The rows wanted. A first line without a number holds names.
pub(super) fn table(bytes: &[u8], request: &Request<'_>) -> Result<Table, Diagnostic> {
    let mut table = Table::new(request.inputs());
    // Which rows are samples is known only when they are counted.
    let limit = |rows| match request.samples {
        Some(_) => Ok(()),
        None => request.limit(rows),
    };
    let mut label = None;
    let mut index = 0;
    for (k, record) in reader(bytes).records().enumerate() {
        let record = record.map_err(|e| malformed(format!("no csv: {e}")))?;
        let names = k == 0 && is_names(&record);
        if k == 0
            && let Some(column) = request.column()
        {
            label = Some(label_column(column, &record, names)?);
        }
        if names {
            continue;
        }
        if request.rows.is_none_or(|r| r.contains(&index)) {
            limit(table.rows.len() + 1)?;
            let line = line_of(bytes, &record);
            take(&record, (index, line), label, request, &mut table)?;
        }
        index += 1;
        if request.rows.is_some_and(|r| index >= r.end) {
            return thinned(table, request);
        }
    }
    if request.rows.is_some() {
        return Err(request.no_such_row(index));
    }
    table.total = Some(index);
    thinned(table, request)
}

/// The samples of a table of all rows.
fn thinned(all: Table, request: &Request<'_>) -> Result<Table, Diagnostic> {
    let Some(samples) = request.samples else {
        return Ok(all);
    };
    let mut out = Table::new(all.columns);
    out.total = all.total;
    let mut row = Vec::new();
    for stretch in stretches(all.len(), samples) {
        let k = stretch.start;
        request.limit(out.len() + 1)?;
        all.values
            .copy(k * all.columns..(k + 1) * all.columns, &mut row);
        row.iter().for_each(|v| out.values.push(*v));
        out.rows.push(all.rows[k]);
        out.lines.push(all.lines[k]);
        out.labels.extend(all.labels.get(k).cloned());
    }
    Ok(out)
}

/// Adds a row to the table.
fn take(
    record: &csv::StringRecord,
    (index, line): (usize, Option<u64>),
    label: Option<usize>,
    request: &Request<'_>,
    table: &mut Table,
) -> Result<(), Diagnostic> {
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
            return Err(d.help(match label {
                Some(_) => "all other columns of a data set are inputs: mend the cell, or leave the column out",
                None => "all columns of a data set are inputs; say which one holds labels with --labels column:NAME (of regions --region-labels column:NAME), or leave it out",
            }));
        };
        let v = match request.pixels {
            Some(p) => p.of_number(v, || {
                format!("column {column} of row {index}{}", on_line(line))
            })?,
            None => v,
        };
        // A row that is too long is refused below, and must not fill the memory before.
        if numbers == request.inputs() {
            table.values.push(v);
        }
    }
    let who = format!("row {index}{} has", on_line(line));
    if let Some(l) = label.filter(|l| *l >= record.len()) {
        let text = format!(
            "{who} {} columns, and its label should be in column {l}, counted from 0",
            record.len()
        );
        return Err(malformed(text).help("give every row as many columns as the first one"));
    }
    if numbers != request.inputs() {
        let beside = label.map_or("", |_| " beside its label");
        return Err(request.wrong_length(&who, numbers, beside));
    }
    table.rows.push(index);
    table.lines.push(line.unwrap_or(0));
    Ok(())
}

/// The texts of a file's only column; of a file of two columns, names and texts, those of `names`.
pub(super) fn column(bytes: &[u8], names: &[String]) -> Result<Vec<String>, Diagnostic> {
    if !names.is_empty()
        && let Some(Ok(first)) = reader(bytes).records().next()
        && first.len() == 2
    {
        return by_name(bytes, names);
    }
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

/// The labels of images from a file with the columns name and label.
fn by_name(bytes: &[u8], names: &[String]) -> Result<Vec<String>, Diagnostic> {
    let known: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut found = BTreeMap::new();
    for (k, record) in reader(bytes).records().enumerate() {
        let record = record.map_err(|e| malformed(format!("no csv: {e}")))?;
        let line = on_line(line_of(bytes, &record));
        let (2, Some(name), Some(label)) = (record.len(), record.get(0), record.get(1)) else {
            let text = format!("entry {k}{line} has {} columns, not 2", record.len());
            return Err(malformed(text));
        };
        // A first line may name the columns.
        if k == 0 && number(label).is_none() && !known.contains(name) {
            continue;
        }
        if found.insert(name.to_owned(), label.to_owned()).is_some() {
            let text = format!("image {name}{line} has two labels");
            return Err(malformed(text));
        }
    }
    let label = |name: &String| {
        let missing = || malformed(format!("image {name} has no label"));
        found.get(name).cloned().ok_or_else(missing)
    };
    names.iter().map(label).collect()
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
        let known = first.iter().filter(|_| names).chain(["last"]);
        let near = did_you_mean(wanted, known);
        Diagnostic::error(codes::USAGE, text)
            .help_if(near)
            .help(help)
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

/// The line that a record begins in, from 1. The reader's own place of it is before what ends the
/// line above and before empty lines.
fn line_of(bytes: &[u8], record: &csv::StringRecord) -> Option<u64> {
    let place = record.position()?;
    let from = usize::try_from(place.byte()).ok()?;
    let blank = bytes.get(from..)?.iter();
    let blank = blank.take_while(|b| matches!(b, b'\r' | b'\n'));
    let ends = blank.filter(|b| **b == b'\n').count() as u64;
    Some(place.line() + ends)
}

fn on_line(line: Option<u64>) -> String {
    line.map_or(String::new(), |l| format!(" (line {l})"))
}
