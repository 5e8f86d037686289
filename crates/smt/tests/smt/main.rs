//! Tests of the builder, the text, and every solver, in one binary.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

mod agree;
mod common;
#[cfg(unix)]
mod process;
mod script;
