//! Sound bounds of output forms over boxes.
//!
//! The quantity bounded is always the form that the requirement speaks of (`out_a - out_b`, a
//! "merged margin"), never single outputs subtracted afterwards.

pub mod backward;
pub mod differential;
pub mod integer;
pub mod interval;

/// The form `out_a - out_b`, or `out_a` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The output with coefficient 1.
    pub plus: usize,
    /// The output with coefficient -1.
    pub minus: Option<usize>,
}

impl Form {
    /// `out_a - out_b`.
    pub fn margin(a: usize, b: usize) -> Self {
        Self {
            plus: a,
            minus: Some(b),
        }
    }

    /// `out_a`.
    pub fn output(a: usize) -> Self {
        Self {
            plus: a,
            minus: None,
        }
    }
}
