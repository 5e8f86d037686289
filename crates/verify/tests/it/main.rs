//! Tests through the public interface: verdicts, labels and bounds against independent oracles.

mod attack;
mod bounds;
mod compare;
mod differential;
mod evaluator;
mod extremes;
mod float32;
mod float32_pairs;
mod generate;
mod many_inputs;
mod model;
mod needles;
mod oracle;
mod pairs;
mod parts;
mod pieces;
mod queries;
mod questions;
mod recheck;
mod signs;
mod single;
mod soundness;
mod specs;
mod traps;
mod uniform;
