//! A counterexample, followed from value to value until network and kernel part.

use super::words::{count, exact, of, real};
use crate::{Cause, Divergence, LayerRow, Report};
use ceg4n_base::Exact;
use serde::Serialize;

/// Points of so many inputs are written out.
const MOST_INPUTS: usize = 32;
/// Outputs that are written out.
const MOST_OUTPUTS: usize = 64;
/// Units of the width of a bar.
const WIDTH: f64 = 100.0;

#[derive(Debug, Serialize)]
pub(super) struct Trace {
    pub sentences: Vec<String>,
    pub inputs: Vec<Input>,
    /// How many inputs there are, where they are not written out.
    pub many_inputs: Option<String>,
    pub outputs: Vec<Output>,
    pub layers: Vec<Layer>,
    /// Why there are no layers.
    pub untraced: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Input {
    pub place: usize,
    pub value: String,
    pub exact: String,
    pub interval: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Output {
    pub place: usize,
    pub reference: String,
    pub kernel: String,
    pub of_reference: bool,
    pub of_kernel: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Layer {
    pub name: String,
    pub format: String,
    pub element: usize,
    pub reference: String,
    pub kernel: String,
    pub difference: String,
    /// The difference in per cent of the range of the network's values.
    pub relative: String,
    pub parts: Vec<Part>,
    pub parts_text: String,
    pub cause: &'static str,
    pub clamped: Option<String>,
    pub slack: String,
    pub first: bool,
    pub lost: bool,
    pub broken: bool,
}

/// A part of a bar.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub class: &'static str,
    pub x: String,
    pub width: String,
}

pub(super) fn trace(r: &Report) -> Option<Trace> {
    let d = r.divergence.as_ref()?;
    let region = r.regions.iter().find(|x| x.id == d.region);
    let interval = |i: usize| {
        let (lo, hi) = (region?.lower.get(i)?, region?.upper.get(i)?);
        Some(format!("{} … {}", exact(lo), exact(hi)))
    };
    let few = d.x.len() <= MOST_INPUTS;
    let input = |(place, v): (usize, &Exact)| Input {
        place,
        value: exact(v),
        exact: v.to_string(),
        interval: interval(place),
    };
    let pairs = d.reference.iter().zip(&d.kernel).take(MOST_OUTPUTS);
    let output = |(place, (n, k)): (usize, (&Exact, &Exact))| Output {
        place,
        reference: exact(n),
        kernel: exact(k),
        of_reference: d.reference_class == Some(place),
        of_kernel: d.kernel_class == Some(place),
    };
    Some(Trace {
        sentences: sentences(r, d),
        inputs: match few {
            true => d.x.iter().enumerate().map(input).collect(),
            false => Vec::new(),
        },
        many_inputs: (!few).then(|| count(d.x.len() as u64)),
        outputs: pairs.enumerate().map(output).collect(),
        layers: d.layers.iter().map(|l| layer(l, d)).collect(),
        untraced: d.layers.is_empty(),
    })
}

fn sentences(r: &Report, d: &Divergence) -> Vec<String> {
    let versions = r.loop_.iter().flat_map(|l| &l.versions);
    let cost = versions
        .filter(|v| v.version == d.version)
        .map(|v| format!(", of cost {},", count(v.cost)))
        .next()
        .unwrap_or_default();
    let what = match (d.counterexample, d.ended == Some(d.version)) {
        (Some(i), true) => format!("was ended by stored point {i}"),
        (Some(i), false) => format!("on stored point {i}"),
        (None, _) => "is refuted by a point".to_owned(),
    };
    let mut out = vec![format!(
        "Version v{}{cost} {what} in region {}, where {} is asked.",
        d.version, d.region, d.requirement
    )];
    match (d.reference_class, d.kernel_class) {
        (Some(n), Some(k)) if n != k => out.push(format!(
            "There the network gives class {n} and the kernel class {k}."
        )),
        (Some(n), Some(_)) => out.push(format!("Both give class {n} there.")),
        _ => {}
    }
    if let Some(first) = &d.first {
        let lost = match &d.lost_at {
            Some(l) if d.broken => {
                format!("; from %{l} on not even exact arithmetic saves the requirement")
            }
            Some(_) | None => String::new(),
        };
        out.push(format!("They part at %{first}{lost}."));
    }
    out
}

fn layer(l: &LayerRow, d: &Divergence) -> Layer {
    let named = [
        ("inherited", &l.inherited),
        ("constants", &l.constants),
        ("rounding", &l.rounding),
        ("clamping", &l.clamping),
    ];
    let sizes: Vec<f64> = named.iter().map(|(_, v)| v.to_f64().abs()).collect();
    let sum: f64 = sizes.iter().sum();
    let mut parts = Vec::new();
    let mut x = 0.0;
    for ((class, _), size) in named.iter().zip(&sizes) {
        if sum > 0.0 && *size > 0.0 {
            let width = WIDTH * size / sum;
            parts.push(Part {
                class,
                x: format!("{x:.1}"),
                width: format!("{width:.1}"),
            });
            x += width;
        }
    }
    let texts: Vec<String> = named
        .iter()
        .filter(|(_, v)| !v.is_zero())
        .map(|(name, v)| format!("{name} {}", real(v.to_f64(), 3)))
        .collect();
    Layer {
        name: l.name.clone(),
        format: l.format.clone().unwrap_or_else(|| "exact sum".to_owned()),
        element: l.element,
        reference: exact(&l.reference),
        kernel: exact(&l.kernel),
        difference: real(l.difference.to_f64(), 4),
        relative: match l.difference.is_zero() {
            true => "0".to_owned(),
            false => real(l.relative * 100.0, 3),
        },
        parts,
        parts_text: texts.join(", "),
        cause: match l.cause {
            Cause::None => "none",
            Cause::Inherited => "inherited",
            Cause::Constants => "constants",
            Cause::Rounding => "rounding",
            Cause::Clamping => "clamping",
        },
        clamped: (l.clamped > 0).then(|| of(l.clamped as u64, "element")),
        slack: l
            .slack
            .as_ref()
            .map_or("–".to_owned(), |s| real(s.to_f64(), 4)),
        first: d.first.as_ref() == Some(&l.name),
        lost: d.broken && d.lost_at.as_ref() == Some(&l.name),
        broken: l.broken,
    }
}
