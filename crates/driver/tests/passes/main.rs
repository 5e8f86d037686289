//! Every pass on random modules, with the checks of `opt --verify-each`; and each of these checks
//! against a pass that is wrong.
#![cfg(test)]

mod broken;
mod random;

use ceg4n_driver::opt::passes;
use ceg4n_driver::validate::compare;
use ceg4n_ir::Module;
use ceg4n_jit::CodeCache;
use ceg4n_passes::{Keeps, Pipeline, is_same, verify_step};
use std::collections::BTreeMap;

/// Passes that want modules of their own kind: snaps, or a width as parameter.
const ELSEWHERE: [&str; 2] = ["lower-snaps", "quantize-uniform"];

/// What is tried on every module beside each pass alone.
const PIPELINES: &[&str] = &[
    "drop-clamps:kernels",
    "drop-dead-neurons:kernels",
    "cleanup",
    "narrow",
    "simplify",
    "simplify,narrow,simplify,materialize,drop-dead-neurons:kernels,drop-clamps:kernels,simplify",
];

/// How often each pass changed a module, and what solvers left open.
#[derive(Default)]
struct Seen {
    changed: BTreeMap<String, usize>,
    compared: usize,
    open: usize,
}

fn check(module: &Module, text: &str, cache: &CodeCache, seen: &mut Seen) -> Result<(), String> {
    let known = passes();
    let pipeline = Pipeline::parse(text, &known).expect("the list is well-formed");
    let ran = pipeline.run(module, &mut |step, before, after| {
        let keeps = step.pass.keeps(step.parameter.as_deref());
        let name = format!("{step:?}");
        verify_step(&name, keeps, before, after)?;
        let found = compare(&name, keeps, before, after, cache)?;
        if !is_same(before, after) {
            *seen.changed.entry(name).or_default() += 1;
        }
        for c in found {
            seen.compared += 1;
            seen.open += usize::from(c.open.is_some());
        }
        Ok(())
    });
    ran.map(|_| ()).map_err(|d| {
        let lines: Vec<String> = d.0.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

#[test]
fn passes_keep_what_they_say_on_random_modules() {
    let cache = CodeCache::new();
    let mut seen = Seen::default();
    let modules: Vec<(u64, Module)> = (0..random::SEEDS)
        .filter_map(|seed| Some((seed, random::module(seed)?)))
        .collect();
    assert!(
        modules.len() * 2 > random::SEEDS as usize,
        "{}",
        modules.len()
    );
    let all = passes();
    let alone = all.iter().map(|p| p.name());
    let alone: Vec<&str> = alone.filter(|n| !ELSEWHERE.contains(n)).collect();
    // Of each list the first failure.
    let mut failed: BTreeMap<&str, String> = BTreeMap::new();
    for (seed, module) in &modules {
        for text in alone.iter().chain(PIPELINES).copied() {
            if failed.contains_key(text) {
                continue;
            }
            if let Err(e) = check(module, text, &cache, &mut seen) {
                let source = ceg4n_driver::opt::to_text(module);
                failed.insert(text, format!("seed {seed}, {text}: {e}\n{source}"));
            }
        }
    }
    let failed: Vec<String> = failed.into_values().collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // No pass is tested by doing nothing.
    for pass in &all {
        let (name, keeps) = (pass.name(), pass.keeps(None));
        let elsewhere = ELSEWHERE.contains(&name) || name == "fold-affine";
        let changed = seen.changed.get(name).copied().unwrap_or(0);
        assert!(elsewhere || changed >= 5, "{name}: {changed} {keeps:?}");
    }
    assert!(
        seen.open * 10 < seen.compared,
        "{} of {}",
        seen.open,
        seen.compared
    );
}

#[test]
fn exact_is_what_keeps_kernels() {
    assert_eq!(Keeps::ALL.invariant(), "exact");
    for pass in passes() {
        let exact = pass.keeps(None).kernels;
        assert_eq!(pass.keeps(None).invariant() == "exact", exact);
    }
}
