//! Convolutions and pools: loops over windows, and the taps of each, along the last axis as
//! iterators.

use super::walk::Walk;
use super::{Printer, along, borrowed, cast, factor};
use crate::elem::Elem;
use crate::plan::{Axis, Taps, Windows};
use crate::text::{Code, grouped};

impl Printer<'_> {
    pub(super) fn windows(&self, code: &mut Code, w: &Windows) {
        let mut walk = Walk::new(self.stage.inner);
        // Padding alone, in every window.
        let empty = w.axes.iter().any(Axis::is_empty);
        if let Taps::Products { weight, bias } = w.taps {
            let rows = format!("{}.chunks_exact({})", self.table(weight), w.filter_len());
            if !empty && w.bits.is_none() {
                walk.blocks_of("w", rows);
            }
            if let Some(b) = bias {
                walk.blocks_of("b", format!("&{}", self.table(b)));
            }
        }
        let group = w.depth * w.plane;
        if !empty && !w.is_whole() && w.share == 1 {
            walk.blocks_of("x", format!("x.chunks_exact({group})"));
        }
        self.walk_steps(&mut walk);
        // Groups that filters share, and packed weights, are found by the filter's number.
        let shared = !w.is_whole() && w.share > 1;
        let counted = !empty && (shared || w.bits.is_some());
        walk.open_outer(code, counted.then_some("c"));
        if !empty && shared {
            let by = if group == 1 {
                String::new()
            } else {
                format!(" * {group}")
            };
            code.line(format!("let x = &x[c / {}{by}..];", w.share));
        }
        if empty {
            walk.open_within(code, None);
            let bias = match w.taps {
                Taps::Products { bias, .. } => bias,
                Taps::Max { .. } | Taps::Sum => None,
            };
            code.line(self.first(bias, "let acc"));
        } else {
            self.open_windows(code, &walk, w);
            self.taps(code, w);
        }
        self.steps(code);
        code.close(walk.blocks());
    }

    /// The loop over windows, and the taps of each.
    fn open_windows(&self, code: &mut Code, walk: &Walk, w: &Windows) {
        let [rows, columns] = &w.axes;
        match (rows.out, columns.out) {
            (1, 1) => walk.open_within(code, None),
            (1, _) => walk.open_within(code, Some("ox")),
            (_, 1) => walk.open_within(code, Some("oy")),
            (_, n) => {
                walk.open_within(code, Some("p"));
                code.line(format!("let (oy, ox) = (p / {n}, p % {n});"));
            }
        }
        bounds(code, rows, "oy", "u");
        bounds(code, columns, "ox", "v");
    }

    /// The accumulator of one window over its taps.
    fn taps(&self, code: &mut Code, w: &Windows) {
        match w.taps {
            Taps::Products { bias, .. } => self.start(code, bias),
            Taps::Max { least } => {
                let word = self.stage.word.rust();
                code.line(format!("let mut acc: {word} = {};", grouped(least)));
            }
            Taps::Sum => self.start(code, None),
        }
        let mut loops = tap_loops(w);
        let inner = loops.pop().filter(|l| l.hits);
        if inner.is_none() {
            loops = tap_loops(w);
        }
        for l in &loops {
            code.open(format!("for {} in {}..{} {{", l.name, l.low, l.high));
        }
        match inner {
            Some(l) => self.tap_iterator(code, w, &l),
            None => {
                let weight = self.weight_at(w, ["k", "u", "v"]);
                self.tap(code, w, &weight, &self.at(0, &w.operand_index()));
            }
        }
        code.close(loops.len());
    }

    /// The weight of a tap, by the names of its channel, row and column; empty for pools.
    fn weight_at(&self, w: &Windows, names: [&str; 3]) -> String {
        let Taps::Products { weight, .. } = w.taps else {
            return String::new();
        };
        let index = w.weight_index_of(names);
        match w.bits {
            None => format!("w[{index}]"),
            Some(bits) => {
                let (table, len) = (self.table(weight), w.filter_len());
                let len = if len == 1 {
                    String::new()
                } else {
                    format!(" * {len}")
                };
                let index = if index == "0" {
                    index
                } else {
                    format!(" + {index}")
                };
                let index = index.trim_start_matches('0');
                format!("packed::<{bits}>(&{table}, c{len}{index})")
            }
        }
    }

    /// The taps along one axis, as iterators.
    fn tap_iterator(&self, code: &mut Code, w: &Windows, l: &TapLoop) {
        let first = ["k", "u", "v"].map(|n| if n == l.name { &l.low[..] } else { n });
        let x = along("x", &w.operand_index_of(first), l.x_step, &l.count);
        let mut weight = "*w".to_owned();
        if let (Taps::Products { .. }, Some(_)) = (w.taps, w.bits) {
            let own = match l.low.as_str() {
                "0" => l.name.to_owned(),
                low => format!("{low} + {}", l.name),
            };
            let names = ["k", "u", "v"].map(|n| if n == l.name { &own[..] } else { n });
            weight = self.weight_at(w, names);
            code.open(format!("for ({}, x) in {x}.enumerate() {{", l.name));
        } else if let Taps::Products { .. } = w.taps {
            let weights = along("w", &w.weight_index_of(first), l.w_step, &l.count);
            let x = borrowed(&x, "&");
            code.open(format!("for (w, x) in {weights}.zip({x}) {{"));
        } else {
            code.open(format!("for x in {} {{", borrowed(&x, "&")));
        }
        self.tap(code, w, &weight, &self.entry(0, "x"));
        code.close(1);
    }

    /// One tap: its weight, where there is one, and its operand.
    fn tap(&self, code: &mut Code, w: &Windows, weight: &str, x: &str) {
        let (from, word) = (self.stage.reads[0].ty, self.stage.word);
        code.line(match w.taps {
            Taps::Products { weight: table, .. } => {
                let ty = w.bits.map_or(self.plan.tables[table].ty, |_| Elem::I32);
                let weight = factor(weight, ty, word);
                format!("acc += {weight} * {};", factor(x, from, word))
            }
            Taps::Max { .. } => format!("acc = acc.max({});", cast(x, from, word)),
            Taps::Sum => format!("acc += {};", cast(x, from, word)),
        });
    }
}

