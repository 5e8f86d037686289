//! `drop-unused`: values that the output does not depend on.

use crate::draft::Draft;
use crate::pass::{Keeps, Pass};
use ceg4n_base::Diagnostics;
use ceg4n_ir::Module;
use std::collections::BTreeSet;

/// Removes dead values. The input stays, used or not.
pub(crate) struct DropUnused;

impl Pass for DropUnused {
    fn name(&self) -> &'static str {
        "drop-unused"
    }

    fn description(&self) -> &'static str {
        "remove values that the output does not depend on"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let net = &module.network;
        let mut live = BTreeSet::from([net.output(), net.input()]);
        for v in net.values().keys().rev() {
            if live.contains(&v) {
                live.extend(net.value(v).op.operands());
            }
        }
        let mut draft = Draft::new(module);
        for v in net.values().keys().filter(|v| !live.contains(v)) {
            draft.remove(v);
        }
        draft.finish()
    }
}
