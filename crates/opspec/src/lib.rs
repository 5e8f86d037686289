//! Reads `ir-specs`.
