//! Data in the loop: labelled rows for calibration and for a test, the accuracy of reference and
//! kernel on them, hard demands, and agreement on random points where there are no data.
//!
//! Everything is counted exactly: the reference's class of a row is that of its exact outputs, the
//! kernel's that of its integers. Only the confidence limit says something of other rows.

pub mod binomial;
mod classes;
mod demands;
mod measure;
mod options;
mod samples;
mod split;

pub(crate) use classes::reference_class;
pub use classes::{kernel_classes, quantized, reference_classes};
pub use demands::{Decided, DemandCheck, Demands, Race};
pub use measure::{Changed, MAX_CHANGED, Measured};
pub use samples::{SAMPLES, few_regions_warning, random_agreement, without_data};
pub(crate) use split::Test;
pub use split::{Data, Split, SplitKind};

#[cfg(test)]
mod tests;
