//! ACSL contracts of the header's functions: what they may be called with, what they write, and
//! the ranges that the type ranges prove. Frama-C checks them against the code.

use crate::elem::hull;
use crate::plan::Plan;
use crate::text::line;
use ceg4n_ir::Interval;
use std::fmt::Write;

/// More outputs than this get one range for all.
const ELEMENTWISE: usize = 64;

/// Contracts by function; empty where none are asked for.
#[derive(Default)]
pub(super) struct Contracts {
    pub(super) infer: String,
    pub(super) argmax: String,
    pub(super) quantize: String,
    pub(super) dequantize: String,
}

impl Contracts {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        let (n, m) = (plan.kernel.input_len(), plan.kernel.output_len());
        let (x, y) = (&cells("in", n), &cells("out", m));
        let input = plan.kernel.input_format;
        let (lo, hi) = plan.input.range();
        let infer = [
            reads(x),
            writes(y),
            "requires \\valid(scratch);".to_owned(),
            format!("requires \\separated({x}, {y}, scratch);"),
            format!("requires {}", all("in", n, lo, hi)),
            format!(
                "assigns {}, *scratch \\from {};",
                range("out", m),
                range("in", n)
            ),
            format!("ensures \\initialized({y});"),
        ];
        let outputs = &plan.kernel.nodes[plan.kernel.output].range;
        let infer = infer.into_iter().chain(outputs_lie(outputs, m));
        let argmax = [
            reads(y),
            format!("assigns \\result \\from {};", range("out", m)),
            format!("ensures \\result < {m};"),
        ];
        let convert = |from: &str, to: &str, n: usize, ensures: Option<String>| {
            let (a, b) = (cells(from, n), cells(to, n));
            let lines = [
                reads(&a),
                writes(&b),
                format!("requires \\separated({a}, {b});"),
                format!("assigns {} \\from {};", range(to, n), range(from, n)),
                format!("ensures \\initialized({b});"),
            ];
            contract(lines.into_iter().chain(ensures))
        };
        let quantized = format!("ensures {}", all("in", n, input.min(), input.max()));
        Self {
            infer: contract(infer),
            argmax: contract(argmax),
            quantize: convert("x", "in", n, Some(quantized)),
            dequantize: convert("out", "y", m, None),
        }
    }
}

fn contract(lines: impl IntoIterator<Item = String>) -> String {
    let mut out = String::new();
    for (i, text) in lines.into_iter().enumerate() {
        let start = if i == 0 { "/*@ " } else { "    " };
        line!(out, "{start}{text}");
    }
    line!(out, "*/");
    out
}

/// The addresses of all elements.
fn cells(array: &str, n: usize) -> String {
    format!("{array} + (0 .. {})", n.saturating_sub(1))
}

/// All elements.
fn range(array: &str, n: usize) -> String {
    format!("{array}[0 .. {}]", n.saturating_sub(1))
}

fn reads(cells: &str) -> String {
    format!("requires \\valid_read({cells}) && \\initialized({cells});")
}

fn writes(cells: &str) -> String {
    format!("requires \\valid({cells});")
}

fn all(array: &str, n: usize, lo: i64, hi: i64) -> String {
    format!("\\forall integer j; 0 <= j < {n} ==> {lo} <= {array}[j] <= {hi};")
}

/// The proved ranges of the outputs: each, or of many the one around them.
fn outputs_lie(ranges: &[Interval], n: usize) -> Vec<String> {
    let r = hull(ranges);
    let same = ranges.iter().all(|own| own.lo == r.lo && own.hi == r.hi);
    if same || n > ELEMENTWISE || ranges.len() != n {
        return vec![format!("ensures {}", all("out", n, r.lo, r.hi))];
    }
    let each = ranges.iter().enumerate();
    each.map(|(j, r)| format!("ensures {} <= out[{j}] <= {};", r.lo, r.hi))
        .collect()
}
