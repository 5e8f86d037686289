//! How large the reference's values get on the regions and on data: what formats are chosen from.
//!
//! These are region ranges: they may choose formats and nothing else.

use crate::calibration::Calibration;
use ceg4n_base::entity::EntityRef;
use ceg4n_ir::{Domain, Format, NodeId, RealOp};
use ceg4n_ir::{RealProgram, Region, ValueId};
use ceg4n_verify::attack;
use ceg4n_verify::bounds::backward::{Backward, Rows, bounds};
use ceg4n_verify::bounds::graph::{Graph, Op};
use ceg4n_verify::bounds::interval;
use ceg4n_verify::bounds::split::Splits;
use ceg4n_verify::float::Bound;
use ceg4n_verify::reference::{Reference, hull};
use ceg4n_verify::space::Space;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Room above the largest sampled value.
const HEADROOM: f64 = 1.25;
/// Room above sound bounds: the kernel's weights, rounded, lead a little further.
const SOUND_HEADROOM: f64 = 1.0625;
/// Sound bounds that are so many times the range that samples ask for cost more precision (one
/// bit) than they are worth.
const LOOSEST: f64 = 2.0;
/// Boxes of so many inputs are divided,
const FEW_INPUTS: usize = 8;
/// into so many parts.
const PARTS: usize = 16;
/// Random points per region,
const SAMPLES: u64 = 64;
/// fewer where these would take more multiplications than this in all,
const MOST_MULTIPLICATIONS: usize = 1 << 30;
/// but no fewer than these.
const LEAST_SAMPLES: u64 = 8;

/// Whether an activation's format may be smaller than its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clipping {
    /// Ranges hold sound bounds on the regions, with headroom for the kernel's own errors, unless
    /// those bounds would cost more than a bit.
    #[default]
    Never,
    /// Ranges are the smaller of interval bounds and samples with headroom.
    Allowed,
}

/// What ranges are taken from, besides the regions.
#[derive(Clone, Debug, Default)]
pub struct RangeOptions {
    /// Whether values may be clamped.
    pub clipping: Clipping,
    /// Samples whose values are to fit as well.
    pub data: Option<Arc<Calibration>>,
}

impl std::fmt::Display for RangeOptions {
    /// What the name of a search space tells of activation formats.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.clipping {
            Clipping::Never => "activation formats hold sound bounds of the regions",
            Clipping::Allowed => "activation formats hold samples of the regions",
        })?;
        match &self.data {
            Some(data) => write!(f, " and {data}"),
            None => Ok(()),
        }
    }
}

/// Least and greatest value of a tensor on the regions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Least value.
    pub lo: f64,
    /// Greatest value.
    pub hi: f64,
}

impl Range {
    fn point(v: f64) -> Self {
        Self { lo: v, hi: v }
    }

