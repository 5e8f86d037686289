//! How large the reference's values get on the regions: what formats are chosen from.
//!
//! These are region ranges: they may choose formats and nothing else.

use ceg4n_base::entity::EntityRef;
use ceg4n_ir::{Domain, Format};
use ceg4n_ir::{RealProgram, Region, ValueId};
use ceg4n_verify::attack;
use ceg4n_verify::bounds::interval;
use ceg4n_verify::reference::{Reference, hull};
use ceg4n_verify::space::Space;
use std::collections::BTreeMap;

/// Room above the largest sampled value.
const HEADROOM: f64 = 1.25;
/// Random points per region.
const SAMPLES: u64 = 64;

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
}

/// The range of each value of the network over all regions: the smaller of interval bounds and
/// samples with headroom. The input's range is that of the boxes.
pub fn ranges(
    reference: &Reference,
    program: &RealProgram,
    regions: &[Region],
) -> BTreeMap<ValueId, Range> {
    let mut sound: BTreeMap<ValueId, Range> = BTreeMap::new();
    let mut seen: BTreeMap<ValueId, Range> = BTreeMap::new();
    let widen = |map: &mut BTreeMap<ValueId, Range>, v: ValueId, r: Range| {
        map.entry(v)
            .and_modify(|old| *old = old.hull(r))
            .or_insert(r);
    };
    for region in regions {
        let forward = interval::forward(program, &hull(&region.lower, &region.upper));
        for (id, node) in program.nodes.iter() {
            for b in &forward.nodes[id] {
                widen(&mut sound, node.value, Range { lo: b.lo, hi: b.hi });
            }
        }
        // The format of the space does not matter for its points.
        let Some(format) = Format::new(true, 16, 8) else {
            continue;
        };
        let space = Space::new(region, Domain::Real, format);
        for x in attack::seeds(&space, &region.center(), SAMPLES) {
            for (node, values) in program.nodes.values().zip(reference.approximate_all(&x)) {
                for v in values {
                    widen(&mut seen, node.value, Range::point(v));
                }
            }
        }
    }
    let input = program.nodes[program.input].value;
    sound
        .into_iter()
        .map(|(v, sound)| {
            let r = match seen.get(&v) {
                Some(s) if v.index() != input.index() => {
                    let (lo, hi) = (s.lo.min(0.0) * HEADROOM, s.hi.max(0.0) * HEADROOM);
                    Range {
                        lo: sound.lo.max(lo),
                        hi: sound.hi.min(hi),
                    }
                }
                _ => sound,
            };
            (v, r)
        })
        .collect()
}
