//! The targets and forms that a kernel can be written for.

use super::{Case, dense_cases};
use ceg4n_emit::{EmitOptions, KernelChoice, Target, emit_c};
use std::collections::BTreeSet;

/// Every target and form of kernel whose C differs from that of the ones before it.
pub(crate) fn ways(case: &Case) -> Vec<EmitOptions> {
    let mut texts = BTreeSet::new();
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

/// Of many dense layers, in all their ways, those whose code has much that the ones before do not
/// have, numbers apart: few kernels of every form.
pub(crate) fn forms(prefix: &str) -> Vec<Case> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for case in dense_cases(prefix, 40, 24, 0) {
        for (i, options) in ways(&case).into_iter().enumerate() {
            let case = Case {
                name: format!("{}_{i}", case.name),
                program: case.program.clone(),
                vectors: case.vectors.clone(),
                options,
            };
            let files = emit_c(&case.input()).unwrap();
            let code = files
                .iter()
                .find(|f| f.path == format!("c/{}.c", case.name));
            let code = String::from_utf8_lossy(&code.unwrap().content).into_owned();
            let code = code.replace(&case.name, "");
            let lines = code
                .lines()
                .map(|l| l.replace(|c: char| c.is_ascii_digit(), ""));
            let new: BTreeSet<String> = lines.filter(|l| !seen.contains(l)).collect();
            if new.len() >= 10 {
                seen.extend(new);
                kept.push(case);
            }
        }
    }
    kept
}
