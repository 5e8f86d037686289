//! Rewrites of a [`Module`](ceg4n_ir::Module): one file a pass, one line in the registry.
//!
//! A pass takes a module and returns a new one; the old one stays. It says in [`Keeps`] which
//! functions it leaves as they are, and [`verify_step`] holds it to that. All passes run before
//! verification: what is emitted is, by hash, what was verified.

mod clear_formats;
mod dedupe_values;
mod draft;
mod drop_clamps;
mod drop_dead_neurons;
mod drop_identity;
mod drop_moves;
mod drop_unused;
mod fold_affine;
mod fold_constants;
mod forward;
mod lower_snaps;
mod materialize;
mod merge_neurons;
mod merge_requantizations;
mod narrow_accumulators;
mod narrow_formats;
mod neurons;
mod pass;
mod pipeline;
mod ranges;
mod size;
mod tensors;
mod verify_each;

pub use pass::{Keeps, Parameter, Pass};
pub use pipeline::{Named, Observer, PIPELINES, Pipeline, REGISTRY, Stage, Step, is_same};
pub use size::{Change, Size};
pub use verify_each::verify_step;
