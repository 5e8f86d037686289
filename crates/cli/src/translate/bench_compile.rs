//! The options of `bench compile`.

use super::data::share;
use super::{
    Reader, Refusal, bits, boundary, boundary_fits, budget, cost, demand, expected, pixels_used,
    preset, question, reference, rounding, rows, seconds, strategy,
};
use crate::args::{BenchCompileArgs, BenchDataArgs};
use ceg4n_base::Diagnostics;
use ceg4n_driver::bench::compile::{BenchData, CompileBenchOptions};
use ceg4n_driver::data::Demands;
use ceg4n_driver::options::{
    ACTIVATION_BITS, CompileOptions, DataOptions, DataSource, LabelSource, LoadOptions, WEIGHT_BITS,
};
use ceg4n_ir::Property;
use std::path::Path;

/// The options of `bench compile`.
///
/// # Errors
/// As for [`super::compile`].
pub fn bench_compile(args: &BenchCompileArgs) -> Result<CompileBenchOptions, Diagnostics> {
    let mut r = Reader::default();
    let mut options = CompileBenchOptions::new(&args.folder);
    options.networks = args.network.clone();
    options.output = args.output.clone();
    options.rerun = args.rerun;
    r.conflict(
        args.rerun && args.output.is_none(),
        "rerun",
        "without -o nothing is stored",
    );
    presets(&mut r, args, &mut options);
    fill(&mut r, args, &mut options.compile);
    for text in &args.require_for {
        let read = |t: &str| for_networks(t, "NAME=PROPERTY", demand);
        let asked = r.option("require-for", Some(text), read);
        options.requirements.extend(asked);
    }
    for text in &args.time_limit_for {
        let read = |t: &str| for_networks(t, "NAME=S", seconds);
        let limit = r.option("time-limit-for", Some(text), read);
        options.time_limits.extend(limit);
    }
    options.data = data_sets(&mut r, &args.data);
    options.compile.data = demands(&mut r, &args.data);
    options.compile.data.pixels = options.compile.load.pixels;
    pixels_used(&mut r, &options.compile.load, !options.data.is_empty());
    r.errors.or(options)
}

fn presets(r: &mut Reader, args: &BenchCompileArgs, options: &mut CompileBenchOptions) {
    if args.preset.is_empty() {
        return;
    }
    let read = |t: &String| r.option("preset", Some(t), preset);
    let asked: Vec<_> = args.preset.iter().filter_map(read).collect();
    options.presets.clear();
    for (p, text) in asked.into_iter().zip(&args.preset) {
        let twice = options.presets.contains(&p);
        r.conflict(twice, &format!("preset {text}"), "it is given twice");
        options.presets.push(p);
    }
}

/// What every row is asked.
fn fill(r: &mut Reader, args: &BenchCompileArgs, options: &mut CompileOptions) {
    let asked = question(r, Path::new(""), &args.question);
    options.load = LoadOptions {
        require: asked.require.or(Some(Property::Top1.into())),
        ..asked
    };
    options.reference = reference(r, &args.question);
    options.budget = budget(r, &args.budget);
    (options.boundary, options.boundary_margin) = boundary(r, &args.boundary);
    boundary_fits(r, &options.load, options.boundary_margin.is_some());
    options.rounding = r.option("rounding", args.rounding.as_deref(), rounding);
    let given = r.option("strategy", args.strategy.as_deref(), strategy);
    options.strategy = given.unwrap_or_default();
    let given = r.option("cost", args.cost.as_deref(), cost);
    options.cost = given.unwrap_or_default();
    let widths = |t: &str| bits(t, WEIGHT_BITS);
    if let Some(bits) = r.option("weight-bits", args.weight_bits.as_deref(), widths) {
        options.weight_bits = bits;
    }
    let widths = |t: &str| bits(t, ACTIVATION_BITS);
    if let Some(bits) = r.option("activation-bits", args.activation_bits.as_deref(), widths) {
        options.activation_bits = Some(bits);
    }
}

/// `NAME=VALUE`.
fn for_networks<T>(
    text: &str,
    what: &str,
    read: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<(String, T), Refusal> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), read(value)?)),
        Some(_) | None => expected(what),
    }
}

/// Each set of inputs with its labels.
fn data_sets(r: &mut Reader, args: &BenchDataArgs) -> Vec<BenchData> {
    if !args.labels.is_empty() && args.labels.len() != args.data.len() {
        let given = format!("{} for {} --data", args.labels.len(), args.data.len());
        r.option("labels", Some(&given), |_| {
            expected::<()>("labels of every data set, or of none")
        });
    }
    let set = |(i, data): (usize, &String)| BenchData {
        data: DataSource::from_text(data),
        labels: args.labels.get(i).map(|t| LabelSource::from_text(t)),
    };
    args.data.iter().enumerate().map(set).collect()
}

/// Rows of data and demands on them, the same for every set.
fn demands(r: &mut Reader, args: &BenchDataArgs) -> DataOptions {
    let options = DataOptions {
        data_rows: r.option("data-rows", args.data_rows.as_deref(), rows),
        test_rows: r.option("test-rows", args.test_rows.as_deref(), rows),
        demands: Demands {
            min_accuracy: r.option("min-accuracy", args.min_accuracy.as_deref(), share),
            max_accuracy_drop: r.option(
                "max-accuracy-drop",
                args.max_accuracy_drop.as_deref(),
                share,
            ),
            min_agreement: r.option("min-agreement", args.min_agreement.as_deref(), share),
        },
        ..DataOptions::default()
    };
    // As one set would be refused, all are.
    let one = DataOptions {
        data: args.data.first().map(|t| DataSource::from_text(t)),
        labels: args.labels.first().map(|t| LabelSource::from_text(t)),
        ..options.clone()
    };
    if let Err(errors) = one.check() {
        r.errors.0.extend(errors.0);
    }
    options
}
