//! Which options for data go together.

use super::Test;
use crate::options::DataOptions;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_import::{DataSource, LabelSource};
use std::path::Path;

impl DataOptions {
    /// Where test rows stand, if there are any.
    pub(crate) fn test(&self) -> Option<Test<'_>> {
        let rows = self.test_rows.clone();
        match (&self.test_data, &self.data, &rows) {
            (Some(data), _, _) => {
                // A column of that name, or class folders, are expected in all of the data.
                let same = self.labels.as_ref();
                let same = same.filter(|l| !matches!(l, LabelSource::File(_)));
                Some(Test {
                    data,
                    labels: self.test_labels.as_ref().or(same),
                    rows,
                })
            }
            (None, Some(data), Some(_)) => Some(Test {
                data,
                labels: self.labels.as_ref(),
                rows,
            }),
            (None, _, _) => None,
        }
    }

    /// Refuses options without effect, demands that nothing can be measured for, and rows that
    /// are both for calibration and for the test.
    ///
    /// # Errors
    /// [`codes::USAGE`], as many as there are.
    pub fn check(&self) -> Result<(), Diagnostics> {
        let mut errors = Diagnostics::default();
        let mut usage = |text: String, help: &str| {
            errors.push(Diagnostic::error(codes::USAGE, text).help(help));
        };
        let d = &self.demands;
        let on_accuracy = [
            ("min-accuracy", d.min_accuracy.is_some()),
            ("max-accuracy-drop", d.max_accuracy_drop.is_some()),
        ];
        if self.data.is_none() {
            let others = [
                ("labels", self.labels.is_some()),
                ("data-rows", self.data_rows.is_some()),
                ("test-data", self.test_data.is_some()),
                ("test-labels", self.test_labels.is_some()),
                ("test-rows", self.test_rows.is_some()),
                ("min-agreement", d.min_agreement.is_some()),
            ];
            for (name, given) in others.into_iter().chain(on_accuracy) {
                if given {
                    usage(
                        format!("--{name} needs data to be measured on"),
                        "give the inputs with --data FILE",
                    );
                }
            }
            return errors.or(());
        }
        if self.test_labels.is_some() && self.test_data.is_none() {
            usage(
                "--test-labels has no effect: there is no --test-data".to_owned(),
                "the labels of --test-rows are those of --labels",
            );
        }
        let test = self.test();
        let (labelled, option) = match &test {
            Some(t) if self.test_data.is_some() => (t.labels.is_some(), "--test-labels"),
            Some(_) | None => (self.labels.is_some(), "--labels"),
        };
        for (name, given) in on_accuracy {
            if given && !labelled {
                usage(
                    format!("--{name} needs labels"),
                    &format!(
                        "give the classes of the rows with {option} FILE, or --min-agreement instead"
                    ),
                );
            }
        }
        if let (Some(data), Some(test)) = (&self.data, &test)
            && same_rows(data, test.data)
            && let Some(text) = self.overlap(test)
        {
            usage(
                text,
                "a test on rows that the kernel may be fitted to says nothing; divide the file with --data-rows A..B and --test-rows A..B",
            );
        }
        errors.or(())
    }

    /// Rows of one file that are in both splits, in words.
    fn overlap(&self, test: &Test<'_>) -> Option<String> {
        match (&self.data_rows, &test.rows) {
            (Some(a), Some(b)) => {
                let (from, to) = (a.start.max(b.start), a.end.min(b.end));
                (from < to).then(|| {
                    format!(
                        "rows {from}..{to} of {} are both in --data-rows and in --test-rows",
                        test.data
                    )
                })
            }
            (None, Some(b)) => Some(format!(
                "rows {b:?} of {} are in --test-rows and, without --data-rows, for calibration too",
                test.data
            )),
            (Some(a), None) => Some(format!(
                "rows {a:?} of {} are in --data-rows and, without --test-rows, in the test too",
                test.data
            )),
            (None, None) => Some(format!(
                "--data and --test-data are both all of {}",
                test.data
            )),
        }
    }
}

/// True if two sources may be the same rows.
fn same_rows(a: &DataSource, b: &DataSource) -> bool {
    let real = |p: &Path| std::fs::canonicalize(p).unwrap_or_else(|_| p.to_owned());
    let tensor = match (&a.tensor, &b.tensor) {
        (Some(a), Some(b)) => a == b,
        // The only tensor may be the one that the other names.
        (None, _) | (_, None) => true,
    };
    tensor && real(&a.path) == real(&b.path)
}
