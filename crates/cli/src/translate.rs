//! Typed texts to the driver's options. Every mistake is a diagnostic; all are reported at once.

mod bench;
mod bench_compile;
mod data;
mod explain;
mod query;
mod reduce;
mod rules;

pub use bench::bench_verify;
pub use bench_compile::bench_compile;
pub use explain::explain;
pub use query::{capability, instances, is_query, query};
pub use reduce::reduce;
pub use rules::{cost_model, rules};

use crate::args::{
    BoundaryArgs, BudgetArgs, CompileArgs, QuestionArgs, RunArgs, SmtArgs, VerifyArgs,
};
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_driver::Precision;
use ceg4n_driver::options::{
    ACTIVATION_BITS, BACKENDS, Boundary, Budget, CompileOptions, Cost, DataSource, Demand,
    EmitOptions, EmitSet, FileKind, Granularity, KernelChoice, LabelSource, LoadOptions, Pixels,
    Preset, Strategy, Target, VerifyOptions, WEIGHT_BITS,
};
use ceg4n_driver::run::RunOptions;
use ceg4n_driver::smt::{Logic, SmtOptions, solver_names};
use ceg4n_ir::{Domain, Format, Property, Rounding};
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// Why a value cannot be used.
enum Refusal {
    /// What was expected instead.
    Expected(String),
    /// It is planned.
    NotBuilt,
}

fn expected<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Expected(what.into()))
}

/// Reads values and keeps what is wrong with them.
#[derive(Default)]
struct Reader {
    errors: Diagnostics,
}

impl Reader {
    /// The value of an option that was given; `None` otherwise, and after an error.
    fn option<T>(
        &mut self,
        name: &str,
        value: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let text = value?;
        match read(text) {
            Ok(v) => Some(v),
            Err(Refusal::NotBuilt) => {
                self.refuse(&format!("--{name} {text}"));
                None
            }
            Err(Refusal::Expected(what)) => {
                let message = format!("--{name} {text}: expected {what}");
                let error = Diagnostic::error(codes::USAGE, message);
                // Of what is expected, the names.
                let in_names = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                let is_name = |w: &&str| {
                    w.len() > 2
                        && w.starts_with(|c: char| c.is_ascii_lowercase())
                        && w.chars().all(in_names)
                };
                let names = what.split([' ', ',', '(', ')']).filter(is_name);
                self.errors.push(error.help_if(did_you_mean(text, names)));
                None
            }
        }
    }

    fn refuse(&mut self, what: &str) {
        let message = format!("{what} is not built yet");
        self.errors.push(
            Diagnostic::error(codes::NOT_BUILT, message)
                .help("leave it out; `ceg4nc help COMMAND` lists what there is"),
        );
    }

    /// Refuses an option that another one leaves without effect.
    fn conflict(&mut self, given: bool, name: &str, because: &str) {
        if given {
            let message = format!("--{name} has no effect: {because}");
            self.errors
                .push(Diagnostic::error(codes::USAGE, message).help("leave one of the two out"));
        }
    }
}

