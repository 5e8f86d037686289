//! Not written yet.

use super::Use;

/// Not written yet.
pub(super) fn support(_name: &str, _uses: &[Use]) -> String {
    String::new()
}
