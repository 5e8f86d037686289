//! What a kernel does on data and on random points, as reports say it.

use ceg4n_base::Exact;
use serde::{Deserialize, Serialize};

/// Accuracy and agreement on the rows of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// `test`, or `calibration` for rows that the kernel may have been fitted to.
    pub split: String,
    /// The file.
    pub data: String,
    /// Its rows `A..B`, counted from 0, without row B.
    pub rows: String,
    /// How many.
    pub samples: u64,
    /// The share of rows on which the reference's class is the label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference_accuracy: Option<f64>,
    /// The same of the kernel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kernel_accuracy: Option<f64>,
    /// The share of rows on which kernel and reference have one class.
    pub agreement: f64,
    /// The one-sided lower 95 % confidence limit (Clopper-Pearson) of the agreement on inputs of
    /// which the rows are a random sample, rounded down.
    pub agreement_lower: f64,
    /// Rows on which they have different classes.
    pub changed_count: u64,
    /// The first of these rows.
    pub changed: Vec<ChangedRow>,
}

/// A row on which the kernel has another class than the reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedRow {
    /// Its number in the file.
    pub row: usize,
    /// Its label, if there are labels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<u32>,
    /// The reference's class.
    pub reference: u32,
    /// The kernel's class.
    pub kernel: u32,
}

/// What was demanded on the data; fractions of the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemandsReport {
    /// Least accuracy of the kernel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub min_accuracy: Option<Exact>,
    /// Greatest accuracy of the reference less that of the kernel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_accuracy_drop: Option<Exact>,
    /// Least agreement.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub min_agreement: Option<Exact>,
    /// What the kernel misses; absent if every demand is met.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missed: Option<String>,
}

/// Agreement on random points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementSample {
    /// `hull`: uniform in the box around all regions; `mixtures`: means of region centres.
    pub kind: String,
    /// Points.
    pub samples: u64,
    /// The share on which kernel and reference have one class.
    pub agreement: f64,
    /// The one-sided lower 95 % confidence limit (Clopper-Pearson), rounded down.
    pub lower: f64,
}
