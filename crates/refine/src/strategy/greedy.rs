//! From the cheapest proved version downwards, one width at a time, by the space's quantizer.
//!
//! A width is set to each lower value, the lowest first: what is feasible is not monotone in bits,
//! and evaluation on stored points is cheap. The first value that holds goes to the verifier. Where
//! it stays open, which is dear, half of the way to the present value is left out. Where wider
//! activations cost nothing the descent has the widest ones.

use super::{Known, Width, savings};
use crate::state::{Ended, Version};
use crate::{Candidate, Engines};
use ceg4n_quantize::Assignment;
use ceg4n_search::AnnotationSpace;
use serde::{Deserialize, Serialize};

/// Where the descent stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greedy {
    /// The last proved assignment.
    current: Option<Assignment>,
    /// Widths of this round that are still to be lowered, in order.
    widths: Vec<Width>,
    /// The next value of the first of them.
    next: Option<u8>,
    /// Something was lowered in this round.
    changed: bool,
}

impl Greedy {
    pub(crate) fn propose(
        &mut self,
        known: &mut Known<'_>,
        engines: &mut Engines<'_>,
    ) -> Option<Candidate> {
        if self.current.is_none() {
            // Mantissas that were moved are not to be had by rounding alone.
            let plain = known.versions.iter();
            let plain = plain.filter(|v| v.ended == Ended::Proved && !v.guided);
            let start = widened(known.space, &plain.min_by_key(|v| v.cost)?.assignment);
            self.widths = savings(known.space, &start);
            self.current = Some(start);
        }
        while !engines.verify.stopped() {
            let current = self.current.clone()?;
            let Some(width) = self.widths.first().copied() else {
                if !std::mem::take(&mut self.changed) {
                    return None;
                }
                self.widths = savings(known.space, &current);
                continue;
            };
            let least = width.least(known.space);
            let from = self.next.unwrap_or(least);
            let values: Vec<u8> = (from..width.of(&current)).collect();
            let items: Vec<Assignment> = values.iter().map(|b| width.with(&current, *b)).collect();
            match known.first(&items, engines) {
                Some((i, candidate)) => {
                    self.next = Some(values[i] + 1);
                    return Some(candidate);
                }
                None => self.pass(),
            }
        }
        None
    }

    fn pass(&mut self) {
        self.widths.remove(0);
        self.next = None;
    }

    pub(crate) fn told(&mut self, version: &Version) {
        if version.ended == Ended::Proved {
            self.current = Some(version.assignment.clone());
            self.changed = true;
            self.pass();
        } else if let (Ended::Unknown(_), Some(width), Some(current), Some(next)) = (
            &version.ended,
            self.widths.first(),
            &self.current,
            &mut self.next,
        ) {
            let left = width.of(current).saturating_sub(*next);
            *next += left / 2;
        }
    }
}

/// The assignment with the widest activations, unless they cost anything.
fn widened(space: &AnnotationSpace, a: &Assignment) -> Assignment {
    let mut wide = a.clone();
    let most = space.activation_bits.1;
    wide.activations
        .iter_mut()
        .for_each(|b| *b = (*b).max(most));
    if space.cost(&wide) > space.cost(a) {
        return a.clone();
    }
    wide
}