/// A loop over the taps of a window: over channels, rows or columns.
struct TapLoop {
    name: &'static str,
    low: String,
    high: String,
    /// How many taps, as an expression.
    count: String,
    /// Steps in operand and weights.
    x_step: usize,
    w_step: usize,
    /// Every window has a tap along it.
    hits: bool,
}

/// The loops that a window's taps need, outermost first.
fn tap_loops(w: &Windows) -> Vec<TapLoop> {
    let [rows, columns] = &w.axes;
    let mut all = Vec::new();
    if w.depth > 1 {
        all.push(TapLoop {
            name: "k",
            low: "0".to_owned(),
            high: w.depth.to_string(),
            count: w.depth.to_string(),
            x_step: w.plane,
            w_step: rows.kernel * columns.kernel,
            hits: true,
        });
    }
    for (axis, name, across) in [(rows, "u", w.width), (columns, "v", 1)] {
        if axis.is_point() {
            continue;
        }
        let bound =
            |b: Option<usize>, end: &str| b.map_or(format!("{name}{end}"), |n| n.to_string());
        let (low, high) = (bound(axis.low, "0"), bound(axis.high, "1"));
        let count = match (axis.low, axis.high) {
            (Some(low), Some(high)) => high.saturating_sub(low).to_string(),
            (Some(0), None) => high.clone(),
            (_, _) => format!("{high} - {low}"),
        };
        all.push(TapLoop {
            name,
            low,
            high,
            count,
            x_step: axis.dilation * across,
            w_step: if name == "u" { columns.kernel } else { 1 },
            hits: axis.always_hits(),
        });
    }
    all
}

/// Declares the bounds of an axis that differ from window to window.
fn bounds(code: &mut Code, axis: &Axis, o: &str, t: &str) {
    let origin = axis.origin(o);
    let taps = |to: usize| {
        let beyond = format!("{to}_usize.saturating_sub({origin})");
        match axis.dilation {
            1 => beyond,
            d => format!("{beyond}.div_ceil({d})"),
        }
    };
    if axis.low.is_none() {
        code.line(format!("let {t}0 = {};", taps(axis.pad)));
    }
    if axis.high.is_none() {
        let (kernel, inside) = (axis.kernel, taps(axis.reach()));
        code.line(format!("let {t}1 = {inside}.min({kernel});"));
    }
}
