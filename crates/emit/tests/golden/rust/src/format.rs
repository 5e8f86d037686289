//! Inputs and outputs as integers of fixed-point formats.

/// An input; s9q8: integer m in [-256, 255] stands for m * 2^-8; other values are clamped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct In(pub i16);

impl In {
    /// The least input of the format.
    pub const MIN: Self = Self(-256);
    /// The greatest input of the format.
    pub const MAX: Self = Self(255);
}

/// An output; integer m stands for m * 2^-7; proved range [-456, 624].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Out(pub i32);

#[cfg(feature = "float")]
mod float;
#[cfg(feature = "float")]
pub use float::{dequantize, quantize};
