//! Tests through the public interface. `memory.rs` stands apart: it counts the whole process.

mod common;
mod evaluator;
mod exhaustive;
mod random;
mod samples;
