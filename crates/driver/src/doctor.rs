//! `doctor`: whether what the product needs works here, which optional programs are installed,
//! what a missing one costs and how to get it.

mod checks;
mod programs;
mod tools;

pub use checks::Check;
pub use tools::Without;

use ceg4n_jit::CodeCache;
use ceg4n_smt::solver::{available, names};
use serde::Serialize;
use std::path::PathBuf;

/// Everything that was looked for.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this tool.
    pub version: &'static str,
    /// True if everything works that the product cannot do without.
    pub ready: bool,
    /// How candidates are evaluated here.
    pub native_code: String,
    /// The machine.
    pub machine: Machine,
    /// What the product cannot do without, tried out.
    pub checks: Vec<Check>,
    /// Solvers.
    pub solvers: Vec<Found>,
    /// Compilers, emulators and checkers of emitted code.
    pub tools: Vec<Found>,
    /// Packages of the `python3` on the path.
    pub python: Vec<Found>,
}

/// The machine that the program runs on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The operating system.
    pub system: &'static str,
    /// The instruction set.
    pub architecture: &'static str,
    /// Threads that run at a time: what `--jobs` is unless said.
    pub threads: usize,
    /// Bytes of memory; `None` where the system does not say.
    pub memory: Option<u64>,
    /// The limit that the system sets on the program's memory, in bytes; `None` without one.
    pub memory_limit: Option<u64>,
    /// True if `--memory-limit` also bounds the program itself, not only solver processes.
    pub memory_is_watched: bool,
}

/// One helper.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// Where it is; `None` if it is built in, a package, or missing.
    pub path: Option<PathBuf>,
    /// What it says its version is; `None` if it is missing.
    pub version: Option<String>,
    /// Of a missing one: what that costs, and how to get it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Without>,
}

/// Looks for everything and tries out what is needed.
pub fn doctor() -> Report {
    let vectors = CodeCache::new().options().vectors;
    let kind = if vectors { "with vectors" } else { "scalar" };
    let installed = available();
    let manager = tools::Manager::of_system();
    let solver = |name: &str| {
        let found = installed.iter().find(|s| s.name == name);
        let tool = tools::solver(name);
        Found {
            name: name.to_owned(),
            purpose: tool.map_or("answers queries", |t| t.purpose),
            path: found.and_then(|s| s.path.clone()),
            version: found.map(|s| s.version.clone()),
            missing: match found {
                Some(_) => None,
                None => tool.map(|t| t.without(manager)),
            },
        }
    };
    let tool = |tool: &tools::Tool| {
        let path = programs::on_path(tool.name);
        Found {
            name: tool.name.to_owned(),
            purpose: tool.purpose,
            version: path
                .as_deref()
                .map(|p| programs::first_line(p, tool.version_arguments)),
            missing: path.is_none().then(|| tool.without(manager)),
            path,
        }
    };
    let checks = checks::all();
    Report {
        version: env!("CARGO_PKG_VERSION"),
        ready: checks.iter().all(|c| c.works),
        native_code: format!("{} {kind}", std::env::consts::ARCH),
        machine: machine(),
        checks,
        solvers: names().map(solver).collect(),
        tools: tools::TOOLS.iter().map(tool).collect(),
        python: tools::python(),
    }
}

fn machine() -> Machine {
    Machine {
        system: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        memory: crate::resources::total_memory(),
        memory_limit: crate::resources::memory_ceiling(),
        memory_is_watched: crate::resources::peak_memory().is_some(),
    }
}
