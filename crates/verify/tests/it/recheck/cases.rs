//! Hand-made questions.
