//! The annotation space, its quantizer and cost, and the strategies that walk it.

pub mod exact;
pub mod nsga2;
pub mod ranges;
pub mod space;

pub use exact::Exact;
pub use nsga2::{Settings, nsga2};
pub use space::{AnnotationSpace, Assignment, Layer};
