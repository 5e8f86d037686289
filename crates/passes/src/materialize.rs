//! `materialize`: mantissas that follow from formats, written out.

use crate::pass::{Keeps, Pass};
use ceg4n_base::Diagnostics;
use ceg4n_ir::check::quantize_f32;
use ceg4n_ir::{Annotation, Format, Module, Network, Program, TensorFormat, ValueId, check};
use std::sync::Arc;

/// Gives every annotated constant explicit mantissas.
pub(crate) struct Materialize;

impl Pass for Materialize {
    fn name(&self) -> &'static str {
        "materialize"
    }

    fn description(&self) -> &'static str {
        "write out the mantissas of every constant that has a format"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let mut out = module.clone();
        for a in &mut out.versions {
            // The checker refuses formats for which the mantissas would have no meaning.
            check(Program::new(module.network.clone(), a.clone()))?;
            for (v, annotation) in &mut a.values {
                if let Annotation::Fixed {
                    format,
                    mantissas: mantissas @ None,
                } = annotation
                {
                    *mantissas = explicit(&module.network, *v, format);
                }
            }
        }
        Ok(out)
    }
}

/// `sat(floor(w·2^F + 1/2))` of every element; `None` for a value that is no constant.
fn explicit(net: &Network, v: ValueId, format: &TensorFormat) -> Option<Arc<[i32]>> {
    let constant = net.constant(v)?;
    let data = &constant.data;
    let rows = net.value(v).shape.0.first().copied().unwrap_or(1).max(1);
    let per_row = (data.len() / rows).max(1);
    data.iter()
        .enumerate()
        .map(|(i, w)| {
            let format: Format = format.channel(i / per_row)?;
            match constant.wide {
                None => Some(quantize_f32(format, *w)),
                Some(_) => i32::try_from(format.quantize(&constant.center(i))).ok(),
            }
        })
        .collect()
}
