//! Emitted Rust as an object for a Cortex-M, with a core library that is built here.
//!
//! No target of a toolchain needs to be installed: a compiler and the sources of its own library
//! suffice (Debian: `rustc-web` and `rust-web-src`; rustup: the component `rust-src`). What the
//! compiler's runtime would give comes from libgcc.

use crate::board::{Board, Level, looked_up};
use crate::build::fresh_folder;
use crate::{Error, Source, run};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A Rust compiler with the sources of its core library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rust {
    rustc: PathBuf,
    version: String,
    core: PathBuf,
}

/// An emitted crate: `lib.rs` and its modules, which define `Input`, `Output`, `Scratch` and
/// `infer`.
#[derive(Clone, Debug)]
pub struct Crate {
    /// The prefix of the C functions that are made for it: `NAME_infer(in, out, scratch)`.
    pub name: String,
    /// The files of `src`, by their paths in it.
    pub files: Vec<Source>,
    /// Bytes that C gives the scratch memory, whose true size only the compiler knows; it refuses
    /// too few.
    pub scratch: usize,
}

/// Objects in a folder that goes when this goes.
#[derive(Debug)]
pub struct Compiled {
    _folder: TempDir,
    /// To be linked with C.
    pub objects: Vec<PathBuf>,
}

/// The compiler refuses a core library without this companion.
const COMPANION: &str = "#![feature(no_core, compiler_builtins)]
#![allow(internal_features)]
#![compiler_builtins]
#![no_core]
";

impl Rust {
    /// The first compiler that has the sources of its library: that of the path, then the
    /// system's, which a wrapper may hide.
    pub fn find() -> Option<Self> {
        let system = PathBuf::from("/usr/bin/rustc");
        let candidates = looked_up("rustc").into_iter().chain([system]);
        candidates.filter(|p| p.is_file()).find_map(|rustc| {
            let ask = |what: &[&str]| {
                let told = run::succeed(Command::new(&rustc).args(what)).ok()?;
                Some(told.trim().to_owned())
            };
            let sysroot = ask(&["--print", "sysroot"])?;
            let core = Path::new(&sysroot).join("lib/rustlib/src/rust/library/core/src/lib.rs");
            let version = ask(&["--version"])?;
            core.is_file().then_some(Self {
                rustc,
                version,
                core,
            })
        })
    }

    /// The compiler's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Compiles crates and C functions around them to objects for a Cortex-M; the core library is
    /// taken from the folder `cache` or built into it, which takes half a minute.
    ///
    /// # Errors
    /// A board that is no Cortex-M, what the compiler refuses, files that cannot be written.
    pub fn compile(
        &self,
        board: Board,
        level: Level,
        crates: &[Crate],
        cache: &Path,
    ) -> Result<Compiled, Error> {
        let core = self.core(board, cache)?;
        let folder = fresh_folder()?;
        let dir = folder.path();
        for c in crates {
            let own = dir.join(&c.name);
            for f in &c.files {
                let path = own.join(&f.name);
                let parent = path.parent().unwrap_or(&own);
                std::fs::create_dir_all(parent).map_err(|e| unwritten(parent, e))?;
                write(&path, &f.text)?;
            }
        }
        write(&dir.join("kernels.rs"), &unit(crates))?;
        let object = dir.join("kernels.o");
        let mut command = self.command(board)?;
        command
            .current_dir(dir)
            .args(["--crate-name", "kernels", "--crate-type", "lib"])
            .args([
                "--edition",
                "2021",
                "--emit",
                "obj",
                "-C",
                "codegen-units=1",
            ])
            .args(["-C", &format!("opt-level={}", optimisation(level))])
            .arg("-L")
            .arg(&core)
            .args(["kernels.rs", "-o"])
            .arg(&object);
        run::succeed(&mut command)?;
        Ok(Compiled {
            objects: vec![object, core.join("libcore.rlib")],
            _folder: folder,
        })
    }

