//! The commands: from arguments through the driver to text and exit code.

mod program;
mod query;
mod report;
mod rules;
mod runs;
mod scalar;

use crate::args::{
    BenchArgs, BenchCommand, BenchCompileArgs, BenchVerifyArgs, CheckArgs, Command, CompileArgs,
    ExplainArgs, Format, ImportArgs, OptArgs, Print, ReduceArgs, RunArgs, SmtArgs, TableFormat,
    VerifyArgs,
};
use crate::console::Console;
use crate::{render, translate};
use ceg4n_base::{Diagnostic, Diagnostics, Sources, codes};
use ceg4n_driver::explain::Outcome;
use ceg4n_driver::opt::{OptOptions, opt, passes, pipelines, save, to_dot, to_text};
use ceg4n_driver::options::LoadOptions;
use ceg4n_driver::{Failure, Loaded};
use ceg4n_report::{Report, Status};
use serde::Serialize;
use std::io::{self, ErrorKind};
use std::time::Instant;

/// The text of a result and the exit code.
type Done = Result<(String, i32), Failure>;

/// Runs a command; returns the exit code.
pub(crate) fn run(command: Command, console: &mut Console<'_>) -> i32 {
    let begin = Instant::now();
    let done = match command {
        Command::Compile(args) => compile(&args, console),
        Command::Check(args) => check(&args, console),
        Command::Import(args) => import(&args, console),
        Command::Opt(args) => optimize(&args, console),
        Command::Verify(args) if translate::is_query(&args.net) => query::verify(&args, console),
        Command::Verify(args) => verify(&args, console),
        Command::Run(args) => evaluate(&args, console),
        Command::Smt(args) => smt(&args, console),
        Command::Bench(BenchArgs { what }) => match what {
            BenchCommand::Verify(args) => bench_verify(&args, console),
            BenchCommand::Compile(args) => bench_compile(&args, console),
            BenchCommand::Instances(args) => query::bench_instances(&args, console),
        },
        Command::Doctor(args) => program::doctor(&args, console),
        Command::Completions(args) => program::completions(&args),
        Command::Man(args) => program::man(&args),
        Command::Explain(args) => explain(&args, console),
        Command::Rules(args) => rules::rules(&args, console),
        Command::Reduce(args) => reduce(&args, console),
        Command::Runs(args) => runs::runs(&args, console),
        Command::Diff(args) => runs::diff(&args, console),
        Command::Report(args) => report::report(&args),
        Command::Supports(args) => query::supports(&args),
    };
    let code = match done {
        Ok((text, code)) => {
            let written = console.print(&text);
            finish(written, code, console)
        }
        Err(failure) => console.fail(&failure),
    };
    let took = render::verbose::took(begin.elapsed(), &ceg4n_driver::usage());
    console.detail(&took);
    code
}

/// The exit code after results were written. A reader that went away wanted no more of them.
pub(crate) fn finish(written: io::Result<()>, code: i32, console: &mut Console<'_>) -> i32 {
    match written {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            let text = format!("cannot write the result: {e}");
            console.fail(&Diagnostic::error(codes::FILE_WRITE, text).into())
        }
        _ => code,
    }
}

/// Shows the warnings of a file.
fn warn(loaded: &Loaded, console: &mut Console<'_>) {
    console.show(&loaded.warnings, &loaded.sources);
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => Ok(text + "\n"),
        Err(e) => {
            let text = format!("the result cannot be written as JSON: {e}");
            Err(Diagnostic::error(codes::INTERNAL, text).into())
        }
    }
}

fn code_of(report: &Report) -> i32 {
    match report.status {
        Status::Proved => 0,
        Status::Refuted => 10,
        Status::Unknown => 20,
    }
}

