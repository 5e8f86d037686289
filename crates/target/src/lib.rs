//! What emitted kernels run on: processors, the forms that the loops of dense layers take on them,
//! and the condition under which each form computes the exact sums.
//!
//! A form is a way to store a layer's weights and to walk them. Where several weights share a
//! word, or where sums wrap, a form is exact only if the sums stay in a range; [`Form::license`]
//! checks this against the type ranges that the checker proved, and gives the [`License`] that an
//! emitter demands. Forms never change what a kernel computes.

mod cost;
pub mod dsp;
mod form;
mod processor;

pub use cost::{Machine, Work};
pub use form::{Chunk, QUARTERS_COLUMNS, QUARTERS_ROWS, quarters_chunks};
pub use form::{Form, Layer, License, Unmet};
pub use processor::{KernelChoice, Target};