    /// The folder of the core library.
    fn core(&self, board: Board, cache: &Path) -> Result<PathBuf, Error> {
        let (target, _) = target(board)?;
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = self.version.chars().map(plain).collect();
        let place = cache.join(format!("core-{name}-{target}"));
        if place.is_dir() {
            return Ok(place);
        }
        std::fs::create_dir_all(cache).map_err(|e| unwritten(cache, e))?;
        let folder = tempfile::tempdir_in(cache).map_err(|e| unwritten(cache, e))?;
        let dir = folder.path();
        write(&dir.join("compiler_builtins.rs"), COMPANION)?;
        for (name, file) in [
            ("core", self.core.as_path()),
            ("compiler_builtins", &dir.join("compiler_builtins.rs")),
        ] {
            let mut command = self.command(board)?;
            command
                .current_dir(dir)
                .args(["--crate-name", name, "--crate-type", "rlib"])
                .args(["--edition", "2024", "-C", "opt-level=2"])
                .arg(file);
            run::succeed(&mut command)?;
        }
        // It appears whole or not at all; another process may have been faster.
        match std::fs::rename(dir, &place) {
            Ok(()) => Ok(place),
            Err(_) if place.is_dir() => Ok(place),
            Err(e) => Err(unwritten(&place, e)),
        }
    }

    /// The compiler for a board. Building its library takes what only the compiler's own builds
    /// may use.
    fn command(&self, board: Board) -> Result<Command, Error> {
        let (target, cpu) = target(board)?;
        let mut command = Command::new(&self.rustc);
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["--target", target, "-C", "panic=abort"])
            .args(["-C", &format!("target-cpu={cpu}")]);
        Ok(command)
    }
}

/// The compiler's names of a board's target and processor.
fn target(board: Board) -> Result<(&'static str, &'static str), Error> {
    match board {
        Board::CortexM0 => Ok(("thumbv6m-none-eabi", "cortex-m0")),
        Board::CortexM3 => Ok(("thumbv7m-none-eabi", "cortex-m3")),
        Board::CortexM4 => Ok(("thumbv7em-none-eabi", "cortex-m4")),
        Board::CortexM7 => Ok(("thumbv7em-none-eabi", "cortex-m7")),
        Board::CortexM33 => Ok(("thumbv8m.main-none-eabi", "cortex-m33")),
        Board::HostGcc | Board::HostClang | Board::Atmega2560 => Err(Error::Unexpected {
            what: "Rust is compiled for a Cortex-M, not for",
            text: board.to_string(),
        }),
    }
}

fn optimisation(level: Level) -> &'static str {
    match level {
        Level::O0 => "0",
        Level::O2 => "2",
        Level::O3 => "3",
        Level::Os => "s",
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|e| unwritten(path, e))
}

fn unwritten(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}

/// The crates as modules, with a C function for each. A panic stops the program, which then does
/// not end as it should.
fn unit(crates: &[Crate]) -> String {
    let mut text = String::from(
        "#![no_std]\n#![allow(dead_code, unused_attributes, non_snake_case)]
#[panic_handler]\nfn panic(_: &core::panic::PanicInfo<'_>) -> ! {\n    loop {}\n}\n",
    );
    for c in crates {
        let (name, bytes) = (&c.name, c.scratch);
        // Writing to a string succeeds.
        let _ = write!(
            text,
            "#[path = \"{name}/lib.rs\"]\nmod {name};
const _: () = assert!(core::mem::size_of::<{name}::Scratch>() <= {bytes});
#[unsafe(no_mangle)]
pub extern \"C\" fn {name}_infer(i: &{name}::Input, o: &mut {name}::Output, s: &mut {name}::Scratch) {{
    {name}::infer(i, s, o)
}}\n"
        );
    }
    text
}

/// The C header of a kernel with so many bytes of scratch memory in place of those of its C.
///
/// # Errors
/// A header that does not define `NAME_scratch`.
pub fn header(text: &str, name: &str, bytes: usize) -> Result<String, Error> {
    let end = format!("}} {name}_scratch;");
    let found = text.find(&end).and_then(|to| {
        let from = text[..to].rfind("typedef struct {")?;
        let words = bytes.div_ceil(8).max(1);
        let own = format!("typedef struct {{\n    uint64_t words[{words}];\n");
        Some(format!("{}{own}{}", &text[..from], &text[to..]))
    });
    found.ok_or_else(|| Error::Unexpected {
        what: "a header without the type of its scratch memory",
        text: text.to_owned(),
    })
}
