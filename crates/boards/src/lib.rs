//! Compiles C for this machine and for emulated microcontrollers, runs it there, and tells what it
//! takes: bytes of flash, RAM and stack, executed instructions or cycles. For tests and
//! measurements.
//!
//! Cortex-M boards run under `qemu-system-arm` with a start-up file of this crate and without a C
//! library; the ATmega2560 runs under `simavr` with avr-libc. QEMU has no model of a pipeline: it
//! counts instructions. simavr counts cycles.
//!
//! - [`Board`]: the boards and which tools they need.
//! - [`build`]: sources to an [`Image`] that runs.
//! - [`usage()`]: flash, RAM and stack of functions with all that they call, and nothing else.
//! - [`mod@measure`]: a function on vectors, checked and counted.
//! - [`rust`]: emitted Rust as an object that links with C.
//! - [`mod@selftest`]: the self-tests of many kernels in one program.

mod board;
mod build;
mod calls;
mod link_map;
pub mod measure;
mod run;
pub mod rust;
pub mod selftest;
mod usage;

pub use board::{Board, Counter, Level, looked_up};
pub use build::{Image, Job, Source, build};
pub use measure::measure;
pub use selftest::{selftest, selftest_linked};
pub use usage::{Usage, usage};

use std::path::PathBuf;

/// Why something could not be built, run or measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that is not installed.
    #[error("{0} is not installed")]
    Missing(String),
    /// A file or folder that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A compiler, linker or emulator that failed.
    #[error("{command}: {status}\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to either output.
        output: String,
    },
    /// Output of a program that is not what this crate understands.
    #[error("{what}: {text}")]
    Unexpected {
        /// What was read.
        what: &'static str,
        /// What it said.
        text: String,
    },
}
