//! `narrow-accumulators`: the widths that accumulators are proved to need.

use crate::pass::{Keeps, Pass};
use crate::tensors::lowered;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{AccAnnotation, Annotation, Module};

/// Writes `acc sW` with the least `W` that holds every partial sum over the type ranges.
pub(crate) struct NarrowAccumulators;

impl Pass for NarrowAccumulators {
    fn name(&self) -> &'static str {
        "narrow-accumulators"
    }

    fn description(&self) -> &'static str {
        "write the least width that holds every partial sum of each accumulator"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let Some(versions) = lowered(module)? else {
            return Ok(module.clone());
        };
        let mut out = module.clone();
        for (a, version) in out.versions.iter_mut().zip(&versions) {
            for v in module.network.values().keys() {
                let Some(node) = version.last(v).filter(|n| n.format.is_none()) else {
                    continue;
                };
                let width = Some(node.width);
                a.values.insert(v, Annotation::Acc(AccAnnotation { width }));
            }
        }
        Ok(out)
    }
}
