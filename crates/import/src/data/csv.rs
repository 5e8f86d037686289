//! Data sets as csv: numeric columns, with or without a line of names.

use super::{Request, Row, malformed, not_finite};
use ceg4n_base::{Diagnostic, Exact};

/// The rows wanted. A first line without a number holds names.
pub(super) fn rows(bytes: &[u8], request: &Request<'_>) -> Result<Vec<Row>, Diagnostic> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let wanted = |index: usize| request.rows.is_none_or(|r| r.contains(&index));
    let mut out = Vec::new();
    let mut index = 0;
    for (k, record) in reader.records().enumerate() {
        let record = record.map_err(|e| malformed(format!("no csv: {e}")))?;
        let line = record.position().map(csv::Position::line);
        let values: Vec<Option<Exact>> = record.iter().map(number).collect();
        if k == 0 && values.iter().all(Option::is_none) {
            continue;
        }
        if wanted(index) {
            let values = complete(&record, values, index, line)?;
            if values.len() != request.inputs {
                let who = format!("row {index}{} has", on_line(line));
                return Err(request.wrong_length(&who, values.len()));
            }
            request.limit(out.len() + 1)?;
            out.push(Row {
                index,
                line,
                values,
            });
        }
        index += 1;
        if request.rows.is_some_and(|r| index >= r.end) {
            break;
        }
    }
    if let Some(r) = request.rows
        && index < r.end
    {
        return Err(request.no_such_row(index));
    }
    Ok(out)
}

/// The float64 nearest to a text; `None` for one that is no finite number.
fn number(text: &str) -> Option<Exact> {
    Exact::from_f64(text.parse().ok()?)
}

fn complete(
    record: &csv::StringRecord,
    values: Vec<Option<Exact>>,
    row: usize,
    line: Option<u64>,
) -> Result<Vec<Exact>, Diagnostic> {
    let bad = values.iter().position(Option::is_none);
    let Some(column) = bad else {
        return Ok(values.into_iter().flatten().collect());
    };
    let text: String = record.get(column).unwrap_or("").chars().take(40).collect();
    let mut d = not_finite(row, column);
    d.message += &format!("{}: `{text}`", on_line(line));
    Err(d.help("all columns of a data set are inputs; leave labels out"))
}

fn on_line(line: Option<u64>) -> String {
    line.map_or(String::new(), |l| format!(" (line {l})"))
}
