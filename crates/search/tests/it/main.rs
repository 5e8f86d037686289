//! The space, the quantizer and the strategies on small and on random networks.

mod exact;
mod genetic;
mod nets;
mod quantizer;
mod ranges;