/// The options of `compile`.
///
/// # Errors
/// [`codes::USAGE`] and [`codes::NOT_BUILT`].
pub fn compile(args: &CompileArgs) -> Result<CompileOptions, Diagnostics> {
    let mut r = Reader::default();
    // A run that goes on takes it from its store.
    let net = args.net.clone().unwrap_or_default();
    let mut options = CompileOptions::new(&net);
    options.store.keep = !args.no_store;
    options.load = question(&mut r, &net, &args.question);
    options.reference = reference(&mut r, &args.question);
    options.budget = budget(&mut r, &args.budget);
    (options.boundary, options.boundary_margin) = boundary(&mut r, &args.boundary);
    boundary_fits(&mut r, &options.load, options.boundary_margin.is_some());
    options.rounding = r.option("rounding", args.rounding.as_deref(), rounding);
    options.preset = r
        .option("preset", args.preset.as_deref(), preset)
        .unwrap_or_default();
    options.strategy = r
        .option("strategy", args.strategy.as_deref(), strategy)
        .unwrap_or_default();
    options.cost = r
        .option("cost", args.cost.as_deref(), cost)
        .unwrap_or_default();
    if let Some(bits) = r.option("weight-bits", args.weight_bits.as_deref(), |t| {
        bits(t, WEIGHT_BITS)
    }) {
        options.weight_bits = bits;
    }
    if let Some(bits) = r.option("activation-bits", args.activation_bits.as_deref(), |t| {
        bits(t, ACTIVATION_BITS)
    }) {
        options.activation_bits = Some(bits);
    }
    if !matches!(options.preset, Preset::Auto) {
        for (name, given) in [
            ("strategy", args.strategy.is_some()),
            ("weight-bits", args.weight_bits.is_some()),
            ("activation-bits", args.activation_bits.is_some()),
        ] {
            r.conflict(given, name, "--preset fixes the formats");
        }
    }
    options.granularity = r
        .option("granularity", args.granularity.as_deref(), granularity)
        .unwrap_or_default();
    options.pareto = args.pareto;
    if !args.emit.is_empty() {
        options.emit = emit(&mut r, &args.emit);
    }
    options.prefix = r.option("prefix", args.prefix.as_deref(), prefix);
    options.written = EmitOptions {
        target: r
            .option("target", args.target.as_deref(), target)
            .unwrap_or_default(),
        kernel: r
            .option("kernel", args.kernel.as_deref(), kernel)
            .unwrap_or_default(),
        acsl: args.acsl,
        rewrite: !args.no_rewrite,
    };
    if !options.emit.has(EmitSet::C) {
        for (name, given) in [
            ("target", args.target.is_some()),
            ("max-flash", args.max_flash.is_some()),
            ("max-ram", args.max_ram.is_some()),
            ("acsl", args.acsl),
        ] {
            r.conflict(given, name, "--emit leaves C out");
        }
    }
    options.max_flash = r.option("max-flash", args.max_flash.as_deref(), bytes);
    options.max_ram = r.option("max-ram", args.max_ram.as_deref(), bytes);
    options.ir_version = r.option("ir-version", args.ir_version.as_deref(), version);
    options.output = args.output.clone();
    options.command_line.clone_from(&args.typed);
    options.data = data::data(&mut r, &args.data, options.load.pixels);
    pixels_used(&mut r, &options.load, options.data.data.is_some());
    r.errors.or(options)
}

/// The options of `verify`.
///
/// # Errors
/// As for [`compile`].
pub fn verify(args: &VerifyArgs) -> Result<VerifyOptions, Diagnostics> {
    let mut r = Reader::default();
    query::no_query(&mut r, args);
    let mut options = VerifyOptions::new(&args.net);
    options.load = question(&mut r, &args.net, &args.question);
    options.reference = reference(&mut r, &args.question);
    options.budget = budget(&mut r, &args.budget);
    (options.boundary, options.boundary_margin) = boundary(&mut r, &args.boundary);
    boundary_fits(&mut r, &options.load, options.boundary_margin.is_some());
    options.rounding = r.option("rounding", args.rounding.as_deref(), rounding);
    options.ir_version = r.option("ir-version", args.ir_version.as_deref(), version);
    options.against = args.against.clone();
    options.data = data::data(&mut r, &args.data, options.load.pixels);
    pixels_used(&mut r, &options.load, options.data.data.is_some());
    r.errors.or(options)
}

/// A boundary margin is asked for in place of strict top-1 and of nothing else.
fn boundary_fits(r: &mut Reader, load: &LoadOptions, given: bool) {
    let strict = (load.require.as_ref()).is_none_or(|d| *d == Property::Top1.into());
    r.conflict(
        given && !strict,
        "boundary-margin",
        "--require asks for something else than top1",
    );
}

/// Bytes stand in data sets.
fn pixels_used(r: &mut Reader, load: &LoadOptions, data: bool) {
    let unused = load.pixels.is_some() && !data && !load.has_data();
    if unused {
        let text = "--pixels has no effect: there is no data set";
        r.errors
            .push(Diagnostic::error(codes::USAGE, text).help("leave it out"));
    }
}

/// The options of `check` and `import`.
///
/// # Errors
/// As for [`compile`].
pub fn load(net: &Path, args: &QuestionArgs) -> Result<LoadOptions, Diagnostics> {
    let mut r = Reader::default();
    let options = question(&mut r, net, args);
    real_alone(&mut r, args);
    pixels_used(&mut r, &options, false);
    r.errors.or(options)
}

