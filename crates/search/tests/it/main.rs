//! The space, its costs and the walks through it, on small and on random networks.

mod cost;
mod exact;
mod genetic;
mod nets;
