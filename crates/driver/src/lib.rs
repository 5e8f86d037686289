//! The commands as library calls, with a progress callback and a cancellation token.
//!
//! Nothing here prints: a command returns a value, or a [`Failure`] whose diagnostics the caller
//! renders.

pub mod failure;
pub mod options;
pub mod progress;

pub use failure::Failure;
pub use progress::{Cancel, Event, Progress, Quiet};
