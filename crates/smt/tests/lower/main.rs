//! Tests of the lowering: terms against exact evaluation, questions against enumeration.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

mod agreement;
mod common;
mod expressions;
mod grid;
mod kernels;
mod nodes;
