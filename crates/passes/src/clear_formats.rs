//! `clear-formats`: back to the network alone.

use crate::pass::{Keeps, Pass};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Anchor, Module};

/// Removes every version.
pub(crate) struct ClearFormats;

impl Pass for ClearFormats {
    fn name(&self) -> &'static str {
        "clear-formats"
    }

    fn description(&self) -> &'static str {
        "remove every format block"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps {
            reference: true,
            kernels: false,
        }
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let mut out = module.clone();
        out.versions.clear();
        out.comments
            .retain(|anchor, _| !matches!(anchor, Anchor::Format(_) | Anchor::FormatEntry(..)));
        Ok(out)
    }
}
