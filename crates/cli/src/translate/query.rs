//! The options of what decides VNN-LIB queries.

use super::{Reader, Refusal, budget, expected, positive, seconds};
use crate::args::{BenchInstancesArgs, QuestionArgs, SupportsArgs, VerifyArgs};
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_driver::query::instances::InstancesOptions;
use ceg4n_driver::query::{Arithmetic, QueryOptions};
use std::path::{Path, PathBuf};

/// True if `verify` is asked about a query.
pub fn is_query(path: &Path) -> bool {
    let name = path.as_os_str().to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    plain.ends_with(".vnnlib")
}

/// The options of `verify QUERY.vnnlib`, and where assignments are written.
///
/// # Errors
/// As for [`super::compile`].
pub fn query(args: &VerifyArgs) -> Result<(QueryOptions, Option<PathBuf>), Diagnostics> {
    let mut r = Reader::default();
    let q = &args.query;
    for (name, given) in network_options(args) {
        r.conflict(given, name, "it is no option of a VNN-LIB query");
    }
    let mut options = QueryOptions::new(&args.net);
    for text in &q.network {
        options
            .networks
            .extend(r.option("network", Some(text), network));
    }
    options.budget = budget(&mut r, &args.budget);
    if let Some(limit) = r.option("timeout", q.timeout.as_deref(), seconds) {
        let both = options.budget.time_limit.is_some();
        r.conflict(both, "time-limit", "--timeout says the same");
        options.budget.time_limit = Some(limit);
    }
    options.arithmetic = arithmetic(&mut r, q.arithmetic.as_deref());
    options.samples = samples(&mut r, q.check_samples.as_deref());
    r.errors.or((options, q.serialise_assignments.clone()))
}

/// Options of `verify` that speak of an annotated network.
fn network_options(args: &VerifyArgs) -> Vec<(&'static str, bool)> {
    let QuestionArgs {
        regions,
        radius,
        clip,
        rows,
        samples,
        only_correct,
        region_labels,
        pixels,
        ball_size,
        region,
        require,
        domain,
        reference,
    } = &args.question;
    let d = &args.data;
    vec![
        ("regions", !regions.is_empty()),
        ("radius", radius.is_some()),
        ("clip", clip.is_some()),
        ("rows", rows.is_some()),
        ("samples", samples.is_some()),
        ("only-correct", *only_correct),
        ("region-labels", region_labels.is_some()),
        ("pixels", pixels.is_some()),
        ("ball-size", !ball_size.is_empty()),
        ("region", !region.is_empty()),
        ("require", require.is_some()),
        ("domain", domain.is_some()),
        ("reference", reference.is_some()),
        ("boundary", args.boundary.boundary.is_some()),
        ("boundary-margin", args.boundary.boundary_margin.is_some()),
        ("data", d.data.is_some()),
        ("labels", d.labels.is_some()),
        ("data-rows", d.data_rows.is_some()),
        ("test-data", d.test_data.is_some()),
        ("test-labels", d.test_labels.is_some()),
        ("test-rows", d.test_rows.is_some()),
        ("min-accuracy", d.min_accuracy.is_some()),
        ("max-accuracy-drop", d.max_accuracy_drop.is_some()),
        ("min-agreement", d.min_agreement.is_some()),
        ("rounding", args.rounding.is_some()),
        ("ir-version", args.ir_version.is_some()),
        ("against", args.against.is_some()),
        ("region-time-limit", args.budget.region_time_limit.is_some()),
    ]
}

/// Refuses options of a query for something else.
pub(super) fn no_query(r: &mut Reader, args: &VerifyArgs) {
    let q = &args.query;
    for (name, given) in [
        ("network", !q.network.is_empty()),
        ("timeout", q.timeout.is_some()),
        ("serialise-assignments", q.serialise_assignments.is_some()),
        ("arithmetic", q.arithmetic.is_some()),
        ("check-samples", q.check_samples.is_some()),
    ] {
        let because = format!("{} is no VNN-LIB query", args.net.display());
        r.conflict(given, name, &because);
    }
}

/// The options of `bench instances`.
///
/// # Errors
/// As for [`super::compile`].
pub fn instances(args: &BenchInstancesArgs) -> Result<InstancesOptions, Diagnostics> {
    let mut r = Reader::default();
    let mut options = InstancesOptions::new(&args.list);
    options.budget = budget(&mut r, &args.budget);
    options.arithmetic = arithmetic(&mut r, args.arithmetic.as_deref());
    options.samples = samples(&mut r, args.check_samples.as_deref());
    options.output = args.output.clone();
    r.errors.or(options)
}

/// The capability that `supports` is asked for; clap sees to it that there is one.
///
/// # Errors
/// [`codes::USAGE`] without one.
pub fn capability(args: &SupportsArgs) -> Result<&'static str, Diagnostics> {
    let all = [
        ("onnx-opset-versions", args.onnx_opset_versions),
        ("onnx-element-types", args.onnx_element_types),
        ("onnx-operators", args.onnx_operators),
        (
            "onnx-operators-unsat-proofs",
            args.onnx_operators_unsat_proofs,
        ),
        ("vnnlib-versions", args.vnnlib_versions),
        ("hidden-node-theories", args.hidden_node_theories),
        (
            "multiple-input-output-theories",
            args.multiple_input_output_theories,
        ),
        ("multiple-network-theories", args.multiple_network_theories),
        (
            "multiple-node-comparison-theories",
            args.multiple_node_comparison_theories,
        ),
        (
            "arithmetic-complexity-theories",
            args.arithmetic_complexity_theories,
        ),
        (
            "optimised-disjunctive-reasoning",
            args.optimised_disjunctive_reasoning,
        ),
        ("serialise-assignments", args.serialise_assignments),
        ("unsat-proofs", args.unsat_proofs),
    ];
    let found = all.into_iter().find(|(_, given)| *given);
    found.map(|(name, _)| name).ok_or_else(|| {
        Diagnostic::error(codes::USAGE, "supports needs the name of a capability").into()
    })
}

fn network(text: &str) -> Result<(String, PathBuf), Refusal> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), path.into()))
        }
        _ => expected("NAME=FILE, with a name that the query declares"),
    }
}

fn arithmetic(r: &mut Reader, text: Option<&str>) -> Arithmetic {
    let read = |t: &str| match t {
        "declared" => Ok(Arithmetic::Declared),
        "real" => Ok(Arithmetic::Real),
        _ => expected("declared or real"),
    };
    r.option("arithmetic", text, read).unwrap_or_default()
}

fn samples(r: &mut Reader, text: Option<&str>) -> u64 {
    r.option("check-samples", text, positive::<u64>)
        .unwrap_or(0)
}
