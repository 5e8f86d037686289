//! The evaluators against each other: the meaning as `ir-specs` says it, and the direct ways.

mod common;
mod enclosures;
mod kernels;
mod reals;
mod small;
