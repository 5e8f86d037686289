//! `reduce`: makes a network smaller as long as a command still finds it interesting, so that what
//! a bug report holds is small.
//!
//! As C-Reduce does (Regehr et al., "Test-case reduction for C compiler bugs", 2012): steps that
//! know the language propose candidates, the command decides. Every candidate is a module that reads
//! back and that the checker takes, unless the original is none; then less is asked. Without
//! randomness: the same network and a command that always answers the same give the same result.

mod command;
mod edit;
mod formats;
mod numbers;
mod parts;
mod session;
mod shrink;
mod slices;
mod structure;
mod text;

pub use command::{Expectation, Signal};
pub use session::Runs;

use crate::failure::Failure;
use crate::load::Loaded;
use crate::options::LoadOptions;
use crate::progress::{self, Cancel, Event, Progress, told};
use ceg4n_base::{Diagnostic, Diagnostics, Sources, codes};
use ceg4n_ir::{Module, Network, NetworkBuilder, Op, Origin, Shape};
use command::Command;
use serde::Serialize;
use session::{Demand, Files, Session, Stop, passes_checker};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a test says of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// It still shows what is looked for.
    pub interesting: bool,
    /// What happened, for people: `it ended with 1`.
    pub how: String,
}

/// Says which candidates are interesting.
pub trait Test {
    /// Looks at the file.
    ///
    /// # Errors
    /// If there is no answer at all, for instance because a program does not start.
    fn run(&mut self, candidate: &Path) -> Result<Verdict, Diagnostic>;
}

/// What to do.
#[derive(Clone, Debug)]
pub struct ReduceOptions {
    /// A `.nnir` or `.onnx` file.
    pub net: PathBuf,
    /// The program and its arguments; `{}` in them stands for the candidate's path, which else
    /// comes last.
    pub command: Vec<OsString>,
    /// When a run is interesting.
    pub expect: Expectation,
    /// How long a run may take; one that takes longer is not interesting.
    pub timeout: Duration,
    /// Runs at most.
    pub limit: u64,
    /// Where the result goes; `NET.reduced.nnir` beside the input unless said.
    pub output: Option<PathBuf>,
    /// Write the result over the input.
    pub in_place: bool,
}

/// How large a candidate is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Bytes of its text and of the files beside it.
    pub bytes: usize,
    /// Operators; 0 for a text that cannot be read.
    pub operators: usize,
    /// Elements of constants.
    pub parameters: usize,
    /// Versions.
    pub versions: usize,
    /// Regions.
    pub regions: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reduction {
    /// The size before, printed as the result is.
    pub before: Size,
    /// And after.
    pub after: Size,
    /// Runs and candidates.
    #[serde(flatten)]
    pub runs: Runs,
    /// What made the original interesting.
    pub interesting: String,
    /// `fixpoint`, or why it ended before: `limit` or `interrupted`.
    pub ended: &'static str,
    /// Where the result was written.
    pub output: PathBuf,
}

