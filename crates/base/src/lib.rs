//! What every room shares: typed ids, spans and diagnostics, exact numbers, content hashes.
//!
//! Nothing here knows what a network is.

pub mod codes;
pub mod diag;
pub mod elementary;
pub mod exact;
pub mod hash;
pub mod shell;
pub mod suggest;

pub use cranelift_entity as entity;
pub use diag::{Diagnostic, Diagnostics, Location, Severity, SourceId, Sources, Span};
pub use exact::Exact;
pub use hash::{ContentHash, Hasher};
