//! `opt`: named passes over a module, and the module as text or as a graph.

use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::options::LoadOptions;
use crate::quantize_uniform::QuantizeUniform;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Module, Op};
pub use ceg4n_passes::Pass;
use ceg4n_passes::{PIPELINES, Pipeline, REGISTRY, verify_step};
use ceg4n_syntax::{PrintOptions, print};
use std::fmt::Write;

/// What to do.
#[derive(Clone, Debug, Default)]
pub struct OptOptions {
    /// The network.
    pub load: LoadOptions,
    /// `a,b:PARAMETER,c`; empty for no pass.
    pub passes: String,
    /// Check every pass's result, and that it keeps the functions it claims to keep.
    pub verify_each: bool,
}

/// Every pass that a pipeline can name.
pub fn passes() -> Vec<&'static dyn Pass> {
    let mut all = REGISTRY.to_vec();
    all.push(&QuantizeUniform);
    all.sort_by_key(|p| p.name());
    all
}

/// The named pipelines: name, purpose, passes.
pub fn pipelines() -> &'static [(&'static str, &'static str, &'static [&'static str])] {
    PIPELINES
}

/// Runs the passes; `after` sees the module after each one.
///
/// # Errors
/// An unknown pass, whatever is wrong with the file, a pass that refuses the module or, under
/// `verify_each`, breaks it.
pub fn opt(options: &OptOptions, after: &mut dyn FnMut(&str, &Module)) -> Result<Loaded, Failure> {
    let known = passes();
    // An unknown pass is wrong usage, whatever the file holds.
    let pipeline = match options.passes.trim() {
        "" => Pipeline::default(),
        text => Pipeline::parse(text, &known)?,
    };
    let mut loaded = load(&options.load)?;
    match run(&loaded.module, &pipeline, options.verify_each, after) {
        Ok(module) => {
            loaded.module = module;
            Ok(loaded)
        }
        Err(e) => Err(loaded.fail(e)),
    }
}

fn run(
    module: &Module,
    pipeline: &Pipeline<'_>,
    verify_each: bool,
    after: &mut dyn FnMut(&str, &Module),
) -> Result<Module, Diagnostics> {
    let mut now = module.clone();
    for step in &pipeline.0 {
        let next = step.pass.run(&now, step.parameter.as_deref())?;
        if verify_each {
            verify_step(step.pass.name(), step.pass.keeps(), &now, &next)?;
        }
        after(step.pass.name(), &next);
        now = next;
    }
    Ok(now)
}

/// The module as one `.nnir` text, constants inline.
pub fn to_text(module: &Module) -> String {
    let inline = PrintOptions {
        inline_limit: usize::MAX,
        ..PrintOptions::default()
    };
    print(module, &inline).text
}

/// The network as a Graphviz graph: one box per value that is no constant, with the format that
/// the last version gives it.
pub fn to_dot(module: &Module) -> String {
    let net = &module.network;
    let formats = module.versions.last();
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "digraph {} {{", quoted(net.name()));
    let _ = writeln!(out, "  node [shape=box];");
    for (v, value) in net.values().iter() {
        if matches!(value.op, Op::Const(_)) {
            continue;
        }
        let mut label = format!("%{}\n{}", value.name, value.op.name());
        for c in value.op.operands() {
            if net.constant(c).is_some() {
                let _ = write!(label, " %{}", net.value(c).name);
            }
        }
        let _ = write!(label, "\ntensor<{}>", value.shape);
        if let Some(f) = formats.and_then(|a| a.format(v)).and_then(|f| f.single()) {
            let _ = write!(label, " {f}");
        }
        let _ = writeln!(out, "  {v} [label={}];", quoted(&label));
        for x in value.op.operands() {
            if net.constant(x).is_none() {
                let _ = writeln!(out, "  {x} -> {v};");
            }
        }
    }
    out.push_str("}\n");
    out
}

/// A DOT string.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Saves a module; a file appears whole or not at all.
///
/// # Errors
/// [`codes::FILE_WRITE`], and [`codes::USAGE`] for a path that does not end in `.nnir`.
pub fn save(path: &std::path::Path, module: &Module) -> Result<(), Diagnostic> {
    if path.extension().is_none_or(|e| e != "nnir") {
        let text = format!("{} does not end in .nnir", path.display());
        return Err(Diagnostic::error(codes::USAGE, text));
    }
    ceg4n_syntax::save(path, module)
}
