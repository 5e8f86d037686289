//! Which clamps of a kernel can never act on given regions: a statement for the report.
//!
//! Nothing may be left out of the emitted code because of it: regions choose formats, type ranges
//! alone decide what code may rely on.

use crate::ranges::parts;
use ceg4n_base::Exact;
use ceg4n_ir::{Format, Kernel, KernelOp, Region, ValueId};
use ceg4n_verify::bounds::backward::bounds;
use ceg4n_verify::bounds::graph::{From, Graph, Op, unit};
use ceg4n_verify::bounds::split::Splits;
use ceg4n_verify::float::Bound;
use num_traits::ToPrimitive;

/// One stored tensor and what reaches its clamp on the regions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    /// The IR value that is stored.
    pub value: ValueId,
    /// Its format.
    pub format: Format,
    /// Encloses every element before the clamp, rounded to the format's scale, in real units, over
    /// all points of the regions.
    pub region: Bound,
    /// Least and greatest value of the format.
    pub range: Bound,
    /// True if the clamp is proved to change nothing on any point of the regions.
    pub inactive: bool,
}

/// The clamp of the input and, in a chain of dense layers, of every requantization of `kernel`, in
/// order, on the regions; a
/// relu that the clamp does (zero is the least value) is part of the clamp. Sound for every point
/// of the boxes, hence for those of a grid; without a region every clamp is inactive.
pub fn clamps(kernel: &Kernel, regions: &[Region]) -> Vec<Clamp> {
    let mut out = vec![input_clamp(kernel, regions)];
    let Some(stored) = stored(kernel) else {
        out.iter_mut().for_each(Clamp::judge);
        return out;
    };
    out.extend(stored);
    let graph = Graph::kernel(kernel, From::Mantissas);
    // A chain: its requantizations are the graph's clamps, in order.
    let clamped = |i: &usize| matches!(graph.nodes[*i].op, Op::Clamp { .. });
    let at: Vec<usize> = (0..graph.nodes.len()).filter(clamped).collect();
    debug_assert_eq!(at.len() + 1, out.len(), "one clamp for each requantization");
    for region in regions {
        let input: Vec<Bound> = (region.lower.iter().zip(&region.upper))
            .map(|(l, u)| {
                let format = kernel.input_format;
                // At most 32 bits times a power of two: exact.
                let end = |v: &Exact| format.quantize(v) as f64 * unit(format.frac());
                Bound::new(end(l), end(u))
            })
            .collect();
        for part in parts(&graph, input) {
            let found = bounds(&graph, &part, &Splits::default());
            for (k, clamp) in out[1..].iter_mut().enumerate() {
                match (&found, at.get(k)) {
                    (Some(b), Some(i)) => b.nodes[i - 1].iter().for_each(|b| clamp.see(*b)),
                    // Values are whole multiples of their scales: in this part there is none, since
                    // no input that the format holds lies in it. Others hold those of the box.
                    (None, _) => {}
                    (Some(_), None) => {
                        clamp.see(Bound::new(f64::NEG_INFINITY, f64::INFINITY));
                    }
                }
            }
        }
    }
    out.iter_mut().for_each(Clamp::judge);
    out
}

/// The requantizations that lead to the output, in order; `None` for a kernel that is no chain of
/// dense layers.
fn stored(kernel: &Kernel) -> Option<Vec<Clamp>> {
    let mut found = Vec::new();
    let mut at = kernel.output;
    loop {
        at = match &kernel.nodes[at].op {
            KernelOp::Input { .. } => break,
            KernelOp::Requantize { x, format, .. } => {
                found.push(start(kernel.nodes[at].value, *format));
                *x
            }
            KernelOp::Dense { x, .. }
            | KernelOp::AddConst { x, .. }
            | KernelOp::Relu { x }
            | KernelOp::Align { x, .. }
            | KernelOp::Move { x } => *x,
            KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. } => return None,
        };
    }
    found.reverse();
    Some(found)
}

/// Before a region was seen.
fn start(value: ValueId, format: Format) -> Clamp {
    let u = unit(format.frac());
    Clamp {
        value,
        format,
        region: Bound::new(f64::INFINITY, f64::NEG_INFINITY),
        range: Bound::new(format.min() as f64 * u, format.max() as f64 * u),
        inactive: false,
    }
}

/// The input's clamp, from the exact ends of the boxes.
fn input_clamp(kernel: &Kernel, regions: &[Region]) -> Clamp {
    let format = kernel.input_format;
    let mut clamp = start(kernel.nodes[kernel.input].value, format);
    for v in regions.iter().flat_map(|r| r.lower.iter().chain(&r.upper)) {
        let m = (&v.shifted(i64::from(format.frac())) + &Exact::dyadic(1, -1)).floor();
        let seen = match m.to_i64().filter(|m| m.unsigned_abs() <= 1 << 52) {
            Some(m) => m as f64 * unit(format.frac()),
            None if v.signum() < 0 => f64::NEG_INFINITY,
            None => f64::INFINITY,
        };
        clamp.see(Bound::new(seen, seen));
    }
    clamp
}

impl Clamp {
    fn see(&mut self, b: Bound) {
        // An undefined end is no bound.
        let (lo, hi) = (
            if b.lo.is_nan() {
                f64::NEG_INFINITY
            } else {
                b.lo
            },
            if b.hi.is_nan() { f64::INFINITY } else { b.hi },
        );
        self.region = Bound::new(self.region.lo.min(lo), self.region.hi.max(hi));
    }

    fn judge(&mut self) {
        self.inactive = self.region.lo >= self.range.lo && self.region.hi <= self.range.hi;
    }
}
