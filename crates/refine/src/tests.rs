//! The loop against made-up evaluation and verification.
