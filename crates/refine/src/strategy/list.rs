//! A fixed list of assignments, in order.

use super::Known;
use crate::{Candidate, Engines};
use ceg4n_quantize::Assignment;
use serde::{Deserialize, Serialize};

/// A list and how far it was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    items: Vec<Assignment>,
    at: usize,
    /// A lone candidate goes to the verifier also where it breaks a point or a demand.
    always: bool,
}

impl List {
    /// At the start of a list. A lone candidate is always put before the verifier: its verdict is
    /// what was asked.
    pub fn new(items: Vec<Assignment>) -> Self {
        let always = items.len() == 1;
        Self {
            items,
            at: 0,
            always,
        }
    }

    /// The same for candidates that nobody asked for: also a lone one must satisfy every point and
    /// every demand.
    pub fn satisfying(items: Vec<Assignment>) -> Self {
        Self {
            items,
            at: 0,
            always: false,
        }
    }

    pub(crate) fn propose(
        &mut self,
        known: &mut Known<'_>,
        engines: &mut Engines<'_>,
    ) -> Option<Candidate> {
        if self.always && self.at == 0 {
            self.at = 1;
            *known.candidates += 1;
            let assignment = self.items[0].clone();
            let program = known.space.program(&assignment, known.version()).ok()?;
            return Some(Candidate {
                assignment,
                program,
                guided: false,
            });
        }
        while self.at < self.items.len() && !engines.verify.stopped() {
            // One at a time: those behind it are dearer to make than it is to be right.
            let item = &self.items[self.at..=self.at];
            self.at += 1;
            if let Some((_, candidate)) = known.first(item, engines) {
                return Some(candidate);
            }
        }
        None
    }
}
