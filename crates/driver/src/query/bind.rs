//! A query together with the networks for it: files to declarations, shapes and types compared.

use super::single::objection;
use super::{Arithmetic, ELEMENT_TYPES, Problem, Query, QueryOptions, internal};
use crate::failure::Failure;
use crate::load::load;
use crate::options::LoadOptions;
use ceg4n_base::suggest::did_you_mean;
use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_import::vnnlib2::{
    self, ElementType, NetworkDeclaration, Port, Relation, Signature, Tensor,
};
use ceg4n_import::{import_onnx, import_onnx_file};
use ceg4n_ir::{
    Checked, Lowered, Module, OutputConstraint, OutputSpec, Program, Property, Region, check,
};
use ceg4n_jit::CodeCache;
use ceg4n_verify::{Precision, Reference, Subject};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that is asked, ready to be decided.
pub(super) struct Bound {
    /// The query, for its variables and its text's truth.
    pub query: Query,
    /// The first network's program, or the second's where only that is real-valued.
    pub reference: Reference,
    /// The other one's, or the only one's.
    pub subject: Subject,
    /// The reference is the second network.
    pub swapped: bool,
    /// How many networks there are: 1 or 2.
    pub networks: usize,
    /// Boxes, and what must not happen there.
    pub parts: Vec<(Region, Property)>,
    /// Inputs have strict bounds, which regions have not.
    pub strict_inputs: bool,
    /// What the user should know.
    pub warnings: Diagnostics,
}

impl Bound {
    /// The precision of real-valued programs.
    pub(super) fn precision(&self) -> Precision {
        self.reference.precision()
    }
}

/// A network's file as it was read.
struct Model {
    program: Checked<Program>,
    /// Of an ONNX file.
    signature: Option<Signature>,
    path: String,
}

/// Reads the networks of a query and puts it in terms of them.
pub(super) fn bind(options: &QueryOptions, query: Query) -> Result<Bound, Problem> {
    match &query {
        Query::One(_) => one(options, query),
        Query::Two(_) => two(options, query),
    }
}

/// Version 1: one network, real arithmetic.
fn one(options: &QueryOptions, query: Query) -> Result<Bound, Problem> {
    let Query::One(q) = &query else {
        return Err(internal("a query of another version").into());
    };
    let [(_, path)] = &options.networks[..] else {
        let n = options.networks.len();
        let message = format!("the query is about one network, {n} are given");
        let d = Diagnostic::error(codes::USAGE, message);
        return Err(d.help("--network f=FILE.onnx names its file").into());
    };
    let mut warnings = Diagnostics::default();
    let model = model(path, &mut warnings)?;
    let net = &model.program.program().network;
    q.check(net.input_len(), net.output_len())?;
    let stem = vnnlib2::stem_of(&options.query);
    let regions = q.regions(&stem)?;
    let path = options.query.display().to_string();
    let part = |r: Region| {
        let spec = q.spec(&path, Some(&r));
        (r, Property::Spec(spec.into()))
    };
    let parts = regions.into_iter().map(part).collect();
    let program = model.program;
    let reference = Reference::new(&program);
    let subject = subject(program)?;
    Ok(Bound {
        query,
        reference,
        subject,
        swapped: false,
        networks: 1,
        parts,
        strict_inputs: false,
        warnings,
    })
}

fn subject(program: Checked<Program>) -> Result<Subject, Diagnostic> {
    Subject::new(program, &CodeCache::new()).map_err(|t| internal(t.to_string()))
}

