//! Does a kernel give the same answer as its reference on a region?
//!
//! [`label::label`] says once per region what the reference does; [`decide::decide`] asks for one
//! requirement and returns a [`verdict::RegionResult`]. Tiers in order: attack, interval bounds
//! with merged margins and bisection, enumeration, solver; where reference and kernel meet,
//! parts of the region with both sides bounded.

pub mod attack;
pub mod bounds;
pub mod budget;
pub mod cells;
pub mod decide;
pub mod float;
pub mod frontier;
mod grid;
pub mod keep;
pub mod label;
pub mod leaf;
pub mod margins;
mod plain;
pub mod reference;
mod requirement;
pub mod solver_leaf;
pub mod space;
pub mod subject;
pub mod tree;
mod vacuous;
pub mod verdict;

pub use budget::{Effort, Gauge, Stop, Stopped};
pub use decide::{Known, Question, decide, decide_from};
pub use label::Labelled;
pub use leaf::Leaf;
pub use reference::{Precision, Reference};
pub use solver_leaf::SolverLeaf;
pub use subject::{Subject, Trouble};
pub use verdict::{Label, Obligation, Open, RegionResult, Verdict, Verified, Witness};
