//! Rewrites of a [`Module`](ceg4n_ir::Module): one file a pass, one line in the registry.
//!
//! A pass takes a module and returns a new one; the old one stays. It says in [`Keeps`] which
//! functions it leaves as they are, and [`verify_step`] holds it to that. All passes run before
//! verification: what is emitted is, by hash, what was verified.

mod clear_formats;
mod drop_identity;
mod drop_unused;
mod fold_affine;
mod lower_snaps;
mod materialize;
mod pass;
mod pipeline;
mod rebuild;
mod verify_each;

pub use pass::{Keeps, Pass};
pub use pipeline::{PIPELINES, Pipeline, REGISTRY, Step};
pub use verify_each::verify_step;