/// Version 2: one network or two.
fn two(options: &QueryOptions, query: Query) -> Result<Bound, Problem> {
    let Query::Two(q) = &query else {
        return Err(internal("a query of another version").into());
    };
    let mut warnings = Diagnostics::default();
    let models = models(options, q, &mut warnings)?;
    let single = precision(options, q, &models)?;
    let problem = q.problem(&vnnlib2::stem_of(&options.query))?;
    let fixed = |m: &Model| m.program.kernel().is_some();
    let swapped = matches!(&models[..], [f, g] if fixed(f) && !fixed(g));
    let outputs: Vec<usize> = (models.iter())
        .map(|m| m.program.program().network.output_len())
        .collect();
    let mut models = models.into_iter().map(|m| m.program);
    let (first, second) = (models.next(), models.next());
    let first = first.ok_or_else(|| internal("no network"))?;
    let networks = outputs.len();
    let same = |g: &Checked<Program>| g.hash() == first.hash() && single == Precision::Real;
    let property = |spec: OutputSpec| match &second {
        None => Property::Spec(spec.into()),
        Some(g) if same(g) => Property::Spec(collapsed(spec, outputs[0]).into()),
        Some(_) if swapped => Property::Joint(exchanged(spec, outputs[0]).into()),
        Some(_) => Property::Joint(spec.into()),
    };
    let parts = problem.parts.into_iter();
    let parts = parts.map(|(r, spec)| (r, property(spec))).collect();
    let (n, k) = match second {
        None => (first.clone(), first),
        Some(second) if swapped => (second, first),
        Some(second) => (first, second),
    };
    Ok(Bound {
        query,
        reference: Reference::new(&n).with_precision(single),
        subject: subject(k)?.with_precision(single),
        swapped,
        networks,
        parts,
        strict_inputs: problem.strict_inputs,
        warnings,
    })
}

/// A specification whose second half of outputs comes first.
fn exchanged(mut spec: OutputSpec, half: usize) -> OutputSpec {
    let other = |j: usize| if j < half { j + half } else { j - half };
    for c in spec.cases.iter_mut().flatten() {
        let moved = c.coefficients.drain(..).map(|(j, a)| (other(j), a));
        let mut moved: Vec<_> = moved.collect();
        moved.sort_by_key(|(j, _)| *j);
        *c = OutputConstraint {
            coefficients: moved,
            ..c.clone()
        };
    }
    spec
}

/// A specification whose second half of outputs has the values of the first.
fn collapsed(spec: OutputSpec, half: usize) -> OutputSpec {
    // `None` for a case that is never met.
    let case = |list: Vec<OutputConstraint>| {
        let mut kept = Vec::with_capacity(list.len());
        for c in list {
            let mut sums: BTreeMap<usize, Exact> = BTreeMap::new();
            for (j, a) in &c.coefficients {
                let sum = sums.entry(j % half).or_insert_with(Exact::zero);
                *sum = &*sum + a;
            }
            sums.retain(|_, a| !a.is_zero());
            let sign = c.constant.signum();
            match sums.is_empty() {
                true if sign > 0 || (sign == 0 && c.strict) => return None,
                true => {}
                false => kept.push(OutputConstraint {
                    coefficients: sums.into_iter().collect(),
                    ..c
                }),
            }
        }
        Some(kept)
    };
    OutputSpec {
        outputs: half,
        cases: spec.cases.into_iter().filter_map(case).collect(),
        path: spec.path,
    }
}

/// The files of all declared networks.
fn models(
    options: &QueryOptions,
    q: &vnnlib2::Query,
    warnings: &mut Diagnostics,
) -> Result<Vec<Model>, Problem> {
    let declared = q.networks();
    if let [_, _, third, ..] = declared {
        let d = Diagnostic::error(codes::QUERY, "more than two networks are not supported");
        return Err(d.at(Some(third.span), "the third one").into());
    }
    names(options, declared)?;
    let mut models: Vec<Model> = Vec::with_capacity(declared.len());
    for n in declared {
        let read = match n.relation {
            Some((Relation::EqualTo, k)) => Model {
                program: models[k].program.clone(),
                signature: models[k].signature.clone(),
                path: models[k].path.clone(),
            },
            Some((Relation::IsomorphicTo, _)) | None => {
                let given = options.networks.iter().find(|(name, _)| *name == n.name);
                let (_, path) = given.ok_or_else(|| internal("a network without a file"))?;
                model(path, warnings)?
            }
        };
        fits(n, &read)?;
        models.push(read);
    }
    let sizes = |m: &Model| {
        let net = &m.program.program().network;
        (net.input_len(), net.output_len())
    };
    if let ([f, g], [_, second]) = (&models[..], declared)
        && sizes(f) != sizes(g)
    {
        let message = "two networks with different numbers of inputs or outputs are not supported";
        let d = Diagnostic::error(codes::QUERY, message);
        return Err(d.at(Some(second.span), "unlike the other one").into());
    }
    Ok(models)
}