fn compile(args: &CompileArgs, console: &mut Console<'_>) -> Done {
    let options = match &args.resume {
        None => translate::compile(args)?,
        Some(folder) => match runs::resume(folder, args, console)? {
            runs::Resumed::Going(options) => *options,
            runs::Resumed::Finished(report) => {
                let told = format!("the run in {} has its result", folder.display());
                return compiled(args, &report, &told, console);
            }
        },
    };
    console.detail(&render::verbose::compile(&options));
    let when = args.budget.progress;
    let made = console.watch(when, |p, c| ceg4n_driver::compile::compile(&options, p, c))?;
    console.show(&made.warnings, &Sources::default());
    console.detail(&render::verbose::stages(&made.report.seconds));
    let folder = made.folder.display();
    let mut told = format!("written to {folder}");
    if made.resumable && options.store.keep {
        told.push_str(&format!(
            "\nnot through yet; to go on: ceg4nc compile --resume {folder}"
        ));
    }
    compiled(args, &made.report, &told, console)
}

/// A result of `compile`, and what is told of it.
fn compiled(args: &CompileArgs, report: &Report, told: &str, console: &Console<'_>) -> Done {
    let text = match args.format.format {
        Format::Json => json(report)?,
        Format::Text => format!(
            "{}{told}\n",
            render::report(report, console.manners.table())
        ),
    };
    Ok((text, code_of(report)))
}

fn verify(args: &VerifyArgs, console: &mut Console<'_>) -> Done {
    let options = translate::verify(args)?;
    console.detail(&render::verbose::verify(&options));
    let when = args.budget.progress;
    let found = console.watch(when, |p, c| ceg4n_driver::verify::verify(&options, p, c))?;
    console.show(&found.warnings, &Sources::default());
    console.detail(&render::verbose::stages(&found.report.seconds));
    let text = match args.format.format {
        Format::Json => json(&found.report)?,
        Format::Text => render::report(&found.report, console.manners.table()),
    };
    Ok((text, code_of(&found.report)))
}

fn bench_verify(args: &BenchVerifyArgs, console: &mut Console<'_>) -> Done {
    let options = translate::bench_verify(args)?;
    let when = args.budget.progress;
    let bench = console.watch(when, |p, c| {
        ceg4n_driver::bench::bench_verify(&options, p, c)
    })?;
    if let Some(path) = &args.csv {
        std::fs::write(path, bench.to_csv()).map_err(|e| {
            let text = format!("cannot write {}: {e}", path.display());
            Diagnostic::error(codes::FILE_WRITE, text)
        })?;
    }
    let text = match args.format.format {
        Format::Json => json(&bench)?,
        Format::Text => render::bench(&bench, args.each, console.manners.table()),
    };
    // What is refuted or open is a result; only a run that was cut short is not what was asked.
    Ok((text, if bench.clock_limited { 20 } else { 0 }))
}

fn bench_compile(args: &BenchCompileArgs, console: &mut Console<'_>) -> Done {
    let options = translate::bench_compile(args)?;
    let when = args.budget.progress;
    let run = ceg4n_driver::bench::compile::bench_compile;
    let bench = console.watch(when, |p, c| run(&options, p, c))?;
    let text = match args.format {
        TableFormat::Json => bench.to_json(),
        TableFormat::Text => render::bench_compile(&bench, console.manners.table()),
        TableFormat::Markdown => render::bench_compile_markdown(&bench),
    };
    // As for `bench verify`: a row's verdict is a result, whatever it is.
    Ok((text, if bench.interrupted { 20 } else { 0 }))
}

fn check(args: &CheckArgs, console: &mut Console<'_>) -> Done {
    let options = translate::load(&args.net, &args.question)?;
    let (loaded, summary) = ceg4n_driver::check::check(&options)?;
    warn(&loaded, console);
    let text = match args.format.format {
        Format::Json => json(&summary)?,
        Format::Text => render::summary(&summary, console.manners.table()),
    };
    Ok((text, 0))
}

fn import(args: &ImportArgs, console: &mut Console<'_>) -> Done {
    let options = translate::load(&args.net, &args.question)?;
    let loaded = ceg4n_driver::import::import(&options)?;
    warn(&loaded, console);
    save(&args.output, &loaded.module)?;
    let net = &loaded.module.network;
    let text = format!(
        "@{}: tensor<{}> to tensor<{}>, {}, {}, written to {}\n",
        loaded.name,
        net.value(net.input()).shape,
        net.value(net.output()).shape,
        render::count(net.parameters(), "parameter"),
        render::count(loaded.module.regions.len(), "region"),
        args.output.display()
    );
    Ok((text, 0))
}