/// The options of `run`, without the input.
///
/// # Errors
/// As for [`compile`].
pub fn run(args: &RunArgs) -> Result<RunOptions, Diagnostics> {
    let mut r = Reader::default();
    let data = DataSource::from_path(&args.input);
    let is_data = data.kind().is_some_and(FileKind::is_data);
    for (name, given) in [("rows", &args.rows), ("pixels", &args.pixels)] {
        r.conflict(given.is_some() && !is_data, name, "--input is no data set");
    }
    let options = RunOptions {
        load: LoadOptions {
            net: args.net.clone(),
            ..LoadOptions::default()
        },
        data: is_data.then_some(data),
        rows: r.option("rows", args.rows.as_deref(), rows),
        pixels: r.option("pixels", args.pixels.as_deref(), pixels),
        points: Vec::new(),
        input: String::new(),
        input_name: args.input.display().to_string(),
        ir_version: r.option("ir-version", args.ir_version.as_deref(), version),
        rounding: r.option("rounding", args.rounding.as_deref(), rounding),
        trace: args.trace,
    };
    r.errors.or(options)
}

/// The options of `smt`.
///
/// # Errors
/// As for [`compile`].
pub fn smt(args: &SmtArgs) -> Result<SmtOptions, Diagnostics> {
    let mut r = Reader::default();
    real_alone(&mut r, &args.question);
    let options = SmtOptions {
        load: question(&mut r, &args.net, &args.question),
        ir_version: r.option("ir-version", args.ir_version.as_deref(), version),
        rounding: r.option("rounding", args.rounding.as_deref(), rounding),
        // What solver processes are asked in, too.
        logic: r
            .option("logic", args.logic.as_deref(), logic)
            .unwrap_or(Logic::Lia),
    };
    pixels_used(&mut r, &options.load, false);
    r.errors.or(options)
}

fn question(r: &mut Reader, net: &Path, q: &QuestionArgs) -> LoadOptions {
    LoadOptions {
        text: None,
        net: net.to_owned(),
        regions: q.regions.clone(),
        radius: r.option("radius", q.radius.as_deref(), not_negative),
        clip: r.option("clip", q.clip.as_deref(), clip),
        rows: r.option("rows", q.rows.as_deref(), rows),
        samples: r
            .option("samples", q.samples.as_deref(), positive)
            .map(|n: u32| n as usize),
        region_labels: q.region_labels.as_deref().map(LabelSource::from_text),
        only_correct: q.only_correct,
        pixels: r.option("pixels", q.pixels.as_deref(), pixels),
        ball_sizes: q
            .ball_size
            .iter()
            .filter_map(|t| r.option("ball-size", Some(t), not_negative))
            .collect(),
        region_ids: q.region.clone(),
        require: r.option("require", q.require.as_deref(), demand),
        domain: r.option("domain", q.domain.as_deref(), domain),
    }
}

/// `--reference`.
fn reference(r: &mut Reader, q: &QuestionArgs) -> Precision {
    let read = |t: &str| match t {
        "real" => Ok(Precision::Real),
        "f32" => Ok(Precision::Float32),
        _ => expected("real or f32"),
    };
    let given = r.option("reference", q.reference.as_deref(), read);
    given.unwrap_or_default()
}

/// `--reference` for a command that decides nothing.
fn real_alone(r: &mut Reader, q: &QuestionArgs) {
    let f32 = reference(r, q) == Precision::Float32;
    r.conflict(f32, "reference f32", "this command decides nothing");
}

fn budget(r: &mut Reader, b: &BudgetArgs) -> Budget {
    let default = Budget::default();
    Budget {
        effort: r
            .option("effort", b.effort.as_deref(), positive)
            .unwrap_or(default.effort),
        time_limit: r.option("time-limit", b.time_limit.as_deref(), seconds),
        region_time_limit: r.option("region-time-limit", b.region_time_limit.as_deref(), seconds),
        memory_limit_mib: r.option("memory-limit", b.memory_limit.as_deref(), positive),
        jobs: r
            .option("jobs", b.jobs.as_deref(), positive)
            .unwrap_or(default.jobs),
        seed: r
            .option("seed", b.seed.as_deref(), |t| {
                t.parse()
                    .or_else(|_| expected("an integer from 0 to 2^64 - 1"))
            })
            .unwrap_or(default.seed),
        solver: b.solver.clone().unwrap_or(default.solver),
    }
}

