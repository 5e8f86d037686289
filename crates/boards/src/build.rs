//! Sources to objects, objects to an image that a board runs.

use crate::board::{Board, Level, required};
use crate::{Error, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A file of C. What ends in `.c` is compiled; every file can be included by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// A file name without a folder.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A file of C.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// For which board.
    pub board: Board,
    /// The optimisation of the files under test; a harness is always compiled with `-O2`.
    pub level: Level,
    /// Compile for the floating-point unit, where the board has one.
    pub float_unit: bool,
    /// Further options for the files under test.
    pub flags: &'a [&'a str],
    /// The files under test: compiled with warnings as errors.
    pub sources: &'a [Source],
    /// Objects under test that were made elsewhere.
    pub objects: &'a [PathBuf],
    /// The files around them; one defines `board_main`, see `board.h`.
    pub harness: &'a [Source],
}

/// A linked program with the folder that it was built in, which goes when this goes.
#[derive(Debug)]
pub struct Image {
    pub(crate) folder: TempDir,
    pub(crate) board: Board,
    pub(crate) file: PathBuf,
}

/// Files of this crate that every program of a board has; its headers.
const HEADERS: [(&str, &str); 3] = [
    ("board.h", include_str!("../c/board.h")),
    ("measure.h", include_str!("../c/measure.h")),
    ("selftest.h", include_str!("../c/selftest.h")),
];
const MEMORY_FUNCTIONS: &str = include_str!("../c/memory.c");
const SAY: &str = include_str!("../c/say.c");
const CORTEX_M: &str = include_str!("../c/cortex_m.c");
const LAYOUT: &str = include_str!("../c/cortex_m.ld");
const AVR: &str = include_str!("../c/avr.c");
const HOST: &str = include_str!("../c/host.c");

/// Compiles and links a program.
///
/// # Errors
/// A missing tool, what the compiler or the linker refuses, files that cannot be written.
pub fn build(job: &Job<'_>) -> Result<Image, Error> {
    let folder = fresh_folder()?;
    let dir = folder.path();
    let mut objects = kernel_objects(job, dir, &["-Werror"])?;
    for (name, text) in HEADERS {
        write(dir, name, text)?;
    }
    let own = [
        Source::new("board.c", start_up(job.board)),
        Source::new("say.c", SAY),
    ];
    for source in job.harness.iter().chain(&own) {
        write(dir, &source.name, &source.text)?;
    }
    for source in job.harness.iter().chain(&own) {
        if source.name.ends_with(".c") {
            objects.push(compile(job, dir, &source.name, &["-O2", "-Wall"])?);
        }
    }
    objects.extend(memory_functions(job, dir)?);
    let file = dir.join("image.elf");
    let mut command = linker(job, dir)?;
    command.arg("-o").arg(&file).args(&objects);
    if job.board.is_cortex_m() {
        write(dir, "board.ld", LAYOUT)?;
        let memory = job.board.memory();
        command.arg("-T").arg(dir.join("board.ld"));
        for (symbol, value) in [
            ("BOARD_CODE", memory.code),
            ("BOARD_RAM", memory.ram),
            ("BOARD_RAM_SIZE", memory.ram_size),
        ] {
            command.arg(format!("-Wl,--defsym={symbol}={value}"));
        }
        command.args(["-nostdlib", "-lgcc"]);
    }
    if job.board == Board::Atmega2560 {
        command.arg("-lm");
    }
    run::succeed(&mut command)?;
    Ok(Image {
        board: job.board,
        file,
        folder,
    })
}

pub(crate) fn fresh_folder() -> Result<TempDir, Error> {
    tempfile::tempdir().map_err(|source| Error::File {
        path: std::env::temp_dir(),
        source,
    })
}

fn start_up(board: Board) -> &'static str {
    match board {
        Board::HostGcc | Board::HostClang => HOST,
        Board::Atmega2560 => AVR,
        Board::CortexM0
        | Board::CortexM3
        | Board::CortexM4
        | Board::CortexM7
        | Board::CortexM33 => CORTEX_M,
    }
}

/// Compiles the files under test into a folder, with further options; the objects, those made
/// elsewhere last.
pub(crate) fn kernel_objects(
    job: &Job<'_>,
    dir: &Path,
    flags: &[&str],
) -> Result<Vec<PathBuf>, Error> {
    for source in job.sources {
        write(dir, &source.name, &source.text)?;
    }
    let mut objects = Vec::new();
    let flags: Vec<&str> = [job.level.flag(), "-Wall", "-Wextra"]
        .into_iter()
        .chain(job.flags.iter().copied())
        .chain(flags.iter().copied())
        .collect();
    for source in job.sources {
        if source.name.ends_with(".c") {
            objects.push(compile(job, dir, &source.name, &flags)?);
        }
    }
    objects.extend(job.objects.iter().cloned());
    Ok(objects)
}

/// The functions that a compiler may call unasked, where there is no C library.
pub(crate) fn memory_functions(job: &Job<'_>, dir: &Path) -> Result<Option<PathBuf>, Error> {
    if !job.board.is_cortex_m() {
        return Ok(None);
    }
    write(dir, "memory_functions.c", MEMORY_FUNCTIONS)?;
    // Their loops are not to become calls of themselves.
    let flags = ["-O2", "-fno-tree-loop-distribute-patterns"];
    compile(job, dir, "memory_functions.c", &flags).map(Some)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = dir.join(name);
    std::fs::write(&path, text).map_err(|source| Error::File { path, source })
}

/// Compiles a file of a folder to an object beside it.
fn compile(job: &Job<'_>, dir: &Path, name: &str, flags: &[&str]) -> Result<PathBuf, Error> {
    let object = dir.join(name).with_extension("o");
    let mut command = Command::new(required(job.board.compiler())?);
    command
        .current_dir(dir)
        .args(job.board.flags(job.float_unit))
        .args(["-ffunction-sections", "-fdata-sections"])
        .args(flags)
        .args(["-c", name, "-o"])
        .arg(&object);
    run::succeed(&mut command)?;
    Ok(object)
}

/// The compiler as a linker, with what every link has.
pub(crate) fn linker(job: &Job<'_>, dir: &Path) -> Result<Command, Error> {
    let mut command = Command::new(required(job.board.compiler())?);
    command
        .current_dir(dir)
        .args(job.board.flags(job.float_unit))
        .arg("-Wl,--gc-sections");
    Ok(command)
}

impl Image {
    /// The folder of the image: sources, objects, the linked program.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The linked program.
    pub fn file(&self) -> &Path {
        &self.file
    }
}
