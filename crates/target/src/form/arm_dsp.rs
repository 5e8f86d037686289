//! Cortex-M4: side conditions of multiplications of two 16-bit halves.

use super::{Layer, Unmet};

/// Not written yet.
pub(super) fn dual(_layer: &Layer<'_>) -> Result<String, Unmet> {
    Err(Unmet("not written yet".to_owned()))
}

/// Not written yet.
pub(super) fn pair(_layer: &Layer<'_>) -> Result<String, Unmet> {
    Err(Unmet("not written yet".to_owned()))
}

/// Not written yet.
pub(super) fn quad(_layer: &Layer<'_>) -> Result<String, Unmet> {
    Err(Unmet("not written yet".to_owned()))
}
