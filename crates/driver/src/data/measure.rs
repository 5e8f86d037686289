//! What a kernel does on a split, counted.

use super::binomial::agreement_lower;
use super::split::Split;
use ceg4n_report::{Accuracy, ChangedRow};

/// So many changed rows are listed at most; all are counted.
pub const MAX_CHANGED: usize = 100;

/// Counts over the rows of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Rows.
    pub samples: u64,
    /// Rows on which the reference's class is the label; `None` without labels.
    pub reference_correct: Option<u64>,
    /// The same of the kernel.
    pub kernel_correct: Option<u64>,
    /// Rows on which kernel and reference have one class.
    pub agreeing: u64,
    /// The first [`MAX_CHANGED`] other rows.
    pub changed: Vec<Changed>,
}

/// A row on which the kernel has another class than the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its number in the file.
    pub row: usize,
    /// Its label, if there are labels.
    pub label: Option<u32>,
    /// The reference's class.
    pub reference: u32,
    /// The kernel's class.
    pub kernel: u32,
}

impl Split {
    /// Rows on which the reference's class is the label; `None` without labels.
    pub fn reference_correct(&self) -> Option<u64> {
        let labels = self.set.labels.as_deref()?;
        Some(equal(labels, &self.reference))
    }

    /// Counts for a kernel with these classes, one per row.
    pub fn measure(&self, kernel: &[u32]) -> Measured {
        let labels = self.set.labels.as_deref();
        let row = |(i, (reference, kernel)): (usize, (&u32, &u32))| Changed {
            row: self.set.rows.start + i,
            label: labels.and_then(|l| l.get(i).copied()),
            reference: *reference,
            kernel: *kernel,
        };
        let pairs = self.reference.iter().zip(kernel).enumerate();
        let changed = pairs.filter(|(_, (r, k))| r != k);
        Measured {
            samples: self.set.len() as u64,
            reference_correct: self.reference_correct(),
            kernel_correct: labels.map(|l| equal(l, kernel)),
            agreeing: equal(&self.reference, kernel),
            changed: changed.take(MAX_CHANGED).map(row).collect(),
        }
    }
}

fn equal(a: &[u32], b: &[u32]) -> u64 {
    a.iter().zip(b).filter(|(a, b)| a == b).count() as u64
}

impl Measured {
    /// The counts as a report says them.
    pub fn report(&self, split: &Split) -> Accuracy {
        let share = |k: u64| k as f64 / self.samples.max(1) as f64;
        let changed = |c: &Changed| ChangedRow {
            row: c.row,
            label: c.label,
            reference: c.reference,
            kernel: c.kernel,
        };
        Accuracy {
            split: split.kind.name().to_owned(),
            data: split.set.name.clone(),
            rows: format!("{:?}", split.set.rows),
            samples: self.samples,
            reference_accuracy: self.reference_correct.map(share),
            kernel_accuracy: self.kernel_correct.map(share),
            agreement: share(self.agreeing),
            agreement_lower: agreement_lower(self.agreeing, self.samples),
            changed_count: self.samples - self.agreeing,
            changed: self.changed.iter().map(changed).collect(),
        }
    }
}
