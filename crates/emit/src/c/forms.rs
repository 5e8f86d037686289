//! The C functions that compute the sums of a tile of rows, one for each form, tile and type of
//! operand that a kernel uses.
//!
//! `w = NAME_FORM_ROWS_TYPE(w, b, x, cols, a)`: from the tile's weights `w`, the starts of its sums
//! `b` and the operand `x` of `cols` columns (then zeros to the form's multiple) to the sums `a`;
//! returns the weights of the next tile. Where a processor has instructions that C has no word
//! for, these stand behind a macro that tests for them, with the plain C beside.

pub(super) mod arm_dsp;
mod arm_small;
mod avr;
pub(super) mod packed;

use crate::elem::Elem;
use crate::plan::{Body, Plan, Stage, Tiles};
use ceg4n_target::Form;
use std::collections::BTreeSet;

/// One function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) form: Form,
    pub(super) rows: usize,
    /// The operand's type.
    pub(super) x: Elem,
    /// The type of a sum as it is handed back.
    pub(super) word: Elem,
}

impl Use {
    /// Its name without the kernel's.
    pub(super) fn name(&self) -> String {
        if self.form == Form::Quarters && self.rows <= 2 {
            // What is left of the rows.
            return format!("offset_{}_{}", self.rows, self.x.rust());
        }
        let form = form_name(self.form);
        let part = match (self.form, self.word) {
            (Form::Bytes, Elem::I16) => "_high",
            _ => "",
        };
        format!("{form}_{}_{}{part}", self.rows, self.x.rust())
    }
}

/// For the names of functions.
fn form_name(form: Form) -> &'static str {
    match form {
        Form::Plain => "plain",
        Form::Packed { .. } => "packed",
        Form::Dual { bits: 16 } => "dual16",
        Form::Dual { .. } => "dual8",
        Form::Pair => "pair",
        Form::Quad => "quad",
        Form::Offset => "offset",
        Form::Quarters => "quarters",
        Form::Short => "short",
        Form::Bytes => "bytes",
    }
}

/// The call for one tile.
pub(super) fn call(name: &str, function: Use, cols: &str) -> String {
    format!("{name}_{}(w, b, x, {cols}, a)", function.name())
}

/// What a form computes once before all tiles: a declaration.
pub(super) fn before(name: &str, form: Form, x: Elem, cols: &str) -> Option<String> {
    let sum = arm_dsp::sum_name(name, x);
    (form == Form::Quad).then(|| format!("const uint32_t s = {sum}(x, {cols});"))
}

/// The tiles of a dense stage, also of sizes that only stages of the same loops have: then the
/// functions of all differ in nothing but numbers.
pub(super) fn sizes(plan: &Plan<'_>, stage: &Stage) -> Vec<Tiles> {
    let Body::Dense(d) = &stage.body else {
        return Vec::new();
    };
    let done = arm_dsp::store(plan, stage).map(|s| s.0);
    let alike = plan.stages.iter().filter_map(|s| match &s.body {
        Body::Dense(other)
            if other.license.form() == d.license.form()
                && s.reads[0].ty == stage.reads[0].ty
                && s.word == stage.word
                && arm_dsp::store(plan, s).map(|s| s.0) == done =>
        {
            Some(&other.tiles)
        }
        Body::Dense(_) | Body::Load | Body::Windows(_) | Body::Copy { .. } | Body::Pick { .. } => {
            None
        }
    });
    let lists: Vec<&Vec<Tiles>> = alike.collect();
    let mut left: BTreeSet<usize> = lists
        .iter()
        .flat_map(|l| l.iter().map(|t| t.rows))
        .collect();
    // Every layer's order is kept; else the largest go first.
    let first = |a: usize, b: usize| {
        let place = |l: &Vec<Tiles>, rows| l.iter().position(|t| t.rows == rows);
        lists
            .iter()
            .any(|l| place(l, a) < place(l, b) && place(l, a).is_some())
    };
    let mut tiles = Vec::new();
    while !left.is_empty() {
        let free = |b: &&usize| !left.iter().any(|a| a != *b && first(*a, **b));
        let Some(rows) = left.iter().rev().find(free).copied() else {
            return d.tiles.clone();
        };
        left.remove(&rows);
        let own = d.tiles.iter().find(|t| t.rows == rows);
        let count = own.map_or(0, |t| t.count);
        tiles.push(Tiles { rows, count });
    }
    tiles
}

/// The README's section on instructions, if there are any.
pub(super) fn readme(plan: &Plan<'_>) -> String {
    arm_dsp::readme(plan)
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
                word: s.word,
            }));
        }
    }
    let uses: Vec<Use> = uses.into_iter().collect();
    let of = |forms: &[Form]| -> Vec<Use> {
        let all = uses.iter().copied();
        all.filter(|u| forms.contains(&u.form)).collect()
    };
    let mut out = packed::support(name, plan);
    out.push_str(&arm_dsp::support(name, plan));
    out.push_str(&arm_small::support(
        name,
        &of(&[Form::Offset, Form::Quarters]),
    ));
    out.push_str(&avr::support(name, &of(&[Form::Short, Form::Bytes])));
    out
}
