//! What the kernel does on data and on random points, and what it takes on each processor.

use super::words::{bytes, count, of, percent, percent_of};
use crate::{Accuracy, Report};
use serde::Serialize;

/// Units of the width of a bar.
const WIDTH: f64 = 200.0;

#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub splits: Vec<Split>,
    pub random: Vec<Share>,
    pub demands: Vec<(String, String)>,
    pub missed: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Split {
    pub title: String,
    pub text: String,
    pub shares: Vec<Share>,
    pub changed: Vec<Changed>,
    pub changed_count: String,
    pub labelled: bool,
}

/// A share with its bar.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub name: String,
    pub value: String,
    pub width: String,
    pub lower: Option<String>,
    pub lower_at: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Changed {
    pub row: usize,
    pub label: Option<u32>,
    pub reference: u32,
    pub kernel: u32,
}

fn share(name: impl Into<String>, value: f64, samples: u64, lower: Option<f64>) -> Share {
    let at = |v: f64| format!("{:.1}", WIDTH * v.clamp(0.0, 1.0));
    Share {
        name: name.into(),
        value: percent_of(value, samples),
        width: at(value),
        lower: lower.map(percent),
        lower_at: lower.map(at),
    }
}

pub(super) fn measured(r: &Report) -> Measured {
    let splits = [&r.accuracy, &r.calibration_accuracy];
    let random = r.agreement_samples.iter().map(|s| {
        let what = match s.kind.as_str() {
            "hull" => "points of the box around all regions",
            "mixtures" => "mixtures of centres of regions",
            other => other,
        };
        let name = format!("{} random {what}", count(s.samples));
        share(name, s.agreement, s.samples, Some(s.lower))
    });
    let demands = r.demands.iter().flat_map(|d| {
        [
            ("accuracy at least", &d.min_accuracy),
            ("accuracy at most below the network's", &d.max_accuracy_drop),
            ("agreement at least", &d.min_agreement),
        ]
    });
    let demands = demands.filter_map(|(name, v)| {
        let v = v.as_ref()?;
        Some((name.to_owned(), percent(v.to_f64())))
    });
    Measured {
        splits: splits.into_iter().flatten().map(|a| split(r, a)).collect(),
        random: random.collect(),
        demands: demands.collect(),
        missed: r.demands.as_ref().and_then(|d| d.missed.clone()),
    }
}

fn split(r: &Report, a: &Accuracy) -> Split {
    let mut shares = Vec::new();
    let of_labels = [
        ("Network right", a.reference_accuracy),
        ("Kernel right", a.kernel_accuracy),
    ];
    shares.extend(
        of_labels
            .into_iter()
            .filter_map(|(n, v)| Some(share(n, v?, a.samples, None))),
    );
    shares.push(share(
        "Kernel as the network",
        a.agreement,
        a.samples,
        Some(a.agreement_lower),
    ));
    Split {
        title: match a.split.as_str() {
            "test" => "Test rows".to_owned(),
            _ if r.command != "compile" => "Rows measured".to_owned(),
            _ => "Calibration rows".to_owned(),
        },
        text: format!("{} of {}, rows {}", of(a.samples, "row"), a.data, a.rows),
        shares,
        changed: a
            .changed
            .iter()
            .map(|c| Changed {
                row: c.row,
                label: c.label,
                reference: c.reference,
                kernel: c.kernel,
            })
            .collect(),
        changed_count: count(a.changed_count),
        labelled: a.changed.iter().any(|c| c.label.is_some()),
    }
}

/// What the kernel takes on a processor.
#[derive(Debug, Serialize)]
pub(super) struct Target {
    pub name: String,
    pub kernel: String,
    pub emitted: bool,
    pub constants: String,
    pub code: String,
    pub scratch: String,
    pub vectors: String,
    pub time: String,
    pub unit: String,
}

pub(super) fn targets(r: &Report) -> Vec<Target> {
    r.targets
        .iter()
        .map(|t| Target {
            name: t.target.clone(),
            kernel: t.kernel.clone(),
            emitted: t.emitted,
            constants: bytes(t.constant_bytes),
            code: bytes(t.code_bytes),
            scratch: bytes(t.scratch_bytes),
            vectors: bytes(t.vector_bytes),
            time: count(t.time),
            unit: t.time_unit.clone(),
        })
        .collect()
}
