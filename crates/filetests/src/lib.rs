//! The text tests: files under `tests/` that say on their first line how to run, with what must
//! come out beside them; and the commands of the book's pages.
//!
//! A test file begins with lines like `// RUN: ceg4nc check %s`. What they print stands in
//! `FILE.expect`: for each command its exit code, standard output and standard error. In it,
//! `[..]` matches anything within a line and a line `...` matches any lines. `BLESS=1` rewrites
//! what no longer matches; `FILETEST=part` runs only files whose path contains `part`.

mod case;
mod matching;
mod tutorial;

pub use case::{Case, Outcome, find, strays};
pub use matching::matches;
pub use tutorial::{Block, blocks, files, follow};