    pub(crate) fn hull(self, other: Self) -> Self {
        Self {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    fn meet(self, other: Self) -> Self {
        Self {
            lo: self.lo.max(other.lo),
            hi: self.hi.min(other.hi),
        }
    }

    /// The range with so many times the room on both sides of zero.
    fn times(self, room: f64) -> Self {
        Self {
            lo: self.lo.min(0.0) * room,
            hi: self.hi.max(0.0) * room,
        }
    }

    fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }
}

type Ranges = BTreeMap<ValueId, Range>;

fn widen(map: &mut Ranges, v: ValueId, r: Range) {
    map.entry(v)
        .and_modify(|old| *old = old.hull(r))
        .or_insert(r);
}

/// The region as a space whose points alone matter, not the format.
pub(crate) fn space_of(region: &Region) -> Space {
    let format = Format::new(true, 16, 8).unwrap_or(Format::S32);
    Space::new(region, Domain::Real, format)
}

/// The range of each value of the network over all regions and samples: for `tensors` as
/// [`Clipping`] says, for others the smaller of interval bounds and samples with headroom. The
/// input's range is that of the boxes, and of the data.
pub fn ranges(
    reference: &Reference,
    program: &RealProgram,
    regions: &[Region],
    tensors: &[ValueId],
    options: &RangeOptions,
) -> BTreeMap<ValueId, Range> {
    let input = program.nodes[program.input].value;
    let seen = sampled(reference, program, regions);
    let interval = intervals(program, regions);
    let mut out: Ranges = interval
        .iter()
        .map(|(v, sound)| match seen.get(v) {
            Some(s) if v.index() != input.index() => (*v, sound.meet(s.times(HEADROOM))),
            _ => (*v, *sound),
        })
        .collect();
    if let (Clipping::Never, Some(chain)) = (options.clipping, chain(program)) {
        for (v, sound) in sound(program, &chain, regions, &seen) {
            let (Some(range), Some(seen)) = (out.get_mut(&v), seen.get(&v)) else {
                continue;
            };
            let wide = sound.times(SOUND_HEADROOM);
            let most = LOOSEST * HEADROOM * seen.magnitude();
            if v.index() != input.index() && tensors.contains(&v) && wide.magnitude() <= most {
                *range = wide;
            }
        }
    }
    if let Some(data) = options
        .data
        .as_ref()
        .filter(|d| d.features() == reference.input_len())
    {
        for x in data.inputs().chunks_exact(data.features()) {
            let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
            widen_at(&mut out, reference, program, &x);
        }
    }
    out
}

/// Interval bounds over all regions.
fn intervals(program: &RealProgram, regions: &[Region]) -> Ranges {
    let mut sound = Ranges::new();
    for region in regions {
        let forward = interval::forward(program, &hull(&region.lower, &region.upper));
        for (id, node) in program.nodes.iter() {
            for b in &forward.nodes[id] {
                widen(&mut sound, node.value, Range { lo: b.lo, hi: b.hi });
            }
        }
    }
    sound
}

/// Values at points of the regions.
fn sampled(reference: &Reference, program: &RealProgram, regions: &[Region]) -> Ranges {
    let mut seen = Ranges::new();
    let multiplications = |op: &RealOp| {
        if let RealOp::Dense { rows, cols, .. } = op {
            return rows * cols;
        }
        let RealOp::Conv { conv, .. } = op else {
            return 0;
        };
        conv.macs()
    };
    let each: usize = program.nodes.values().map(|n| multiplications(&n.op)).sum();
    let affordable = (MOST_MULTIPLICATIONS / each.max(1)) as u64;
    let samples = affordable.clamp(LEAST_SAMPLES, SAMPLES);
    for region in regions {
        for x in attack::seeds(&space_of(region), &region.center(), samples) {
            widen_at(&mut seen, reference, program, &x);
        }
    }
    seen
}

fn widen_at(map: &mut Ranges, reference: &Reference, program: &RealProgram, x: &[f64]) {
    for (node, values) in program.nodes.values().zip(reference.approximate_all(x)) {
        for v in values {
            widen(map, node.value, Range::point(v));
        }
    }
}

/// Sound ranges over all regions of the values that lead to the output. Elements that stay within
/// what was seen of their tensor have interval bounds, the others backward bounds.
fn sound(
    program: &RealProgram,
    nodes: &[Vec<ValueId>],
    regions: &[Region],
    seen: &Ranges,
) -> Ranges {
    let graph = Graph::real(program, false);
    let mut out = Ranges::new();
    for region in regions {
        for x in parts(&graph, hull(&region.lower, &region.upper)) {
            sound_on(&graph, nodes, &x, seen, &mut out);
        }
    }
    out
}

/// The ranges on one box join those in `out`.
fn sound_on(graph: &Graph, ids: &[Vec<ValueId>], x: &[Bound], seen: &Ranges, out: &mut Ranges) {
    let splits = Splits::default();
    let Some(mut bounds) = bounds(graph, x, &splits) else {
        return;
    };
    for (i, ids) in ids.iter().enumerate().take(graph.nodes.len()) {
        if matches!(graph.nodes[i].op, Op::Relu) {
            bounds.nodes[i] = bounds.nodes[i - 1].iter().map(|b| b.relu()).collect();
        } else if i > 0 {
            let known = ids.iter().filter_map(|v| seen.get(v)).copied();
            let known = known.reduce(Range::hull).unwrap_or(Range::point(0.0));
            // What only a relu reads is of interest where it is positive.
            let positive = matches!(graph.nodes.get(i + 1).map(|n| &n.op), Some(Op::Relu));
            let beyond = |b: &Bound| b.hi > known.hi || (!positive && b.lo < known.lo);
            let len = graph.nodes[i].len;
            let open: Vec<usize> = (0..len).filter(|j| beyond(&bounds.nodes[i][*j])).collect();
            let pass = Backward {
                graph,
                bounds: &bounds,
                splits: &splits,
                guide: None,
            };
            let lower = pass.lower(i, Rows::units(&open, len));
            for (r, j) in open.iter().enumerate() {
                let tight = Bound::new(lower[2 * r], -lower[2 * r + 1]);
                bounds.nodes[i][*j] = bounds.nodes[i][*j].meet(tight);
            }
        }
        for b in &bounds.nodes[i] {
            for v in ids {
                widen(out, *v, Range { lo: b.lo, hi: b.hi });
            }
        }
    }
}

/// Parts that cover a box: itself, or [`PARTS`] of a box of few inputs, where bounds are much
/// tighter on parts. Each is halved where the first layer, or what comes before it, sees most.
pub(crate) fn parts(graph: &Graph, x: Vec<Bound>) -> Vec<Vec<Bound>> {
    let mut parts = vec![x];
    if graph.input_len() > FEW_INPUTS {
        return parts;
    }
    let linear = graph.nodes.iter().find_map(|n| match &n.op {
        Op::Linear(l) => Some(l.clone()),
        Op::Input
        | Op::Scale { .. }
        | Op::Shift(_)
        | Op::Relu
        | Op::Round(_)
        | Op::Clamp { .. }
        | Op::Curve(_)
        | Op::Float32 { .. } => None,
    });
    let Some(linear) = linear.filter(|l| l.cols == graph.input_len()) else {
        return parts;
    };
    let mut columns = vec![0.0; linear.cols];
    for j in 0..linear.rows {
        linear.each(j, |k, w| columns[k] += w.abs());
    }
    while parts.len() < PARTS {
        // All parts have the same widths, up to a rounding.
        let first = &parts[0];
        let size = |k: &usize| first[*k].width() * columns[*k];
        let widest = (0..columns.len()).max_by(|a, b| size(a).total_cmp(&size(b)));
        let Some(k) = widest.filter(|k| size(k) > 0.0 && size(k).is_finite()) else {
            break;
        };
        let halves = |x: Vec<Bound>| {
            let middle = x[k].lo + x[k].width() / 2.0;
            let (mut below, mut above) = (x.clone(), x);
            below[k].hi = middle;
            above[k].lo = middle;
            [below, above]
        };
        parts = parts.into_iter().flat_map(halves).collect();
    }
    parts
}

/// The IR values of each node of [`Graph::real`]: moves have the values of what they move. `None`
/// unless the program is a chain of dense layers and relus, whose graph has its nodes.
fn chain(program: &RealProgram) -> Option<Vec<Vec<ValueId>>> {
    let mut chain: Vec<NodeId> = vec![program.output];
    while let Some(x) = program.nodes[chain[chain.len() - 1]].op.operands().first() {
        chain.push(*x);
    }
    let mut nodes: Vec<Vec<ValueId>> = Vec::new();
    for id in chain.into_iter().rev() {
        let node = &program.nodes[id];
        match (&node.op, nodes.last_mut()) {
            (RealOp::Move { .. }, Some(last)) => last.push(node.value),
            (
                RealOp::Input
                | RealOp::Dense { .. }
                | RealOp::AddConst { .. }
                | RealOp::DivConst { .. }
                | RealOp::Relu { .. }
                | RealOp::Move { .. },
                _,
            ) => nodes.push(vec![node.value]),
            (
                RealOp::Conv { .. }
                | RealOp::MaxPool { .. }
                | RealOp::SumPool { .. }
                | RealOp::MulConst { .. }
                | RealOp::Sum { .. }
                | RealOp::Concat { .. }
                | RealOp::Gather { .. }
                | RealOp::Clip { .. }
                | RealOp::LeakyRelu { .. }
                | RealOp::Unary { .. }
                | RealOp::Curve { .. }
                | RealOp::Snap { .. },
                _,
            ) => return None,
        }
    }
    Some(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ceg4n_verify::bounds::graph::Node;
    use ceg4n_verify::bounds::linear::{Constant, Linear};

    /// One dense layer with these weights.
    fn graph(weight: Vec<f64>, cols: usize) -> Graph {
        let rows = weight.len() / cols;
        let bias = Constant {
            value: vec![0.0; rows],
            error: vec![0.0; rows],
        };
        let linear = Linear::dense(weight.into(), bias, cols);
        Graph {
            nodes: vec![
                Node::new(Op::Input, cols),
                Node::new(Op::Linear(Arc::new(linear)), rows),
            ],
        }
    }

    #[test]
    fn parts_cover_the_box_and_halve_what_matters() {
        let x = vec![
            Bound::new(-1.0, 1.0),
            Bound::new(0.0, 3.0),
            Bound::new(2.0, 2.0),
        ];
        let g = graph(vec![1.0, 0.0, 5.0, -2.0, 0.1, 5.0], 3);
        let parts = parts(&g, x.clone());
        assert_eq!(parts.len(), PARTS);
        for i in 0..=64 {
            for k in 0..=8 {
                let point = [f64::from(i) / 32.0 - 1.0, f64::from(k) * 0.375, 2.0];
                let holds =
                    |p: &Vec<Bound>| p.iter().zip(point).all(|(b, v)| b.lo <= v && v <= b.hi);
                assert!(parts.iter().any(holds), "{point:?}");
            }
        }
        // The second input hardly counts, the third is a point.
        assert!(
            parts
                .iter()
                .all(|p| p[0].width() == 0.125 && p[1] == x[1] && p[2] == x[2])
        );
    }

    #[test]
    fn boxes_of_many_inputs_or_of_one_point_stay_whole() {
        let many = FEW_INPUTS + 1;
        let x = vec![Bound::new(0.0, 1.0); many];
        assert_eq!(parts(&graph(vec![1.0; many], many), x.clone()), [x]);
        let point = vec![Bound::new(0.5, 0.5)];
        assert_eq!(parts(&graph(vec![1.0], 1), point.clone()), [point]);
        let open = vec![Bound::new(f64::NEG_INFINITY, 0.5)];
        assert_eq!(parts(&graph(vec![1.0], 1), open.clone()), [open]);
    }
}
