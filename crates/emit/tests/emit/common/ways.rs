//! The targets and forms that a kernel can be written for.

use super::Case;
use ceg4n_emit::{EmitOptions, KernelChoice, Target, emit_c};

/// Every target and form of kernel whose C differs from that of the ones before it.
pub(crate) fn ways(case: &Case) -> Vec<EmitOptions> {
    let mut texts = std::collections::BTreeSet::new();
    let mut ways = Vec::new();
    for target in Target::ALL {
        for kernel in KernelChoice::ALL {
            let mut input = case.input();
            input.options = EmitOptions {
                target,
                kernel,
                ..EmitOptions::default()
            };
            let code = emit_c(&input).unwrap().into_iter();
            let code = code.filter(|f| f.path.ends_with(".c"));
            if texts.insert(code.map(|f| f.content).collect::<Vec<_>>()) {
                ways.push(input.options);
            }
        }
    }
    ways
}

/// The case once for each of its ways, under names of their own.
pub(crate) fn every_way(case: &Case) -> Vec<Case> {
    let way = |(i, options)| Case {
        name: format!("{}_{i}", case.name),
        program: case.program.clone(),
        vectors: case.vectors.clone(),
        options,
    };
    ways(case).into_iter().enumerate().map(way).collect()
}
