//! Tests through the public interface. `memory.rs` stands apart: it counts the whole process.

mod common;
mod direct;
mod evaluator;
mod exhaustive;
mod graphs;
mod random;
mod samples;