fn boundary(r: &mut Reader, b: &BoundaryArgs) -> (Option<Boundary>, Option<Exact>) {
    let rule = r.option("boundary", b.boundary.as_deref(), |t| match t {
        "margin" => Ok(Boundary::Margin),
        "refute" => Ok(Boundary::Refute),
        _ => expected("margin or refute"),
    });
    let margin = r.option(
        "boundary-margin",
        b.boundary_margin.as_deref(),
        not_negative,
    );
    if rule == Some(Boundary::Refute) && margin.is_some() {
        let text = "--boundary-margin has no meaning under --boundary refute";
        r.errors.push(Diagnostic::error(codes::USAGE, text));
    }
    (rule, margin)
}

fn exact(text: &str) -> Result<Exact, Refusal> {
    text.parse().or_else(|_| expected("a number like 0.05"))
}

fn not_negative(text: &str) -> Result<Exact, Refusal> {
    match exact(text)? {
        v if v.signum() < 0 => expected("a number that is not negative"),
        v => Ok(v),
    }
}

fn positive<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, Refusal> {
    match text.parse::<T>() {
        Ok(n) if n >= T::from(1) => Ok(n),
        _ => expected("an integer of at least 1"),
    }
}

fn version(text: &str) -> Result<u32, Refusal> {
    let digits = text.strip_prefix('v').unwrap_or(text);
    digits.parse().or_else(|_| expected("a version like 3"))
}

/// Seconds, or a number with `s`, `m` or `h`.
fn seconds(text: &str) -> Result<Duration, Refusal> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let unit = units
        .into_iter()
        .find_map(|(u, f)| Some((text.strip_suffix(u)?, f)));
    let (number, factor) = unit.unwrap_or((text, 1.0));
    let duration = |n: f64| Duration::try_from_secs_f64(n * factor);
    match number.parse::<f64>().map(duration) {
        Ok(Ok(d)) if !d.is_zero() => Ok(d),
        _ => expected("a positive number of seconds, or one with s, m or h, such as 90s or 2h"),
    }
}

fn demand(text: &str) -> Result<Demand, Refusal> {
    let property = match text.split_once('=') {
        None if text == "top1" => Property::Top1,
        Some(("top1:margin", m)) => Property::Top1Margin(not_negative(m)?),
        Some(("eps", e)) => Property::Eps(not_negative(e)?),
        Some(("topk", k)) => Property::TopK(positive(k)?),
        Some(("spec", path)) if !path.is_empty() => return Ok(Demand::Query(path.into())),
        _ => return expected("top1, top1:margin=M, topk=K, eps=E or spec=FILE.vnnlib"),
    };
    Ok(Demand::Property(property))
}

fn clip(text: &str) -> Result<(Exact, Exact), Refusal> {
    let what = "LO:HI with LO not above HI, for instance 0:1";
    let Some((Ok(lo), Ok(hi))) = (text.split_once(':')).map(|(lo, hi)| (lo.parse(), hi.parse()))
    else {
        return expected(what);
    };
    if lo <= hi {
        Ok((lo, hi))
    } else {
        expected(what)
    }
}

fn pixels(text: &str) -> Result<Pixels, Refusal> {
    Pixels::from_name(text).map_or_else(|| expected("0:1, 0:255 or -1:1"), Ok)
}

fn rows(text: &str) -> Result<Range<usize>, Refusal> {
    let ends = text.split_once("..").map(|(a, b)| (a.parse(), b.parse()));
    match ends {
        Some((Ok(a), Ok(b))) if a < b => Ok(a..b),
        _ => expected("A..B with A below B, for instance 0..10 for the first ten rows"),
    }
}

fn domain(text: &str) -> Result<Domain, Refusal> {
    if text == "real" {
        return Ok(Domain::Real);
    }
    match text.strip_prefix("grid:").map(str::parse::<Format>) {
        Some(Ok(format)) if format.multiplier() == 1 => Ok(Domain::Grid(format)),
        _ => expected("real or grid:FORMAT, for instance grid:u8q8"),
    }
}

fn rounding(text: &str) -> Result<Rounding, Refusal> {
    match Rounding::from_name(text) {
        Some(r) => Ok(r),
        None => expected("half-up, half-even or floor"),
    }
}

fn logic(text: &str) -> Result<Logic, Refusal> {
    match text {
        "lia" => Ok(Logic::Lia),
        "bv" => Ok(Logic::Bv),
        _ => expected("lia or bv"),
    }
}

