//! The rewriter: what it changes computes the same, and what it says of values holds.

mod common;
mod expressions;
mod facts;
mod graphs;
