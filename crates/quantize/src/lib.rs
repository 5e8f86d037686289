//! Quantizers: from bits to formats and mantissas.
//!
//! A [`Model`] is a network with what formats are chosen from. An [`Assignment`] says how many
//! bits each layer's weights and biases and each stored activation have. A [`Quantizer`] makes the
//! annotations of an IR version of them; [`Guided`] moves their mantissas.

pub mod assignment;
pub mod calibration;
pub mod clamps;
pub mod formats;
pub mod gpfq;
pub mod guided;
pub mod layerwise;
pub mod model;
pub mod nearest;
pub mod quantizer;
pub mod ranges;
pub mod scale;
mod structure;
mod windowed;

pub use assignment::{Assignment, BiasRule};
pub use calibration::Calibration;
pub use clamps::{Clamp, clamps};
pub use formats::{Granularity, RangeChoice};
pub use gpfq::{Gpfq, Radius};
pub use guided::{Guided, GuidedQuantizer};
pub use model::Model;
pub use nearest::Nearest;
pub use quantizer::Quantizer;
pub use ranges::{Clipping, Range, RangeOptions};
pub use structure::Layer;