fn preset(text: &str) -> Result<Preset, Refusal> {
    let uniform = |w: &str, a: &str| {
        let width =
            |t: &str, range: RangeInclusive<u8>| t.parse().ok().filter(|n| range.contains(n));
        Some(Preset::Uniform {
            weight_bits: width(w, WEIGHT_BITS)?,
            activation_bits: width(a, ACTIVATION_BITS)?,
        })
    };
    let parts: Vec<_> = text.split(':').collect();
    let found = match parts[..] {
        ["auto"] => Some(Preset::Auto),
        ["uniform8"] => uniform("8", "8"),
        ["uniform-min"] => Some(Preset::UniformMin),
        ["gpfq"] => Some(Preset::Gpfq),
        ["ceg4n"] => Some(Preset::Ceg4n),
        ["uniform", w, a] => uniform(w, a),
        _ => None,
    };
    found.map_or_else(
        || expected("auto, uniform8, uniform-min, gpfq, ceg4n or uniform:W:A with W in 2..16 and A in 4..24"),
        Ok,
    )
}

fn strategy(text: &str) -> Result<Strategy, Refusal> {
    match text {
        "auto" => Ok(Strategy::Auto),
        "exact" => Ok(Strategy::Exact),
        "nsga2" => Ok(Strategy::Nsga2),
        "greedy" => Ok(Strategy::Greedy),
        _ => expected("auto, greedy, exact or nsga2"),
    }
}

fn granularity(text: &str) -> Result<Granularity, Refusal> {
    match text {
        "tensor" => Ok(Granularity::Tensor),
        "channel" => Ok(Granularity::Channel),
        _ => expected("tensor or channel"),
    }
}

fn cost(text: &str) -> Result<Cost, Refusal> {
    Cost::from_name(text).map_or_else(|| expected("weight-bits, flash, bitops or cycles"), Ok)
}

fn bits(text: &str, within: RangeInclusive<u8>) -> Result<RangeInclusive<u8>, Refusal> {
    let (lo, hi) = text.split_once("..").unwrap_or((text, text));
    let hi = hi.strip_prefix('=').unwrap_or(hi);
    if let (Ok(lo), Ok(hi)) = (lo.parse(), hi.parse())
        && lo <= hi
        && within.contains(&lo)
        && within.contains(&hi)
    {
        return Ok(lo..=hi);
    }
    expected(format!(
        "MIN..MAX within {}..{}, both included",
        within.start(),
        within.end()
    ))
}

/// What `--solver` is for.
pub(crate) fn solver_help() -> String {
    let names: Vec<_> = solver_names().collect();
    format!("{}, or the path of an SMT-LIB 2 program", names.join(", "))
}

/// What `--emit` is for.
pub(crate) fn emit_help() -> String {
    let names: Vec<_> = BACKENDS.iter().map(|b| b.name).collect();
    format!("What is written: {}", names.join(", "))
}

fn emit(r: &mut Reader, list: &[String]) -> EmitSet {
    let mut set = EmitSet::none();
    for name in list {
        r.option("emit", Some(name), |t| match t {
            "smt" => Err(Refusal::NotBuilt),
            t if set.insert(t) => Ok(()),
            _ => expected(names(BACKENDS.iter().map(|b| b.name))),
        });
    }
    set
}

fn target(text: &str) -> Result<Target, Refusal> {
    match Target::from_name(text) {
        Some(t) => Ok(t),
        None => expected(format!(
            "{} (or cortex-m0plus, cortex-m7, cortex-m33, atmega)",
            names(Target::ALL.map(Target::name))
        )),
    }
}

fn kernel(text: &str) -> Result<KernelChoice, Refusal> {
    match KernelChoice::from_name(text) {
        Some(k) => Ok(k),
        None => expected(names(KernelChoice::ALL.map(KernelChoice::name))),
    }
}

/// `a, b or c`.
fn names<'a>(all: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.into_iter().collect();
    match &all[..] {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        list => list.concat(),
    }
}

/// A number of bytes, with `k` for 1024 or `M` for its square.
fn bytes(text: &str) -> Result<u64, Refusal> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(d) => (d, 1024),
        None => match text.strip_suffix('M') {
            Some(d) => (d, 1024 * 1024),
            None => (text, 1),
        },
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)) {
        Some(n) => Ok(n),
        None => expected("a number of bytes, for instance 32768 or 32k"),
    }
}

fn prefix(text: &str) -> Result<String, Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts_well && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        expected("a C identifier that starts with a letter")
    }
}
