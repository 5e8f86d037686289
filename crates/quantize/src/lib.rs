//! Quantizers: from bits to formats and mantissas.
//!
//! A [`Model`] is a network with what formats are chosen from. An [`Assignment`] says how many
//! bits each layer's weights and biases and each stored activation have. A [`Quantizer`] makes the
//! annotations of an IR version of them; [`Guided`] moves their mantissas.

pub mod assignment;
pub mod formats;
pub mod guided;
pub mod model;
pub mod nearest;
pub mod quantizer;
pub mod ranges;

pub use assignment::{Assignment, BiasRule};
pub use guided::{Guided, GuidedQuantizer};
pub use model::{Layer, Model};
pub use nearest::Nearest;
pub use quantizer::Quantizer;
pub use ranges::Range;
