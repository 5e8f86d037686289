//! What functions take of a board's memory: bytes in flash and RAM, stack.

use crate::board::{Board, required};
use crate::build::{Job, fresh_folder, kernel_objects, linker, memory_functions};
use crate::link_map::{Placed, pieces};
use crate::{Error, calls, run};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Bytes that functions take in a program that holds nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Code of the objects under test.
    pub text: u64,
    /// Their constants in flash.
    pub rodata: u64,
    /// Their initialised data, in flash and in RAM; on AVR also constants without `__flash`.
    pub data: u64,
    /// Their zeroed data.
    pub bss: u64,
    /// Flash of the compiler's library that they need.
    pub library: u64,
    /// The members of that library.
    pub members: Vec<String>,
    /// The deepest stack below a call of each root, in the roots' order; `None` where it cannot be
    /// told.
    pub stack: Vec<Option<u64>>,
}

impl Usage {
    /// Flash of the objects under test.
    pub fn flash(&self) -> u64 {
        self.text + self.rodata + self.data
    }

    /// Static RAM of the objects under test.
    pub fn ram(&self) -> u64 {
        self.data + self.bss
    }
}

/// Links the files under test with nothing but what `roots` need, and sums up.
///
/// # Errors
/// A missing tool, what compiler or linker refuse, a board that is this machine.
pub fn usage(job: &Job<'_>, roots: &[&str]) -> Result<Usage, Error> {
    if job.board.is_host() {
        return Err(Error::Unexpected {
            what: "memory is measured on a microcontroller, not on",
            text: job.board.to_string(),
        });
    }
    let folder = fresh_folder()?;
    let dir = folder.path();
    // It warns of functions in assembly, whose frames are read from the disassembly.
    let kernel = kernel_objects(job, dir, &["-fstack-usage"])?;
    let mut command = linker(job, dir)?;
    command
        .arg("-nostdlib")
        .args(roots.iter().map(|r| format!("-Wl,-u,{r}")))
        .args(roots.first().map(|r| format!("-Wl,-e,{r}")))
        .args(["-Wl,-Map=usage.map", "-o", "usage.elf"])
        .args(&kernel)
        .args(memory_functions(job, dir)?);
    command.args(match job.board {
        Board::Atmega2560 => &[
            "-Wl,--start-group",
            "-lm",
            "-lgcc",
            "-lc",
            "-Wl,--end-group",
        ][..],
        _ => &["-lgcc"][..],
    });
    run::succeed(&mut command)?;
    let own: BTreeSet<String> = kernel.iter().map(|p| p.display().to_string()).collect();
    let mut usage = summed(&pieces(&read(dir, "usage.map")?), &own);
    usage.stack = stack(job, dir, roots)?;
    Ok(usage)
}

fn read(dir: &Path, name: &str) -> Result<String, Error> {
    let path = dir.join(name);
    std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })
}

fn summed(pieces: &[Placed], own: &BTreeSet<String>) -> Usage {
    let mut usage = Usage::default();
    let mut members = BTreeSet::new();
    for p in pieces {
        let starts = |prefix: &str| p.section.starts_with(prefix);
        let (flash, ram) = match p.output.as_str() {
            ".text" | ".rodata" | ".progmem" => (true, false),
            ".data" => (true, true),
            ".bss" | ".noinit" => (false, true),
            _ => continue,
        };
        if !own.contains(&p.object) {
            if flash {
                usage.library += p.size;
            }
            let name = p.object.rsplit(['/', '(']).next().unwrap_or_default();
            members.insert(
                name.trim_end_matches([')', 'o'])
                    .trim_end_matches('.')
                    .to_owned(),
            );
            continue;
        }
        let place = match (flash, ram) {
            (true, false) if starts(".text") => &mut usage.text,
            (true, false) => &mut usage.rodata,
            (true, true) => &mut usage.data,
            (false, _) => &mut usage.bss,
        };
        *place += p.size;
    }
    usage.members = members.into_iter().collect();
    usage
}

fn stack(job: &Job<'_>, dir: &Path, roots: &[&str]) -> Result<Vec<Option<u64>>, Error> {
    let (objdump, address) = match job.board {
        // A call pushes three bytes where flash is larger than 128 KiB.
        Board::Atmega2560 => ("avr-objdump", 3),
        _ => ("arm-none-eabi-objdump", 0),
    };
    let mut frames = BTreeMap::new();
    for source in job.sources {
        if let Some(stem) = source.name.strip_suffix(".c") {
            frames.extend(calls::frames(&read(dir, &format!("{stem}.su"))?));
        }
    }
    let mut command = Command::new(required(objdump)?);
    command
        .args(["-d", "--no-show-raw-insn"])
        .arg(dir.join("usage.elf"));
    let text = run::succeed(&mut command)?;
    let depth = |root: &&str| calls::depth(root, &frames, &text, address);
    Ok(roots.iter().map(depth).collect())
}
