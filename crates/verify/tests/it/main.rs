//! Tests through the public interface: verdicts, labels and bounds against independent oracles.

mod attack;
mod bounds;
mod compare;
mod differential;
mod evaluator;
mod extremes;
mod generate;
mod model;
mod needles;
mod oracle;
mod pairs;
mod recheck;
mod soundness;
mod uniform;
