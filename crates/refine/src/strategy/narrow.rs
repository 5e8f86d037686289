//! Fewer activation bits for the cheapest proved version, where they cost nothing: same weights,
//! other formats of activations.

use super::Known;
use crate::state::{Ended, Version};
use crate::{Candidate, Engines};
use serde::{Deserialize, Serialize};

/// Where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrow {
    /// The next width of all activations.
    next: Option<u8>,
    /// A narrower version is proved.
    done: bool,
}

impl Narrow {
    pub(crate) fn propose(
        &mut self,
        known: &mut Known<'_>,
        engines: &mut Engines<'_>,
    ) -> Option<Candidate> {
        let best = known.best()?.clone();
        let widest = best.assignment.activations.iter().max().copied()?;
        while !self.done && !engines.verify.stopped() {
            let bits = self.next.unwrap_or(known.space.activation_bits.0);
            if bits >= widest {
                return None;
            }
            self.next = Some(bits + 1);
            let mut assignment = best.assignment.clone();
            assignment
                .activations
                .iter_mut()
                .for_each(|b| *b = (*b).min(bits));
            if known.space.cost(&assignment) > best.cost {
                continue;
            }
            *known.candidates += 1;
            let version = known.version();
            let made = engines
                .evaluate
                .rewidth(&best.annotations, &assignment, version);
            let Some(program) = made.filter(|p| !known.is_over(p.hash())) else {
                continue;
            };
            if engines.evaluate.satisfies(&program, known.points) {
                return Some(Candidate {
                    assignment,
                    program,
                    guided: best.guided,
                });
            }
        }
        None
    }

    pub(crate) fn told(&mut self, version: &Version) {
        self.done = version.ended == Ended::Proved;
    }
}
