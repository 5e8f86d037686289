//! `verify`: decides the requirements of an annotated network, against its own real function or
//! another program.

use crate::data::Data;
use crate::engine::{Engine, Surroundings, Timed, questions};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::options::{Boundary, LoadOptions, VerifyOptions};
use crate::outcome::{Summary, region_rows, status_of};
use crate::progress::{Cancel, Event, Progress, Stage, told as told_as};
use crate::told;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Checked, Program, check};
use ceg4n_jit::Evaluator;
use ceg4n_report::{Report, Seconds};
use ceg4n_verify::{Precision, Reference};
use std::time::Instant;

/// What `verify` found.
#[derive(Debug)]
pub struct Verification {
    /// Everything, as in `report.json`.
    pub report: Report,
    /// What the user should know besides.
    pub warnings: Diagnostics,
}

/// Runs `verify`.
///
/// # Errors
/// Bad input or usage. Verdicts are no errors.
pub fn verify(
    options: &VerifyOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Verification, Failure> {
    let status = |done: &Verification| told::status_name(done.report.status);
    told_as(progress, ("verify", &options.load.net), status, || {
        verify_quietly(options, progress, cancel)
    })
}

/// The command without its first and last event.
fn verify_quietly(
    options: &VerifyOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Verification, Failure> {
    let started = Instant::now();
    let loaded = load(&options.load)?;
    progress.note(&told::loaded(&loaded));
    match run(options, &loaded, started, progress, cancel) {
        Ok(report) => Ok(Verification {
            report,
            warnings: loaded.warnings,
        }),
        Err(Problem::Here(d)) => Err(loaded.fail(d)),
        Err(Problem::There(f)) => Err(f),
    }
}

enum Problem {
    /// In the network that is verified.
    Here(Diagnostics),
    /// In the file compared against.
    There(Failure),
}

impl<D: Into<Diagnostics>> From<D> for Problem {
    fn from(d: D) -> Self {
        Self::Here(d.into())
    }
}

fn run(
    options: &VerifyOptions,
    loaded: &Loaded,
    started: Instant,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Report, Problem> {
    let asked = questions(loaded)?;
    let program = check(subject(options, loaded)?)?;
    if program.kernel().is_none() && (options.against.is_none() || options.data.data.is_some()) {
        let d = Diagnostic::error(
            codes::USAGE,
            "the program to be verified has no fixed-point input",
        )
        .help("give the input and every constant a format in the format block");
        return Err(Diagnostics::from(d).into());
    }
    let (reference, name) = reference(options, loaded)?;
    let data = Data::load(
        &options.data,
        &reference,
        loaded.shape(),
        options.budget.jobs,
    )?;
    let boundary = (
        options.boundary.unwrap_or(Boundary::Refute),
        options.boundary_margin.clone(),
    );
    let mut engine = Engine::new(
        reference,
        asked,
        boundary,
        &options.budget,
        started,
        Surroundings {
            progress,
            cancel,
            record: None,
        },
    );
    progress.note(&Event::Stage {
        stage: Stage::Verify,
        detail: "regions".to_owned(),
        of: Some(engine.asked.len()),
    });
    let results: Vec<Timed> = engine.verify(&program, false)?;
    let rows = region_rows(&results);
    let (status, reason) = status_of(&results);
    let mut report = Summary {
        command: "verify",
        loaded,
        program: Some(&program),
        reference: &name,
        seed: options.budget.seed,
    }
    .report(
        status,
        reason,
        rows,
        Seconds {
            total: started.elapsed().as_secs_f64(),
            search: 0.0,
            verify: engine.seconds,
            emit: 0.0,
        },
    );
    report.clock_limited = engine.clock_limited || results.iter().any(|t| t.result.clock_limited);
    if let Some(data) = data {
        let kernel = Evaluator::new(&program, &engine.cache)
            .map_err(|e| Diagnostic::error(codes::INTERNAL, e.to_string()))?;
        data.fill(&mut report, &kernel, options.budget.jobs)?;
        report.seconds.total = started.elapsed().as_secs_f64();
    }
    Ok(report)
}

/// The program that is decided: a version of the network, or, where there is none and another
/// file is compared with, its real function.
fn subject(options: &VerifyOptions, loaded: &Loaded) -> Result<Program, Diagnostics> {
    let real = loaded.module.versions.is_empty() && options.ir_version.is_none();
    match real && options.against.is_some() {
        true => Ok(loaded.module.reference()),
        false => Ok(loaded.version(options.ir_version, options.rounding)?),
    }
}

/// The reference: the network's own real function, or the program of another file (its last
/// version; the real function if it has none).
fn reference(options: &VerifyOptions, loaded: &Loaded) -> Result<(Reference, String), Problem> {
    let precision = options.reference;
    let Some(path) = &options.against else {
        let own = Reference::new(&check(loaded.module.reference())?).with_precision(precision);
        return Ok((own, reference_name(precision).to_owned()));
    };
    let options = LoadOptions {
        net: path.to_owned(),
        ..LoadOptions::default()
    };
    let other = load(&options).map_err(Problem::There)?;
    let program = other
        .module
        .version(None)
        .unwrap_or_else(|| other.module.reference());
    let checked: Checked<Program> = match check(program) {
        Ok(c) => c,
        Err(d) => return Err(Problem::There(other.fail(d))),
    };
    let reference = Reference::new(&checked);
    let net = &loaded.module.network;
    if (reference.input_len(), reference.output_len()) != (net.input_len(), net.output_len()) {
        let d = Diagnostic::error(
            codes::USAGE,
            format!(
                "{} maps {} inputs to {} outputs, the network {} to {}",
                path.display(),
                reference.input_len(),
                reference.output_len(),
                net.input_len(),
                net.output_len()
            ),
        )
        .help("--against needs a program over the same inputs and outputs");
        return Err(Diagnostics::from(d).into());
    }
    if reference.real().is_none() && precision != Precision::Real {
        let text = format!(
            "--reference {} has no effect: {} is a fixed-point program",
            reference_name(precision),
            path.display()
        );
        let d = Diagnostic::error(codes::USAGE, text).help("leave one of the two out");
        return Err(Diagnostics::from(d).into());
    }
    let name = match precision {
        Precision::Real => path.display().to_string(),
        Precision::Float32 => format!("{} in f32", path.display()),
    };
    Ok((reference.with_precision(precision), name))
}

/// What `--reference` calls an arithmetic.
pub fn reference_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Real => "real",
        Precision::Float32 => "f32",
    }
}
