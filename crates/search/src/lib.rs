//! The annotation space, cost models, and the strategies that walk the space.

pub mod cost;
pub mod exact;
pub mod nsga2;
pub mod space;

pub use cost::Cost;
pub use exact::Exact;
pub use nsga2::{Settings, Variation, nsga2};
pub use space::{AnnotationSpace, Genes};
