//! `opt`: named passes over a module, and the module as text or as a graph.

use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::options::LoadOptions;
use crate::quantize_uniform::QuantizeUniform;
use crate::validate::{Comparison, compare};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Module, Op};
use ceg4n_jit::CodeCache;
pub use ceg4n_passes::{Change, Named, Pass, Size, Step};
use ceg4n_passes::{PIPELINES, Pipeline, REGISTRY, is_same, verify_step};
use ceg4n_syntax::{PrintOptions, print};
use std::fmt::Write;
use std::time::Instant;

/// What to do.
#[derive(Clone, Debug, Default)]
pub struct OptOptions {
    /// The network.
    pub load: LoadOptions,
    /// `a,b:PARAMETER,c`; empty for no pass.
    pub passes: String,
    /// Check every pass's result, and that it keeps the functions it claims to keep: by exact
    /// evaluation on sample points, by native code on many inputs, by a solver for small programs.
    pub verify_each: bool,
}

/// What is known of one application of a pass.
#[derive(Clone, Debug)]
pub struct Application {
    /// The pass with its parameter.
    pub pass: String,
    /// False if it left the module as it was.
    pub changed: bool,
    /// Sizes.
    pub size: Change,
    /// Seconds that the pass took, without checks.
    pub seconds: f64,
    /// Under `verify_each`, the versions that it had to keep and did change.
    pub compared: Vec<Comparison>,
}

/// Every pass that a pipeline can name.
pub fn passes() -> Vec<&'static dyn Pass> {
    let mut all = REGISTRY.to_vec();
    all.push(&QuantizeUniform);
    all.sort_by_key(|p| p.name());
    all
}

/// The named pipelines.
pub fn pipelines() -> &'static [Named] {
    PIPELINES
}

/// Runs the passes; `after` sees each application and the module after it.
///
/// # Errors
/// An unknown pass, whatever is wrong with the file, a pass that refuses the module or, under
/// `verify_each`, breaks it.
pub fn opt(
    options: &OptOptions,
    after: &mut dyn FnMut(&Application, &Module),
) -> Result<Loaded, Failure> {
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

/// Runs a pipeline on a module.
///
/// # Errors
/// As [`opt`].
pub fn run(
    module: &Module,
    pipeline: &Pipeline<'_>,
    verify_each: bool,
    after: &mut dyn FnMut(&Application, &Module),
) -> Result<Module, Diagnostics> {
    let cache = CodeCache::new();
    let mut started = Instant::now();
    pipeline.run(module, &mut |step, before, result| {
        let seconds = started.elapsed().as_secs_f64();
        let keeps = step.pass.keeps(step.parameter.as_deref());
        let changed = !is_same(before, result);
        let mut compared = Vec::new();
        if verify_each {
            let name = step.pass.name();
            verify_step(name, keeps, before, result)?;
            if changed {
                compared = compare(name, keeps, before, result, &cache)?;
            }
        }
        let found = Application {
            pass: format!("{step:?}"),
            changed,
            size: Change {
                before: Size::of(before),
                after: Size::of(result),
            },
            seconds,
            compared,
        };
        after(&found, result);
        started = Instant::now();
        Ok(())
    })
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
