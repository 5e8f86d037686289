//! What `opt` says of passes: the list, what each one changed, what was checked.

use super::table::table;
use ceg4n_driver::opt::{Application, Change, Named, Pass};

/// `opt --list-passes`, in so many columns.
pub(crate) fn passes(passes: &[&dyn Pass], pipelines: &[Named], columns: Option<usize>) -> String {
    let mut rows = Vec::new();
    for pass in passes {
        let name = pass.name();
        let mut row = |name: String, parameter: Option<&str>, does: &str| {
            let keeps = pass.keeps(parameter);
            let kept = format!("keeps {}", keeps.words());
            rows.push(vec![
                name,
                keeps.invariant().to_owned(),
                kept,
                does.to_owned(),
            ]);
        };
        row(name.to_owned(), None, pass.description());
        for p in pass.parameters() {
            row(format!("{name}:{}", p.syntax), Some(p.syntax), p.does);
        }
    }
    let mut out = String::from("passes\n");
    out.push_str(&table(&rows, 2, columns));
    out.push_str(
        "exact: every version has the same integers for every input; refining: versions are to be verified anew\n",
    );
    out.push_str("pipelines\n");
    let row = |p: &Named| {
        let rounds = match p.rounds {
            1 => String::new(),
            n => format!(", until nothing changes, {n} times at most"),
        };
        let text = format!("{}: {}{rounds}", p.purpose, p.passes.join(", "));
        vec![p.name.to_owned(), text]
    };
    let rows: Vec<_> = pipelines.iter().map(row).collect();
    out.push_str(&table(&rows, 2, columns));
    out
}

/// The line before the module after a pass.
pub(crate) fn after(found: &Application) -> String {
    let rest = match found.changed {
        true => "",
        false => ": nothing changed",
    };
    format!("// after {}{rest}\n", found.pass)
}

/// What was compared after passes, one line each.
pub(crate) fn compared(applied: &[Application]) -> String {
    let mut out = String::new();
    for found in applied {
        for c in &found.compared {
            let inputs = match (c.exhaustive, &c.open) {
                (true, _) => format!("all {} inputs", c.inputs),
                (false, None) => format!("{} inputs, and by a solver for every input", c.inputs),
                (false, Some(why)) => {
                    format!("{} inputs; the solver leaves others open: {why}", c.inputs)
                }
            };
            out.push_str(&format!(
                "checked {}: v{} is the same on {inputs}\n",
                found.pass, c.version
            ));
        }
    }
    out
}

/// Seconds by pass.
pub(crate) fn timing(applied: &[Application]) -> String {
    let row = |a: &Application| vec![format!("{:.3} s", a.seconds), a.pass.clone()];
    let mut rows: Vec<_> = applied.iter().map(row).collect();
    let all: f64 = applied.iter().map(|a| a.seconds).sum();
    rows.push(vec![format!("{all:.3} s"), "all passes".to_owned()]);
    table(&rows, 2, None)
}

/// What each pass changed, as comments, which may stand before a module or a graph.
pub(crate) fn stats(applied: &[Application]) -> String {
    let mut out = String::new();
    for a in applied.iter().filter(|a| a.changed) {
        out.push_str(&format!("// {}: {}\n", a.pass, a.size));
    }
    let (Some(first), Some(last)) = (applied.first(), applied.last()) else {
        return out;
    };
    if out.is_empty() {
        return "// nothing changed\n".to_owned();
    }
    let whole = Change {
        before: first.size.before,
        after: last.size.after,
    };
    out.push_str(&format!("// all passes: {whole}\n"));
    out
}
