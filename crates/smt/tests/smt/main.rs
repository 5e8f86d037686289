//! Tests of the builder, the text, and every solver, in one binary.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

mod agree;
mod common;
#[cfg(feature = "cadical")]
mod lrat;
#[cfg(unix)]
mod process;
#[cfg(feature = "cadical")]
mod proof;
mod script;
#[cfg(feature = "cadical")]
mod simulate;
