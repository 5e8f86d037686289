//! AVR: side conditions of sums of bytes.

use super::{Layer, Unmet};

/// Not written yet.
pub(super) fn short(_layer: &Layer<'_>) -> Result<String, Unmet> {
    Err(Unmet("not written yet".to_owned()))
}

/// Not written yet.
pub(super) fn bytes(_layer: &Layer<'_>) -> Result<String, Unmet> {
    Err(Unmet("not written yet".to_owned()))
}
