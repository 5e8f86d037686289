//! `doctor` as text.

use super::table::table;
use crate::console::Console;
use ceg4n_driver::doctor::{Found, Machine, Report};
use std::fmt::Write;

/// What works, what is there, and of what is missing what that costs and how to get it.
pub(crate) fn doctor(r: &Report, console: &Console<'_>) -> String {
    let columns = console.manners.table();
    let mut out = format!("ceg4nc {}, native code for {}\n", r.version, r.native_code);
    out.push_str("machine\n");
    let mut rows = machine(&r.machine);
    rows.push(vec!["terminal".to_owned(), terminal(console)]);
    out.push_str(&table(&rows, 2, columns));
    out.push_str("needed\n");
    let row = |name: &str, works: bool, detail: &str| {
        let state = if works { "works" } else { "FAILS" };
        vec![name.to_owned(), state.to_owned(), detail.to_owned()]
    };
    let rows: Vec<_> = r
        .checks
        .iter()
        .map(|c| row(c.name, c.works, &c.detail))
        .collect();
    out.push_str(&table(&rows, 2, columns));
    let lists = [
        ("solvers", &r.solvers),
        ("tools", &r.tools),
        ("packages of python3", &r.python),
    ];
    for (title, list) in lists {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{title}");
        let rows: Vec<_> = list.iter().map(found).collect();
        out.push_str(&table(&rows, 2, columns));
    }
    let all = r.solvers.iter().chain(&r.tools).chain(&r.python);
    let rows: Vec<_> = all.filter_map(missing).collect();
    if !rows.is_empty() {
        out.push_str("missing, none of it needed\n");
        out.push_str(&table(&rows, 2, columns));
    }
    out.push_str(match r.ready {
        true => "everything that is needed works\n",
        false => "not everything that is needed works\n",
    });
    out
}

fn machine(m: &Machine) -> Vec<Vec<String>> {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let memory = m.memory.map_or("unknown".to_owned(), mib);
    let limit = match m.memory_limit {
        Some(bytes) => format!(", of which the system allows {}", mib(bytes)),
        None => String::new(),
    };
    let watched = match m.memory_is_watched {
        true => "bounds the program and solver processes",
        false => "bounds solver processes alone: the system does not say what the program uses",
    };
    vec![
        row("system", format!("{} on {}", m.system, m.architecture)),
        row("threads", m.threads.to_string()),
        row("memory", format!("{memory}{limit}")),
        row("--memory-limit", watched.to_owned()),
    ]
}

fn terminal(console: &Console<'_>) -> String {
    let manners = console.manners;
    let width = match manners.columns {
        Some(columns) => format!("{columns} columns"),
        None => "no width: a row of a table is a line".to_owned(),
    };
    let messages = match console.colours_messages() {
        true => "coloured messages",
        false => "messages without colours",
    };
    let results = match manners.out_is_terminal {
        true => "results go to a terminal",
        false => "results go to a file or a pipe",
    };
    format!("{results}, {width}, {messages}")
}

fn found(f: &Found) -> Vec<String> {
    let version = f.version.clone().unwrap_or_else(|| "not found".to_owned());
    let path = f.path.as_ref().map(|p| format!("at {}", p.display()));
    vec![
        f.name.clone(),
        version,
        path.unwrap_or_default(),
        f.purpose.to_owned(),
    ]
}

fn missing(f: &Found) -> Option<Vec<String>> {
    let missing = f.missing.as_ref()?;
    Some(vec![
        f.name.clone(),
        missing.without.to_owned(),
        missing.install.clone(),
    ])
}
