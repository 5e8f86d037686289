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
use std::collections::BTreeMap;
use std::sync::Arc;

/// Room above the largest sampled value.
const HEADROOM: f64 = 1.25;
/// Room above sound bounds: the kernel's weights, rounded, lead a little further.
const SOUND_HEADROOM: f64 = 1.0625;
/// Sound bounds that are so many times the range that samples ask for cost more precision (one
/// bit) than they are worth.
const LOOSEST: f64 = 2.0;
/// Random points per region.
const SAMPLES: u64 = 64;

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

/// Least and greatest value of a tensor on the regions.
#[derive(Clone, Copy, Debug, PartialEq)]
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

    fn hull(self, other: Self) -> Self {
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
    if options.clipping == Clipping::Never {
        for (v, sound) in sound(program, regions, &seen) {
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
    for region in regions {
        for x in attack::seeds(&space_of(region), &region.center(), SAMPLES) {
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
fn sound(program: &RealProgram, regions: &[Region], seen: &Ranges) -> Ranges {
    let graph = Graph::real(program, false);
    let nodes = graph_nodes(program);
    let mut out = Ranges::new();
    for region in regions {
        let x = hull(&region.lower, &region.upper);
        let splits = Splits::default();
        let Some(mut bounds) = bounds(&graph, &x, &splits) else {
            continue;
        };
        for (i, ids) in nodes.iter().enumerate().take(graph.nodes.len()) {
            let relu = matches!(graph.nodes[i].op, Op::Relu);
            if relu {
                bounds.nodes[i] = bounds.nodes[i - 1].iter().map(|b| b.relu()).collect();
            } else if i > 0 {
                // What only a relu reads is of interest where it is positive.
                let positive = matches!(graph.nodes.get(i + 1).map(|n| &n.op), Some(Op::Relu));
                let known = ids
                    .iter()
                    .filter_map(|v| seen.get(v))
                    .copied()
                    .reduce(Range::hull);
                let known = known.unwrap_or(Range::point(0.0));
                let beyond = |b: &Bound| b.hi > known.hi || (!positive && b.lo < known.lo);
                let elements: Vec<usize> = (0..graph.nodes[i].len)
                    .filter(|j| beyond(&bounds.nodes[i][*j]))
                    .collect();
                let pass = Backward {
                    graph: &graph,
                    bounds: &bounds,
                    splits: &splits,
                    guide: None,
                };
                let lower = pass.lower(i, Rows::units(&elements, graph.nodes[i].len));
                for (r, j) in elements.iter().enumerate() {
                    let tight = Bound::new(lower[2 * r], -lower[2 * r + 1]);
                    bounds.nodes[i][*j] = bounds.nodes[i][*j].meet(tight);
                }
            }
            for b in &bounds.nodes[i] {
                for v in ids {
                    widen(&mut out, *v, Range { lo: b.lo, hi: b.hi });
                }
            }
        }
    }
    out
}

/// The IR values of each node of [`Graph::real`]: moves have the values of what they move.
fn graph_nodes(program: &RealProgram) -> Vec<Vec<ValueId>> {
    let mut chain: Vec<NodeId> = vec![program.output];
    loop {
        let at = chain[chain.len() - 1];
        match &program.nodes[at].op {
            RealOp::Input => break,
            RealOp::Dense { x, .. }
            | RealOp::AddConst { x, .. }
            | RealOp::DivConst { x, .. }
            | RealOp::Relu { x }
            | RealOp::Move { x } => chain.push(*x),
        }
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
        }
    }
    nodes
}
