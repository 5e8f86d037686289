//! Tests of the lowering: terms against exact evaluation, questions against enumeration.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

mod agreement;
mod common;
mod expressions;
mod grid;
mod kernels;
#[cfg(feature = "cadical")]
#[path = "../smt/lrat.rs"]
mod lrat;
mod miter;
mod nodes;
mod operators;
#[cfg(feature = "cadical")]
mod proofs;
#[cfg(feature = "cadical")]
#[path = "../smt/simulate.rs"]
mod simulate;
mod templates;