/// Every network that needs a file has one, and no other is given.
fn names(options: &QueryOptions, declared: &[NetworkDeclaration]) -> Result<(), Diagnostics> {
    let mut errors = Diagnostics::default();
    let mut usage = |message: String, help: String| {
        errors.push(Diagnostic::error(codes::USAGE, message).help(help));
    };
    for n in declared {
        let files = options.networks.iter().filter(|(name, _)| *name == n.name);
        let equal = matches!(n.relation, Some((Relation::EqualTo, _)));
        match (files.count(), equal) {
            (0, false) => usage(
                format!("no file is given for the network {}", n.name),
                format!("--network {}=FILE.onnx", n.name),
            ),
            (0, true) | (1, false) => {}
            (_, true) => usage(
                format!("the network {} needs no file", n.name),
                "it is declared equal to another one: leave its file out".to_owned(),
            ),
            (_, false) => usage(
                format!("several files are given for the network {}", n.name),
                "leave all but one out".to_owned(),
            ),
        }
    }
    let known: Vec<&str> = declared.iter().map(|n| n.name.as_str()).collect();
    for (name, _) in &options.networks {
        if !known.contains(&name.as_str()) {
            let message = format!("the query declares no network {name}");
            let error = Diagnostic::error(codes::USAGE, message)
                .help_if(did_you_mean(name, known.iter().copied()));
            errors.push(error.help(format!("it declares {}", known.join(", "))));
        }
    }
    errors.or(())
}

/// Reads a network: `.onnx` (packed or not) or `.nnir`, of which the last version counts.
fn model(path: &Path, warnings: &mut Diagnostics) -> Result<Model, Problem> {
    let name = path.display().to_string();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let is = |ext: &str| plain.to_lowercase().ends_with(ext);
    if is(".onnx") {
        let bytes = vnnlib2::bytes_of(path)?;
        let there = |d: Diagnostics| Problem::There(Failure::from(d));
        let imported = match plain == name {
            true => import_onnx_file(path),
            false => import_onnx(&bytes, &vnnlib2::stem_of(path)),
        }
        .map_err(there)?;
        warnings.0.extend(imported.notes);
        let module = Module::new(imported.network);
        return Ok(Model {
            program: check(module.reference()).map_err(there)?,
            signature: Some(Signature::of(&bytes)),
            path: name,
        });
    }
    let loaded = load(&LoadOptions {
        net: path.to_owned(),
        ..LoadOptions::default()
    })
    .map_err(Problem::There)?;
    let module = &loaded.module;
    let program = module.version(None).unwrap_or_else(|| module.reference());
    match check(program) {
        Ok(program) => Ok(Model {
            program,
            signature: None,
            path: name,
        }),
        Err(d) => Err(Problem::There(loaded.fail(d))),
    }
}

/// Does a file have the inputs, outputs and types that are declared?
fn fits(n: &NetworkDeclaration, model: &Model) -> Result<(), Diagnostics> {
    let mut errors = Diagnostics::default();
    if let Some(h) = n.hidden.first() {
        let d = Diagnostic::error(codes::QUERY, "hidden values are not supported");
        errors.push(d.at(Some(h.span), "a value inside of a network"));
    }
    let net = &model.program.program().network;
    let none = Signature::default();
    let signature = model.signature.as_ref().unwrap_or(&none);
    let sides = [
        (&n.inputs, &signature.inputs, net.input(), "input"),
        (&n.outputs, &signature.outputs, net.output(), "output"),
    ];
    for (tensors, ports, value, what) in sides {
        let shape = &net.value(value).shape.0;
        match (&tensors[..], &ports[..]) {
            ([t], [] | [_]) => {
                errors.0.extend(tensor_fits(t, ports.first(), shape, model));
            }
            ([t], _) => {
                let k = ports.len();
                let message = format!("{} has {k} {what}s, one is declared", model.path);
                let d = Diagnostic::error(codes::SHAPE, message);
                errors.push(d.at(Some(t.span), "the only one"));
            }
            (several, _) => {
                let message = format!("networks with several {what}s are not supported");
                let at = several.get(1).map(|t| t.span);
                errors.push(Diagnostic::error(codes::QUERY, message).at(at, "the second one"));
            }
        }
    }
    errors.or(())
}

