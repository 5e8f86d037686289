//! `doctor`: which helpers are installed.

use ceg4n_jit::CodeCache;
use ceg4n_smt::solver::{available, names};
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Compilers and cross tools that are looked for, and what each is for.
const TOOLS: &[(&str, &str)] = &[
    ("cc", "compiles emitted C"),
    ("gcc", "compiles emitted C"),
    ("clang", "compiles emitted C"),
    ("rustc", "compiles emitted Rust"),
    ("cargo", "builds emitted Rust"),
    ("arm-none-eabi-gcc", "C for Cortex-M"),
    ("riscv64-unknown-elf-gcc", "C for RISC-V"),
    ("avr-gcc", "C for AVR"),
    ("qemu-system-arm", "runs Cortex-M code"),
    ("simavr", "runs AVR code"),
    ("cmake", "builds emitted C"),
    ("cppcheck", "checks emitted C against MISRA C"),
    ("frama-c", "proves emitted C free of run-time errors"),
];

/// How long a program may take to say its version.
const VERSION_TIME: Duration = Duration::from_secs(5);

/// Everything that was looked for.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this tool.
    pub version: &'static str,
    /// How candidates are evaluated here.
    pub native_code: String,
    /// Solvers.
    pub solvers: Vec<Found>,
    /// Compilers and cross tools.
    pub tools: Vec<Found>,
}

/// One helper.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// What it is called.
    pub name: String,
    /// What it is for; empty for a solver.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub purpose: &'static str,
    /// Where it is; `None` if it is built in or missing.
    pub path: Option<PathBuf>,
    /// What it says its version is; `None` if it is missing.
    pub version: Option<String>,
}

/// Looks for everything.
pub fn doctor() -> Report {
    let vectors = CodeCache::new().options().vectors;
    let installed = available();
    let solvers = names().map(|name| {
        let found = installed.iter().find(|s| s.name == name);
        Found {
            name: name.to_owned(),
            purpose: "",
            path: found.and_then(|s| s.path.clone()),
            version: found.map(|s| s.version.clone()),
        }
    });
    let tools = TOOLS.iter().map(|(name, purpose)| {
        let path = on_path(name);
        Found {
            name: (*name).to_owned(),
            purpose,
            version: path.as_deref().map(version_of),
            path,
        }
    });
    Report {
        version: env!("CARGO_PKG_VERSION"),
        native_code: format!(
            "{} {}",
            std::env::consts::ARCH,
            if vectors { "with vectors" } else { "scalar" }
        ),
        solvers: solvers.collect(),
        tools: tools.collect(),
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path)
        .map(|folder| folder.join(&file))
        .find(|p| p.is_file())
}

/// The first line of `--version`; a program that does not answer in time is killed.
fn version_of(path: &Path) -> String {
    let child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => return format!("unusable: {e}"),
    };
    let end = Instant::now() + VERSION_TIME;
    // A version is far shorter than a pipe's buffer, so that waiting first blocks nobody.
    while Instant::now() < end {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Ok(Some(_)) => {
                let mut text = Vec::new();
                if let Some(out) = child.stdout.take() {
                    // What could not be read counts as not said.
                    let _ = out.take(4096).read_to_end(&mut text);
                }
                let text = String::from_utf8_lossy(&text);
                let line = text.lines().next().unwrap_or("").trim();
                return if line.is_empty() {
                    "unknown version".to_owned()
                } else {
                    line.to_owned()
                };
            }
            Err(e) => return format!("unusable: {e}"),
        }
    }
    // It may have ended just now; then there is nothing to kill.
    let _ = child.kill();
    let _ = child.wait();
    "unusable: no answer".to_owned()
}
