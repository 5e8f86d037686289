//! What keeps each width of the result up: the same assignment with one bit less there.

use super::folder::Folder;
use crate::Failure;
use crate::optimality::certificate::Certificate;
use crate::optimality::fate::{Fate, Stored};
use crate::optimality::{in_space, set_aside};
use crate::parallel::parallel;
use ceg4n_base::{Diagnostic, codes};
use ceg4n_quantize::Assignment;
use ceg4n_refine::Ended;
use ceg4n_search::AnnotationSpace;
use serde::Serialize;

/// What one bit less does in each place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bits {
    /// The result is the program that rounding makes of its widths. If not, what follows is about
    /// programs that rounding makes of narrower widths, not about the result's own mantissas.
    pub by_rounding: bool,
    /// Data had to be satisfied too, which are not in the folder: a demand may keep a width up.
    pub demands: bool,
    /// The version whose widths these are.
    pub version: u32,
    /// A row for each width.
    pub rows: Vec<BitRow>,
}

/// One width of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BitRow {
    /// The value that has it, without `%`.
    pub name: String,
    /// `weights`, `bias` or `activations`.
    pub what: &'static str,
    /// Its bits.
    pub bits: u8,
    /// The cost with one bit less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// What one bit less leads to: `refuted`, `refused` by the checker, `set-aside`, `open` (it
    /// satisfies every stored point and was not decided) or `least` (the space has no less).
    pub outcome: &'static str,
    /// The stored point that is broken first, by its place from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<usize>,
    /// The region of that point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What was asked there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
    /// What became of the versions with these widths, by rounding or with moved mantissas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
}

/// A width.
struct Place {
    name: String,
    what: &'static str,
    bits: u8,
    /// The assignment with one bit less; `None` where the space has no less.
    less: Option<Assignment>,
}

/// The widths of the result; `None` without a result.
pub(super) fn bits(folder: &Folder, jobs: usize) -> Result<Option<Bits>, Failure> {
    let c = &folder.certificate;
    let Some(result) = &c.result else {
        return Ok(None);
    };
    let read = folder.result()?;
    let reference = folder.reference(&read.loaded)?;
    let space = c
        .space
        .rebuild(&read.loaded.module)
        .map_err(|e| Diagnostic::error(codes::FILE_READ, e))?;
    let versions = c.versions.iter().map(|v| (v.version, v.program, &v.ended));
    let properties = c.questions.iter().map(|q| q.requirement.clone()).collect();
    let points = &c.counterexamples;
    let stored = Stored::new(&space, &reference, properties, points, set_aside(versions));
    let places = places(&space, &result.assignment);
    let fates = parallel(jobs.max(1), places.len(), |i| {
        places[i].less.as_ref().map(|a| stored.fate(a)).transpose()
    });
    let mut rows = Vec::new();
    for (place, fate) in places.into_iter().zip(fates) {
        let fate = fate.map_err(|e| Diagnostic::error(codes::INTERNAL, e))?;
        rows.push(row(c, &space, place, fate));
    }
    Ok(Some(Bits {
        by_rounding: in_space(&space, &result.assignment, result.program)
            || space
                .program(&result.assignment, 0)
                .is_ok_and(|p| p.hash() == result.program),
        demands: folder.report.demands.is_some(),
        version: result.version,
        rows,
    }))
}

/// Every width of an assignment: weights and bias of each layer, then stored activations, together
/// if they are of one width.
fn places(space: &AnnotationSpace, a: &Assignment) -> Vec<Place> {
    let model = space.model();
    let name = |v| model.network().value(v).name.clone();
    let lowered = |bits: u8, least: u8, change: &dyn Fn(&mut Assignment)| {
        (bits > least.max(1)).then(|| {
            let mut less = a.clone();
            change(&mut less);
            less
        })
    };
    let mut out = Vec::new();
    for (i, layer) in model.layers().iter().enumerate() {
        let (Some(w), Some(b)) = (a.weights.get(i), a.biases.get(i)) else {
            continue;
        };
        out.push(Place {
            name: name(layer.value),
            what: "weights",
            bits: *w,
            less: lowered(*w, space.weight_bits.0, &|a| a.weights[i] -= 1),
        });
        if layer.bias.is_some() {
            out.push(Place {
                name: name(layer.value),
                what: "bias",
                bits: *b,
                less: lowered(*b, space.least_bias_bits, &|a| a.biases[i] -= 1),
            });
        }
    }
    let least = space.activation_bits.0;
    match a.activations.first() {
        Some(bits) if a.activations.iter().all(|b| b == bits) => out.push(Place {
            name: "all".to_owned(),
            what: "activations",
            bits: *bits,
            less: lowered(*bits, least, &|a| {
                a.activations.iter_mut().for_each(|b| *b -= 1);
            }),
        }),
        Some(_) | None => {
            for (i, (v, bits)) in model.tensors().iter().zip(&a.activations).enumerate() {
                out.push(Place {
                    name: name(*v),
                    what: "activations",
                    bits: *bits,
                    less: lowered(*bits, least, &|a| a.activations[i] -= 1),
                });
            }
        }
    }
    out
}

fn row(c: &Certificate, space: &AnnotationSpace, place: Place, fate: Option<Fate>) -> BitRow {
    let (outcome, counterexample) = match fate {
        None => ("least", None),
        Some(Fate::Refuted(i)) => ("refuted", Some(i)),
        Some(Fate::Refused) => ("refused", None),
        Some(Fate::SetAside(_)) => ("set-aside", None),
        // Data are not in the folder, so that no demand is measured here.
        Some(Fate::MissedDemand | Fate::Open) => ("open", None),
    };
    let question = counterexample
        .and_then(|i| c.counterexamples.get(i))
        .and_then(|p| c.questions.get(p.question));
    let same = |v: &&crate::optimality::certificate::StoredVersion| {
        place.less.as_ref() == Some(&v.assignment)
    };
    let told = |v: &crate::optimality::certificate::StoredVersion| {
        let how = if v.guided { ", guided" } else { "" };
        let what = match &v.ended {
            Ended::Proved => "proved".to_owned(),
            Ended::Refuted(i) => format!("refuted by point {i}"),
            Ended::Unknown(reason) => format!("set aside: {reason}"),
        };
        format!("v{}{how}: {what}", v.version)
    };
    BitRow {
        cost: place.less.as_ref().map(|a| space.cost(a)),
        versions: c.versions.iter().filter(same).map(told).collect(),
        name: place.name,
        what: place.what,
        bits: place.bits,
        outcome,
        counterexample,
        region: question.map(|q| q.region.clone()),
        requirement: question.map(|q| q.requirement.to_string()),
    }
}
