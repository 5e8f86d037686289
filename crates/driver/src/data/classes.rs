//! Classes of rows: of the reference in exact arithmetic, of the kernel by native code.

use crate::parallel::parallel;
use ceg4n_base::{Diagnostic, Exact, codes};
use ceg4n_import::DataSet;
use ceg4n_ir::Format;
use ceg4n_ir::kernel::argmax;
use ceg4n_jit::Evaluator;
use ceg4n_verify::bounds::forward::Bounds;
use ceg4n_verify::float::Bound;
use ceg4n_verify::{Precision, Reference};
use std::ops::Range;

/// Rows that one piece of work takes.
const ROWS: usize = 128;

/// The reference's class of every row: the lowest index among the greatest outputs, in exact
/// arithmetic over the numbers of the row, also where verdicts speak of float32 runs.
///
/// # Errors
/// [`codes::INTERNAL`] for rows of another length than the reference's input.
pub fn reference_classes(
    reference: &Reference,
    data: &DataSet,
    jobs: usize,
) -> Result<Vec<u32>, Diagnostic> {
    let exact = match reference.precision() {
        Precision::Real => reference.clone(),
        Precision::Float32 => reference.clone().with_precision(Precision::Real),
    };
    by_rows(data.len(), jobs, |rows| {
        let mut x = Vec::new();
        let class = |row| {
            data.copy(row..row + 1, &mut x);
            reference_class(&exact, &x)
        };
        rows.map(class).collect()
    })
}

/// The class of one row under a reference over the reals: enclosures in floating point, exact
/// numbers only where they overlap.
///
/// # Errors
/// [`codes::INTERNAL`] for a row of another length than the reference's input.
pub(crate) fn reference_class(reference: &Reference, x: &[f64]) -> Result<u32, Diagnostic> {
    let point: Vec<Bound> = x.iter().map(|v| Bound::new(*v, *v)).collect();
    if point.len() == reference.input_len()
        && let Some(outputs) = Bounds::new(reference.graph(), &point).nodes.last()
        && let Some(class) = winner(outputs)
    {
        return narrow(class);
    }
    let point: Option<Vec<Exact>> = x.iter().map(|v| Exact::from_f64(*v)).collect();
    let point = point.ok_or_else(|| internal("a row has a number that is not finite"))?;
    let outputs = reference.outputs(&point).map_err(internal)?;
    narrow(argmax(&outputs).unwrap_or(0))
}

/// The output whose enclosure lies above all others, if there is one.
fn winner(outputs: &[Bound]) -> Option<usize> {
    let least: Vec<f64> = outputs.iter().map(|b| b.lo).collect();
    let class = argmax(&least)?;
    let below = |(j, b): (usize, &Bound)| j == class || b.hi < least[class];
    outputs.iter().enumerate().all(below).then_some(class)
}

/// The kernel's class of every row.
///
/// # Errors
/// [`codes::INTERNAL`] for rows of another length than the kernel's input.
pub fn kernel_classes(
    kernel: &Evaluator,
    data: &DataSet,
    jobs: usize,
) -> Result<Vec<u32>, Diagnostic> {
    let format = kernel.kernel().input_format;
    by_rows(data.len(), jobs, |rows| {
        let n = rows.len();
        let (mut mantissas, mut classes) = (Vec::new(), Vec::new());
        quantized(data, rows, format, &mut mantissas);
        kernel
            .argmax_batch(&mantissas, n, &mut classes)
            .map_err(internal)?;
        classes.into_iter().map(narrow).collect()
    })
}

/// Replaces `out` by the input mantissas of some rows, counted from 0 within the set.
pub fn quantized(data: &DataSet, rows: Range<usize>, format: Format, out: &mut Vec<i64>) {
    let range = rows.start * data.columns..rows.end * data.columns;
    out.clear();
    out.extend(range.map(|i| format.quantize_f64(data.inputs.at(i))));
}

/// Classes of `n` rows, piece by piece; the same for any number of threads.
fn by_rows(
    n: usize,
    jobs: usize,
    work: impl Fn(Range<usize>) -> Result<Vec<u32>, Diagnostic> + Sync,
) -> Result<Vec<u32>, Diagnostic> {
    let pieces = parallel(jobs, n.div_ceil(ROWS), |k| {
        work(k * ROWS..((k + 1) * ROWS).min(n))
    });
    let mut out = Vec::with_capacity(n);
    for piece in pieces {
        out.extend(piece?);
    }
    Ok(out)
}

fn narrow(class: usize) -> Result<u32, Diagnostic> {
    u32::try_from(class).map_err(internal)
}

fn internal(e: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(codes::INTERNAL, e.to_string())
}