fn tensor_fits(
    t: &Tensor,
    port: Option<&Port>,
    shape: &[usize],
    model: &Model,
) -> Option<Diagnostic> {
    let fault = |code, message: String, label: String| {
        Some(Diagnostic::error(code, message).at(Some(t.span), label))
    };
    // Files differ in batch dimensions and other ones of size 1.
    let long = |s: &[usize]| s.iter().copied().filter(|d| *d != 1).collect::<Vec<_>>();
    if long(&t.shape) != long(shape) {
        let dims: Vec<String> = match port.and_then(|p| p.shape.as_ref()) {
            Some(s) => s
                .iter()
                .map(|d| d.map_or("?".into(), |d| d.to_string()))
                .collect(),
            None => shape.iter().map(ToString::to_string).collect(),
        };
        let there = format!("[{}]", dims.join(","));
        let (own, path) = (t.dimensions(), &model.path);
        return fault(
            codes::SHAPE,
            format!("{} has the shape {own}, in {path} it is {there}", t.name),
            "another shape".to_owned(),
        );
    }
    if let (Some(node), Some(p)) = (&t.node, port)
        && *node != p.name
    {
        let message = format!("{} has no node {node:?} there", model.path);
        return fault(
            codes::UNKNOWN_NAME,
            message,
            format!("it is called {:?}", p.name),
        );
    }
    let there = match port {
        None => None,
        Some(p) => p.element,
    };
    match (t.element, there) {
        (ElementType::Real, _) => None,
        (own, Some(other)) if own != other => fault(
            codes::SHAPE,
            format!(
                "{} is {}, in {} it is {}",
                t.name,
                own.name(),
                model.path,
                other.name()
            ),
            "another element type".to_owned(),
        ),
        (own, Some(_)) if !ELEMENT_TYPES.contains(&own) => fault(
            codes::QUERY,
            format!("the analysis is not sound for {}", own.name()),
            "declare it real to ask about exact arithmetic".to_owned(),
        ),
        (_, Some(_)) => None,
        // A .nnir program computes exactly, in integers or in real numbers.
        (ElementType::Float32, None) if model.program.kernel().is_none() => None,
        (own, None) => fault(
            codes::SHAPE,
            format!(
                "{} is {}, {} computes exactly",
                t.name,
                own.name(),
                model.path
            ),
            "declare it real".to_owned(),
        ),
    }
}

/// The precision that the declarations ask for, and that the analysis has.
fn precision(
    options: &QueryOptions,
    q: &vnnlib2::Query,
    models: &[Model],
) -> Result<Precision, Diagnostic> {
    let single = |n: &NetworkDeclaration| n.tensors().any(|t| t.element == ElementType::Float32);
    let reals = |m: &Model| m.program.kernel().is_none();
    let networks = || q.networks().iter().zip(models).filter(|(_, m)| reals(m));
    if options.arithmetic == Arithmetic::Real || !networks().any(|(n, _)| single(n)) {
        return Ok(Precision::Real);
    }
    // One in single precision and another in exact arithmetic: what holds for every run of both
    // holds for the exact values too.
    for (n, m) in networks() {
        if let Lowered::Real(program) = m.program.lowered()
            && let Some(what) = objection(program)
        {
            let message = format!("the analysis of {} is not sound in float32", m.path);
            let d = Diagnostic::error(codes::QUERY, message);
            return Err(d
                .at(Some(n.span), format!("it has {what}"))
                .help("declare real tensors to ask about exact arithmetic"));
        }
    }
    Ok(Precision::Float32)
}