fn optimize(args: &OptArgs, console: &mut Console<'_>) -> Done {
    if args.list_passes {
        let columns = console.manners.table();
        return Ok((render::passes(&passes(), pipelines(), columns), 0));
    }
    let options = OptOptions {
        load: LoadOptions {
            net: args.net.clone().unwrap_or_default(),
            ..LoadOptions::default()
        },
        passes: args.passes.clone().unwrap_or_default(),
        verify_each: args.verify_each,
    };
    let print = |module: &_| match args.print {
        Print::Ir => to_text(module),
        Print::Dot => to_dot(module),
        // Only of what all passes made: a module in between need not have a kernel.
        Print::Scalar => String::new(),
    };
    let mut text = String::new();
    let mut applied = Vec::new();
    let loaded = opt(&options, &mut |found, module| {
        if args.print_after_all {
            let after = match found.changed {
                true => print(module),
                false => String::new(),
            };
            text.push_str(&render::after(found));
            text.push_str(&after);
        }
        applied.push(found.clone());
    })?;
    console.say(&render::compared(&applied));
    if args.timing {
        console.say(&render::timing(&applied));
    }
    let stats = match args.stats {
        true => render::stats(&applied),
        false => String::new(),
    };
    warn(&loaded, console);
    if let Some(path) = &args.output {
        save(path, &loaded.module)?;
    } else if args.print == Print::Scalar {
        text = scalar::print(loaded, &args.scalar, args.stats)?;
    } else if text.is_empty() {
        text.push_str(&print(&loaded.module));
    }
    Ok((stats + &text, 0))
}

fn evaluate(args: &RunArgs, console: &mut Console<'_>) -> Done {
    let mut options = translate::run(args)?;
    let mut bytes = Vec::new();
    let read = if options.data.is_some() {
        Ok(bytes)
    } else if args.input.as_os_str() == "-" {
        options.input_name = "standard input".to_owned();
        console.input.read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(&args.input)
    };
    let unreadable = |e: &dyn std::fmt::Display| {
        let text = format!("cannot read {}: {e}", options.input_name);
        Diagnostics::from(Diagnostic::error(codes::FILE_READ, text))
    };
    let bytes = read.map_err(|e| unreadable(&e))?;
    let text = String::from_utf8(bytes).map_err(|e| unreadable(&e))?;
    options.input = text;
    let (loaded, results) = ceg4n_driver::run::run(&options)?;
    warn(&loaded, console);
    let text = match args.format.format {
        Format::Json => json(&results)?,
        Format::Text => render::results(&results),
    };
    Ok((text, 0))
}

fn smt(args: &SmtArgs, console: &mut Console<'_>) -> Done {
    let options = translate::smt(args)?;
    let (loaded, script) = ceg4n_driver::smt::smt(&options)?;
    warn(&loaded, console);
    Ok((script, 0))
}

fn explain(args: &ExplainArgs, console: &mut Console<'_>) -> Done {
    let options = translate::explain(args)?;
    if args.recheck {
        let when = args.progress;
        let recheck = ceg4n_driver::explain::recheck;
        let found = console.watch(when, |p, c| recheck(&options, p, c))?;
        let text = match args.format.format {
            Format::Json => json(&found)?,
            Format::Text => render::recheck(&found, console.manners.table()),
        };
        let code = match found.outcome {
            Outcome::Holds => 0,
            Outcome::Fails => 10,
            Outcome::Open => 20,
        };
        return Ok((text, code));
    }
    let told = ceg4n_driver::explain::explain(&options)?;
    let text = match args.format.format {
        Format::Json => json(&told)?,
        Format::Text => render::explanation(&told, console.manners.table()),
    };
    Ok((text, 0))
}

fn reduce(args: &ReduceArgs, console: &mut Console<'_>) -> Done {
    let options = translate::reduce(args)?;
    let when = args.progress;
    let found = console.watch(when, |p, c| ceg4n_driver::reduce::reduce(&options, p, c))?;
    let text = match args.format.format {
        Format::Json => json(&found)?,
        Format::Text => render::reduction(&found),
    };
    Ok((text, if found.ended == "fixpoint" { 0 } else { 20 }))
}
