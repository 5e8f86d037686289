//! The textual IR `.nnir`: text to [`Module`](ceg4n_ir::Module) and back.
//!
//! The grammar is `grammar/nnir.pest`. A text is cut into pieces, one statement each, and every
//! piece is parsed alone; so several mistakes are reported at once ([`parse`]). What [`print()`]
//! writes reads back as the same binary values, and printing what was read from a printed text
//! gives that text again.
//!
//! Constants denote the nearest float32 of a decimal, or an exact hex float; bounds, margins and
//! radii denote the exact number.

mod ast;
mod document;
mod files;
mod grammar;
mod pieces;
mod print;
mod read;
mod resolve;
mod store;

pub use files::{Files, Folder, NoFiles};

pub use print::{PrintOptions, Printed, print, print_annotations, print_network};
pub use resolve::{attributes, operators, parse};
pub use store::{load, save};
