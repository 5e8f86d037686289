//! Bit-vector questions and the solvers that answer them.
//!
//! A [`Query`] is built term by term under width checks, printed as SMT-LIB 2 with one definition
//! per value, and given to a [`Solver`](solver::Solver): the embedded one, or any SMT-LIB 2
//! program as a process. Only a clean `unsat` is ever [`Outcome::Unsat`](solver::Outcome::Unsat),
//! and a model counts only after it has been replayed on the query; everything else is unknown.

mod arith;
pub mod lower;
pub mod model;
mod query;
pub mod read;
mod script;
pub mod solver;
pub mod term;

pub use model::{Model, Value};
pub use query::{Definition, Query, TermResult};
pub use solver::{Limits, Outcome, Solver};
pub use term::{Sort, TermError, TermId};
