//! Cortex-M0: side conditions of loops over few registers.

use super::{Layer, Unmet};

/// Not written yet.
pub(super) fn offset(_layer: &Layer<'_>) -> Result<String, Unmet> {
    Err(Unmet("not written yet".to_owned()))
}

/// Not written yet.
pub(super) fn halves(_layer: &Layer<'_>) -> Result<String, Unmet> {
    Err(Unmet("not written yet".to_owned()))
}
