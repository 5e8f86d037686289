//! Tests through the public interface. `memory.rs` stands apart: it counts the whole process.

mod branches;
mod common;
mod direct;
mod evaluator;
mod exhaustive;
mod graphs;
mod operators;
mod random;
mod samples;
mod small;
