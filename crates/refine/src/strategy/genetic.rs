//! The genetic search of the CEG4N paper, anew after each counterexample.

use super::Known;
use crate::{Candidate, Engines};
use ceg4n_search::{Settings, nsga2};
use serde::{Deserialize, Serialize};

/// Size, length and seed of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genetic {
    /// Size, length and seed of a run.
    pub settings: Settings,
}

impl Genetic {
    pub(crate) fn propose(
        &mut self,
        known: &mut Known<'_>,
        engines: &mut Engines<'_>,
    ) -> Option<Candidate> {
        let found = nsga2(known.space, self.settings, &mut |a| {
            !engines.verify.stopped() && known.first(std::slice::from_ref(a), engines).is_some()
        })?;
        if engines.verify.stopped() {
            return None;
        }
        let program = known.space.program(&found, known.version()).ok()?;
        Some(Candidate {
            assignment: found,
            program,
            guided: false,
        })
    }
}
