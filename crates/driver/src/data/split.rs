//! The data of a run: rows for calibration and, if given, others to test on.

use super::classes::{kernel_classes, reference_classes};
use super::demands::Demands;
use super::measure::Measured;
use crate::options::DataOptions;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_import::{DataRequest, DataSet, DataSource, LabelSource, read_data_set};
use ceg4n_jit::Evaluator;
use ceg4n_report::{DemandsReport, Report, Status};
use ceg4n_verify::Reference;
use std::ops::Range;

/// What rows are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitKind {
    /// Formats and mantissas may follow from them.
    Calibration,
    /// No format and no mantissa follows from them. Demands do look at them: a search turns away
    /// candidates that miss one here, so that the limit of a kernel that was searched for under
    /// demands says nothing of other rows.
    Test,
}

impl SplitKind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calibration => "calibration",
            Self::Test => "test",
        }
    }
}

/// Rows and what the reference says of them.
#[derive(Clone, Debug)]
pub struct Split {
    /// What they are for.
    pub kind: SplitKind,
    /// The rows, with labels if there are any.
    pub set: DataSet,
    /// The reference's class of each row: the lowest index among its greatest exact outputs.
    pub reference: Vec<u32>,
}

impl Split {
    /// At most about `most` of the rows, evenly chosen, one after the other, as float32.
    pub(crate) fn some_rows(&self, most: usize) -> Vec<f32> {
        let step = self.set.len().div_ceil(most.max(1)).max(1);
        let (mut out, mut row) = (Vec::new(), Vec::new());
        for i in (0..self.set.len()).step_by(step) {
            self.set.copy(i..i + 1, &mut row);
            out.extend(row.iter().map(|v| *v as f32));
        }
        out
    }

    /// Counts for a kernel.
    ///
    /// # Errors
    /// [`codes::INTERNAL`] for a kernel of another input.
    pub fn of_kernel(&self, kernel: &Evaluator, jobs: usize) -> Result<Measured, Diagnostic> {
        Ok(self.measure(&kernel_classes(kernel, &self.set, jobs)?))
    }
}

/// The data of a run.
#[derive(Clone, Debug)]
pub struct Data {
    /// Rows that formats may follow from.
    pub calibration: Split,
    /// Rows that no format and no mantissa follows from.
    pub test: Option<Split>,
    /// What is demanded on [`Self::deciding`].
    pub demands: Demands,
}

impl Data {
    /// Reads the data of the options and evaluates the reference, whose input has the dimensions
    /// `shape`, on them; `None` where there are none.
    ///
    /// # Errors
    /// [`codes::USAGE`] for options that do not go together, rows that do not exist or are in
    /// both splits, and for a network with fewer than two outputs; or as [`read_data_set`].
    pub fn load(
        options: &DataOptions,
        reference: &Reference,
        shape: &[usize],
        jobs: usize,
    ) -> Result<Option<Self>, Diagnostics> {
        options.check()?;
        let Some(data) = &options.data else {
            return Ok(None);
        };
        let classes = reference.output_len();
        if classes < 2 {
            let text = "accuracy and agreement are about classes, the network has one output";
            return Err(Diagnostic::error(codes::USAGE, text)
                .help("leave --data out")
                .into());
        }
        let read = |kind, data: &DataSource, labels: Option<&LabelSource>, rows, rows_option| {
            let set = read_data_set(&DataRequest {
                data,
                labels,
                rows,
                rows_option,
                shape,
                classes,
                pixels: options.pixels,
            })?;
            let reference = reference_classes(reference, &set, jobs)?;
            Ok::<_, Diagnostics>(Split {
                kind,
                set,
                reference,
            })
        };
        let labels = options.labels.as_ref();
        let rows = options.data_rows.clone();
        let calibration = read(SplitKind::Calibration, data, labels, rows, "--data-rows")?;
        let test = match options.test() {
            None => None,
            Some(Test { data, labels, rows }) => {
                Some(read(SplitKind::Test, data, labels, rows, "--test-rows")?)
            }
        };
        Ok(Some(Self {
            calibration,
            test,
            demands: options.demands.clone(),
        }))
    }

    /// The rows on which demands are decided: those of the test, else those of the calibration.
    pub fn deciding(&self) -> &Split {
        self.test.as_ref().unwrap_or(&self.calibration)
    }

    /// Where the reference itself misses the demand on accuracy, in words.
    pub(crate) fn network_misses(&self) -> Option<String> {
        let misses = |split: &Split| {
            let (right, n) = (split.reference_correct()?, split.set.len());
            let missed = self.demands.reference_misses(n as u64, right);
            let text = format!(
                "the network itself is right on {right} of {n} {} rows only",
                split.kind.name()
            );
            missed.then_some(text)
        };
        self.test.iter().chain([&self.calibration]).find_map(misses)
    }

    /// Measures the chosen kernel and writes it into a report. A demand that is missed makes the
    /// status `refuted`, whatever the regions say: the rows are evaluated exactly.
    ///
    /// # Errors
    /// [`codes::INTERNAL`] for a kernel of another input.
    pub fn fill(
        &self,
        report: &mut Report,
        kernel: &Evaluator,
        jobs: usize,
    ) -> Result<(), Diagnostic> {
        let split = self.deciding();
        let found = split.of_kernel(kernel, jobs)?;
        report.accuracy = Some(found.report(split));
        if self.test.is_some() {
            let fitted = self.calibration.of_kernel(kernel, jobs)?;
            report.calibration_accuracy = Some(fitted.report(&self.calibration));
        }
        if !self.demands.is_empty() {
            let missed = self.demands.check(&found);
            if let Some(text) = &missed {
                report.status = Status::Refuted;
                report.reason = Some(match report.reason.take() {
                    Some(reason) => format!("{text}; {reason}"),
                    None => text.clone(),
                });
            }
            report.demands = Some(DemandsReport {
                min_accuracy: self.demands.min_accuracy.clone(),
                max_accuracy_drop: self.demands.max_accuracy_drop.clone(),
                min_agreement: self.demands.min_agreement.clone(),
                missed,
            });
        }
        Ok(())
    }
}

/// Where test rows stand.
pub(crate) struct Test<'a> {
    pub data: &'a DataSource,
    pub labels: Option<&'a LabelSource>,
    pub rows: Option<Range<usize>>,
}
