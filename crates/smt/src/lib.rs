//! Questions about bit vectors or integers, and the solvers that answer them.
//!
//! A [`Query`] is built term by term under sort checks, printed as SMT-LIB 2 with one definition
//! per value, and given to a [`Solver`]: the embedded one, or any SMT-LIB 2
//! program as a process. Only a clean `unsat` is ever [`Outcome::Unsat`],
//! and a model counts only after it has been replayed on the query; everything else is unknown.
//!
//! ```
//! use ceg4n_smt::{Limits, Outcome, Query, solver};
//!
//! // Is there a signed byte x with 3x + 4 = 100?
//! # fn main() -> Result<(), ceg4n_smt::TermError> {
//! let mut q = Query::new();
//! let x = q.var("x", 8)?;
//! let wide = q.sign_extend(x, 11)?;
//! let sum = q.linear(&[(3, wide)], 4, 11)?;
//! let wanted = q.constant(100, 11)?;
//! let same = q.equal(sum, wanted)?;
//! q.assert(same)?;
//! if let Ok(mut solver) = solver::from_name("embedded") {
//!     let Outcome::Sat(model) = solver.solve(&q, &Limits::default()) else {
//!         panic!("there is one");
//!     };
//!     assert_eq!(model.get("x").map(|v| v.signed()), Some(32));
//! }
//! # Ok(())
//! # }
//! ```

mod arith;
mod integer;
pub mod law;
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
pub use term::{Logic, Sort, TermError, TermId};
