//! Rules that only reorder or split sums, which say nothing about a graph: a sum is one linear
//! form there, in whatever order it was written.

use super::known::Bound;
use ceg4n_opspec::{Binary, RewriteRule, Term, VariableKind};
use std::collections::BTreeMap;

/// Whether both sides are one linear form of their values and the right has no fewer operators.
/// Decided on samples of the constants: nothing but effort depends on it.
pub(crate) fn only_reorders(rule: &RewriteRule, lhs: &Term, rhs: &Term) -> bool {
    let same = [3, 5, 12].iter().all(|sample| {
        let mut bound = Bound::new(rule.variables.len());
        for (i, (id, variable)) in rule.variables.iter().enumerate() {
            let v = match variable.kind {
                VariableKind::Constant => sample + 7 * i as i128,
                VariableKind::Shift => 1 + i as i128,
                VariableKind::Value | VariableKind::Truth => continue,
            };
            bound.bind(rule, id, v);
        }
        let (left, right) = (form(lhs, &bound), form(rhs, &bound));
        left.is_some() && left == right
    });
    same && operators(rule, lhs) <= operators(rule, rhs)
}

/// Coefficients by variable; those of 0 are left out.
type Form = (BTreeMap<usize, i128>, i128);

fn form(term: &Term, bound: &Bound) -> Option<Form> {
    if let Some(v) = bound.value(term) {
        return Some((BTreeMap::new(), v));
    }
    let times = |(terms, k): Form, c: i128| {
        let product = |(t, w): (usize, i128)| Some((t, w.checked_mul(c)?));
        let terms = terms.into_iter().map(product).collect::<Option<_>>()?;
        Some((terms, k.checked_mul(c)?))
    };
    match term {
        Term::Variable(id) => Some(([(id.as_u32() as usize, 1)].into(), 0)),
        Term::Neg(a) => times(form(a, bound)?, -1),
        Term::Shl(a, s) => {
            let p = super::known::power(u32::try_from(bound.value(s)?).ok()?)?;
            times(form(a, bound)?, p)
        }
        Term::Binary(Binary::Mul, a, b) => match (bound.value(a), bound.value(b)) {
            (_, Some(c)) => times(form(a, bound)?, c),
            (Some(c), None) => times(form(b, bound)?, c),
            (None, None) => None,
        },
        Term::Binary(op @ (Binary::Add | Binary::Sub), a, b) => {
            let (mut terms, constant) = form(a, bound)?;
            let b = form(b, bound)?;
            let (other, k) = if *op == Binary::Sub { times(b, -1)? } else { b };
            for (t, c) in other {
                let sum = terms.entry(t).or_default();
                *sum = sum.checked_add(c)?;
            }
            terms.retain(|_, c| *c != 0);
            Some((terms, constant.checked_add(k)?))
        }
        Term::Binary(Binary::Min | Binary::Max, ..)
        | Term::Int(_)
        | Term::Fact(..)
        | Term::Div(..)
        | Term::Log2(_)
        | Term::Shr(..)
        | Term::ModPow2(..)
        | Term::Select(..)
        | Term::Truth(_) => None,
    }
}

/// Operators that are computed when the kernel runs.
fn operators(rule: &RewriteRule, term: &Term) -> usize {
    let mut count = 0;
    term.for_each_part(&mut |t| {
        let is_operator = !matches!(t, Term::Variable(_) | Term::Int(_) | Term::Fact(..));
        count += usize::from(is_operator && !t.is_known(&rule.variables));
    });
    count
}
