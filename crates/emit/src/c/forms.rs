//! The C functions that compute the sums of a tile of rows, one for each form, tile and type of
//! operand that a kernel uses.
//!
//! For the small processors: `w = NAME_FORM_ROWS_TYPE(w, b, x, cols, a, y, shift)`: from the tile's
//! weights `w`, the starts of its sums `b` and the operand `x` of `cols` columns (then zeros to the
//! form's multiple) to the sums `a`, or, where `a` is a null pointer, to bytes `y`: the sums shifted
//! right and saturated. Returns the weights of the next tile. Where a processor has instructions
//! that C has no word for, these stand behind a macro that tests for them, with the plain C beside.

pub(super) mod arm_dsp;
mod arm_small;
mod avr;
pub(super) mod packed;

use crate::elem::Elem;
use crate::plan::{Body, Plan, Stage, Tiles, saturates};
use ceg4n_target::Form;
use std::collections::BTreeSet;

/// One function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) form: Form,
    pub(super) rows: usize,
    /// The operand's type.
    pub(super) x: Elem,
    /// The type of a sum, or of what is left of it, as it is handed back.
    pub(super) word: Elem,
}

impl Use {
    /// That of a stage.
    pub(super) fn of(stage: &Stage, form: Form, rows: usize) -> Self {
        let x = stage.reads[0].ty;
        Self {
            form,
            rows,
            // Those for AVR raise signed bytes.
            x: if matches!(form, Form::Short | Form::Bytes) {
                Elem::U8
            } else {
                x
            },
            word: stage.word,
        }
    }

    /// Its name without the kernel's.
    pub(super) fn name(&self) -> String {
        let form = match self.form {
            // What is left of the rows.
            Form::Quarters if self.rows <= 2 => "offset",
            form => form_name(form),
        };
        let high = self.form == Form::Bytes && self.word == Elem::I16;
        let part = if high { "_high" } else { "" };
        let x = match self.form {
            Form::Short | Form::Bytes => "",
            _ if self.x == Elem::U8 => "",
            _ => &format!("_{}", self.x.rust()),
        };
        format!("{form}_{}{x}{part}", self.rows)
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

/// By how much the stage of a small processor shifts its sums right before it saturates them to
/// unsigned bytes; `None` if it does something else.
pub(super) fn saturation(stage: &Stage) -> Option<u32> {
    let Body::Dense(d) = &stage.body else {
        return None;
    };
    match d.license.form() {
        // The function shifts whole sums, the steps what is left of them.
        Form::Bytes if stage.word == Elem::I16 => None,
        Form::Offset | Form::Quarters | Form::Short | Form::Bytes => {
            saturates(&stage.steps, stage.ty)
        }
        Form::Plain | Form::Packed { .. } | Form::Dual { .. } | Form::Pair | Form::Quad => None,
    }
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
                && saturation(s).is_some() == saturation(stage).is_some()
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
            let form = d.license.form();
            uses.extend(d.tiles.iter().map(|t| Use::of(s, form, t.rows)));
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
