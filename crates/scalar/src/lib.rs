//! The scalar level: a kernel as one expression graph over integers, and its exact rewriting.
//!
//! A [`Dag`] is what a checked kernel computes, element by element: sums with constant
//! coefficients, floors of quotients by powers of two, minima, maxima, choices, table entries. It is
//! made by interpreting `ir-specs` ([`Dag::of_kernel`]), so it means what they say, and evaluated
//! over any domain ([`Dag::evaluate`]): integers, or terms of a solver.
//!
//! Every node carries what is proved of its value ([`Facts`]) from the ranges of the inputs. With
//! the ranges of the input's type a rewriting serves emitted code; with those of a box it serves a
//! question about that box, and nothing else.

mod copy;
pub mod cost;
mod dag;
pub mod egraph;
mod evaluate;
mod facts;
mod lower;
mod offset;
mod print;
mod relational;
mod share;
mod simplify;

pub use cost::Cost;
pub use dag::{Dag, DagId, LinearForm, Node};
pub use evaluate::Seen;
pub use facts::Facts;
pub use lower::{DagError, Lowered};
pub use offset::offset;
pub use share::{Sharing, share, signed_digits};
pub use simplify::{Removed, Simplified, simplify};
