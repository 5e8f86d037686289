//! When bounds of both programs exclude every case of constraints on the outputs of both.
//!
//! A case is excluded where one of its constraints is nowhere met, or where a sum of some of them
//! is nowhere met: sums are what bounds of the difference of both programs speak of, for instance
//! `N_j ≤ N_i` and `K_i ≤ K_j` together.

use super::{Shown, Worst, above, sum};
use crate::bounds::differential::{PairBounds, PairForm};
use ceg4n_ir::{OutputConstraint, OutputSpec};

/// So many sums of two constraints of a case are bounded.
const PAIRS: usize = 8;

/// A form that excludes a case where its bound exceeds what it needs.
struct Form {
    case: usize,
    form: PairForm,
    need: f64,
    /// The best bound so far.
    lower: f64,
}

impl Form {
    fn over(&self) -> f64 {
        let over = self.lower - self.need;
        if over.is_nan() {
            f64::NEG_INFINITY
        } else {
            over
        }
    }

    fn excludes(&self) -> bool {
        self.lower > self.need
    }
}

/// Are all cases excluded? Outputs of the reference come first in `spec`, `outputs` of them.
pub(super) fn shows(pair: &PairBounds<'_>, outputs: usize, spec: &OutputSpec) -> Shown {
    let singles = |(case, list): (usize, &Vec<OutputConstraint>)| {
        let forms = list
            .iter()
            .filter_map(move |c| form(pair, outputs, case, c));
        forms.collect::<Vec<_>>()
    };
    let mut forms: Vec<Form> = spec.cases.iter().enumerate().flat_map(singles).collect();
    refine(pair, &mut forms);
    let sums: Vec<Form> = (spec.cases.iter().enumerate())
        .filter(|(case, list)| list.len() > 1 && !excluded(&forms, *case))
        .flat_map(|(case, list)| sums(pair, outputs, case, list))
        .collect();
    let first = forms.len();
    forms.extend(sums);
    refine(pair, &mut forms[first..]);
    let mut worst = Worst::new(outputs);
    for case in 0..spec.cases.len() {
        if excluded(&forms, case) {
            continue;
        }
        let own = forms.iter().filter(|f| f.case == case);
        match own.max_by(|a, b| a.over().total_cmp(&b.over())) {
            Some(best) => worst.note(best.over(), || best.form.clone()),
            None => worst.note(f64::NEG_INFINITY, || PairForm::zero(outputs)),
        }
    }
    worst.into_shown(0.0)
}

fn excluded(forms: &[Form], case: usize) -> bool {
    forms.iter().any(|f| f.case == case && f.excludes())
}

/// The form of a constraint, with the bound that is there already; `None` where its coefficients
/// are no floats.
fn form(pair: &PairBounds<'_>, outputs: usize, case: usize, c: &OutputConstraint) -> Option<Form> {
    let (mut reference, need) = above(c, 2 * outputs)?;
    let subject = reference.split_off(outputs);
    let form = PairForm { reference, subject };
    Some(Form {
        case,
        lower: pair.glance(&form),
        form,
        need,
    })
}

/// Bounds the forms of cases that are not excluded, all in one pass.
fn refine(pair: &PairBounds<'_>, forms: &mut [Form]) {
    let open: Vec<usize> = (0..forms.len())
        .filter(|i| !excluded(forms, forms[*i].case))
        .collect();
    if open.is_empty() {
        return;
    }
    let list: Vec<PairForm> = open.iter().map(|i| forms[*i].form.clone()).collect();
    for (i, lower) in open.iter().zip(pair.lower(&list)) {
        forms[*i].lower = forms[*i].lower.max(lower);
    }
}

/// The sum of all constraints of a case, and those sums of two whose first bound is best.
fn sums(
    pair: &PairBounds<'_>,
    outputs: usize,
    case: usize,
    list: &[OutputConstraint],
) -> Vec<Form> {
    let mut two: Vec<Form> = Vec::new();
    // Of many constraints only neighbours: their number is squared else.
    let reach = if list.len() > 4 * PAIRS {
        2
    } else {
        list.len()
    };
    for (i, a) in list.iter().enumerate() {
        for b in list.iter().take(i + reach).skip(i + 1) {
            two.extend(form(pair, outputs, case, &sum([a, b])));
        }
    }
    two.sort_by(|a, b| b.over().total_cmp(&a.over()));
    two.truncate(PAIRS);
    if list.len() > 2 {
        two.extend(form(pair, outputs, case, &sum(list)));
    }
    two
}
