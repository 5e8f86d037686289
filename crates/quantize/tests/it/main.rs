//! Quantizers on small networks.

mod clamps;
mod gpfq;
mod nearest;
mod nets;
mod options;
mod ranges;
mod simulation;
