//! Formats beside the ranges of what they hold, and bits per layer.

use super::words::{self, count, span};
use crate::{Layer, Report, Span};
use serde::Serialize;

/// Units of a bar's width.
const WIDTH: f64 = 300.0;
/// The widest numbers that a bar of bits shows.
const MOST_BITS: f64 = 32.0;

/// The layers with weights.
#[derive(Debug, Serialize)]
pub(super) struct Formats {
    pub layers: Vec<LayerView>,
    /// Type ranges occur.
    pub types: bool,
    pub cost: Option<Cost>,
}

#[derive(Debug, Serialize)]
pub(super) struct LayerView {
    pub name: String,
    pub parameters: String,
    pub tensors: Vec<Tensor>,
    pub bits: Vec<Bits>,
    pub sum: Sum,
}

/// A format and what is stored in it.
#[derive(Debug, Serialize)]
pub(super) struct Tensor {
    pub what: String,
    pub format: String,
    pub bar: Option<Bar>,
    pub lines: Vec<RangeLine>,
    /// What is known of its clamp: class and words.
    pub clamp: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Serialize)]
pub(super) struct RangeLine {
    pub name: &'static str,
    pub class: &'static str,
    pub range: String,
}

/// Places of a bar, in units of its width.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub width: f64,
    pub zero: Option<String>,
    pub parts: Vec<Part>,
    pub text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub class: &'static str,
    pub x: String,
    pub width: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Bits {
    pub what: &'static str,
    pub class: &'static str,
    pub bits: u8,
    pub width: String,
}

/// The sums of a layer, in mantissas.
#[derive(Debug, Serialize)]
pub(super) struct Sum {
    pub format: String,
    pub range: String,
    pub used: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub weights: String,
    pub biases: String,
    pub ceg4n: String,
}

pub(super) fn formats(r: &Report) -> Formats {
    Formats {
        layers: r.layers.iter().map(layer).collect(),
        types: r.layers.iter().any(|l| l.activation.types.is_some()),
        cost: r.cost.as_ref().map(|c| Cost {
            weights: count(c.weights_bits),
            biases: count(c.biases_bits),
            ceg4n: count(c.ceg4n_bits),
        }),
    }
}

fn layer(l: &Layer) -> LayerView {
    let mut tensors = vec![constant(
        "Weights",
        &l.weight.format,
        (l.weight.values, l.weight.holds),
    )];
    let mut bits = vec![bar_of_bits("weights", "weights", l.weight.bits)];
    if let Some(b) = &l.bias {
        tensors.push(constant("Biases", &b.format, (b.values, b.holds)));
        bits.push(bar_of_bits("biases", "biases", b.bits));
    }
    tensors.push(operand(l));
    if let Some(b) = l.activation.bits {
        bits.push(bar_of_bits("operand", "operand", b));
    }
    let a = &l.accumulator;
    let most = a.proved_max.unsigned_abs().max(a.proved_min.unsigned_abs());
    LayerView {
        name: l.name.clone(),
        parameters: words::of(l.weight.parameters as u64, "parameter"),
        tensors,
        bits,
        sum: Sum {
            format: a.format.clone(),
            range: format!(
                "{} … {}",
                words::integer(a.proved_min),
                words::integer(a.proved_max)
            ),
            used: words::of(u64::from(65 - most.leading_zeros()), "bit"),
        },
    }
}

fn bar_of_bits(what: &'static str, class: &'static str, bits: u8) -> Bits {
    Bits {
        what,
        class,
        bits,
        width: format!("{:.1}", WIDTH * f64::from(bits).min(MOST_BITS) / MOST_BITS),
    }
}

fn constant(what: &str, format: &str, (values, holds): (Option<Span>, Option<Span>)) -> Tensor {
    let clamp = match (values, holds) {
        (Some(v), Some(h)) if v.least < h.least || v.greatest > h.greatest => {
            Some(("clipped", "some lie outside of the format"))
        }
        _ => None,
    };
    Tensor {
        what: what.to_owned(),
        format: words::format(format),
        bar: bar(holds, None, values),
        lines: lines(holds, None, ("network", values)),
        clamp,
    }
}

fn operand(l: &Layer) -> Tensor {
    let a = &l.activation;
    // What the checker proved for any input holds on the regions too.
    let always = match (a.types, a.holds) {
        (Some(t), Some(h)) => t.least >= h.least && t.greatest <= h.greatest,
        _ => false,
    };
    let clamp = match a.clamp_inactive {
        _ if always => Some(("held", "proved: never clamped, for any input")),
        Some(true) => Some(("held", "proved: never clamped on the regions")),
        Some(false) => Some(("clipped", "clamping on the regions is not excluded")),
        None => None,
    };
    Tensor {
        what: match &a.value {
            Some(v) => format!("Operand %{v}"),
            None => "Operand".to_owned(),
        },
        format: match a.format.as_str() {
            "acc" => "exact sum".to_owned(),
            other => other.to_owned(),
        },
        bar: bar(a.holds, a.types, a.regions),
        lines: lines(a.holds, a.types, ("regions", a.regions)),
        clamp,
    }
}

fn lines(
    holds: Option<Span>,
    types: Option<Span>,
    (name, values): (&'static str, Option<Span>),
) -> Vec<RangeLine> {
    let all = [
        ("format holds", "holds", holds),
        (name, "values", values),
        ("any input", "types", types),
    ];
    let line = |(name, class, s): (&'static str, &'static str, Option<Span>)| {
        Some(RangeLine {
            name,
            class,
            range: span(s?),
        })
    };
    all.into_iter().filter_map(line).collect()
}

/// What the format holds as a track, what is stored in it as a bar, type ranges as a line; a range
/// that goes far beyond the format is cut.
fn bar(holds: Option<Span>, types: Option<Span>, values: Option<Span>) -> Option<Bar> {
    let holds = holds?;
    let room = (holds.greatest - holds.least) * 0.6;
    let (floor, ceiling) = (holds.least - room, holds.greatest + room);
    let all = [Some(holds), types, values];
    let ends = || all.iter().flatten();
    let lo = ends()
        .map(|s| s.least)
        .fold(holds.least, f64::min)
        .max(floor);
    let hi = ends()
        .map(|s| s.greatest)
        .fold(holds.greatest, f64::max)
        .min(ceiling);
    // An invisible rest keeps ends from the bar's own ends.
    let (lo, hi) = (lo - (hi - lo) * 0.02, hi + (hi - lo) * 0.02);
    if hi <= lo {
        return None;
    }
    let at = |v: f64| WIDTH * (v.clamp(lo, hi) - lo) / (hi - lo);
    let part = |class: &'static str, s: Span| Part {
        class,
        x: format!("{:.1}", at(s.least)),
        width: format!("{:.1}", (at(s.greatest) - at(s.least)).max(1.5)),
    };
    let mut parts = vec![part("holds", holds)];
    parts.extend(types.map(|s| part("types", s)));
    parts.extend(values.map(|s| part("values", s)));
    let mut text = format!("The format holds {}", span(holds));
    if let Some(s) = values {
        text.push_str(&format!("; what is stored in it: {}", span(s)));
    }
    if let Some(s) = types {
        text.push_str(&format!("; for any input: {}", span(s)));
    }
    Some(Bar {
        width: WIDTH,
        zero: (lo < 0.0 && hi > 0.0).then(|| format!("{:.1}", at(0.0))),
        parts,
        text,
    })
}
