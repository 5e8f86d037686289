//! One question to one backend: the script, the verdict, the model, and its replay.

use super::Outcome;
use super::answer::{Sexp, parse, read_values, shorten};
use crate::model::{Model, Value};
use crate::query::Query;
use crate::script::identifier;
use smtlib_lowlevel::Storage;
use smtlib_lowlevel::ast::{self, Command, InfoFlag};
use smtlib_lowlevel::backend::Backend;

/// Variables asked for in one `get-value`.
const CHUNK: usize = 64;

/// Asks a fresh backend a query. It must answer every command, as a solver does under
/// `:print-success true`.
///
/// `Unsat` is returned for the answer `unsat` alone, and `Sat` only with a model that
/// [`Query::holds`] confirms.
pub fn solve_on(backend: &mut dyn Backend, query: &Query) -> Outcome {
    let st = Storage::new();
    dialogue(backend, query, &st).unwrap_or_else(Outcome::Unknown)
}

fn dialogue(backend: &mut dyn Backend, query: &Query, st: &Storage) -> Result<Outcome, String> {
    for option in [
        ast::Option::PrintSuccess(true),
        ast::Option::ProduceModels(true),
    ] {
        accept(backend, Command::SetOption(option))?;
    }
    let mut verdict = None;
    for command in query.commands(st) {
        if command == Command::CheckSat {
            verdict = Some(exec(backend, command)?);
        } else {
            accept(backend, command)?;
        }
    }
    match verdict.as_deref() {
        Some("unsat") => Ok(Outcome::Unsat),
        Some("sat") => {
            let model = ask_model(backend, query, st)?;
            match query.holds(&model) {
                Ok(true) => Ok(Outcome::Sat(model)),
                Ok(false) => Err("the solver's model does not satisfy the query".into()),
                Err(e) => Err(format!("the solver's model is incomplete: {e}")),
            }
        }
        Some("unknown") => Err(ask_reason(backend)),
        Some(other) => Err(format!("the solver answered {}", shorten(other))),
        None => Err("the script asks nothing".into()),
    }
}

fn exec(backend: &mut dyn Backend, command: Command) -> Result<String, String> {
    match backend.exec(command) {
        Ok(answer) => Ok(answer.trim().to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

fn accept(backend: &mut dyn Backend, command: Command) -> Result<(), String> {
    let answer = exec(backend, command)?;
    if answer == "success" {
        Ok(())
    } else {
        Err(format!("the solver answered {}", shorten(&answer)))
    }
}

fn ask_model(backend: &mut dyn Backend, query: &Query, st: &Storage) -> Result<Model, String> {
    let names: Vec<_> = query
        .variables()
        .map(|(name, _)| identifier(st, st.alloc_str(name)))
        .collect();
    let mut model = Model::default();
    for chunk in names.chunks(CHUNK) {
        let answer = exec(backend, Command::GetValue(st.alloc_slice(chunk)))?;
        read_values(&answer, &mut model)?;
    }
    Ok(model)
}

/// The solver's word on why it does not know.
fn ask_reason(backend: &mut dyn Backend) -> String {
    const NONE: &str = "the solver gives no reason";
    let Ok(answer) = exec(backend, Command::GetInfo(InfoFlag::ReasonUnknown)) else {
        return NONE.into();
    };
    match parse(&answer) {
        Some(Sexp::List(parts)) => match parts.as_slice() {
            [Sexp::Atom(key), Sexp::Atom(reason)] if key == ":reason-unknown" => {
                reason.trim_matches('"').to_owned()
            }
            _ => NONE.into(),
        },
        _ => NONE.into(),
    }
}

/// The answer to a `get-value` of variables.
pub(super) fn print_values(values: &[(&str, Value)]) -> String {
    let one = |(name, value): &(&str, Value)| match value {
        Value::Bool(b) => format!("({name} {b})"),
        Value::Int(v) if *v < 0 => format!("({name} (- {}))", v.unsigned_abs()),
        Value::Int(v) => format!("({name} {v})"),
        Value::Bits { bits, width } => {
            format!("({name} #b{bits:0width$b})", width = *width as usize)
        }
    };
    let all: Vec<_> = values.iter().map(one).collect();
    format!("({})", all.join(" "))
}