/// Reduces with a command.
///
/// # Errors
/// [`codes::USAGE`] where the original is not interesting, the command does not start or the output
/// is the input; what is wrong with an ONNX model; files that cannot be read or written.
pub fn reduce(
    options: &ReduceOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Reduction, Failure> {
    let outputs = folder()?;
    let mut command = Command {
        words: options.command.clone(),
        expect: options.expect.clone(),
        timeout: options.timeout,
        cancel: cancel.clone(),
        folder: outputs.path().to_owned(),
    };
    reduce_with(options, &mut command, progress, cancel)
}

/// Reduces with any test; `command`, `expect` and `timeout` of the options do not count.
///
/// # Errors
/// As [`reduce`], and those of the test.
pub fn reduce_with(
    options: &ReduceOptions,
    test: &mut dyn Test,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Reduction, Failure> {
    let status = |_: &Reduction| "done";
    told(progress, ("reduce", &options.net), status, || {
        reduce_quietly(options, test, progress, cancel)
    })
}

/// The command without its first and last event.
fn reduce_quietly(
    options: &ReduceOptions,
    test: &mut dyn Test,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Reduction, Failure> {
    let output = output(options)?;
    let original = read(&options.net)?;
    let first = test.run(&options.net)?;
    if !first.interesting {
        return Err(not_interesting(&options.net.display().to_string(), &first.how).into());
    }
    let folder = folder()?;
    progress.note(&Event::Stage {
        stage: progress::Stage::Reduce,
        detail: options.net.display().to_string(),
        of: None,
    });
    let mut session = Session {
        test,
        progress,
        cancel: cancel.clone(),
        folder: folder.path().to_owned(),
        limit: options.limit,
        demand: original.demand,
        best: original.files,
        module: original.module.clone().unwrap_or_else(nothing),
        runs: Runs {
            runs: 1,
            ..Runs::default()
        },
        stage: "start",
        tried: BTreeSet::new(),
    };
    let before = size(&session.best, original.module.as_ref());
    let (result, is_module) = run(&mut session, original.module, &options.net);
    let ended = match result {
        Ok(()) => "fixpoint",
        Err(Stop::Limit) => "limit",
        Err(Stop::Cancelled) => "interrupted",
        Err(Stop::Failed(d)) => return Err(d.into()),
    };
    let (best, module) = (session.best, session.module);
    let runs = session.runs;
    let module = is_module.then_some(&module);
    save(&output, &best, module)?;
    Ok(Reduction {
        before,
        after: size(&best, module),
        runs,
        interesting: first.how,
        ended,
        output,
    })
}

fn not_interesting(what: &str, how: &str) -> Diagnostic {
    Diagnostic::error(codes::USAGE, format!("{what} is not interesting: {how}")).help(
        "a run is interesting if it ends with 0; --expect-exit N, --expect-signal S and \
         --expect-text T ask for something else",
    )
}

/// The original as it is read.
struct Original {
    files: Files,
    /// Absent for a text that is no module.
    module: Option<Module>,
    demand: Demand,
}

fn read(net: &Path) -> Result<Original, Failure> {
    let extension = net.extension().map(|e| e.to_string_lossy().to_lowercase());
    if extension.as_deref() == Some("nnir") {
        let mut sources = Sources::default();
        let module = ceg4n_syntax::load(&mut sources, net).ok();
        return match module {
            Some(module) => Ok(of_module(module)),
            None => of_text(net),
        };
    }
    let options = LoadOptions {
        net: net.to_owned(),
        ..LoadOptions::default()
    };
    let Loaded { module, .. } = crate::load::load(&options)?;
    Ok(of_module(module))
}

fn of_module(module: Module) -> Original {
    let module = inline(module);
    let demand = match passes_checker(&module) {
        true => Demand::Checked,
        false => Demand::Readable,
    };
    Original {
        files: Files::of(&module),
        demand,
        module: Some(module),
    }
}

/// A text with the files beside it that it names.
fn of_text(net: &Path) -> Result<Original, Failure> {
    let fail = |e: &dyn std::fmt::Display| {
        let text = format!("cannot read {}: {e}", net.display());
        Failure::from(Diagnostic::error(codes::FILE_READ, text))
    };
    let bytes = std::fs::read(net).map_err(|e| fail(&e))?;
    let text = String::from_utf8(bytes).map_err(|e| fail(&e))?;
    let folder = net.parent().unwrap_or(Path::new(""));
    let names: BTreeSet<&str> = text.split('"').collect();
    let inside = |name: &&str| {
        let mut parts = Path::new(name).components();
        !name.is_empty() && parts.all(|p| matches!(p, std::path::Component::Normal(_)))
    };
    let content = |name: &str| {
        let path = folder.join(name);
        let bytes = path.is_file().then(|| std::fs::read(path).ok())??;
        Some((name.to_owned(), bytes))
    };
    let beside = names.into_iter().filter(inside).filter_map(content);
    Ok(Original {
        files: Files {
            beside: beside.collect(),
            text,
        },
        module: None,
        demand: Demand::Readable,
    })
}

/// The module with every constant its own.
fn inline(module: Module) -> Module {
    let old = &module.network;
    let mut builder = NetworkBuilder::new(old.name());
    for value in old.values().values() {
        let mut op = value.op.clone();
        if let Op::Const(c) = &mut op {
            c.origin = Origin::Inline;
        }
        builder.push(&value.name, op, Some(value.shape.clone()), None);
    }
    match builder.finish(old.output()) {
        Ok(network) => Module {
            network: Arc::new(network),
            ..module
        },
        // A network's values are those of a network.
        Err(_) => module,
    }
}

/// Stands where there is no module.
fn nothing() -> Module {
    let mut builder = NetworkBuilder::new("none");
    let input = builder.push("x", Op::Input, Some(Shape::vector(1)), None);
    let network: Network = builder.finish(input).expect("an input is a network");
    Module::new(network)
}

/// Reduces a module if there is one and its print is interesting, else the text. Says whether the
/// best candidate is a module.
fn run(session: &mut Session<'_>, module: Option<Module>, net: &Path) -> (Result<(), Stop>, bool) {
    if let Some(module) = module {
        session.stage = "print";
        match session.try_module(module) {
            Ok(true) => return (fixpoint(session), true),
            Ok(false) => {}
            Err(stop) => return (Err(stop), false),
        }
    }
    // What the printer does not keep may be what matters.
    match of_text(net) {
        Ok(original) => session.best = original.files,
        Err(failure) => {
            let mut diagnostics = failure.diagnostics.0.into_iter();
            let error = diagnostics.next();
            let missing = || Diagnostic::error(codes::INTERNAL, "a failure without a reason");
            return (Err(Stop::Failed(error.unwrap_or_else(missing))), false);
        }
    }
    (text::text(session), false)
}

/// A stage: its name, and what it does.
type Stage = (&'static str, fn(&mut Session<'_>) -> Result<(), Stop>);

/// In the order of how much they take away.
const STAGES: [Stage; 17] = [
    ("parts", parts::drop_parts),
    ("output", structure::earlier_output),
    ("input", structure::later_input),
    ("bypass", structure::bypass),
    ("operands", shrink::operands),
    ("slices", shrink::slices),
    ("windows", shrink::windows),
    ("operators", structure::simpler_operators),
    ("demands", parts::simpler_demands),
    ("no mantissas", formats::no_mantissas),
    ("formats", formats::formats),
    ("regions", numbers::regions),
    ("constants", numbers::constants),
    ("mantissas", numbers::mantissas),
    ("slices", shrink::slices),
    ("bypass", structure::bypass),
    ("names", parts::short_names),
];

/// All stages again and again until none finds anything.
fn fixpoint(session: &mut Session<'_>) -> Result<(), Stop> {
    loop {
        let before = session.runs.steps;
        for (name, stage) in STAGES {
            session.stage = name;
            stage(session)?;
        }
        if session.runs.steps == before {
            let text = format!("nothing more to take away after {} runs", session.runs.runs);
            session.progress.note(&Event::Note { text });
            return Ok(());
        }
    }
}

/// Where the result goes.
fn output(options: &ReduceOptions) -> Result<PathBuf, Diagnostics> {
    let net = &options.net;
    let usage =
        |text: String, help: &str| Err(Diagnostic::error(codes::USAGE, text).help(help).into());
    let is_text = net.extension().is_some_and(|e| e == "nnir");
    if options.in_place {
        return match is_text {
            true => Ok(net.clone()),
            false => usage(
                format!("{} cannot be replaced by a .nnir file", net.display()),
                "leave --in-place out",
            ),
        };
    }
    let output = match &options.output {
        Some(path) => path.clone(),
        None => net.with_extension("reduced.nnir"),
    };
    if output.extension().is_none_or(|e| e != "nnir") {
        let text = format!("{} does not end in .nnir", output.display());
        return usage(text, "the result is a .nnir file");
    }
    let same = std::fs::canonicalize(&output)
        .is_ok_and(|o| std::fs::canonicalize(net).is_ok_and(|n| n == o));
    match same {
        true => usage(
            format!("{} is the input", output.display()),
            "--in-place writes the result over it",
        ),
        false => Ok(output),
    }
}

/// Writes the result whole or not at all.
fn save(path: &Path, best: &Files, module: Option<&Module>) -> Result<(), Diagnostic> {
    if let Some(module) = module {
        return ceg4n_syntax::save(path, module);
    }
    let fail = |path: &Path, e: std::io::Error| {
        Diagnostic::error(
            codes::FILE_WRITE,
            format!("cannot write {}: {e}", path.display()),
        )
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    for (name, bytes) in best
        .beside
        .iter()
        .filter(|(n, _)| best.text.contains(n.as_str()))
    {
        let target = folder.join(name);
        if !target.exists() {
            std::fs::write(&target, bytes).map_err(|e| fail(&target, e))?;
        }
    }
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = std::fs::write(&beside, &best.text).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|e| {
        // Where even that fails there is nothing left to do about the rest of the file.
        let _ = std::fs::remove_file(&beside);
        fail(path, e)
    })
}

fn folder() -> Result<tempfile::TempDir, Diagnostic> {
    tempfile::Builder::new()
        .prefix("ceg4nc-reduce-")
        .tempdir()
        .map_err(|e| {
            let text = format!("cannot make a folder for candidates: {e}");
            Diagnostic::error(codes::FILE_WRITE, text)
        })
}

fn size(files: &Files, module: Option<&Module>) -> Size {
    let bytes = files.size();
    match module {
        None => Size {
            bytes,
            ..Size::default()
        },
        Some(m) => Size {
            bytes,
            operators: (m.network.values().values())
                .filter(|v| !matches!(v.op, Op::Input | Op::Const(_)))
                .count(),
            parameters: m.network.parameters(),
            versions: m.versions.len(),
            regions: m.regions.len(),
        },
    }
}
