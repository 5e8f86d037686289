//! Sound bounds of output forms over boxes.
//!
//! The quantity bounded is always the form that the requirement speaks of (`out_a - out_b`, a
//! "merged margin"), never single outputs subtracted afterwards.

pub mod backward;
mod build;
pub mod curve;
pub mod differential;
pub mod forward;
pub mod graph;
pub mod integer;
pub mod interval;
pub mod linalg;
pub mod linear;
mod lower_kernel;
mod lower_real;
pub mod optimise;
pub mod relax;
pub mod split;

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

/// The margins of `class` over every other output, in the order of the others.
pub fn margins(class: usize, outputs: usize) -> backward::Rows {
    let mut coef = Vec::with_capacity(outputs * outputs.saturating_sub(1));
    for j in (0..outputs).filter(|j| *j != class) {
        let mut row = vec![0.0; outputs];
        row[class] = 1.0;
        row[j] = -1.0;
        coef.extend(row);
    }
    backward::Rows::new(outputs.saturating_sub(1), coef)
}
