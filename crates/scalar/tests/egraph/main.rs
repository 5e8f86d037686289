//! The rewriter: what it changes computes the same, and what it says of values holds.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

mod common;
mod coverage;
mod expressions;
mod facts;
mod graphs;
mod kernels;
