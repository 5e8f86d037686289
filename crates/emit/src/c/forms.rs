//! The C functions that compute the sums of a tile of rows, one for each form, tile and type of
//! operand that a kernel uses.
//!
//! `w = NAME_FORM_ROWS_TYPE(w, b, x, cols, a)`: from the tile's weights `w`, the starts of its sums
//! `b` and the operand `x` of `cols` columns (then zeros to the form's multiple) to the sums `a`;
//! returns the weights of the next tile. A form may ask for one more argument, see [`before`]. Where a processor has instructions that C has no word for,
//! these stand behind a macro that tests for them, with the plain C beside.

mod arm_dsp;
mod arm_small;
mod avr;
pub(super) mod packed;

use crate::elem::Elem;
use crate::plan::{Body, Plan};
use ceg4n_target::Form;
use std::collections::BTreeSet;

/// One function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) form: Form,
    pub(super) rows: usize,
    /// The operand's type.
    pub(super) x: Elem,
}

impl Use {
    /// Its name without the kernel's.
    pub(super) fn name(&self) -> String {
        let form = match self.form {
            Form::Plain => "plain",
            Form::Packed { .. } => "packed",
            Form::Dual { bits: 16 } => "dual16",
            Form::Dual { .. } => "dual8",
            Form::Pair => "pair",
            Form::Quad => "quad",
            Form::Offset => "offset",
            Form::Halves => "halves",
            Form::Short => "short",
            Form::Bytes => "bytes",
        };
        format!("{form}_{}_{}", self.rows, self.x.rust())
    }
}

/// The call for one tile.
pub(super) fn call(name: &str, form: Form, rows: usize, x: Elem, cols: &str) -> String {
    let function = Use { form, rows, x }.name();
    let s = if form == Form::Quad { ", s" } else { "" };
    format!("{name}_{function}(w, b, x, {cols}, a{s})")
}

/// What a form computes once before all tiles: a declaration.
pub(super) fn before(name: &str, form: Form, x: Elem, cols: &str) -> Option<String> {
    let sum = arm_dsp::sum_name(name, x);
    (form == Form::Quad).then(|| format!("const uint32_t s = {sum}(x, {cols});"))
}

/// Every function that a plan calls.
pub(super) fn support(name: &str, plan: &Plan<'_>) -> String {
    let mut uses = BTreeSet::new();
    for s in &plan.stages {
        if let Body::Dense(d) = &s.body {
            let (form, x) = (d.license.form(), s.reads[0].ty);
            uses.extend(d.tiles.iter().map(|t| Use {
                form,
                rows: t.rows,
                x,
            }));
        }
    }
    let uses: Vec<Use> = uses.into_iter().collect();
    let of = |forms: &[Form]| -> Vec<Use> {
        let all = uses.iter().copied();
        all.filter(|u| forms.contains(&u.form)).collect()
    };
    let mut out = packed::support(name, plan);
    out.push_str(&arm_dsp::support(
        name,
        &of(&[
            Form::Dual { bits: 8 },
            Form::Dual { bits: 16 },
            Form::Pair,
            Form::Quad,
        ]),
    ));
    out.push_str(&arm_small::support(
        name,
        &of(&[Form::Offset, Form::Halves]),
    ));
    out.push_str(&avr::support(name, &of(&[Form::Short, Form::Bytes])));
    out
}
