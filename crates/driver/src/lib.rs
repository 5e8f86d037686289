//! The commands as library calls, with a progress callback and a cancellation token.
//!
//! Nothing here prints: a command returns a value, or a [`Failure`] whose diagnostics the caller
//! renders.

mod account;
mod artifacts;
pub mod bench;
mod candidates;
pub mod check;
pub mod compile;
pub mod data;
mod demand;
pub mod doctor;
mod engine;
pub mod explain;
pub mod failure;
mod fit;
mod guide;
pub mod import;
mod layers;
pub mod load;
pub mod opt;
mod optimality;
pub mod options;
mod outcome;
pub mod output;
pub mod page;
mod parallel;
mod pareto;
mod plan;
pub mod points;
pub mod progress;
mod quantize_uniform;
pub mod query;
mod record;
pub mod reduce;
mod regions;
mod replace;
mod resources;
pub mod resume;
pub mod rules;
pub mod run;
pub mod runs;
pub mod scalar;
pub mod simplify;
pub mod smt;
pub mod validate;
pub mod verify;

pub use ceg4n_verify::Precision;
pub use failure::Failure;
pub use load::{Loaded, Obligation};
pub use progress::{Cancel, Event, Progress, Quiet};
pub use resources::{Usage, usage};
