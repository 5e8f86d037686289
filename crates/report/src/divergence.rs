//! Where reference and kernel part on a point, value by value.

use ceg4n_base::Exact;
use serde::{Deserialize, Serialize};

/// What makes most of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Nothing: there is none.
    None,
    /// The operand brings it along.
    Inherited,
    /// The kernel's weights, biases or other constants.
    Constants,
    /// Rounding to the format.
    Rounding,
    /// The format's range.
    Clamping,
}

/// One value of the network in reference and kernel, at the element where they differ most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRow {
    /// The value's name, without `%`.
    pub name: String,
    /// The kernel's format; absent for an exact sum.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", default)]
    pub format: Option<String>,
    /// The element, row-major.
    pub element: usize,
    /// The reference there.
    pub reference: Exact,
    /// The kernel there, in real units.
    pub kernel: Exact,
    /// Kernel less reference: the sum of the four parts.
    pub difference: Exact,
    /// Its magnitude over the width of the reference's range here: of the elements at this point,
    /// zero included.
    pub relative: f64,
    /// The part that the operand brings along.
    pub inherited: Exact,
    /// The part of the kernel's own constants.
    pub constants: Exact,
    /// The part of rounding.
    pub rounding: Exact,
    /// The part of clamping.
    pub clamping: Exact,
    /// The greatest of the parts.
    pub cause: Cause,
    /// Elements that are clamped.
    pub clamped: usize,
    /// What is left of the requirement if the reference goes on from the kernel's value: below
    /// zero it is broken, where it has a measure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub slack: Option<Exact>,
    /// The requirement is broken then.
    pub broken: bool,
}

/// A version and the reference on one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// The IR version.
    pub version: u32,
    /// The point's place among the stored ones, from 0; absent for the point of a verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterexample: Option<usize>,
    /// The version that it ended; absent for a start point.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<u32>,
    /// The region that it is about.
    pub region: String,
    /// What was asked there.
    pub requirement: String,
    /// The point.
    pub x: Vec<Exact>,
    /// The reference's outputs.
    pub reference: Vec<Exact>,
    /// The kernel's outputs, in real units.
    pub kernel: Vec<Exact>,
    /// The reference's strict winner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference_class: Option<usize>,
    /// The kernel's class.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kernel_class: Option<usize>,
    /// The version breaks the requirement at the point.
    pub broken: bool,
    /// The first value that differs at all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<String>,
    /// The first value after which the reference cannot save the requirement any more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lost_at: Option<String>,
    /// The values on the way from input to output; none for a network with branches or without
    /// exact values.
    pub layers: Vec<LayerRow>,
}
