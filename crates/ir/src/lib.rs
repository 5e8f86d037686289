//! The typed fixed-point IR.
//!
//! - [`Network`]: the operators and constants of one network, without formats.
//! - [`Annotations`]: the formats of one IR version; a search does nothing else than rewrite them.
//! - [`Program`]: a network under annotations, a value with a content hash.
//! - [`check()`] turns a program into a [`Checked<Program>`], which holds its lowered form: a
//!   [`RealProgram`] (the reference) or a [`Kernel`] (integers). Every backend demands one.
//! - [`Module`]: what a `.nnir` file holds: a network, versions, regions and requirements.
//!
//! Tensors have no batch dimension.

pub mod annotate;
pub mod check;
pub mod kernel;
pub mod module;
pub mod network;
pub mod real;
pub mod spec;
pub mod tables;
pub mod types;
pub mod unary;
pub mod window;

pub use annotate::{AccAnnotation, Annotation, Annotations, Patch, Program};
pub use check::{Checked, Lowered, check};
pub use kernel::{FILL, Interval, Kernel, KernelNode, KernelOp, TABLE_BITS};
pub use module::{Anchor, Comments, Domain, Module, Property, Region, Requirement, Selection};
pub use network::{
    Constant, Curve, ENCLOSED_LOG2, Network, NetworkBuilder, Op, Origin, Slide, Value, ValueId,
    Wide,
};
pub use real::{RealNode, RealOp, RealProgram, Reals};
pub use spec::{OutputConstraint, OutputSpec};
pub use types::{Format, MULTIPLIER_LIMIT, Rounding, Shape, TensorFormat};
pub use unary::Unary;
pub use window::{Conv, Tap, Window};

use ceg4n_base::entity;

/// A node of a lowered program: [`Kernel`] or [`RealProgram`].
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct NodeId(u32);
entity::entity_impl!(NodeId, "n");
