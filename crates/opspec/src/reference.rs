//! The book's operator reference, generated from the specs.

use crate::catalogue::Catalogue;

/// The reference as Markdown.
pub fn reference_markdown(_catalogue: &Catalogue) -> String {
    String::new()
}
